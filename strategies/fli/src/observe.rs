//! The inputs of a decision as numbers with names: for the explanation, gauges and charts.
//!
//! A figure that 18 decimals in 256 bits cannot hold is left out rather than failed on: operators
//! switch a bound or an interval off by setting it to the largest number there is.

use alloy::primitives::{I256, U256};
use ballast_strategy_api::{
    Observation, Unit,
    decision::{CALLER_PERMITTED, CEILING_DISTANCE},
};

use crate::{
    ceiling,
    policy::Policy,
    ratio::{ONE, new_leverage_ratio},
    snapshot::{Exchange, Live, Market, Sizing, Snapshot},
    variant::{Asset, Deployment},
};

/// The inputs, in the order a person would want them.
pub fn observations(
    product: &Deployment,
    policy: &Policy,
    snapshot: &Snapshot,
) -> Vec<Observation> {
    let mut seen = Vec::new();
    let may_call = snapshot.caller_permitted && !snapshot.caller_is_contract;
    if let Market::Live(live) = &snapshot.market {
        seen.extend(ratios(snapshot, live));
    }
    seen.extend([
        ratio("ripcord_leverage_ratio", snapshot.incentive.incentivizedLeverageRatio),
        // 0: no TWAP is open.
        ratio("twap_leverage_ratio", snapshot.twap_leverage_ratio),
        policy.custom_min.and_then(|min| ratio("custom_min_leverage_ratio", min)),
        policy.custom_max.and_then(|max| ratio("custom_max_leverage_ratio", max)),
        seconds("seconds_until_due", seconds_until_due(snapshot)),
        seconds("seconds_until_interval", seconds_until_interval(snapshot)),
        count(CALLER_PERMITTED, U256::from(may_call)),
    ]);
    if let Market::Live(live) = &snapshot.market {
        let answered = live.ranking.as_ref().map(|ranking| U256::from(ranking.has_answered()));
        seen.push(answered.and_then(|answered| count("viewer_answered", answered)));
        for (index, exchange) in live.exchanges.iter().enumerate() {
            let chunk = live.sizing.as_ref().ok().and_then(|s| chunk(product, s, index));
            let settings = &exchange.settings;
            let per_exchange = [
                tokens("chunk", chunk),
                tokens(
                    "max_trade_size",
                    whole_tokens(product.collateral, settings.twapMaxTradeSize),
                ),
                tokens(
                    "ripcord_max_trade_size",
                    whole_tokens(product.collateral, settings.incentivizedTwapMaxTradeSize),
                ),
                seconds("seconds_since_exchange_trade", since_trade(snapshot, exchange)),
                seconds("twap_cooldown_left", twap_cooldown_left(snapshot, exchange)),
                seconds("ripcord_cooldown_left", ripcord_cooldown_left(snapshot, live, exchange)),
            ];
            seen.extend(per_exchange.map(|o| o.map(|o| o.of(&exchange.name))));
        }
    }
    seen.into_iter().flatten().collect()
}

fn ratios(snapshot: &Snapshot, live: &Live) -> [Option<Observation>; 3] {
    let methodology = &snapshot.methodology;
    let current = ratio("leverage_ratio", live.leverage_ratio).map(|mut current| {
        current.min = I256::try_from(methodology.minLeverageRatio).ok();
        current.target = I256::try_from(methodology.targetLeverageRatio).ok();
        current.max = I256::try_from(methodology.maxLeverageRatio).ok();
        current.charted()
    });
    let distance =
        snapshot.borrow_limit.and_then(|limit| ceiling::distance(live.leverage_ratio, limit));
    [
        current,
        distance.and_then(|d| ratio(CEILING_DISTANCE, d)).map(Observation::charted),
        aim(snapshot, live).and_then(|aim| ratio("new_leverage_ratio", aim)),
    ]
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

/// When a clock makes something due at the latest, whatever the price does: the first exchange to
/// have rested where one has to, the interval otherwise. 0: a clock holds nothing back.
fn seconds_until_due(snapshot: &Snapshot) -> Option<U256> {
    let Market::Live(live) = &snapshot.market else { return None };
    let rests =
        |left: &dyn Fn(&Exchange) -> Option<U256>| live.exchanges.iter().filter_map(left).min();
    if live.leverage_ratio >= snapshot.incentive.incentivizedLeverageRatio {
        rests(&|exchange| ripcord_cooldown_left(snapshot, live, exchange))
    } else if snapshot.twap_leverage_ratio.is_zero() {
        seconds_until_interval(snapshot)
    } else {
        rests(&|exchange| twap_cooldown_left(snapshot, exchange))
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
    cooldown_left(snapshot, exchange, snapshot.twap_cooldown_period?)
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
    whole_tokens(sold, *sizing.chunks.get(index)?)
}

/// Base units in whole tokens; rounded down, for tokens with more than 18 decimals.
fn whole_tokens(asset: Asset, base_units: U256) -> Option<I256> {
    let unit = U256::from(10).checked_pow(U256::from(asset.decimals))?;
    I256::try_from(base_units.checked_mul(ONE)?.checked_div(unit)?).ok()
}

fn tokens(name: &'static str, amount: Option<I256>) -> Option<Observation> {
    Some(Observation::new(name, amount?, Unit::Count))
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
