//! Whether the store can do its work: by the file, and by what its last write came to. Asking writes
//! nothing, since anyone may ask.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What the last write came to. There is one at least every minute: decisions are written.
#[derive(Debug, Default)]
pub(super) struct LastWrite(Mutex<Option<String>>);

impl LastWrite {
    pub(super) fn note(&self, result: &Result<(), sqlx::Error>) {
        *self.failure_mut() = result.as_ref().err().map(|error| crate::error_chain(error));
    }

    /// Why it failed, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure_mut().clone()
    }

    fn failure_mut(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which file it is: device and number. What is written to a file that was deleted or replaced is
/// lost with the process, and the database does not notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    /// `None` where there is no such file: a store in memory.
    pub(super) fn of(file: &Path) -> Option<Self> {
        fs::metadata(file).ok().map(|found| Self(found.dev(), found.ino()))
    }
}
