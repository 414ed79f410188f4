//! What is due, from a snapshot alone.
//!
//! When something is due is the extension's word (`shouldRebalance`); this file adds what that
//! view does not look at: whether there is debt, a trade to make, an exchange to make it on, and
//! permission to call. One file below it per action.

mod expect;
mod iterate;
mod rebalance;
mod ripcord;

use alloy::primitives::U256;
use ballast_chains::ReadError;
use ballast_strategy_api::{
    Action, Assessment, Call, Decision, Exposure, NonEmpty, Postcondition, StateKey, StrategyError,
    Urgency,
};

use crate::{
    observe,
    policy::Policy,
    ratio::ONE,
    refusal,
    snapshot::{Exchange, Live, Market, ShouldRebalance, Snapshot},
    variant::Deployment,
};

/// The action that brings the ratio down from its line.
pub(crate) const RIPCORD: &str = "ripcord";

const NOTHING_TO_TRADE: &str = "nothing to trade: already at the new ratio";

/// What is due for `product`, and the inputs behind it.
///
/// # Errors
/// [`StrategyError::Arithmetic`] if the chain holds settings that the contract itself could not
/// compute with.
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
        Market::Refused(revert) if refusal::is_wound_down(revert) => {
            return Ok(wait("wound down: no collateral"));
        }
        Market::Refused(revert) => {
            return Ok(blocked(refusal::of_ratio(revert), revert.to_string()));
        }
    };
    // The extension goes on saying "rebalance" without debt, and every call reverts.
    if live.leverage_ratio == ONE {
        return Ok(without_debt(live));
    }
    if live.exchanges.is_empty() {
        return Ok(blocked("no exchange is enabled", "the operator has to add one".into()));
    }
    let look = Look { product, policy, snapshot, live };
    match (live.due(), &live.bounds_refused) {
        (ShouldRebalance::Ripcord, _) => ripcord::ripcord(&look),
        (ShouldRebalance::IterateRebalance, _) => iterate::iterate(&look),
        (ShouldRebalance::Rebalance | ShouldRebalance::None, Some(ReadError::Reverted(revert))) => {
            let tight = policy.check_bounds(&snapshot.methodology).err();
            let detail = tight.map_or_else(|| revert.to_string(), |tight| tight.to_string());
            Ok(blocked(refusal::of_bounds(revert), detail))
        }
        (ShouldRebalance::Rebalance | ShouldRebalance::None, Some(unread)) => {
            Err(StrategyError::reading("what is due by custom bounds")(unread.clone()))
        }
        (ShouldRebalance::Rebalance, None) => rebalance::rebalance(&look),
        (ShouldRebalance::None, None) => Ok(wait(nothing_due(snapshot, live))),
    }
}

/// A ratio of one means no debt, or debt that counts as nothing.
fn without_debt(live: &Live) -> Decision {
    match live.position {
        Some(position) if !position.debt.is_zero() => {
            let detail = format!("{} base units are owed, at a ratio of 1", position.debt);
            blocked("debt counts as nothing: is its price feed dead", detail)
        }
        Some(_) | None => wait("wound down: no debt"),
    }
}

/// Which of the rule's three branches the product is in, none of them being ready.
fn nothing_due(snapshot: &Snapshot, live: &Live) -> &'static str {
    if live.leverage_ratio >= snapshot.incentive.incentivizedLeverageRatio {
        ripcord::RESTS
    } else if snapshot.twap_leverage_ratio.is_zero() {
        "inside bounds, interval not over"
    } else {
        "twap open, cooldown not over"
    }
}

/// A live product at one block, and what its operator wants of it.
#[derive(Clone, Copy)]
struct Look<'a> {
    product: &'a Deployment,
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    live: &'a Live,
}

impl<'a> Look<'a> {
    /// The exchanges that the extension says are ready for `action`, the preferred ones first, with
    /// what they would trade; without those that would trade nothing. Where the size is not known,
    /// simulating the call is what tells.
    ///
    /// Blocked where the size cannot be computed because the debt is above its limit: then the call
    /// computes it in vain too.
    fn ready(self, action: ShouldRebalance) -> Result<Vec<(&'a Exchange, Option<U256>)>, Decision> {
        let Live { exchanges, sizing, ranking, .. } = self.live;
        let chunks: Vec<Option<U256>> = match sizing {
            Ok(sizing) => sizing.chunks.iter().copied().map(Some).collect(),
            Err(_) => match self.beyond_ceiling() {
                Some(blocked) => return Err(blocked),
                None => vec![None; exchanges.len()],
            },
        };
        let mut ready: Vec<_> = exchanges
            .iter()
            .zip(chunks)
            .filter(|(exchange, chunk)| exchange.due == action && *chunk != Some(U256::ZERO))
            .collect();
        if let Some(ranking) = ranking {
            ranking.apply(&mut ready, |(exchange, _)| &exchange.name);
        }
        Ok(ready)
    }

    /// The view of the sizes fails as the call would, for the debt is above its limit.
    fn beyond_ceiling(self) -> Option<Decision> {
        match &self.live.sizing {
            Err(ReadError::Reverted(revert)) if refusal::is_beyond_ceiling(revert) => {
                Some(blocked(refusal::BEYOND_CEILING, revert.to_string()))
            }
            Ok(_) | Err(_) => None,
        }
    }

    /// Every action looks at who is calling: `rebalance` and `iterateRebalance` at their list.
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

    /// When each exchange last traded: of two calls in one second only these clocks tell.
    fn exchange_clocks(self) -> String {
        let clocks = self.live.exchanges.iter().map(|e| e.settings.exchangeLastTradeTimestamp);
        clocks.map(|at| at.to_string()).collect::<Vec<_>>().join(",")
    }

    /// The action with one call per exchange, in the contract's order; blocked if there is none.
    fn act(
        self,
        (name, urgency, exposure): (&'static str, Urgency, Exposure),
        answers: StateKey,
        calls: Vec<Call>,
        expects: Option<Postcondition>,
    ) -> Decision {
        let Some(candidates) = NonEmpty::from_vec(calls) else {
            return blocked("no exchange can trade", "every exchange's chunk is zero".into());
        };
        Decision::Act(Action {
            name,
            candidates,
            urgency,
            exposure,
            answers,
            deadline: None,
            repeat_limit: None,
            expects,
        })
    }

    /// A call of the extension for one exchange.
    fn call(self, exchange: &Exchange, data: Vec<u8>) -> Call {
        Call {
            label: exchange.name.clone(),
            to: self.product.extension,
            data: data.into(),
            value: U256::ZERO,
        }
    }
}

/// The smallest of what the candidates would trade; `None` unless all are known.
fn smallest(ready: &[(&Exchange, Option<U256>)]) -> Option<U256> {
    let chunks: Option<Vec<U256>> = ready.iter().map(|(_, chunk)| *chunk).collect();
    chunks?.into_iter().min()
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
pub(crate) mod tests;
