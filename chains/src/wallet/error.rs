//! Why a wallet cannot be had or used, and who has to act.

use std::time::Duration;

use alloy::primitives::Address;
use thiserror::Error;

use super::keystore::KeystoreError;

/// Why a wallet cannot be used. No variant shows any part of a key.
#[derive(Debug, Error)]
pub enum WalletError {
    /// The text is not 32 bytes of hexadecimal digits, or not a valid key of the curve.
    #[error("not a private key: 64 hexadecimal digits are expected, with or without 0x")]
    BadKey,
    /// The wallet only watches.
    #[error("{0} is watched only: it has no signer")]
    WatchOnly(Address),
    /// The keystore cannot be used. A person has to act.
    #[error("opening the keystore")]
    Keystore(#[source] KeystoreError),
    /// The signer could not be asked who it signs for.
    #[error("asking {key} for its public key")]
    Connect {
        /// The key, as the configuration names it.
        key: String,
        /// What went wrong.
        #[source]
        source: SignerError,
    },
    /// The signer did not sign.
    #[error("signing for {address}")]
    Signer {
        /// Who should have signed.
        address: Address,
        /// What went wrong.
        #[source]
        source: SignerError,
    },
    /// The signer did not answer in time. The next head is the next try.
    #[error("the signer of {address} did not answer within {} s", limit.as_secs())]
    TooSlow {
        /// Who should have signed.
        address: Address,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The signed bytes are not a transaction of this wallet with the content asked for.
    #[error("the signature for {0} is not one: {1}")]
    Mismatch(Address, String),
}

/// Why a signer gave no signature.
#[derive(Debug, Error)]
pub enum SignerError {
    /// It could not be reached, is overloaded or has a fault of its own. Passes by itself.
    #[error("the key service is not available: {0}")]
    Unavailable(String),
    /// It refuses: permissions, credentials, region, or the state of the key. The operator of the
    /// key has to act.
    #[error("the key service refuses, and the operator of the key has to act: {0}")]
    Refused(String),
    /// It answered with something that is no signature of the key, or no key that can be used here.
    #[error("the key service gave a wrong answer, and the operator of the key has to act: {0}")]
    BadAnswer(String),
}

impl WalletError {
    /// Whether trying again may help without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TooSlow { .. } => true,
            Self::Connect { source, .. } | Self::Signer { source, .. } => source.is_transient(),
            Self::BadKey | Self::WatchOnly(_) | Self::Keystore(_) | Self::Mismatch(..) => false,
        }
    }
}

impl SignerError {
    /// Whether trying again may help without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Refused(_) | Self::BadAnswer(_) => false,
        }
    }
}
