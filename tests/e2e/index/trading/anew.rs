//! Started anew in the middle, while a trade towards the old targets is under way.

use alloy::providers::Provider as _;
use ballast_devnet::IndexOptions;
use eyre::{OptionExt as _, Result, ensure};

use super::{books::Books, stage::Stage};

/// The new targets. By then a third of the first is done: UNI is at 17 % on its way down, and SUSHI and
/// YFI turn back. What was proceeds of sells is spent.
const ANEW: [(&str, u64); 10] = [
    ("UNI", 1_725),
    ("WBTC", 2_300),
    ("USDC", 1_000),
    ("LEND", 100),
    ("SUSHI", 1_200),
    ("YFI", 750),
    ("AAVE", 900),
    ("XAUT", 1_500),
    ("SNX", 525),
    ("WETH", 0),
];
/// What is only sold, and only bought, from there.
const SOLD: [&str; 2] = ["LEND", "SUSHI"];
const BOUGHT: [&str; 4] = ["UNI", "WBTC", "YFI", "SNX"];
/// Blocks in which nothing of what was signed is included: more than a trade is worth including for.
const BLOCKS: usize = 8;

/// A sell of 30 ether's worth of UNI is signed when the start turns it into a buy of 3: as a limit, the
/// least of the one would let the other be paid ten times over.
#[tokio::test]
async fn started_anew_it_goes_to_the_new_targets_and_nothing_at_an_old_limit() -> Result<()> {
    let (mut stage, _) = Stage::begun(IndexOptions::default()).await?;
    let (mut books, mut old) = (None, None);
    stage
        .play(async |stage, rest| {
            if rest > 0 {
                return Ok(());
            }
            let uni = stage.market.component("UNI")?.token;
            let (signed, call) = stage.sign_only().await?;
            ensure!(call.component == uni, "{call:?}");
            old = Some(*signed.tx_hash());
            let plan = stage.plan(&ANEW, "0").await?;
            books = Some(Books::open(stage, &plan).await?);
            stage.begin().await?;
            let holding = stage.market.holding(uni).await?;
            ensure!(holding.unit < holding.target, "it is not bought now: {holding:?}");
            for _ in 0..BLOCKS {
                stage.block(12).await?;
            }
            stage.world.proxy().heal();
            Ok(())
        })
        .await?;
    let old = old.ok_or_eyre("nothing was signed")?;
    let receipt = stage.node().provider().get_transaction_receipt(old).await?;
    ensure!(receipt.is_none(), "the old trade was made");
    for (symbols, sells) in [(&SOLD[..], true), (&BOUGHT[..], false)] {
        for symbol in symbols {
            let trades = stage.trades_of(symbol).await?;
            ensure!(!trades.is_empty(), "{symbol} was not traded");
            let all = trades.iter().all(|trade| (trade.bought == stage.weth()) == sells);
            ensure!(all, "{symbol} went the old way: {trades:?}");
        }
    }
    // The nonce of what was given up may have gone to nothing.
    stage.assert_clean_but(1).await?;
    books.ok_or_eyre("nothing was started anew")?.assert_short_by_cost(&stage).await
}
