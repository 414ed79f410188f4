//! One driver per chain and head: polls all assessments of a block and sends their reads in few
//! rounds.
//!
//! Batching needs somebody who knows that nobody will ask for more. A timer would guess; the
//! driver knows, because it polls the assessments itself: when none of them can run and some wait
//! for reads, it sends those reads together and waits for all of them, one *round*. So rounds are
//! as many as the longest chain of dependent reads of one product, however many products there are.
//!
//! What holds nobody up: an assessment that waits for something else than a read (its later reads
//! join the next round), one that wakes itself again and again, calls that travel alone, repeats
//! after a failure, one that panics (caught), one that never ends (dropped at its time-out). What
//! does: one that computes without awaiting, which nothing can interrupt; it is counted and logged.
//!
//! The driver has one waker for each assessment and is exempt from tokio's cooperative budget,
//! which would make the reads of many products pretend to wait and so cut a round in pieces.

mod chunk;
mod engine;
mod executor;

use std::{sync::Arc, time::Duration};

use alloy::primitives::Address;
use futures::future::BoxFuture;

use self::{engine::Engine, executor::Executor};
use crate::{
    heads::Head,
    reader::{BlockReader, BlockSource, queue::Queue},
};

/// One assessment to drive.
pub struct Job<K, T> {
    /// Names it in the report.
    pub key: K,
    /// The product's wallet: [`BlockReader::caller`], the sender where one matters.
    pub caller: Address,
    /// Longest time it may take; past it, it is dropped.
    pub timeout: Duration,
    /// Makes the future. May panic, as the future may.
    pub run: Box<dyn FnOnce(BlockReader) -> BoxFuture<'static, T> + Send>,
}

impl<K, T> Job<K, T> {
    /// A job that runs `work`.
    pub fn new<F, Fut>(key: K, caller: Address, timeout: Duration, work: F) -> Self
    where
        F: FnOnce(BlockReader) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        Self { key, caller, timeout, run: Box::new(move |reader| Box::pin(work(reader))) }
    }
}

impl<K: std::fmt::Debug, T> std::fmt::Debug for Job<K, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("key", &self.key).finish_non_exhaustive()
    }
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// With a result.
    Done(T),
    /// With a panic, and its message.
    Panicked(String),
    /// Not in time; it was dropped.
    TimedOut,
}

/// What driving one block took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoundStats {
    /// Times that queued reads were sent together. Repeats after a failure and calls that travel
    /// alone are beside the rounds.
    pub rounds: u64,
    /// Batched calls sent to Multicall3, those that repeat or split another included.
    pub chunks: u64,
    /// Requests that carried one read.
    pub lone: u64,
    /// Reads asked for by the jobs and sent.
    pub calls: u64,
    /// Reads asked again because a shared batch could not be believed.
    pub repeats: u64,
}

/// Runs `jobs` against the block `head` until each has ended, and reports every outcome as soon as
/// it is there. Dropping the future drops all jobs and requests.
///
/// `report` runs on the driver: it must be short and must not panic.
pub async fn drive<K, T>(
    source: &BlockSource,
    head: Head,
    jobs: Vec<Job<K, T>>,
    report: impl FnMut(K, Outcome<T>),
) -> RoundStats {
    let (queue, engine) = open(source, head);
    let mut executor = Executor::new(engine, Arc::clone(&queue), report);
    for Job { key, caller, timeout, run } in jobs {
        let reader = BlockReader::new(head, caller, Arc::clone(&queue), source.clone());
        executor.add(key, caller, Some(timeout), Box::new(move || run(reader)));
    }
    let stats = tokio::task::unconstrained(executor).await;
    record(source, stats);
    stats
}

/// Runs one piece of work against a block, without a time-out; its panic goes on to the caller.
pub(crate) async fn alone<T, F, Fut>(
    source: &BlockSource,
    head: Head,
    caller: Address,
    work: F,
) -> T
where
    F: FnOnce(BlockReader) -> Fut + Send,
    Fut: Future<Output = T> + Send,
    T: Send,
{
    let (queue, engine) = open(source, head);
    let reader = BlockReader::new(head, caller, Arc::clone(&queue), source.clone());
    let mut ended = None;
    let mut executor = Executor::new(engine, queue, |(), outcome| ended = Some(outcome));
    executor.add((), caller, None, Box::new(move || Box::pin(work(reader))));
    tokio::task::unconstrained(executor).await;
    match ended {
        Some(Outcome::Done(value)) => value,
        Some(Outcome::Panicked(message)) => std::panic::resume_unwind(Box::new(message)),
        Some(Outcome::TimedOut) | None => {
            std::panic::resume_unwind(Box::new("a job without a time-out ended without a result"))
        }
    }
}

fn open(source: &BlockSource, head: Head) -> (Arc<Queue>, Engine) {
    source.remember_header(head);
    let queue = Arc::new(Queue::default());
    let engine = Engine::new(source.clone(), (&head).into(), Arc::clone(&queue));
    (queue, engine)
}

#[expect(clippy::cast_precision_loss, reason = "a histogram takes floats; rounds are few")]
#[expect(clippy::as_conversions, reason = "there is no checked conversion to a float")]
fn record(source: &BlockSource, stats: RoundStats) {
    let chain = source.chain().to_owned();
    metrics::histogram!("ballast_read_rounds", "chain" => chain.clone())
        .record(stats.rounds as f64);
    metrics::counter!("ballast_read_calls_total", "chain" => chain.clone()).increment(stats.calls);
    metrics::counter!("ballast_read_repeats_total", "chain" => chain).increment(stats.repeats);
}
