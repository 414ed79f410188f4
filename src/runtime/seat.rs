//! One product's place in its chain's loop: whether it is due, and what came of its assessment.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use alloy::primitives::{Address, B256, U256};
use ballast_chains::{Head, driver::Outcome, feeds::FeedReading};
use ballast_strategy_api::{
    ActsOn, Assessment, Decision, DynStrategy, StrategyError, decision::MOVED,
};
use tokio::sync::{Notify, watch};

use super::{
    feeds::{Brought, Run},
    wallets::WalletHandle,
};
use crate::{config::ProductConfig, registry::Registry};

/// Blocks after which a product is read again whatever it said about when it is due.
pub(crate) const MAX_SKIP: u64 = 20;
/// Most blocks between two tries to connect a strategy.
const MAX_CONNECT_BACKOFF: u64 = 64;

/// Blocks in which the wallet's balance is read once, if anything is. The read joins the first round
/// of an assessment, so it costs a call in a batch that travels anyway, and no round.
const BALANCE_EVERY: u64 = 4;

/// What an assessment brings back.
#[derive(Debug)]
pub(crate) struct TurnResult {
    /// The strategy it ran on, since the first one connects it.
    pub(crate) strategy: Option<Arc<dyn DynStrategy>>,
    /// What the strategy said.
    pub(crate) assessed: Result<Assessment, StrategyError>,
    /// The wallet's balance, where it was asked for and could be read.
    pub(crate) balance: Option<U256>,
}

/// One finished assessment, for the product's task.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// The head that was read.
    pub(crate) head: Head,
    /// What the strategy said, or why it said nothing.
    pub(crate) outcome: Result<Assessment, TurnFailure>,
    /// The wallet's balance after that head, wei, if it was read.
    pub(crate) balance: Option<U256>,
    /// What the strategy that said so acts on, if that is to be remembered.
    pub(crate) acts_on: Option<ActsOn>,
    /// The newest order for an assessment that it was begun after.
    pub(crate) answers: u64,
}

/// Why a turn has no assessment.
#[derive(Debug, Clone)]
pub(crate) struct TurnFailure {
    /// In fixed words.
    pub(crate) reason: &'static str,
    /// The whole error chain.
    pub(crate) detail: String,
}

/// What a product's task listens to. Both hold the newest value only: a product that is slow
/// misses intermediate heads, never the last one.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    pub(crate) heads: watch::Receiver<Option<Head>>,
    pub(crate) turns: watch::Receiver<Option<Arc<Turn>>>,
    pub(crate) strategy: watch::Receiver<Option<Arc<dyn DynStrategy>>>,
    /// What the chain's feeds said last.
    pub(crate) feeds: watch::Receiver<FeedReading>,
    balance_wanted: Arc<AtomicBool>,
    ordered: Arc<AtomicU64>,
    wake: Arc<Notify>,
}

impl Mailbox {
    /// Has the newest head assessed now, whatever is known of it; gives the order's number, which
    /// every turn that was begun after it reaches.
    pub(crate) fn order_turn(&self) -> u64 {
        let number = self.ordered.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.wake.notify_one();
        number
    }

    /// Has the wallet's balance read with the next assessment.
    pub(crate) fn want_balance(&self) {
        self.balance_wanted.store(true, Ordering::Relaxed);
    }
}

/// A product as its chain's loop sees it.
#[derive(Debug)]
pub(crate) struct Seat {
    product: Arc<ProductConfig>,
    registry: Arc<Registry>,
    wallet: WalletHandle,
    strategy: watch::Sender<Option<Arc<dyn DynStrategy>>>,
    heads: watch::Sender<Option<Head>>,
    turns: watch::Sender<Option<Arc<Turn>>>,
    feeds: watch::Receiver<FeedReading>,
    /// Numbers the assessments; the one under way, if any, is `busy`.
    begun: u64,
    busy: Option<u64>,
    assessed: Option<B256>,
    rest: Option<Rest>,
    /// The assessment that was under way at a reorganisation, and the highest block that stayed.
    fell_away: Option<(u64, u64)>,
    connect_failures: u32,
    balance_wanted: Arc<AtomicBool>,
    /// The stretch of blocks in which the balance was read last.
    balance_read: Option<u64>,
    /// Orders for an assessment so far, and those that the newest assessment was begun after.
    ordered: Arc<AtomicU64>,
    answered: u64,
    /// Wakes the chain's loop for an order.
    wake: Arc<Notify>,
}

/// A reason to let blocks pass.
#[derive(Debug, Clone, Copy)]
struct Rest {
    /// Over when a block has this timestamp …
    until: u64,
    /// … or this number.
    block: u64,
}

impl Seat {
    pub(crate) fn new(
        product: Arc<ProductConfig>,
        registry: Arc<Registry>,
        wallet: WalletHandle,
        feeds: watch::Receiver<FeedReading>,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            product,
            registry,
            wallet,
            strategy: watch::Sender::new(None),
            heads: watch::Sender::new(None),
            turns: watch::Sender::new(None),
            feeds,
            begun: 0,
            busy: None,
            assessed: None,
            rest: None,
            fell_away: None,
            connect_failures: 0,
            balance_wanted: Arc::default(),
            balance_read: None,
            ordered: Arc::default(),
            answered: 0,
            wake,
        }
    }

    /// For a product task; as many as restarts need.
    pub(crate) fn mailbox(&self) -> Mailbox {
        Mailbox {
            heads: self.heads.subscribe(),
            turns: self.turns.subscribe(),
            strategy: self.strategy.subscribe(),
            feeds: self.feeds.clone(),
            balance_wanted: Arc::clone(&self.balance_wanted),
            ordered: Arc::clone(&self.ordered),
            wake: Arc::clone(&self.wake),
        }
    }

    /// Who would send; not known while its signer has not told.
    pub(crate) fn caller(&self) -> Option<Address> {
        self.wallet.address()
    }

    /// Everything above `to` fell away: what was read there is forgotten, and so is what it said of
    /// when to look again.
    pub(crate) fn reorganised(&mut self, to: u64) {
        self.rest = None;
        // A second reorganisation of the same turn must not give back what the first took.
        let before = self.fell_away.filter(|(number, _)| self.busy == Some(*number));
        let lowest = before.map_or(to, |(_, before)| before.min(to));
        self.fell_away = self.busy.map(|number| (number, lowest));
        let is_gone = |turn: &Arc<Turn>| turn.head.number > to;
        if self.turns.borrow().as_ref().is_some_and(is_gone) {
            self.turns.send_replace(None);
        }
    }

    pub(crate) fn announce(&self, head: Head) {
        self.heads.send_replace(Some(head));
    }

    pub(crate) fn is_due(&self, head: &Head) -> bool {
        let resting = |rest: Rest| head.timestamp < rest.until && head.number < rest.block;
        let is_ordered = self.ordered.load(Ordering::Relaxed) > self.answered;
        let is_new = self.assessed != Some(head.hash) && !self.rest.is_some_and(resting);
        self.busy.is_none() && (is_ordered || is_new) && self.caller().is_some()
    }

    /// The assessment of `head`, to be driven, and its number; the seat is busy until
    /// [`end`](Self::end) with that number.
    pub(crate) fn begin(&mut self, head: &Head) -> (u64, Run) {
        let ask_balance = self.asks_balance(head);
        self.begun = self.begun.wrapping_add(1);
        self.busy = Some(self.begun);
        self.assessed = Some(head.hash);
        self.answered = self.ordered.load(Ordering::Relaxed);
        let connected = self.strategy.borrow().clone();
        let (product, registry) = (Arc::clone(&self.product), Arc::clone(&self.registry));
        let assess: Run = Box::new(move |reader| {
            Box::pin(async move {
                let look = async {
                    let (kind, params) = (&product.strategy, &product.params);
                    let connect = || registry.connect(kind, params, reader.clone());
                    let strategy = match connected {
                        Some(strategy) => strategy,
                        None => match connect().await {
                            Ok(strategy) => strategy,
                            Err(error) => return (None, Err(error)),
                        },
                    };
                    let assessed = strategy.assess(&reader).await;
                    // What it leads to by now is looked at; whether that is acted on, is not for
                    // the seat to say.
                    if has_moved(&assessed)
                        && let Ok(other) = connect().await
                    {
                        let assessed = other.assess(&reader).await;
                        return (Some(other), assessed);
                    }
                    (Some(strategy), assessed)
                };
                let balance = async {
                    if ask_balance { reader.balance(reader.caller()).await.ok() } else { None }
                };
                let ((strategy, assessed), balance) = futures::join!(look, balance);
                Brought::Turn(TurnResult { strategy, assessed, balance })
            })
        });
        (self.begun, assess)
    }

    /// Whether the assessment that is about to begin reads the balance too: one that was told to,
    /// and the first of each stretch of blocks, which wallets begin at different ones.
    fn asks_balance(&mut self, head: &Head) -> bool {
        let turn = self.caller().and_then(|wallet| wallet.last().copied()).map_or(0, u64::from);
        let stretch = head.number.saturating_add(turn).checked_div(BALANCE_EVERY);
        let is_told = self.balance_wanted.swap(false, Ordering::Relaxed);
        std::mem::replace(&mut self.balance_read, stretch) != stretch || is_told
    }

    /// Takes what came of an assessment and hands it to the product's task. One that the seat has
    /// been freed of comes too late and is dropped.
    pub(crate) fn end(&mut self, number: u64, head: Head, outcome: Outcome<Brought>) {
        if self.busy != Some(number) {
            return;
        }
        self.busy = None;
        if self.fell_away.take().is_some_and(|(busy, to)| busy == number && head.number > to) {
            return;
        }
        let (mut balance, mut acts_on) = (None, None);
        let outcome = match outcome {
            Outcome::Done(Brought::Feeds(_)) => return,
            Outcome::Done(Brought::Turn(result)) => {
                acts_on = result.strategy.as_ref().and_then(|strategy| strategy.acts_on());
                self.remember(result.strategy, &head);
                balance = result.balance;
                result.assessed.map_err(|error| TurnFailure {
                    reason: reason_of(&error),
                    detail: crate::error_chain(&error),
                })
            }
            Outcome::Panicked(detail) => Err(TurnFailure { reason: "assessment panicked", detail }),
            Outcome::TimedOut => Err(TurnFailure {
                reason: "assessment timed out",
                detail: "the assessment took longer than assess_timeout".to_owned(),
            }),
        };
        if let Ok(Assessment { decision: Decision::Wait { until: Some(until), .. }, .. }) = &outcome
        {
            let block = head.number.saturating_add(MAX_SKIP);
            self.rest = Some(Rest { until: *until, block });
        }
        // Nothing else was begun meanwhile.
        let answers = self.answered;
        self.turns.send_replace(Some(Arc::new(Turn { head, outcome, balance, acts_on, answers })));
    }

    /// After the driver of that assessment died: the next head is the retry.
    pub(crate) fn free(&mut self, number: u64) {
        if self.busy == Some(number) {
            self.busy = None;
        }
    }

    fn remember(&mut self, strategy: Option<Arc<dyn DynStrategy>>, head: &Head) {
        self.rest = None;
        match strategy {
            Some(strategy) => {
                self.connect_failures = 0;
                let is_known = |known: &Arc<dyn DynStrategy>| Arc::ptr_eq(known, &strategy);
                if !self.strategy.borrow().as_ref().is_some_and(is_known) {
                    self.strategy.send_replace(Some(strategy));
                }
            }
            None => {
                // A product that cannot be connected is asked again, ever more rarely.
                let blocks = 1_u64.checked_shl(self.connect_failures).unwrap_or(u64::MAX);
                self.connect_failures = self.connect_failures.saturating_add(1);
                let blocks = blocks.min(MAX_CONNECT_BACKOFF);
                let block = head.number.saturating_add(blocks);
                self.rest = Some(Rest { until: u64::MAX, block });
            }
        }
    }
}

/// Whether the strategy says that its parameters lead elsewhere by now.
fn has_moved(assessed: &Result<Assessment, StrategyError>) -> bool {
    let decision = assessed.as_ref().ok().map(|assessment| &assessment.decision);
    matches!(decision, Some(Decision::Blocked { reason, .. }) if *reason == MOVED)
}

fn reason_of(error: &StrategyError) -> &'static str {
    match error {
        StrategyError::Read { .. } => "reads failed",
        StrategyError::Misconfigured(_) => "misconfigured",
        StrategyError::Arithmetic(_) => "arithmetic failed",
    }
}

#[cfg(test)]
mod tests;
