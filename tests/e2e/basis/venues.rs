//! Perp's market away from the index: the trade is refused there, and made once it is back.

use ballast_devnet::BasisMethodology;
use eyre::Result;

use super::{Stage, count, magnitude, price_for};
use crate::harness::DEADLINE;

#[tokio::test]
async fn a_market_that_is_away_from_the_index_blocks_and_then_lets_through() -> Result<()> {
    let stage = Stage::start(BasisMethodology::default()).await?;
    let market = &stage.market;
    let price = price_for(market, stage.ratio().await?, magnitude("1.13")).await?;
    market.set_spot_price(price).await?;
    market.set_mark_price(price / 100 * 106).await?;
    // The ratio goes by the index alone.
    assert!(stage.assert_rests().await?.is_empty(), "nothing was due yet");
    market.set_index_price(price).await?;
    let above = "Perp's market is too far above the index to buy back";
    let blocked = stage.keeper.wait_for_line(above, DEADLINE).await?;
    assert!(blocked.contains("rebalance"), "{blocked}");
    assert!(stage.assert_rests().await?.is_empty(), "what would revert was sent");

    market.set_mark_price(price).await?;
    stage.settle(1).await?;
    let mined = stage.assert_rests().await?;
    assert_eq!(count(&mined, "rebalance"), mined.len(), "{mined:?}");
    Ok(())
}
