//! Every reason not to act that no strategy needs to know.
//!
//! The guard is the only maker of a [`Permit`], and submission asks for one by value: an action
//! that was not checked cannot be sent, because the call would not compile. It is pure; whoever
//! asks brings the [`Circumstances`].

use std::time::Duration;

use alloy::primitives::U256;
use ballast_chains::ChainProfile;
use ballast_strategy_api::{Action, Urgency};

use crate::config::{Limits, Mode};

/// Leave to send one action, under these caps.
#[derive(Debug, Clone)]
pub struct Permit {
    action: Action,
    caps: Caps,
}

/// The most that a transaction of this permit may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Most wei per gas, by chain, product and urgency.
    pub max_fee_per_gas: u128,
    /// Most wei for the whole transaction; `None`: no limit of its own.
    pub max_transaction_cost: Option<U256>,
}

impl Permit {
    /// The action that may be sent.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// What it may cost.
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// A permit without a guard, for the tests of what comes after it.
    #[cfg(test)]
    pub(crate) fn for_test(action: Action, caps: Caps) -> Self {
        Self { action, caps }
    }
}

/// Leave to price and simulate one action, and nothing more. Not a [`Permit`]: what holds this
/// cannot send.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The action.
    pub action: Action,
    /// What it would be allowed to cost.
    pub caps: Caps,
    /// Why it is not sent, in fixed words.
    pub reason: &'static str,
}

/// What surrounds an action, as read when it was found.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// The product's own switch, from its file.
    pub mode: Mode,
    /// `paused` of the product's file.
    pub paused: bool,
    /// Whether an operator has paused the product while the keeper runs.
    pub operator_paused: bool,
    /// `dry_run` of the product's file or of the command line.
    pub dry_run: bool,
    /// Whether the wallet has a signer.
    pub can_sign: bool,
    /// Wall clock minus the head's timestamp; zero for a head ahead of the clock, which is only
    /// worth a warning.
    pub head_age: Duration,
}

/// How far a transaction that is under way may be helped on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leave {
    /// It is followed, and nothing leaves the keeper: an operator has stopped the product.
    Watch,
    /// The same bytes may be sent again; nothing is signed at a head that cannot be trusted.
    Resend,
    /// It may be replaced.
    Sign,
}

/// The guard's word on what is under way, asked for at every head: what was permitted once is not
/// permitted for ever.
#[derive(Debug, Clone, Copy)]
pub struct Upkeep {
    /// How far.
    pub leave: Leave,
    limits: Limits,
}

impl Upkeep {
    /// The caps of a further attempt: never above what the intent was permitted, nor above what
    /// the configuration allows now.
    pub fn caps(&self, permitted: Caps, urgency: Urgency, chain: &ChainProfile) -> Caps {
        let now = caps(urgency, chain, &self.limits);
        let cost = [permitted.max_transaction_cost, now.max_transaction_cost];
        Caps {
            max_fee_per_gas: permitted.max_fee_per_gas.min(now.max_fee_per_gas),
            max_transaction_cost: cost.into_iter().flatten().min(),
        }
    }

    /// Everything is allowed that the chain allows, for the tests of what comes after the guard.
    #[cfg(test)]
    pub(crate) fn for_test(leave: Leave) -> Self {
        Self { leave, limits: Limits::default() }
    }
}

/// Decides how far what is under way may be helped on.
pub fn upkeep(circumstances: &Circumstances, chain: &ChainProfile, limits: &Limits) -> Upkeep {
    let leave = if circumstances.is_stopped() || circumstances.dry_run || !circumstances.can_sign {
        Leave::Watch
    } else if circumstances.head_age > chain.stale_after {
        Leave::Resend
    } else {
        Leave::Sign
    };
    Upkeep { leave, limits: *limits }
}

impl Circumstances {
    /// Whether a person has stopped the product, by its file or while the keeper runs.
    pub fn is_stopped(&self) -> bool {
        self.paused || self.mode == Mode::Paused || self.operator_paused
    }
}

/// The guard's answer.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// May be sent.
    Permit(Permit),
    /// May be simulated and recorded, not sent.
    Rehearse(Rehearsal),
    /// Not now.
    Refuse {
        /// Why, in fixed words.
        reason: &'static str,
        /// The figures behind it.
        detail: String,
    },
}

/// Decides whether an action may be sent. All of these bind whatever the urgency: they are an
/// operator's word or mean that the decision itself cannot be trusted.
pub fn judge(
    action: Action,
    circumstances: &Circumstances,
    chain: &ChainProfile,
    limits: &Limits,
) -> Verdict {
    if circumstances.paused || circumstances.mode == Mode::Paused {
        return refuse("paused by its product file", String::new());
    }
    if circumstances.operator_paused {
        return refuse("paused by an operator", String::new());
    }
    if circumstances.head_age > chain.stale_after {
        return refuse(
            "stale head",
            format!(
                "the newest block is {} s old, more than stale_after = {} s",
                circumstances.head_age.as_secs(),
                chain.stale_after.as_secs()
            ),
        );
    }
    let caps = caps(action.urgency, chain, limits);
    if circumstances.dry_run {
        return Verdict::Rehearse(Rehearsal { action, caps, reason: "dry run" });
    }
    if !circumstances.can_sign {
        return Verdict::Rehearse(Rehearsal { action, caps, reason: "watch-only wallet" });
    }
    Verdict::Permit(Permit { action, caps })
}

/// The caps for an urgency: the product's own limit may only tighten the chain's, and an emergency
/// has the chain's emergency cap, which no product limit holds back.
pub fn caps(urgency: Urgency, chain: &ChainProfile, limits: &Limits) -> Caps {
    let max_fee_per_gas = match urgency {
        Urgency::Routine | Urgency::Prompt => {
            let own = limits.max_fee_per_gas.unwrap_or(u128::MAX);
            own.min(chain.fees.max_fee_per_gas)
        }
        Urgency::Emergency => chain.fees.emergency_max_fee_per_gas,
    };
    Caps { max_fee_per_gas, max_transaction_cost: limits.max_transaction_cost }
}

fn refuse(reason: &'static str, detail: String) -> Verdict {
    Verdict::Refuse { reason, detail }
}

#[cfg(test)]
mod tests;
