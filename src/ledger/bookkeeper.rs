//! Keeps the books of a chain's wallets while the keeper runs: a task of its own that nothing waits
//! for, and that asks the chain for nothing that cannot wait.
//!
//! The journal is the queue: at each head whatever it has as final and not booked is booked. Every
//! so many blocks the balances are looked at, at a block that is final: where one is not what the
//! books say, what is missing is found by nonces, and what came in by the blocks at which the
//! balance moved. Once a day, by the blocks' time, all of it is reconciled.

mod audit;
mod daily;
mod undo;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use alloy::primitives::Address;
use ballast_chains::{ChainProfile, Head, profile::Finality};
use ballast_strategy_api::DynStrategy;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Ledger,
    booking::{self, Now, Owner},
    chain::{Chain, Place},
    entry::{BlockRef, Checkpoint, Entry, Holder},
    flows::FlowError,
    queue::Waiting,
};
use crate::{
    config::Category,
    runtime::{Board, Reconciled},
    store::StoreError,
    submission::lifecycle::Outcome,
};

/// Blocks between two looks at the balances: state that an ordinary node still has at each of them
/// where final blocks are at most a hundred blocks old.
const AUDIT_EVERY: u64 = 25;
/// Nonces that are booked at one head; the others follow at the next.
const MAX_BOOKED: usize = 32;
/// Nonces that could not be booked and are left alone until the next look.
const MAX_DEFERRED: usize = 512;
/// Entries whose price or settlement is asked for again at one look.
const MAX_COMPLETED: u64 = 16;

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
    /// Wallets whose look waits for the journal: looked at again at the next head.
    unready: Vec<Address>,
    /// Nonces that could not be booked in this stretch.
    deferred: BTreeMap<(Address, u64), ()>,
    /// Whether the last look failed, so that it is told once.
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
            deferred: BTreeMap::new(),
            failing: false,
        }
    }

    /// Runs until stopped.
    pub async fn run(mut self, mut heads: watch::Receiver<Option<Head>>, stop: CancellationToken) {
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
            Ok(()) => self.failing = false,
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

    async fn keep(&mut self, head: &Head) -> Result<(), BookError> {
        let stretch = head.number.checked_div(AUDIT_EVERY);
        let looks = self.looked != stretch;
        if looks {
            self.deferred.clear();
        }
        let waiting = self.waiting().await?;
        if !looks && waiting.is_empty() && self.unready.is_empty() {
            return Ok(());
        }
        let Some(settled) = self.settled(head).await? else { return Ok(()) };
        let now = Now { settled, head: head.number };
        let booked = self.book(&waiting, now).await;
        let unready = std::mem::take(&mut self.unready);
        let wallets: Vec<Address> = if looks {
            self.clients.iter().filter_map(|client| (client.wallet)()).collect()
        } else {
            unready
        };
        let audited = self.audit(&wallets, now).await;
        if looks && audited.is_ok() {
            self.looked = stretch;
            self.complete().await?;
            self.reconcile_daily(now).await?;
        }
        booked?;
        audited
    }

    /// What the journal has for the ledger and was not tried in this stretch.
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let (id, name) = (self.profile.chain_id, &self.profile.name);
        let mut waiting = self.ledger.waiting(id, name).await?;
        let count = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        metrics::gauge!("ballast_ledger_waiting", "chain" => name.clone()).set(f64::from(count));
        waiting.retain(|slot| !self.deferred.contains_key(&(slot.wallet, slot.nonce)));
        Ok(waiting)
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

    /// Books what the journal is done with.
    async fn book(&mut self, waiting: &[Waiting], now: Now) -> Result<(), BookError> {
        let mut entries = Vec::new();
        let mut failed = Ok(());
        for slot in waiting.iter().take(MAX_BOOKED) {
            let owner = self.owner(&slot.product);
            let holder = self.holder(slot.wallet, &slot.product);
            match booking::entry(self.chain.as_ref(), holder, slot, &owner, now).await {
                Ok(Some(entry)) => entries.push(entry),
                Ok(None) => self.defer(slot),
                Err(error) => {
                    self.defer(slot);
                    failed = Err(error);
                }
            }
        }
        self.write(&entries).await?;
        Ok(failed?)
    }

    fn defer(&mut self, slot: &Waiting) {
        if self.deferred.len() < MAX_DEFERRED {
            self.deferred.insert((slot.wallet, slot.nonce), ());
        }
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.ledger.book(entries).await?;
        for entry in entries {
            let labels = [
                ("product", entry.holder.product.clone()),
                ("outcome", entry.outcome.label().to_owned()),
            ];
            metrics::counter!("ballast_ledger_entries_total", &labels).increment(1);
            let (product, nonce) = (&entry.holder.product, entry.nonce);
            let (outcome, cost) = (entry.outcome.label(), entry.cost);
            info!(product, nonce, outcome, %cost, "booked");
        }
        Ok(())
    }

    /// Asks again for prices and strategies' words that were not to be had.
    async fn complete(&self) -> Result<(), BookError> {
        let (id, name) = (self.profile.chain_id, &self.profile.name);
        for entry in self.ledger.incomplete(id, name, MAX_COMPLETED).await? {
            let mut more = entry.clone();
            if more.price.is_err() {
                let price = self.chain.price(entry.block).await;
                more.usd = price.as_ref().ok().map(|p| crate::money::Usd::cost(more.cost, p.price));
                more.price = price.map_err(|why| why.to_string());
            }
            let owner = self.owner(&entry.holder.product);
            if more.settlement.is_none() && (owner.strategy.is_some() || owner.gone) {
                let receipts = super::chain::receipts_of(self.chain.as_ref(), vec![entry.hash]);
                let receipts = receipts.await.map_err(FlowError::reading("a receipt"))?;
                let paid = receipts.values().next();
                more.settlement =
                    paid.and_then(|paid| booking::settlement(Outcome::Confirmed, &owner, paid));
            }
            if more != entry {
                self.ledger.complete(&more).await?;
            }
        }
        Ok(())
    }

    fn owner(&self, product: &str) -> Owner {
        let client = self.clients.iter().find(|client| client.product == product);
        client.map_or_else(Owner::gone, |client| Owner {
            category: client.category,
            external: client.external,
            gone: false,
            strategy: client.strategy.borrow().clone(),
        })
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

fn gauge_unexplained(product: &str, unexplained: bool) {
    metrics::gauge!("ballast_ledger_unexplained", "product" => product.to_owned())
        .set(f64::from(u8::from(unexplained)));
}
