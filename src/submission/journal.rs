//! The journal of one wallet on one chain: every nonce, every attempt, every event.
//!
//! Each method is one durable transaction: when it returns, the disk has it. An attempt is
//! journalled before anyone may broadcast it, so after a crash whatever may be on the wire is
//! known here.

mod ask;
mod life;
mod list;
mod read;
mod sql;
mod write;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};

pub use life::{AnswerRow, EventRow, LifeOf, MAX_LIVES, TransactionLife};
pub use list::{AttemptRow, Cursor, MAX_PAGE, TransactionFilter, TransactionRow};

use self::write::{hex, number, whole};
use super::{
    lifecycle::{Inclusion, Outcome, TxState},
    node::Receipt,
    slot::{Attempt, EndpointAnswer, Intent, PostconditionState, Slot},
};
use crate::{
    clock, ledger,
    store::{Durable, Statement, Store, StoreError},
};

/// What is noted of an inclusion that promised nothing.
pub(super) const NOTHING_TO_CHECK: &str = "nothing to check";

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
#[derive(Debug, Clone)]
pub(super) struct LaneJournal {
    store: Store,
    product: String,
    chain: String,
    chain_id: u64,
    wallet: Address,
}

pub(super) use ask::{Answered, FinalSlot, anew, state_of};

impl LaneJournal {
    /// Whether anything can be written, that is, whether anything may be signed or sent.
    pub(super) fn is_writable(&self) -> bool {
        self.store.is_writable()
    }

    /// The same journal for another wallet that the product had.
    pub(super) fn of_wallet(&self, wallet: Address) -> Self {
        Self { wallet, ..self.clone() }
    }

    /// A new nonce with its first attempt, and why it is made. Fails if the nonce was used before.
    pub(super) async fn open_slot(&self, slot: &Slot, why: &str) -> Result<(), StoreError> {
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
            self.attempt_event(slot.nonce, attempt, why),
        ];
        self.store.step("open_slot", batch, Durable::Now).await
    }

    /// One more attempt at a nonce, and why it is made; `slot` is as it stands before. An intent
    /// that the nonce was not used for so far is written with it.
    pub(super) async fn append_attempt(
        &self,
        slot: &Slot,
        state: &TxState,
        attempt: &Attempt,
        why: &str,
    ) -> Result<(), StoreError> {
        let mut intents: Vec<&Intent> = Vec::new();
        for known in slot.attempts.iter() {
            if !intents.contains(&known.intent.as_ref()) {
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
        batch.push(self.attempt_event(slot.nonce, attempt, why));
        self.store.step("append_attempt", batch, Durable::Now).await
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
        self.store.step("record_answers", batch, Durable::InOrder).await
    }

    /// An attempt is in a block, and whether there is a postcondition to look at. `finals` are other
    /// nonces that were found to be spent for good at that head.
    pub(super) async fn record_inclusion(
        &self,
        (nonce, inclusion, receipt, postcondition): (u64, &Inclusion, &Receipt, PostconditionState),
        (finals, head): (&[(u64, Outcome)], u64),
    ) -> Result<(), StoreError> {
        let whole = whole(receipt);
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
            .with(postcondition.label())
            .with(inclusion.extra.l1_fee.map(|fee| fee.to_string()))
            .with(inclusion.extra.operator_fee.map(|fee| fee.to_string()));
        let detail = if inclusion.succeeded { "status 1" } else { "status 0" };
        let mut batch = self.ends(finals, head);
        batch.push(included);
        batch.push(self.event(nonce, "included", Some(&hash), Some(inclusion.block), detail));
        if postcondition != PostconditionState::Due {
            let at = Some(inclusion.block);
            batch.push(self.event(nonce, "postcondition", None, at, NOTHING_TO_CHECK));
        }
        self.store.step("record_inclusion", batch, Durable::InOrder).await
    }

    /// The block that held a nonce fell away.
    pub(super) async fn record_reorg(&self, nonce: u64, block: u64) -> Result<(), StoreError> {
        let batch = vec![
            self.keyed(sql::SET_REORGED, nonce),
            self.event(nonce, "reorged", None, Some(block), ""),
        ];
        self.store.step("record_reorg", batch, Durable::InOrder).await
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
        self.store.step("record_postcondition", batch, Durable::InOrder).await
    }

    /// These nonces are spent for good.
    pub(super) async fn record_final(
        &self,
        finals: &[(u64, Outcome)],
        head: u64,
    ) -> Result<(), StoreError> {
        self.store.step("record_final", self.ends(finals, head), Durable::InOrder).await
    }

    fn ends(&self, finals: &[(u64, Outcome)], head: u64) -> Vec<Statement> {
        let rows = finals.iter().flat_map(|(nonce, outcome)| {
            let label = outcome.label();
            [
                self.keyed(sql::SET_FINAL, *nonce).with(label),
                self.event(*nonce, label, None, Some(head), ""),
            ]
        });
        rows.collect()
    }

    /// The wallet's nonce when its lane was opened for the first time; what was used before is
    /// nobody's business.
    pub(super) async fn record_lane(&self, first_nonce: u64) -> Result<(), StoreError> {
        let row = Statement::new(sql::INSERT_LANE)
            .with(self.chain_id)
            .with(self.wallet())
            .with(self.chain.as_str())
            .with(self.product.as_str())
            .with(first_nonce)
            .with(clock::now());
        self.store.step("record_lane", vec![row], Durable::Now).await
    }

    /// A nonce was used for good by a transaction that nothing here was signed for; its hash and
    /// receipt where they could be found.
    pub(super) async fn record_foreign(
        &self,
        nonce: u64,
        transaction: Option<B256>,
        receipt: Option<&Receipt>,
        block: u64,
    ) -> Result<(), StoreError> {
        let whole = receipt.and_then(whole);
        let hash = transaction.map(hex);
        let row = self
            .keyed(sql::INSERT_FOREIGN, nonce)
            .with(self.chain.as_str())
            .with(self.product.as_str())
            .with(Outcome::Foreign.label())
            .with(hash.as_deref())
            .with(receipt.map(|receipt| receipt.block))
            .with(receipt.map(|receipt| hex(receipt.block_hash)))
            .with(receipt.map(|receipt| u64::from(receipt.succeeded)))
            .with(receipt.map(|receipt| receipt.gas_used))
            .with(receipt.map(|receipt| receipt.effective_gas_price.to_string()))
            .with(whole)
            .with(clock::now())
            .with(receipt.and_then(|receipt| receipt.extra.l1_fee).map(|fee| fee.to_string()))
            .with(
                receipt.and_then(|receipt| receipt.extra.operator_fee).map(|fee| fee.to_string()),
            );
        let event =
            self.event(nonce, Outcome::Foreign.label(), hash.as_deref(), Some(block), "adopted");
        self.store.step("record_foreign", vec![row, event], Durable::Now).await
    }

    /// What was final is not any more; the nonces and the states that follow, in one commit.
    pub(super) async fn record_undone(
        &self,
        slots: &[(u64, TxState)],
        block: u64,
    ) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        for (nonce, state) in slots {
            batch.push(self.keyed(sql::SET_UNDONE, *nonce).with(state.label()));
            batch.push(self.event(*nonce, "undone", None, Some(block), ""));
            batch.push(ledger::withdraw(self.chain_id, &self.wallet(), *nonce));
        }
        self.store.step("record_undone", batch, Durable::Now).await
    }
}

#[cfg(test)]
mod tests;
