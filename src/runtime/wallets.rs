//! Whose wallet is whose, and wallets whose signer takes its time.
//!
//! A key in a variable or file is there at once. A keystore takes a second to open, and a key
//! service may be out of reach; a product that waits for either must not hold up the others, so it
//! is the product's own task that asks, and until the address is known the product is not read. One
//! wallet has one owner on a chain, whenever it becomes known whose it is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use alloy::primitives::Address;
use ballast_chains::wallet::{Wallet, WalletError, keystore::Keystore};
use thiserror::Error;
use tokio::sync::OnceCell;

use crate::config::{Environment, ProductConfig, SecretError, WalletSource};

/// Why a product has no wallet (yet).
#[derive(Debug, Error)]
pub(crate) enum NoWallet {
    /// A key or password cannot be read.
    #[error("reading a secret of the wallet")]
    Secret(#[source] SecretError),
    /// The key cannot be used; the error says who has to act.
    #[error("the wallet cannot be used")]
    Wallet(#[source] WalletError),
    /// Another product has it.
    #[error(
        "products {owner} and {product} share the wallet {address} on chain id {chain_id}: \
         each needs its own"
    )]
    Shared {
        /// Who has it.
        owner: String,
        /// Who wants it.
        product: String,
        /// The wallet.
        address: Address,
        /// On this chain.
        chain_id: u64,
    },
}

/// Who has which wallet on which chain id. Clones share the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owners(Arc<Mutex<HashMap<(u64, Address), String>>>);

/// One product's wallet, now or later. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct WalletHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    product: Arc<ProductConfig>,
    chain_id: u64,
    environment: Environment,
    owners: Owners,
    address: OnceLock<Address>,
    wallet: OnceCell<Wallet>,
}

impl WalletHandle {
    /// The wallet of a product, open already if that takes no time.
    ///
    /// # Errors
    /// When it is known to be another product's, or a key or keystore cannot be read.
    pub(crate) fn new(
        product: Arc<ProductConfig>,
        chain_id: u64,
        environment: Environment,
        owners: Owners,
    ) -> Result<Self, NoWallet> {
        let (wallet, address) = match &product.wallet {
            WalletSource::WatchOnly(address) => (Some(Wallet::watch_only(*address)), None),
            WalletSource::Key(secret) => {
                let key = secret.resolve(&environment).map_err(NoWallet::Secret)?;
                (Some(Wallet::from_key(&key).map_err(NoWallet::Wallet)?), None)
            }
            WalletSource::Keystore { path, .. } => {
                let keystore = Keystore::read(path).map_err(WalletError::Keystore);
                (None, keystore.map_err(NoWallet::Wallet)?.address())
            }
            WalletSource::AwsKms(_) => (None, None),
        };
        let address = wallet.as_ref().map(Wallet::address).or(address);
        let inner = Inner {
            product,
            chain_id,
            environment,
            owners,
            address: OnceLock::new(),
            wallet: OnceCell::new_with(wallet),
        };
        let handle = Self { inner: Arc::new(inner) };
        address.map(|address| handle.inner.claim(address)).transpose()?;
        Ok(handle)
    }

    /// Its address, as soon as that is known.
    pub(crate) fn address(&self) -> Option<Address> {
        self.inner.address.get().copied()
    }

    /// Whether it is more than watched.
    pub(crate) fn can_sign(&self) -> bool {
        !matches!(self.inner.product.wallet, WalletSource::WatchOnly(_))
    }

    /// The wallet. If it is not open yet, this opens it, and is as slow as its signer. What failed
    /// may be tried again.
    ///
    /// # Errors
    /// When a secret, the keystore or the key service fails, or the wallet is another product's.
    pub(crate) async fn get(&self) -> Result<Wallet, NoWallet> {
        self.inner.wallet.get_or_try_init(|| self.inner.open()).await.cloned()
    }
}

impl Inner {
    async fn open(&self) -> Result<Wallet, NoWallet> {
        let wallet = match &self.product.wallet {
            WalletSource::WatchOnly(address) => Wallet::watch_only(*address),
            WalletSource::Key(secret) => {
                let key = secret.resolve(&self.environment).map_err(NoWallet::Secret)?;
                Wallet::from_key(&key).map_err(NoWallet::Wallet)?
            }
            // Read anew at each try: somebody may have mended it.
            WalletSource::Keystore { path, password } => {
                let password = password.resolve(&self.environment).map_err(NoWallet::Secret)?;
                let keystore = Keystore::read(path).map_err(WalletError::Keystore);
                let keystore = keystore.map_err(NoWallet::Wallet)?;
                keystore.unlock(password).await.map_err(NoWallet::Wallet)?
            }
            WalletSource::AwsKms(id) => in_aws_kms(id).await?,
        };
        self.claim(wallet.address())?;
        Ok(wallet)
    }

    fn claim(&self, address: Address) -> Result<(), NoWallet> {
        let mut owners = self.owners.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.chain_id, address);
        let owner = owners.entry(key).or_insert_with(|| self.product.name.clone());
        if *owner != self.product.name {
            return Err(NoWallet::Shared {
                owner: owner.clone(),
                product: self.product.name.clone(),
                address,
                chain_id: self.chain_id,
            });
        }
        // The file of a keystore names the address of its key, or opening it has failed.
        self.address.get_or_init(|| address);
        Ok(())
    }
}

#[cfg(feature = "aws-kms")]
async fn in_aws_kms(id: &str) -> Result<Wallet, NoWallet> {
    ballast_chains::wallet::aws_kms::connect(id).await.map_err(NoWallet::Wallet)
}

/// The configuration has refused such a wallet.
#[cfg(not(feature = "aws-kms"))]
async fn in_aws_kms(id: &str) -> Result<Wallet, NoWallet> {
    use ballast_chains::wallet::SignerError;
    let source = SignerError::Refused("this binary was built without AWS KMS".to_owned());
    let key = format!("AWS KMS key {id}");
    std::future::ready(Err(NoWallet::Wallet(WalletError::Connect { key, source }))).await
}

#[cfg(test)]
mod tests;
