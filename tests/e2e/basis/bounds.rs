//! An interval that is over, and a ratio outside either bound.

use ballast_devnet::BasisMethodology;
use eyre::Result;

use super::{INTERVAL, RESTS, Stage, count, magnitude};
use crate::harness::DEADLINE;

#[tokio::test]
async fn an_interval_and_both_bounds() -> Result<()> {
    let stage = Stage::start(BasisMethodology::default()).await?;
    // Off its target, or there would be nothing to trade.
    stage.move_to("1.04").await?;
    assert!(stage.assert_rests().await?.is_empty(), "nothing was due yet");
    stage.world.devnet.node().warp(INTERVAL).await?;
    let sent = stage.keeper.wait_for_line("reason=\"sent\"", DEADLINE).await?;
    assert!(sent.contains("rebalance") && sent.contains("routine"), "{sent}");
    stage.wait_mined("rebalance", 1).await?;
    let [interval] = stage.assert_rests().await?.try_into().expect("one call");
    assert!(interval.after < interval.before, "nearer to its target: {interval:?}");

    // Too far from zero: bought back to the bound, and once more because of the fees.
    let mark = stage.keeper.mark();
    stage.move_to("1.13").await?;
    let sent = stage.keeper.wait_for_line_since(mark, "reason=\"sent\"", DEADLINE).await?;
    assert!(sent.contains("rebalance") && sent.contains("prompt"), "{sent}");
    stage.wait_inside("0.9", "1.1").await?;
    let after_fall = stage.assert_rests().await?;
    assert!((2..=3).contains(&count(&after_fall, "rebalance")), "{after_fall:?}");

    // Too near to zero: sold more.
    let mark = stage.keeper.mark();
    stage.move_to("0.88").await?;
    stage.keeper.wait_for_line_since(mark, "reason=\"sent\"", DEADLINE).await?;
    stage.wait_inside("0.9", "1.1").await?;
    stage.keeper.wait_for_line_since(mark, RESTS, DEADLINE).await?;
    let all = stage.assert_rests().await?;
    let rise = all.last().expect("a call");
    assert!(rise.before < magnitude("0.9") && rise.after > rise.before, "{rise:?}");
    assert_eq!(count(&all, "rebalance"), all.len(), "{all:?}");
    let drift = stage.market.position().await?.drift();
    assert!(drift.unsigned_abs() < magnitude("0.001"), "spot and short are {drift} apart");
    Ok(())
}
