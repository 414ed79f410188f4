//! What lanes ask about their wallets at a head, asked together.
//!
//! A head wakes every lane that has something under way, and each asks the same of another wallet: the
//! nonce after the head, and the receipts of what was signed. The first one opens a batch; whoever
//! comes before it is sent adds to it, and one request goes out for all. Nobody waits for others: the
//! batch leaves as soon as those that were woken with the first had their turn.
//!
//! An answer counts for the lane alone whose question it is. Where a batch gets none, each lane asks by
//! itself, and batches are left alone for a while: they may be what the endpoint does not take.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::primitives::{Address, B256};
use ballast_chains::reader::CallError;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::{task::yield_now, time::Instant};

use super::node::{BlockMark, Node, Receipt};

/// Requests in one batch; nodes refuse larger ones. Who has more to ask does so by itself.
const MAX_BATCH: usize = 100;
/// How long batches are left alone after one that failed.
const FORGET: Duration = Duration::from_secs(60);

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

/// The answers to a batch, in the order in which its questions came; `None` if there are none.
type Answers = Shared<BoxFuture<'static, Option<Arc<Vec<Seen>>>>>;

/// The batch that is being gathered. Clones share it; one for each chain's endpoints.
#[derive(Clone, Default)]
pub struct Together(Arc<Mutex<Desk>>);

#[derive(Default)]
struct Desk {
    open: Option<(Gathered, Answers)>,
    /// Batches are left alone until then.
    alone_until: Option<Instant>,
}

/// Questions that wait for their batch to be sent; `None` once it is.
type Gathered = Arc<Mutex<Option<Vec<Question>>>>;

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

impl Together {
    /// The answer to a lane's question, by a batch that it shares with others where that works.
    ///
    /// # Errors
    /// When no node answers; what part of the question it was, in words.
    pub(super) async fn ask(
        &self,
        question: Question,
        node: &Arc<dyn Node>,
    ) -> Result<Seen, (&'static str, CallError)> {
        if let Some((place, answers)) = self.enter(&question, node) {
            // The others that the same head has woken come first: the batch leaves when the first of
            // those who wait for it has its next turn.
            yield_now().await;
            let answers = answers.await;
            if let Some(seen) = answers.as_ref().and_then(|all| all.get(place)) {
                return Ok(seen.clone());
            }
            lock(&self.0).alone_until = Instant::now().checked_add(FORGET);
        }
        alone(question, node.as_ref()).await
    }

    /// A place in the batch that is open, or in a new one; `None` where it has to be asked alone.
    fn enter(&self, question: &Question, node: &Arc<dyn Node>) -> Option<(usize, Answers)> {
        let mut desk = lock(&self.0);
        let is_alone = desk.alone_until.is_some_and(|until| Instant::now() < until);
        if is_alone || question.size() > MAX_BATCH {
            return None;
        }
        if let Some((gathered, answers)) = &desk.open
            && let Some(place) = add(gathered, question)
        {
            return Some((place, answers.clone()));
        }
        let gathered: Gathered = Arc::new(Mutex::new(Some(vec![question.clone()])));
        let (waiting, node) = (Arc::clone(&gathered), Arc::clone(node));
        let answers = async move {
            let questions = lock(&waiting).take()?;
            let count = questions.len();
            let answers = node.seen(questions).await.ok()?;
            (answers.len() == count).then(|| Arc::new(answers))
        };
        let answers = answers.boxed().shared();
        desk.open = Some((gathered, answers.clone()));
        Some((0, answers))
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
