//! Room on the disk for what must still be written when it is full.
//!
//! A file beside the store holds [`RESERVE`] bytes. When the disk is full, it is given up, so that
//! what is needed to end what is under way, and what cannot wait, still finds room in the journal.
//! From then on the store is *short*: nothing that nobody waits for is written, and the guard holds
//! back routine work. Every [`RETRY`] the room is taken again; once that works, all is as before.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    fs::{self, File},
    io::AsyncWriteExt as _,
    time::Instant,
};
use tracing::{error, info};

/// Bytes kept: a journalled transaction with its answers takes about 20 kB, and the log of the
/// database grows by whole pages.
pub(super) const RESERVE: usize = 4 * 1024 * 1024;
/// Time between two tries to take the room again.
pub(super) const RETRY: Duration = Duration::from_secs(60);
/// What is written at a time.
const BLOCK: usize = 64 * 1024;

/// The file, or the wish to have it.
#[derive(Debug)]
pub(super) struct Reserve {
    file: PathBuf,
    size: usize,
    retry: Duration,
    is_short: Arc<AtomicBool>,
    tried_at: Instant,
}

impl Reserve {
    /// The reserve of a store; takes the room, and is short from the start if there is none.
    pub(super) async fn take(
        store: &Path,
        (size, retry): (usize, Duration),
        is_short: Arc<AtomicBool>,
    ) -> Self {
        let mut name = store.as_os_str().to_owned();
        name.push(".reserve");
        let file = PathBuf::from(name);
        let reserve = Self { file, size, retry, is_short, tried_at: Instant::now() };
        if let Err(cause) = reserve.fill().await {
            error!(%cause, file = %reserve.file.display(), "no room for the store's reserve");
            reserve.set_short(true);
        }
        reserve
    }

    /// Whether the reserve was given up.
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Acquire)
    }

    /// Gives the room up; whether there was any.
    pub(super) async fn give_up(&mut self) -> bool {
        self.tried_at = Instant::now();
        let freed = fs::remove_file(&self.file).await.is_ok();
        if freed {
            error!(
                file = %self.file.display(),
                "the disk is full: the reserve is given up, routine work waits"
            );
        }
        self.set_short(true);
        freed
    }

    /// Takes the room again, if it is time to try.
    pub(super) async fn restore(&mut self) {
        if !self.is_short() || self.tried_at.elapsed() < self.retry {
            return;
        }
        self.tried_at = Instant::now();
        if self.fill().await.is_ok() {
            self.set_short(false);
            info!(file = %self.file.display(), "the store has its reserve again");
        }
    }

    /// When [`restore`](Self::restore) should be called next, if ever.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        if self.is_short() { self.tried_at.checked_add(self.retry) } else { None }
    }

    /// Writes real bytes: a sparse file would reserve nothing. Does not leave half a file behind,
    /// which would take the room from the journal.
    async fn fill(&self) -> io::Result<()> {
        let whole = u64::try_from(self.size).unwrap_or(u64::MAX);
        if fs::metadata(&self.file).await.is_ok_and(|found| found.len() == whole) {
            return Ok(());
        }
        let filled = self.write().await;
        if filled.is_err() {
            drop(fs::remove_file(&self.file).await);
        }
        filled
    }

    async fn write(&self) -> io::Result<()> {
        let mut file = File::create(&self.file).await?;
        let block = vec![0_u8; BLOCK];
        let mut left = self.size;
        while left > 0 {
            let part = left.min(BLOCK);
            file.write_all(block.get(..part).unwrap_or(&block)).await?;
            left = left.saturating_sub(part);
        }
        file.sync_all().await
    }

    fn set_short(&self, is_short: bool) {
        self.is_short.store(is_short, Ordering::Release);
        metrics::gauge!("ballast_store_short").set(if is_short { 1.0 } else { 0.0 });
    }
}

/// Whether a write failed for want of room: `SQLITE_FULL`, the shared-memory file could not grow
/// (`SQLITE_IOERR_SHMSIZE`), or `SQLITE_IOERR_WRITE`, which an exhausted quota gives (SQLite takes
/// only `ENOSPC` for a full disk). For any other cause of the last, the room is given up once to no
/// avail. Not `SQLITE_IOERR_FSYNC`: after that nobody knows what is on the disk.
pub(super) fn is_full(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(code.as_ref(), "13" | "778" | "4874"))
}
