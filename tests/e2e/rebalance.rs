//! The keeper notices, decides, sends and confirms.

use alloy::primitives::U256;
use ballast_devnet::Action;
use ballast_test_support::wait_until;
use eyre::Result;

use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, json};

const INTERVAL: u64 = 86_401;
/// A dollar in the feed's 8 decimals.
const USD: u64 = 100_000_000;

#[tokio::test]
async fn interval_rebalance_once_and_final() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (market, product) = (world.devnet.market(), world.devnet.product());
    let before = market.last_trade(product).await?;
    let ratio = market.leverage_ratio(product).await?;
    let mut keeper = world.keeper().await?;
    keeper.wait_for_line("inside bounds", DEADLINE).await?;
    assert_eq!(world.mined().await?, 0, "nothing was due yet");

    world.devnet.node().warp(INTERVAL).await?;
    let traded = async || market.last_trade(product).await.is_ok_and(|t| t > before);
    keeper.wait_until("the interval rebalance", DEADLINE, traded).await?;
    keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
    world.wait_blocks(3).await?;

    assert_eq!(world.mined().await?, 1, "one nonce used");
    assert_eq!(distinct_raw(&world), 1, "one transaction seen at the node");
    assert!(market.leverage_ratio(product).await? != ratio, "the position moved");
    let due = market.should_rebalance(product).await?;
    assert!(due.iter().all(|(_, action)| *action == Action::None), "{due:?}");

    let explained = json(&finish(world.ballast(&["explain", PRODUCT, "--json"])).await?.1);
    assert_eq!(explained["kind"], "wait", "{explained}");
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    Ok(())
}

#[tokio::test]
async fn leverage_above_its_maximum_is_brought_back_at_once() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (market, product) = (world.devnet.market(), world.devnet.product());
    let max = U256::from(2_300_000_000_000_000_000_u64);
    let mut keeper = world.keeper().await?;
    keeper.wait_for_line("inside bounds", DEADLINE).await?;

    market.set_price(1_755 * USD).await?;
    assert!(market.leverage_ratio(product).await? > max);
    let sent = keeper.wait_for_line("reason=\"sent\"", DEADLINE).await?;
    assert!(sent.contains("rebalance"), "{sent}");
    let back = async || market.leverage_ratio(product).await.is_ok_and(|ratio| ratio <= max);
    keeper.wait_until("leverage within bounds", DEADLINE, back).await?;
    let settled = async || {
        let (mined, sent) = (world.mined().await.ok()?, u64::try_from(distinct_raw(&world)).ok()?);
        (mined == sent).then_some(())
    };
    keeper.wait_until("every transaction to be mined", DEADLINE, settled).await?;
    assert_all_succeeded(&world).await
}

#[tokio::test]
async fn leverage_below_its_minimum_is_brought_back_at_once() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (market, product) = (world.devnet.market(), world.devnet.product());
    let min = U256::from(1_700_000_000_000_000_000_u64);
    let mut keeper = world.keeper().await?;
    keeper.wait_for_line("inside bounds", DEADLINE).await?;

    market.set_price(2_450 * USD).await?;
    assert!(market.leverage_ratio(product).await? < min);
    let back = async || market.leverage_ratio(product).await.is_ok_and(|ratio| ratio >= min);
    keeper.wait_until("leverage within bounds", DEADLINE, back).await?;
    assert_all_succeeded(&world).await
}

#[tokio::test]
async fn once_sends_what_is_due_and_dry_run_does_not() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    world.devnet.node().warp(INTERVAL).await?;

    let (code, out, err) = finish(world.ballast(&["once", "--dry-run", "--json"])).await?;
    assert_eq!(code, 0, "{err:?}");
    let report = json(&out);
    assert_eq!(report[0]["decision"]["kind"], "rehearsed", "{report}");
    assert_eq!(report[0]["decision"]["action"], "rebalance", "{report}");
    assert_eq!(world.mined().await?, 0);
    assert!(world.proxy().raw_transactions().is_empty(), "a dry run sent something");

    let (code, out, err) = finish(world.ballast(&["once", PRODUCT])).await?;
    assert_eq!(code, 0, "{out:?} {err:?}");
    assert!(out.iter().any(|line| line.contains("included")), "{out:?}");
    assert_eq!(world.mined().await?, 1);
    assert_all_succeeded(&world).await
}

#[tokio::test]
async fn a_watch_only_product_records_what_it_would_send() -> Result<()> {
    let world = World::start(Setup { watch_only: true, ..Setup::default() }).await?;
    world.devnet.node().warp(INTERVAL).await?;
    let keeper = world.keeper().await?;
    let line = keeper.wait_for_line("watch-only wallet", DEADLINE).await?;
    assert!(line.contains("rebalance"), "{line}");
    world.wait_blocks(3).await?;
    assert!(world.proxy().raw_transactions().is_empty());
    assert_eq!(world.mined().await?, 0);
    Ok(())
}

fn distinct_raw(world: &World) -> usize {
    let mut raw = world.proxy().raw_transactions();
    raw.sort();
    raw.dedup();
    raw.len()
}

/// No transaction of the keeper was mined as a revert.
async fn assert_all_succeeded(world: &World) -> Result<()> {
    let mut raw = world.proxy().raw_transactions();
    raw.sort();
    raw.dedup();
    assert!(!raw.is_empty(), "nothing was sent");
    for raw in raw {
        let bytes = alloy::hex::decode(raw)?;
        let hash = alloy::primitives::keccak256(bytes);
        let receipt = wait_until("a receipt", DEADLINE, async || {
            world.devnet.node().receipt(hash).await.ok()
        })
        .await?;
        assert!(receipt.status(), "{hash} reverted");
    }
    Ok(())
}
