//! New heads of a chain, in order, none twice, across disconnects, gaps and reorganisations.
//!
//! Nodes announce heads badly: a subscription that reconnects is silent about what it missed, a
//! slow listener loses announcements, a frozen node keeps its socket open, and a poll sees only
//! the newest block. So an announcement is taken as a hint and nothing more. Whatever it names is
//! linked by parent hashes to the heads already told; what lies between is fetched; and if the
//! link ends below the newest head, the difference is a reorganisation.
//!
//! Hints come from a WebSocket subscription per endpoint that has one, from polls (every eighth of
//! a block time around the time a block is due; rarely while a subscription lives) and from the
//! pool's probes. Which hints count when endpoints disagree about the newest blocks stands in
//! `reports`, and whose chain is followed when they are on different ones in `vote`.

mod known;
mod link;
mod poll;
mod reports;
mod stream;
mod vote;
mod ws;

use std::time::Duration;

use alloy::{
    eips::BlockNumberOrTag,
    primitives::B256,
    providers::{DynProvider, Provider as _},
    transports::{TransportError, TransportErrorKind},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use stream::HeadStream;
pub(crate) use vote::Dispute;

/// What is remembered of a block header. Enough to pin reads, price and follow the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Block number.
    pub number: u64,
    /// Block hash: the pin of every read.
    pub hash: B256,
    /// Hash of the parent block.
    pub parent: B256,
    /// Seconds since 1970 by the block's own clock.
    pub timestamp: u64,
    /// Base fee of this block, wei per gas; `None` on chains without EIP-1559.
    pub base_fee_per_gas: Option<u128>,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Gas used by the block.
    pub gas_used: u64,
}

/// What the head stream tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadEvent {
    /// The next block of the canonical chain: the child of the head told before it, or of `to`
    /// after a reorganisation. Three exceptions: the first head of all; after a gap of more than
    /// [`MAX_GAP`] blocks, where the blocks between are left out; and after a reorganisation
    /// deeper than what is remembered, where the chain starts over.
    Head(Head),
    /// The last `dropped` heads fell away; the blocks that follow start above `to`.
    Reorg {
        /// The newest head that is still canonical: the common ancestor. If the reorganisation
        /// goes deeper than the [`MAX_GAP`] heads remembered, the oldest of those, which is then
        /// not canonical either; everything included above it has to be looked up again.
        to: Head,
        /// How many known heads are no longer canonical.
        dropped: u64,
    },
    /// No endpoint has given a new head for this long. Told once, until there is a new head.
    Stalled(Duration),
}

/// Heads remembered, and the most blocks that are filled in one by one.
pub const MAX_GAP: usize = 512;

/// Why the head stream ended before it was stopped.
#[derive(Debug, Error)]
pub enum HeadsError {
    /// The receiver of the events is gone.
    #[error("nobody listens to the heads")]
    ConsumerGone,
}

/// The newest block by a provider, for what looks once and does not follow.
///
/// # Errors
/// When no endpoint answers, or one answers that it has no block at all.
pub async fn newest(provider: &DynProvider) -> Result<Head, TransportError> {
    let latest = (BlockNumberOrTag::Latest, false);
    let header: Option<RawHeader> =
        provider.raw_request("eth_getBlockByNumber".into(), latest).await?;
    header.map(Head::from).ok_or_else(|| TransportErrorKind::custom_str("the node has no block"))
}

/// A header as nodes answer it, reduced to what is remembered: tolerant of whatever else a chain
/// puts into its headers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawHeader {
    #[serde(with = "alloy::serde::quantity")]
    number: u64,
    hash: B256,
    parent_hash: B256,
    #[serde(with = "alloy::serde::quantity")]
    timestamp: u64,
    #[serde(default, with = "alloy::serde::quantity::opt")]
    base_fee_per_gas: Option<u128>,
    #[serde(with = "alloy::serde::quantity")]
    gas_limit: u64,
    #[serde(with = "alloy::serde::quantity")]
    gas_used: u64,
}

impl RawHeader {
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    pub(crate) const fn hash(&self) -> B256 {
        self.hash
    }
}

impl From<RawHeader> for Head {
    fn from(header: RawHeader) -> Self {
        Self {
            number: header.number,
            hash: header.hash,
            parent: header.parent_hash,
            timestamp: header.timestamp,
            base_fee_per_gas: header.base_fee_per_gas,
            gas_limit: header.gas_limit,
            gas_used: header.gas_used,
        }
    }
}
