//! What the index holds in the end, and what getting there cost, against what was planned.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use ballast_devnet::IndexTrade;
use eyre::{OptionExt as _, Result, ensure};
use serde_json::Value;

use super::stage::{ETHER, Stage};

/// How far a share may be off, of one.
const EXACT: f64 = 0.001;
/// How far a shortfall may be off what was lost, of what the index is worth.
const COST: f64 = 0.0005;
/// How far gas may be off what was planned, of one; and what a component's trades cost, of their value.
const GAS: f64 = 0.10;
const SLIPPAGE: f64 = 0.0015;

/// What everything was worth when the rebalance was planned: dollars by token.
pub(super) struct Books {
    /// Dollars of a whole token, and its decimals.
    prices: BTreeMap<Address, (f64, u8)>,
    /// Of one.
    weights: BTreeMap<Address, f64>,
    /// What an index token was worth.
    before: f64,
    /// The index's position multiplier then: with accrued fees, base units shrink with it.
    multiplier: f64,
    /// Whether prices moved since: trades then lose or gain more than what they cost, and shares are
    /// those of what the index was worth.
    has_moved: bool,
}

impl Books {
    /// By the plan's rows.
    pub(super) async fn open(stage: &Stage, plan: &Value) -> Result<Self> {
        let (mut prices, mut weights) = (BTreeMap::new(), BTreeMap::new());
        for row in plan["rows"].as_array().ok_or_eyre("a plan without rows")? {
            let token: Address = text(&row["address"])?.parse()?;
            let decimals = u8::try_from(row["decimals"].as_u64().ok_or_eyre("no decimals")?)?;
            prices.insert(token, (number(&row["price"])?, decimals));
            weights.insert(token, number(&row["target_weight"])? / 100.0);
        }
        prices.entry(stage.weth()).or_insert((f64::from(u32::try_from(ETHER)?), 18));
        let mut books = Self { prices, weights, before: 0.0, multiplier: 1.0, has_moved: false };
        books.before = books.worth(stage).await?.values().sum();
        books.multiplier = amount(stage.market.multiplier().await?, 18);
        Ok(books)
    }

    pub(super) fn prices_moved(&mut self) {
        self.has_moved = true;
    }

    /// What an index token holds of each, in dollars of the plan.
    async fn worth(&self, stage: &Stage) -> Result<BTreeMap<Address, f64>> {
        let mut worth = BTreeMap::new();
        let shrunk = amount(stage.market.multiplier().await?, 18) / self.multiplier;
        for (token, (price, decimals)) in &self.prices {
            let unit = stage.market.unit(*token).await?;
            worth.insert(*token, amount(unit, *decimals) * price / shrunk);
        }
        Ok(worth)
    }

    /// What all these trades lost, in dollars of the plan.
    fn lost(&self, trades: &[IndexTrade]) -> f64 {
        trades.iter().map(|trade| self.given(trade) - self.got(trade)).sum()
    }

    /// What a trade lost against the market, the protocol's fee aside, of one.
    pub(super) fn share_lost(&self, trade: &IndexTrade) -> f64 {
        let (price, decimals) = self.prices[&trade.bought];
        let received = trade.amount_bought + trade.protocol_fee;
        1.0 - amount(received, decimals) * price / self.given(trade)
    }

    fn given(&self, trade: &IndexTrade) -> f64 {
        let (price, decimals) = self.prices[&trade.sold];
        amount(trade.amount_sold, decimals) * price
    }

    fn got(&self, trade: &IndexTrade) -> f64 {
        let (price, decimals) = self.prices[&trade.bought];
        amount(trade.amount_bought, decimals) * price
    }

    /// Every component has its published share but the one that was bought last, which is short by what
    /// trading cost.
    pub(super) async fn assert_short_by_cost(&self, stage: &Stage) -> Result<()> {
        let trades = stage.trades().await?;
        let last = trades.iter().rfind(|trade| trade.sold == stage.weth());
        let last = last.ok_or_eyre("nothing was bought")?.bought;
        let worth = self.worth(stage).await?;
        let after: f64 = if self.has_moved { self.before } else { worth.values().sum() };
        for (token, weight) in self.weights.iter().filter(|(token, _)| **token != last) {
            let share = worth[token] / after;
            let symbol = stage.symbol(*token);
            ensure!((share - weight).abs() <= EXACT, "{symbol}: {share} in place of {weight}");
        }
        let short = (self.weights[&last] * self.before - worth[&last]) / self.before;
        let supply = amount(stage.market.supply().await?, 18);
        let lost = self.lost(&trades) / supply / self.before;
        let symbol = stage.symbol(last);
        ensure!((short - lost).abs() <= COST, "{symbol} is short of {short}, {lost} was lost");
        Ok(())
    }

    /// Every component has its published share.
    pub(super) async fn assert_met(&self, stage: &Stage) -> Result<()> {
        let worth = self.worth(stage).await?;
        let after: f64 = worth.values().sum();
        for (token, weight) in &self.weights {
            let share = worth[token] / after;
            let symbol = stage.symbol(*token);
            ensure!((share - weight).abs() <= EXACT, "{symbol}: {share} in place of {weight}");
        }
        Ok(())
    }

    /// Trades, gas and cost are as planned: gas altogether, cost by component.
    pub(super) async fn assert_as_planned(&self, stage: &Stage, plan: &Value) -> Result<()> {
        let trades = stage.trades().await?;
        let gas: f64 = trades.iter().map(|trade| whole(trade.gas)).sum();
        let planned = whole(plan["gas"].as_u64().ok_or_eyre("a plan without gas")?);
        ensure!((gas / planned - 1.0).abs() <= GAS, "{gas} gas in place of {planned}");
        for row in plan["rows"].as_array().ok_or_eyre("a plan without rows")? {
            let (symbol, trade) = (text(&row["symbol"])?, &row["trade"]);
            let token: Address = text(&row["address"])?.parse()?;
            let of = |trade: &&IndexTrade| trade.sold == token || trade.bought == token;
            let made: Vec<IndexTrade> = trades.iter().filter(of).cloned().collect();
            if trade.is_null() || token == stage.weth() {
                ensure!(made.is_empty() || token == stage.weth(), "{symbol} was traded");
                continue;
            }
            let count = usize::try_from(trade["trades"].as_u64().ok_or_eyre("no trades")?)?;
            ensure!(made.len() == count, "{symbol}: {} trades in place of {count}", made.len());
            let planned = number(&trade["cost"])? / number(&trade["value"])?;
            let cost = self.cost(&made, stage);
            ensure!((cost - planned).abs() <= SLIPPAGE, "{symbol}: {cost} in place of {planned}");
        }
        Ok(())
    }

    /// What these trades of one component lost of what they moved, by the plan's prices.
    pub(super) fn cost(&self, made: &[IndexTrade], stage: &Stage) -> f64 {
        let moved: f64 = made.iter().map(|trade| self.value(trade, stage)).sum();
        self.lost(made) / moved
    }

    /// What a trade moved, in dollars: the component's side of it.
    fn value(&self, trade: &IndexTrade, stage: &Stage) -> f64 {
        if trade.sold == stage.weth() { self.got(trade) } else { self.given(trade) }
    }
}

/// Base units as a float: enough for shares and dollars.
fn amount(units: U256, decimals: u8) -> f64 {
    f64::from(units) / 10_f64.powi(decimals.into())
}

#[expect(clippy::cast_precision_loss, reason = "gas has far fewer than 52 bits")]
fn whole(number: u64) -> f64 {
    number as f64
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_eyre("a text is missing")
}

/// Digits, perhaps with a thousands separator or a percent sign.
fn number(value: &Value) -> Result<f64> {
    Ok(text(value)?.trim_end_matches('%').parse()?)
}
