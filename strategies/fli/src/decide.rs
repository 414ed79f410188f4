//! What is due, from a snapshot alone.
//!
//! When something is due is the extension's word (`shouldRebalance`); this file adds what that
//! view does not look at: whether there is debt, a trade to make, an exchange to make it on, and
//! permission to call.

use alloy::{primitives::U256, sol_types::SolCall};
use ballast_strategy_api::{
    Action, Assessment, Call, Decision, Direction, NonEmpty, Postcondition, StateKey,
    StrategyError, Urgency,
};

use crate::{
    contracts::ILeverageStrategyExtension as Ext,
    observe, ratio,
    ratio::{ONE, Side},
    refusal,
    snapshot::{Exchange, Live, Market, ShouldRebalance, Sizing, Snapshot},
    variant::Deployment,
};

/// What is due for `product`, and the inputs behind it.
///
/// # Errors
/// [`StrategyError::Arithmetic`] if the chain holds settings that the contract itself could not
/// compute with.
pub fn decide(product: &Deployment, snapshot: &Snapshot) -> Result<Assessment, StrategyError> {
    Ok(Assessment {
        decision: decision(product, snapshot)?,
        observations: observe::observations(product, snapshot),
    })
}

fn decision(product: &Deployment, snapshot: &Snapshot) -> Result<Decision, StrategyError> {
    let live = match &snapshot.market {
        Market::Live(live) => live,
        Market::Refused(revert) if refusal::is_wound_down(revert) => {
            return Ok(wait("wound down: no collateral"));
        }
        Market::Refused(revert) => {
            return Ok(blocked(refusal::of_view(revert), revert.to_string()));
        }
    };
    // The extension goes on saying "rebalance" without debt, and every call reverts.
    if live.leverage_ratio == ONE {
        return Ok(wait("wound down: no debt"));
    }
    if live.exchanges.is_empty() {
        return Ok(blocked("no exchange is enabled", "the operator has to add one".into()));
    }
    match live.due() {
        ShouldRebalance::None => Ok(wait(nothing_due(snapshot, live))),
        ShouldRebalance::Rebalance => rebalance(product, snapshot, live),
        ShouldRebalance::IterateRebalance => Ok(wait("twap open: iterate is not served yet")),
        ShouldRebalance::Ripcord => Ok(wait("ripcord range: not served yet")),
    }
}

/// Which of the rule's three branches the product is in, none of them being ready.
fn nothing_due(snapshot: &Snapshot, live: &Live) -> &'static str {
    if live.leverage_ratio >= snapshot.incentive.incentivizedLeverageRatio {
        "ripcord range, cooldown not over"
    } else if snapshot.twap_leverage_ratio.is_zero() {
        "inside bounds, interval not over"
    } else {
        "twap open, cooldown not over"
    }
}

fn rebalance(
    product: &Deployment,
    snapshot: &Snapshot,
    live: &Live,
) -> Result<Decision, StrategyError> {
    let methodology = &snapshot.methodology;
    let current = live.leverage_ratio;
    let new = ratio::new_leverage_ratio(methodology, current)?;
    let side = match new.cmp(&current) {
        std::cmp::Ordering::Greater => Side::Lever,
        std::cmp::Ordering::Less => Side::Delever,
        // The interval is over, the call would revert, and no clock is stamped by that.
        std::cmp::Ordering::Equal => return Ok(wait("nothing to trade: already at the new ratio")),
    };
    if !snapshot.caller_permitted {
        let detail = format!("{} is not on the extension's call allow list", snapshot.caller);
        return Ok(blocked("caller not permitted", detail));
    }
    let sizing = match &live.sizing {
        Ok(sizing) => sizing,
        Err(revert) => return Ok(blocked(refusal::of_view(revert), revert.to_string())),
    };
    let ready = ready(live, sizing, ShouldRebalance::Rebalance);
    let smallest = ready.iter().map(|(_, chunk)| *chunk).min();
    let calls = ready.iter().map(|(exchange, _)| call(product, exchange)).collect();
    let (Some(candidates), Some(smallest)) = (NonEmpty::from_vec(calls), smallest) else {
        let detail = "every exchange's chunk is zero".into();
        return Ok(blocked("no exchange can trade", detail));
    };
    let is_outside =
        current > methodology.maxLeverageRatio || current < methodology.minLeverageRatio;
    Ok(Decision::Act(Action {
        name: "rebalance",
        candidates,
        urgency: if is_outside { Urgency::Prompt } else { Urgency::Routine },
        answers: StateKey::of(&[
            ("global_last_trade", &snapshot.global_last_trade),
            ("twap_leverage_ratio", &snapshot.twap_leverage_ratio),
        ]),
        deadline: None,
        repeat_limit: None,
        expects: expectation(product, live, side, new, smallest)?,
    }))
}

/// The exchanges that are ready for `action` and have something to trade, with their chunks.
fn ready<'a>(
    live: &'a Live,
    sizing: &Sizing,
    action: ShouldRebalance,
) -> Vec<(&'a Exchange, U256)> {
    live.exchanges
        .iter()
        .zip(sizing.chunks.iter().copied())
        .filter(|(exchange, chunk)| exchange.due == action && !chunk.is_zero())
        .collect()
}

fn call(product: &Deployment, exchange: &Exchange) -> Call {
    let data = Ext::rebalanceCall { exchangeName: exchange.name.clone() }.abi_encode();
    Call {
        label: exchange.name.clone(),
        to: product.extension,
        data: data.into(),
        value: U256::ZERO,
    }
}

/// The ratio moves towards `new` by at least half of what the smallest candidate's chunk implies,
/// rounded down and less what whole base units can round away. The other half is room for fees and impact, which a delever of ratio `r` feels
/// `r` times, and for interest and prices that move until the call is mined.
///
/// Where the position is not known, any move in the right direction will do. `None` for a chunk so
/// small that it moves nothing.
fn expectation(
    product: &Deployment,
    live: &Live,
    side: Side,
    new: U256,
    smallest: U256,
) -> Result<Option<Postcondition>, StrategyError> {
    let gap = live.leverage_ratio.abs_diff(new);
    let at_least = match live.position {
        Some(position) => {
            let implied = ratio::implied_move(side, smallest, live.leverage_ratio, position)?;
            let rounding = ratio::rounding(live.leverage_ratio, position)?;
            implied.min(gap).wrapping_shr(1).saturating_sub(rounding)
        }
        None => U256::ONE,
    };
    if at_least.is_zero() {
        return Ok(None);
    }
    Ok(Some(Postcondition {
        what: "leverage ratio".into(),
        target: product.extension,
        view: Ext::getCurrentLeverageRatioCall {}.abi_encode().into(),
        signed: false,
        direction: match side {
            Side::Lever => Direction::Up,
            Side::Delever => Direction::Down,
        },
        at_least,
    }))
}

/// Never with a time: a price can make the product due at any block.
fn wait(reason: &'static str) -> Decision {
    Decision::Wait { reason, until: None }
}

fn blocked(reason: &'static str, detail: String) -> Decision {
    Decision::Blocked { reason, detail }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
