//! The daily reconciliation.

use alloy::primitives::{Address, I256};
use tracing::{info, warn};

use super::{
    super::{
        booking::Now,
        flows,
        reconcile::{self, Depth, Range, Reconciliation},
    },
    BookError, Bookkeeper,
    audit::{day, point_of},
};
use crate::runtime::Reconciled;

impl Bookkeeper {
    /// Reconciles each wallet whose books have reached a new day: from the first checkpoint of the
    /// day before, or the newest before that, to the newest.
    pub(super) async fn reconcile_daily(&mut self, now: Now) -> Result<(), BookError> {
        let due: Vec<Address> = self
            .known
            .iter()
            .filter(|(_, standing)| day(standing.stored.block.timestamp) > standing.reconciled)
            .map(|(wallet, _)| *wallet)
            .collect();
        for wallet in due {
            self.reconcile_one(wallet, now).await?;
        }
        Ok(())
    }

    async fn reconcile_one(&mut self, wallet: Address, now: Now) -> Result<(), BookError> {
        let Some(standing) = self.known.get(&wallet).cloned() else { return Ok(()) };
        let to = standing.stored.clone();
        let key = (self.profile.chain_id, wallet);
        let held = self.ledger.held(key, (0, to.block.number)).await?;
        let since = standing.reconciled;
        let from = held.iter().rev().find(|at| day(at.block.timestamp) < since);
        let Some(from) = from.or(held.first()).cloned() else { return Ok(()) };
        self.fill_gaps(wallet, &held, now).await?;
        let range = Range { from: Some(from.block.number), to: Some(to.block.number) };
        let chain = Some(self.chain.as_ref());
        let holder = to.holder.clone();
        let found = reconcile::reconcile(&self.ledger, chain, &holder, range, Depth::Rows).await;
        let product = holder.product.clone();
        let reconciled = match found {
            Ok(found) => {
                told(&product, &found);
                Reconciled {
                    block: found.to.number,
                    at: found.to.timestamp,
                    problem: found.problem(),
                }
            }
            Err(error) => {
                let problem = crate::error_chain(&error);
                warn!(product, problem, "the books could not be reconciled");
                Reconciled {
                    block: to.block.number,
                    at: to.block.timestamp,
                    problem: Some(problem),
                }
            }
        };
        self.tell(&product, reconciled);
        if let Some(standing) = self.known.get_mut(&wallet) {
            standing.reconciled = day(to.block.timestamp);
        }
        Ok(())
    }

    /// Looks again, where an earlier look could not tell what came in: the state may be to be had
    /// by now.
    async fn fill_gaps(
        &self,
        wallet: Address,
        held: &[super::Checkpoint],
        now: Now,
    ) -> Result<(), BookError> {
        for pair in held.windows(2) {
            let [from, to] = pair else { continue };
            let blocks = (from.block.number, to.block.number);
            let mut booked = self.booked(wallet, blocks).await?;
            let stretch = super::super::read::Stretch {
                chain_id: self.profile.chain_id,
                wallet,
                after: blocks.0,
                until: blocks.1,
                nonces: (0, 0),
            };
            let came = self.ledger.came(&stretch).await?;
            if !came.is_empty() {
                // What is booked there was found by a whole look.
                continue;
            }
            let points = (point_of(from), point_of(to));
            if flows::unknown(&points.0, &points.1, &booked.out) == Some(I256::ZERO) {
                continue;
            }
            booked.nonces.clear();
            let product = &to.holder.product;
            let found = self.inflows(wallet, product, points, &booked, now).await;
            if let Ok((inflows, done)) = found
                && done == points.1
            {
                self.ledger.book_inflows(&inflows, None).await?;
            }
        }
        Ok(())
    }
}

fn told(product: &str, found: &Reconciliation) {
    match found.problem() {
        None => info!(product, block = found.to.number, "reconciled: nothing is unexplained"),
        Some(problem) => {
            warn!(product, problem, "the books do not explain what the wallet holds");
        }
    }
}
