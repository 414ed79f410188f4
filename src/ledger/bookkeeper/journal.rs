//! The journal is the queue: what it is done with is booked.

use tracing::info;

use super::{BookError, Bookkeeper};
use crate::{
    ledger::{
        booking::{self, Now, Owner},
        entry::Entry,
        queue::Waiting,
    },
    store::StoreError,
};

/// Nonces that are booked at one head; the others follow at the next.
const MAX_BOOKED: usize = 32;
/// Nonces that could not be booked and are left alone until the next look.
const MAX_DEFERRED: usize = 512;

impl Bookkeeper {
    /// What the journal has for the ledger and was not tried in this stretch, and whether all of it
    /// can be read.
    pub(super) async fn waiting(
        &self,
    ) -> Result<(Vec<Waiting>, Result<(), StoreError>), StoreError> {
        let (id, name) = (self.profile.chain_id, &self.profile.name);
        let all = self.ledger.waiting(id, name).await?;
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        metrics::gauge!("ballast_ledger_waiting", "chain" => name.clone()).set(f64::from(count));
        let (mut waiting, mut unread) = (Vec::new(), Ok(()));
        for slot in all {
            match slot {
                Ok(slot) if self.deferred.contains_key(&(slot.wallet, slot.nonce)) => {}
                Ok(slot) => waiting.push(slot),
                Err(error) => unread = Err(error),
            }
        }
        Ok((waiting, unread))
    }

    /// Books what the journal is done with.
    pub(super) async fn book(&mut self, waiting: &[Waiting], now: Now) -> Result<(), BookError> {
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

    pub(super) async fn write(&self, entries: &[Entry]) -> Result<(), StoreError> {
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

    pub(super) fn owner(&self, product: &str) -> Owner {
        let client = self.clients.iter().find(|client| client.product == product);
        client.map_or_else(Owner::gone, |client| Owner {
            category: client.category,
            external: client.external,
            gone: false,
            strategy: client.strategy.borrow().clone(),
        })
    }
}
