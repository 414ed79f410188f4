//! The journal of one wallet on one chain: every nonce, every attempt, every event.
//!
//! Each method is one durable transaction: when it returns, the disk has it. An attempt is
//! journalled before anyone may broadcast it, so after a crash whatever may be on the wire is
//! known here.

mod read;
mod sql;

use std::collections::BTreeMap;

use alloy::primitives::Address;
use ballast_strategy_api::Action;

use super::{
    lifecycle::{Inclusion, Outcome, TxState},
    node::Receipt,
    slot::{Attempt, EndpointAnswer, Intent, PostconditionState, Slot},
};
use crate::{
    clock, failpoint,
    store::{Statement, Store, StoreError},
};

/// The journal of a store, for all lanes.
#[derive(Debug, Clone)]
pub struct Journal {
    store: Store,
}

impl Journal {
    /// The journal that is kept in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The part of one wallet on one chain.
    pub(super) fn lane(
        &self,
        product: &str,
        chain: &str,
        chain_id: u64,
        wallet: Address,
    ) -> LaneJournal {
        LaneJournal {
            store: self.store.clone(),
            product: product.to_owned(),
            chain: chain.to_owned(),
            chain_id,
            wallet,
        }
    }
}

/// The journal of one wallet on one chain.
#[derive(Debug)]
pub(super) struct LaneJournal {
    store: Store,
    product: String,
    chain: String,
    chain_id: u64,
    wallet: Address,
}

/// A nonce at which the same intent was carried out for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) nonce: u64,
}

impl LaneJournal {
    /// Whether anything can be written, that is, whether anything may be signed or sent.
    pub(super) fn is_writable(&self) -> bool {
        self.store.is_writable()
    }

    /// A new nonce with its first attempt. Fails if the nonce was used before.
    pub(super) async fn open_slot(&self, slot: &Slot) -> Result<(), StoreError> {
        let attempt = &slot.attempts.first;
        let new = self
            .keyed(sql::INSERT_SLOT, slot.nonce)
            .with(self.chain.as_str())
            .with(self.product.as_str())
            .with(slot.state.label())
            .with(slot.postcondition.label())
            .with(clock::now());
        let batch = vec![
            new,
            self.intent(slot.nonce, 0, &attempt.intent),
            self.attempt(slot.nonce, 0, 0, attempt),
            self.attempt_event(slot.nonce, attempt),
        ];
        self.commit("open_slot", batch).await
    }

    /// One more attempt at a nonce; `slot` is as it stands before.
    pub(super) async fn append_attempt(
        &self,
        slot: &Slot,
        state: &TxState,
        attempt: &Attempt,
    ) -> Result<(), StoreError> {
        let mut intents: Vec<&Intent> = Vec::new();
        for known in slot.attempts.iter() {
            if intents.last() != Some(&known.intent.as_ref()) {
                intents.push(&known.intent);
            }
        }
        let known = intents.iter().position(|intent| *intent == attempt.intent.as_ref());
        let intent = number(known.unwrap_or(intents.len()));
        let mut batch = vec![self.state(slot.nonce, state)];
        if known.is_none() {
            batch.push(self.intent(slot.nonce, intent, &attempt.intent));
        }
        batch.push(self.attempt(slot.nonce, intent, number(slot.attempt_count()), attempt));
        batch.push(self.attempt_event(slot.nonce, attempt));
        self.commit("append_attempt", batch).await
    }

    /// What endpoints said of an attempt, where it is news, and the state that follows.
    pub(super) async fn record_answers(
        &self,
        nonce: u64,
        state: &TxState,
        attempt: &Attempt,
        news: &BTreeMap<String, EndpointAnswer>,
        block: u64,
    ) -> Result<(), StoreError> {
        let mut batch = vec![self.state(nonce, state)];
        let hash = hex(attempt.hash);
        for (endpoint, answer) in news {
            batch.push(
                Statement::new(sql::UPSERT_ANSWER)
                    .with(hash.as_str())
                    .with(endpoint.as_str())
                    .with(answer.verdict.label())
                    .with(answer.detail.as_str())
                    .with(block),
            );
            let detail = format!("{endpoint}: {}", answer.detail);
            batch.push(self.event(nonce, "answer", Some(&hash), Some(block), &detail));
        }
        self.commit("record_answers", batch).await
    }

    /// An attempt is in a block.
    pub(super) async fn record_inclusion(
        &self,
        nonce: u64,
        inclusion: &Inclusion,
        receipt: &Receipt,
    ) -> Result<(), StoreError> {
        let whole = receipt.whole.as_ref().and_then(|whole| serde_json::to_string(whole).ok());
        let hash = hex(inclusion.hash);
        let included = self
            .keyed(sql::SET_INCLUDED, nonce)
            .with(hash.as_str())
            .with(inclusion.block)
            .with(hex(inclusion.block_hash))
            .with(u64::from(inclusion.succeeded))
            .with(inclusion.gas_used)
            .with(inclusion.effective_gas_price.to_string())
            .with(whole)
            .with(PostconditionState::Due.label());
        let detail = if inclusion.succeeded { "status 1" } else { "status 0" };
        let event = self.event(nonce, "included", Some(&hash), Some(inclusion.block), detail);
        self.commit("record_inclusion", vec![included, event]).await
    }

    /// The block that held a nonce fell away.
    pub(super) async fn record_reorg(&self, nonce: u64, block: u64) -> Result<(), StoreError> {
        let batch = vec![
            self.keyed(sql::SET_REORGED, nonce),
            self.event(nonce, "reorged", None, Some(block), ""),
        ];
        self.commit("record_reorg", batch).await
    }

    /// What became of the postcondition.
    pub(super) async fn record_postcondition(
        &self,
        nonce: u64,
        state: PostconditionState,
        block: u64,
        detail: &str,
    ) -> Result<(), StoreError> {
        let batch = vec![
            self.keyed(sql::SET_POSTCONDITION, nonce).with(state.label()),
            self.event(nonce, "postcondition", None, Some(block), detail),
        ];
        self.commit("record_postcondition", batch).await
    }

    /// A nonce is spent for good.
    pub(super) async fn record_final(
        &self,
        nonce: u64,
        outcome: Outcome,
        block: u64,
    ) -> Result<(), StoreError> {
        let batch = vec![
            self.keyed(sql::SET_FINAL, nonce).with(outcome.label()),
            self.event(nonce, outcome.label(), None, Some(block), ""),
        ];
        self.commit("record_final", batch).await
    }

    /// The nonce at which this very intent was confirmed for good, if there is one; whatever the
    /// wallet was then.
    pub(super) async fn answered(&self, action: &Action) -> Result<Option<Answered>, StoreError> {
        let query = Statement::new(sql::SELECT_ANSWERED)
            .with(self.chain_id)
            .with(self.product.as_str())
            .with(action.name)
            .with(action.answers.as_str())
            .with(self.wallet());
        let rows = self.store.rows(query).await?;
        rows.first().map(|row| Ok(Answered { nonce: read::unsigned(row, "nonce")? })).transpose()
    }

    /// The greatest nonce ever journalled.
    pub(super) async fn highest_nonce(&self) -> Result<Option<u64>, StoreError> {
        let query = Statement::new(sql::SELECT_HIGHEST).with(self.chain_id).with(self.wallet());
        let rows = self.store.rows(query).await?;
        rows.first().map(|row| read::unsigned(row, "nonce")).transpose()
    }

    /// All slots that are not final, by nonce.
    pub(super) async fn unfinal(&self) -> Result<Vec<Slot>, StoreError> {
        let ask = |sql| {
            let query = Statement::new(sql).with(self.chain_id).with(self.wallet());
            self.store.rows(query)
        };
        let rows = read::Rows {
            slots: ask(sql::SELECT_SLOTS).await?,
            intents: ask(sql::SELECT_INTENTS).await?,
            attempts: ask(sql::SELECT_ATTEMPTS).await?,
            answers: ask(sql::SELECT_ANSWERS).await?,
        };
        read::slots(&rows, self.wallet)
    }

    /// Writes one step. Tests kill the process on either side of it.
    async fn commit(&self, step: &'static str, batch: Vec<Statement>) -> Result<(), StoreError> {
        failpoint::before(step);
        let written = self.store.commit(batch).await;
        failpoint::after(step);
        written
    }

    fn wallet(&self) -> String {
        hex(self.wallet)
    }

    /// A statement whose first values are chain, wallet and nonce.
    fn keyed(&self, sql: &'static str, nonce: u64) -> Statement {
        Statement::new(sql).with(self.chain_id).with(self.wallet()).with(nonce)
    }

    fn state(&self, nonce: u64, state: &TxState) -> Statement {
        self.keyed(sql::SET_STATE, nonce).with(state.label())
    }

    fn intent(&self, nonce: u64, number: u64, intent: &Intent) -> Statement {
        let expects = intent.expects.as_ref().and_then(|e| serde_json::to_string(e).ok());
        self.keyed(sql::INSERT_INTENT, nonce)
            .with(number)
            .with(intent.product.as_str())
            .with(intent.action.as_str())
            .with(intent.answers.as_str())
            .with(intent.urgency.as_str())
            .with(intent.deadline)
            .with(expects)
            .with(intent.caps.max_fee_per_gas.to_string())
            .with(intent.caps.max_transaction_cost.map(|cost| cost.to_string()))
            .with(intent.found_at_block)
    }

    fn attempt(&self, nonce: u64, intent: u64, number: u64, attempt: &Attempt) -> Statement {
        self.keyed(sql::INSERT_ATTEMPT, nonce)
            .with(number)
            .with(intent)
            .with(hex(attempt.hash))
            .with(attempt.kind.label())
            .with(attempt.call.label.as_str())
            .with(attempt.raw.to_string())
            .with(hex(attempt.call.to))
            .with(attempt.call.data.to_string())
            .with(attempt.call.value.to_string())
            .with(attempt.gas_limit)
            .with(attempt.price.max_fee_per_gas.to_string())
            .with(attempt.price.max_priority_fee_per_gas.to_string())
            .with(attempt.signed_at_block)
    }

    fn attempt_event(&self, nonce: u64, attempt: &Attempt) -> Statement {
        let (hash, block) = (hex(attempt.hash), Some(attempt.signed_at_block));
        self.event(nonce, attempt.kind.label(), Some(&hash), block, &attempt.call.label)
    }

    fn event(
        &self,
        nonce: u64,
        kind: &str,
        hash: Option<&str>,
        block: Option<u64>,
        detail: &str,
    ) -> Statement {
        self.keyed(sql::INSERT_EVENT, nonce)
            .with(kind)
            .with(hash.map(str::to_owned))
            .with(block)
            .with(detail)
            .with(clock::now())
    }
}

/// Lower-case hexadecimal text, the same for hashes and addresses: no checksum case.
fn hex(bytes: impl AsRef<[u8]>) -> String {
    alloy::primitives::hex::encode_prefixed(bytes)
}

fn number(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
