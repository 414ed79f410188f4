//! The life of one nonce, as a pure function of what happened to it.
//!
//! | state | `Journalled` | `Accepted`, `Ambiguous` | `Rejected` | `Included` | `Reorged` | `Finalized` | `NonceTaken` | `Adopted` | `Undone` |
//! |---|---|---|---|---|---|---|---|---|---|
//! | `Planned` | `Signed` | – | – | – | – | – | – | `Foreign` | – |
//! | `Signed` | `Signed` | `Pending` | `Signed` | `Included` | – | – | `Superseded` | – | – |
//! | `Pending` | `Pending` | `Pending` | `Pending` | `Included` | – | – | `Superseded` | – | – |
//! | `Included` | – | `Included` | `Included` | `Included` | `Pending` | final by the receipt | – | – | – |
//! | final, ours | – | – | – | – | – | – | – | – | `Pending` |
//! | final, `Foreign` | – | – | – | – | – | – | – | – | `Planned` |
//!
//! A dash is an [`Unexpected`] event: the state is kept, and the caller has a bug.
//!
//! What the table says in words:
//! * Journalling a replacement does not make a transaction any less live.
//! * A send of unknown outcome counts as taken; nothing but the chain frees a nonce.
//! * Rejected by every endpoint is not the end either: the bytes exist, they are sent again.
//! * A reverted receipt is as reorganisable as any other, so it is final only at depth.
//! * The nonce counts as taken by somebody else only for a slot of which no attempt has a receipt;
//!   an included one is `Reorged` first.
//! * A nonce that we never signed for can only be adopted, and only once it is settled: until then
//!   the transaction may fall away and the nonce be free.
//! * Final is final by the chain's own word. Where a chain breaks it (a reorganisation deeper than
//!   the finality configured), the slot is live again rather than forgotten.

use alloy::primitives::{B256, U256};
use ballast_chains::fees::extra::ExtraFees;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a nonce stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxState {
    /// Decided on; nothing is signed.
    Planned,
    /// Signed and in the journal; perhaps sent, if the process ended before it could say so.
    Signed,
    /// A node has it, or may have it; no block does.
    Pending,
    /// In a block that may still be reorganised away.
    Included(Inclusion),
    /// Over: the nonce is spent for good.
    Final(Outcome),
}

/// How a nonce ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The call was executed.
    Confirmed,
    /// The call was executed and failed.
    Reverted,
    /// The nonce went to a transaction that this journal does not know.
    Superseded,
    /// The nonce was used up by our own self-transfer.
    Cancelled,
    /// The nonce went to a transaction of somebody else with the same key, and we never signed
    /// for it.
    Foreign,
}

/// Where and how an attempt was included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// Hash of the attempt that made it.
    pub hash: B256,
    /// Whether that attempt is the cancellation.
    pub cancellation: bool,
    /// The block's number.
    pub block: u64,
    /// The block's hash.
    pub block_hash: B256,
    /// Status of the receipt.
    pub succeeded: bool,
    /// Gas used.
    pub gas_used: u64,
    /// Wei per gas paid.
    pub effective_gas_price: u128,
    /// What was paid beside gas × price.
    pub extra: ExtraFees,
}

/// What can happen to a nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxEvent {
    /// A signed attempt is durable.
    Journalled,
    /// At least one endpoint has it.
    Accepted,
    /// No endpoint said that it has it, and at least one may.
    Ambiguous,
    /// Every endpoint refused for certain.
    Rejected,
    /// An attempt has a receipt in a canonical block.
    Included(Inclusion),
    /// The block that held it is no longer canonical.
    Reorged,
    /// The block that holds it cannot fall away any more.
    Finalized,
    /// At a final block the account's nonce has passed, and no attempt has a receipt.
    NonceTaken,
    /// At a final block the account's nonce has passed, and nothing was ever signed for it.
    Adopted,
    /// A block that was final is no longer canonical.
    Undone,
}

/// An event that the state does not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a transaction that is {state} cannot be {event}")]
pub struct Unexpected {
    /// The state, which is kept.
    pub state: &'static str,
    /// The event.
    pub event: &'static str,
}

impl TxState {
    /// The only way from one state to another.
    ///
    /// # Errors
    /// When the table has no entry for the pair.
    pub fn on(self, event: TxEvent) -> Result<Self, Unexpected> {
        use TxEvent as E;
        let unexpected = Unexpected { state: self.label(), event: event.label() };
        match (self, event) {
            (Self::Planned | Self::Signed, E::Journalled) => Ok(Self::Signed),
            (Self::Pending, E::Journalled) => Ok(Self::Pending),

            (Self::Signed | Self::Pending, E::Accepted | E::Ambiguous) => Ok(Self::Pending),
            (Self::Signed, E::Rejected) => Ok(Self::Signed),
            (Self::Pending, E::Rejected) => Ok(Self::Pending),
            (included @ Self::Included(_), E::Accepted | E::Ambiguous | E::Rejected) => {
                Ok(included)
            }

            (Self::Signed | Self::Pending | Self::Included(_), E::Included(inclusion)) => {
                Ok(Self::Included(inclusion))
            }
            (Self::Included(_), E::Reorged) => Ok(Self::Pending),
            (Self::Included(inclusion), E::Finalized) => Ok(Self::Final(inclusion.outcome())),
            (Self::Signed | Self::Pending, E::NonceTaken) => Ok(Self::Final(Outcome::Superseded)),

            (Self::Planned, E::Adopted) => Ok(Self::Final(Outcome::Foreign)),
            (Self::Final(Outcome::Foreign), E::Undone) => Ok(Self::Planned),
            (Self::Final(_), E::Undone) => Ok(Self::Pending),

            (Self::Planned, E::Accepted | E::Ambiguous | E::Rejected | E::Included(_))
            | (Self::Planned | Self::Signed | Self::Pending, E::Reorged | E::Finalized)
            | (Self::Planned | Self::Included(_), E::NonceTaken)
            | (Self::Included(_), E::Journalled)
            | (Self::Signed | Self::Pending | Self::Included(_), E::Adopted)
            | (Self::Planned | Self::Signed | Self::Pending | Self::Included(_), E::Undone)
            | (Self::Final(_), _) => Err(unexpected),
        }
    }

    /// Whether the nonce is spent for good.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Final(_))
    }

    /// Whether bytes exist that may yet be included: nothing new may be signed meanwhile.
    pub fn is_awaiting_inclusion(&self) -> bool {
        matches!(self, Self::Signed | Self::Pending)
    }

    /// The inclusion, while it can still be reorganised away.
    pub fn inclusion(&self) -> Option<&Inclusion> {
        match self {
            Self::Included(inclusion) => Some(inclusion),
            Self::Planned | Self::Signed | Self::Pending | Self::Final(_) => None,
        }
    }

    /// The fixed word for the journal, logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Signed => "signed",
            Self::Pending => "pending",
            Self::Included(_) => "included",
            Self::Final(outcome) => outcome.label(),
        }
    }
}

impl Inclusion {
    /// How the nonce ends if this inclusion stays.
    pub fn outcome(&self) -> Outcome {
        if self.cancellation {
            Outcome::Cancelled
        } else if self.succeeded {
            Outcome::Confirmed
        } else {
            Outcome::Reverted
        }
    }

    /// All that the transaction has cost, wei; saturates.
    pub fn cost(&self) -> U256 {
        // 64 × 128 bits cannot overflow 256.
        U256::from(self.gas_used)
            .saturating_mul(U256::from(self.effective_gas_price))
            .saturating_add(self.extra.total())
    }
}

impl Outcome {
    /// The fixed word for the journal, logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Reverted => "reverted",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
            Self::Foreign => "foreign",
        }
    }

    /// The outcome of that name.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Confirmed, Self::Reverted, Self::Superseded, Self::Cancelled, Self::Foreign]
            .into_iter()
            .find(|outcome| outcome.label() == label)
    }
}

impl TxEvent {
    /// The fixed word for the journal.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Journalled => "journalled",
            Self::Accepted => "accepted",
            Self::Ambiguous => "ambiguous",
            Self::Rejected => "rejected",
            Self::Included(_) => "included",
            Self::Reorged => "reorged",
            Self::Finalized => "finalized",
            Self::NonceTaken => "nonce_taken",
            Self::Adopted => "adopted",
            Self::Undone => "undone",
        }
    }
}

#[cfg(test)]
mod tests;
