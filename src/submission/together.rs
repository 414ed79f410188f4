//! What lanes ask about their wallets at a head, asked together.
//!
//! A head wakes every lane that has something under way, and each asks the same of another wallet: the
//! nonce after the head, and the receipts of what was signed. The first one opens a batch; whoever
//! comes before it is sent adds to it, and one request goes out for all. Nobody waits for others: the
//! batch leaves as soon as those that were woken with the first had their turn.
//!
//! An answer counts for the lane alone whose question it is, and one that has none asks by itself. Where
//! the whole batch gets none, or not soon, all do, beside it; if that works, batches are left alone for a
//! while: they may be what the endpoint does not take.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::primitives::{Address, B256};
use ballast_chains::reader::CallError;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Either, Shared, select},
};
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};

use super::node::{BlockMark, Node, Receipt};

/// Requests in one batch; nodes refuse larger ones. Who has more to ask does so by itself.
const MAX_BATCH: usize = 100;
/// How long batches are left alone after one that failed; twice as long after each further one …
const FORGET: Duration = Duration::from_secs(60);
/// … up to this.
const MAX_FORGET: Duration = Duration::from_secs(3_600);
/// How long a batch is waited for before its lanes ask alone beside it: half a block, within this.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

/// What a lane asks about its wallet.
#[derive(Debug, Clone)]
pub struct Question {
    /// The wallet.
    pub of: Address,
    /// The block after which the nonce is asked.
    pub at: BlockMark,
    /// Transactions whose receipts are asked.
    pub hashes: Vec<B256>,
}

impl Question {
    /// Requests that it takes.
    fn size(&self) -> usize {
        self.hashes.len().saturating_add(1)
    }
}

/// What is said to it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The nonce after the block.
    pub nonce: u64,
    /// Receipts, in the order asked.
    pub receipts: Vec<Option<Receipt>>,
}

/// The answers to a batch, in the order in which its questions came; `None` if there are none at all.
type Answers = Shared<BoxFuture<'static, Option<Arc<Vec<Option<Seen>>>>>>;

/// The batch that is being gathered. Clones share it; one for each chain's endpoints.
#[derive(Clone)]
pub struct Together {
    desk: Arc<Mutex<Desk>>,
    patience: Duration,
}

#[derive(Default)]
struct Desk {
    open: Option<(u64, Gathered, Answers)>,
    /// Batches so far; a batch's number is how many there were with it.
    batches: u64,
    /// Those that failed in a row, and the newest of them.
    failures: u32,
    failed: u64,
    /// Batches are left alone until then.
    alone_until: Option<Instant>,
}

/// A question's place in a batch.
struct Place {
    batch: u64,
    place: usize,
    answers: Answers,
}

/// Questions that wait for their batch to be sent; `None` once it is.
type Gathered = Arc<Mutex<Option<Vec<Question>>>>;

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

impl Together {
    /// For a chain with such blocks.
    pub fn new(block_time: Duration) -> Self {
        let (shortest, longest) = PATIENCE;
        Self { desk: Arc::default(), patience: (block_time / 2).clamp(shortest, longest) }
    }

    /// The answer to a lane's question, by a batch that it shares with others where that works.
    ///
    /// # Errors
    /// When no node answers; what part of the question it was, in words.
    pub(super) async fn ask(
        &self,
        question: Question,
        node: &Arc<dyn Node>,
    ) -> Result<Seen, (&'static str, CallError)> {
        let Some(Place { batch, place, mut answers }) = self.enter(&question, node) else {
            return alone(question, node.as_ref()).await;
        };
        // The others that the same head has woken come first: the batch leaves when the first of
        // those who wait for it has its next turn.
        yield_now().await;
        let mut alone = pin!(alone(question, node.as_ref()));
        let answered = match timeout(self.patience, &mut answers).await {
            Ok(answered) => answered,
            // It may be under way to another endpoint by now, so the first word counts.
            Err(_) => match select(answers, &mut alone).await {
                Either::Left((answered, _)) => answered,
                Either::Right((told, _)) => return self.without(batch, told),
            },
        };
        let Some(all) = answered else { return self.without(batch, alone.await) };
        lock(&self.desk).failures = 0;
        match all.get(place) {
            Some(Some(seen)) => Ok(seen.clone()),
            // Something about this question: the block is not known there.
            Some(None) | None => alone.await,
        }
    }

    /// What was told without the batch: if anything was, it is the batch that failed, and not the
    /// endpoints. Counts once for all who were in it.
    fn without<E>(&self, batch: u64, told: Result<Seen, E>) -> Result<Seen, E> {
        let mut desk = lock(&self.desk);
        if told.is_ok() && desk.failed < batch {
            let doublings = desk.failures;
            let wait = FORGET.saturating_mul(2_u32.saturating_pow(doublings)).min(MAX_FORGET);
            (desk.failed, desk.failures) = (batch, doublings.saturating_add(1));
            desk.alone_until = Instant::now().checked_add(wait);
        }
        told
    }

    /// A place in the batch that is open, or in a new one; `None` where it has to be asked alone.
    fn enter(&self, question: &Question, node: &Arc<dyn Node>) -> Option<Place> {
        let mut desk = lock(&self.desk);
        let is_alone = desk.alone_until.is_some_and(|until| Instant::now() < until);
        if is_alone || question.size() > MAX_BATCH {
            return None;
        }
        if let Some((batch, gathered, answers)) = &desk.open
            && let Some(place) = add(gathered, question)
        {
            return Some(Place { batch: *batch, place, answers: answers.clone() });
        }
        let gathered: Gathered = Arc::new(Mutex::new(Some(vec![question.clone()])));
        let (waiting, node) = (Arc::clone(&gathered), Arc::clone(node));
        let answers = async move {
            let questions = lock(&waiting).take()?;
            let count = questions.len();
            let answers = node.seen(questions).await.ok()?;
            let is_any = answers.iter().any(Option::is_some);
            (is_any && answers.len() == count).then(|| Arc::new(answers))
        };
        let answers = answers.boxed().shared();
        let batch = desk.batches.saturating_add(1);
        desk.batches = batch;
        desk.open = Some((batch, gathered, answers.clone()));
        Some(Place { batch, place: 0, answers })
    }
}

/// Adds a question to a batch that was not sent yet and has room; gives its place.
fn add(gathered: &Gathered, question: &Question) -> Option<usize> {
    let mut gathered = lock(gathered);
    let questions = gathered.as_mut()?;
    let size = questions.iter().map(Question::size).fold(question.size(), usize::saturating_add);
    if size > MAX_BATCH {
        return None;
    }
    questions.push(question.clone());
    questions.len().checked_sub(1)
}

async fn alone(question: Question, node: &dyn Node) -> Result<Seen, (&'static str, CallError)> {
    let Question { of, at, hashes } = question;
    let (nonce, receipts) = futures::join!(node.nonce(of, at), node.receipts(hashes));
    let nonce = nonce.map_err(|source| ("the wallet's nonce", source))?;
    let receipts = receipts.map_err(|source| ("receipts", source))?;
    Ok(Seen { nonce, receipts })
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
