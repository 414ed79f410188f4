//! From a file of weights to the work that it makes: what each component goes to, how much of it
//! moves which way, in how many trades, for how long.

mod files;
mod trades;

use alloy::primitives::{Address, U256};
use serde::Serialize;

pub(crate) use self::files::{assign, components, intermediate};
use self::trades::Sums;
use crate::{
    module::{Overflow, Terms},
    plan::{
        input::{Entry, Fault},
        market::Market,
        state::Index,
        units::{Value, net_asset_value, target_units},
    },
};

/// A file's entries, and what the file is called.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// As it was named.
    pub name: &'a str,
    /// What it says.
    pub entries: &'a [Entry],
}

/// One component of a plan. Amounts are base units as decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What the token calls itself.
    pub symbol: String,
    /// The token.
    pub address: Address,
    /// Its decimals.
    pub decimals: u8,
    /// What a whole token was reckoned at …
    pub price: String,
    /// … and where that stood: a place in the file, an oracle or a pool, with its age.
    pub price_source: String,
    /// Its unit now …
    #[serde(serialize_with = "as_text")]
    pub unit: U256,
    /// … and the unit it goes to.
    #[serde(serialize_with = "as_text")]
    pub target_unit: U256,
    /// Its share now …
    pub weight: String,
    /// … the share that was published …
    pub target_weight: String,
    /// … and the one that the target unit gives, in the same prices; smaller by rounding and haircut.
    pub planned_weight: String,
    /// What has to be traded, if anything.
    pub trade: Option<Trade>,
}

/// The trades of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trade {
    /// `sell` or `buy`.
    pub side: &'static str,
    /// All of it, base units.
    #[serde(serialize_with = "as_text")]
    pub amount: U256,
    /// What it is worth.
    pub value: String,
    /// In how many trades; `None` if the chain does not say how large one may be, or for the
    /// asset that every trade has on its other side.
    pub trades: Option<u64>,
    /// How long they take at the least: the rest between two of them, seconds.
    pub seconds: Option<u64>,
    /// What they will need.
    pub gas: Option<u64>,
    /// What the largest of them costs against the price of the pools, fees included, percent; `None`
    /// if the pools are not known or not deep enough.
    pub slippage: Option<String>,
    /// What all of them cost if the pools recover between two of them, the protocol's fee included;
    /// cut off to cents …
    pub cost: Option<String>,
    /// … the same in percent of their value …
    pub cost_share: Option<String>,
    /// … and in percent if the pools do not recover at all.
    pub cost_share_at_once: Option<String>,
    /// How far the pools' price is from the reckoned one, percent.
    pub pool_off: Option<String>,
    /// Where; empty if the chain does not say.
    pub exchange: String,
}

/// All that follows from the weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Work {
    /// What one whole index token is worth.
    pub net_asset_value: String,
    /// What all of them are worth, cut off to cents.
    pub assets: String,
    /// Half of what is sold and bought together, cut off to cents.
    pub turnover: String,
    /// The position multiplier that the units belong to: it goes with them.
    #[serde(serialize_with = "as_text")]
    pub position_multiplier: U256,
    /// The trades of all components together.
    pub trades: u64,
    /// How long it takes at the least, seconds: components rest side by side.
    pub seconds: u64,
    /// Gas of all trades together.
    pub gas: u64,
    /// What all trades cost, as far as that is known, if the pools recover between two; cut off to
    /// cents.
    pub cost: String,
    /// What they cost if the pools do not recover; `None` if some do not hold as much.
    pub cost_at_once: Option<String>,
    /// The same as a share of all that the index is worth, percent: a haircut is best slightly below.
    pub cost_share: String,
    /// Every component, in the index's own order, new ones after them.
    pub rows: Vec<Row>,
    /// What the operator should look at before this is signed.
    pub warnings: Vec<String>,
}

/// What stops a plan.
#[derive(Debug)]
pub enum Refused {
    /// The files.
    Files(Vec<Fault>),
    /// Numbers beyond what can be computed with.
    Overflow(Overflow),
}

impl From<Overflow> for Refused {
    fn from(overflow: Overflow) -> Self {
        Self::Overflow(overflow)
    }
}

/// Works out the plan.
///
/// # Errors
/// Every fault of the two files against the index: what it holds and the weights leave out, what
/// they name and nobody knows, prices that are missing, a sum that is not 1.
pub fn work(
    index: &Index,
    weights: File<'_>,
    prices: File<'_>,
    haircut: U256,
) -> Result<Work, Refused> {
    let components = components(index, weights, prices).map_err(Refused::Files)?;
    let nav = net_asset_value(&components)?;
    let targets = target_units(&components, haircut)?;
    let terms = Terms {
        supply: index.supply,
        multiplier: index.multiplier,
        started_at: index.multiplier,
        protocol_fee: index.protocol_fee,
    };
    let mut sums = Sums::of(index, terms, Market::of(index, &components, prices));
    let mut rows = Vec::with_capacity(components.len());
    for ((component, target), token) in components.iter().zip(targets).zip(&index.tokens) {
        let trade = sums.trade(component, token, target)?;
        let share = |unit| Value::of(unit, component).map(|v| percent(v.share_of(nav)));
        rows.push(Row {
            symbol: component.symbol.clone(),
            address: component.address,
            decimals: component.decimals,
            price: ballast_chains::amount::decimal(&component.price.to_string(), 36),
            price_source: component.price_source.clone(),
            unit: component.unit,
            target_unit: target,
            weight: share(component.unit)?,
            target_weight: percent(Some(component.weight)),
            planned_weight: share(target)?,
            trade,
        });
    }
    let assets = nav.times(index.supply)?;
    sums.work(nav, assets, index.multiplier, rows)
}

/// A share of 18 decimals as text with all its decimals, in percent.
pub(crate) fn percent(share: Option<U256>) -> String {
    let text = share.map(|share| ballast_chains::amount::decimal(&share.to_string(), 16));
    text.unwrap_or_else(|| "0".to_owned())
}

fn as_text<S: serde::Serializer>(value: &U256, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

#[cfg(test)]
mod tests;
