//! What the protocol would refuse is not sent.

use alloy::primitives::utils::parse_ether;
use ballast_devnet::{Action, V2_EXCHANGE, V3_EXCHANGE, contracts::IStrategy::disengageCall};
use eyre::Result;

use super::{INTERVAL, Stage, USD, count, ratio, set_params, world_with};
use crate::harness::{DEADLINE, Setup, World, finish};

#[tokio::test]
async fn slippage_on_one_exchange_leaves_the_other() -> Result<()> {
    let stage = Stage::start().await?;
    stage.market.set_pools_only(&[V3_EXCHANGE], 1_800 * USD).await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    let traded = async |stage: &Stage| Ok(!stage.mined().await?.is_empty());
    stage.warp_until("the interval rebalance", 0, traded).await?;
    let mined = stage.assert_rests().await?;
    assert_eq!(mined.len(), 1, "{mined:?}");
    assert_eq!((mined[0].action, mined[0].exchange.as_str()), ("rebalance", V2_EXCHANGE));
    Ok(())
}

#[tokio::test]
async fn slippage_everywhere_blocks_until_the_pools_are_back() -> Result<()> {
    let stage = Stage::start().await?;
    stage.market.set_pools_only(&[V3_EXCHANGE, V2_EXCHANGE], 1_800 * USD).await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    let line = stage.keeper.wait_for_line("slippage beyond the tolerance", DEADLINE).await?;
    assert!(line.contains("blocked") && line.contains("Too little received"), "{line}");
    assert!(line.contains("INSUFFICIENT_OUTPUT_AMOUNT"), "both are named: {line}");
    assert_eq!(stage.assert_rests().await?, []);

    stage.market.set_price(2_000 * USD).await?;
    let traded = async |stage: &Stage| Ok(!stage.mined().await?.is_empty());
    stage.warp_until("recovery", 0, traded).await?;
    let mined = stage.assert_rests().await?;
    assert_eq!((mined.len(), count(&mined, "rebalance")), (1, 1), "{mined:?}");
    Ok(())
}

#[tokio::test]
async fn a_wound_down_product_is_left_alone_though_it_says_rebalance() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (market, product) = (world.devnet.market(), world.devnet.product().clone());
    let step = parse_ether("300")?;
    market.set_exchange_sizes(&product, V3_EXCHANGE, step, step).await?;
    while market.leverage_ratio(&product).await? > ratio("1") {
        let call = disengageCall { exchangeName: V3_EXCHANGE.to_owned() };
        market.operate(&product, call).await?;
        market.set_price(2_000 * USD).await?;
    }
    world.devnet.node().warp(INTERVAL).await?;
    let due = market.should_rebalance(&product).await?;
    assert!(due.iter().all(|(_, action)| *action == Action::Rebalance), "{due:?}");
    let stage = Stage::over(world, "wound down: no debt").await?;
    assert_eq!(stage.assert_rests().await?, []);
    Ok(())
}

#[tokio::test]
async fn beyond_the_ceiling_nothing_is_sent_and_the_reason_is_said() -> Result<()> {
    let stage = Stage::start().await?;
    stage.market.set_price(1_300 * USD).await?;
    let line = stage.keeper.wait_for_line("beyond the ceiling", DEADLINE).await?;
    assert!(line.contains("blocked"), "{line}");
    assert_eq!(stage.assert_rests().await?, []);
    // Within reach of the ripcord again, it is pulled.
    stage.market.set_price(1_500 * USD).await?;
    let rescued = async |stage: &Stage| Ok(count(&stage.mined().await?, "ripcord") >= 1);
    stage.warp_until("a ripcord", 0, rescued).await?;
    assert!(stage.mined().await?.iter().all(|call| call.succeeded));
    Ok(())
}

#[tokio::test]
async fn custom_bounds_loosen_and_never_tighten() -> Result<()> {
    let world = world_with("custom_max_leverage_ratio = \"2.25\"").await?;
    let (code, out, err) = finish(world.ballast(&["check"])).await?;
    assert_eq!(code, 0, "{out:?} {err:?}");
    let said = "custom_max_leverage_ratio 2.25 is tighter than the product's own 2.3";
    let warned = |line: &String| line.starts_with("warning") && line.contains(said);
    assert!(out.iter().any(warned), "{out:?}");

    set_params(&world, "custom_max_leverage_ratio = \"2.4\"")?;
    let stage = Stage::over(world, "inside bounds").await?;
    stage.market.set_price(1_740 * USD).await?;
    let current = stage.ratio().await?;
    assert!(current > ratio("2.3") && current < ratio("2.4"), "{current}");
    assert_eq!(stage.assert_rests().await?, []);
    stage.market.set_price(1_700 * USD).await?;
    assert!(stage.ratio().await? > ratio("2.4"));
    let traded = async |stage: &Stage| Ok(!stage.mined().await?.is_empty());
    stage.warp_until("the rebalance", 0, traded).await?;
    assert!(stage.mined().await?.iter().all(|call| call.succeeded));
    Ok(())
}

#[tokio::test]
async fn a_small_interval_rebalance_waits_for_min_notional() -> Result<()> {
    let world = world_with("min_notional = \"5\"").await?;
    let stage = Stage::over(world, "inside bounds").await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    stage.keeper.wait_for_line("below min_notional", DEADLINE).await?;
    assert_eq!(stage.assert_rests().await?, []);
    // At 2.17 × the pull to the target is worth it.
    stage.market.set_price(1_850 * USD).await?;
    assert!(stage.ratio().await? < ratio("2.3"));
    let traded = async |stage: &Stage| Ok(!stage.mined().await?.is_empty());
    stage.warp_until("the rebalance", 0, traded).await?;
    let mined = stage.assert_rests().await?;
    assert_eq!(count(&mined, "rebalance"), 1, "{mined:?}");
    Ok(())
}
