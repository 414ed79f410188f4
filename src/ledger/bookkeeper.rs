//! Keeps the books of a chain's wallets while the keeper runs: a task of its own that nothing waits
//! for, and that asks the chain for nothing that cannot wait.
//!
//! The journal is the queue: at each head whatever it has as final and not booked is booked. Every
//! so many blocks the balances are looked at, at a block that is final: where one is not what the
//! books say, what is missing is found by nonces, and what came in by the blocks at which the
//! balance moved. Once a day, by the blocks' time, all of it is reconciled.

mod audit;
mod complete;
mod daily;
mod gaps;
mod journal;
mod nonces;
mod undo;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use alloy::primitives::Address;
use ballast_chains::{ChainProfile, Head, profile::Finality};
use ballast_strategy_api::DynStrategy;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    Ledger,
    booking::Now,
    chain::{Chain, Place},
    entry::{BlockRef, Checkpoint, Holder},
    flows::FlowError,
    verdict::Verdict,
};
use crate::{
    config::Category,
    runtime::{Board, Reconciled},
    store::StoreError,
};

/// Blocks between two looks at the balances: state that an ordinary node still has at each of them
/// where final blocks are at most a hundred blocks old.
const AUDIT_EVERY: u64 = 25;
/// A product, as far as its books go.
pub struct Client {
    /// Its name.
    pub product: String,
    /// Its cost centre.
    pub category: Category,
    /// Whether no strategy acts with its wallet.
    pub external: bool,
    /// Its wallet, as soon as that is known.
    pub wallet: Box<dyn Fn() -> Option<Address> + Send + Sync>,
    /// Its strategy, as soon as it is connected.
    pub strategy: watch::Receiver<Option<Arc<dyn DynStrategy>>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("product", &self.product).finish_non_exhaustive()
    }
}

/// The books of the wallets of one chain.
#[derive(Debug)]
pub struct Bookkeeper {
    chain: Arc<dyn Chain>,
    ledger: Ledger,
    profile: Arc<ChainProfile>,
    clients: Vec<Client>,
    board: Board,
    /// Up to where each wallet's books are right.
    known: HashMap<Address, Standing>,
    /// The stretch of blocks in which the balances were looked at last.
    looked: Option<u64>,
    /// Wallets whose look waits for the journal, or failed: looked at again at the next head.
    unready: Vec<Address>,
    /// Wallets whose books are reconciled at the next look, whatever the day: those that an earlier
    /// process found unexplained, and those that went back.
    doubtful: BTreeSet<Address>,
    /// Whether it was told what earlier processes found.
    has_recalled: bool,
    /// Nonces that could not be booked in this stretch.
    deferred: BTreeMap<(Address, u64), ()>,
    /// Whether something failed and no look went well since, so that it is told once.
    failing: bool,
}

/// Up to where a wallet's books are right.
#[derive(Debug, Clone)]
struct Standing {
    /// Everything up to here is booked.
    at: Checkpoint,
    /// The checkpoint that is stored and may give way to a newer one of its day.
    stored: Checkpoint,
    /// The day, counted from 1970, that was reconciled last.
    reconciled: u64,
}

/// Why the books could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum BookError {
    /// The store does not answer.
    #[error("the store")]
    Store(#[from] StoreError),
    /// The chain does not.
    #[error("the chain")]
    Chain(#[from] FlowError),
    /// All that is known of a wallet is of another branch, or of another chain.
    #[error(
        "the chain has the block of none of the {1} checkpoints of {0}, and nothing of its books was \
         taken back: make sure that the endpoints and the store are of the same chain"
    )]
    NoneStands(String, usize),
}

impl Bookkeeper {
    /// The books of these products on a chain.
    pub fn new(
        chain: Arc<dyn Chain>,
        ledger: Ledger,
        profile: Arc<ChainProfile>,
        clients: Vec<Client>,
        board: Board,
    ) -> Self {
        for client in &clients {
            gauge_unexplained(&client.product, false);
        }
        Self {
            chain,
            ledger,
            profile,
            clients,
            board,
            known: HashMap::new(),
            looked: None,
            unready: Vec::new(),
            doubtful: BTreeSet::new(),
            has_recalled: false,
            deferred: BTreeMap::new(),
            failing: false,
        }
    }

    /// Runs until stopped.
    pub async fn run(mut self, mut heads: watch::Receiver<Option<Head>>, stop: CancellationToken) {
        if let Err(error) = self.recall().await {
            let detail = crate::error_chain(&error);
            warn!(detail, "what is unexplained cannot be read; tried again at the next head");
        }
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = heads.changed() => if changed.is_err() { return },
            }
            let Some(head) = *heads.borrow_and_update() else { continue };
            // What a stop cuts off here was not booked, and is found at the next start.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.at(&head) => {}
            }
        }
    }

    /// Does what is to be done at a head. What fails is tried again at a later one.
    pub async fn at(&mut self, head: &Head) {
        let kept = self.keep(head).await;
        match kept {
            Ok(true) => self.failing = false,
            // Nothing was looked at that could have failed again.
            Ok(false) => {}
            Err(error) => {
                let (chain, detail) = (&self.profile.name, crate::error_chain(&error));
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(chain, detail, "the books cannot be kept; tried again");
                }
            }
        }
        metrics::gauge!("ballast_ledger_failing", "chain" => self.profile.name.clone())
            .set(f64::from(u8::from(self.failing)));
    }

    /// Tells what reconciliations of earlier processes found.
    async fn recall(&mut self) -> Result<(), StoreError> {
        if self.has_recalled {
            return Ok(());
        }
        for verdict in self.ledger.verdicts(self.profile.chain_id, &self.profile.name).await? {
            let (wallet, product) = (verdict.holder.wallet, verdict.holder.product.clone());
            let client = self.clients.iter().find(|client| client.product == product);
            // Not of a wallet that the product does not have any more.
            let is_its = |client: &Client| (client.wallet)().is_none_or(|has| has == wallet);
            if client.is_some_and(is_its) {
                if verdict.open.is_some() {
                    self.doubtful.insert(wallet);
                }
                self.tell(&product, told_of(verdict));
            }
        }
        self.has_recalled = true;
        Ok(())
    }

    /// True after a look at all wallets.
    async fn keep(&mut self, head: &Head) -> Result<bool, BookError> {
        self.recall().await?;
        let stretch = head.number.checked_div(AUDIT_EVERY);
        let looks = self.looked != stretch;
        if looks {
            self.deferred.clear();
        }
        let (waiting, unread) = self.waiting().await?;
        if !looks && waiting.is_empty() && self.unready.is_empty() {
            unread?;
            return Ok(false);
        }
        let Some(settled) = self.settled(head).await? else { return Ok(false) };
        let now = Now { settled, head: head.number };
        let booked = self.book(&waiting, now).await;
        let unready = std::mem::take(&mut self.unready);
        let wallets: Vec<Address> = if looks {
            self.clients.iter().filter_map(|client| (client.wallet)()).collect()
        } else {
            unready
        };
        let audited = self.audit(&wallets, now).await;
        let mut chores = Ok(());
        if looks {
            // Wallets with which there was trouble are unready; that of one stops no other.
            self.looked = stretch;
            let completed = self.complete().await;
            chores = completed.and(self.reconcile_daily(now).await);
        }
        unread?;
        booked?;
        audited?;
        chores.map(|()| looks)
    }

    /// The newest block that cannot fall away.
    async fn settled(&self, head: &Head) -> Result<Option<BlockRef>, FlowError> {
        let place = match self.profile.finality {
            Finality::Confirmations(count) => {
                let Some(number) = head.number.checked_sub(count.saturating_sub(1)) else {
                    return Ok(None);
                };
                Place::Number(number)
            }
            Finality::Safe => Place::Safe,
            Finality::Finalized => Place::Finalized,
        };
        let block = self.chain.block(place).await;
        block.map_err(FlowError::reading("the newest final block"))
    }

    fn holder(&self, wallet: Address, product: &str) -> Holder {
        Holder {
            chain_id: self.profile.chain_id,
            chain: self.profile.name.clone(),
            wallet,
            product: product.to_owned(),
        }
    }

    /// Whose wallet it is.
    fn product_of(&self, wallet: Address) -> Option<&str> {
        let client = self.clients.iter().find(|client| (client.wallet)() == Some(wallet));
        client.map(|client| client.product.as_str())
    }

    fn tell(&self, product: &str, reconciled: Reconciled) {
        gauge_unexplained(product, reconciled.problem.is_some());
        // Exact up to 2^53, far above any block's time.
        #[expect(
            clippy::cast_precision_loss,
            clippy::as_conversions,
            reason = "a gauge is a float"
        )]
        metrics::gauge!("ballast_ledger_reconciled_timestamp", "product" => product.to_owned())
            .set(reconciled.at as f64);
        self.board.reconciled(product, reconciled);
    }
}

/// As the board has it.
fn told_of(verdict: Verdict) -> Reconciled {
    Reconciled {
        block: verdict.block,
        at: verdict.at,
        problem: verdict.open.map(|open| open.problem),
    }
}

fn gauge_unexplained(product: &str, unexplained: bool) {
    metrics::gauge!("ballast_ledger_unexplained", "product" => product.to_owned())
        .set(f64::from(u8::from(unexplained)));
}
