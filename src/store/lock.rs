//! Keeps a second process away from the store: two keepers with one journal would both believe
//! that they own its wallets.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use super::StoreError;

/// An exclusive lock of the operating system. It ends with the process, however that ends, so it
/// is never stale; the file itself stays and means nothing.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Locks `STORE.lock` beside the store.
    pub(super) fn take(store: &Path) -> Result<Self, StoreError> {
        let lock = lock_path(store);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(|source| StoreError::Open { file: lock.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::InUse { file: store.to_path_buf(), lock })
            }
            Err(TryLockError::Error(source)) => Err(StoreError::Open { file: lock, source }),
        }
    }
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}
