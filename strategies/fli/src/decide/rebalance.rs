//! `rebalance`: the interval is over, or the ratio is out of bounds.

use std::cmp::Ordering;

use alloy::sol_types::SolCall;
use ballast_strategy_api::{Decision, StateKey, StrategyError, Urgency};

use super::{Look, NOTHING_TO_TRADE, expect, smallest, wait};
use crate::{
    contracts::ILeverageStrategyExtension::rebalanceCall,
    ratio::{self, Side},
    snapshot::ShouldRebalance,
};

pub(super) fn rebalance(look: &Look<'_>) -> Result<Decision, StrategyError> {
    let Look { policy, snapshot, live, .. } = look;
    let current = live.leverage_ratio;
    let new = ratio::new_leverage_ratio(&snapshot.methodology, current)?;
    let side = match new.cmp(&current) {
        Ordering::Greater => Side::Lever,
        Ordering::Less => Side::Delever,
        // The interval is over, the call would revert, and no clock is stamped by that.
        Ordering::Equal => return Ok(wait(NOTHING_TO_TRADE)),
    };
    // Another trade in this very second would leave the clocks as they are, and with them the key
    // that tells one rebalance from the next: the third one would be taken for the second, which
    // was answered, and be held back for ever. Chains with several blocks a second get there. From
    // the next second on any inclusion is later than the last trade, however fast the blocks are.
    if snapshot.global_last_trade >= snapshot.now {
        return Ok(wait("traded in this second"));
    }
    let is_outside = policy.bounds(&snapshot.methodology).excludes(current);
    if !is_outside {
        let gap = current.abs_diff(new);
        if policy.is_too_small(look.product, live.position, current, gap)? {
            return Ok(wait("interval rebalance below min_notional"));
        }
    }
    if let Some(blocked) = look.not_permitted() {
        return Ok(blocked);
    }
    let ready = match look.ready(ShouldRebalance::Rebalance) {
        Ok(ready) => ready,
        Err(blocked) => return Ok(blocked),
    };
    let calls = ready.iter().map(|(exchange, _)| {
        let call = rebalanceCall { exchangeName: exchange.name.clone() };
        look.call(exchange, call.abi_encode())
    });
    let answers = StateKey::of(&[
        ("global_last_trade", &snapshot.global_last_trade),
        ("twap_leverage_ratio", &snapshot.twap_leverage_ratio),
    ]);
    let urgency = if is_outside { Urgency::Prompt } else { Urgency::Routine };
    let expects = expect::half_of(*look, side, new, smallest(&ready))?;
    Ok(look.act(("rebalance", urgency, side.exposure()), answers, calls.collect(), expects))
}
