//! Where an action would go: a new nonce, the nonce of what waits for inclusion, or nowhere yet.

use ballast_chains::Head;
use ballast_strategy_api::{Action, Call, Urgency};

use super::{
    super::{
        pricing::Price,
        repeat::{Standing, standing},
        slot::{AttemptKind, Slot},
    },
    Lane, MAX_ATTEMPTS_PER_NONCE, MAX_UNFINAL, MAX_UNFINAL_EMERGENCY, Pursuit,
    book::Watched,
};

/// Where an action would go.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// The slot that it takes over; `None`: a new one.
    pub(super) over: Option<Over>,
    /// Calls of the same intent that came to nothing and could still take effect on another chain.
    pub(super) before: Vec<Call>,
}

/// A slot that is taken over.
#[derive(Debug, Clone)]
pub(super) struct Over {
    pub(super) nonce: u64,
    /// What is taken over.
    pub(super) action: String,
    pub(super) why: Why,
    /// The call that is out there, and its gas limit.
    pub(super) call: Call,
    pub(super) gas_limit: u64,
    /// What must be outbid.
    pub(super) price: Price,
    /// Whether no further attempt would follow but the one to give up.
    pub(super) last: bool,
}

/// Why something is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    MoreUrgent,
    GivenUp,
    WouldFail,
    Outdated,
}

impl Why {
    /// In fixed words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::MoreUrgent => "a more urgent action is due",
            Self::GivenUp => "it was given up, and an action is due",
            Self::WouldFail => "the call before would fail",
            Self::Outdated => "the terms of the call before are out of date",
        }
    }
}

impl Lane {
    /// The seat of an action, or what holds it back.
    pub(super) fn seat(&self, action: &Action, head: &Head) -> Result<Seat, Pursuit> {
        let mut before = self.hold_by_former(action)?;
        let awaiting = self.book.slots.values().find(|w| w.slot.state.is_awaiting_inclusion());
        let over = match awaiting {
            Some(watched) => Some(self.take_over(watched, action, head)?),
            None => None,
        };
        let taken = over.as_ref().map(|over| over.nonce);
        let others = self.book.slots().filter(|slot| Some(slot.nonce) != taken);
        match standing(others, &self.product, action) {
            Standing::Free => {}
            Standing::Live { nonce } | Standing::CarriedOut { nonce } => {
                return Err(Pursuit::Live { nonce });
            }
            Standing::CameToNothing { calls, .. } => before.extend(calls),
        }
        let most = match action.urgency {
            Urgency::Routine | Urgency::Prompt => MAX_UNFINAL,
            Urgency::Emergency => MAX_UNFINAL_EMERGENCY,
        };
        if over.is_none() && self.book.slots.len() >= most {
            let detail = format!("{most} transactions are included and not final");
            return Err(Pursuit::Held { reason: "too many unfinal transactions", detail });
        }
        Ok(Seat { over, before })
    }

    /// What was signed for the same intent from a wallet that the product had before.
    fn hold_by_former(&self, action: &Action) -> Result<Vec<Call>, Pursuit> {
        let mut before = Vec::new();
        for former in &self.formers {
            match standing(former.slots(), &self.product, action) {
                Standing::Free => {}
                Standing::CameToNothing { calls, .. } => before.extend(calls),
                Standing::Live { nonce } | Standing::CarriedOut { nonce } => {
                    let wallet = former.wallet;
                    let detail = format!(
                        "nonce {nonce} of {wallet}, which was the product's wallet when it was \
                         signed, is for the same; it is watched until it is final"
                    );
                    return Err(Pursuit::Held {
                        reason: "under way from an earlier wallet",
                        detail,
                    });
                }
            }
        }
        Ok(before)
    }

    /// Whether the action takes the place of what waits for inclusion.
    fn take_over(&self, watched: &Watched, action: &Action, head: &Head) -> Result<Over, Pursuit> {
        let slot = &watched.slot;
        let (nonce, newest) = (slot.nonce, slot.newest());
        let live = Pursuit::Live { nonce };
        let Some(why) = self.reason_to_take_over(watched, action, head) else { return Err(live) };
        // Of several that a reorganisation put back, the others are to be executed as well.
        let outranked = |other: &Slot| other.newest().intent.urgency >= action.urgency;
        let mut others = self.book.slots().filter(|other| other.nonce != nonce);
        if others.any(|other| other.state.is_awaiting_inclusion() && outranked(other)) {
            return Err(live);
        }
        let attempts = slot.attempt_count().saturating_add(1);
        if attempts >= MAX_ATTEMPTS_PER_NONCE {
            let detail = format!(
                "nonce {nonce} has {} attempts, and the last is for giving up",
                slot.attempt_count()
            );
            return Err(Pursuit::Held { reason: "attempts used up", detail });
        }
        Ok(Over {
            nonce,
            action: newest.intent.action.clone(),
            why,
            call: newest.call.clone(),
            gas_limit: newest.gas_limit,
            price: newest.price,
            last: attempts.saturating_add(1) >= MAX_ATTEMPTS_PER_NONCE,
        })
    }

    fn reason_to_take_over(&self, watched: &Watched, action: &Action, head: &Head) -> Option<Why> {
        let newest = watched.slot.newest();
        let intent = &newest.intent;
        let same = intent.is_that_of(&self.product, action);
        if head.number < newest.signed_at_block {
            None
        } else if action.urgency > intent.urgency {
            Some(Why::MoreUrgent)
        } else if newest.kind == AttemptKind::Cancellation {
            // What was given up in time is not taken up again at the same nonce.
            let late = same && intent.is_expired(head.number);
            (!late).then_some(Why::GivenUp)
        } else if watched.failing_since.is_some() {
            Some(Why::WouldFail)
        } else if watched.outdated_since.is_some() {
            Some(Why::Outdated)
        } else {
            None
        }
    }
}
