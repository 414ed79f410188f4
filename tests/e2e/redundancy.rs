//! Two keepers of one product that know nothing of each other, each with an allow-listed wallet and a
//! store of its own.

use alloy::primitives::utils::parse_ether;
use ballast_devnet::{Mining, accounts};
use ballast_test_support::{ConfigDir, KeeperCommand, KeeperProcess};
use eyre::Result;

use crate::{
    fli::{INTERVAL, race::rebalances},
    harness::{DEADLINE, PRODUCT, Setup, World, finish, json, key_name},
    steps::Steps,
};

/// The account of the second keeper; no product is made for it.
const SECOND: usize = 7;
/// Blocks that it leaves to the first.
const BLOCKS: u64 = 3;
/// Blocks after which whatever would still come has come.
const ENOUGH: u64 = 6;

/// The files of the second keeper: those of the first, but for store, wallet and `[limits]`.
fn second_files(world: &World) -> Result<ConfigDir> {
    let chain = std::fs::read_to_string(world.dir.path().join("chains/local.toml"))?;
    let product =
        std::fs::read_to_string(world.dir.path().join(format!("products/{PRODUCT}.toml")))?;
    let product = product.replace(&key_name(0), &key_name(SECOND));
    let dir = ConfigDir::new()?;
    let store = dir.path().join("ballast.db");
    let ballast = format!(
        "[store]\nurl = \"sqlite://{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n",
        store.display()
    );
    dir.ballast(ballast)?
        .chain("local", chain)?
        .product(PRODUCT, format!("{product}\n[limits]\nact_after_blocks = {BLOCKS}\n"))
}

fn second(dir: &ConfigDir, args: &[&str]) -> KeeperCommand {
    KeeperCommand::new(env!("CARGO_BIN_EXE_ballast"))
        .arg("--config")
        .arg(dir.path())
        .args(args)
        .env(key_name(SECOND), accounts::keeper_key(SECOND).to_string())
}

async fn start_second(dir: &ConfigDir) -> Result<KeeperProcess> {
    second(dir, &["--log", "info,ballast=debug", "run"]).start()
}

/// One block, and what both make of it.
async fn pass(world: &World, keepers: &mut [(&KeeperProcess, &mut Steps)]) -> Result<()> {
    world.pass_blocks(1).await?;
    for (keeper, steps) in keepers {
        steps.follow(keeper, 1).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_second_instance_acts_only_when_the_first_does_not() -> Result<()> {
    let world = World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
    let (node, account) = (world.devnet.node(), accounts::keeper_address(SECOND));
    world.devnet.market().set_caller_status(world.devnet.product(), &[account], true).await?;
    node.set_balance(account, parse_ether("100")?).await?;
    let dir = second_files(&world)?;
    let by_first = async || node.nonce(accounts::keeper_address(0)).await;
    let by_second = async || node.nonce(account).await;
    let begin = node.block_number().await?;
    let mut first = world.keeper().await?;
    let mut other = start_second(&dir).await?;
    let mut steps = Steps::of(&first, PRODUCT).await?;
    let mut other_steps = Steps::of(&other, PRODUCT).await?;

    // Both run: the first acts, each time, and the second never.
    for round in 1..=2 {
        node.warp(INTERVAL).await?;
        steps.follow(&first, 1).await?;
        other_steps.follow(&other, 1).await?;
        for _ in 0..ENOUGH {
            pass(&world, &mut [(&first, &mut steps), (&other, &mut other_steps)]).await?;
        }
        assert_eq!(rebalances(&world, begin).await?, round, "{}", first.tail());
        assert_eq!((by_first().await?, by_second().await?), (u64::try_from(round)?, 0));
    }
    assert!(!other.lines().join("\n").contains("reason=\"sent\""), "{}", other.tail());

    // The first is gone. One block before its time the second one is gone too, for a moment.
    first.kill9().await?;
    node.warp(INTERVAL).await?;
    other_steps.follow(&other, 1).await?;
    let due_at = node.block_number().await?;
    for _ in 1..BLOCKS {
        pass(&world, &mut [(&other, &mut other_steps)]).await?;
    }
    let said = format!("left to another instance for {BLOCKS} blocks, 1 to go");
    let explained = async || {
        let (_, out, _) = finish(second(&dir, &["explain", PRODUCT, "--json"])).await?;
        let explained = json(&out);
        let detail = explained["detail"].as_str().unwrap_or_default();
        eyre::ensure!(detail.contains(&said), "{explained}");
        Ok(())
    };
    other.wait_until("the explanation", DEADLINE, explained).await?;
    let sent = world.proxy().raw_transactions().len();
    other.kill9().await?;
    other = start_second(&dir).await?;
    let mut other_steps = Steps::of(&other, PRODUCT).await?;
    assert_eq!(world.proxy().raw_transactions().len(), sent, "a block to go");
    pass(&world, &mut [(&other, &mut other_steps)]).await?;
    assert_eq!(node.block_number().await?, due_at + BLOCKS);
    assert!(world.proxy().raw_transactions().len() > sent, "its time: {}", other.tail());
    for _ in 0..ENOUGH {
        pass(&world, &mut [(&other, &mut other_steps)]).await?;
    }
    assert_eq!(rebalances(&world, begin).await?, 3, "{}", other.tail());
    assert_eq!((by_first().await?, by_second().await?), (2, 1), "once, by the second");
    Ok(())
}
