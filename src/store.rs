//! What survives a restart, in one SQLite file.
//!
//! There is one writer, a task that owns the only writing connection. Journal batches go first:
//! those that wait together become one transaction, and whoever handed one in hears back only when it
//! is written: on the disk (`synchronous=FULL`) if something is sent on the strength of it, else in
//! order before whatever is (`Durable`). Decisions and series come second, gathered into one
//! transaction per block; when the disk cannot follow they are dropped and counted, never the journal. Readers have connections of
//! their own and wait for no write; those of people are apart from those of guard and submission
//! ([`Store::for_looking`]), so whoever looks delays nobody who acts.
//!
//! The statements are the dialect that SQLite and PostgreSQL share; the tables are in [`schema`].

mod agreements;
mod cells;
mod decisions;
mod error;
mod health;
mod lock;
mod open;
mod pauses;
mod reserve;
pub mod schema;
mod series;
mod spending;
mod statement;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::TryStreamExt as _;
use sqlx::{Either, Executor as _, SqlitePool};

pub use agreements::{Agreement, Moved};
pub(crate) use cells::Cells;
pub use decisions::{DecisionRow, StoredObservation};
pub use error::StoreError;
pub use pauses::Pause;
pub use series::{MAX_SERIES, Resolution, SeriesKey, SeriesRecorder};
#[cfg(test)]
pub(crate) use spending::tests::JournalRow;
pub(crate) use spending::{Books, MAX_RECENT, RecentCall};
pub use spending::{Cost, FirstDue};
pub(crate) use statement::Statement;

use crate::{failpoint, ledger::Ledger, submission::Journal};
use health::{FileId, LastWrite};
use lock::FileLock;
pub(crate) use writer::Durable;
use writer::Writer;

/// The store. Clones share everything.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
    desk: Desk,
}

/// Whose connections a handle reads over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Desk {
    /// Those of whatever acts.
    Acting,
    /// Those of people who look.
    Looking,
}

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    acting: SqlitePool,
    looking: SqlitePool,
    writer: Option<Writer>,
    is_short: Arc<AtomicBool>,
    last_write: Arc<LastWrite>,
    /// The file that was opened; `None` for a store in memory.
    opened: Option<FileId>,
    /// Held until the store is closed or gone.
    lock: Mutex<Option<FileLock>>,
}

impl Store {
    /// The same store for people who look: it reads over connections that nothing else waits for.
    #[must_use]
    pub fn for_looking(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), desk: Desk::Looking }
    }

    fn reads(&self) -> &SqlitePool {
        match self.desk {
            Desk::Acting => &self.inner.acting,
            Desk::Looking => &self.inner.looking,
        }
    }

    /// The journal of transactions, on this store.
    pub fn journal(&self) -> Journal {
        Journal::new(self.clone())
    }

    /// Whether this store takes writes.
    pub fn is_writable(&self) -> bool {
        self.inner.writer.is_some()
    }

    /// Whether the disk is so full that the reserve was given up: what can wait must wait.
    pub fn is_short(&self) -> bool {
        self.inner.is_short.load(Ordering::Acquire)
    }

    /// Whether the store can do its work: the file is there and can be read, and the last write went
    /// through.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.inner.opened.is_some() && FileId::of(&self.inner.file) != self.inner.opened {
            return Err(StoreError::Gone { file: self.inner.file.clone() });
        }
        if let Some(detail) = self.inner.last_write.failure() {
            return Err(StoreError::WriteFailed { detail });
        }
        // A table, since a constant is answered without a look at the file.
        sqlx::query("SELECT COUNT(*) FROM pauses")
            .execute(self.reads())
            .await
            .map(|_| ())
            .map_err(|source| database("reading", &self.inner.file, source))
    }

    /// Writes what waits, closes the file and lets go of it. Later writes fail.
    pub async fn close(&self) {
        if let Some(writer) = &self.inner.writer {
            writer.close().await;
        }
        self.inner.acting.close().await;
        self.inner.looking.close().await;
        // Only now may another process have the file.
        drop(self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Writes a batch as one transaction; it is on the disk when this returns.
    pub(crate) async fn commit(&self, batch: Vec<Statement>) -> Result<(), StoreError> {
        self.write(batch, Durable::Now).await
    }

    async fn write(&self, batch: Vec<Statement>, durable: Durable) -> Result<(), StoreError> {
        let writer = self.inner.writer.as_ref().ok_or(StoreError::NotWritable("read-only"))?;
        match writer.commit(batch, durable).await {
            Some(Ok(())) => Ok(()),
            Some(Err(source)) => Err(database("writing", &self.inner.file, source)),
            None => Err(StoreError::NotWritable("closed")),
        }
    }

    /// Writes a batch as one transaction, and as a step with a name: a place of [`failpoint`], on
    /// either side of which tests kill the process.
    pub(crate) async fn step(
        &self,
        name: &'static str,
        batch: Vec<Statement>,
        durable: Durable,
    ) -> Result<(), StoreError> {
        failpoint::before(name);
        let written = self.write(batch, durable).await;
        failpoint::after(name);
        written
    }

    /// Hands in a low-priority batch that nobody waits for; a store for reading only forgets it.
    pub(crate) fn post(&self, batch: Vec<Statement>) {
        if let (Some(writer), false) = (&self.inner.writer, batch.is_empty()) {
            writer.post(batch);
        }
    }

    /// Rows of several queries over one of the reading connections, in one go.
    pub(crate) async fn rows_of<const N: usize>(
        &self,
        queries: [Statement; N],
    ) -> Result<[Vec<sqlx::sqlite::SqliteRow>; N], StoreError> {
        let failed = |source| database("reading", &self.inner.file, source);
        let mut connection = self.reads().acquire().await.map_err(failed)?;
        let mut answers = std::array::from_fn(|_| Vec::new());
        let mut places = answers.iter_mut();
        let mut place = places.next();
        let mut told = connection.fetch_many(statement::together(None, &queries));
        while let Some(next) = told.try_next().await.map_err(failed)? {
            match (next, &mut place) {
                // The end of one query.
                (Either::Left(_), _) => place = places.next(),
                (Either::Right(row), Some(rows)) => rows.push(row),
                (Either::Right(_), None) => {}
            }
        }
        drop(told);
        Ok(answers)
    }

    /// Rows of a query over the reading connections.
    pub(crate) async fn rows(
        &self,
        statement: Statement,
    ) -> Result<Vec<sqlx::sqlite::SqliteRow>, StoreError> {
        statement
            .query()
            .fetch_all(self.reads())
            .await
            .map_err(|source| database("reading", &self.inner.file, source))
    }
}

impl Store {
    /// The gas ledger, on this store.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(self.clone())
    }

    /// Hands the rows of a query to `visit` one by one; no more than a few are in memory.
    pub(crate) async fn each_row(
        &self,
        statement: Statement,
        mut visit: impl FnMut(&sqlx::sqlite::SqliteRow) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        let mut rows = statement.query().fetch(self.reads());
        loop {
            let next = rows.try_next().await;
            match next.map_err(|source| database("reading", &self.inner.file, source))? {
                Some(row) => visit(&row)?,
                None => return Ok(()),
            }
        }
    }
}

fn database(what: &'static str, file: &Path, source: sqlx::Error) -> StoreError {
    StoreError::Database { what, file: file.to_path_buf(), source }
}

#[cfg(test)]
mod tests;
