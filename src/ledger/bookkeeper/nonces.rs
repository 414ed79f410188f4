//! Nonces that are used and not in the journal: found on the chain and booked.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use tracing::warn;

use super::{
    super::{
        booking::{self, Now},
        queue::{Trace, Waiting},
    },
    BookError, Bookkeeper,
};
use crate::submission::lifecycle::Outcome;

/// Nonces that are found and booked for one wallet at one look; the others follow at the next.
const MAX_FOUND: usize = 16;

impl Bookkeeper {
    /// Books those of a wallet, at most so many. False while some are left.
    pub(super) async fn book_missing(
        &self,
        wallet: Address,
        product: &str,
        missing: &[u64],
        now: Now,
    ) -> Result<bool, BookError> {
        let key = (self.profile.chain_id, wallet);
        let mut entries = Vec::new();
        let mut all = true;
        for nonce in missing {
            if entries.len() >= MAX_FOUND {
                all = false;
                break;
            }
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
            let waiting = unheard_of(wallet, *nonce, product);
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
}

/// A nonce of which the journal knows nothing.
fn unheard_of(wallet: Address, nonce: u64, product: &str) -> Waiting {
    Waiting {
        wallet,
        nonce,
        product: product.to_owned(),
        outcome: Outcome::Foreign,
        hash: None,
        receipt: None,
        signed: None,
        attempts: 0,
        intended: None,
    }
}

/// The first nonce from `first` on that is not among those.
pub(super) fn next_free(nonces: &BTreeSet<u64>, first: u64) -> u64 {
    let mut next = first;
    for nonce in nonces.range(first..) {
        if *nonce != next {
            break;
        }
        next = next.saturating_add(1);
    }
    next
}
