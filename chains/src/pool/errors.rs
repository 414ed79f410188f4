//! What nodes say when they refuse, and what it means. No other file reads error texts; the texts
//! stand in the table beside this one, each with the clients that say it.
//!
//! JSON-RPC error codes mean different things at different clients (geth answers −32000 to nearly
//! everything), so refusals are told apart by their lower-cased text. A text that matches nothing is
//! never taken for a definite answer: a send then has an unknown outcome, which must be looked up by
//! hash.

mod texts;

use alloy::{
    primitives::Bytes,
    rpc::json_rpc::{ErrorPayload, ResponsePacket},
};

use crate::reader::CallError;
use texts::Refusal;

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

/// Reads a node's refusal of a raw transaction.
pub(super) fn read_refusal(text: &str) -> SendAnswer {
    let lower = text.to_lowercase();
    let refusal = texts::SEND.iter().find(|(pattern, _)| lower.contains(pattern));
    match refusal.map(|(_, refusal)| *refusal) {
        Some(Refusal::Known) => SendAnswer::AlreadyKnown,
        Some(Refusal::NonceTooLow) => SendAnswer::NonceTooLow,
        Some(Refusal::Replacement) => SendAnswer::ReplacementUnderpriced,
        Some(Refusal::Underpriced) => SendAnswer::Underpriced,
        Some(Refusal::Funds) => SendAnswer::InsufficientFunds,
        Some(Refusal::Other) => SendAnswer::Rejected(text.to_owned()),
        Some(Refusal::Unclear) | None => SendAnswer::Ambiguous(text.to_owned()),
    }
}

/// Whether refusals are told by this word, or a part of one is.
pub(super) fn is_told_by(word: &str) -> bool {
    let word = word.to_lowercase();
    let lists = [
        texts::BUSY,
        texts::MISSING_BLOCK,
        texts::TOO_MUCH,
        texts::UNABLE,
        texts::FINAL,
        texts::HALTS,
        &["execution reverted"],
    ];
    let reads = lists.into_iter().flatten().copied();
    reads.chain(texts::SEND.iter().map(|(pattern, _)| *pattern)).any(|text| text.contains(&word))
}

/// Whether an error text says that the node has not got the block or its state.
pub(super) fn says_block_is_missing(text: &str) -> bool {
    let text = text.to_lowercase();
    texts::MISSING_BLOCK.iter().any(|pattern| text.contains(pattern))
}

/// What an error answer to a read says about the endpoint. Ordered by how much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReadFault {
    /// The answer is the answer: a revert, a bad parameter. Other endpoints would say the same.
    Final,
    /// This endpoint cannot serve the request, or not one as large; another may. Nothing is wrong
    /// with it otherwise.
    Unable,
    /// It has not got the block, or not any more. Shortly after a head that is a matter of time.
    MissingBlock,
    /// It wants to be left alone for a while.
    Busy,
}

/// Judges one error of an answer to a read; `None` if neither code nor text is known.
fn known(error: &ErrorPayload) -> Option<ReadFault> {
    let text = error.message.to_lowercase();
    let says = |patterns: &[&str]| patterns.iter().any(|pattern| text.contains(pattern));
    if error.code == 3
        || text.contains("revert")
        || error.as_revert_data().is_some()
        || says(texts::HALTS)
        || says(texts::FINAL)
    {
        Some(ReadFault::Final)
    } else if says(texts::TOO_MUCH) {
        Some(ReadFault::Unable)
    } else if texts::BUSY_CODES.contains(&error.code) || says(texts::BUSY) {
        Some(ReadFault::Busy)
    } else if says(texts::MISSING_BLOCK) {
        Some(ReadFault::MissingBlock)
    } else if error.code == -32601 || says(texts::UNABLE) {
        Some(ReadFault::Unable)
    } else {
        None
    }
}

/// Whether an error is known to come out of the execution of a call, as a revert does.
pub(super) fn is_of_execution(error: &ErrorPayload) -> bool {
    known(error) == Some(ReadFault::Final)
}

/// Judges one error of an answer to a read.
pub(super) fn judge(error: &ErrorPayload) -> ReadFault {
    known(error).unwrap_or(ReadFault::Final)
}

/// Judges a whole answer by its worst error; `None` without one.
pub(super) fn judge_packet(packet: &ResponsePacket) -> Option<ReadFault> {
    packet.iter_errors().map(judge).max()
}

/// Whether an answer that came with an HTTP error status speaks about the request rather than
/// about the endpoint.
///
/// Some gateways give every JSON-RPC error a status of its own. An error that is understood, other
/// than "leave me alone", is believed whatever the status; one that is not is believed with a status
/// that blames the request (400, 404, 422), and blamed on the endpoint with any other (5xx, and
/// those about keys and plans).
pub(super) fn speaks_of_the_request(status: u16, packet: &ResponsePacket) -> bool {
    let blames_request = matches!(status, 400 | 404 | 422);
    let too_much = |error: &ErrorPayload| {
        let text = error.message.to_lowercase();
        texts::TOO_MUCH.iter().any(|pattern| text.contains(pattern))
    };
    let believed = |error: &ErrorPayload| match known(error) {
        Some(ReadFault::Busy) => false,
        Some(ReadFault::Unable) => status < 500 || error.code == -32601 || too_much(error),
        Some(ReadFault::Final | ReadFault::MissingBlock) => true,
        None => blames_request,
    };
    status != 429 && packet.is_error() && packet.iter_errors().all(believed)
}

/// Reads the error answer to a call.
pub(crate) fn read_call_error(payload: &ErrorPayload) -> CallError {
    let message = payload.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if let Some(data) = payload.as_revert_data().or_else(|| prefixed_revert(payload)) {
        CallError::Reverted(data)
    } else if says(texts::HALTS) {
        CallError::Halted(payload.message.to_string())
    } else if payload.code == 3 || message.contains("revert") {
        CallError::Reverted(Bytes::new())
    } else if says(texts::TOO_MUCH) || says(texts::FINAL) {
        CallError::Refused { code: payload.code, message: payload.message.to_string() }
    } else if payload.is_retry_err()
        || matches!(known(payload), Some(ReadFault::MissingBlock | ReadFault::Busy))
    {
        CallError::Unavailable(payload.to_string())
    } else if message.contains("vm execution error") {
        CallError::Halted(payload.to_string())
    } else {
        CallError::Refused { code: payload.code, message: payload.message.to_string() }
    }
}

/// Nethermind and its forebears put the data behind a word: `"Reverted 0x08c379a0…"`.
fn prefixed_revert(payload: &ErrorPayload) -> Option<Bytes> {
    let text = payload.try_data_as::<String>()?.ok()?;
    text.strip_prefix("Reverted ")?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
