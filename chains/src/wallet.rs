//! The account that sends: an address and, unless it is only watched, a signer.
//!
//! A signature is checked before it leaves here: the signed bytes are decoded and their sender
//! recovered, so that a signer which answers for another key, or something else than it was asked
//! for, cannot put a foreign transaction on the wire.

use std::{fmt, sync::Arc};

use alloy::{
    consensus::{SignableTransaction as _, Transaction as _, TxEnvelope, TypedTransaction},
    eips::{Decodable2718 as _, Encodable2718 as _},
    network::TxSigner,
    primitives::{Address, B256, Bytes, Signature},
    signers::local::PrivateKeySigner,
};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

/// Signs for one address: a local key now; keystores and key services fit the same shape.
type Signer = Arc<dyn TxSigner<Signature> + Send + Sync>;

/// An address and, perhaps, its signer. Clones share the signer.
#[derive(Clone)]
pub struct Wallet {
    address: Address,
    signer: Option<Signer>,
}

/// A transaction that is ready to be sent. Its hash is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTx {
    /// Transaction hash.
    pub hash: B256,
    /// What `eth_sendRawTransaction` takes.
    pub raw: Bytes,
}

/// Why a wallet cannot be used. No variant shows any part of a key.
#[derive(Debug, Error)]
pub enum WalletError {
    /// The text is not 32 bytes of hexadecimal digits, or not a valid key of the curve.
    #[error("not a private key: 64 hexadecimal digits are expected, with or without 0x")]
    BadKey,
    /// The wallet only watches.
    #[error("{0} is watched only: it has no signer")]
    WatchOnly(Address),
    /// The signer refused or could not be reached.
    #[error("signing for {address}")]
    Signer {
        /// Who should have signed.
        address: Address,
        /// What the signer said.
        #[source]
        source: alloy::signers::Error,
    },
    /// The signed bytes are not a transaction of this wallet with the content asked for.
    #[error("the signature for {0} is not one: {1}")]
    Mismatch(Address, String),
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
        Ok(Self { address: signer.address(), signer: Some(Arc::new(signer)) })
    }

    /// A wallet that has its signatures from elsewhere.
    pub fn with_signer(
        address: Address,
        signer: impl TxSigner<Signature> + Send + Sync + 'static,
    ) -> Self {
        Self { address, signer: Some(Arc::new(signer)) }
    }

    /// A wallet that can be looked at and simulated from, and nothing else.
    pub fn watch_only(address: Address) -> Self {
        Self { address, signer: None }
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether there is a signer.
    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// Signs, and checks what was signed.
    ///
    /// # Errors
    /// When there is no signer, it fails, or its signature is not this wallet's.
    pub async fn sign(&self, tx: impl Into<TypedTransaction>) -> Result<SignedTx, WalletError> {
        let mut tx = tx.into();
        let signer = self.signer.as_ref().ok_or(WalletError::WatchOnly(self.address))?;
        let signature = signer
            .sign_transaction(&mut tx)
            .await
            .map_err(|source| WalletError::Signer { address: self.address, source })?;
        let envelope: TxEnvelope = tx.clone().into_signed(signature).into();
        let signed = SignedTx { hash: *envelope.tx_hash(), raw: envelope.encoded_2718().into() };
        match sender_of(&signed.raw) {
            Ok(sender) if sender.from == self.address && sender.nonce == tx.nonce() => Ok(signed),
            Ok(sender) => Err(WalletError::Mismatch(
                self.address,
                format!("it is of {} for nonce {}", sender.from, sender.nonce),
            )),
            Err(problem) => Err(WalletError::Mismatch(self.address, problem)),
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
    let from = alloy::consensus::transaction::SignerRecoverable::recover_signer(&envelope)
        .map_err(|error| error.to_string())?;
    Ok(Sender { from, nonce: envelope.nonce(), hash: *envelope.tx_hash() })
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;
    use alloy::{
        consensus::TxEip1559,
        primitives::{TxKind, U256, address},
    };

    /// The first account of anvil's well-known test mnemonic.
    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    fn tx(nonce: u64) -> TxEip1559 {
        TxEip1559 {
            chain_id: 1,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 2,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(Address::ZERO),
            value: U256::from(7),
            ..TxEip1559::default()
        }
    }

    /// A signer that answers for another key than it claims.
    struct Impostor(PrivateKeySigner);

    impl TxSigner<Signature> for Impostor {
        fn address(&self) -> Address {
            Address::ZERO
        }
        fn sign_transaction<'a, 't, 'f>(
            &'a self,
            tx: &'t mut dyn alloy::consensus::SignableTransaction<Signature>,
        ) -> Pin<Box<dyn Future<Output = alloy::signers::Result<Signature>> + Send + 'f>>
        where
            'a: 'f,
            't: 'f,
            Self: 'f,
        {
            self.0.sign_transaction(tx)
        }
    }

    #[tokio::test]
    async fn a_signature_is_read_back() {
        let wallet = Wallet::from_key(&SecretString::from(format!(" {KEY}\n"))).unwrap();
        assert_eq!(wallet.address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        let signed = wallet.sign(tx(3)).await.unwrap();
        let sender = sender_of(&signed.raw).unwrap();
        assert_eq!(sender, Sender { from: wallet.address(), nonce: 3, hash: signed.hash });
        assert!(sender_of(&[signed.raw.as_ref(), &[0]].concat()).is_err());
        assert!(sender_of(&signed.raw[1..]).is_err());
    }

    #[tokio::test]
    async fn a_signer_of_another_key_is_found_out() {
        let impostor = Impostor(KEY.parse().unwrap());
        let wallet = Wallet { address: Address::ZERO, signer: Some(Arc::new(impostor)) };
        let refused = wallet.sign(tx(0)).await.unwrap_err();
        assert!(matches!(refused, WalletError::Mismatch(Address::ZERO, _)), "{refused}");
    }

    #[tokio::test]
    async fn a_watched_wallet_signs_nothing() {
        let wallet = Wallet::watch_only(Address::ZERO);
        assert!(!wallet.can_sign());
        assert!(matches!(wallet.sign(tx(0)).await, Err(WalletError::WatchOnly(_))));
    }

    #[test]
    fn a_bad_key_is_never_shown() {
        let zero = "0".repeat(64);
        for key in ["", "0x12", "hunter2", &KEY[..64], &format!("{KEY}00"), &zero] {
            let error = Wallet::from_key(&SecretString::from(key)).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(key.is_empty() || !shown.contains(key), "{shown}");
        }
        let wallet = Wallet::from_key(&SecretString::from(KEY)).unwrap();
        assert!(!format!("{wallet:?}").to_lowercase().contains(&KEY[4..20]));
    }
}
