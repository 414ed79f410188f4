//! Rebalances that take several trades.

use alloy::primitives::U256;
use ballast_devnet::{V2_EXCHANGE, V3_EXCHANGE};
use eyre::Result;

use super::{COOLDOWN, Stage, USD, count, ratio};
use crate::harness::DEADLINE;

#[tokio::test]
async fn far_above_the_maximum_it_delevers_chunk_by_chunk_over_both_exchanges() -> Result<()> {
    let stage = Stage::start().await?;
    stage.market.set_price(1_650 * USD).await?;
    assert!(stage.ratio().await? > ratio("2.5"));
    stage
        .warp_until("the TWAP's end within bounds", COOLDOWN, async |stage| {
            Ok(stage.twap().await?.is_zero() && stage.ratio().await? <= ratio("2.3"))
        })
        .await?;
    let mined = stage.assert_rests().await?;
    assert_eq!(mined[0].action, "rebalance", "{mined:?}");
    assert!(count(&mined, "iterateRebalance") >= 3, "{mined:?}");
    for exchange in [V3_EXCHANGE, V2_EXCHANGE] {
        assert!(mined.iter().any(|call| call.exchange == exchange), "{exchange}: {mined:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_twap_that_the_price_has_outrun_is_cleared_without_a_trade() -> Result<()> {
    let stage = Stage::start().await?;
    stage.market.set_price(1_650 * USD).await?;
    stage.keeper.wait_for_line("twap open, cooldown not over", DEADLINE).await?;
    stage.market.set_price(2_000 * USD).await?;
    let (before, open) = (stage.ratio().await?, stage.twap().await?);
    assert!(before < open, "{before} has not come to {open}");
    let traded = stage.assert_rests().await?.len();

    stage.world.devnet.node().warp(COOLDOWN).await?;
    let cleared = async |stage: &Stage| Ok(stage.twap().await? == U256::ZERO);
    stage.warp_until("the TWAP to be cleared", COOLDOWN, cleared).await?;
    assert_eq!(stage.ratio().await?, before, "nothing was traded");
    let mined = stage.assert_rests().await?;
    assert_eq!(mined.len(), traded + 1, "{mined:?}");
    let last = mined.last().expect("the clearing call");
    assert_eq!(last.action, "iterateRebalance", "{mined:?}");
    assert!(last.gas_used < 200_000, "{last:?}");
    let lines = stage.keeper.lines().join("\n");
    assert!(!lines.contains("postcondition_missed"), "{lines}");
    Ok(())
}
