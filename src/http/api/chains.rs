//! Chains and their nodes.

use serde::{Deserialize, Serialize};

/// Answer of `GET /api/v1/chains`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chains {
    /// By name.
    pub chains: Vec<Chain>,
}

/// A chain, or the copy of one that a product has for itself (`chain/product`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The stem of its file.
    pub name: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Symbol of the native currency.
    pub native_symbol: String,
    /// Base address of a block explorer.
    pub explorer: Option<String>,
    /// Expected milliseconds between blocks.
    pub block_time_ms: u64,
    /// Seconds after which a head counts as stale.
    pub stale_after: u64,
    /// The newest head; `null` before the first.
    pub head: Option<ChainHead>,
    /// No head, or one that is too old to act on.
    pub stale: bool,
    /// Which blocks the endpoints disagree about, while they do so without a majority.
    pub dispute: Option<String>,
    /// Its nodes, in order of preference.
    pub endpoints: Vec<Endpoint>,
}

/// The newest block of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: String,
    /// Its time.
    pub timestamp: u64,
    /// Seconds by which it lay behind the wall clock when this was answered.
    pub age: u64,
    /// Wei per gas, decimal; `null` on chains without EIP-1559.
    pub base_fee_per_gas: Option<String>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Host and port, never the address, which may carry a secret.
    pub label: String,
    /// `fit`, `lagging`, `cooling`, `quarantined` or `unverified`.
    pub state: String,
    /// Newest block it told.
    pub head: Option<u64>,
    /// Failures since its last answered read.
    pub failures: u32,
    /// What went wrong last, however long ago.
    pub last_error: Option<String>,
}
