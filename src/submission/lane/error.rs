//! Why a lane could not do its work, and who has to act.

use std::sync::Arc;

use alloy::primitives::Address;
use ballast_chains::{fees::FeeError, reader::CallError, wallet::WalletError};
use thiserror::Error;

use super::super::lifecycle::Unexpected;
use crate::store::StoreError;

/// Why a lane could not do its work.
#[derive(Debug, Error)]
pub enum LaneError {
    /// No node gave an answer to go by. The next head is the retry.
    #[error("reading {what}")]
    Node {
        /// What was read.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: CallError,
    },
    /// There is no price to go by.
    #[error("reading the price of gas")]
    Fees(#[source] Arc<FeeError>),
    /// The journal cannot be read or written, so nothing may be sent. A person has to act.
    #[error("using the journal")]
    Journal(#[source] StoreError),
    /// The wallet did not sign; its error says who has to act.
    #[error("signing")]
    Wallet(#[source] WalletError),
    /// The signer answered with something else than was asked for. It was neither journalled nor
    /// sent. Whoever runs the signer has to act.
    #[error("the signer of {wallet} gave a wrong transaction: {problem}; nothing was sent")]
    WrongSignature {
        /// Who should have signed.
        wallet: Address,
        /// What is wrong with it.
        problem: String,
    },
    /// The lane was about to break its own rule. A bug; the state was kept.
    #[error("keeping the lifecycle's rules")]
    Lifecycle(#[source] Unexpected),
    /// Somebody stopped the product while this was simulated or signed. Nothing was journalled.
    #[error("{0}, while it was simulated and signed; it was not sent")]
    Stopped(&'static str),
    /// The store is for reading only, and nothing is sent that cannot be journalled.
    #[error("nothing can be sent: the store was opened for reading only")]
    ReadOnly,
}

impl LaneError {
    /// In fixed words.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Node { .. } => "no usable answer from a node",
            Self::Fees(cause) => match **cause {
                FeeError::NoBaseFee(_) => "chain without base fee",
                FeeError::History(_) | FeeError::GasPrice(_) | FeeError::Overflow(_) => {
                    "no price of gas"
                }
            },
            Self::Journal(_) => "journal not usable",
            Self::Wallet(_) => "signing failed",
            Self::WrongSignature { .. } => "signer gave a wrong transaction",
            Self::Lifecycle(_) => "lifecycle broken",
            Self::Stopped(why) => why,
            Self::ReadOnly => "store is read-only",
        }
    }

    /// Whether trying again at a later block may help without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Node { .. } => true,
            Self::Fees(cause) => match **cause {
                FeeError::History(_) | FeeError::GasPrice(_) | FeeError::Overflow(_) => true,
                FeeError::NoBaseFee(_) => false,
            },
            Self::Wallet(error) => error.is_transient(),
            Self::Journal(_)
            | Self::WrongSignature { .. }
            | Self::Lifecycle(_)
            | Self::Stopped(_)
            | Self::ReadOnly => false,
        }
    }
}
