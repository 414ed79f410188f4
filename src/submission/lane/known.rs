//! Nonce and balance of the wallet, each with the block that it was told of: whoever needs one of that
//! very block does not ask again.

use alloy::primitives::{B256, U256};
use ballast_chains::{Head, reader::CallError};

use super::Lane;

/// What was told last. Both are of the state after a block, which its hash names beyond doubt.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The nonce, as the last observation found it.
    pub(super) nonce: Option<(B256, u64)>,
    /// The balance, wei, as an assessment brought it.
    pub(super) balance: Option<(B256, U256)>,
}

fn at<T: Copy>(told: Option<(B256, T)>, head: &Head) -> Option<T> {
    told.filter(|(block, _)| *block == head.hash).map(|(_, value)| value)
}

impl Lane {
    /// The wallet's nonce after the head.
    pub(super) async fn nonce_at(&self, head: &Head) -> Result<u64, CallError> {
        match at(self.known.nonce, head) {
            Some(nonce) => Ok(nonce),
            None => self.node.nonce(self.wallet.address(), head.into()).await,
        }
    }

    /// The wallet's balance after the head, wei.
    pub(super) async fn balance_at(&self, head: &Head) -> Result<U256, CallError> {
        match at(self.known.balance, head) {
            Some(balance) => Ok(balance),
            None => self.node.balance(self.wallet.address(), head.into()).await,
        }
    }
}
