//! What is given up, and how: a self-transfer at the same nonce, where that is the better way out.

use std::sync::Arc;

use alloy::primitives::{Bytes, U256};
use ballast_chains::{Head, amount::ether};
use ballast_strategy_api::{Call, Urgency};

use super::{
    super::{
        pricing::{self, Hold, Terms, giving_up::WaysOut},
        simulate::Stage,
        slot::{AttemptKind, Intent, Slot},
    },
    Lane, MAX_ATTEMPTS_PER_NONCE,
    replace::{View, used_up},
    send::Draft,
};
use crate::guard::{Caps, Upkeep};

/// Gas of a plain transfer; some chains need more, so it is estimated and this is the least.
const TRANSFER_GAS: u64 = 21_000;

/// Blocks for which a call must have failed in simulation, been out of date, or nothing have been due,
/// before it is given up: one failure proves little, and what is urgent is given up last.
const fn give_up_after(urgency: Urgency) -> u64 {
    match urgency {
        Urgency::Routine => 1,
        Urgency::Prompt => 2,
        Urgency::Emergency => 3,
    }
}

/// Why a slot is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GiveUp {
    Expired,
    WouldFail,
    /// The strategy would not have it take effect any more.
    Outdated,
    NothingDue,
    Ordered,
    /// It took effect at another nonce.
    Repeats,
    /// The product acts on something else by now.
    Disowned,
    /// The product may only delever, and this would not, or nobody says so any more.
    Forbidden,
}

impl GiveUp {
    fn words(self) -> &'static str {
        match self {
            Self::Expired => "its deadline has passed",
            Self::WouldFail => "its call would fail by now",
            Self::Outdated => "its terms are out of date",
            Self::NothingDue => "nothing is due any more",
            Self::Ordered => "an operator ordered it",
            Self::Repeats => "the same took effect at another nonce",
            Self::Disowned => "what the product acts on has changed",
            Self::Forbidden => "only delevering is allowed",
        }
    }

    /// Whether it must not take effect at any later time either: then it is not left to fail.
    fn is_final(self) -> bool {
        matches!(self, Self::Repeats | Self::Disowned | Self::Forbidden)
    }
}

impl Lane {
    /// `fails` is what the newest call does at this head, if that is known.
    pub(super) fn reason_to_give_up(
        &self,
        slot: &Slot,
        fails: Option<bool>,
        head: &Head,
        upkeep: &Upkeep,
    ) -> Option<GiveUp> {
        let newest = slot.newest();
        if newest.kind == AttemptKind::Cancellation {
            return None;
        }
        let patience = give_up_after(newest.intent.urgency);
        let lasts = |since: Option<u64>| {
            since.is_some_and(|since| head.number.saturating_sub(since) >= patience)
        };
        let watched = self.book.slots.get(&slot.nonce);
        let failing_since = watched.and_then(|watched| watched.failing_since);
        if watched.is_some_and(|watched| watched.repeats) {
            Some(GiveUp::Repeats)
        } else if self.is_disowned(slot) {
            Some(GiveUp::Disowned)
        } else if upkeep.delever_only && self.delevers(slot) == Some(false) {
            Some(GiveUp::Forbidden)
        } else if newest.intent.is_expired(head.number) {
            Some(GiveUp::Expired)
        } else if fails == Some(true) && lasts(failing_since) {
            Some(GiveUp::WouldFail)
        } else if lasts(watched.and_then(|watched| watched.outdated_since)) {
            Some(GiveUp::Outdated)
        } else if lasts(self.need.idle_since) {
            Some(GiveUp::NothingDue)
        } else {
            None
        }
    }

    /// The cancellation. Where the call would fail, only if that is the cheaper way out; where it
    /// would succeed and should not any more, whatever it costs within the caps.
    pub(super) async fn draft_cancellation(
        &self,
        slot: &Slot,
        reason: GiveUp,
        view: &View,
        head: &Head,
        upkeep: &Upkeep,
    ) -> Result<Option<(Draft, String)>, Hold> {
        if slot.attempt_count() >= MAX_ATTEMPTS_PER_NONCE {
            return Err(used_up());
        }
        let call = self.self_transfer();
        let gas_limit = self.transfer_gas(&call, head).await;
        let previous = slot.newest();
        let (urgency, caps) = self.wanted_next(&previous.intent, upkeep);
        let terms = Terms {
            urgency,
            caps,
            gas_limit,
            value: U256::ZERO,
            ..self.waiting_terms(slot, head, upkeep, view)
        };
        let price = pricing::replacement(previous.price, &view.quote, &terms)?;
        let pending = (previous.gas_limit, previous.price);
        let ways = WaysOut::at(&view.quote, &view.extra, (gas_limit, price), pending);
        let fails = view.fails == Some(true);
        // What is more urgent needs the nonce, and does not ask what it costs to free it.
        let in_the_way = urgency > previous.intent.urgency;
        let ordered = reason == GiveUp::Ordered;
        if fails && !in_the_way && !ordered && !reason.is_final() && !ways.is_cancelling_cheaper() {
            let detail = format!("{}, but {}", reason.words(), ways.words());
            return Err(Hold { reason: "letting it fail is cheaper", detail });
        }
        let why = if fails {
            format!("{}; {}", reason.words(), ways.words())
        } else {
            format!("{}; a cancellation costs {}", reason.words(), ether(ways.cancel))
        };
        let (nonce, kind) = (slot.nonce, AttemptKind::Cancellation);
        let intent = Arc::clone(&previous.intent);
        let extra = terms.extra();
        Ok(Some((Draft { nonce, kind, intent, call, gas_limit, price, extra }, why)))
    }

    /// The urgency and caps at which a nonce is made free: those of what waits for it, if that is
    /// the more urgent.
    pub(super) fn wanted_next(&self, intent: &Intent, upkeep: &Upkeep) -> (Urgency, Caps) {
        match self.need.wanted {
            Some((urgency, caps)) if urgency > intent.urgency => {
                (urgency, upkeep.caps(caps, urgency, &self.profile))
            }
            Some(_) | None => {
                (intent.urgency, upkeep.caps(intent.caps, intent.urgency, &self.profile))
            }
        }
    }

    pub(super) fn self_transfer(&self) -> Call {
        Call {
            label: "self-transfer".to_owned(),
            to: self.wallet.address(),
            data: Bytes::new(),
            value: U256::ZERO,
        }
    }

    pub(super) async fn transfer_gas(&self, call: &Call, head: &Head) -> u64 {
        let (node, from) = (self.node.as_ref(), self.wallet.address());
        let stage = Stage { node, from, head, next: None };
        stage.gas_limit(call).await.unwrap_or(TRANSFER_GAS).max(TRANSFER_GAS)
    }
}
