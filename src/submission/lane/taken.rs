//! Whose transaction used a nonce.
//!
//! That no attempt has a receipt is no proof that it was somebody else's: an index of receipts may
//! lag by any time, and to take our own transaction for another's is to act twice. A block's body
//! does not lag behind the block. So the block in which the nonce was used is looked for, by the
//! account's nonce after blocks between signing and now, and its body tells.
//!
//! A read goes to one endpoint, and that it has no receipt is its answer. So where a nonce is used and
//! no receipt is found, the other endpoints are asked for it: whatever is due next would wait for one
//! index that lags or is lost. A receipt is believed by its block, whoever has it.

use alloy::primitives::B256;

use super::{
    super::{
        node::{BlockMark, Mined, Place},
        slot::Slot,
    },
    book::Book,
    evidence::Evidence,
};

/// Most blocks looked at to find the one: halving needs fewer for any distance.
const MAX_LOOKS: u32 = 128;
/// A receipt that is missing is asked for elsewhere at so many observations in a row, and at each that
/// is a multiple of it after that.
const ELSEWHERE_EVERY: u32 = 8;

impl Book {
    /// Asks all endpoints for the receipts that are missing of nonces that are used.
    pub(super) async fn look_elsewhere(&mut self, evidence: &mut Evidence) {
        let mut missing = Vec::new();
        for watched in self.slots.values_mut() {
            if !evidence.is_used(&watched.slot) || evidence.has_receipt(&watched.slot) {
                watched.receipt_missed = 0;
                continue;
            }
            watched.receipt_missed = watched.receipt_missed.saturating_add(1);
            let missed = watched.receipt_missed;
            if missed <= ELSEWHERE_EVERY || missed.is_multiple_of(ELSEWHERE_EVERY) {
                missing.extend(watched.slot.attempts.iter().map(|attempt| attempt.hash));
            }
        }
        if missing.is_empty() {
            return;
        }
        let found = self.node.receipts_anywhere(missing).await;
        if !found.is_empty() {
            evidence.add_receipts(self.node.as_ref(), found).await;
        }
    }

    /// The transaction that used the slot's nonce, which is used after `settled`. `None` if nodes do
    /// not have the old states or bodies, or the body does not have it: that none of ours is in the
    /// body is no proof, since a node may serve it cut short, or hashes may differ in form.
    pub(super) async fn used_by(&self, slot: &Slot, settled: BlockMark) -> Option<B256> {
        self.transaction_using(slot.nonce, slot.attempts.first.signed_at_block, settled).await
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
