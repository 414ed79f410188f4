//! What survives a restart, in one SQLite file.
//!
//! There is one writer, a task that owns the only writing connection. Journal batches go first:
//! those that wait together become one transaction, and whoever handed one in hears back only when it
//! is written: on the disk (`synchronous=FULL`) if something is sent on the strength of it, else in
//! order before whatever is (`Durable`). Decisions and series come second, gathered into one
//! transaction per block; when the disk cannot follow they are dropped and counted, never the journal. Readers have connections of their own and wait for no write; those of people are apart
//! from those of guard and submission ([`Store::for_looking`]), so whoever looks delays nobody who
//! acts.
//!
//! The statements are the dialect that SQLite and PostgreSQL share; the tables are in [`schema`].

mod agreements;
mod cells;
mod decisions;
mod health;
mod lock;
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
    time::Duration,
};

use futures::TryStreamExt as _;
use sqlx::{
    Either, Executor as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use thiserror::Error;

pub use agreements::{Agreement, Moved};
pub(crate) use cells::Cells;
pub use decisions::{DecisionRow, StoredObservation};
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
use reserve::{RESERVE, RETRY, Reserve};
pub(crate) use writer::Durable;
use writer::Writer;

/// How long a statement waits for another process's lock on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections for reading on the way to a decision or a send.
const READERS: u32 = 4;
/// The same for people: the page, the API and the command line.
const LOOKERS: u32 = 4;

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
    /// Opens the file for this process alone, makes it where it is missing, and brings its tables
    /// up to date.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it; else when the disk or the database
    /// refuses.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        Self::open_with(file, (RESERVE, RETRY)).await
    }

    /// As [`open`](Self::open), with this reserve in bytes and this time between two tries.
    async fn open_with(file: &Path, size: (usize, Duration)) -> Result<Self, StoreError> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| StoreError::Open { file: folder.to_path_buf(), source })?;
        }
        let lock = FileLock::take(file)?;
        let writes = connect(file, options_for_writing(file), 1).await?;
        schema::migrations()
            .run(&writes)
            .await
            .map_err(|source| StoreError::Migrate { file: file.to_path_buf(), source })?;
        let acting = connect(file, options_for_reading(file), READERS).await?;
        let looking = connect(file, options_for_reading(file), LOOKERS).await?;
        let is_short = Arc::default();
        let reserve = Reserve::take(file, size, Arc::clone(&is_short)).await;
        let writer = Writer::start(writes, Some(reserve));
        Ok(Self::of(file, (acting, looking), Some((writer, is_short)), Some(lock)))
    }

    /// Opens the file for reading, beside a keeper that may be running; `None` if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub async fn open_readonly(file: &Path) -> Result<Option<Self>, StoreError> {
        if !file.exists() {
            return Ok(None);
        }
        let reads = connect(file, options_for_reading(file), LOOKERS).await?;
        Ok(Some(Self::of(file, (reads.clone(), reads), None, None)))
    }

    /// A store that is gone when it is dropped: for rehearsals where there is none yet. Takes
    /// writes like a real one, except that nothing is durable.
    ///
    /// # Errors
    /// When the database cannot be made.
    pub async fn in_memory() -> Result<Self, StoreError> {
        let file = Path::new(":memory:");
        let options = SqliteConnectOptions::new().in_memory(true);
        // One connection is one database: it must never be closed and opened anew.
        let one = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(|source| database("opening", file, source))?;
        schema::migrations()
            .run(&one)
            .await
            .map_err(|source| StoreError::Migrate { file: file.to_path_buf(), source })?;
        let writer = Writer::start(one.clone(), None);
        Ok(Self::of(file, (one.clone(), one), Some((writer, Arc::default())), None))
    }

    fn of(
        file: &Path,
        (acting, looking): (SqlitePool, SqlitePool),
        writer: Option<(Writer, Arc<AtomicBool>)>,
        lock: Option<FileLock>,
    ) -> Self {
        let (writer, is_short) = writer.unzip();
        let is_short = is_short.unwrap_or_default();
        let last_write = writer.as_ref().map(Writer::last_write).unwrap_or_default();
        let (opened, file, lock) = (FileId::of(file), file.to_path_buf(), Mutex::new(lock));
        let inner = Inner { file, acting, looking, writer, is_short, last_write, opened, lock };
        Self { inner: Arc::new(inner), desk: Desk::Acting }
    }

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

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(file).busy_timeout(BUSY_TIMEOUT).foreign_keys(true)
}

fn options_for_writing(file: &Path) -> SqliteConnectOptions {
    let options = options(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    failpoint::max_pages()
        .into_iter()
        .fold(options, |options, pages| options.pragma("max_page_count", pages))
}

fn options_for_reading(file: &Path) -> SqliteConnectOptions {
    options(file).read_only(true)
}

async fn connect(
    file: &Path,
    options: SqliteConnectOptions,
    connections: u32,
) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .connect_with(options)
        .await
        .map_err(|source| database("opening", file, source))
}

#[cfg(test)]
mod tests;
