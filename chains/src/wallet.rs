//! The account that sends: an address and, unless it is only watched, a signer.
//!
//! There is one [`Wallet`] whatever holds the key: a key in memory (from a variable, a file or an
//! encrypted [`keystore`]) or a key service that is asked over the network (AWS KMS, cargo feature
//! `aws-kms`). Signing is therefore slow and fallible by nature, so it is bounded by
//! [`SIGN_TIMEOUT`], and its errors say who acts.
//!
//! A signature is checked before it leaves here: the signed bytes are decoded and their sender
//! recovered, so that a signer which answers for another key, or something else than it was asked
//! for, cannot put a foreign transaction on the wire.

#[cfg(feature = "aws-kms")]
pub mod aws_kms;
mod error;
pub mod keystore;
mod sender;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use alloy::{
    consensus::{SignableTransaction as _, Transaction as _, TxEnvelope, TypedTransaction},
    eips::Encodable2718 as _,
    primitives::{Address, B256, Bytes, Signature},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use futures::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

pub use error::{SignerError, WalletError};
pub use sender::{Sender, sender_of};

/// Longest wait for one signature, a key service's own retries included. Longer than any service
/// takes that works, shorter than the patience of a chain with fast blocks; the next head is the
/// next try.
pub const SIGN_TIMEOUT: Duration = Duration::from_secs(5);

/// What signs hashes for one account.
pub trait SignHash: Send + Sync {
    /// A signature of the hash, low s, with the right parity.
    fn sign_hash(&self, hash: B256) -> BoxFuture<'_, Result<Signature, SignerError>>;
}

impl SignHash for PrivateKeySigner {
    fn sign_hash(&self, hash: B256) -> BoxFuture<'_, Result<Signature, SignerError>> {
        let signed = self.sign_hash_sync(&hash);
        Box::pin(async move { signed.map_err(|error| SignerError::BadAnswer(error.to_string())) })
    }
}

/// An address and, perhaps, its signer. Clones share the signer.
#[derive(Clone)]
pub struct Wallet {
    address: Address,
    signer: Option<Arc<dyn SignHash>>,
    limit: Duration,
}

/// A transaction that is ready to be sent. Its hash is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTx {
    /// Transaction hash.
    pub hash: B256,
    /// What `eth_sendRawTransaction` takes.
    pub raw: Bytes,
}

impl Wallet {
    /// A wallet that signs with this key: 64 hexadecimal digits, with or without `0x`; white space
    /// around them is ignored.
    ///
    /// # Errors
    /// [`WalletError::BadKey`], which says nothing about the text.
    pub fn from_key(key: &SecretString) -> Result<Self, WalletError> {
        let signer: PrivateKeySigner =
            key.expose_secret().trim().parse().map_err(|_| WalletError::BadKey)?;
        Ok(Self::with_signer(signer.address(), signer))
    }

    /// A wallet that has its signatures from elsewhere.
    pub fn with_signer(address: Address, signer: impl SignHash + 'static) -> Self {
        Self { address, signer: Some(Arc::new(signer)), limit: SIGN_TIMEOUT }
    }

    /// The same wallet, with another bound than [`SIGN_TIMEOUT`] for one signature.
    #[must_use]
    pub fn signing_within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// A wallet that can be looked at and simulated from, and nothing else.
    pub fn watch_only(address: Address) -> Self {
        Self { address, signer: None, limit: SIGN_TIMEOUT }
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether there is a signer.
    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// Signs, and checks what was signed. Takes [`SIGN_TIMEOUT`] at most.
    ///
    /// # Errors
    /// When there is no signer, it fails or takes too long, or its signature is not this wallet's.
    /// Nothing was signed then that anybody could send.
    pub async fn sign(&self, tx: impl Into<TypedTransaction>) -> Result<SignedTx, WalletError> {
        let tx = tx.into();
        let (address, limit) = (self.address, self.limit);
        let signer = self.signer.as_ref().ok_or(WalletError::WatchOnly(address))?;
        let nonce = tx.nonce();
        let signature = match timeout(limit, signer.sign_hash(tx.signature_hash())).await {
            Ok(Ok(signature)) => signature,
            Ok(Err(source)) => return Err(WalletError::Signer { address, source }),
            Err(_) => return Err(WalletError::TooSlow { address, limit }),
        };
        let envelope: TxEnvelope = tx.into_signed(signature).into();
        let signed = SignedTx { hash: *envelope.tx_hash(), raw: envelope.encoded_2718().into() };
        match sender_of(&signed.raw) {
            Ok(sender) if sender.from == address && sender.nonce == nonce => Ok(signed),
            Ok(sender) => Err(WalletError::Mismatch(
                address,
                format!("it is of {} for nonce {}", sender.from, sender.nonce),
            )),
            Err(problem) => Err(WalletError::Mismatch(address, problem)),
        }
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let can_sign = self.can_sign();
        f.debug_struct("Wallet")
            .field("address", &self.address)
            .field("can_sign", &can_sign)
            .finish()
    }
}
