//! A V3 pool whose liquidity goes: its price is anybody's then, and stays where it is put for as long as
//! an average takes to believe it.

use ballast_devnet::IndexOptions;
use eyre::{Result, ensure};

use super::stage::Stage;

/// To so many hundredths of its price.
const BENT: u64 = 50;
/// Minutes for which it stays there: longer than an average reaches back.
const MINUTES: usize = 12;
/// Liquidity that then comes to that price, in ether a side: three times what was near before.
const BAIT: u64 = 300;
/// Blocks of 12 seconds after that.
const BLOCKS: usize = 5;

#[tokio::test]
async fn a_price_without_liquidity_is_not_believed_and_trades_go_on_when_both_are_back()
-> Result<()> {
    let (mut stage, books) = Stage::begun(IndexOptions::default()).await?;
    let mut before = 0;
    stage
        .play(async |stage, rest| {
            if rest > 0 {
                return Ok(());
            }
            before = stage.trades_of("YFI").await?.len();
            let all = stage.trades().await?.len();
            let price = stage.market.pool_price("YFI").await?;
            let withdrawn = stage.market.withdraw("YFI").await?;
            stage.apart = vec!["YFI"];
            stage.market.manipulate("YFI", BENT).await?;
            // Everything rests at first, and the keeper does not look.
            for _ in 0..MINUTES {
                stage.node().warp(60).await?;
            }
            stage.drain().await?;
            stage.market.bait("YFI", BAIT).await?;
            let bent = stage.market.pool_price("YFI").await?;
            ensure!(bent.abs_diff(price / 2) < price / 1_000, "it went from {price} to {bent}");
            for _ in 0..BLOCKS {
                stage.block(12).await?;
                stage.drain().await?;
                let bad = stage.trades_of("YFI").await?.split_off(before);
                ensure!(bad.is_empty(), "{bad:?}");
            }
            ensure!(stage.trades().await?.len() > all, "the others waited, too");
            stage.apart.clear();
            stage.market.restore(&withdrawn).await
        })
        .await?;
    let trades = stage.trades_of("YFI").await?.len();
    ensure!(before > 0 && trades > before, "{before} before, {trades} in all");
    stage.assert_clean().await?;
    books.assert_short_by_cost(&stage).await
}
