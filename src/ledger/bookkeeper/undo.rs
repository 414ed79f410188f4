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

/// Entries that are looked at again at once.
const PAGE: u64 = 100;

impl Bookkeeper {
    /// Goes back, for each wallet whose last checkpoint is of a block that is not canonical any
    /// more, to the newest that is. Gives the wallets of which that is settled, and the trouble with
    /// the others.
    pub(super) async fn undo(
        &mut self,
        wallets: &[Address],
        settled: BlockRef,
    ) -> (Vec<Address>, Result<(), BookError>) {
        let mut canonical = BTreeMap::from([(settled.number, Some(settled.hash))]);
        let (mut sound, mut failed) = (Vec::new(), Ok(()));
        for wallet in wallets {
            match self.undo_one(*wallet, settled, &mut canonical).await {
                Ok(()) => sound.push(*wallet),
                Err(error) => failed = Err(error),
            }
        }
        (sound, failed)
    }

    async fn undo_one(
        &mut self,
        wallet: Address,
        settled: BlockRef,
        canonical: &mut BTreeMap<u64, Option<B256>>,
    ) -> Result<(), BookError> {
        let newest = match self.known.get(&wallet) {
            Some(standing) => Some(standing.at.clone()),
            None => self.ledger.newest(self.profile.chain_id, wallet).await?,
        };
        let Some(newest) = newest.filter(|at| at.block.number <= settled.number) else {
            return Ok(());
        };
        if self.stands(&newest.block, canonical).await? {
            return Ok(());
        }
        self.go_back(wallet, &newest, canonical).await
    }

    /// Whether the chain still has a block. A node that does not have it, or not yet, proves
    /// nothing: it stands.
    async fn stands(
        &self,
        block: &BlockRef,
        canonical: &mut BTreeMap<u64, Option<B256>>,
    ) -> Result<bool, FlowError> {
        let known = match canonical.get(&block.number) {
            Some(known) => *known,
            None => {
                let known = self.chain.block(Place::Number(block.number)).await;
                let known = known.map_err(FlowError::reading("a block"))?.map(|block| block.hash);
                canonical.insert(block.number, known);
                known
            }
        };
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
        let product = &newest.holder.product;
        let mut after = None;
        for at in held.iter().rev() {
            if self.stands(&at.block, canonical).await? {
                after = Some(at.block);
                break;
            }
        }
        let Some(after) = after else {
            return Err(BookError::NoneStands(product.clone(), held.len()));
        };
        let (gone, moved) = self.look_again(wallet, after.number).await?;
        warn!(
            product,
            after = after.number,
            gone = gone.len(),
            moved = moved.len(),
            "the chain took back final blocks: the books go back with it"
        );
        self.ledger.take_back(key, after, &gone, &moved).await?;
        self.known.remove(&wallet);
        self.doubtful.insert(wallet);
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
