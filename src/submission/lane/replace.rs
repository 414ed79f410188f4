//! What is done for a slot that waits for inclusion: the same bytes again, another attempt, or the
//! attempt to give up.

use std::sync::Arc;

use alloy::primitives::{Bytes, U256};
use ballast_chains::Head;
use ballast_strategy_api::{Call, StateKey, Urgency};

use super::{
    super::{
        pricing::{self, Terms},
        simulate::Stage,
        slot::{Attempt, AttemptKind, Intent, Slot},
    },
    Lane, LaneError, LaneEvent, MAX_ATTEMPTS_PER_NONCE,
    send::Draft,
};
use crate::guard::Upkeep;

/// Gas of a plain transfer; some chains need more, so it is estimated and this is the least.
const TRANSFER_GAS: u64 = 21_000;
/// Heads in a row that must find a nonce below ours free before it is filled: what was there may
/// come back by itself.
const GAP_SIGHTINGS: u8 = 5;

/// Blocks that an attempt waits before the next is made.
const fn replace_after_blocks(urgency: Urgency) -> u64 {
    match urgency {
        Urgency::Routine => 5,
        Urgency::Prompt => 3,
        Urgency::Emergency => 1,
    }
}

impl Lane {
    /// Sends again what waits at `free` (nonces that the chain has not used, ascending) and was not
    /// sent at this head. Cannot fail: bytes that are journalled need neither signer nor disk.
    pub(super) async fn resend(&mut self, free: &[u64], head: &Head) {
        for nonce in free {
            let sent = self.slots.get(nonce).and_then(|watched| watched.sent_at_block);
            if sent != Some(head.number) {
                self.send(*nonce, Some(head.number)).await;
            }
        }
    }

    /// Replaces the lowest of `free`, if it is time: the others' calls cannot be judged before it
    /// is included.
    pub(super) async fn replace_lowest(
        &mut self,
        free: &[u64],
        head: &Head,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        match free.first() {
            Some(nonce) if self.wants_replacement(*nonce, head) => {
                self.replace(*nonce, head, upkeep, events).await
            }
            Some(_) | None => Ok(()),
        }
    }

    fn wants_replacement(&self, nonce: u64, head: &Head) -> bool {
        let Some(watched) = self.slots.get(&nonce) else { return false };
        let newest = watched.slot.newest();
        let wait = replace_after_blocks(newest.intent.urgency);
        self.wallet.can_sign() && head.number >= newest.signed_at_block.saturating_add(wait)
    }

    /// One more attempt, if there is one to be made; it is sent before this returns. A node that
    /// gives no answer is no reason to fail: the next block is the retry.
    async fn replace(
        &mut self,
        nonce: u64,
        head: &Head,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let Some(slot) = self.slots.get(&nonce).map(|watched| watched.slot.clone()) else {
            return Ok(());
        };
        if slot.attempt_count() >= MAX_ATTEMPTS_PER_NONCE {
            let hold = used_up();
            self.tell_not_replaced(nonce, hold.reason, hold.detail, events);
            return Ok(());
        }
        let draft = match self.draft_replacement(&slot, head, upkeep).await {
            Ok(Some(draft)) => draft,
            Ok(None) => return Ok(()),
            Err(hold) => {
                self.tell_not_replaced(nonce, hold.reason, hold.detail, events);
                return Ok(());
            }
        };
        let (kind, price) = (draft.kind, draft.price);
        let action = draft.intent.action.clone();
        let attempt = self.sign(draft, head).await?;
        let hash = attempt.hash;
        self.append_attempt(attempt, nonce).await?;
        self.send(nonce, Some(head.number)).await;
        events.push(LaneEvent::Replaced { nonce, action, kind, hash, price });
        Ok(())
    }

    /// The next attempt; `None` if the nodes do not tell enough to make one.
    async fn draft_replacement(
        &mut self,
        slot: &Slot,
        head: &Head,
        upkeep: &Upkeep,
    ) -> Result<Option<Draft>, pricing::Hold> {
        let next = self.next_block(head).await;
        let from = self.wallet.address();
        let stage = Stage { node: self.node.as_ref(), from, head, next };
        let previous = slot.newest();
        let Some(cancel) = gives_up(previous, &stage).await else { return Ok(None) };
        // The last attempt of a nonce is kept for giving up.
        if !cancel && slot.attempt_count() >= MAX_ATTEMPTS_PER_NONCE.saturating_sub(1) {
            return Err(used_up());
        }
        let (kind, call, least_gas) = if cancel {
            (AttemptKind::Cancellation, self.self_transfer(), TRANSFER_GAS)
        } else {
            (AttemptKind::Replacement, previous.call.clone(), previous.gas_limit)
        };
        // Without an estimate the limit of the attempt before will do; it never shrinks.
        let gas_limit = stage.gas_limit(&call).await.unwrap_or(least_gas).max(least_gas);
        let min_tip = self.profile.fees.min_priority_fee_per_gas;
        let Ok(quote) = self.node.quote(*head, min_tip).await else { return Ok(None) };
        let Ok(balance) = self.node.balance(from, head.into()).await else { return Ok(None) };
        let terms = self.terms(&previous.intent, upkeep, gas_limit, &call, balance);
        let price = pricing::replacement(previous.price, &quote, &terms)?;
        let intent = Arc::clone(&previous.intent);
        Ok(Some(Draft { nonce: slot.nonce, kind, intent, call, gas_limit, price }))
    }

    /// Uses up the account's next nonce if it is not ours and keeps ours from being included:
    /// somebody else's transaction was there, and a reorganisation took it away for good.
    pub(super) async fn fill_gap(
        &mut self,
        free: &[u64],
        next: u64,
        head: &Head,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let blocked = free.first().filter(|lowest| next < **lowest);
        let Some(blocked) = blocked.and_then(|nonce| self.slots.get(nonce)) else {
            self.gap_sightings = 0;
            return Ok(());
        };
        let blocked = Arc::clone(&blocked.slot.newest().intent);
        if self.gap_at_block.replace(head.number) != Some(head.number) {
            self.gap_sightings = self.gap_sightings.saturating_add(1);
        }
        if self.gap_sightings < GAP_SIGHTINGS || !self.wallet.can_sign() {
            return Ok(());
        }
        let intent = Arc::new(Intent {
            action: "fill_nonce_gap".to_owned(),
            answers: StateKey::of(&[("nonce", &next), ("block", &head.number)]),
            deadline: None,
            expects: None,
            found_at_block: head.number,
            ..Intent::clone(&blocked)
        });
        let call = self.self_transfer();
        let stage =
            Stage { node: self.node.as_ref(), from: self.wallet.address(), head, next: None };
        let gas_limit = stage.gas_limit(&call).await.unwrap_or(TRANSFER_GAS).max(TRANSFER_GAS);
        let min_tip = self.profile.fees.min_priority_fee_per_gas;
        let Ok(quote) = self.node.quote(*head, min_tip).await else { return Ok(()) };
        let from = self.wallet.address();
        let Ok(balance) = self.node.balance(from, head.into()).await else { return Ok(()) };
        let terms = self.terms(&intent, upkeep, gas_limit, &call, balance);
        let Ok(price) = pricing::price(&quote, &terms) else { return Ok(()) };
        let (kind, action) = (AttemptKind::Cancellation, intent.action.clone());
        let draft = Draft { nonce: next, kind, intent, call, gas_limit, price };
        let attempt = self.sign(draft, head).await?;
        let hash = attempt.hash;
        self.open_slot(attempt, next).await?;
        self.send(next, Some(head.number)).await;
        events.push(LaneEvent::Replaced { nonce: next, action, kind, hash, price });
        Ok(())
    }

    /// What a further attempt has to keep to. The balance is among it: one that the account cannot
    /// pay for would be refused everywhere, and the affordable one before it not sent any more.
    fn terms(
        &self,
        intent: &Intent,
        upkeep: &Upkeep,
        gas_limit: u64,
        call: &Call,
        balance: U256,
    ) -> Terms<'_> {
        Terms {
            urgency: intent.urgency,
            caps: upkeep.caps(intent.caps, intent.urgency, &self.profile),
            fees: &self.profile.fees,
            gas_limit,
            value: call.value,
            balance: Some(balance),
        }
    }

    fn self_transfer(&self) -> Call {
        Call {
            label: "self-transfer".to_owned(),
            to: self.wallet.address(),
            data: Bytes::new(),
            value: U256::ZERO,
        }
    }

    /// Says once, not at every block, why there is no further attempt.
    fn tell_not_replaced(
        &mut self,
        nonce: u64,
        reason: &'static str,
        detail: String,
        events: &mut Vec<LaneEvent>,
    ) {
        let Some(watched) = self.slots.get_mut(&nonce) else { return };
        if watched.told != Some(reason) {
            watched.told = Some(reason);
            events.push(LaneEvent::NotReplaced { nonce, reason, detail });
        }
    }
}

fn used_up() -> pricing::Hold {
    let detail = format!(
        "of {MAX_ATTEMPTS_PER_NONCE} attempts the last is for giving up; the newest is sent on"
    );
    pricing::Hold { reason: "attempts used up", detail }
}

/// Whether the next attempt should only use up the nonce: the call came too late, would fail now,
/// or was given up before. `None` if that is not known.
async fn gives_up(previous: &Attempt, stage: &Stage<'_>) -> Option<bool> {
    if previous.kind == AttemptKind::Cancellation {
        return Some(true);
    }
    let intent = &previous.intent;
    let expired = intent
        .deadline
        .is_some_and(|blocks| stage.head.number > intent.found_at_block.saturating_add(blocks));
    if expired {
        return Some(true);
    }
    stage.succeeds(&previous.call).await.map(|succeeds| !succeeds)
}
