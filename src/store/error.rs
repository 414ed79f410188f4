//! Why the store could not be used.

use std::path::PathBuf;

use thiserror::Error;

/// Why the store could not be used. All of these need a person.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process has the file.
    #[error("another ballast process uses {} (its lock is {})", file.display(), lock.display())]
    InUse {
        /// The store.
        file: PathBuf,
        /// The file that is locked.
        lock: PathBuf,
    },
    /// The file or its folder cannot be made or opened.
    #[error("opening {}", file.display())]
    Open {
        /// What was to be opened.
        file: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The database refused: not a database, no space, damaged …
    #[error("{what} {}", file.display())]
    Database {
        /// What was attempted.
        what: &'static str,
        /// The store.
        file: PathBuf,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// The tables cannot be brought to this version's shape.
    #[error("bringing the tables of {} up to date", file.display())]
    Migrate {
        /// The store.
        file: PathBuf,
        /// Why it failed.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// A row does not hold what this version writes.
    #[error("the store holds {what} that cannot be read: {detail}")]
    Corrupt {
        /// Which kind of row.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The file is not where it was opened: what is written goes to a file that has no name.
    #[error("{} was deleted or replaced: stop the keeper, and put it back", file.display())]
    Gone {
        /// The store.
        file: PathBuf,
    },
    /// The last write failed, and none has succeeded since.
    #[error("the last write failed: {detail}")]
    WriteFailed {
        /// Why.
        detail: String,
    },
    /// The store was opened for reading only, or is closed.
    #[error("the store takes no writes: it is {0}")]
    NotWritable(&'static str),
}
