//! The inputs of a decision as numbers with names: for the explanation, gauges and charts.
//!
//! A figure that 18 decimals in 256 bits cannot hold is left out rather than failed on.

use alloy::primitives::{I256, U256};
use ballast_strategy_api::{Observation, Unit, decision::CALLER_PERMITTED};

use crate::{
    decide::{Look, Lot, Stand, elapsed, hold, needed},
    decimal::ONE,
    module::{Side, trades},
    schedule::{Progress, idle_since},
    snapshot::{Component, Reference, Snapshot},
};

/// The inputs, in the order a person would want them.
pub(crate) fn observations(look: Look<'_>) -> Vec<Observation> {
    let Look { terms, snapshot, survey } = look;
    let wanted = survey.lots.iter().filter(|lot| survey.is_wanted(lot));
    let (mut steps, mut left) = (U256::ZERO, U256::ZERO);
    for lot in wanted.clone() {
        steps = steps.saturating_add(trades_left(lot, snapshot).unwrap_or_default());
        left = left.saturating_add(lot.value.unwrap_or_default());
    }
    let met = survey.lots.iter().filter(|lot| lot.is_met).count();
    let deadline = terms.policy.deadline.as_secs();
    let time_left = deadline.saturating_sub(elapsed(look));
    let mut seen = vec![
        native("left_to_trade", left).map(Observation::charted),
        count("trades_left", steps),
        count("components_met", U256::from(met)).map(|met| {
            let all = fixed(U256::from(survey.lots.len()));
            Observation { target: all, ..met }
        }),
        seconds("time_needed", needed(look))
            .map(|needed| Observation { max: fixed(U256::from(time_left)), ..needed }),
        native("free_weth", survey.free).map(Observation::charted),
        native("dust", survey.dust),
        native("index_value", survey.worth),
        ratio("position_multiplier", snapshot.terms.multiplier),
        ratio("raise_target_percentage", snapshot.raise_percentage),
        count(CALLER_PERMITTED, U256::from(may_call(look))),
    ];
    seen.extend(weth(look));
    for lot in &survey.lots {
        if let Some(component) = snapshot.components.get(lot.place) {
            seen.extend(of_component(look, lot, component));
        }
    }
    seen.into_iter().flatten().collect()
}

/// How the rebalance gets on, for the schedule.
pub(crate) fn progress(look: Look<'_>, is_open: bool) -> Progress {
    let Look { snapshot, survey, .. } = look;
    let moment = |word: U256| u64::try_from(word).ok().filter(|at| *at > 0);
    let trades = snapshot.components.iter().filter_map(|component| moment(component.last_trade));
    let newest = trades.max();
    let may_pay = survey.free > survey.dust;
    let ready = survey.lots.iter().filter(|lot| {
        let is_due = lot.side() == Some(Side::Sell) || may_pay;
        survey.is_wanted(lot) && is_due
    });
    // Raising the targets is nobody's trade, so nothing has to rest for it.
    let ready = ready.filter_map(|lot| u64::try_from(lot.ready_at).ok());
    let is_raised = survey.wants_raise() && survey.lots.iter().all(|lot| lot.is_met);
    let ready = ready.chain(is_raised.then_some(0));
    Progress { last: newest, is_open, idle_since: idle_since(ready, newest, snapshot.now) }
}

fn may_call(look: Look<'_>) -> bool {
    let Snapshot { may_trade, anyone, .. } = look.snapshot;
    *may_trade && !(*anyone && look.terms.caller_is_contract)
}

/// The intermediate asset's unit and share.
fn weth(look: Look<'_>) -> [Option<Observation>; 2] {
    let Snapshot { weth, terms, .. } = look.snapshot;
    let target =
        if weth.is_component { terms.normalised(weth.target_unit).ok() } else { Some(U256::ZERO) };
    let aimed = |unit: U256| target.and_then(signed).map(|target| (unit, target));
    [
        aimed(weth.unit).and_then(|(unit, target)| {
            let seen = Observation::new("unit", signed(unit)?, Unit::Count).of("WETH");
            Some(Observation { target: Some(target), ..seen })
        }),
        share(look, weth.unit, Some)
            .map(|held| Observation::new("weight", held, Unit::Ratio).of("WETH")),
    ]
}

/// What one component has, where it goes, and why it does not go there now.
fn of_component(look: Look<'_>, lot: &Lot, component: &Component) -> Vec<Option<Observation>> {
    let of = |seen: Observation| seen.of(component.symbol.clone());
    let whole = |unit: U256| whole(unit, component.decimals?);
    let worth = |amount: U256| component.price()?.value(amount);
    let mut seen = vec![
        whole(component.position.unit).map(|unit| {
            let seen = of(Observation::new("unit", unit, Unit::Count));
            Observation { target: whole(lot.target), ..seen }
        }),
        share(look, component.position.unit, worth).map(|held| {
            let seen = of(Observation::new("weight", held, Unit::Ratio));
            Observation { target: share(look, lot.target, worth), ..seen }
        }),
        count("is_met", U256::from(lot.is_met)).map(of),
    ];
    if lot.side().is_none() {
        return seen;
    }
    seen.extend([
        lot.value.and_then(|value| native("left_of_component", value)).map(of),
        trades_left(lot, look.snapshot)
            .and_then(|steps| count("trades_of_component", steps))
            .map(of),
        off_reference(component).map(of),
        held(look.stand(lot)).map(of),
    ]);
    if !lot.is_ready {
        let ready_at = fixed(lot.ready_at).map(|at| Observation::new("ready_at", at, Unit::Time));
        seen.push(ready_at.map(of));
    }
    seen
}

/// How far the pool's price is from the farther one of its references.
fn off_reference(component: &Component) -> Option<Observation> {
    let Ok(Reference { low, high, .. }) = &component.reference else { return None };
    let price = component.price()?;
    let off = price.off(*low).max(price.off(*high));
    ratio("off_reference", off)
}

/// Why a component is held back, in the name.
fn held(stand: Stand) -> Option<Observation> {
    let name = match stand {
        Stand::Held(hold) => match hold.reason {
            hold::NO_MAXIMUM | hold::SMALL_MAXIMUM => "held_by_maximum",
            hold::NOWHERE => "held_without_exchange",
            hold::NO_REFERENCE => "held_without_reference",
            hold::OFF_REFERENCE => "held_off_reference",
            hold::DEAR => "held_too_dear",
            hold::NO_DEPTH | hold::ONE_SIDED => "held_without_depth",
            hold::TOO_LITTLE => "held_too_little",
            _ => "held_refused",
        },
        Stand::TooDear => "waits_for_weth",
        Stand::Met | Stand::Small | Stand::Resting | Stand::Ready { .. } => return None,
    };
    count(name, U256::ONE)
}

fn trades_left(lot: &Lot, snapshot: &Snapshot) -> Option<U256> {
    let component = snapshot.components.get(lot.place)?;
    trades(lot.size?.left, component.position.max_size)
}

/// The share of the index's value that a unit is, 18 decimals.
fn share(look: Look<'_>, unit: U256, worth: impl Fn(U256) -> Option<U256>) -> Option<I256> {
    let amount = look.snapshot.terms.supply.checked_mul(unit)?.checked_div(ONE)?;
    signed(worth(amount)?.checked_mul(ONE)?.checked_div(look.survey.worth)?)
}

/// Base units for 10^18 of supply as whole tokens for one index token, 18 decimals.
fn whole(unit: U256, decimals: u8) -> Option<I256> {
    let scale = U256::from(10).checked_pow(U256::from(decimals))?;
    signed(unit.checked_mul(ONE)?.checked_div(scale)?)
}

fn signed(number: U256) -> Option<I256> {
    I256::try_from(number).ok()
}

fn fixed(number: U256) -> Option<I256> {
    signed(number.checked_mul(ONE)?)
}

fn native(name: &'static str, wei: U256) -> Option<Observation> {
    Some(Observation::new(name, signed(wei)?, Unit::Native))
}

fn ratio(name: &'static str, share: U256) -> Option<Observation> {
    Some(Observation::new(name, signed(share)?, Unit::Ratio))
}

fn count(name: &'static str, number: U256) -> Option<Observation> {
    Some(Observation::new(name, fixed(number)?, Unit::Count))
}

fn seconds(name: &'static str, number: U256) -> Option<Observation> {
    Some(Observation::new(name, fixed(number)?, Unit::Seconds))
}

#[cfg(test)]
mod tests;
