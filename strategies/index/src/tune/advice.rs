//! What follows from the ways of a component: the best of them, and the best size there.

use alloy::primitives::{U256, U512};
use ballast_strategy_api::StrategyError;

use super::{
    Advice, Settings, Size, Task, Way,
    optimum::{best, impact, rest, rounded, units, worth},
    survey::{Found, Surveyor},
};
use crate::{
    cost,
    decimal::{ONE, narrow},
    gas::Trades,
    module::{Side, ceil_div, trades},
    plan::{
        state::{Origin, Token},
        work::percent,
    },
    venue::Venue,
};

/// How far a way's price may be from that of the deepest one, and still be an offer: 2 %.
const FAR: U256 = U256::from_limbs([20_000_000_000_000_000, 0, 0, 0]);

/// What moving some of a component in sizes of `size` takes there.
struct Moved {
    trades: u64,
    gas: u64,
    gas_cost: U256,
    pools_cost: Option<U256>,
}

impl Moved {
    fn cost(&self) -> Option<U256> {
        self.pools_cost.and_then(|pools| pools.checked_add(self.gas_cost))
    }
}

impl Surveyor<'_> {
    /// The advice for one component.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn advise(&self, token: &Token, task: Task) -> Result<Advice, StrategyError> {
        let found = self.ways(token, task).await?;
        let total = found.iter().fold(U256::ZERO, |sum, way| sum.saturating_add(way.depth));
        let deepest = found.iter().max_by_key(|way| way.depth).map(|way| way.token.venue.clone());
        let mut rated = Vec::new();
        for mut way in found {
            let cool_off = rest(way.depth, total.saturating_sub(way.depth));
            let (side, left) = left(task, &way.token);
            let size = self.size(&way, side, left, cool_off);
            self.quote(&mut way, side, left, &[size]).await?;
            let cost = self.moved(&way.token, side, left, size).cost();
            let against = deepest.as_ref().and_then(|deepest| against(&way, deepest));
            rated.push((way, cool_off, size, cost, against));
        }
        // Whatever costs least; where nothing is to be moved, whatever holds most. The chain's own
        // stands first, and stays there among equals.
        rated.sort_by_key(|(way, _, _, cost, against)| {
            let moves = !left(task, &way.token).1.is_zero();
            let cost =
                if moves { cost.unwrap_or(U256::MAX) } else { U256::MAX.saturating_sub(way.depth) };
            (against.is_some(), cost)
        });
        let ways = rated.iter().map(|(way, _, size, cost, against)| Way {
            exchange: way.token.exchange.clone(),
            exchange_data: way.token.exchange_data.clone(),
            current: is_current(&way.token, token),
            depth: way.depth,
            at_bound: way.at_bound,
            measured_by: way.measured_by,
            size: *size,
            cost: *cost,
            against: against.clone(),
        });
        let mut advice = blank(token, task, ways.collect());
        if let Some((way, cool_off, size, _, None)) = rated.into_iter().next() {
            self.settle(&mut advice, token, task, way, cool_off, size).await?;
        } else {
            let what = "no way to trade it can be measured: nothing is advised";
            advice.warnings.push(what.to_owned());
        }
        Ok(advice)
    }

    /// The size that costs least, within the bound of the impact; larger if all would take too long.
    fn size(&self, way: &Found, side: Side, left: U256, cool_off: u64) -> U256 {
        let gas = U256::from(trades_of(&way.token, side, 1).gas());
        let best = gas.checked_mul(self.terms.gas_price).and_then(|gas| best(gas, way.depth));
        let best = best.and_then(|wei| units(&way.token.venue, wei)).unwrap_or_default();
        let most = self.terms.within.checked_div(cool_off).unwrap_or_default().saturating_add(1);
        let least = ceil_div(left, U256::from(most)).unwrap_or_default();
        let size = if rounded(best) >= least { rounded(best) } else { least };
        size.min(rounded(way.at_bound)).max(U256::ONE)
    }

    fn moved(&self, token: &Token, side: Side, left: U256, size: U256) -> Moved {
        let count = trades(left, size).and_then(|count| u64::try_from(count).ok());
        let count = count.unwrap_or(u64::MAX);
        let gas = trades_of(token, side, count).gas();
        let pools_cost = if left.is_zero() {
            Some(U256::ZERO)
        } else {
            cost::of(token, side, left, size, self.terms.protocol_fee).and_then(|cost| {
                let worth = worth(&token.venue, left)?;
                ceil_div(worth.checked_mul(cost.recovered)?, ONE)
            })
        };
        let gas_cost = U256::from(gas).saturating_mul(self.terms.gas_price);
        Moved { trades: count, gas, gas_cost, pools_cost }
    }

    /// Fills in what is advised, with what other sizes would make.
    async fn settle(
        &self,
        advice: &mut Advice,
        token: &Token,
        task: Task,
        mut way: Found,
        cool_off: u64,
        size: U256,
    ) -> Result<(), StrategyError> {
        let (side, left) = left(task, &way.token);
        advice.amount = left;
        let half = size.checked_div(U256::from(2)).unwrap_or_default();
        let mut sizes = vec![
            ("half", half),
            ("advised", size),
            ("twice", size.saturating_mul(U256::from(2))),
            ("at the bound", way.at_bound),
        ];
        if is_current(&way.token, token) {
            sizes.push(("chain", token.max_size));
        }
        sizes.retain(|(_, size)| !size.is_zero());
        sizes.sort_by_key(|(_, size)| *size);
        let amounts: Vec<U256> = sizes.iter().map(|(_, size)| *size).collect();
        self.quote(&mut way, side, left, &amounts).await?;
        let of = |(what, size): (&'static str, U256)| {
            let moved = self.moved(&way.token, side, left, size);
            let lost = way.token.cost(side, size);
            let impact = lost.and_then(|lost| impact(&way.token.venue, side, lost));
            Size {
                what,
                size,
                impact: impact.map(|impact| percent(Some(impact))),
                trades: moved.trades,
                gas: moved.gas,
                gas_cost: moved.gas_cost,
                pools_cost: moved.pools_cost,
                cost: moved.cost(),
                seconds: moved.trades.saturating_sub(1).saturating_mul(cool_off),
            }
        };
        advice.sizes = sizes.into_iter().map(of).collect();
        advice.warnings.extend(warnings(token, &way, size, left, cool_off, self.terms.within));
        advice.advised = Some(Settings {
            exchange: way.token.exchange,
            exchange_data: way.token.exchange_data,
            trade_maximum: size,
            cool_off: U256::from(cool_off),
        });
        Ok(())
    }
}

/// Which way, and how much of it; a value is reckoned as a sale.
fn left(task: Task, token: &Token) -> (Side, U256) {
    match task {
        Task::Amount(side, amount) => (side, amount),
        Task::Value(wei) => (Side::Sell, units(&token.venue, wei).unwrap_or_default()),
    }
}

fn trades_of(token: &Token, side: Side, count: u64) -> Trades<'_> {
    Trades {
        side,
        exchange: &token.exchange,
        data: &token.exchange_data,
        count,
        new: token.origin != Origin::Held,
        untouched: false,
    }
}

fn is_current(way: &Token, token: &Token) -> bool {
    way.exchange == token.exchange && way.exchange_data == token.exchange_data
}

/// A pool that nobody trades with keeps an old price: it offers nothing.
fn against(way: &Found, deepest: &Venue) -> Option<String> {
    let ((into, out), (deep_into, deep_out)) = (way.token.venue.price()?, deepest.price()?);
    // out/into against deep_out/deep_into, both over the same.
    let (here, there) = (out.checked_mul(deep_into)?, deep_out.checked_mul(into)?);
    let off = here.abs_diff(there).checked_mul(U512::from(ONE))?.checked_div(there)?;
    let off = narrow(off).unwrap_or(U256::MAX);
    (off > FAR).then(|| {
        let off = crate::plan::show::short(&percent(Some(off)));
        format!("its price is {off} % off that of the deepest way")
    })
}

fn blank(token: &Token, task: Task, ways: Vec<Way>) -> Advice {
    let (side, amount) = match task {
        Task::Amount(Side::Sell, amount) => ("sell", amount),
        Task::Amount(Side::Buy, amount) => ("buy", amount),
        Task::Value(_) => ("either", U256::ZERO),
    };
    Advice {
        symbol: token.symbol.clone(),
        address: token.address,
        decimals: token.decimals,
        side,
        amount,
        now: Settings {
            exchange: token.exchange.clone(),
            exchange_data: token.exchange_data.clone(),
            trade_maximum: token.max_size,
            cool_off: token.cool_off,
        },
        advised: None,
        ways,
        sizes: Vec::new(),
        warnings: Vec::new(),
    }
}

fn warnings(
    token: &Token,
    way: &Found,
    size: U256,
    left: U256,
    cool_off: u64,
    within: u64,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let two = U256::from(2);
    let (now, twice) = (token.max_size, size.saturating_mul(two));
    if now > twice || now.saturating_mul(two) < size {
        let whole = |units: U256| {
            ballast_chains::amount::decimal(&units.to_string(), token.decimals.into())
        };
        let (now, size) = (whole(now), whole(size));
        warnings.push(format!("the chain's maximum {now} is more than twice off {size}"));
    }
    if !is_current(&way.token, token) {
        let to =
            if token.exchange.is_empty() { "nowhere".to_owned() } else { token.exchange.clone() };
        warnings.push(format!("the chain trades it by {to} {}", token.exchange_data));
    }
    if let Venue::Nowhere(why) = &token.venue {
        warnings.push(why.clone());
    }
    let count = trades(left, size).and_then(|count| u64::try_from(count).ok());
    let seconds = count.unwrap_or(u64::MAX).saturating_sub(1).saturating_mul(cool_off);
    if seconds > within {
        let (takes, within) = (crate::plan::show::span(seconds), crate::plan::show::span(within));
        warnings.push(format!("within the bound of the impact it takes {takes}, not {within}"));
    }
    if way.measured_by == "liquidity in range" {
        let what = "no quoter answers for its pool, which counts with the liquidity in range \
                    (--v3-quoter)";
        warnings.push(what.to_owned());
    }
    warnings
}
