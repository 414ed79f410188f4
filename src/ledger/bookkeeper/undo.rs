//! A chain that takes back what was final takes it back from the books as well.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use tracing::warn;

use super::{
    super::{
        booking,
        chain::{Place, receipts_of},
        entry::{BlockRef, Checkpoint, Entry},
        flows::FlowError,
        read::Stretch,
    },
    BookError, Bookkeeper,
};

/// Checkpoints that are looked through for one that still stands, the newest first.
const MAX_LOOKS: usize = 64;
/// Entries that are looked at again at once.
const PAGE: u64 = 100;

impl Bookkeeper {
    /// Goes back, for each wallet whose last checkpoint is of a block that is not canonical any
    /// more, to the newest that is.
    pub(super) async fn undo(
        &mut self,
        wallets: &[Address],
        settled: BlockRef,
    ) -> Result<(), BookError> {
        let mut canonical = BTreeMap::from([(settled.number, Some(settled.hash))]);
        for wallet in wallets {
            let newest = match self.known.get(wallet) {
                Some(standing) => Some(standing.at.clone()),
                None => self.ledger.newest(self.profile.chain_id, *wallet).await?,
            };
            let Some(newest) = newest.filter(|at| at.block.number <= settled.number) else {
                continue;
            };
            if self.stands(&newest.block, &mut canonical).await? {
                continue;
            }
            self.go_back(*wallet, &newest, &mut canonical).await?;
        }
        Ok(())
    }

    async fn stands(
        &self,
        block: &BlockRef,
        canonical: &mut BTreeMap<u64, Option<B256>>,
    ) -> Result<bool, FlowError> {
        if let Some(hash) = canonical.get(&block.number) {
            return Ok(*hash == Some(block.hash));
        }
        let known = self.chain.block(Place::Number(block.number)).await;
        let known = known.map_err(FlowError::reading("a block"))?.map(|block| block.hash);
        canonical.insert(block.number, known);
        // A node that does not have it yet proves nothing.
        Ok(known.is_none_or(|hash| hash == block.hash))
    }

    async fn go_back(
        &mut self,
        wallet: Address,
        newest: &Checkpoint,
        canonical: &mut BTreeMap<u64, Option<B256>>,
    ) -> Result<(), BookError> {
        let key = (self.profile.chain_id, wallet);
        let held = self.ledger.held(key, (0, newest.block.number)).await?;
        let mut after = None;
        for at in held.iter().rev().take(MAX_LOOKS) {
            if self.stands(&at.block, canonical).await? {
                after = Some(at.block.number);
                break;
            }
        }
        let after = after.unwrap_or_default();
        let (gone, moved) = self.look_again(wallet, after).await?;
        let product = &newest.holder.product;
        warn!(
            product,
            after,
            gone = gone.len(),
            moved = moved.len(),
            "the chain took back final blocks: the books go back with it"
        );
        self.ledger.take_back(key, after, &gone, &moved).await?;
        self.known.remove(&wallet);
        Ok(())
    }

    /// The entries after a block that the chain does not have any more, and those that it has in
    /// another block, as they are there.
    async fn look_again(
        &self,
        wallet: Address,
        after: u64,
    ) -> Result<(Vec<Entry>, Vec<Entry>), BookError> {
        let chain_id = self.profile.chain_id;
        // The greatest block there is room for.
        let until = u64::try_from(i64::MAX).unwrap_or_default();
        let stretch = Stretch { chain_id, wallet, after, until, nonces: (0, 0) };
        let (mut gone, mut moved) = (Vec::new(), Vec::new());
        let mut next = 0;
        loop {
            let page = self.ledger.page(&stretch, next, PAGE).await?;
            let is_last = u64::try_from(page.len()).is_ok_and(|len| len < PAGE);
            let mut entries = Vec::new();
            for (nonce, entry) in page {
                next = nonce.saturating_add(1);
                entries.push(entry?);
            }
            let hashes = entries.iter().map(|entry| entry.hash).collect();
            let receipts = receipts_of(self.chain.as_ref(), hashes).await;
            let mut receipts = receipts.map_err(FlowError::reading("receipts"))?;
            for entry in entries {
                let Some(paid) = receipts.remove(&entry.hash) else {
                    gone.push(entry);
                    continue;
                };
                if paid.block_hash == entry.block.hash {
                    continue;
                }
                let block = self.chain.block(Place::Number(paid.block)).await;
                let block = block.map_err(FlowError::reading("a block"))?;
                let Some(block) = block.filter(|block| block.hash == paid.block_hash) else {
                    gone.push(entry);
                    continue;
                };
                match booking::moved(self.chain.as_ref(), &entry, &paid, block).await {
                    Some(entry) => moved.push(entry),
                    None => gone.push(entry),
                }
            }
            if is_last {
                return Ok((gone, moved));
            }
        }
    }
}
