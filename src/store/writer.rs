//! The one task that writes.

use std::{sync::Arc, time::Duration};

use sqlx::{SqliteConnection, SqlitePool};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    health::LastWrite,
    reserve::{Reserve, is_full},
    statement::{Statement, together},
};
use crate::failpoint;

/// Journal batches that may wait; whoever comes then waits for room.
const MAX_WAITING: usize = 1_024;
/// Journal batches that become one transaction.
const MAX_GROUP: usize = 256;
/// Low-priority batches that may wait; those that come then are dropped and counted.
const MAX_LOW: usize = 4_096;
/// Low-priority batches of one transaction: bounds how long a journal batch waits behind them.
const MAX_LOW_GROUP: usize = 512;
/// How long the first low-priority batch waits for the others of its block.
const LINGER: Duration = Duration::from_millis(50);

/// When a batch of the journal must be on the disk.
///
/// Either way it is written when whoever handed it in hears back: readers see it, and it survives the
/// end of the process, however sudden. What differs is what a loss of power may take. The log is written
/// in order and an fsync covers all of it, so nothing is ever lost from the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// Before whoever handed it in hears back: something is sent, or promised to a person, on the
    /// strength of it.
    Now,
    /// Before anything that is written later and is [`Now`](Self::Now), at the latest. For what others
    /// still know after a loss of power: what the chain and its nodes said of what was sent, and what
    /// follows from that. It is asked again then.
    InOrder,
}

/// A journal batch and who waits for it.
struct Job {
    batch: Vec<Statement>,
    durable: Durable,
    done: oneshot::Sender<Result<(), sqlx::Error>>,
}

/// The handle to the task, and its owner.
#[derive(Debug)]
pub(super) struct Writer {
    journal: mpsc::Sender<Job>,
    low: mpsc::Sender<Vec<Statement>>,
    last: Arc<LastWrite>,
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
}

impl Writer {
    /// `reserve` is what is given up when the disk is full.
    pub(super) fn start(writes: SqlitePool, reserve: Option<Reserve>) -> Self {
        let (journal, jobs) = mpsc::channel(MAX_WAITING);
        let (low, rows) = mpsc::channel(MAX_LOW);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let last = Arc::new(LastWrite::default());
        let queues = Queues {
            writes,
            reserve,
            last: Arc::clone(&last),
            jobs,
            rows,
            gathered: Vec::new(),
            synced: None,
        };
        tasks.spawn(queues.run(stop.clone()));
        metrics::counter!("ballast_decisions_dropped_total").increment(0);
        Self { journal, low, last, stop, tasks: Mutex::new(tasks) }
    }

    /// What the last write came to.
    pub(super) fn last_write(&self) -> Arc<LastWrite> {
        Arc::clone(&self.last)
    }

    /// Waits until the batch is written, and on the disk if it must be now, or refused; `None` if the
    /// writer has ended.
    pub(super) async fn commit(
        &self,
        batch: Vec<Statement>,
        durable: Durable,
    ) -> Option<Result<(), sqlx::Error>> {
        let (done, answer) = oneshot::channel();
        self.journal.send(Job { batch, durable, done }).await.ok()?;
        answer.await.ok()
    }

    /// Hands in a batch that nobody waits for.
    pub(super) fn post(&self, batch: Vec<Statement>) {
        if self.low.try_send(batch).is_err() {
            metrics::counter!("ballast_decisions_dropped_total").increment(1);
        }
    }

    /// Has everything that waits written, and ends.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        let mut tasks = self.tasks.lock().await;
        while tasks.join_next().await.is_some() {}
    }
}

struct Queues {
    writes: SqlitePool,
    reserve: Option<Reserve>,
    last: Arc<LastWrite>,
    jobs: mpsc::Receiver<Job>,
    rows: mpsc::Receiver<Vec<Statement>>,
    gathered: Vec<Vec<Statement>>,
    /// How the connection was told to write last.
    synced: Option<Durable>,
}

impl Queues {
    async fn run(mut self, stop: CancellationToken) {
        let mut group = Vec::new();
        let mut flush_at = Instant::now();
        loop {
            let room = MAX_LOW_GROUP.saturating_sub(self.gathered.len());
            let wakes_at = self.reserve.as_ref().and_then(Reserve::wakes_at);
            tokio::select! {
                biased;
                _ = self.jobs.recv_many(&mut group, MAX_GROUP) => self.commit(&mut group).await,
                () = stop.cancelled() => break,
                () = sleep_until(flush_at), if !self.gathered.is_empty() => self.flush().await,
                () = sleep_until(wakes_at.unwrap_or(flush_at)), if wakes_at.is_some() => {
                    if let Some(reserve) = &mut self.reserve {
                        reserve.restore().await;
                    }
                }
                _ = self.rows.recv_many(&mut self.gathered, room), if room > 0 => {
                    if room == MAX_LOW_GROUP {
                        flush_at = Instant::now().checked_add(LINGER).unwrap_or(flush_at);
                    }
                }
            }
        }
        self.drain(group).await;
    }

    /// Writes what was handed in before the stop.
    async fn drain(mut self, mut group: Vec<Job>) {
        self.jobs.close();
        self.rows.close();
        while self.jobs.recv_many(&mut group, MAX_GROUP).await > 0 {
            self.commit(&mut group).await;
        }
        self.flush().await;
        while self.rows.recv_many(&mut self.gathered, MAX_LOW_GROUP).await > 0 {
            self.flush().await;
        }
        self.writes.close().await;
    }

    /// One transaction for the group. If it fails, each batch gets a transaction of its own, so
    /// that a batch that cannot be written takes no other with it.
    async fn commit(&mut self, group: &mut Vec<Job>) {
        metrics::counter!("ballast_journal_steps_total")
            .increment(u64::try_from(group.len()).unwrap_or(u64::MAX));
        if let [_, _, ..] = group.as_slice() {
            let all: Vec<&[Statement]> = group.iter().map(|job| job.batch.as_slice()).collect();
            if self.write(&all, durable(group)).await.is_ok() {
                self.last.note(&Ok(()));
                group.drain(..).for_each(|job| answer(job.done, Ok(())));
                return;
            }
        }
        for Job { batch, durable, done } in group.drain(..) {
            let result = match self.write(&[&batch], durable).await {
                Err(error) if is_full(&error) && self.make_room().await => {
                    self.write(&[&batch], durable).await
                }
                result => result,
            };
            self.last.note(&result);
            answer(done, result);
        }
    }

    /// Writes a part of the journal, and counts it.
    async fn write(
        &mut self,
        batches: &[&[Statement]],
        durable: Durable,
    ) -> Result<(), sqlx::Error> {
        self.sync(durable).await?;
        write(&self.writes, batches).await?;
        metrics::counter!("ballast_journal_commits_total").increment(1);
        if durable == Durable::Now {
            metrics::counter!("ballast_journal_syncs_total").increment(1);
        }
        Ok(())
    }

    /// Has the transactions from here on be on the disk when they end, or in order. A connection that
    /// was opened anew meanwhile is on the safe side: the store's options have `synchronous=FULL`.
    async fn sync(&mut self, durable: Durable) -> Result<(), sqlx::Error> {
        if self.synced == Some(durable) {
            return Ok(());
        }
        // Not known until it is done.
        self.synced = None;
        let pragma = match durable {
            Durable::Now => "PRAGMA synchronous = FULL",
            Durable::InOrder => "PRAGMA synchronous = NORMAL",
        };
        // It takes effect when it is compiled, so one that is kept prepared would have none.
        sqlx::query(pragma).persistent(false).execute(&self.writes).await?;
        self.synced = Some(durable);
        Ok(())
    }

    async fn make_room(&mut self) -> bool {
        match &mut self.reserve {
            Some(reserve) => reserve.give_up().await,
            None => false,
        }
    }

    async fn flush(&mut self) {
        if self.reserve.as_ref().is_some_and(Reserve::is_short) {
            // What is left of the disk belongs to the journal.
            let lost = u64::try_from(self.gathered.len()).unwrap_or(u64::MAX);
            metrics::counter!("ballast_decisions_dropped_total").increment(lost);
            return self.gathered.clear();
        }
        let gathered = std::mem::take(&mut self.gathered);
        let all: Vec<&[Statement]> = gathered.iter().map(Vec::as_slice).collect();
        let result = match self.sync(Durable::InOrder).await {
            Ok(()) => write(&self.writes, &all).await,
            Err(error) => Err(error),
        };
        self.last.note(&result);
        if let Err(error) = result {
            let lost = u64::try_from(gathered.len()).unwrap_or(u64::MAX);
            metrics::counter!("ballast_decisions_dropped_total").increment(lost);
            warn!(lost, error = crate::error_chain(&error), "decisions could not be stored");
        }
    }
}

/// A group must be on the disk now if any of it must.
fn durable(group: &[Job]) -> Durable {
    let now = group.iter().any(|job| job.durable == Durable::Now);
    if now { Durable::Now } else { Durable::InOrder }
}

/// Whoever waited may have gone; what is written stays written.
fn answer(done: oneshot::Sender<Result<(), sqlx::Error>>, result: Result<(), sqlx::Error>) {
    drop(done.send(result));
}

/// One transaction, begun and ended by statements of its own: a full disk ends a transaction inside
/// the database, which `sqlx::Transaction` does not notice, and its connection is of no use from
/// then on.
async fn write(pool: &SqlitePool, batches: &[&[Statement]]) -> Result<(), sqlx::Error> {
    if batches.is_empty() {
        return Ok(());
    }
    let mut connection = pool.acquire().await?;
    let written = write_all(&mut connection, batches).await;
    if written.is_err() {
        // An error here means that the database has done it already.
        drop(sqlx::query("ROLLBACK").execute(&mut *connection).await);
    }
    written
}

async fn write_all(
    connection: &mut SqliteConnection,
    batches: &[&[Statement]],
) -> Result<(), sqlx::Error> {
    // Taken at the start, so that no statement can find the file locked half-way.
    let mut begin = Some("BEGIN IMMEDIATE");
    for batch in batches {
        together(begin.take(), batch).execute(&mut *connection).await?;
    }
    failpoint::before("transaction");
    let committed = sqlx::query("COMMIT").execute(connection).await.map(drop);
    failpoint::after("transaction");
    committed
}
