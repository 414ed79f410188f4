//! Prices and strategies' words that were not to be had when something was booked.

use super::{
    super::{booking, chain::receipts_of, entry::Entry, flows::FlowError},
    BookError, Bookkeeper,
};
use crate::money::Usd;

/// Entries whose price is asked for again at one look, and of each product those whose settlement
/// is.
const MAX_COMPLETED: u64 = 16;

impl Bookkeeper {
    /// Asks again. What fails is asked at the next look, and keeps nothing else from being asked.
    pub(super) async fn complete(&self) -> Result<(), BookError> {
        let of = (self.profile.chain_id, self.profile.name.as_str());
        let mut done = Ok(());
        for entry in self.ledger.unpriced(of, MAX_COMPLETED).await? {
            self.price(entry).await?;
        }
        for product in self.ledger.unsettled_products(of).await? {
            let owner = self.owner(&product);
            if owner.strategy.is_none() && !owner.gone {
                continue;
            }
            for entry in self.ledger.unsettled(of, &product, MAX_COMPLETED).await? {
                if let Err(error) = self.settle(entry, &owner).await {
                    done = Err(error);
                }
            }
        }
        done
    }

    async fn price(&self, mut entry: Entry) -> Result<(), BookError> {
        let price = self.chain.price(entry.block).await;
        let usd = price.as_ref().ok().map(|at| Usd::cost(entry.cost, at.price));
        let price = price.map_err(|why| why.to_string());
        if price != entry.price {
            (entry.price, entry.usd) = (price, usd);
            self.ledger.complete(&entry).await?;
        }
        Ok(())
    }

    async fn settle(&self, mut entry: Entry, owner: &booking::Owner) -> Result<(), BookError> {
        let receipts = receipts_of(self.chain.as_ref(), vec![entry.hash]).await;
        let receipts = receipts.map_err(FlowError::reading("a receipt"))?;
        let Some(paid) = receipts.get(&entry.hash) else { return Ok(()) };
        entry.settlement = booking::settlement(entry.outcome, owner, paid);
        if entry.settlement.is_some() {
            self.ledger.complete(&entry).await?;
        }
        Ok(())
    }
}
