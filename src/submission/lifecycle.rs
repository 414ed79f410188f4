//! The life of one nonce, as a pure function of what happened to it.
//!
//! | state | `Journalled` | `Accepted`, `Ambiguous` | `Rejected` | `Included` | `Reorged` | `Finalized` | `NonceTaken` |
//! |---|---|---|---|---|---|---|---|
//! | `Planned` | `Signed` | – | – | – | – | – | – |
//! | `Signed` | `Signed` | `Pending` | `Signed` | `Included` | – | – | `Superseded` |
//! | `Pending` | `Pending` | `Pending` | `Pending` | `Included` | – | – | `Superseded` |
//! | `Included` | – | `Included` | `Included` | `Included` | `Pending` | final by the receipt | – |
//! | final | – | – | – | – | – | – | – |
//!
//! A dash is an [`Unexpected`] event: the state is kept, and the caller has a bug or the chain did
//! something that must not happen (a block deeper than finality fell away).
//!
//! What the table says in words:
//! * Journalling a replacement does not make a transaction any less live.
//! * A send of unknown outcome counts as taken; nothing but the chain frees a nonce.
//! * Rejected by every endpoint is not the end either: the bytes exist, they are sent again.
//! * A reverted receipt is as reorganisable as any other, so it is final only at depth.
//! * The nonce counts as taken by somebody else only for a slot of which no attempt has a receipt;
//!   an included one is `Reorged` first.

use alloy::primitives::{B256, U256};
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

            (Self::Planned, E::Accepted | E::Ambiguous | E::Rejected | E::Included(_))
            | (Self::Planned | Self::Signed | Self::Pending, E::Reorged | E::Finalized)
            | (Self::Planned | Self::Included(_), E::NonceTaken)
            | (Self::Included(_), E::Journalled)
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

    /// What the execution cost, wei, without data fees that some chains add.
    pub fn execution_cost(&self) -> U256 {
        // 64 × 128 bits cannot overflow 256.
        U256::from(self.gas_used).saturating_mul(U256::from(self.effective_gas_price))
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
        }
    }

    /// The outcome of that name.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Confirmed, Self::Reverted, Self::Superseded, Self::Cancelled]
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inclusion(succeeded: bool, cancellation: bool) -> Inclusion {
        Inclusion {
            hash: B256::repeat_byte(1),
            cancellation,
            block: 7,
            block_hash: B256::repeat_byte(7),
            succeeded,
            gas_used: 21_000,
            effective_gas_price: 5,
        }
    }

    /// One row per state, one column per event, as in the module's table.
    #[test]
    fn every_pair_of_state_and_event() {
        use Outcome::{Cancelled, Confirmed, Reverted, Superseded};
        use TxState::{Final, Included, Pending, Planned, Signed};
        let (first, moved) = (inclusion(true, false), inclusion(false, false));
        let events = [
            TxEvent::Journalled,
            TxEvent::Accepted,
            TxEvent::Ambiguous,
            TxEvent::Rejected,
            TxEvent::Included(moved.clone()),
            TxEvent::Reorged,
            TxEvent::Finalized,
            TxEvent::NonceTaken,
        ];
        let included = |i: &Inclusion| Some(Included(i.clone()));
        let again = || included(&moved);
        let taken = || Some(Final(Superseded));
        let (signed, pending) = (|| Some(Signed), || Some(Pending));
        let of_included = |i: &Inclusion, outcome| {
            let same = || included(i);
            [None, same(), same(), same(), again(), pending(), Some(Final(outcome)), None]
        };
        let cancelled = inclusion(true, true);
        let none = [const { None }; 8];
        #[rustfmt::skip]
        let rows: Vec<(TxState, [Option<TxState>; 8])> = vec![
            (Planned, [signed(), None, None, None, None, None, None, None]),
            (Signed, [signed(), pending(), pending(), signed(), again(), None, None, taken()]),
            (Pending, [pending(), pending(), pending(), pending(), again(), None, None, taken()]),
            (Included(first.clone()), of_included(&first, Confirmed)),
            (Included(moved.clone()), of_included(&moved, Reverted)),
            (Included(cancelled.clone()), of_included(&cancelled, Cancelled)),
            (Final(Confirmed), none.clone()),
            (Final(Reverted), none.clone()),
            (Final(Superseded), none.clone()),
            (Final(Cancelled), none),
        ];
        for (state, expected) in rows {
            for (event, expected) in events.iter().zip(expected) {
                let got = state.clone().on(event.clone());
                let words = format!("{} on {}", state.label(), event.label());
                assert_eq!(got.clone().ok(), expected, "{words}");
                if let Err(unexpected) = got {
                    assert_eq!(unexpected.state, state.label(), "{words}");
                    assert_eq!(unexpected.event, event.label(), "{words}");
                }
            }
        }
    }

    #[test]
    fn outcomes_are_read_back_by_their_words() {
        for label in ["confirmed", "reverted", "superseded", "cancelled"] {
            assert_eq!(Outcome::from_label(label).map(Outcome::label), Some(label));
        }
        assert_eq!(Outcome::from_label("pending"), None);
    }
}
