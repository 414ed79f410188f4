//! Funding that was collected: reinvested, unless that would lead out of bounds.

use alloy::primitives::U256;
use ballast_devnet::{BasisMethodology, contracts::basis::IBasisStrategy::MethodologySettings};
use eyre::Result;

use super::{RESTS, Stage, setup, short};
use crate::harness::{DEADLINE, World};

/// Perp's market stands so much above the index, in hundredths of a percent, for so long, in seconds.
const PREMIUM: (i32, u64) = (500, 21_600);

#[tokio::test]
async fn funding_is_reinvested_unless_that_would_cross_the_bound() -> Result<()> {
    let methodology = BasisMethodology {
        rebalance_interval: U256::MAX,
        reinvest_interval: 18_000,
        ..BasisMethodology::default()
    };
    let world = World::start(setup(methodology)).await?;
    let market = world.devnet.basis_market()?;
    let (premium, seconds) = PREMIUM;
    market.accrue_funding(premium, seconds).await?;
    let usual = market.methodology().await?;
    // It would take the ratio to about −1.
    let tight = MethodologySettings {
        targetLeverageRatio: short("0.95"),
        maxLeverageRatio: short("0.995"),
        ..usual.clone()
    };
    market.set_methodology(tight).await?;
    let refused = "reinvest waits: it would take the ratio out of bounds";
    let stage = Stage::over(world, refused).await?;
    assert!(stage.assert_rests().await?.is_empty(), "it was sent all the same");

    let before = stage.market.position().await?;
    let mark = stage.keeper.mark();
    market.set_methodology(usual).await?;
    stage.wait_mined("reinvest", 1).await?;
    stage.keeper.wait_for_line_since(mark, RESTS, DEADLINE).await?;
    let mined = stage.assert_rests().await?;
    assert_eq!(mined.len(), 1, "once: {mined:?}");
    assert!(mined[0].after > mined[0].before, "it raises the ratio: {mined:?}");
    let after = stage.market.position().await?;
    assert!(after.spot > before.spot && after.base < before.base, "{before:?} {after:?}");
    // All of it, but for what a dollar of six decimals cannot hold.
    let left = stage.market.tracked_funding().await?;
    assert!(left < U256::from(1_000_000_000_000_u64), "{left}");
    Ok(())
}
