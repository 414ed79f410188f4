//! What the chain says about slots at one head, and what follows from it. Reading is one function,
//! concluding another, and the latter is pure.
//!
//! Whether a nonce is used is asked of the head itself, by hash, and is beyond doubt. Receipts come
//! from whichever node answers: one is believed only if the nonce is used and its block is the
//! canonical one of its height. A receipt that is missing while the nonce is used proves nothing by
//! itself, since a node may lag with its index.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy::primitives::{Address, B256};
use ballast_chains::{Head, profile::Finality};

use super::{
    super::{
        lifecycle::{Inclusion, TxEvent, TxState},
        node::{BlockMark, Node, Place, Receipt},
        slot::{AttemptKind, Slot},
        together::{Question, Seen, Together},
    },
    LaneError,
};

/// Everything that one observation goes by.
#[derive(Debug)]
pub(super) struct Evidence {
    /// The head's number.
    pub(super) head: u64,
    /// The account's nonce after the head.
    pub(super) nonce: u64,
    /// Receipts by transaction.
    pub(super) receipts: BTreeMap<B256, Receipt>,
    /// Canonical hashes by height, where they are known.
    pub(super) canonical: BTreeMap<u64, B256>,
    /// The highest block that cannot fall away, if known.
    pub(super) settled: Option<BlockMark>,
    /// The account's nonce after that block, read only where a used nonce has no receipt or where
    /// it was asked for.
    pub(super) settled_nonce: Option<u64>,
}

impl Evidence {
    /// Reads it: one round while everything waits for inclusion, two once something is included.
    /// With `settle` the nonce after the newest settled block is read in any case.
    pub(super) async fn read(
        (node, together): (&Arc<dyn Node>, &Together),
        wallet: Address,
        head: &Head,
        finality: Finality,
        slots: &[&Slot],
        settle: bool,
    ) -> Result<Self, LaneError> {
        let failed = |what| move |source| LaneError::Node { what, source };
        let hashes = slots.iter().flat_map(|slot| slot.attempts.iter().map(|a| a.hash)).collect();
        let question = Question { of: wallet, at: head.into(), hashes };
        let seen = together.ask(question, node).await;
        let Seen { nonce, receipts } = seen.map_err(|(what, source)| failed(what)(source))?;
        let node = node.as_ref();
        let receipts: BTreeMap<B256, Receipt> =
            receipts.into_iter().flatten().map(|receipt| (receipt.hash, receipt)).collect();
        let mut evidence = Self {
            head: head.number,
            nonce,
            receipts,
            canonical: own_hashes(head),
            settled: None,
            settled_nonce: None,
        };
        if settle || slots.iter().any(|slot| evidence.is_used(slot)) {
            evidence.read_blocks(node, head, finality, slots).await?;
        }
        if let Some(settled) = evidence.settled
            && (settle
                || slots.iter().any(|slot| evidence.is_used(slot) && !evidence.has_receipt(slot)))
        {
            let nonce = node.nonce(wallet, settled).await;
            evidence.settled_nonce = Some(nonce.map_err(failed("the wallet's settled nonce"))?);
        }
        Ok(evidence)
    }

    /// The canonical blocks at the heights that matter, and the newest settled one.
    async fn read_blocks(
        &mut self,
        node: &dyn Node,
        head: &Head,
        finality: Finality,
        slots: &[&Slot],
    ) -> Result<(), LaneError> {
        let mut heights: BTreeSet<u64> = self.receipts.values().map(|r| r.block).collect();
        heights.extend(slots.iter().filter_map(|slot| Some(slot.state.inclusion()?.block)));
        let depth = depth(finality, head.number);
        heights.extend(depth);
        heights.retain(|height| *height <= head.number && !self.canonical.contains_key(height));
        let tag = match finality {
            Finality::Confirmations(_) => None,
            Finality::Safe => Some(Place::Safe),
            Finality::Finalized => Some(Place::Finalized),
        };
        let asked: Vec<u64> = heights.into_iter().collect();
        let places = asked.iter().copied().map(Place::Number).collect();
        let tagged = node.blocks(tag.into_iter().collect());
        let (blocks, tagged) = futures::join!(node.blocks(places), tagged);
        let blocks =
            blocks.map_err(|source| LaneError::Node { what: "canonical blocks", source })?;
        for (number, block) in asked.into_iter().zip(blocks) {
            if let Some(block) = block.filter(|block| block.number == number) {
                self.canonical.insert(block.number, block.hash);
            }
        }
        // A node without finality yet answers the tag with an error. Inclusion does not hang on it.
        self.settled = tagged.ok().and_then(|blocks| blocks.into_iter().next().flatten());
        if let Some(number) = depth {
            let hash = self.canonical.get(&number);
            self.settled = hash.map(|hash| BlockMark { number, hash: *hash, parent: B256::ZERO });
        }
        Ok(())
    }

    /// Adds receipts from elsewhere, as far as their blocks are canonical: one of those is as good as
    /// any, and another must not take the place of one.
    pub(super) async fn add_receipts(&mut self, node: &dyn Node, found: Vec<Receipt>) {
        let mut heights: BTreeSet<u64> = found.iter().map(|receipt| receipt.block).collect();
        heights.retain(|height| *height <= self.head && !self.canonical.contains_key(height));
        let places = heights.iter().copied().map(Place::Number).collect();
        let blocks = node.blocks(places).await.unwrap_or_default();
        for (number, block) in heights.into_iter().zip(blocks) {
            if let Some(block) = block.filter(|block| block.number == number) {
                self.canonical.insert(block.number, block.hash);
            }
        }
        for receipt in found {
            if self.canonical.get(&receipt.block) == Some(&receipt.block_hash) {
                self.receipts.insert(receipt.hash, receipt);
            }
        }
    }

    pub(super) fn is_used(&self, slot: &Slot) -> bool {
        slot.nonce < self.nonce
    }

    /// The receipt of whichever attempt is in a canonical block.
    pub(super) fn receipt(&self, slot: &Slot) -> Option<&Receipt> {
        slot.attempts.iter().find_map(|attempt| {
            let receipt = self.receipts.get(&attempt.hash)?;
            (self.canonical.get(&receipt.block) == Some(&receipt.block_hash)).then_some(receipt)
        })
    }

    pub(super) fn has_receipt(&self, slot: &Slot) -> bool {
        self.receipt(slot).is_some()
    }

    /// Whether the nonce waits for inclusion as far as the head knows, so that sending helps.
    pub(super) fn is_free(&self, slot: &Slot) -> bool {
        !self.is_used(slot)
    }

    /// The next thing that happened to a slot; `None` if nothing did, or nothing that is certain.
    /// [`TxEvent::NonceTaken`] is a single sighting here; it takes several to conclude it.
    pub(super) fn event(&self, slot: &Slot) -> Option<TxEvent> {
        match &slot.state {
            TxState::Planned | TxState::Final(_) => None,
            TxState::Signed | TxState::Pending if self.is_free(slot) => None,
            TxState::Signed | TxState::Pending => match self.receipt(slot) {
                Some(receipt) => Some(TxEvent::Included(inclusion(slot, receipt))),
                None => {
                    let passed = self.settled_nonce.is_some_and(|nonce| slot.nonce < nonce);
                    passed.then_some(TxEvent::NonceTaken)
                }
            },
            TxState::Included(_) if self.is_free(slot) => Some(TxEvent::Reorged),
            TxState::Included(known) => match self.receipt(slot) {
                Some(receipt)
                    if receipt.block_hash == known.block_hash && receipt.hash == known.hash =>
                {
                    let settled = self.settled.is_some_and(|settled| known.block <= settled.number);
                    settled.then_some(TxEvent::Finalized)
                }
                Some(receipt) => Some(TxEvent::Included(inclusion(slot, receipt))),
                None => {
                    let gone = known.block > self.head
                        || self.canonical.get(&known.block).is_some_and(|h| *h != known.block_hash);
                    gone.then_some(TxEvent::Reorged)
                }
            },
        }
    }
}

fn own_hashes(head: &Head) -> BTreeMap<u64, B256> {
    let mut hashes = BTreeMap::from([(head.number, head.hash)]);
    if let Some(parent) = head.number.checked_sub(1) {
        hashes.insert(parent, head.parent);
    }
    hashes
}

/// The height that has as many blocks from itself to the head as finality by depth asks for.
fn depth(finality: Finality, head: u64) -> Option<u64> {
    match finality {
        Finality::Confirmations(count) => head.checked_sub(count.saturating_sub(1)),
        Finality::Safe | Finality::Finalized => None,
    }
}

fn inclusion(slot: &Slot, receipt: &Receipt) -> Inclusion {
    let attempt = slot.attempt(receipt.hash);
    Inclusion {
        hash: receipt.hash,
        cancellation: attempt.is_some_and(|a| a.kind == AttemptKind::Cancellation),
        block: receipt.block,
        block_hash: receipt.block_hash,
        succeeded: receipt.succeeded,
        gas_used: receipt.gas_used,
        effective_gas_price: receipt.effective_gas_price,
        extra: receipt.extra,
    }
}
