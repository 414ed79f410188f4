//! What the books say of each trade, read from its receipt, against the module's events and the market.

use std::collections::BTreeMap;

use alloy::primitives::{I256, TxHash, U256};
use ballast_devnet::IndexTrade;
use ballast_strategy_api::Fact;
use eyre::{OptionExt as _, Result, ensure};
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    books::Books,
    stage::{NAME, Stage},
};

/// Blocks within which everything must be final and in the books.
const BLOCKS: usize = 20;
/// How far a cost may be off what the market's prices make of a trade, of one: pools are brought back to
/// their prices but for that.
const NEAR: f64 = 0.000_1;
/// The last digits of a price.
const ROUNDING: u64 = 10;
const ONE: u64 = 1_000_000_000_000_000_000;

/// What the books have of one transaction beside its gas.
struct Settled {
    /// What it brought the wallet, in ether or tokens.
    income: Option<String>,
    slippage: Option<I256>,
    facts: BTreeMap<String, I256>,
}

impl Stage {
    /// What is in the books, once that is everything; blocks pass until it is.
    async fn settled(&self) -> Result<BTreeMap<TxHash, Settled>> {
        let used = usize::try_from(self.node().nonce(self.wallet()).await?)?;
        for _ in 0..BLOCKS {
            let settled = self.read_settled().await?;
            if settled.len() == used {
                return Ok(settled);
            }
            self.block(12).await?;
        }
        Err(self.keeper()?.failure("its trades do not get into the books"))
    }

    async fn read_settled(&self) -> Result<BTreeMap<TxHash, Settled>> {
        let options = SqliteConnectOptions::new().filename(self.world.store()).read_only(true);
        let mut store = SqliteConnection::connect_with(&options).await?;
        let sql = "SELECT hash, COALESCE(income, tokens), slippage, facts FROM ledger_entries \
                   WHERE product = $1 AND settled = 1";
        let rows = sqlx::query(sql).bind(NAME).fetch_all(&mut store).await?;
        store.close().await?;
        let settled = rows.iter().map(|row| {
            let text = |column: usize| row.get::<Option<String>, _>(column);
            let hash: TxHash = text(0).ok_or_eyre("no hash")?.parse()?;
            let slippage = text(2).map(|digits| digits.parse()).transpose()?;
            let facts: Vec<Fact> =
                text(3).map_or(Ok(Vec::new()), |json| serde_json::from_str(&json))?;
            let facts = facts.into_iter().map(|Fact { name, value }| (name, value)).collect();
            Ok((hash, Settled { income: text(1), slippage, facts }))
        });
        settled.collect()
    }
}

impl Books {
    /// The books have of each trade of the keeper's what the module's event says, and what it cost against
    /// the prices that its pools had before.
    pub(super) async fn assert_settled(&self, stage: &Stage) -> Result<()> {
        let (settled, wallet) = (stage.settled().await?, stage.wallet());
        let trades = stage.trades().await?;
        let mut ways = [0; 2];
        for trade in trades.iter().filter(|trade| trade.executor == wallet) {
            let found = settled.get(&trade.hash).ok_or_eyre("a trade that is not in the books")?;
            ensure!(found.income.is_none(), "nobody pays for a trade: {:?}", found.income);
            let is_sell = trade.bought == stage.weth();
            ways[usize::from(is_sell)] += 1;
            let expected = figures(trade, is_sell)?;
            let is_that = |(name, value): (&String, &I256)| {
                let rounding = U256::from(if name == "price" { ROUNDING } else { 0 });
                found.facts.get(name).is_some_and(|told| {
                    told.unsigned_abs().abs_diff(value.unsigned_abs()) <= rounding
                })
            };
            let same = found.facts.len() == expected.len() && expected.iter().all(is_that);
            ensure!(same, "{:?} in place of {expected:?}", found.facts);
            let slippage = found.slippage.ok_or_eyre("no slippage")?;
            let slippage = f64::from(U256::try_from(slippage)?) / 1e18;
            let lost = self.share_lost(trade);
            ensure!((slippage - lost).abs() < NEAR, "{slippage} in place of {lost}: {trade:?}");
        }
        ensure!(ways[0] >= 3 && ways[1] >= 3, "{ways:?} buys and sells");
        Ok(())
    }
}

/// The figures of a trade's event, and its price in wei for 10^18 base units, before the fee.
fn figures(trade: &IndexTrade, is_sell: bool) -> Result<BTreeMap<String, I256>> {
    let IndexTrade { amount_sold, amount_bought, protocol_fee, .. } = *trade;
    let received = amount_bought + protocol_fee;
    let (names, amounts, price) = if is_sell {
        (["component_sold", "weth_received"], [amount_sold, amount_bought], (received, amount_sold))
    } else {
        (["component_bought", "weth_paid"], [amount_bought, amount_sold], (amount_sold, received))
    };
    let price = price.0 * U256::from(ONE) / price.1;
    let named = names.into_iter().zip(amounts);
    let named = named.chain([("protocol_fee", protocol_fee), ("price", price)]);
    named.map(|(name, value)| Ok((name.to_owned(), I256::try_from(value)?))).collect()
}
