//! A lane as plain data, for status output.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    super::slot::{Attempt, EndpointAnswer, Slot},
    Lane,
};

impl Lane {
    /// What is under way, as plain data.
    pub fn snapshot(&self) -> LaneSnapshot {
        let slots = |book: &super::book::Book| book.slots().map(SlotSnapshot::of).collect();
        LaneSnapshot {
            product: self.product.clone(),
            chain: self.profile.name.clone(),
            wallet: self.wallet.address().to_string(),
            next_nonce: self.book.accounted.max(self.foreign.seen),
            slots: slots(&self.book),
            former: self
                .formers
                .iter()
                .map(|book| (book.wallet.to_string(), slots(book)))
                .collect(),
        }
    }
}

/// A lane as plain data, for status output.
#[derive(Debug, Clone, Serialize)]
pub struct LaneSnapshot {
    /// The product's name.
    pub product: String,
    /// The chain's name.
    pub chain: String,
    /// Who sends.
    pub wallet: String,
    /// The lowest nonce that neither the journal nor the chain is known to have used.
    pub next_nonce: u64,
    /// What is not final, by nonce.
    pub slots: Vec<SlotSnapshot>,
    /// The same of wallets that the product had before, by wallet.
    pub former: BTreeMap<String, Vec<SlotSnapshot>>,
}

/// One nonce as plain data.
#[derive(Debug, Clone, Serialize)]
pub struct SlotSnapshot {
    /// The nonce.
    pub nonce: u64,
    /// `signed`, `pending` or `included`.
    pub state: &'static str,
    /// The action's name.
    pub action: String,
    /// How urgent it is.
    pub urgency: &'static str,
    /// The block that holds it.
    pub included_in: Option<u64>,
    /// All attempts, the oldest first.
    pub attempts: Vec<AttemptSnapshot>,
}

/// One attempt as plain data.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptSnapshot {
    /// Transaction hash.
    pub hash: String,
    /// `original`, `replacement` or `cancellation`.
    pub kind: &'static str,
    /// Which candidate.
    pub call: String,
    /// Wei per gas, decimal.
    pub max_fee_per_gas: String,
    /// Wei per gas, decimal.
    pub max_priority_fee_per_gas: String,
    /// Gas limit.
    pub gas_limit: u64,
    /// The head at which it was signed.
    pub signed_at_block: u64,
    /// What endpoints said last.
    pub answers: BTreeMap<String, EndpointAnswer>,
}

impl SlotSnapshot {
    fn of(slot: &Slot) -> Self {
        let intent = slot.intent();
        Self {
            nonce: slot.nonce,
            state: slot.state.label(),
            action: intent.action.clone(),
            urgency: intent.urgency.as_str(),
            included_in: slot.state.inclusion().map(|inclusion| inclusion.block),
            attempts: slot.attempts.iter().map(AttemptSnapshot::of).collect(),
        }
    }
}

impl AttemptSnapshot {
    fn of(attempt: &Attempt) -> Self {
        Self {
            hash: attempt.hash.to_string(),
            kind: attempt.kind.label(),
            call: attempt.call.label.clone(),
            max_fee_per_gas: attempt.price.max_fee_per_gas.to_string(),
            max_priority_fee_per_gas: attempt.price.max_priority_fee_per_gas.to_string(),
            gas_limit: attempt.gas_limit,
            signed_at_block: attempt.signed_at_block,
            answers: attempt.answers.clone(),
        }
    }
}
