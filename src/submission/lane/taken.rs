//! Whose transaction used a nonce.
//!
//! That no attempt has a receipt is no proof that it was somebody else's: an index of receipts may
//! lag by any time, and to take our own transaction for another's is to act twice. A block's body
//! does not lag behind the block. So the block in which the nonce was used is looked for, by the
//! account's nonce after blocks between signing and now, and its body tells.

use alloy::primitives::B256;

use super::{
    super::{
        node::{BlockMark, Mined, Place},
        slot::Slot,
    },
    book::Book,
};

/// Most blocks looked at to find the one: halving needs fewer for any distance.
const MAX_LOOKS: u32 = 128;

impl Book {
    /// Whether the nonce, which is used after `settled`, was used by a transaction that is not in
    /// the slot. `None` if nodes do not have the old states or bodies, or the body does not have
    /// the transaction.
    pub(super) async fn is_taken_by_other(&self, slot: &Slot, settled: BlockMark) -> Option<bool> {
        let from = slot.attempts.first.signed_at_block;
        // That none of ours is in the body is no proof: a node may serve it cut short, or hashes may
        // differ in form. The other one must be there.
        let used = self.transaction_using(slot.nonce, from, settled).await?;
        Some(slot.attempt(used).is_none())
    }

    /// The transaction that used the nonce, which is used after `settled` and was looked for from
    /// block `from` on downwards. `None` if nodes do not have the old states or bodies.
    pub(super) async fn transaction_using(
        &self,
        nonce: u64,
        from: u64,
        settled: BlockMark,
    ) -> Option<B256> {
        let mined = self.body_using(nonce, from, settled).await?;
        mined.iter().find(|m| m.from == self.wallet && m.nonce == nonce).map(|m| m.hash)
    }

    async fn body_using(&self, nonce: u64, from: u64, settled: BlockMark) -> Option<Vec<Mined>> {
        let block = self.block_using(nonce, from, settled).await?;
        self.node.transactions(block.hash).await.ok()?
    }

    /// The first block after which the nonce is used.
    async fn block_using(&self, nonce: u64, from: u64, settled: BlockMark) -> Option<BlockMark> {
        let mut used = settled;
        let mut free = from.min(settled.number);
        let mut back = 1_u64;
        for _ in 0..MAX_LOOKS {
            let (looked, is_used) = self.look_at(free, nonce).await?;
            if !is_used {
                break;
            }
            used = looked;
            if free == 0 {
                return Some(used);
            }
            free = free.saturating_sub(back);
            back = back.saturating_mul(2);
        }
        for _ in 0..MAX_LOOKS {
            let distance = used.number.saturating_sub(free);
            if distance <= 1 {
                return Some(used);
            }
            let middle = free.saturating_add(distance.div_euclid(2));
            let (looked, is_used) = self.look_at(middle, nonce).await?;
            if is_used {
                used = looked;
            } else {
                free = middle;
            }
        }
        None
    }

    /// The canonical block at a height, and whether the nonce is used after it.
    async fn look_at(&self, number: u64, nonce: u64) -> Option<(BlockMark, bool)> {
        let blocks = self.node.blocks(vec![Place::Number(number)]).await.ok()?;
        let block = blocks.into_iter().next().flatten()?;
        let after = self.node.nonce(self.wallet, block).await.ok()?;
        Some((block, nonce < after))
    }
}
