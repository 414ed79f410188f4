//! Encrypted key files: web3 secret storage version 3, as geth, foundry and most wallets write it.
//!
//! The key derivation is slow and large on purpose (a usual file takes a second and up to 256 MiB),
//! so files are opened one at a time on a thread that may block, and a file that asks for more than
//! `form`'s bounds is refused before anything is derived. Whoever can read the file can try
//! passwords, so a file that others can read is refused too.

mod cipher;
mod file;
mod form;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use alloy::{
    primitives::Address,
    signers::{k256::elliptic_curve::rand_core::OsRng, local::PrivateKeySigner},
};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use tokio::{sync::Semaphore, task::spawn_blocking};

use self::{cipher::Unsealed, form::Sealed};
use super::{Wallet, WalletError};

pub use cipher::Cost;

/// Key derivation takes much memory, and a keeper may have a hundred keystores.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// A keystore that was read and found to be one. Still locked.
#[derive(Debug, Clone)]
pub struct Keystore {
    path: PathBuf,
    sealed: Sealed,
}

/// Why a keystore cannot be used. All of these need a person.
#[derive(Debug, Error)]
pub enum KeystoreError {
    /// The file cannot be read.
    #[error("reading keystore {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner can read or change the file.
    #[error("keystore {path} is open to others (mode {mode:04o}): run `chmod 600 {path}`", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content is no keystore that can be used.
    #[error("{} is not a keystore (web3 secret storage, version 3): {detail}", path.display())]
    NotKeystore {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The password does not open it.
    #[error("the password does not open keystore {}, or the file is damaged", path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
    },
    /// The address in the file is not that of the key in it.
    #[error("keystore {} says it is of {says} and holds the key of {holds}", path.display())]
    OtherAddress {
        /// The file.
        path: PathBuf,
        /// The address that the file names.
        says: Address,
        /// The address of its key.
        holds: Address,
    },
    /// There is a file already.
    #[error("{} exists, and a keystore is never overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("writing keystore {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Keystore {
    /// Reads a file and checks everything that can be checked without the password: permissions,
    /// form, and that opening it stays within bounds.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or it is no keystore.
    pub fn read(path: &Path) -> Result<Self, KeystoreError> {
        let text = file::read(path)?;
        let sealed = Sealed::parse(&text)
            .map_err(|detail| KeystoreError::NotKeystore { path: path.to_owned(), detail })?;
        Ok(Self { path: path.to_owned(), sealed })
    }

    /// The address that the file names. Optional in the format, and believed only once the file
    /// is open.
    pub fn address(&self) -> Option<Address> {
        self.sealed.address
    }

    /// Opens it. Waits for those before it, and then derives on a thread that may block.
    ///
    /// # Errors
    /// When the password is wrong or the file does not hold what it says.
    pub async fn unlock(self, password: SecretString) -> Result<Wallet, WalletError> {
        let path = self.path.clone();
        let turn = ONE_AT_A_TIME.acquire().await;
        let opened = spawn_blocking(move || {
            let opened = self.open(&password);
            // Only now, even if nobody waits for the result any more.
            drop(turn);
            opened
        })
        .await;
        let signer = opened.unwrap_or_else(|panic| {
            Err(KeystoreError::NotKeystore { path, detail: format!("opening it failed: {panic}") })
        });
        let signer = signer.map_err(WalletError::Keystore)?;
        Ok(Wallet::with_signer(signer.address(), signer))
    }

    fn open(&self, password: &SecretString) -> Result<PrivateKeySigner, KeystoreError> {
        let path = || self.path.clone();
        let key = match cipher::unseal(&self.sealed, password.expose_secret()) {
            Unsealed::Key(key) => key,
            Unsealed::WrongPassword => return Err(KeystoreError::WrongPassword { path: path() }),
        };
        let signer = PrivateKeySigner::from_slice(key.as_slice()).map_err(|_| {
            let detail = "it does not hold a private key".to_owned();
            KeystoreError::NotKeystore { path: path(), detail }
        })?;
        match self.sealed.address {
            Some(says) if says != signer.address() => {
                Err(KeystoreError::OtherAddress { path: path(), says, holds: signer.address() })
            }
            Some(_) | None => Ok(signer),
        }
    }
}

/// Makes a key from the system's random source and writes it, encrypted, to a new file that only
/// its owner can read. Gives its address.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn create(path: &Path, password: &SecretString, cost: Cost) -> Result<Address, KeystoreError> {
    write(path, &PrivateKeySigner::random_with(&mut OsRng), password, cost)
}

/// Writes a key that exists already, like [`create`].
///
/// # Errors
/// When it is not a key, the file exists or cannot be written.
pub fn import(
    path: &Path,
    key: &SecretString,
    password: &SecretString,
    cost: Cost,
) -> Result<Address, WalletError> {
    let signer: PrivateKeySigner =
        key.expose_secret().trim().parse().map_err(|_| WalletError::BadKey)?;
    write(path, &signer, password, cost).map_err(WalletError::Keystore)
}

fn write(
    path: &Path,
    signer: &PrivateKeySigner,
    password: &SecretString,
    cost: Cost,
) -> Result<Address, KeystoreError> {
    // Before the second that deriving takes; the file itself refuses again.
    if path.symlink_metadata().is_ok() {
        return Err(KeystoreError::Exists { path: path.to_owned() });
    }
    let sealed = cipher::seal(signer, password.expose_secret(), cost);
    file::write_new(path, &sealed.to_json())?;
    Ok(signer.address())
}
