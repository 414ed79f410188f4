//! The inputs of a decision as numbers with names: for the explanation, gauges and charts.
//!
//! A figure that 18 decimals in 256 bits cannot hold is left out rather than failed on: operators
//! switch a bound or an interval off by setting it to the largest number there is.

use alloy::primitives::{I256, U256};
use ballast_strategy_api::{Observation, Unit, decision::CALLER_PERMITTED};

use crate::{
    policy::Policy,
    ratio::{ONE, new_leverage_ratio},
    snapshot::{Exchange, Live, Market, Sizing, Snapshot},
    variant::Deployment,
};

/// The inputs, in the order a person would want them.
pub fn observations(
    product: &Deployment,
    policy: &Policy,
    snapshot: &Snapshot,
) -> Vec<Observation> {
    let mut seen = Vec::new();
    if let Market::Live(live) = &snapshot.market {
        seen.extend(ratios(snapshot, live));
    }
    seen.extend([
        ratio("ripcord_leverage_ratio", snapshot.incentive.incentivizedLeverageRatio),
        // 0: no TWAP is open.
        ratio("twap_leverage_ratio", snapshot.twap_leverage_ratio),
        policy.custom_min.and_then(|min| ratio("custom_min_leverage_ratio", min)),
        policy.custom_max.and_then(|max| ratio("custom_max_leverage_ratio", max)),
        seconds("seconds_until_interval", seconds_until_interval(snapshot)),
        count(CALLER_PERMITTED, U256::from(snapshot.caller_permitted)),
    ]);
    if let Market::Live(live) = &snapshot.market {
        for (index, exchange) in live.exchanges.iter().enumerate() {
            let chunk = live.sizing.as_ref().ok().and_then(|s| chunk(product, s, index));
            let per_exchange = [
                chunk.map(|chunk| Observation::new("chunk", chunk, Unit::Count)),
                seconds("seconds_since_exchange_trade", since_trade(snapshot, exchange)),
                seconds("twap_cooldown_left", twap_cooldown_left(snapshot, exchange)),
                seconds("ripcord_cooldown_left", ripcord_cooldown_left(snapshot, live, exchange)),
            ];
            seen.extend(per_exchange.map(|o| o.map(|o| o.of(&exchange.name))));
        }
    }
    seen.into_iter().flatten().collect()
}

fn ratios(snapshot: &Snapshot, live: &Live) -> [Option<Observation>; 2] {
    let methodology = &snapshot.methodology;
    let current = ratio("leverage_ratio", live.leverage_ratio).map(|mut current| {
        current.min = I256::try_from(methodology.minLeverageRatio).ok();
        current.target = I256::try_from(methodology.targetLeverageRatio).ok();
        current.max = I256::try_from(methodology.maxLeverageRatio).ok();
        current.charted()
    });
    [current, aim(snapshot, live).and_then(|aim| ratio("new_leverage_ratio", aim))]
}

/// Where the next trade goes to: the ripcord to the upper bound, an open TWAP to its own target.
fn aim(snapshot: &Snapshot, live: &Live) -> Option<U256> {
    if live.leverage_ratio >= snapshot.incentive.incentivizedLeverageRatio {
        Some(snapshot.methodology.maxLeverageRatio)
    } else if snapshot.twap_leverage_ratio.is_zero() {
        new_leverage_ratio(&snapshot.methodology, live.leverage_ratio).ok()
    } else {
        Some(snapshot.twap_leverage_ratio)
    }
}

/// The interval is over one second after it is full: the contract asks for more than that.
fn seconds_until_interval(snapshot: &Snapshot) -> Option<U256> {
    let due = snapshot
        .global_last_trade
        .checked_add(snapshot.methodology.rebalanceInterval)?
        .checked_add(U256::ONE)?;
    Some(due.saturating_sub(snapshot.now))
}

/// `None` for an exchange that never traded.
fn since_trade(snapshot: &Snapshot, exchange: &Exchange) -> Option<U256> {
    let last = exchange.settings.exchangeLastTradeTimestamp;
    if last.is_zero() { None } else { snapshot.now.checked_sub(last) }
}

/// Only where a TWAP is open does the cooldown hold anything up.
fn twap_cooldown_left(snapshot: &Snapshot, exchange: &Exchange) -> Option<U256> {
    if snapshot.twap_leverage_ratio.is_zero() {
        return None;
    }
    cooldown_left(snapshot, exchange, snapshot.twap_cooldown_period)
}

/// Only in ripcord range does it matter, and only where the operator lets an exchange serve.
fn ripcord_cooldown_left(snapshot: &Snapshot, live: &Live, exchange: &Exchange) -> Option<U256> {
    let incentive = &snapshot.incentive;
    let serves = !exchange.settings.incentivizedTwapMaxTradeSize.is_zero();
    let is_in_range = live.leverage_ratio >= incentive.incentivizedLeverageRatio;
    if !serves || !is_in_range {
        return None;
    }
    cooldown_left(snapshot, exchange, incentive.incentivizedTwapCooldownPeriod)
}

/// Over one second after it is full, as the interval.
fn cooldown_left(snapshot: &Snapshot, exchange: &Exchange, period: U256) -> Option<U256> {
    let last = exchange.settings.exchangeLastTradeTimestamp;
    let over = last.checked_add(period)?.checked_add(U256::ONE)?;
    Some(over.saturating_sub(snapshot.now))
}

/// The chunk in whole tokens of the asset sold.
fn chunk(product: &Deployment, sizing: &Sizing, index: usize) -> Option<I256> {
    let sold = [product.collateral, product.borrow]
        .into_iter()
        .find(|asset| asset.token == sizing.sell_asset)?;
    let base_units = *sizing.chunks.get(index)?;
    let unit = U256::from(10).checked_pow(U256::from(sold.decimals))?;
    // Rounded down, for tokens with more than 18 decimals.
    let fixed = base_units.checked_mul(ONE)?.checked_div(unit)?;
    I256::try_from(fixed).ok()
}

fn ratio(name: &'static str, value: U256) -> Option<Observation> {
    Some(Observation::new(name, I256::try_from(value).ok()?, Unit::Ratio))
}

fn seconds(name: &'static str, value: Option<U256>) -> Option<Observation> {
    Some(Observation::new(name, whole(value?)?, Unit::Seconds))
}

fn count(name: &'static str, value: U256) -> Option<Observation> {
    Some(Observation::new(name, whole(value)?, Unit::Count))
}

/// A whole number in 18-decimal fixed point.
fn whole(value: U256) -> Option<I256> {
    I256::try_from(value.checked_mul(ONE)?).ok()
}
