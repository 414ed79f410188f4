//! The inputs of a decision as numbers with names: for the explanation, gauges and charts.
//!
//! A figure that 18 decimals in 256 bits cannot hold is left out rather than failed on: operators
//! switch an interval off by setting it to the largest number there is.

use alloy::primitives::{I256, U256};
use ballast_strategy_api::{
    Observation, Unit,
    decision::{CALLER_PERMITTED, CEILING_DISTANCE, fixed18},
};

use crate::{
    books::Books,
    decide::predicted_ratio,
    deployment::Deployment,
    policy::Policy,
    ratio::{ONE, new_leverage_ratio, signed},
    snapshot::{Live, Market, Snapshot},
};

/// The inputs, in the order a person would want them.
pub fn observations(
    product: &Deployment,
    policy: &Policy,
    snapshot: &Snapshot,
) -> Vec<Observation> {
    let may_call = snapshot.caller_permitted && !snapshot.caller_is_contract;
    let live = match &snapshot.market {
        Market::Live(live) => Some(live),
        Market::Refused(_) => None,
    };
    let mut seen = Vec::new();
    seen.push(live.and_then(|live| leverage(snapshot, live)));
    seen.push(distance(snapshot, live).map(|d| d.charted()));
    if let Some(live) = live {
        seen.extend(aims(product, snapshot, live));
    }
    seen.extend([
        ratio("ripcord_leverage_ratio", Some(snapshot.incentive.incentivizedLeverageRatio)),
        // 0: no TWAP is open.
        ratio("twap_leverage_ratio", Some(snapshot.twap_leverage_ratio)),
        ratio("custom_min_leverage_ratio", policy.custom_min.and_then(signed)),
        ratio("custom_max_leverage_ratio", policy.custom_max.and_then(signed)),
    ]);
    seen.extend(venues(product, snapshot));
    if let Ok(books) = &snapshot.books {
        seen.extend(of_books(product, books));
    }
    seen.extend(clocks(snapshot, live));
    seen.push(count(CALLER_PERMITTED, U256::from(may_call)));
    seen.into_iter().flatten().collect()
}

fn leverage(snapshot: &Snapshot, live: &Live) -> Option<Observation> {
    let methodology = &snapshot.methodology;
    // As numbers: the product's "max" is the lower end of the range.
    let (low, high) = (methodology.maxLeverageRatio, methodology.minLeverageRatio);
    ratio("leverage_ratio", Some(live.leverage_ratio))
        .map(|seen| seen.within(low, methodology.targetLeverageRatio, high).charted())
}

/// How far liquidation is, by Perp's own figures. An account that is worth nothing is there, whoever
/// says so: that is what people are paged for.
fn distance(snapshot: &Snapshot, live: Option<&Live>) -> Option<Observation> {
    let is_short = snapshot.position.as_ref().is_ok_and(|size| !size.is_zero());
    let is_insolvent = is_short && live.is_some_and(|live| live.leverage_ratio.is_zero());
    let distance = if is_insolvent { Some(U256::ZERO) } else { snapshot.venues.distance() };
    ratio(CEILING_DISTANCE, I256::try_from(distance?).ok())
}

/// Where the next trade goes: the ripcord to the bound farthest from zero, an open TWAP to its own
/// end; and where a reinvestment would lead.
fn aims(product: &Deployment, snapshot: &Snapshot, live: &Live) -> [Option<Observation>; 2] {
    let current = live.leverage_ratio.unsigned_abs();
    if current.is_zero() {
        return [None, None];
    }
    let new = if current >= snapshot.incentive.incentivizedLeverageRatio.unsigned_abs() {
        Some(snapshot.methodology.maxLeverageRatio)
    } else if snapshot.twap_leverage_ratio.is_zero() {
        new_leverage_ratio(&snapshot.methodology, current).ok().and_then(signed)
    } else {
        Some(snapshot.twap_leverage_ratio)
    };
    let reinvested = predicted_ratio(product, snapshot, current).and_then(signed);
    [ratio("new_leverage_ratio", new), ratio("reinvested_leverage_ratio", reinvested)]
}

/// Prices at the three venues, how far they are apart, and Perp's view of the account.
fn venues(product: &Deployment, snapshot: &Snapshot) -> [Option<Observation>; 9] {
    let venues = &snapshot.venues;
    let index = snapshot.books.as_ref().ok().map(|books| books.price);
    // With another path it may be another pool.
    let path = &snapshot.exchange.buySpotQuoteExactInputPath;
    let is_pool = product.spot_pool.as_ref().is_some_and(|pool| pool.path == *path);
    let spot = venues.spot.filter(|_| is_pool);
    let liquidation = || {
        let rise = ONE.checked_add(venues.room()?)?;
        crate::ratio::precise_mul(index?, rise)
    };
    [
        usd("index_price", index.and_then(whole)).map(Observation::charted),
        usd("mark_price", venues.mark.and_then(whole)).map(Observation::charted),
        usd("spot_price", spot.and_then(whole)).map(Observation::charted),
        ratio("mark_premium", premium(venues.mark, index)).map(Observation::charted),
        ratio("spot_premium", premium(spot, index)).map(Observation::charted),
        usd("account_value", venues.account_value).map(Observation::charted),
        usd("margin_requirement", venues.margin_requirement),
        usd("liquidation_price", liquidation().and_then(whole)).map(Observation::charted),
        native("ripcord_reward", snapshot.reward.and_then(whole)),
    ]
}

/// By what share a price is above the index, below it: negative.
fn premium(price: Option<U256>, index: Option<U256>) -> Option<I256> {
    let (price, index) = (price?, index?);
    let share = crate::ratio::precise_div(price, index)?;
    whole(share)?.checked_sub(whole(ONE)?)
}

fn of_books(product: &Deployment, books: &Books) -> [Option<Observation>; 6] {
    [
        // Above 0 the product will receive: the opposite of Perp's own sign.
        usd("pending_funding", Some(books.account.pendingFundingPayments))
            .map(Observation::charted),
        usd("tracked_funding", whole(books.tracked)).map(Observation::charted),
        usd("reinvestable_funding", books.funding().and_then(whole)),
        tokens("short_size", Some(books.size)),
        tokens("spot_size", books.spot(product)),
        tokens("delta_drift", books.drift(product)).map(Observation::charted),
    ]
}

/// A period is over one second after it is full: the contract asks for more than that. Periods that
/// never end are left out.
fn clocks(snapshot: &Snapshot, live: Option<&Live>) -> [Option<Observation>; 5] {
    let Snapshot { methodology, last_trade, last_reinvest, .. } = snapshot;
    let left = |since: U256, period: U256| {
        let over = since.checked_add(period)?.checked_add(U256::ONE)?;
        Some(over.saturating_sub(snapshot.now))
    };
    let line = snapshot.incentive.incentivizedLeverageRatio.unsigned_abs();
    let in_range = live.is_some_and(|live| live.leverage_ratio.unsigned_abs() >= line);
    let in_twap = !snapshot.twap_leverage_ratio.is_zero();
    let interval = left(*last_trade, methodology.rebalanceInterval);
    let reinvest = left(*last_reinvest, methodology.reinvestInterval);
    let twap = left(*last_trade, snapshot.execution.twapCooldownPeriod).filter(|_| in_twap);
    let ripcord = left(*last_trade, snapshot.incentive.incentivizedTwapCooldownPeriod);
    let ripcord = ripcord.filter(|_| in_range);
    let due = match (in_range, in_twap) {
        (true, _) => ripcord,
        (false, true) => twap,
        (false, false) => [interval, reinvest].into_iter().flatten().min(),
    };
    [
        seconds("seconds_until_due", due),
        seconds("seconds_until_interval", interval),
        seconds("seconds_until_reinvest", reinvest),
        seconds("twap_cooldown_left", twap),
        seconds("ripcord_cooldown_left", ripcord),
    ]
}

/// A figure with 18 decimals, for people.
pub(crate) fn text(value: I256) -> String {
    fixed18(value)
}

fn whole(value: U256) -> Option<I256> {
    I256::try_from(value).ok()
}

fn ratio(name: &'static str, value: Option<I256>) -> Option<Observation> {
    Some(Observation::new(name, value?, Unit::Ratio))
}

fn usd(name: &'static str, value: Option<I256>) -> Option<Observation> {
    Some(Observation::new(name, value?, Unit::Usd))
}

fn native(name: &'static str, value: Option<I256>) -> Option<Observation> {
    Some(Observation::new(name, value?, Unit::Native))
}

fn tokens(name: &'static str, value: Option<I256>) -> Option<Observation> {
    Some(Observation::new(name, value?, Unit::Count))
}

fn seconds(name: &'static str, value: Option<U256>) -> Option<Observation> {
    Some(Observation::new(name, whole(value?.checked_mul(ONE)?)?, Unit::Seconds))
}

fn count(name: &'static str, value: U256) -> Option<Observation> {
    Some(Observation::new(name, whole(value.checked_mul(ONE)?)?, Unit::Count))
}
