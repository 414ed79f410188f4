//! One nonce of one wallet, with everything that was ever signed for it.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{B256, Bytes, U256};
use ballast_chains::pool::SendAnswer;
use ballast_strategy_api::{
    Action, Blocks, Call, Exposure, NonEmpty, Postcondition, StateKey, Urgency,
};
use serde::{Deserialize, Serialize};

use super::{lifecycle::TxState, pricing::Price};
use crate::guard::Caps;

/// Why a nonce is used. Product, action and `answers` are its identity: the same intent is never
/// signed at two nonces, unless the first came to nothing for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The product's name.
    pub product: String,
    /// What the product acted on, if that is to be remembered.
    pub acts_on: Option<String>,
    /// The action's name.
    pub action: String,
    /// What it did to the product's exposure when it was found.
    pub exposure: Exposure,
    /// The state that the action answers.
    pub answers: StateKey,
    /// How much it matters to be early.
    pub urgency: Urgency,
    /// Blocks within which inclusion is worth it.
    pub deadline: Option<Blocks>,
    /// What inclusion must have changed.
    pub expects: Option<Postcondition>,
    /// What it may cost; remembered, so that a replacement after a restart keeps to it.
    pub caps: Caps,
    /// The head at which it was first signed.
    pub found_at_block: u64,
}

impl Intent {
    /// The intent of an action that is about to be signed.
    pub fn of(
        (product, acts_on): (&str, Option<&str>),
        action: &Action,
        caps: Caps,
        found_at_block: u64,
    ) -> Self {
        Self {
            product: product.to_owned(),
            acts_on: acts_on.map(str::to_owned),
            action: action.name.to_owned(),
            exposure: action.exposure,
            answers: action.answers.clone(),
            urgency: action.urgency,
            deadline: action.deadline,
            expects: action.expects.clone(),
            caps,
            found_at_block,
        }
    }

    /// Whether this is what `action` wants as well.
    pub fn is_that_of(&self, product: &str, action: &Action) -> bool {
        self.product == product && self.action == action.name && self.answers == action.answers
    }

    /// Whether both have the same identity.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.product == other.product
            && self.action == other.action
            && self.answers == other.answers
    }

    /// Whether its deadline has passed at a head of this height.
    pub fn is_expired(&self, head: u64) -> bool {
        self.deadline.is_some_and(|blocks| head > self.found_at_block.saturating_add(blocks))
    }
}

/// What an attempt is to its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptKind {
    /// The first one signed for the nonce.
    Original,
    /// The same or a more urgent action at a higher price.
    Replacement,
    /// A self-transfer that only uses up the nonce.
    Cancellation,
}

impl AttemptKind {
    /// The fixed word for the journal, logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Replacement => "replacement",
            Self::Cancellation => "cancellation",
        }
    }

    /// The kind of that name.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Original, Self::Replacement, Self::Cancellation]
            .into_iter()
            .find(|kind| kind.label() == label)
    }
}

/// What one endpoint last made of an attempt, as far as the nonce is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It has the transaction.
    Accepted,
    /// It certainly did not take it now.
    Rejected,
    /// It may have it.
    Ambiguous,
}

impl Verdict {
    /// The fixed word for the journal.
    pub fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// The verdict of that name.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Accepted, Self::Rejected, Self::Ambiguous]
            .into_iter()
            .find(|verdict| verdict.label() == label)
    }
}

/// An endpoint's answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointAnswer {
    /// What it means.
    pub verdict: Verdict,
    /// What was said, in words.
    pub detail: String,
}

impl From<SendAnswer> for EndpointAnswer {
    fn from(answer: SendAnswer) -> Self {
        let (verdict, detail) = match answer {
            SendAnswer::Accepted => (Verdict::Accepted, "accepted".to_owned()),
            SendAnswer::AlreadyKnown => (Verdict::Accepted, "already known".to_owned()),
            // Of a re-send this says nothing: most often it is this transaction that was included.
            SendAnswer::NonceTooLow => (Verdict::Rejected, "nonce too low".to_owned()),
            SendAnswer::ReplacementUnderpriced => {
                (Verdict::Rejected, "replacement underpriced".to_owned())
            }
            SendAnswer::Underpriced => (Verdict::Rejected, "underpriced".to_owned()),
            SendAnswer::InsufficientFunds => (Verdict::Rejected, "insufficient funds".to_owned()),
            SendAnswer::Rejected(text) => (Verdict::Rejected, text),
            SendAnswer::Ambiguous(text) => (Verdict::Ambiguous, text),
        };
        Self { verdict, detail }
    }
}

/// One signed transaction; never changed once it exists, except for what endpoints say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Transaction hash.
    pub hash: B256,
    /// The signed bytes.
    pub raw: Bytes,
    /// What it is to its slot.
    pub kind: AttemptKind,
    /// What it is for; attempts at one nonce may carry different actions.
    pub intent: Arc<Intent>,
    /// What it calls; a cancellation calls its own account with nothing.
    pub call: Call,
    /// Gas limit.
    pub gas_limit: u64,
    /// What it offers.
    pub price: Price,
    /// The most that the chain takes for it beside gas × price, as expected when it was signed, wei.
    pub extra: U256,
    /// The head at which it was signed.
    pub signed_at_block: u64,
    /// Whether an operator ordered it.
    pub by_order: bool,
    /// The last answer of each endpoint, by its label.
    pub answers: BTreeMap<String, EndpointAnswer>,
}

impl Attempt {
    /// The most that this attempt can cost, wei, value included; saturates.
    pub fn max_cost(&self) -> U256 {
        U256::from(self.gas_limit)
            .saturating_mul(U256::from(self.price.max_fee_per_gas))
            .saturating_add(self.extra)
            .saturating_add(self.call.value)
    }
}

/// One nonce and its attempts, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The nonce.
    pub nonce: u64,
    /// All that was signed for it.
    pub attempts: NonEmpty<Attempt>,
    /// Where it stands.
    pub state: TxState,
    /// Whether what inclusion promised has been looked at.
    pub postcondition: PostconditionState,
}

/// Whether what inclusion promised came true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostconditionState {
    /// Not looked at yet, or again, because the block changed.
    Due,
    /// It came true.
    Held,
    /// It did not.
    Missed,
    /// Nothing was promised, or it could not be read.
    Unknown,
}

impl PostconditionState {
    /// The fixed word for the journal.
    pub fn label(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Held => "held",
            Self::Missed => "missed",
            Self::Unknown => "unknown",
        }
    }

    /// The state of that name.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Due, Self::Held, Self::Missed, Self::Unknown]
            .into_iter()
            .find(|state| state.label() == label)
    }
}

impl Slot {
    /// The newest attempt: the one that pays most.
    pub fn newest(&self) -> &Attempt {
        self.attempts.rest.last().unwrap_or(&self.attempts.first)
    }

    /// The attempt with that hash.
    pub fn attempt(&self, hash: B256) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.hash == hash)
    }

    /// The attempt with that hash, to note an answer.
    pub(super) fn attempt_mut(&mut self, hash: B256) -> Option<&mut Attempt> {
        std::iter::once(&mut self.attempts.first)
            .chain(&mut self.attempts.rest)
            .find(|attempt| attempt.hash == hash)
    }

    /// What the nonce is used for: the included attempt's intent, else the newest one's.
    pub fn intent(&self) -> &Intent {
        let included = self.state.inclusion().and_then(|inclusion| self.attempt(inclusion.hash));
        &included.unwrap_or_else(|| self.newest()).intent
    }

    /// How many attempts there are; at least 1.
    pub fn attempt_count(&self) -> usize {
        self.attempts.rest.len().saturating_add(1)
    }
}
