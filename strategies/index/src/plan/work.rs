//! From a file of weights to the work that it makes: what each component goes to, how much of it
//! moves which way, in how many trades, for how long.

use alloy::primitives::{Address, U256};
use serde::Serialize;

use crate::{
    gas,
    module::{Overflow, Position, Side, Size, Terms, trades},
    plan::{
        input::{Entry, Fault},
        state::{Index, Token},
        units::{Component, MAX_DECIMALS, Value, net_asset_value, target_units, wrong_sum},
    },
    venue::Venue,
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
    /// What a whole token was reckoned at.
    pub price: String,
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
    /// What all of them cost, if the pools recover between two of them; cut off to cents.
    pub cost: Option<String>,
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
    /// What all trades cost in the pools, as far as that is known, cut off to cents.
    pub cost: String,
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
    let mut sums = Sums::default();
    let mut rows = Vec::with_capacity(components.len());
    for ((component, target), token) in components.iter().zip(targets).zip(&index.tokens) {
        let trade = sums.trade(&terms, component, token, target, index.weth)?;
        let share = |unit| Value::of(unit, component).map(|v| percent(v.share_of(nav)));
        rows.push(Row {
            symbol: component.symbol.clone(),
            address: component.address,
            decimals: component.decimals,
            price: ballast_chains::amount::decimal(&component.price.to_string(), 36),
            unit: component.unit,
            target_unit: target,
            weight: share(component.unit)?,
            target_weight: percent(Some(component.weight)),
            planned_weight: share(target)?,
            trade,
        });
    }
    let assets = nav.times(index.supply)?;
    let cost = Value::sum(sums.costs)?;
    Ok(Work {
        net_asset_value: nav.exact(),
        assets: assets.cents(),
        cost: cost.cents(),
        cost_share: percent(cost.share_of(assets)),
        turnover: Value::sum(sums.values)?.half().cents(),
        position_multiplier: index.multiplier,
        trades: sums.trades,
        seconds: sums.seconds,
        gas: sums.gas,
        rows,
        warnings: sums.warnings,
    })
}

#[derive(Default)]
struct Sums {
    values: Vec<Value>,
    costs: Vec<Value>,
    trades: u64,
    seconds: u64,
    gas: u64,
    warnings: Vec<String>,
}

impl Sums {
    fn trade(
        &mut self,
        terms: &Terms,
        component: &Component,
        token: &Token,
        target: U256,
        weth: Address,
    ) -> Result<Option<Trade>, Overflow> {
        let symbol = &component.symbol;
        if target.is_zero() && !component.weight.is_zero() {
            let coarse = "its weight is worth less than one base unit: it would be removed";
            self.warnings.push(format!("{symbol}: {coarse}"));
        }
        let position = Position { target_unit: target, unit: token.unit, max_size: token.max_size };
        // Not for the asset all others are traded against, whose target the module holds met always.
        if token.address != weth && terms.is_met(&position)? {
            return Ok(None);
        }
        let Some(size) = terms.size(&position)? else { return Ok(None) };
        if size.left.is_zero() {
            return Ok(None);
        }
        let value = Value::of(size.left, component)?;
        self.values.push(value);
        let side = match size.side {
            Side::Sell => "sell",
            Side::Buy => "buy",
        };
        let mut trade = Trade {
            side,
            amount: size.left,
            value: value.cents(),
            trades: None,
            seconds: None,
            gas: None,
            slippage: None,
            cost: None,
            exchange: token.exchange.clone(),
        };
        if token.address != weth {
            self.execution(&mut trade, &size, value, token)?;
        }
        Ok(Some(trade))
    }

    /// In how many trades, for how long, at what cost; what stands against them is a warning.
    fn execution(
        &mut self,
        trade: &mut Trade,
        size: &Size,
        value: Value,
        token: &Token,
    ) -> Result<(), Overflow> {
        let symbol = &token.symbol;
        if let Venue::Nowhere(why) = &token.venue {
            self.warnings.push(format!("{symbol}: {why}"));
        }
        let count = trades(size.left, token.max_size).and_then(|count| u64::try_from(count).ok());
        let Some(count) = count else {
            let what = "no trade maximum is set: every trade would revert";
            self.warnings.push(format!("{symbol}: {what}"));
            return Ok(());
        };
        if matches!(token.venue, Venue::Nowhere(_)) {
            return Ok(());
        }
        let rests = U256::from(count.saturating_sub(1)).checked_mul(token.cool_off);
        let seconds = rests.and_then(|rests| u64::try_from(rests).ok()).unwrap_or(u64::MAX);
        let new = token.unit.is_zero();
        let gas = gas::of_trades(size.side, &token.exchange, &token.exchange_data, count, new);
        self.trades = self.trades.saturating_add(count);
        self.seconds = self.seconds.max(seconds);
        self.gas = self.gas.saturating_add(gas);
        (trade.trades, trade.seconds, trade.gas) = (Some(count), Some(seconds), Some(gas));
        if let Some(share) = token.venue.cost(size.side, size.now) {
            let cost = value.times(share)?;
            self.costs.push(cost);
            (trade.slippage, trade.cost) = (Some(percent(Some(share))), Some(cost.cents()));
        } else if matches!(token.venue, Venue::Pools(_)) {
            let what = "its pools do not hold as much as one trade takes: every trade would revert";
            self.warnings.push(format!("{symbol}: {what}"));
        }
        Ok(())
    }
}

/// The index's tokens with their weights and prices; every fault of the files against them.
pub(crate) fn components(
    index: &Index,
    weights: File<'_>,
    prices: File<'_>,
) -> Result<Vec<Component>, Vec<Fault>> {
    let mut faults = Vec::new();
    let fault = |file: &str, at: &str, what: String| Fault {
        file: file.to_owned(),
        at: at.to_owned(),
        what,
    };
    let given = assign(index, weights, &mut faults, true);
    let costs = assign(index, prices, &mut faults, false);
    if let Some(sum) = wrong_sum(weights.entries.iter().map(|entry| &entry.value)) {
        let sum = ballast_chains::amount::decimal(&sum.to_string(), 18);
        faults.push(fault(weights.name, "", format!("the weights add up to {sum}, not to 1")));
    }
    let mut components = Vec::with_capacity(index.tokens.len());
    for ((token, weight), price) in index.tokens.iter().zip(given).zip(costs) {
        let Token { address, symbol, decimals, unit, .. } = token.clone();
        if weight.is_none() {
            let what = format!(
                "does not name {symbol} ({address}), which the index holds: \
                                give it weight 0 to remove it"
            );
            faults.push(fault(weights.name, "", what));
        }
        if price.is_none() {
            faults.push(fault(prices.name, "", format!("has no price of {symbol} ({address})")));
        }
        if decimals > MAX_DECIMALS {
            let what = format!(
                "{symbol} has {decimals} decimals; more than {MAX_DECIMALS} are not served"
            );
            faults.push(fault(weights.name, "", what));
        }
        let (Some(weight), Some(price)) = (weight, price) else { continue };
        components.push(Component { address, symbol, decimals, unit, weight, price });
    }
    if faults.is_empty() { Ok(components) } else { Err(faults) }
}

/// What a file says of each token, in the index's order.
fn assign(
    index: &Index,
    file: File<'_>,
    faults: &mut Vec<Fault>,
    must_be_known: bool,
) -> Vec<Option<U256>> {
    let mut of: Vec<Option<(U256, &str)>> = vec![None; index.tokens.len()];
    for entry in file.entries {
        let mut fault = |what: String| {
            faults.push(Fault { file: file.name.to_owned(), at: entry.at.clone(), what });
        };
        let is_it = |token: &Token| match (entry.address, &entry.symbol) {
            (Some(address), _) => token.address == address,
            (None, Some(symbol)) => token.symbol == *symbol,
            (None, None) => false,
        };
        let found: Vec<usize> = (index.tokens.iter().enumerate())
            .filter(|(_, token)| is_it(token))
            .map(|(place, _)| place)
            .collect();
        let place = match found.as_slice() {
            [place] => *place,
            [] if must_be_known => {
                fault(format!(
                    "the index holds no {}: give the address of a new one",
                    entry.name()
                ));
                continue;
            }
            [] => continue,
            [_, _, ..] => {
                fault(format!("several tokens call themselves {}: give the address", entry.name()));
                continue;
            }
        };
        let (Some(slot), Some(token)) = (of.get_mut(place), index.tokens.get(place)) else {
            continue;
        };
        if let (Some(symbol), Some(_)) = (&entry.symbol, entry.address)
            && *symbol != token.symbol
        {
            fault(format!("{} calls itself {}, not {symbol}", token.address, token.symbol));
        }
        if entry.decimals.is_some_and(|published| published != token.decimals) {
            let published = entry.decimals.unwrap_or_default();
            fault(format!("{} has {} decimals, not {published}", token.symbol, token.decimals));
        }
        match slot {
            Some((_, first)) => fault(format!("{} stands at {first} too", token.symbol)),
            None => *slot = Some((entry.value, &entry.at)),
        }
    }
    of.into_iter().map(|slot| slot.map(|(value, _)| value)).collect()
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
