//! What is done for a slot that waits for inclusion: the same bytes again, another attempt, or the
//! attempt to give up.

use std::sync::Arc;

use alloy::primitives::{B256, U256};
use ballast_chains::{
    Head,
    fees::{FeeError, Quote, extra::ExtraQuote},
};

use super::{
    super::{
        node::NextBlock,
        pricing::{self, Hold, Raise, Terms},
        simulate::Stage,
        slot::{AttemptKind, Slot},
    },
    Lane, LaneError, LaneEvent, MAX_ATTEMPTS_PER_NONCE,
    send::{Draft, Word},
};
use crate::guard::{Leave, Upkeep};

/// What a raise is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raising {
    /// The market or the time that it has waited; else it is not made.
    Need,
    /// An operator's order.
    Ordered,
}

/// What one head says about a slot that waits.
pub(super) struct View {
    /// Whether its newest call would fail; `None` if that is not known.
    pub(super) fails: Option<bool>,
    pub(super) quote: Quote,
    /// What the chain takes beside gas × price, for the call and for giving it up.
    pub(super) extra: ExtraQuote,
    balance: U256,
    /// The block that simulations pretend to be in.
    next: Option<NextBlock>,
}

impl Lane {
    /// Sends again what waits at `free` (nonces that the chain has not used, ascending) and was not
    /// sent at this head. Cannot fail: bytes that are journalled need neither signer nor disk.
    pub(super) async fn resend(&mut self, free: &[u64], head: &Head, upkeep: &Upkeep) {
        for nonce in free {
            let sent = self.book.slots.get(nonce).and_then(|watched| watched.sent_at_block);
            if sent == Some(head.number) {
                continue;
            }
            if self.is_kept_back(*nonce, head, upkeep) {
                self.recall(*nonce, head);
            } else {
                self.send(*nonce, Some(head.number), Word::Guard).await;
            }
        }
    }

    /// Of what waits at `free`, what goes on while the product is stopped: to stop it is what one does
    /// before giving something up, and an order that a node forgets is not carried out. A
    /// cancellation is harmless at any time; a call goes on only in the stop that it was ordered in,
    /// since a later stop is the newer word.
    pub(super) fn ordered(&self, free: &[u64], upkeep: &Upkeep) -> Vec<u64> {
        if upkeep.ordered < Leave::Resend {
            return Vec::new();
        }
        let is_ordered = |nonce: &u64| {
            self.book.slots.get(nonce).is_some_and(|watched| {
                let newest = watched.slot.newest();
                newest.by_order && (newest.kind == AttemptKind::Cancellation || watched.insists)
            })
        };
        free.iter().copied().filter(is_ordered).collect()
    }

    /// Sends that again, like [`resend`](Self::resend). Nothing is signed.
    pub(super) async fn resend_ordered(&mut self, nonces: &[u64], head: &Head, upkeep: &Upkeep) {
        for nonce in nonces {
            let sent = self.book.slots.get(nonce).and_then(|watched| watched.sent_at_block);
            if sent != Some(head.number) && !self.is_kept_back(*nonce, head, upkeep) {
                self.send(*nonce, Some(head.number), Word::Operator).await;
            }
        }
    }

    /// One more attempt at a nonce, if there is one to be made; it is sent before this returns. A
    /// node that gives no answer is no reason to fail: the next block is the retry.
    pub(super) async fn tend(
        &mut self,
        nonce: u64,
        head: &Head,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let Some(slot) = self.book.slots.get(&nonce).map(|watched| watched.slot.clone()) else {
            return Ok(());
        };
        if !self.can_sign() || head.number <= slot.newest().signed_at_block {
            return Ok(());
        }
        let Some(view) = self.view(&slot, head).await else { return Ok(()) };
        if let Some(watched) = self.book.slots.get_mut(&nonce) {
            match view.fails {
                Some(true) => {
                    watched.failing_since.get_or_insert(head.number);
                }
                Some(false) => watched.failing_since = None,
                None => {}
            }
        }
        let drafted = match self.reason_to_give_up(&slot, view.fails, head, upkeep) {
            Some(reason) => self.draft_cancellation(&slot, reason, &view, head, upkeep).await,
            // Nothing is added to what is not sent.
            None if self.is_kept_back(nonce, head, upkeep) => Ok(None),
            None => self.draft_raise(&slot, &view, head, upkeep, Raising::Need).await,
        };
        let (draft, why) = match drafted {
            Ok(Some(drafted)) => drafted,
            Ok(None) => return Ok(()),
            Err(hold) => {
                self.tell_not_replaced(nonce, hold, events);
                return Ok(());
            }
        };
        match self.send_further((draft, why), head, Word::Guard, events).await {
            Ok(_) | Err(LaneError::Stopped(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Signs, journals and sends a further attempt; gives its hash.
    pub(super) async fn send_further(
        &mut self,
        (draft, why): (Draft, String),
        head: &Head,
        word: Word,
        events: &mut Vec<LaneEvent>,
    ) -> Result<B256, LaneError> {
        let (nonce, kind, price) = (draft.nonce, draft.kind, draft.price);
        let action = draft.intent.action.clone();
        let attempt = self.sign(draft, head, word).await?;
        let hash = attempt.hash;
        self.book.append_attempt(attempt, nonce, &why).await?;
        if let Some(watched) = self.book.slots.get_mut(&nonce) {
            watched.insists = word == Word::Operator;
        }
        self.send(nonce, Some(head.number), word).await;
        events.push(LaneEvent::Replaced { nonce, action, kind, hash, price, why });
        Ok(hash)
    }

    /// Asked in one round. `None` if there is no price or no balance to go by.
    pub(super) async fn view(&mut self, slot: &Slot, head: &Head) -> Option<View> {
        let next = self.next_block(head).await;
        let from = self.wallet.address();
        let stage = Stage { node: self.node.as_ref(), from, head, next };
        let newest = slot.newest();
        let simulated = async {
            match newest.kind {
                AttemptKind::Cancellation => None,
                AttemptKind::Original | AttemptKind::Replacement => {
                    stage.succeeds(&newest.call).await.map(|succeeds| !succeeds)
                }
            }
        };
        let (fails, quote, extra, balance) = futures::join!(
            simulated,
            self.quote(head),
            self.extra_for(newest, head),
            self.balance_at(head)
        );
        Some(View { fails, quote: quote.ok()?, extra, balance: balance.ok()?, next })
    }

    /// The same call, or the same cancellation, at a higher price; `None` if it is not worth it.
    pub(super) async fn draft_raise(
        &self,
        slot: &Slot,
        view: &View,
        head: &Head,
        upkeep: &Upkeep,
        raising: Raising,
    ) -> Result<Option<(Draft, String)>, Hold> {
        let previous = slot.newest();
        let gives_up = previous.kind == AttemptKind::Cancellation;
        let mut terms = self.waiting_terms(slot, head, upkeep, view);
        if gives_up {
            (terms.urgency, terms.caps) = self.wanted_next(&previous.intent, upkeep);
        }
        // Nothing is added to what would only fail the sooner, or should not be included.
        let watched = self.book.slots.get(&slot.nonce);
        let is_outdated = watched.is_some_and(|watched| watched.outdated_since.is_some());
        if view.fails == Some(true) || (is_outdated && raising == Raising::Need) {
            return Ok(None);
        }
        let since = head.number.saturating_sub(self.waits_since(slot, previous.signed_at_block));
        let why = match pricing::wants_raise(previous.price, since, &view.quote, &terms) {
            _ if raising == Raising::Ordered => "an operator ordered it",
            Some(Raise::Outbid) => "its offer does not buy the next block",
            Some(Raise::Waited) => "it has waited, and more is worth offering",
            None => return Ok(None),
        };
        let most = if gives_up {
            MAX_ATTEMPTS_PER_NONCE
        } else {
            MAX_ATTEMPTS_PER_NONCE.saturating_sub(1)
        };
        if slot.attempt_count() >= most {
            return Err(used_up());
        }
        // Without an estimate the limit of the attempt before will do; it never shrinks.
        let (node, from) = (self.node.as_ref(), self.wallet.address());
        let stage = Stage { node, from, head, next: view.next };
        let estimated = stage.gas_limit(&previous.call).await.unwrap_or(0);
        terms.gas_limit = estimated.max(previous.gas_limit);
        let price = pricing::replacement(previous.price, &view.quote, &terms)?;
        let kind = if gives_up { AttemptKind::Cancellation } else { AttemptKind::Replacement };
        let draft = Draft {
            nonce: slot.nonce,
            kind,
            intent: Arc::clone(&previous.intent),
            call: previous.call.clone(),
            gas_limit: terms.gas_limit,
            price,
            extra: terms.extra(),
        };
        Ok(Some((draft, why.to_owned())))
    }

    /// What a further attempt of the same kind has to keep to. The balance is among it: one that
    /// the account cannot pay for would be refused everywhere, and the affordable one before it not
    /// sent any more.
    pub(super) fn waiting_terms(
        &self,
        slot: &Slot,
        head: &Head,
        upkeep: &Upkeep,
        view: &View,
    ) -> Terms<'_> {
        let previous = slot.newest();
        let intent = &previous.intent;
        let attempts = slot.attempt_count().saturating_add(2);
        Terms {
            urgency: intent.urgency,
            pressure: self.need.pressure,
            waited: head.number.saturating_sub(self.waits_since(slot, intent.found_at_block)),
            last: attempts >= MAX_ATTEMPTS_PER_NONCE,
            caps: upkeep.caps(intent.caps, intent.urgency, &self.profile),
            fees: &self.profile.fees,
            gas_limit: previous.gas_limit,
            value: previous.call.value,
            extra: view.extra,
            balance: Some(view.balance),
        }
    }

    /// The head from which the slot's wait counts: this one, unless it was included in between.
    fn waits_since(&self, slot: &Slot, first: u64) -> u64 {
        let again = self.book.slots.get(&slot.nonce).and_then(|watched| watched.waiting_since);
        again.map_or(first, |again| again.max(first))
    }

    /// Prices at the head.
    pub(super) async fn quote(&self, head: &Head) -> Result<Quote, Arc<FeeError>> {
        let least = self.profile.fees.min_priority_fee_per_gas;
        self.quotes.at(head, self.profile.fee_model, least, &self.node).await
    }

    /// Says once, not at every block, why there is no further attempt.
    fn tell_not_replaced(&mut self, nonce: u64, hold: Hold, events: &mut Vec<LaneEvent>) {
        let Hold { reason, detail } = hold;
        let Some(watched) = self.book.slots.get_mut(&nonce) else { return };
        if watched.told != Some(reason) {
            watched.told = Some(reason);
            events.push(LaneEvent::NotReplaced { nonce, reason, detail });
        }
    }
}

pub(super) fn used_up() -> Hold {
    let detail = format!(
        "of {MAX_ATTEMPTS_PER_NONCE} attempts the last is for giving up; the newest is sent on"
    );
    Hold { reason: "attempts used up", detail }
}
