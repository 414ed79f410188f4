//! What reverted is done again in the next blocks, without waiting for finality, because the
//! contract itself lets it take effect once.

use alloy::primitives::{Address, bytes};
use ballast_devnet::Mining;
use ballast_test_support::{KeeperProcess, wait_until};
use eyre::Result;

use crate::harness::{DEADLINE, Setup, World};

const INTERVAL: u64 = 86_401;

/// A dollar in the feed's 8 decimals.
const USD: u64 = 100_000_000;

#[tokio::test]
async fn after_a_revert_the_rebalance_goes_out_again_before_that_is_final() -> Result<()> {
    let world = world().await?;
    world.devnet.node().warp(INTERVAL).await?;
    reverts_and_goes_out_again(&world, "rebalance").await
}

/// The ripcord ends in a payment to its caller.
#[tokio::test]
async fn so_does_the_ripcord() -> Result<()> {
    let world = world().await?;
    world.devnet.market().set_price(1_480 * USD).await?;
    reverts_and_goes_out_again(&world, "ripcord").await
}

async fn world() -> Result<World> {
    World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await
}

async fn reverts_and_goes_out_again(world: &World, action: &str) -> Result<()> {
    let (market, product) = (world.devnet.market(), world.devnet.product());
    let before = market.last_trade(product).await?;
    // Nothing is final before this test is over.
    let mut keeper = world
        .ballast(&["--log", "info,ballast=debug", "run"])
        .env("BALLAST__CHAINS__LOCAL__CONFIRMATIONS", "1000")
        .start()?;
    let sent = async || !world.proxy().raw_transactions().is_empty();
    keeper.wait_until("the broadcast", DEADLINE, sent).await?;
    keeper.wait_for_line(&format!("action=\"{action}\""), DEADLINE).await?;

    mine_while_broken(world, product.strategy).await?;
    assert_eq!(world.mined().await?, 1, "it was included");
    assert_eq!(market.last_trade(product).await?, before, "and reverted");
    keeper.wait_for_line("included but reverted", DEADLINE).await?;

    let traded = async || market.last_trade(product).await.is_ok_and(|trade| trade > before);
    pass_until(world, &keeper, traded).await?;
    world.pass_blocks(3).await?;
    assert_eq!(world.mined().await?, 2, "the next nonce, and no other");
    assert!(!keeper.lines().iter().any(|line| line.contains("step=\"final\"")), "not final");
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    Ok(())
}

/// A block in which every call of this contract reverts.
async fn mine_while_broken(world: &World, contract: Address) -> Result<()> {
    let node = world.devnet.node();
    let code = node.rpc("eth_getCode", (contract, "latest")).await?;
    // PUSH1 0, PUSH1 0, REVERT
    node.set_code(contract, bytes!("60006000fd")).await?;
    node.mine(1).await?;
    node.set_code(contract, code).await?;
    node.mine(1).await
}

async fn pass_until(
    world: &World,
    keeper: &KeeperProcess,
    done: impl AsyncFn() -> bool,
) -> Result<()> {
    wait_until("the repetition", DEADLINE, async || {
        if done().await {
            return Ok(());
        }
        world.pass_blocks(1).await.map_err(|error| error.to_string())?;
        Err(keeper.tail())
    })
    .await
}
