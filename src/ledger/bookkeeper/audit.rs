//! Looking at what wallets hold, and booking what the journal does not know: nonces that somebody
//! else used, and what came in.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, I256, U256};
use ballast_chains::reader::CallError;
use tracing::{info, warn};

use super::{
    super::{
        booking::{self, Now},
        chain::Account,
        entry::{BlockRef, Checkpoint, Inflow},
        flows::{self, Evidence, FlowError, Known, Point},
        queue::{Trace, Waiting},
        read::Stretch,
    },
    BookError, Bookkeeper, Standing,
};
use crate::{store::StoreError, submission::lifecycle::Outcome};

/// Nonces that are found and booked for one wallet at one look; the others follow at the next.
pub(super) const MAX_FOUND: usize = 16;
/// Blocks with inflows that are booked for one wallet at one look.
const MAX_INFLOW_BLOCKS: usize = 32;
/// Entries that are read at once.
const PAGE: u64 = 500;
/// Seconds of a day and of an hour, by the blocks' time.
const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;

/// What the books have of a stretch.
#[derive(Debug, Default)]
pub(super) struct Booked {
    /// What flowed by block; inflows are not among it.
    pub(super) out: Known,
    /// The nonces.
    pub(super) nonces: BTreeSet<u64>,
    /// What its own transactions were paid, by transaction.
    pub(super) paid: BTreeMap<B256, U256>,
}

impl Bookkeeper {
    /// Brings the books of these wallets up to the newest final block.
    pub(super) async fn audit(&mut self, wallets: &[Address], now: Now) -> Result<(), BookError> {
        if wallets.is_empty() {
            return Ok(());
        }
        let (wallets, mut failed) = self.undo(wallets, now.settled).await;
        let balances = match self.chain.balances(wallets.clone(), now.settled).await {
            Ok(balances) => balances,
            Err(error) => {
                self.unready.extend(wallets);
                return Err(FlowError::reading("balances")(error).into());
            }
        };
        for (wallet, balance) in wallets.into_iter().zip(balances) {
            let Some(product) = self.product_of(wallet).map(str::to_owned) else { continue };
            if let Err(error) = self.audit_one(wallet, &product, balance, now).await {
                // Trouble with one wallet is no reason not to look at the others.
                self.unready.push(wallet);
                failed = Err(error);
            }
        }
        failed
    }

    async fn audit_one(
        &mut self,
        wallet: Address,
        product: &str,
        balance: U256,
        now: Now,
    ) -> Result<(), BookError> {
        let Some(standing) = self.standing(wallet).await? else {
            return self.open(wallet, product, now.settled).await;
        };
        if standing.at.block.number >= now.settled.number {
            return Ok(());
        }
        let booked = self.booked(wallet, (standing.at.block.number, now.settled.number)).await?;
        let nonce = next_free(&booked.nonces, standing.at.nonce);
        let guess = Point { block: now.settled, account: Account { balance, nonce } };
        let is_whole = booked.nonces.last().is_none_or(|last| *last < nonce);
        let from = point_of(&standing.at);
        if is_whole && flows::unknown(&from, &guess, &booked.out) == Some(I256::ZERO) {
            return self.stand(wallet, standing, guess).await;
        }
        self.explain(wallet, product, (standing, booked), now).await
    }

    /// Books what explains the balance, as far as the chain tells.
    async fn explain(
        &mut self,
        wallet: Address,
        product: &str,
        (standing, mut booked): (Standing, Booked),
        now: Now,
    ) -> Result<(), BookError> {
        let account = self.chain.account(wallet, now.settled).await;
        let account = account.map_err(FlowError::reading("a wallet's state"))?;
        let (from, to) = (point_of(&standing.at), Point { block: now.settled, account });
        let missing: Vec<u64> = (standing.at.nonce..account.nonce)
            .filter(|nonce| !booked.nonces.contains(nonce))
            .take(MAX_FOUND)
            .collect();
        if !missing.is_empty() {
            match self.book_missing(wallet, product, &missing, now).await {
                Ok(true) => {}
                Ok(false) => {
                    // The journal is not done with one of them, or there are more than these.
                    if !self.deferred.keys().any(|(of, _)| *of == wallet) {
                        self.unready.push(wallet);
                    }
                    return Ok(());
                }
                Err(BookError::Chain(FlowError::Chain { source, .. }))
                    if self.is_lost(&from, &to) =>
                {
                    return self.give_up(wallet, standing, to, &source).await;
                }
                Err(error) => return Err(error),
            }
            let blocks = (standing.at.block.number, now.settled.number);
            booked = self.booked(wallet, blocks).await?;
        }
        let (inflows, done) = match self.inflows(wallet, product, (from, to), &booked, now).await {
            Ok(found) => found,
            Err(FlowError::Chain { source, .. }) if self.is_lost(&from, &to) => {
                return self.give_up(wallet, standing, to, &source).await;
            }
            Err(error) => return Err(error.into()),
        };
        if done != to {
            self.unready.push(wallet);
        }
        let checkpoint = checkpoint_of(&standing.at, done);
        self.ledger.book_inflows(&inflows, Some(&checkpoint)).await?;
        for inflow in &inflows {
            let (source, block) = (inflow.source.label(), inflow.block.number);
            info!(product, source, block, wei = %inflow.wei, "came in");
        }
        let standing = Standing { at: checkpoint.clone(), stored: checkpoint, ..standing };
        self.known.insert(wallet, standing);
        Ok(())
    }

    /// Finds and books nonces that are used and not in the journal. False while some are left.
    pub(super) async fn book_missing(
        &self,
        wallet: Address,
        product: &str,
        missing: &[u64],
        now: Now,
    ) -> Result<bool, BookError> {
        let key = (self.profile.chain_id, wallet);
        let mut entries = Vec::new();
        let mut all = missing.len() < MAX_FOUND;
        for nonce in missing {
            match self.ledger.trace(key, *nonce).await? {
                Trace::Unknown => {}
                // The reconciliation tells of a row that is not where it should be.
                Trace::Elsewhere => continue,
                Trace::UnderWay => {
                    all = false;
                    continue;
                }
                Trace::Gone => {
                    warn!(product, nonce, "its entry is gone: booked again from the journal");
                    self.ledger.ask_again(key, *nonce).await?;
                    all = false;
                    continue;
                }
            }
            let waiting = Waiting {
                wallet,
                nonce: *nonce,
                product: product.to_owned(),
                outcome: Outcome::Foreign,
                hash: None,
                receipt: None,
                signed: None,
                attempts: 0,
                intended: None,
            };
            let (holder, owner) = (self.holder(wallet, product), self.owner(product));
            match booking::entry(self.chain.as_ref(), holder, &waiting, &owner, now).await {
                Ok(Some(entry)) => entries.push(entry),
                // There will never be anything to book; the reconciliation tells of it.
                Ok(None) => {
                    warn!(product, nonce, "the chain counted a nonce without a transaction")
                }
                Err(error) => {
                    self.write(&entries).await?;
                    return Err(error.into());
                }
            }
        }
        self.write(&entries).await?;
        Ok(all)
    }

    /// What came in between two points, and up to where that has been looked at.
    pub(super) async fn inflows(
        &self,
        wallet: Address,
        product: &str,
        stretch: (Point, Point),
        booked: &Booked,
        now: Now,
    ) -> Result<(Vec<Inflow>, Point), FlowError> {
        let chain = self.chain.as_ref();
        let (found, done) =
            flows::find(chain, wallet, stretch, &booked.out, MAX_INFLOW_BLOCKS).await?;
        let mut inflows = Vec::new();
        for (before, after) in found {
            let evidence: Evidence =
                flows::evidence(chain, wallet, (before, after), &booked.paid).await?;
            for (number, came) in (0_u64..).zip(evidence.came) {
                inflows.push(Inflow {
                    holder: self.holder(wallet, product),
                    block: after.block,
                    number,
                    wei: came.wei,
                    source: came.source,
                    counterparty: came.counterparty,
                    hash: came.hash,
                    booked_at: now.head,
                });
            }
        }
        Ok((inflows, done))
    }

    /// What the books have of a wallet after a block and up to another.
    pub(super) async fn booked(
        &self,
        wallet: Address,
        (after, until): (u64, u64),
    ) -> Result<Booked, StoreError> {
        let chain_id = self.profile.chain_id;
        let stretch = Stretch { chain_id, wallet, after, until, nonces: (0, 0) };
        let mut booked = Booked::default();
        let mut next = 0;
        loop {
            let page = self.ledger.page(&stretch, next, PAGE).await?;
            let is_last = u64::try_from(page.len()).is_ok_and(|len| len < PAGE);
            for (nonce, entry) in page {
                next = nonce.saturating_add(1);
                booked.nonces.insert(nonce);
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        // Its nonce is booked all the same: it must not keep the books from being
                        // kept. The daily reconciliation tells of it.
                        let detail = crate::error_chain(&error);
                        warn!(%wallet, nonce, detail, "an entry is left out of the books");
                        continue;
                    }
                };
                let out = entry.outflow().and_then(|wei| I256::try_from(wei).ok());
                let flow = booked.out.entry(entry.block.number).or_insert(I256::ZERO);
                *flow = flow.saturating_sub(out.unwrap_or(I256::MAX));
                if let Some(settled) = entry.settlement.filter(|s| s.income > U256::ZERO) {
                    booked.paid.insert(entry.hash, settled.income);
                }
            }
            if is_last {
                return Ok(booked);
            }
        }
    }

    /// Where a wallet stands, by memory or by the store.
    async fn standing(&mut self, wallet: Address) -> Result<Option<Standing>, StoreError> {
        if let Some(standing) = self.known.get(&wallet) {
            return Ok(Some(standing.clone()));
        }
        let stored = self.ledger.newest(self.profile.chain_id, wallet).await?;
        let Some(stored) = stored else { return Ok(None) };
        let verdict = self.ledger.verdict((self.profile.chain_id, wallet)).await?;
        let reconciled = verdict.map_or(stored.block.timestamp, |verdict| verdict.at);
        let reconciled = day(reconciled);
        let standing = Standing { at: stored.clone(), stored, reconciled };
        self.known.insert(wallet, standing.clone());
        Ok(Some(standing))
    }

    /// The first sight of a wallet: its books begin with what it holds now.
    async fn open(
        &mut self,
        wallet: Address,
        product: &str,
        settled: BlockRef,
    ) -> Result<(), BookError> {
        let account = self.chain.account(wallet, settled).await;
        let Account { balance, nonce } = account.map_err(FlowError::reading("a wallet's state"))?;
        let holder = self.holder(wallet, product);
        let at = Checkpoint { holder, block: settled, balance, nonce };
        self.ledger.hold(&at, None).await?;
        info!(product, block = settled.number, %balance, nonce, "the books begin");
        let reconciled = day(settled.timestamp);
        self.known.insert(wallet, Standing { stored: at.clone(), at, reconciled });
        Ok(())
    }

    /// Everything up to `to` is explained. The store is told once an hour, and keeps the first
    /// checkpoint of each day and the newest.
    async fn stand(
        &mut self,
        wallet: Address,
        standing: Standing,
        to: Point,
    ) -> Result<(), BookError> {
        let (last, now) = (standing.stored.block.timestamp, to.block.timestamp);
        let mut stored = standing.stored.clone();
        let mut at = checkpoint_of(&standing.at, to);
        if now.saturating_sub(last) >= HOUR {
            // What is stored is the chain's own word.
            let account = self.chain.account(wallet, to.block).await;
            let account = account.map_err(FlowError::reading("a wallet's state"))?;
            if account.nonce != to.account.nonce {
                // Something was sent that cost nothing: found as any other that is missing.
                let booked =
                    self.booked(wallet, (standing.at.block.number, to.block.number)).await?;
                let product = standing.at.holder.product.clone();
                let now = Now { settled: to.block, head: to.block.number };
                return self.explain(wallet, &product, (standing, booked), now).await;
            }
            at = checkpoint_of(&standing.at, Point { account, ..to });
            let key = (self.profile.chain_id, wallet);
            let mut earlier = self.ledger.held(key, (0, stored.block.number)).await?;
            earlier.retain(|at| at.block.number < stored.block.number);
            // The first of a day stays; so does the very first.
            let before = earlier.pop();
            let is_first = before.is_none_or(|b| day(b.block.timestamp) != day(last));
            let gives_way = (!is_first && day(last) == day(now)).then_some(stored.block.number);
            self.ledger.hold(&at, gives_way).await?;
            stored = at.clone();
        }
        self.known.insert(wallet, Standing { at, stored, ..standing });
        Ok(())
    }

    /// Whether nodes have forgotten what would be needed to look between two points.
    fn is_lost(&self, from: &Point, to: &Point) -> bool {
        /// States that an ordinary node keeps.
        const KEPT: u64 = 128;
        to.block.number.saturating_sub(from.block.number) > KEPT
    }

    /// Goes on from what the wallet holds, and leaves a gap in its books that the reconciliation
    /// tells of until an archive fills it.
    async fn give_up(
        &mut self,
        wallet: Address,
        standing: Standing,
        to: Point,
        why: &CallError,
    ) -> Result<(), BookError> {
        let checkpoint = checkpoint_of(&standing.at, to);
        self.ledger.hold(&checkpoint, None).await?;
        let product = &standing.at.holder.product;
        let (from, until) = (standing.at.block.number, to.block.number);
        warn!(
            product, from, until, %why,
            "what came in between these blocks cannot be found: mark an rpc `archive = true`"
        );
        self.known
            .insert(wallet, Standing { at: checkpoint.clone(), stored: checkpoint, ..standing });
        Ok(())
    }
}

/// The first nonce from `first` on that is not among those.
fn next_free(nonces: &BTreeSet<u64>, first: u64) -> u64 {
    let mut next = first;
    for nonce in nonces.range(first..) {
        if *nonce != next {
            break;
        }
        next = next.saturating_add(1);
    }
    next
}

pub(super) fn point_of(at: &Checkpoint) -> Point {
    Point { block: at.block, account: Account { balance: at.balance, nonce: at.nonce } }
}

pub(super) fn checkpoint_of(like: &Checkpoint, at: Point) -> Checkpoint {
    Checkpoint {
        holder: like.holder.clone(),
        block: at.block,
        balance: at.account.balance,
        nonce: at.account.nonce,
    }
}

/// The day that holds a moment, counted from 1970.
pub(super) fn day(at: u64) -> u64 {
    at.checked_div(DAY).unwrap_or_default()
}
