//! A ratio outside either bound, and an interval that is over.

use ballast_devnet::BasisMethodology;
use eyre::Result;

use super::{INTERVAL, Stage, count, magnitude};

#[tokio::test]
async fn an_interval_and_both_bounds() -> Result<()> {
    let stage = Stage::start(BasisMethodology::default()).await?;
    // Too far from zero: bought back to the bound, and once more because of the fees.
    stage.move_to("1.13").await?;
    stage.settle(2).await?;
    let [first, second] = stage.assert_rests().await?.try_into().expect("two calls");
    let max = magnitude("1.1");
    assert!(first.before > max && first.after < first.before, "{first:?}");
    assert!(second.after <= max, "{second:?}");

    stage.world.devnet.node().warp(INTERVAL).await?;
    stage.settle(3).await?;
    let interval = &stage.assert_rests().await?[2];
    assert!(interval.before <= max, "inside bounds: {interval:?}");
    assert!(interval.after < interval.before, "nearer to its target: {interval:?}");

    // Too near to zero: sold more.
    stage.move_to("0.88").await?;
    stage.settle(4).await?;
    let all = stage.assert_rests().await?;
    let (min, lever) = (magnitude("0.9"), &all[3]);
    assert!(lever.before < min && lever.after > lever.before, "{lever:?}");
    assert!(stage.ratio().await? >= min);
    assert_eq!(count(&all, "rebalance"), all.len(), "{all:?}");
    let drift = stage.market.position().await?.drift();
    assert!(drift.unsigned_abs() < magnitude("0.001"), "spot and short are {drift} apart");
    Ok(())
}
