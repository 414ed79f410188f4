//! A keeper killed with a transaction under way goes on with it, and does nothing twice.

use ballast_devnet::Mining;
use ballast_test_support::{Fault, RAW_TRANSACTION};
use eyre::Result;

use crate::harness::{DEADLINE, Setup, World};

const INTERVAL: u64 = 86_401;

/// A world whose blocks are made by the test, with a rebalance due.
async fn due() -> Result<World> {
    let world = World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
    world.devnet.node().warp(INTERVAL).await?;
    Ok(world)
}

#[tokio::test]
async fn killed_after_broadcast_executes_once() -> Result<()> {
    let world = due().await?;
    let before = last_trade(&world).await?;
    let mut keeper = world.keeper().await?;
    let sent = async || !world.proxy().raw_transactions().is_empty();
    keeper.wait_until("the broadcast", DEADLINE, sent).await?;
    keeper.kill9().await?;

    let mut keeper = world.keeper().await?;
    // The transaction is in the node's pool; the new process has only the journal to know it by.
    world.pass_blocks(1).await?;
    assert_one_execution(&world, &mut keeper, before).await
}

#[tokio::test]
async fn killed_before_the_node_had_it_executes_once() -> Result<()> {
    let world = due().await?;
    let before = last_trade(&world).await?;
    let swallowed = world.proxy().inject(Fault::SwallowRaw.on(RAW_TRANSACTION));
    let mut keeper = world.keeper().await?;
    keeper.wait_until("the broadcast", DEADLINE, async || swallowed.fired() > 0).await?;
    keeper.kill9().await?;
    assert!(swallowed.fired() > 0, "the fault did not fire");
    world.proxy().heal();
    let nonce = world.devnet.node().pending_nonce(ballast_devnet::accounts::keeper_address(0));
    assert_eq!(nonce.await?, 0, "the node must not have it");

    let mut keeper = world.keeper().await?;
    world.pass_blocks(1).await?;
    let forwarded = async || {
        let keeper = ballast_devnet::accounts::keeper_address(0);
        world.devnet.node().pending_nonce(keeper).await.is_ok_and(|n| n == 1)
    };
    keeper.wait_until("the same bytes again", DEADLINE, forwarded).await?;
    world.pass_blocks(1).await?;
    assert_one_execution(&world, &mut keeper, before).await
}

#[tokio::test]
async fn a_second_process_on_the_same_store_is_kept_out() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let _first = world.keeper().await?;
    let (code, _, err) = crate::harness::finish(world.ballast(&["run"])).await?;
    assert_eq!(code, 1);
    assert!(err.iter().any(|line| line.contains("ballast.db")), "{err:?}");
    Ok(())
}

/// Makes blocks until the keeper says so.
async fn pass_until(
    world: &World,
    keeper: &ballast_test_support::KeeperProcess,
    text: &str,
) -> Result<()> {
    ballast_test_support::wait_until(text, DEADLINE, async || {
        if keeper.lines().iter().any(|line| line.contains(text)) {
            return Ok(());
        }
        world.pass_blocks(1).await.map_err(|e| e.to_string())?;
        Err(keeper.tail())
    })
    .await
}

async fn last_trade(world: &World) -> Result<u64> {
    world.devnet.market().last_trade(world.devnet.product()).await
}

/// The product has traded since `before`, by one transaction that becomes final.
async fn assert_one_execution(
    world: &World,
    keeper: &mut ballast_test_support::KeeperProcess,
    before: u64,
) -> Result<()> {
    let traded = async || last_trade(world).await.is_ok_and(|trade| trade > before);
    keeper.wait_until("the execution", DEADLINE, traded).await?;
    pass_until(world, keeper, "step=\"final\"").await?;
    world.pass_blocks(3).await?;
    assert_eq!(world.mined().await?, 1, "one nonce used");
    let mut raw = world.proxy().raw_transactions();
    raw.sort();
    raw.dedup();
    assert_eq!(raw.len(), 1, "one transaction signed, however often it was sent");
    Ok(())
}
