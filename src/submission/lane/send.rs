//! From a call to bytes at the nodes: sign, journal, broadcast, note the answers. In this order,
//! always.

use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    consensus::TxEip1559,
    primitives::{B256, TxKind},
};
use ballast_chains::Head;
use ballast_strategy_api::{Call, NonEmpty};

use super::{
    super::{
        lifecycle::{TxEvent, TxState},
        pricing::Price,
        slot::{Attempt, AttemptKind, EndpointAnswer, Intent, PostconditionState, Slot, Verdict},
    },
    Lane, LaneError, Watched,
};
use crate::failpoint;

/// Everything that an attempt is made of.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) nonce: u64,
    pub(super) kind: AttemptKind,
    pub(super) intent: Arc<Intent>,
    pub(super) call: Call,
    pub(super) gas_limit: u64,
    pub(super) price: Price,
}

impl Lane {
    /// Signs a draft. Nothing is journalled or sent.
    pub(super) async fn sign(&self, draft: Draft, head: &Head) -> Result<Attempt, LaneError> {
        let Draft { nonce, kind, intent, call, gas_limit, price } = draft;
        let transaction = TxEip1559 {
            chain_id: self.profile.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: price.max_fee_per_gas,
            max_priority_fee_per_gas: price.max_priority_fee_per_gas,
            to: TxKind::Call(call.to),
            value: call.value,
            input: call.data.clone(),
            ..TxEip1559::default()
        };
        let signed = self.wallet.sign(transaction).await.map_err(LaneError::Wallet)?;
        Ok(Attempt {
            hash: signed.hash,
            raw: signed.raw,
            kind,
            intent,
            call,
            gas_limit,
            price,
            signed_at_block: head.number,
            answers: BTreeMap::new(),
        })
    }

    /// Journals the first attempt at a new nonce. From here on the nonce is taken.
    pub(super) async fn open_slot(
        &mut self,
        attempt: Attempt,
        nonce: u64,
    ) -> Result<(), LaneError> {
        let state = TxState::Planned.on(TxEvent::Journalled).map_err(LaneError::Lifecycle)?;
        let attempts = NonEmpty::one(attempt);
        let slot = Slot { nonce, attempts, state, postcondition: PostconditionState::Due };
        // If this fails the row may be there all the same, so memory is read anew.
        self.reload = true;
        self.journal.open_slot(&slot).await.map_err(LaneError::Journal)?;
        self.reload = false;
        self.subject.signed(&slot);
        self.unjournalled = self.unjournalled.max(nonce.saturating_add(1));
        self.slots.insert(nonce, Watched::new(slot, None));
        Ok(())
    }

    /// Journals one more attempt at a nonce that waits for inclusion.
    pub(super) async fn append_attempt(
        &mut self,
        attempt: Attempt,
        nonce: u64,
    ) -> Result<(), LaneError> {
        let Some(watched) = self.slots.get_mut(&nonce) else { return Ok(()) };
        let state =
            watched.slot.state.clone().on(TxEvent::Journalled).map_err(LaneError::Lifecycle)?;
        self.reload = true;
        self.journal
            .append_attempt(&watched.slot, &state, &attempt)
            .await
            .map_err(LaneError::Journal)?;
        self.reload = false;
        watched.slot.state = state;
        watched.slot.attempts.rest.push(attempt);
        watched.told = None;
        self.subject.signed(&watched.slot);
        Ok(())
    }

    /// Hands the newest attempt of a nonce to the nodes and notes what they say. Infallible for a
    /// reason: the bytes are journalled, so whatever goes wrong here is put right by sending them
    /// again.
    pub(super) async fn send(&mut self, nonce: u64, at_block: Option<u64>) {
        let Some(watched) = self.slots.get_mut(&nonce) else { return };
        let (hash, raw) = (watched.slot.newest().hash, watched.slot.newest().raw.clone());
        watched.sent_at_block = at_block.or(watched.sent_at_block);
        failpoint::before("broadcast");
        let answers = self.node.broadcast(raw).await;
        failpoint::after("broadcast");
        if answers.is_empty() {
            return self.subject.nobody_to_send_to(nonce);
        }
        let answers = answers.into_iter().map(|said| (said.endpoint, said.answer.into())).collect();
        self.note_answers(nonce, hash, answers, at_block).await;
    }

    async fn note_answers(
        &mut self,
        nonce: u64,
        hash: B256,
        answers: BTreeMap<String, EndpointAnswer>,
        at_block: Option<u64>,
    ) {
        let Some(watched) = self.slots.get_mut(&nonce) else { return };
        let slot = &mut watched.slot;
        let state = match slot.state.clone().on(verdict(&answers)) {
            Ok(state) => state,
            Err(unexpected) => return self.subject.unexpected(nonce, &unexpected),
        };
        let changed = state != slot.state;
        let Some(attempt) = slot.attempt_mut(hash) else { return };
        let mut news = BTreeMap::new();
        for (endpoint, answer) in answers {
            let is_news = attempt.answers.get(&endpoint) != Some(&answer);
            self.subject.answered(nonce, &endpoint, &answer, is_news);
            if is_news {
                attempt.answers.insert(endpoint.clone(), answer.clone());
                news.insert(endpoint, answer);
            }
        }
        if changed || !news.is_empty() {
            let block = at_block.unwrap_or(attempt.signed_at_block);
            let written = self.journal.record_answers(nonce, &state, attempt, &news, block).await;
            // The attempt itself is journalled; what is lost is only what was said of it.
            if let Err(error) = written {
                self.subject.not_written(nonce, &error);
            }
        }
        slot.state = state;
    }

    /// Sends again, at a start, what waits for inclusion at nonces that the chain has not seen.
    pub(super) async fn resend_from(&mut self, latest: u64) {
        if !self.journal.is_writable() {
            return;
        }
        let waiting: Vec<u64> = self
            .slots
            .range(latest..)
            .filter(|(_, watched)| watched.slot.state.is_awaiting_inclusion())
            .map(|(nonce, _)| *nonce)
            .collect();
        for nonce in waiting {
            self.send(nonce, None).await;
        }
    }
}

/// What all answers together mean for the nonce: one that has it, or may have it, is enough.
fn verdict(answers: &BTreeMap<String, EndpointAnswer>) -> TxEvent {
    let any = |verdict| answers.values().any(|answer| answer.verdict == verdict);
    if any(Verdict::Accepted) {
        TxEvent::Accepted
    } else if any(Verdict::Ambiguous) {
        TxEvent::Ambiguous
    } else {
        TxEvent::Rejected
    }
}
