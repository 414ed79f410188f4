//! With everything going on that goes on: holders, fees, prices, manipulators, other traders, and the
//! keeper's own death.

use alloy::{
    consensus::Transaction as _,
    primitives::{U256, utils::parse_ether},
    providers::Provider as _,
    sol_types::SolCall as _,
};
use ballast_devnet::{IndexOptions, USD, contracts::index::IIndexModule::tradeCall};
use ballast_test_support::wait_until;
use eyre::{OptionExt as _, Result, ensure};

use super::{
    books::Books,
    stage::{FIRST, Stage},
    told::in_state,
};
use crate::{harness::DEADLINE, stage::decode};

/// A day, in seconds.
const DAY: u64 = 86_400;

impl Stage {
    /// A rebalance that was started, with the keeper over it.
    pub(super) async fn begun(options: IndexOptions) -> Result<(Self, Books)> {
        let mut stage = Self::start(options).await?;
        let plan = stage.plan(&FIRST, "0").await?;
        let books = Books::open(&stage, &plan).await?;
        stage.begin().await?;
        stage.run().await?;
        Ok((stage, books))
    }
}

#[tokio::test]
async fn holders_come_and_go_fees_accrue_and_prices_move_in_the_middle() -> Result<()> {
    let (mut stage, mut books) = Stage::begun(IndexOptions::default()).await?;
    books.prices_moved();
    let mut moved = 0;
    stage
        .play(async |stage, rest| {
            let market = &stage.market;
            match rest {
                0 => {
                    market.issue(parse_ether("900")?).await?;
                    market.set_prices(&[("SNX", 3 * USD * 11 / 10)]).await?;
                }
                1 => {
                    market.redeem(parse_ether("400")?).await?;
                    market.set_prices(&[("WBTC", 36_000 * USD), ("YFI", 8_800 * USD)]).await?;
                }
                2 => {
                    stage.node().warp(DAY).await?;
                    market.accrue_fee().await?;
                }
                _ => {}
            }
            moved = rest.max(moved);
            Ok(())
        })
        .await?;
    ensure!(moved >= 2, "it was over before everything had happened");
    ensure!(stage.market.multiplier().await? < parse_ether("1")?, "no fee accrued");
    stage.assert_clean().await?;
    books.assert_short_by_cost(&stage).await
}

/// Pools that are taken away, to so many hundredths of their price: sold and bought, on V2, Sushiswap and
/// V3. The price of the first is known from a feed; of the others from the pools' own averages, which
/// believe any price that lasts.
const TAKEN: [(&str, u64); 4] = [("WBTC", 107), ("UNI", 94), ("SUSHI", 106), ("YFI", 93)];

#[tokio::test]
async fn no_trade_is_made_in_a_pool_that_was_manipulated() -> Result<()> {
    let mut stage = Stage::start(IndexOptions::default()).await?;
    let plan = stage.plan(&FIRST, "0").await?;
    let books = Books::open(&stage, &plan).await?;
    stage.begin().await?;
    for (symbol, hundredths) in TAKEN {
        stage.market.manipulate(symbol, hundredths).await?;
    }
    stage.apart = TAKEN.map(|(symbol, _)| symbol).to_vec();
    stage.run().await?;
    let mut traded = Vec::new();
    stage
        .play(async |stage, rest| {
            for symbol in &stage.apart {
                let token = stage.market.component(symbol)?.token;
                let trades = stage.trades().await?;
                let bad = trades.iter().find(|t| t.sold == token || t.bought == token);
                ensure!(bad.is_none(), "{symbol}: {bad:?}");
            }
            traded.push(stage.trades().await?.len());
            // The others recover at once, and the first after two more rests.
            stage.apart.truncate(if rest < 2 { 1 } else { 0 });
            stage.market.arbitrage_but(&stage.apart).await.map(drop)
        })
        .await?;
    ensure!(traded[0] >= 3, "those that were left alone waited too: {traded:?}");
    ensure!(traded[1] > traded[0], "those that recovered first wait: {traded:?}");
    stage.assert_clean().await?;
    books.assert_short_by_cost(&stage).await
}

#[tokio::test]
async fn another_trader_at_work_is_no_trouble() -> Result<()> {
    // With a fee of Set Protocol's, which every trade pays.
    let protocol_fee = parse_ether("0.001")?;
    let options = IndexOptions { protocol_fee, ..IndexOptions::default() };
    let mut stage = Stage::start(options).await?;
    let plan = stage.plan(&FIRST, "0").await?;
    let books = Books::open(&stage, &plan).await?;
    stage.begin().await?;
    stage.run().await?;
    let mut theirs = 0;
    stage
        .play(async |stage, rest| {
            if rest == 0 {
                let report = stage.report(&[]).await?;
                ensure!(report["status"] == "in_progress", "{report:#}");
                ensure!(report["detail"] == "components rest between two trades", "{report:#}");
                ensure!(!in_state(&report, "open").is_empty(), "{report:#}");
            }
            let symbol = ["UNI", "LEND", "YFI"].get(rest).copied();
            let Some(symbol) = symbol else { return Ok(()) };
            let component = stage.market.component(symbol)?.token;
            if !stage.market.holding(component).await?.is_met() {
                // In the block in which everything has rested.
                let rest = U256::from(901);
                stage.node().rpc::<_, serde_json::Value>("evm_increaseTime", (rest,)).await?;
                stage.market.trade(component).await?;
                // What the keeper sends then is reckoned with where pools are brought back.
                stage.heard().await?;
                stage.market.arbitrage().await?;
                theirs += 1;
            }
            Ok(())
        })
        .await?;
    let ours = stage.trades().await?.iter().filter(|t| t.executor == stage.wallet()).count();
    ensure!(theirs >= 2 && ours >= 8, "{theirs} by the other, {ours} by the keeper");
    stage.assert_clean().await?;
    books.assert_settled(&stage).await?;
    let report = stage.report_beside(&plan).await?;
    stage.assert_told(&report, &plan, &books).await?;
    ensure!(report["totals"]["trades_of_others"] == theirs, "{report:#}");
    ensure!(report["totals"]["protocol_fee_wei"] != "0", "{report:#}");
    books.assert_short_by_cost(&stage).await
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on_where_it_was() -> Result<()> {
    let (mut stage, books) = Stage::begun(IndexOptions::default()).await?;
    let mut deaths = 0;
    stage
        .play(async |stage, rest| {
            if rest > 1 {
                return Ok(());
            }
            // Once while it rests, and once with a transaction that waits for its block.
            if rest == 1 {
                stage.node().warp(901).await?;
                let waits = async || stage.is_waiting().await.is_ok_and(|waits| waits);
                wait_until("a transaction", DEADLINE, waits).await?;
            }
            if let Some(mut keeper) = stage.keeper.take() {
                keeper.kill9().await?;
                deaths += 1;
            }
            stage.run().await?;
            Ok(())
        })
        .await?;
    ensure!(deaths == 2, "{deaths} deaths");
    stage.assert_clean().await?;
    books.assert_short_by_cost(&stage).await
}

/// The node loses the keeper's first transaction, and meanwhile somebody else makes that very trade: sent
/// again, it would be refused as the component rests.
#[tokio::test]
async fn a_trade_that_somebody_else_made_first_is_given_up() -> Result<()> {
    let mut stage = Stage::start(IndexOptions::default()).await?;
    let plan = stage.plan(&FIRST, "0").await?;
    let books = Books::open(&stage, &plan).await?;
    stage.begin().await?;
    let lost = stage.lose_what_is_sent();
    stage.run().await?;
    wait_until("a transaction", DEADLINE, async || lost.fired() > 0).await?;
    let sent = stage.world.sent();
    let sent = decode(sent.first().ok_or_eyre("nothing was sent")?)?;
    let component = tradeCall::abi_decode(sent.input())?.component;
    stage.world.proxy().heal();
    ensure!(!stage.is_waiting().await?, "the node has it");
    stage.market.trade(component).await?;
    stage.play(async |_, _| Ok(())).await?;
    let receipt = stage.node().provider().get_transaction_receipt(*sent.tx_hash()).await?;
    ensure!(receipt.is_none(), "it was made again");
    // The nonce went to another trade.
    stage.assert_clean().await?;
    books.assert_short_by_cost(&stage).await
}
