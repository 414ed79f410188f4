//! What one product has cost and how it fared, kept beside its lane for the guard.
//!
//! The journal is the source: this reads it anew whenever the lane has told that something changed,
//! never on the way to a send. What the journal does not know of an inclusion (when its block was,
//! what the native currency was worth) is added here and booked.

mod budget_use;
mod due;
mod settled;

use std::{collections::BTreeMap, future::IntoFuture as _, time::Duration};

use alloy::{primitives::B256, providers::Provider as _};
use ballast_chains::{Head, feeds::Price, pool::Pool};
use ballast_strategy_api::Action;
use futures::future::join_all;
use tokio::time::timeout;
use tracing::warn;

pub use self::budget_use::BudgetUse;
pub(crate) use self::due::Due;
use self::settled::Settled;
use crate::{
    finance::pace::{Pace, WINDOW},
    guard::{Past, Spending, budget},
    money::Usd,
    store::{Books, Cost, MAX_RECENT, RecentCall, Store, StoreError},
    submission::LaneEvent,
};

/// Inclusions whose block's time is asked for at one head; the others follow at the next, as all do
/// after a failure.
const MAX_LOOKUPS: usize = 32;
/// Block time after which people are told anew where a month is going, seconds.
const TELL_EVERY: u64 = 3_600;
/// Longest wait for them.
const LOOKUP_WITHIN: Duration = Duration::from_secs(1);

/// The books of one product.
#[derive(Debug)]
pub(crate) struct Accounts {
    product: String,
    chain_id: u64,
    store: Store,
    pool: Pool,
    past: Option<Past>,
    /// What was found of costs and is not booked yet.
    found: Vec<Cost>,
    /// What of the past need not be read again.
    settled: Option<Settled>,
    /// The journal may have changed since it was read.
    stale: bool,
    /// The newest action that was seen to be due, and since when.
    due: Option<(Action, Due)>,
    /// The store may hold the block since which something is due.
    counts_blocks: bool,
    /// The block time at which people were told last.
    told_at: u64,
}

impl Accounts {
    pub(crate) fn new(product: &str, chain_id: u64, store: Store, pool: Pool) -> Self {
        let product = product.to_owned();
        Self {
            product,
            chain_id,
            store,
            pool,
            past: None,
            found: Vec::new(),
            settled: None,
            stale: true,
            due: None,
            counts_blocks: true,
            told_at: 0,
        }
    }

    /// What the guard may know; `None` while the journal could not be read.
    pub(crate) fn past(&self) -> Option<&Past> {
        self.past.as_ref()
    }

    /// The journal has changed, in a way that is not known: all of it is read.
    pub(crate) fn changed(&mut self) {
        self.stale = true;
        self.settled = None;
    }

    /// Something was signed.
    pub(crate) fn signed(&mut self) {
        self.stale = true;
    }

    /// The journal has changed by what happened.
    pub(crate) fn happened(&mut self, events: &[LaneEvent]) {
        self.stale |= !events.is_empty();
        let outlives = |settled: &Settled| events.iter().all(|event| settled.outlives(event));
        self.settled = self.settled.take().filter(outlives);
    }

    /// Which blocks the endpoints disagree about.
    pub(crate) fn dispute(&self) -> Option<String> {
        self.pool.dispute()
    }

    /// Whether there is nothing to do at this head, whatever the native currency is worth.
    pub(crate) fn is_settled(&self, head: &Head) -> bool {
        let is_settled = |past: &Past| {
            let month = budget::month_start(head.timestamp);
            let spending = &past.spending;
            spending.month == month && spending.unpriced.is_zero() && !past.is_tripped()
        };
        !self.stale && self.past.as_ref().is_some_and(is_settled) && !self.is_to_be_told(head)
    }

    /// Whether it is time to tell people again: a forecast moves although nothing is spent.
    fn is_to_be_told(&self, head: &Head) -> bool {
        !(self.told_at..self.told_at.saturating_add(TELL_EVERY)).contains(&head.timestamp)
    }

    /// Whether there is something to tell; it counts as told then.
    pub(crate) fn tells(&mut self, head: &Head, refreshed: bool) -> bool {
        let tells = self.past.is_some() && (refreshed || self.is_to_be_told(head));
        if tells {
            self.told_at = head.timestamp;
        }
        tells
    }

    /// Reads the journal again if it has changed, a new month has begun, or what it said holds
    /// something back that an operator may have forgiven. True if it was read.
    pub(crate) async fn refresh(&mut self, head: &Head, price: Option<Price>) -> bool {
        let month = budget::month_start(head.timestamp);
        let is_current = self.past.as_ref().is_some_and(|past| {
            let priced = past.spending.unpriced.is_zero() || price.is_none();
            past.spending.month == month && priced && !past.is_tripped()
        });
        if is_current && !self.stale {
            return false;
        }
        // What is not booked would be looked up again.
        self.book_found().await;
        match self.read(head, month, price).await {
            Ok((past, complete)) => {
                self.past = Some(past);
                self.stale = !complete;
                true
            }
            Err(error) => {
                let detail = crate::error_chain(&error);
                warn!(product = self.product, detail, "the journal's past cannot be read");
                self.stale = true;
                false
            }
        }
    }

    async fn read(
        &mut self,
        head: &Head,
        month: u64,
        price: Option<Price>,
    ) -> Result<(Past, bool), StoreError> {
        // The pace looks back beyond the month's beginning.
        let since = month.min(head.timestamp.saturating_sub(WINDOW));
        let is_tripped = self.past.as_ref().is_none_or(Past::is_tripped);
        // Taken: after a failure all of it is read.
        let known = self.settled.take();
        let known = known.filter(|known| !is_tripped && known.holds(month, head, price));
        let mut settled = known.unwrap_or_else(|| Settled::begin(month, head));
        let Books { mut costs, recent, pending } =
            self.store.books(&self.product, self.chain_id, since, settled.until).await?;
        let complete = self.complete(&mut costs, head, price).await;
        self.found = costs.iter().filter(|cost| cost.is_new).cloned().collect();
        let newest: Vec<RecentCall> = recent.into_iter().map(|call| dated(call, &costs)).collect();
        let before = settled.recent.iter().rev();
        let recent = newest.iter().chain(before).take(MAX_RECENT).map(|call| call.call.clone());
        let recent = recent.collect();
        let all: Vec<&Cost> = settled.costs.iter().chain(&costs).collect();
        let pace = pace(&all, head.timestamp);
        let spending = Spending { pending, pace, ..sum(&all, month) };
        settled.extend(&costs, &newest);
        self.settled = Some(settled);
        Ok((Past { recent, spending }, complete))
    }

    /// Books what the last reading found. Nothing waits for it: what is not booked is found again.
    pub(crate) async fn book_found(&mut self) {
        let found = std::mem::take(&mut self.found);
        if found.is_empty() || !self.store.is_writable() {
            return;
        }
        if let Err(error) = self.store.book(&self.product, self.chain_id, &found).await {
            let detail = crate::error_chain(&error);
            warn!(product = self.product, detail, "what transactions cost was not booked");
            self.changed();
        }
    }

    /// Adds to what is not booked the time of its block and a price. False if some are left.
    async fn complete(&self, costs: &mut [Cost], head: &Head, price: Option<Price>) -> bool {
        let unknown = costs.iter().filter(|cost| cost.at.is_none() && cost.block_hash != head.hash);
        let asked: Vec<B256> = unknown.map(|cost| cost.block_hash).take(MAX_LOOKUPS).collect();
        let times = self.times_of(&asked).await;
        for cost in costs.iter_mut() {
            if cost.at.is_none() {
                cost.at = if cost.block_hash == head.hash {
                    Some(head.timestamp)
                } else {
                    times.get(&cost.block_hash).copied()
                };
                cost.is_new = cost.at.is_some();
            }
            if cost.price.is_none() && price.is_some() {
                cost.price = price;
                cost.is_new = cost.at.is_some();
            }
        }
        costs.iter().all(|cost| cost.at.is_some())
    }

    /// Block times, all asked for at once: a turn that may be an emergency waits behind this.
    async fn times_of(&self, hashes: &[B256]) -> BTreeMap<B256, u64> {
        let provider = self.pool.provider();
        let ask = |hash: B256| {
            let asked = provider.get_block_by_hash(hash).into_future();
            async move {
                let block = timeout(LOOKUP_WITHIN, asked).await.ok()?.ok()??;
                Some((hash, block.header.timestamp))
            }
        };
        join_all(hashes.iter().copied().map(ask)).await.into_iter().flatten().collect()
    }
}

/// A call with the time of its block, if that was found just now.
fn dated(mut recent: RecentCall, costs: &[Cost]) -> RecentCall {
    if recent.call.at.is_none() {
        let is_it = |cost: &&Cost| cost.nonce == recent.nonce && cost.wallet == recent.wallet;
        recent.call.at = costs.iter().rev().find(is_it).and_then(|cost| cost.at);
    }
    recent
}

/// What counts to this month. What has no time yet was found just now.
fn sum(costs: &[&Cost], month: u64) -> Spending {
    let mut spending = Spending { month, ..Spending::default() };
    for cost in costs.iter().filter(|cost| cost.at.is_none_or(|at| at >= month)) {
        match cost.price {
            Some(price) => spending.priced = spending.priced.plus(Usd::cost(cost.wei, price)),
            None => spending.unpriced = spending.unpriced.saturating_add(cost.wei),
        }
    }
    spending
}

/// What was spent of late. What has no time yet was found just now.
fn pace(costs: &[&Cost], now: u64) -> Pace {
    let mut pace = Pace::default();
    for cost in costs {
        let at = cost.at.unwrap_or(now);
        if at >= now.saturating_sub(WINDOW) {
            let usd = cost.price.map_or(Usd::ZERO, |price| Usd::cost(cost.wei, price));
            pace.add(at, (usd, cost.wei, cost.gas));
        }
    }
    pace
}

#[cfg(test)]
mod tests;
