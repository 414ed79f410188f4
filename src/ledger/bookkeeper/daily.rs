//! The daily reconciliation.
//!
//! What a reconciliation finds is kept with its stretch of blocks, which is reconciled again every
//! day until nothing in it is unexplained: the next day's blocks say nothing about it.

use alloy::primitives::Address;
use tracing::{info, warn};

use super::{
    super::{
        booking::Now,
        entry::Checkpoint,
        reconcile::{self, Depth, Range, ReconcileError, Reconciliation},
        verdict::{Open, Verdict},
    },
    BookError, Bookkeeper,
    audit::day,
    told_of,
};
use crate::store::StoreError;

impl Bookkeeper {
    /// Reconciles each wallet whose books have reached a new day, and those in doubt. Trouble with
    /// one is no reason not to look at the others.
    pub(super) async fn reconcile_daily(&mut self, now: Now) -> Result<(), BookError> {
        let is_new = |wallet: &Address| {
            let standing = self.known.get(wallet);
            standing.is_some_and(|at| day(at.stored.block.timestamp) > at.reconciled)
        };
        let due: Vec<(Address, bool)> = self
            .known
            .keys()
            .map(|wallet| (*wallet, is_new(wallet)))
            .filter(|(wallet, is_new)| *is_new || self.doubtful.contains(wallet))
            .collect();
        let mut failed = Ok(());
        for (wallet, is_new) in due {
            if let Err(error) = self.reconcile_one(wallet, is_new, now).await {
                failed = Err(error);
            }
        }
        failed
    }

    /// From the first checkpoint of the day before the last reconciliation, or the newest before
    /// that, to the newest; and what was not explained before.
    async fn reconcile_one(
        &mut self,
        wallet: Address,
        is_new: bool,
        now: Now,
    ) -> Result<(), BookError> {
        let Some(standing) = self.known.get(&wallet).cloned() else { return Ok(()) };
        let to = standing.stored;
        let key = (self.profile.chain_id, wallet);
        let held = self.ledger.held(key, (0, to.block.number)).await?;
        self.fill_gaps(wallet, &held, now).await?;
        let before = self.ledger.verdict(key).await?;
        if before.is_none() && !is_new {
            // They were never reconciled, and are when their first day is over.
            self.doubtful.remove(&wallet);
            return Ok(());
        }
        let (mut block, mut at) = (to.block.number, to.block.timestamp);
        let mut open = None;
        if let Some(before) = before {
            if !is_new {
                (block, at) = (before.block, before.at);
            }
            if let Some(known) = before.open {
                open = self.still(&to, known, &held).await?;
            }
        }
        if is_new {
            let before = held.iter().rev().find(|at| day(at.block.timestamp) < standing.reconciled);
            let from = before.or(held.first()).map_or(block, |from| from.block.number);
            if from < to.block.number {
                let later = self.unexplained(&to, (from, to.block.number)).await?;
                open = match open {
                    Some(open) => Some(open.and(later)),
                    None => later,
                };
            }
        }
        let verdict = Verdict { holder: to.holder, block, at, open };
        self.ledger.judge(&verdict).await?;
        let product = verdict.holder.product.clone();
        self.tell(&product, told_of(verdict));
        self.doubtful.remove(&wallet);
        if let Some(standing) = self.known.get_mut(&wallet) {
            standing.reconciled = standing.reconciled.max(day(at));
        }
        Ok(())
    }

    /// What the books do not explain of a stretch.
    async fn unexplained(
        &self,
        to: &Checkpoint,
        (from, until): (u64, u64),
    ) -> Result<Option<Open>, StoreError> {
        let product = &to.holder.product;
        let problem = match self.reconciliation(to, (from, until)).await {
            Ok(found) => {
                told(product, &found);
                found.problem()
            }
            Err(ReconcileError::Store(error)) => return Err(error),
            Err(error) => {
                let problem = crate::error_chain(&error);
                warn!(product, problem, "the books could not be reconciled");
                Some(problem)
            }
        };
        Ok(problem.map(|problem| Open { from, to: until, problem }))
    }

    /// Looks again at a stretch that was not explained: it is only where all of it is, and every row
    /// could be held against its receipt.
    async fn still(
        &self,
        to: &Checkpoint,
        known: Open,
        held: &[Checkpoint],
    ) -> Result<Option<Open>, StoreError> {
        let numbers = || held.iter().map(|at| at.block.number);
        // Its ends may have given way to other checkpoints.
        let from = numbers().rev().find(|number| *number <= known.from).or(numbers().next());
        let until = numbers().find(|number| *number >= known.to).or(numbers().next_back());
        let Some(stretch) = from.zip(until).filter(|(from, until)| from < until) else {
            return Ok(Some(known));
        };
        let (product, from, until) = (&to.holder.product, stretch.0, stretch.1);
        match self.reconciliation(to, stretch).await {
            Ok(found) if found.is_whole() && found.unchecked == 0 => {
                info!(product, from, until, "what was unexplained is explained");
                Ok(None)
            }
            Ok(found) => {
                let problem = found.problem().unwrap_or(known.problem);
                warn!(product, problem, "still unexplained");
                Ok(Some(Open { problem, ..known }))
            }
            Err(ReconcileError::Store(error)) => Err(error),
            Err(error) => {
                let why = crate::error_chain(&error);
                warn!(product, from, until, why, "what is unexplained cannot be looked at");
                Ok(Some(known))
            }
        }
    }

    async fn reconciliation(
        &self,
        to: &Checkpoint,
        (from, until): (u64, u64),
    ) -> Result<Reconciliation, ReconcileError> {
        let range = Range { from: Some(from), to: Some(until) };
        let chain = Some(self.chain.as_ref());
        reconcile::reconcile(&self.ledger, chain, &to.holder, range, Depth::Rows).await
    }
}

fn told(product: &str, found: &Reconciliation) {
    let block = found.to.number;
    match found.problem() {
        None if found.unproven.is_empty() => {
            info!(product, block, "reconciled: nothing is unexplained");
        }
        None => {
            let unproven = found.unproven.join("; ");
            warn!(product, block, unproven, "reconciled, as far as the chain still tells");
        }
        Some(problem) => {
            warn!(product, problem, "the books do not explain what the wallet holds");
        }
    }
}
