//! The guard's word on what is under way.

use ballast_chains::ChainProfile;
use ballast_strategy_api::Urgency;

use super::{Caps, Circumstances, Effect, Row, budget, caps};
use crate::config::{Limits, Mode};

/// How far a transaction that is under way may be helped on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leave {
    /// It is followed, and nothing leaves the keeper: an operator has stopped the product (what was
    /// ordered goes on, see [`Upkeep::ordered`]).
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
    /// How far with what an operator ordered: a person who has stopped the product does not stand
    /// against that.
    pub ordered: Leave,
    /// Whether endpoints disagree about the chain.
    pub disputed: bool,
    /// Whether nothing may be helped on but what lowers or keeps the product's exposure.
    pub delever_only: bool,
    limits: Limits,
    left: budget::Left,
}

impl Upkeep {
    /// How far with something of this urgency: what a dispute holds back at the start, it holds back
    /// later as well.
    pub fn leave_for(&self, urgency: Urgency) -> Leave {
        match Row::Dispute.effect(urgency) {
            Effect::Binds if self.disputed => self.leave.min(Leave::Resend),
            Effect::Binds | Effect::Warns | Effect::Passes => self.leave,
        }
    }

    /// The caps of a further attempt: never above what the intent was permitted, nor above what
    /// configuration and budgets allow now.
    pub fn caps(&self, permitted: Caps, urgency: Urgency, chain: &ChainProfile) -> Caps {
        let now = caps(urgency, chain, &self.limits);
        let left = self.left.at(urgency);
        let cost = [permitted.max_transaction_cost, now.max_transaction_cost, left];
        Caps {
            max_fee_per_gas: permitted.max_fee_per_gas.min(now.max_fee_per_gas),
            max_transaction_cost: cost.into_iter().flatten().min(),
        }
    }

    /// Everything is allowed that the chain allows, for the tests of what comes after the guard.
    #[cfg(test)]
    pub(crate) fn for_test(leave: Leave) -> Self {
        let (limits, left) = (Limits::default(), budget::Left::default());
        let (ordered, disputed) = (Leave::Sign, false);
        Self { leave, ordered, disputed, delever_only: false, limits, left }
    }
}

/// Decides how far what is under way may be helped on.
pub fn upkeep(circumstances: &Circumstances<'_>, limits: &Limits) -> Upkeep {
    let ordered = if circumstances.dry_run || !circumstances.can_sign {
        Leave::Watch
    } else if circumstances.head_age > circumstances.chain.stale_after {
        Leave::Resend
    } else {
        Leave::Sign
    };
    let leave = if circumstances.is_stopped() { Leave::Watch } else { ordered };
    let disputed = circumstances.dispute.is_some();
    let delever_only = circumstances.mode == Mode::DeleverOnly;
    let left = budget::Left::of(circumstances, limits);
    Upkeep { leave, ordered, disputed, delever_only, limits: *limits, left }
}

/// The same for an operator's order about what is under way: to stop the product is what one does
/// before giving something up, so that does not stand against it.
pub fn upkeep_by_order(circumstances: &Circumstances<'_>, limits: &Limits) -> Upkeep {
    let mode = if circumstances.mode == Mode::Paused { Mode::Normal } else { circumstances.mode };
    let unstopped =
        Circumstances { mode, paused: false, operator_paused: false, ..circumstances.clone() };
    upkeep(&unstopped, limits)
}
