//! Whose transaction used a nonce that should have been ours.
//!
//! That no attempt has a receipt is no proof: an index of receipts may lag by any time, and to take
//! our own transaction for somebody else's is to act twice. A block's body does not lag behind the
//! block. So the block in which the nonce was used is looked for, by the account's nonce after
//! blocks between signing and now, and its body tells.

use alloy::primitives::B256;

use super::{
    super::{
        node::{BlockMark, Place},
        slot::Slot,
    },
    Lane,
};

/// Most blocks looked at to find the one: halving needs fewer for any distance.
const MAX_LOOKS: u32 = 128;

impl Lane {
    /// Whether the nonce, which is used after `settled`, was used by a transaction that is not in
    /// the slot. `None` if nodes do not have the old states or bodies.
    pub(super) async fn is_taken_by_other(&self, slot: &Slot, settled: BlockMark) -> Option<bool> {
        let block = self.block_using(slot, settled).await?;
        let hashes: Vec<B256> = self.node.transactions(block.hash).await.ok()??;
        Some(!slot.attempts.iter().any(|attempt| hashes.contains(&attempt.hash)))
    }

    /// The first block after which the nonce is used.
    async fn block_using(&self, slot: &Slot, settled: BlockMark) -> Option<BlockMark> {
        let mut used = settled;
        let mut free = slot.attempts.first.signed_at_block.min(settled.number);
        let mut back = 1_u64;
        for _ in 0..MAX_LOOKS {
            let (looked, is_used) = self.look_at(free, slot.nonce).await?;
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
            let (looked, is_used) = self.look_at(middle, slot.nonce).await?;
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
        let after = self.node.nonce(self.wallet.address(), block).await.ok()?;
        Some((block, nonce < after))
    }
}
