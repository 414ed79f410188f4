//! What is due, from a snapshot alone.
//!
//! When something is due is the extension's word (`shouldRebalance`); this file adds what that
//! view does not look at: whether there is a ratio at all, a trade to make, and permission to call.
//! One file below it per action.

mod expect;
mod iterate;
mod rebalance;
mod reinvest;
mod ripcord;

pub(crate) use reinvest::predicted as predicted_ratio;

use alloy::primitives::{I256, U256};
use ballast_chains::ReadError;
use ballast_strategy_api::{
    Action, Assessment, Call, Decision, Exposure, NonEmpty, Postcondition, RepeatLimit, StateKey,
    StrategyError, Urgency,
};

use crate::{
    deployment::Deployment,
    observe,
    policy::{Policy, short},
    ratio::Side,
    refusal,
    snapshot::{Market, ShouldRebalance, Snapshot},
    winding::is_operators,
};

const NOTHING_TO_TRADE: &str = "nothing to trade: already at the new ratio";
/// The label of the one candidate where the extension names no exchange.
const UNNAMED: &str = "spot";

/// What is due for `product`, and the inputs behind it.
///
/// # Errors
/// [`StrategyError::Arithmetic`] if the chain holds settings that the contract itself could not
/// compute with; [`StrategyError::Read`] if something that only this decision needs was not read.
pub fn decide(
    product: &Deployment,
    policy: &Policy,
    snapshot: &Snapshot,
) -> Result<Assessment, StrategyError> {
    Ok(Assessment {
        decision: decision(product, policy, snapshot)?,
        observations: observe::observations(product, policy, snapshot),
    })
}

fn decision(
    product: &Deployment,
    policy: &Policy,
    snapshot: &Snapshot,
) -> Result<Decision, StrategyError> {
    let live = match &snapshot.market {
        Market::Live(live) => live,
        Market::Refused(revert) => {
            return Ok(blocked(refusal::of_view(revert), revert.to_string()));
        }
    };
    // The extension goes on saying "rebalance" without a ratio, and every call reverts.
    if live.leverage_ratio.is_zero() {
        return without_ratio(snapshot);
    }
    if live.leverage_ratio.is_positive() {
        let detail = format!("{} at an extension for shorts", live.leverage_ratio);
        return Ok(blocked("the product is long on Perp", detail));
    }
    let current = live.leverage_ratio.unsigned_abs();
    let look = Look { product, policy, snapshot, current };
    match (live.due, &live.bounds_refused) {
        (ShouldRebalance::Ripcord, _) => ripcord::ripcord(look),
        (ShouldRebalance::IterateRebalance, _) => iterate::iterate(look),
        (
            ShouldRebalance::Rebalance | ShouldRebalance::Reinvest | ShouldRebalance::None,
            Some(ReadError::Reverted(revert)),
        ) if look.may_be_rebalanced() => {
            let tight = policy.check_bounds(&snapshot.methodology).err();
            let detail = tight.map_or_else(|| revert.to_string(), |tight| tight.to_string());
            Ok(blocked(refusal::of_bounds(revert), detail))
        }
        (
            ShouldRebalance::Rebalance | ShouldRebalance::Reinvest | ShouldRebalance::None,
            Some(unread @ (ReadError::Unavailable(_) | ReadError::Malformed { .. })),
        ) => Err(StrategyError::reading("what is due by custom bounds")(unread.clone())),
        (ShouldRebalance::Rebalance, _) => rebalance::rebalance(look),
        (ShouldRebalance::Reinvest, _) => reinvest::reinvest(look),
        (ShouldRebalance::None, _) => Ok(wait(look.nothing_due())),
    }
}

/// A ratio of zero says that there is no short, or that the account is worth nothing.
fn without_ratio(snapshot: &Snapshot) -> Result<Decision, StrategyError> {
    let size = match &snapshot.position {
        Ok(size) => *size,
        Err(error) => return Err(StrategyError::reading("the short's size")(error.clone())),
    };
    if size.is_zero() {
        return Ok(wait("not engaged: no short"));
    }
    let value = snapshot.books.as_ref().ok().and_then(|books| books.account_value());
    let value = value.map_or_else(|| "an unknown value".to_owned(), observe::text);
    let detail = format!(
        "a short of {} against an account of {value} USD: no action is possible, Perp liquidates \
         it unless a person adds collateral",
        observe::text(size)
    );
    Ok(blocked(INSOLVENT, detail))
}

/// The reason at which people are paged: see [`observe`] for the distance that goes with it.
pub const INSOLVENT: &str = "insolvent: leverage ratio 0 with an open short";

/// A live product at one block, and what its operator wants of it.
#[derive(Clone, Copy)]
struct Look<'a> {
    product: &'a Deployment,
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    /// The magnitude of the leverage ratio; above zero.
    current: U256,
}

impl Look<'_> {
    /// Which of the rule's branches the product is in, none of them being ready.
    fn nothing_due(self) -> &'static str {
        let Snapshot { methodology, now, last_reinvest, .. } = self.snapshot;
        if self.current >= self.ripcord_line() {
            ripcord::RESTS
        } else if !self.snapshot.twap_leverage_ratio.is_zero() {
            "twap open, cooldown not over"
        } else if now.saturating_sub(*last_reinvest) > methodology.reinvestInterval {
            "inside bounds, funding below minReinvestUnits"
        } else {
            "inside bounds, interval not over"
        }
    }

    fn ripcord_line(self) -> U256 {
        self.snapshot.incentive.incentivizedLeverageRatio.unsigned_abs()
    }

    /// Whether bounds decide about anything: neither in ripcord range nor in an open TWAP.
    fn may_be_rebalanced(self) -> bool {
        self.current < self.ripcord_line() && self.snapshot.twap_leverage_ratio.is_zero()
    }

    /// To lever up against an operator who disengages would undo each of their steps.
    fn wound_down(self, side: Side) -> Option<Decision> {
        let min = self.snapshot.methodology.minLeverageRatio.unsigned_abs();
        let left_at = self.snapshot.left_at.filter(|left_at| is_operators(*left_at, min))?;
        (side == Side::Lever && self.current < min).then(|| {
            let detail = format!(
                "the last trade left the ratio at {}, and no rebalance ends below {}: take the wallet \
                 off the call allow list, or set mode = \"delever_only\"",
                short(left_at),
                short(min)
            );
            blocked("an operator winds the product down", detail)
        })
    }

    /// All actions but `ripcord` look at who is calling.
    fn not_permitted(self) -> Option<Decision> {
        let Snapshot { caller, caller_permitted, .. } = self.snapshot;
        let detail = || format!("{caller} is not on the extension's call allow list");
        self.not_plain()
            .or_else(|| (!caller_permitted).then(|| blocked("caller not permitted", detail())))
    }

    /// All actions, `ripcord` too, ask for a plain account.
    fn not_plain(self) -> Option<Decision> {
        let Snapshot { caller, caller_is_contract, .. } = self.snapshot;
        let detail = || format!("{caller} has code that is no EIP-7702 delegation");
        caller_is_contract.then(|| blocked("caller is a contract, not a plain account", detail()))
    }

    /// The action with its one call.
    fn act(self, due: Due) -> Decision {
        let Due { name, data, urgency, exposure, answers, repeat_limit, expects } = due;
        let exchange = self.snapshot.exchange.exchangeName.as_str();
        let label = if exchange.is_empty() { UNNAMED } else { exchange };
        let call = Call {
            label: label.to_owned(),
            to: self.product.extension,
            data: data.into(),
            value: U256::ZERO,
        };
        Decision::Act(Action {
            name,
            candidates: NonEmpty::one(call),
            urgency,
            exposure,
            answers,
            deadline: None,
            repeat_limit,
            expects: Some(expects),
        })
    }
}

/// What the files below this one differ in.
struct Due {
    name: &'static str,
    data: Vec<u8>,
    urgency: Urgency,
    exposure: Exposure,
    answers: StateKey,
    repeat_limit: Option<RepeatLimit>,
    expects: Postcondition,
}

/// Never with a time: a price can make the product due at any block.
fn wait(reason: &'static str) -> Decision {
    Decision::Wait { reason, until: None }
}

fn blocked(reason: &'static str, detail: String) -> Decision {
    Decision::Blocked { reason, detail }
}

/// The state that every trade changes.
fn trade_key(snapshot: &Snapshot) -> StateKey {
    let twap: I256 = snapshot.twap_leverage_ratio;
    StateKey::of(&[("last_trade", &snapshot.last_trade), ("twap_leverage_ratio", &twap)])
}

#[cfg(test)]
mod model;
#[cfg(test)]
pub(crate) mod tests;
