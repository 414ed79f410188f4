//! A nonce below ours that no transaction uses: somebody else's transaction was there, and a
//! reorganisation took it away for good. Ours cannot be included before it is used.

use std::sync::Arc;

use alloy::primitives::U256;
use ballast_chains::Head;
use ballast_strategy_api::StateKey;

use super::{
    super::{
        pricing::{self, Hold, Terms},
        slot::{AttemptKind, Intent},
    },
    Lane, LaneError, LaneEvent,
    send::{Draft, Word},
};
use crate::guard::Upkeep;

/// Heads in a row that must find a nonce below ours free before it is filled: what was there may
/// come back by itself.
const GAP_SIGHTINGS: u8 = 5;

impl Lane {
    /// Uses up the account's next nonce if it is not ours and keeps ours from being included.
    pub(super) async fn fill_gap(
        &mut self,
        free: &[u64],
        next: u64,
        head: &Head,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let blocked = free.first().filter(|lowest| next < **lowest);
        let Some(blocked) = blocked.and_then(|nonce| self.book.slots.get(nonce)) else {
            (self.gap_sightings, self.gap_told) = (0, None);
            return Ok(());
        };
        let blocked = Arc::clone(&blocked.slot.newest().intent);
        if self.gap_at_block.replace(head.number) != Some(head.number) {
            self.gap_sightings = self.gap_sightings.saturating_add(1);
        }
        if self.gap_sightings < GAP_SIGHTINGS || !self.can_sign() {
            return Ok(());
        }
        let draft = match self.draft_filler(next, &blocked, head, upkeep).await {
            Ok(Some(draft)) => draft,
            Ok(None) => return Ok(()),
            Err(hold) => {
                self.tell_not_filled(next, hold, events);
                return Ok(());
            }
        };
        let (kind, price, action) = (draft.kind, draft.price, draft.intent.action.clone());
        let attempt = match self.sign(draft, head, Word::Guard).await {
            Err(LaneError::Stopped(_)) => return Ok(()),
            signed => signed?,
        };
        let hash = attempt.hash;
        let why = format!("nonce {next} is free and keeps later ones from being included");
        self.book.open_slot(attempt, next, &why).await?;
        self.send(next, Some(head.number), Word::Guard).await;
        events.push(LaneEvent::Replaced { nonce: next, action, kind, hash, price, why });
        Ok(())
    }

    /// Says once, not at every block, why the gap is left: all of the product waits behind it.
    fn tell_not_filled(&mut self, nonce: u64, hold: Hold, events: &mut Vec<LaneEvent>) {
        let Hold { reason, detail } = hold;
        if self.gap_told.replace(reason) != Some(reason) {
            events.push(LaneEvent::GapNotFilled { nonce, reason, detail });
        }
    }

    /// A self-transfer at the urgency of what it makes room for. `None` where nodes do not answer,
    /// a hold where the price is not allowed: either way the next head is the retry.
    async fn draft_filler(
        &self,
        nonce: u64,
        blocked: &Intent,
        head: &Head,
        upkeep: &Upkeep,
    ) -> Result<Option<Draft>, Hold> {
        let intent = Arc::new(Intent {
            action: "fill_nonce_gap".to_owned(),
            answers: StateKey::of(&[("nonce", &nonce), ("block", &head.number)]),
            deadline: None,
            expects: None,
            found_at_block: head.number,
            ..blocked.clone()
        });
        let call = self.self_transfer();
        let gas_limit = self.transfer_gas(&call, head).await;
        let (Ok(quote), Ok(balance)) = (self.quote(head).await, self.balance_at(head).await) else {
            return Ok(None);
        };
        let extra = self.extra([&call].into_iter(), head).await;
        let extra = extra.inspect_err(|cause| self.subject.extra_unknown(cause));
        let terms = Terms {
            urgency: intent.urgency,
            pressure: self.need.pressure,
            waited: 0,
            last: false,
            caps: upkeep.caps(intent.caps, intent.urgency, &self.profile),
            fees: &self.profile.fees,
            gas_limit,
            value: U256::ZERO,
            // A gap blocks everything, so it is not left open for this.
            extra: extra.unwrap_or_default(),
            balance: Some(balance),
        };
        let price = pricing::price(&quote, &terms)?;
        let (kind, extra) = (AttemptKind::Cancellation, terms.extra());
        Ok(Some(Draft { nonce, kind, intent, call, gas_limit, price, extra }))
    }
}
