//! Pools that somebody bends under a trade, and holds there.

use alloy::providers::Provider as _;
use ballast_devnet::IndexOptions;
use eyre::{Result, ensure};

use super::stage::Stage;

/// Pools that are taken away, to so many hundredths of their price, against the index: what is sold there
/// brings less, what is bought costs more. Nobody but the pools' own averages knows what they are worth.
const BENT: [(&str, u64); 3] = [("UNI", 94), ("SUSHI", 106), ("YFI", 93)];
/// Blocks of 12 seconds for which they are held there: what an average of ten minutes withstands.
const HELD: usize = 10;

#[tokio::test]
async fn pools_that_are_bent_under_a_trade_and_held_there_are_left_alone_until_they_are_back()
-> Result<()> {
    let (mut stage, books) = Stage::begun(IndexOptions::default()).await?;
    stage
        .play(async |stage, rest| {
            if rest > 0 {
                return Ok(());
            }
            let before = stage.trades().await?.len();
            let (signed, call) = stage.sign_only().await?;
            ensure!(call.component == stage.market.component("UNI")?.token, "{call:?}");
            for (symbol, hundredths) in BENT {
                stage.market.manipulate(symbol, hundredths).await?;
            }
            stage.apart = BENT.map(|(symbol, _)| symbol).to_vec();
            stage.heard().await?;
            stage.world.proxy().heal();
            for _ in 0..HELD {
                stage.block(12).await?;
                stage.drain().await?;
                let trades = stage.trades().await?.split_off(before);
                ensure!(!trades.is_empty(), "those that were left alone waited, too");
                for symbol in &stage.apart {
                    let token = stage.market.component(symbol)?.token;
                    let bad = trades.iter().find(|t| t.sold == token || t.bought == token);
                    ensure!(bad.is_none(), "{symbol}: {bad:?}");
                }
            }
            let receipt = stage.node().provider().get_transaction_receipt(*signed.tx_hash());
            ensure!(receipt.await?.is_none(), "what was signed before was made");
            stage.apart.clear();
            stage.market.arbitrage().await.map(drop)
        })
        .await?;
    for (symbol, _) in BENT {
        ensure!(stage.trades_of(symbol).await?.len() >= 2, "{symbol} did not go on");
    }
    stage.assert_clean().await?;
    books.assert_short_by_cost(&stage).await
}
