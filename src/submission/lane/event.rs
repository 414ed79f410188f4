//! What an observation found, for people and alerts.

use std::fmt;

use alloy::primitives::{Address, B256, U256};
use ballast_chains::{
    amount::{ether, gwei},
    fees::extra::ExtraFees,
};
use serde::Serialize;

use super::super::{lifecycle::Outcome, pricing::Price, slot::AttemptKind};

/// Something that happened to a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum LaneEvent {
    /// Another attempt was signed for a nonce and sent.
    Replaced {
        /// The nonce.
        nonce: u64,
        /// The action's name.
        action: String,
        /// Whether it still is the action, or gives it up.
        kind: AttemptKind,
        /// The new attempt.
        hash: B256,
        /// What it offers.
        price: Price,
        /// Why it was made.
        why: String,
    },
    /// A replacement is due and not made.
    NotReplaced {
        /// The nonce.
        nonce: u64,
        /// Why, in fixed words.
        reason: &'static str,
        /// With figures.
        detail: String,
    },
    /// A nonce that is not ours is free, keeps ours from being included, and is not filled.
    GapNotFilled {
        /// The free nonce.
        nonce: u64,
        /// Why, in fixed words.
        reason: &'static str,
        /// With figures.
        detail: String,
    },
    /// An attempt is in a block.
    Included {
        /// The nonce.
        nonce: u64,
        /// The action's name.
        action: String,
        /// The attempt.
        hash: B256,
        /// The block.
        block: u64,
        /// How it ends if this stays.
        outcome: Outcome,
        /// All that it cost, wei.
        cost: U256,
        /// What of it was paid beside gas × price.
        extra: ExtraFees,
        /// Native currency that the call paid to the wallet, wei.
        income: U256,
    },
    /// An attempt is in a block that cannot fall away, and no endpoint has its receipt.
    ReceiptMissing {
        /// The nonce.
        nonce: u64,
        /// The action's name.
        action: String,
        /// The attempt.
        hash: B256,
    },
    /// The block that held it is no longer canonical.
    Reorged {
        /// The nonce.
        nonce: u64,
        /// The block that held it.
        block: u64,
    },
    /// The state moved as it should.
    PostconditionHeld {
        /// The nonce.
        nonce: u64,
        /// The action's name.
        action: String,
        /// What was compared.
        what: String,
    },
    /// Included and successful, and yet the state did not move as it should.
    PostconditionMissed {
        /// The nonce.
        nonce: u64,
        /// The action's name.
        action: String,
        /// What was compared.
        what: String,
        /// The view's raw word in the parent block.
        before: U256,
        /// The same in the block that holds it.
        after: U256,
    },
    /// A nonce is spent for good.
    Final {
        /// The nonce.
        nonce: u64,
        /// The action's name.
        action: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// A nonce that somebody else used is final, and in the journal.
    Adopted {
        /// The nonce.
        nonce: u64,
        /// The transaction, if it was found.
        hash: Option<B256>,
        /// What it cost, wei, if it was found.
        cost: Option<U256>,
    },
    /// A nonce that was spent for good is free again, or used by another block: the chain was
    /// reorganised below the finality that is configured.
    Undone {
        /// The nonce.
        nonce: u64,
        /// How it had ended.
        outcome: Outcome,
    },
    /// The product's wallet changed while this was under way from the one before.
    FormerWallet {
        /// The wallet before.
        wallet: Address,
        /// Its nonces that are not final.
        nonces: Vec<u64>,
    },
    /// The key was used by somebody else.
    Foreign {
        /// The first nonce that is not ours.
        from: u64,
        /// The nonce after the last.
        to: u64,
    },
}

impl LaneEvent {
    /// Stable word for the step.
    pub fn step(&self) -> &'static str {
        match self {
            Self::Replaced { kind: AttemptKind::Cancellation, .. } => "cancelling",
            Self::Replaced { .. } => "replaced",
            Self::NotReplaced { .. } => "not_replaced",
            Self::GapNotFilled { .. } => "gap_not_filled",
            Self::Included { .. } => "included",
            Self::ReceiptMissing { .. } => "receipt_missing",
            Self::Reorged { .. } => "reorged",
            Self::PostconditionHeld { .. } => "postcondition_held",
            Self::PostconditionMissed { .. } => "postcondition_missed",
            Self::Final { .. } => "final",
            Self::Adopted { .. } => "adopted",
            Self::Undone { .. } => "undone",
            Self::FormerWallet { .. } => "former_wallet",
            Self::Foreign { .. } => "foreign",
        }
    }
}

impl fmt::Display for LaneEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { nonce, action, kind, hash, price, why } => write!(
                f,
                "{action} at nonce {nonce}: {} {hash} because {why}, at up to {} gwei per gas, tip {}",
                kind.label(),
                gwei(price.max_fee_per_gas),
                gwei(price.max_priority_fee_per_gas)
            ),
            Self::NotReplaced { nonce, reason, detail } => {
                write!(f, "nonce {nonce} is not replaced: {reason}; {detail}")
            }
            Self::GapNotFilled { nonce, reason, detail } => write!(
                f,
                "nonce {nonce} is free and keeps later ones from being included, and is not filled: \
                 {reason}; {detail}"
            ),
            Self::Included { nonce, action, hash, block, outcome, cost, extra, income } => {
                let how = match outcome {
                    Outcome::Confirmed => "included",
                    Outcome::Reverted => "included but reverted",
                    Outcome::Cancelled => "given up: its cancellation is included",
                    Outcome::Superseded | Outcome::Foreign => "superseded",
                };
                write!(f, "{action} {how} in block {block} at nonce {nonce} ({hash})")?;
                write!(f, ", gas cost {}", ether(*cost))?;
                if !extra.total().is_zero() {
                    write!(f, ", of it {} beside execution", ether(extra.total()))?;
                }
                if income.is_zero() { Ok(()) } else { write!(f, ", income {}", ether(*income)) }
            }
            Self::ReceiptMissing { nonce, action, hash } => write!(
                f,
                "{action} at nonce {nonce} is in a final block ({hash}), but no endpoint has its receipt: \
                 nothing more is sent before one has; look at the chain's endpoints, or add one"
            ),
            Self::Reorged { nonce, block } => write!(
                f,
                "block {block} fell away; the transaction at nonce {nonce} waits for inclusion again"
            ),
            Self::PostconditionHeld { action, what, .. } => {
                write!(f, "{action} moved the {what} as intended")
            }
            Self::PostconditionMissed { nonce, action, what, before, after } => write!(
                f,
                "{action} at nonce {nonce} succeeded, but the {what} did not move as intended: {before} before, {after} after"
            ),
            Self::Final { nonce, action, outcome } => {
                write!(f, "{action} at nonce {nonce} is final: {}", outcome.label())
            }
            Self::Adopted { nonce, hash, cost } => adopted(f, *nonce, *hash, *cost),
            Self::Undone { nonce, outcome } => write!(
                f,
                "nonce {nonce} was final ({}) and is not any more: the chain was reorganised below \
                 its configured finality, or an endpoint is on another chain",
                outcome.label()
            ),
            Self::FormerWallet { wallet, nonces } => write!(
                f,
                "{wallet}, the product's wallet before, has nonces {nonces:?} that are not final; \
                 they are watched, and only that wallet's key could replace them"
            ),
            Self::Foreign { from, to } => write!(
                f,
                "the wallet's nonce went from {from} to {to} by transactions that are not ours"
            ),
        }
    }
}

fn adopted(
    f: &mut fmt::Formatter<'_>,
    nonce: u64,
    hash: Option<B256>,
    cost: Option<U256>,
) -> fmt::Result {
    let Some(hash) = hash else {
        return write!(
            f,
            "nonce {nonce} was used by a transaction that is not ours, is final and cannot be found"
        );
    };
    write!(f, "nonce {nonce} was used by {hash}, which is not ours and is final")?;
    match cost {
        Some(cost) => write!(f, "; gas cost {}", ether(cost)),
        None => Ok(()),
    }
}
