//! What nodes say when they refuse, and what it means. No other file reads error texts.
//!
//! JSON-RPC error codes mean different things at different clients (geth answers −32000 to nearly
//! everything), so refusals are told apart by their lower-cased text. Every pattern names the
//! clients that say it. A text that matches nothing is never taken for a definite answer: a send
//! then has an unknown outcome, which must be looked up by hash.

use alloy::rpc::json_rpc::{ErrorPayload, ResponsePacket};

/// What one endpoint made of a raw transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendAnswer {
    /// Taken into the pool.
    Accepted,
    /// The endpoint has this very transaction already; as good as accepted.
    AlreadyKnown,
    /// The account's nonce has passed. Often by this very transaction: look for its receipt.
    NonceTooLow,
    /// Another transaction holds the nonce, and this one does not outbid it by enough.
    ReplacementUnderpriced,
    /// Offers less than the endpoint's pool takes.
    Underpriced,
    /// The account cannot pay for gas and value.
    InsufficientFunds,
    /// Refused for certain, for another reason: the endpoint's text.
    Rejected(String),
    /// Unknown outcome (unknown text, time-out, broken connection): counts as sent.
    Ambiguous(String),
}

impl SendAnswer {
    /// Fixed word for metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AlreadyKnown => "already_known",
            Self::NonceTooLow => "nonce_too_low",
            Self::ReplacementUnderpriced => "replacement_underpriced",
            Self::Underpriced => "underpriced",
            Self::InsufficientFunds => "insufficient_funds",
            Self::Rejected(_) => "rejected",
            Self::Ambiguous(_) => "ambiguous",
        }
    }
}

#[derive(Clone, Copy)]
enum Refusal {
    Known,
    NonceTooLow,
    Replacement,
    Underpriced,
    Funds,
    Other,
}

/// The first pattern that the lower-cased text contains decides, so the specific come first.
const SEND_TEXTS: &[(&str, Refusal)] = &[
    // geth, op-geth, reth, nethermind, erigon
    ("already known", Refusal::Known),
    // anvil
    ("already imported", Refusal::Known),
    // erigon: "existing txn with same hash"
    ("same hash", Refusal::Known),
    // nethermind before its texts
    ("alreadyknown", Refusal::Known),
    // all; geth and reth add the nonces
    ("nonce too low", Refusal::NonceTooLow),
    // nethermind before its texts
    ("oldnonce", Refusal::NonceTooLow),
    // geth: "future transaction tries to replace pending"
    ("future transaction", Refusal::Other),
    // all: "replacement transaction underpriced"; nethermind before its texts: "ReplacementNotAllowed"
    ("replacement", Refusal::Replacement),
    // erigon: "could not replace existing tx"
    ("could not replace", Refusal::Replacement),
    // geth, reth, nethermind: "transaction underpriced"; erigon: "underpriced"
    ("underpriced", Refusal::Underpriced),
    // erigon
    ("fee too low", Refusal::Underpriced),
    // nethermind before its texts
    ("feetoolow", Refusal::Underpriced),
    // anvil, which has no pool for such transactions
    ("less than block base fee", Refusal::Underpriced),
    // all; anvil starts it with a capital
    ("insufficient funds", Refusal::Funds),
    // geth, reth, anvil
    ("priority fee per gas higher", Refusal::Other),
    // geth, reth, anvil
    ("intrinsic gas too", Refusal::Other),
    // erigon
    ("intrinsicgas", Refusal::Other),
    // geth, reth
    ("exceeds block gas limit", Refusal::Other),
    // erigon: "gas limit is too high"; EIP-7825: "transaction gas limit too high"
    ("gas limit is too high", Refusal::Other),
    ("gas limit too high", Refusal::Other),
    // nethermind
    ("gas limit reached", Refusal::Other),
    // reth, anvil: "invalid chain id for signer"
    ("invalid chain id", Refusal::Other),
    // geth
    ("invalid sender", Refusal::Other),
    // anvil, reth: "failed to decode signed transaction"
    ("failed to decode", Refusal::Other),
    // geth: "rlp: expected input list …"
    ("rlp:", Refusal::Other),
    // geth, reth: the node's own --rpc.txfeecap
    ("exceeds the configured cap", Refusal::Other),
    // geth, reth
    ("txpool is full", Refusal::Other),
    // erigon
    ("pending sub-pool is full", Refusal::Other),
    // geth
    ("account limit exceeded", Refusal::Other),
    // geth: the account has a transaction in another pool (blobs)
    ("address already reserved", Refusal::Other),
    // nethermind
    ("nonce too far in future", Refusal::Other),
    // nethermind
    ("node is syncing", Refusal::Other),
];

/// Reads a node's refusal of a raw transaction.
pub(super) fn read_refusal(text: &str) -> SendAnswer {
    let lower = text.to_lowercase();
    let refusal = SEND_TEXTS.iter().find(|(pattern, _)| lower.contains(pattern));
    match refusal.map(|(_, refusal)| *refusal) {
        Some(Refusal::Known) => SendAnswer::AlreadyKnown,
        Some(Refusal::NonceTooLow) => SendAnswer::NonceTooLow,
        Some(Refusal::Replacement) => SendAnswer::ReplacementUnderpriced,
        Some(Refusal::Underpriced) => SendAnswer::Underpriced,
        Some(Refusal::Funds) => SendAnswer::InsufficientFunds,
        Some(Refusal::Other) => SendAnswer::Rejected(text.to_owned()),
        None => SendAnswer::Ambiguous(text.to_owned()),
    }
}

/// What an error answer to a read says about the endpoint. Ordered by how much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReadFault {
    /// The answer is the answer: a revert, a bad parameter. Other endpoints would say the same.
    Final,
    /// This endpoint cannot serve the request; another may. Nothing is wrong with it otherwise.
    Unable,
    /// It has not got the block, or not any more. Shortly after a head that is a matter of time.
    MissingBlock,
    /// It wants to be left alone for a while.
    Busy,
}

/// Error codes that mean "too many requests": HTTP's own, Infura, Cloudflare.
const BUSY_CODES: &[i64] = &[429, -32005, -32055];

const BUSY_TEXTS: &[&str] = &[
    // Infura, Alchemy, Ankr
    "rate limit",
    // Infura: "daily request count exceeded, request rate limited"
    "request count exceeded",
    // Alchemy: "exceeded its compute units per second capacity"
    "compute units per second",
    // QuickNode: "100/second request limit reached"
    "request limit",
    // QuickNode: "credits limited to 6000/sec"
    "credits limited",
    // many gateways
    "too many requests",
    "rate exceeded",
    "capacity exceeded",
    "maximum number of concurrent requests",
];

const MISSING_BLOCK_TEXTS: &[&str] = &[
    // geth, nethermind, reth, Infura
    "header not found",
    "header for hash not found",
    // geth
    "unknown block",
    // erigon, reth
    "block not found",
    "block hash not found",
    // anvil, by hash
    "resource not found",
    // anvil, by number
    "blockoutofrange",
    // geth without the state of that block
    "missing trie node",
    "historical state",
    // nethermind
    "no state available",
    // reth: "state at block … is pruned"
    "is pruned",
    "state not available",
    "state is not available",
];

/// Whether an error text, in lower case, says that the node has not got the block or its state.
pub(crate) fn says_block_is_missing(message: &str) -> bool {
    MISSING_BLOCK_TEXTS.iter().any(|text| message.contains(text))
}

const UNABLE_TEXTS: &[&str] = &[
    // all: −32601
    "method not found",
    "does not exist/is not available",
    "not supported",
    "unsupported method",
    // geth: "execution aborted (timeout = 5s)"
    "execution aborted",
    "request timed out",
    "gateway timeout",
    "internal server error",
    "temporarily unavailable",
    "upstream",
];

/// Judges one error of an answer to a read.
pub(super) fn judge(error: &ErrorPayload) -> ReadFault {
    let text = error.message.to_lowercase();
    let says = |patterns: &[&str]| patterns.iter().any(|pattern| text.contains(pattern));
    if error.code == 3 || text.contains("revert") {
        ReadFault::Final
    } else if BUSY_CODES.contains(&error.code) || says(BUSY_TEXTS) {
        ReadFault::Busy
    } else if says(MISSING_BLOCK_TEXTS) {
        ReadFault::MissingBlock
    } else if error.code == -32601 || says(UNABLE_TEXTS) {
        ReadFault::Unable
    } else {
        ReadFault::Final
    }
}

/// Judges a whole answer by its worst error; `None` without one.
pub(super) fn judge_packet(packet: &ResponsePacket) -> Option<ReadFault> {
    packet.iter_errors().map(judge).max()
}

#[cfg(test)]
mod tests;
