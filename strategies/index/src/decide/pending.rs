//! Whether a trade that is signed and not included should still be made. Its bytes do not change: the
//! module takes the direction and the size from the state at inclusion, so after a new start the least
//! that a sell was to bring is the most that a buy may cost; and whoever trades in front of it gains
//! what the price has moved since it was signed.

use alloy::{primitives::U256, sol_types::SolCall};
use ballast_strategy_api::{Action, Decision, Pending};

use super::{RAISE, TRADE, TRADE_REMAINING};
use crate::{
    contracts::IGeneralIndexModule::{tradeCall, tradeRemainingWETHCall},
    params::Policy,
};

/// The part of a key that tells one rebalance from another.
pub(super) const REBALANCE: &str = "rebalance";

/// Whether it should, by what is decided now. Of a component that the decision is not about only the
/// deadline limits what the price may do; what is due stays the same from block to block as a rule.
pub(crate) fn stands(pending: &Pending<'_>, decision: &Decision, policy: &Policy) -> bool {
    let is_trade = [TRADE, TRADE_REMAINING].contains(&pending.action);
    match decision {
        // The lane gives it up.
        Decision::Wait { .. } => true,
        // No trade could be made at this block; that targets are raised does no harm.
        Decision::Blocked { .. } => !is_trade,
        Decision::Act(due) => {
            let same = rebalance(pending.answers) == rebalance(due.answers.as_str());
            // Targets are raised when all is met: then nothing is to be traded.
            same && (!is_trade || (due.name != RAISE && holds(pending, due, policy)))
        }
    }
}

fn rebalance(answers: &str) -> Option<&str> {
    answers.split(';').find_map(|part| part.strip_prefix(REBALANCE)?.strip_prefix('='))
}

/// Whether a pending trade is as good as the one that is due: of another component, or of the same
/// state and at a limit that is not beaten by more than the tolerance.
fn holds(pending: &Pending<'_>, due: &Action, policy: &Policy) -> bool {
    let (old, new) = (&pending.call.data, &due.candidates.first.data);
    let (Some(old), Some(new)) = (Limit::of(old), Limit::of(new)) else { return false };
    if old.component != new.component {
        return true;
    }
    if pending.answers != due.answers.as_str() || old.is_remaining != new.is_remaining {
        return false;
    }
    let is_sell = pending.answers.split(';').any(|part| part == "side=sell");
    let beaten = if is_sell || new.is_remaining {
        policy.least(new.limit).is_none_or(|least| least > old.limit)
    } else {
        policy.most(new.limit).is_some_and(|most| most < old.limit)
    };
    !beaten
}

/// What a trade was signed for.
struct Limit {
    component: alloy::primitives::Address,
    is_remaining: bool,
    limit: U256,
}

impl Limit {
    fn of(data: &[u8]) -> Option<Self> {
        if let Ok(tradeCall { component, ethQuantityLimit: limit, .. }) =
            tradeCall::abi_decode(data)
        {
            return Some(Self { component, is_remaining: false, limit });
        }
        let call = tradeRemainingWETHCall::abi_decode(data).ok()?;
        let (component, limit) = (call.component, call.minComponentReceived);
        Some(Self { component, is_remaining: true, limit })
    }
}
