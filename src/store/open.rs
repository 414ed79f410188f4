//! Opening the file: for this process alone, or beside a keeper for reading.

use std::{
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Desk, Inner, Store, StoreError, database,
    health::FileId,
    lock::FileLock,
    reserve::{RESERVE, RETRY, Reserve},
    schema,
    writer::Writer,
};
use crate::failpoint;

/// How long a statement waits for another process's lock on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections for reading on the way to a decision or a send.
const READERS: u32 = 4;
/// The same for people: the page, the API and the command line.
pub(super) const LOOKERS: u32 = 4;

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
    pub(super) async fn open_with(
        file: &Path,
        size: (usize, Duration),
    ) -> Result<Self, StoreError> {
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
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(file).busy_timeout(BUSY_TIMEOUT).foreign_keys(true)
}

pub(super) fn options_for_writing(file: &Path) -> SqliteConnectOptions {
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

pub(super) async fn connect(
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
