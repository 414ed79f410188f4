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
    statement::Statement,
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

/// A journal batch and who waits for it.
type Job = (Vec<Statement>, oneshot::Sender<Result<(), sqlx::Error>>);

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
        let queues =
            Queues { writes, reserve, last: Arc::clone(&last), jobs, rows, gathered: Vec::new() };
        tasks.spawn(queues.run(stop.clone()));
        metrics::counter!("ballast_decisions_dropped_total").increment(0);
        Self { journal, low, last, stop, tasks: Mutex::new(tasks) }
    }

    /// What the last write came to.
    pub(super) fn last_write(&self) -> Arc<LastWrite> {
        Arc::clone(&self.last)
    }

    /// Waits until the batch is durable or refused; `None` if the writer has ended.
    pub(super) async fn commit(&self, batch: Vec<Statement>) -> Option<Result<(), sqlx::Error>> {
        let (done, answer) = oneshot::channel();
        self.journal.send((batch, done)).await.ok()?;
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
            let all = group.iter().flat_map(|(batch, _)| batch);
            if write(&self.writes, all).await.is_ok() {
                self.last.note(&Ok(()));
                metrics::counter!("ballast_journal_commits_total").increment(1);
                group.drain(..).for_each(|(_, done)| answer(done, Ok(())));
                return;
            }
        }
        for (batch, done) in group.drain(..) {
            let result = match write(&self.writes, batch.iter()).await {
                Err(error) if is_full(&error) && self.make_room().await => {
                    write(&self.writes, batch.iter()).await
                }
                result => result,
            };
            self.last.note(&result);
            if result.is_ok() {
                metrics::counter!("ballast_journal_commits_total").increment(1);
            }
            answer(done, result);
        }
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
        let all = self.gathered.iter().flatten();
        let result = write(&self.writes, all).await;
        self.last.note(&result);
        if let Err(error) = result {
            let lost = u64::try_from(self.gathered.len()).unwrap_or(u64::MAX);
            metrics::counter!("ballast_decisions_dropped_total").increment(lost);
            warn!(lost, error = crate::error_chain(&error), "decisions could not be stored");
        }
        self.gathered.clear();
    }
}

/// Whoever waited may have gone; what is written stays written.
fn answer(done: oneshot::Sender<Result<(), sqlx::Error>>, result: Result<(), sqlx::Error>) {
    drop(done.send(result));
}

/// One transaction, begun and ended by statements of its own: a full disk ends a transaction inside
/// the database, which `sqlx::Transaction` does not notice, and its connection is of no use from
/// then on.
async fn write<'s>(
    pool: &SqlitePool,
    statements: impl Iterator<Item = &'s Statement> + Send,
) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    // Taken at the start, so that no statement can find the file locked half-way.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let written = write_all(&mut connection, statements).await;
    if written.is_err() {
        // An error here means that the database has done it already.
        drop(sqlx::query("ROLLBACK").execute(&mut *connection).await);
    }
    written
}

async fn write_all<'s>(
    connection: &mut SqliteConnection,
    statements: impl Iterator<Item = &'s Statement> + Send,
) -> Result<(), sqlx::Error> {
    for statement in statements {
        statement.query().execute(&mut *connection).await?;
    }
    failpoint::before("transaction");
    let committed = sqlx::query("COMMIT").execute(connection).await.map(drop);
    failpoint::after("transaction");
    committed
}
