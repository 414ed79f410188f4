//! Filling the gaps of the books: stretches of which an earlier look could not tell what happened,
//! since no node had the states. They may be to be had by now.

use alloy::primitives::{Address, I256};
use tracing::{info, warn};

use super::{
    super::{booking::Now, entry::Checkpoint, flows, read::Stretch},
    BookError, Bookkeeper,
    audit::{Booked, MAX_FOUND, checkpoint_of, point_of},
};
use crate::store::StoreError;

/// Batches that are booked of one gap in one go, of nonces and of blocks with inflows; the others
/// follow the next time.
const MAX_BATCHES: usize = 64;

/// What is not known of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Who used a nonce.
    Nonces,
    /// That, or what came in.
    All,
}

impl Bookkeeper {
    /// Looks again at each gap. One that cannot be filled keeps no other from it.
    pub(super) async fn fill_gaps(
        &self,
        wallet: Address,
        held: &[Checkpoint],
        now: Now,
    ) -> Result<(), StoreError> {
        for pair in held.windows(2) {
            let [from, to] = pair else { continue };
            let Some(gap) = self.gap(wallet, from, to).await? else { continue };
            match self.fill(wallet, (from, to), gap, now).await {
                Ok(()) => {}
                Err(BookError::Store(error)) => return Err(error),
                Err(error) => {
                    let (product, detail) = (&to.holder.product, crate::error_chain(&error));
                    let (from, until) = (from.block.number, to.block.number);
                    warn!(
                        product,
                        from, until, detail, "what flowed between these blocks cannot be found yet"
                    );
                }
            }
        }
        Ok(())
    }

    /// What is not known between two checkpoints that follow one another.
    async fn gap(
        &self,
        wallet: Address,
        from: &Checkpoint,
        to: &Checkpoint,
    ) -> Result<Option<Gap>, StoreError> {
        let (after, until) = (from.block.number, to.block.number);
        let booked = self.booked(wallet, (after, until)).await?;
        let (chain_id, nonces) = (self.profile.chain_id, (0, 0));
        let stretch = Stretch { chain_id, wallet, after, until, nonces };
        // Where anything is booked as having come in, a whole look found it. It is not booked anew:
        // what is known of it by now might divide it otherwise.
        if !self.ledger.came(&stretch).await?.is_empty() {
            return Ok(Self::is_missing(from, to, &booked).then_some(Gap::Nonces));
        }
        let rest = flows::unknown(&point_of(from), &point_of(to), &booked.out);
        let is_gap = rest != Some(I256::ZERO) || Self::is_missing(from, to, &booked);
        Ok(is_gap.then_some(Gap::All))
    }

    fn is_missing(from: &Checkpoint, to: &Checkpoint, booked: &Booked) -> bool {
        (from.nonce..to.nonce).any(|nonce| !booked.nonces.contains(&nonce))
    }

    /// Books the nonces that are missing and what came in, batch by batch: each with a checkpoint up
    /// to which there is no gap any more.
    async fn fill(
        &self,
        wallet: Address,
        (from, to): (&Checkpoint, &Checkpoint),
        gap: Gap,
        now: Now,
    ) -> Result<(), BookError> {
        let (product, blocks) = (&to.holder.product, (from.block.number, to.block.number));
        let mut first = None;
        for _ in 0..MAX_BATCHES {
            let booked = self.booked(wallet, blocks).await?;
            let missing = (from.nonce..to.nonce).filter(|nonce| !booked.nonces.contains(nonce));
            let missing: Vec<u64> = missing.take(MAX_FOUND).collect();
            // None is left, or the first of them cannot be booked.
            if missing.is_empty() || missing.first() == first.as_ref() {
                break;
            }
            first = missing.first().copied();
            self.book_missing(wallet, product, &missing, now).await?;
        }
        if gap == Gap::Nonces {
            return Ok(());
        }
        let booked = self.booked(wallet, blocks).await?;
        let (mut done, end) = (point_of(from), point_of(to));
        for _ in 0..MAX_BATCHES {
            let (inflows, next) = self.inflows(wallet, product, (done, end), &booked, now).await?;
            done = next;
            let checkpoint = (done != end).then(|| checkpoint_of(from, done));
            self.ledger.book_inflows(&inflows, checkpoint.as_ref()).await?;
            for inflow in &inflows {
                let (source, block) = (inflow.source.label(), inflow.block.number);
                info!(product, source, block, wei = %inflow.wei, "came in");
            }
            if done == end {
                break;
            }
        }
        Ok(())
    }
}
