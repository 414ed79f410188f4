//! Who signed raw bytes: the check of every signature, and of every journalled transaction.

use alloy::{
    consensus::{Transaction as _, TxEnvelope, transaction::SignerRecoverable as _},
    eips::Decodable2718 as _,
    primitives::{Address, B256},
};

/// Who signed raw transaction bytes, and for which nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// The account whose key signed.
    pub from: Address,
    /// The nonce it was signed for.
    pub nonce: u64,
    /// Hash of the transaction.
    pub hash: B256,
}

/// Reads raw transaction bytes back, for instance from a journal.
///
/// # Errors
/// In words, when the bytes are not one signed transaction.
pub fn sender_of(raw: &[u8]) -> Result<Sender, String> {
    let mut rest = raw;
    let envelope = TxEnvelope::decode_2718(&mut rest).map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err(format!("{} bytes follow the transaction", rest.len()));
    }
    let from = envelope.recover_signer().map_err(|error| error.to_string())?;
    Ok(Sender { from, nonce: envelope.nonce(), hash: *envelope.tx_hash() })
}
