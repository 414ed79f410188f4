//! What a call would do, before anything is signed for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alloy::primitives::{Address, Bytes, U256, bytes};
use ballast_chains::{Head, Revert, reader::CallError};
use ballast_strategy_api::{Call, DynStrategy, NonEmpty, Refusal};
use futures::future::join_all;
use serde::Serialize;

use super::node::{BlockMark, NextBlock, Node};

/// Percent of the estimate that becomes the gas limit: state moves between head and inclusion.
const GAS_LIMIT_PERCENT: u64 = 120;
/// Most gas of one transaction, EIP-7825. Kept to on every chain: nodes that have the rule refuse
/// more, and no call that is worth sending needs it.
pub const MAX_TRANSACTION_GAS: u64 = 1 << 24;
/// Returns the block number it runs in: `NUMBER, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN`.
const RETURN_NUMBER: Bytes = bytes!("4360005260206000f3");

/// The call that would succeed, or why none would.
#[derive(Debug)]
pub(super) enum Simulation {
    /// The first candidate that succeeds.
    Ready {
        /// The candidate.
        call: Call,
        /// Its estimate with the margin, never above what a transaction may have.
        gas_limit: u64,
    },
    /// One does, with more gas than a transaction may have.
    TooMuchGas {
        /// The candidate.
        call: Call,
        /// Its estimate.
        gas: u64,
        /// The most that fits a transaction here.
        most: u64,
    },
    /// None does.
    Refused(NonEmpty<CandidateRefusal>),
}

/// Why one candidate would fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CandidateRefusal {
    /// The candidate's label.
    pub label: String,
    /// What the contract said, in words.
    pub said: String,
    /// What the strategy makes of it.
    #[serde(serialize_with = "meaning_as_text")]
    pub meaning: Refusal,
}

/// Whether the chain's nodes can pretend the next block in `eth_call`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overrides {
    /// Not tried yet.
    Unknown,
    /// They can.
    Supported,
    /// They refuse or ignore it: calls see the head's own number and time.
    Unsupported,
}

impl Overrides {
    /// Finds out by running three instructions; unknown stays unknown if no node answers.
    pub(super) async fn detect(self, node: &dyn Node, at: BlockMark, next: NextBlock) -> Self {
        if self != Self::Unknown {
            return self;
        }
        match node.probe(RETURN_NUMBER, at, next).await {
            Ok(word) if U256::try_from_be_slice(&word) == Some(U256::from(next.number)) => {
                Self::Supported
            }
            Ok(_)
            | Err(CallError::Refused { .. } | CallError::Reverted(_) | CallError::Halted(_)) => {
                Self::Unsupported
            }
            Err(CallError::Unavailable(_)) => Self::Unknown,
        }
    }

    /// The next block, where nodes can pretend it.
    pub(super) fn apply(self, next: NextBlock) -> Option<NextBlock> {
        (self == Self::Supported).then_some(next)
    }
}

/// Whether some lane has found that the nodes of its chain can pretend the next block, which spares
/// the first action of every other the question. That they cannot is for each lane to find: a
/// refusal may have been about that one request. Clones share it; one for each chain's endpoints.
#[derive(Debug, Clone, Default)]
pub struct Pretends(Arc<AtomicBool>);

impl Pretends {
    /// What a lane that knows `own` knows with this.
    pub(super) fn known(&self, own: Overrides) -> Overrides {
        match own {
            Overrides::Unknown if self.0.load(Ordering::Relaxed) => Overrides::Supported,
            Overrides::Unknown | Overrides::Supported | Overrides::Unsupported => own,
        }
    }

    /// Takes what a lane has found.
    pub(super) fn learn(&self, found: Overrides) {
        if found == Overrides::Supported {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Who asks, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage<'a> {
    pub(super) node: &'a dyn Node,
    pub(super) from: Address,
    pub(super) head: &'a Head,
    pub(super) next: Option<NextBlock>,
}

impl Stage<'_> {
    /// Runs all candidates in one round; the first in order that succeeds is taken.
    ///
    /// # Errors
    /// When none succeeds and of at least one it is not known what it would do.
    pub(super) async fn simulate(
        &self,
        action: &str,
        candidates: &NonEmpty<Call>,
        strategy: &dyn DynStrategy,
    ) -> Result<Simulation, CallError> {
        // The preferred candidate is nearly always the one, so its gas is asked for in advance.
        let calls = join_all(candidates.iter().map(|call| self.call(call)));
        let (answers, first_gas) = futures::join!(calls, self.estimate(&candidates.first));
        let (mut refusals, mut unknown) = (Vec::new(), None);
        for (index, (call, answer)) in candidates.iter().zip(answers).enumerate() {
            match understand(answer) {
                Outcome::Succeeds => {
                    let gas = match index {
                        0 => first_gas,
                        _ => self.estimate(call).await,
                    };
                    return self.ready(action, call, gas, strategy);
                }
                Outcome::Reverts(revert) => refusals.push(refusal(action, call, &revert, strategy)),
                Outcome::Unknown(error) => unknown = Some(error),
            }
        }
        match (unknown, NonEmpty::from_vec(refusals)) {
            (None, Some(refusals)) => Ok(Simulation::Refused(refusals)),
            (Some(error), _) => Err(error),
            (None, None) => Err(CallError::Unavailable("no candidate was answered".into())),
        }
    }

    /// Whether one call would succeed; `None` if that is not known.
    pub(super) async fn succeeds(&self, call: &Call) -> Option<bool> {
        match understand(self.call(call).await) {
            Outcome::Succeeds => Some(true),
            Outcome::Reverts(_) => Some(false),
            Outcome::Unknown(_) => None,
        }
    }

    /// Gas limit for a call: its estimate with the margin, as far as a transaction may have it.
    pub(super) async fn gas_limit(&self, call: &Call) -> Result<u64, CallError> {
        self.estimate(call).await.map(|gas| with_margin(gas, most_gas(self.head)))
    }

    /// Whether `then` would fail after each of `before` took effect on the state of the head; see
    /// [`repeat`](super::repeat) for what hangs on it.
    ///
    /// # Errors
    /// When no node answers. One that cannot run two calls in one leaves it unproven: `false`.
    pub(super) async fn forbids_repeat(
        &self,
        before: &[Call],
        then: &Call,
    ) -> Result<bool, CallError> {
        let mut pairs = vec![then];
        pairs.extend(before.iter().filter(|call| *call != then));
        for first in pairs {
            // Its own account's stand-in code would run again.
            if first.to == self.from || then.to == self.from {
                return Ok(false);
            }
            let asked = self.node.twice(
                self.from,
                first.clone(),
                then.clone(),
                self.head.into(),
                self.next,
            );
            let (took_effect, again) = match asked.await {
                Ok(both) => both,
                Err(error @ CallError::Unavailable(_)) => return Err(error),
                Err(_) => return Ok(false),
            };
            // The first must take effect for the failure of the second to prove anything: of an old
            // call that fails today nobody knows what it would leave behind in another chain.
            if !took_effect || again {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn ready(
        &self,
        action: &str,
        call: &Call,
        gas: Result<u64, CallError>,
        strategy: &dyn DynStrategy,
    ) -> Result<Simulation, CallError> {
        match gas {
            Ok(gas) => {
                let (call, most) = (call.clone(), most_gas(self.head));
                Ok(if gas > most {
                    Simulation::TooMuchGas { call, gas, most }
                } else {
                    Simulation::Ready { call, gas_limit: with_margin(gas, most) }
                })
            }
            // Where nodes cannot pretend the next block, it runs in the head's own, in which the
            // call may not be due yet.
            Err(error) => match understand(Err(error)) {
                Outcome::Reverts(revert) => {
                    let refused = refusal(action, call, &revert, strategy);
                    Ok(Simulation::Refused(NonEmpty::one(refused)))
                }
                Outcome::Unknown(error) => Err(error),
                Outcome::Succeeds => Err(CallError::Unavailable("no estimate".into())),
            },
        }
    }

    async fn call(&self, call: &Call) -> Result<Bytes, CallError> {
        let answer = self.node.call(self.from, call.clone(), self.head.into(), self.next).await;
        match answer {
            // Another node than the one that was found to pretend blocks: ask it plainly.
            Err(CallError::Refused { .. }) if self.next.is_some() => {
                self.node.call(self.from, call.clone(), self.head.into(), None).await
            }
            other => other,
        }
    }

    async fn estimate(&self, call: &Call) -> Result<u64, CallError> {
        let answer = self.node.estimate(self.from, call.clone(), self.head.into(), self.next).await;
        match answer {
            // Fewer nodes pretend blocks for an estimate than for a call.
            Err(CallError::Refused { .. }) if self.next.is_some() => {
                self.node.estimate(self.from, call.clone(), self.head.into(), None).await
            }
            other => other,
        }
    }
}

enum Outcome {
    Succeeds,
    Reverts(Revert),
    Unknown(CallError),
}

fn understand(answer: Result<Bytes, CallError>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Succeeds,
        Err(CallError::Reverted(data)) => Outcome::Reverts(Revert::decode(data)),
        Err(CallError::Halted(_)) => Outcome::Reverts(Revert::Empty),
        Err(error @ (CallError::Refused { .. } | CallError::Unavailable(_))) => {
            Outcome::Unknown(error)
        }
    }
}

fn refusal(
    action: &str,
    call: &Call,
    revert: &Revert,
    strategy: &dyn DynStrategy,
) -> CandidateRefusal {
    let meaning = strategy.refusal(action, revert);
    CandidateRefusal { label: call.label.clone(), said: revert.to_string(), meaning }
}

/// The most gas that one transaction may have in the block after this one.
fn most_gas(head: &Head) -> u64 {
    head.gas_limit.min(MAX_TRANSACTION_GAS)
}

/// Rounded up, and never more than a transaction may have.
fn with_margin(gas: u64, most: u64) -> u64 {
    let wanted = u128::from(gas).saturating_mul(u128::from(GAS_LIMIT_PERCENT)).div_ceil(100);
    u64::try_from(wanted).unwrap_or(u64::MAX).min(most)
}

/// What a refusal means, in fixed words.
pub(super) fn meaning(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::SomeoneWasFirst => "someone was first",
        Refusal::NotDue => "not due",
        Refusal::Blocked { reason } | Refusal::Misconfigured { reason } => reason,
    }
}

fn meaning_as_text<S: serde::Serializer>(refusal: &Refusal, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(meaning(refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_a_fifth_rounded_up_within_the_block() {
        assert_eq!(with_margin(100_000, 30_000_000), 120_000);
        assert_eq!(with_margin(100_001, 30_000_000), 120_002);
        assert_eq!(with_margin(29_000_000, 30_000_000), 30_000_000);
        assert_eq!(with_margin(u64::MAX, u64::MAX), u64::MAX);
    }
}
