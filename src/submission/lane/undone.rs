//! A chain that takes back what was final.
//!
//! One sign of it is a nonce that is spent for good in the journal and free at a head which is not
//! older than the block that spent it. Then nothing that the journal calls final above the fork can
//! be relied on: those slots are opened again, followed, and sent again, like after any other
//! reorganisation, and a person is told.
//!
//! The other is a block that carried an intent out for good and is not canonical any more, although
//! the nonce is used: it is looked at before an action is called carried out.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::B256;
use ballast_chains::Head;

use super::{
    super::{
        journal::{Answered, FinalSlot},
        lifecycle::{TxEvent, TxState},
        node::Place,
    },
    Lane, LaneError, LaneEvent,
    book::Book,
};

/// Final slots that are looked at, counted from the newest.
const MAX_UNDONE: u64 = 256;

impl Lane {
    /// Opens again what the journal has as final and the chain of `head`, at which the account's
    /// nonce is `at_head`, does not have. Gives whether anything was.
    pub(super) async fn reopen_undone(
        &mut self,
        at_head: u64,
        head: &Head,
    ) -> Result<bool, LaneError> {
        if at_head >= self.book.unjournalled || !self.book.journal.is_writable() {
            return Ok(false);
        }
        let finals = self.book.journal.finals(MAX_UNDONE).await.map_err(LaneError::Journal)?;
        if !finals.iter().any(|slot| slot.nonce >= at_head) {
            return Ok(false);
        }
        let canonical = self.canonical(heights(&finals), head).await?;
        let Some(undone) = undone(&finals, at_head, head.number, &canonical) else {
            return Ok(false);
        };
        self.reopen(&undone, head).await?;
        self.foreign.seen = self.foreign.seen.min(at_head);
        Ok(true)
    }

    /// The same where the nonce is used again, by a transaction in another block: the intent that
    /// `answered` is of may have come to nothing there. Gives whether it was opened again; its
    /// inclusion is then found anew.
    pub(super) async fn reopen_fallen(
        &mut self,
        answered: &Answered,
        head: &Head,
    ) -> Result<bool, LaneError> {
        let is_own = answered.wallet == self.book.wallet;
        let journal = self.book.journal.of_wallet(answered.wallet);
        let Some(block) = answered.block.filter(|_| journal.is_writable()) else {
            return Ok(false);
        };
        // Nearly always it is where it was: the others are looked at only if it is not.
        let known = self.canonical(std::iter::once(block.0), head).await?;
        if known.get(&block.0).is_none_or(|hash| *hash == block.1) {
            return Ok(false);
        }
        let finals = journal.finals(MAX_UNDONE).await.map_err(LaneError::Journal)?;
        let canonical = self.canonical(heights(&finals), head).await?;
        let gone: Vec<FinalSlot> =
            finals.into_iter().filter(|slot| fell_away(slot, &canonical)).collect();
        if !gone.iter().any(|slot| slot.nonce == answered.nonce) {
            return Ok(false);
        }
        if is_own {
            self.reopen(&gone, head).await?;
            return Ok(true);
        }
        journal.record_undone(&reopened(&gone)?, head.number).await.map_err(LaneError::Journal)?;
        self.formers.retain(|former| former.wallet != answered.wallet);
        let asked = (Arc::clone(&self.node), self.book.together.clone());
        let subject = self.subject.clone();
        self.formers.push(Book::new(answered.wallet, asked, journal, subject));
        self.tell_undone(&gone);
        Ok(true)
    }

    /// Opens slots of the wallet again.
    async fn reopen(&mut self, undone: &[FinalSlot], head: &Head) -> Result<(), LaneError> {
        let states = reopened(undone)?;
        self.book.reload = true;
        let written = self.book.journal.record_undone(&states, head.number).await;
        written.map_err(LaneError::Journal)?;
        self.book.reload().await?;
        for slot in undone {
            if let Some(watched) = self.book.slots.get_mut(&slot.nonce) {
                watched.waiting_since = Some(head.number);
            }
        }
        self.tell_undone(undone);
        Ok(())
    }

    fn tell_undone(&mut self, undone: &[FinalSlot]) {
        self.need.forget();
        self.subject.undone(&undone.iter().map(|slot| slot.nonce).collect::<Vec<u64>>());
        for slot in undone {
            self.outbox.push(LaneEvent::Undone { nonce: slot.nonce, outcome: slot.outcome });
        }
    }

    /// The canonical hashes at these heights, as far as the chain is that long.
    async fn canonical(
        &self,
        heights: impl Iterator<Item = u64>,
        head: &Head,
    ) -> Result<BTreeMap<u64, B256>, LaneError> {
        let mut heights: Vec<u64> = heights.filter(|height| *height <= head.number).collect();
        heights.sort_unstable();
        heights.dedup();
        let places = heights.iter().copied().map(Place::Number).collect();
        let blocks = self.node.blocks(places).await;
        let blocks =
            blocks.map_err(|source| LaneError::Node { what: "canonical blocks", source })?;
        let known = heights.into_iter().zip(blocks);
        Ok(known.filter_map(|(height, block)| Some((height, block?.hash))).collect())
    }
}

/// The heights that spent nonces, as far as they are known.
fn heights(finals: &[FinalSlot]) -> impl Iterator<Item = u64> {
    finals.iter().filter_map(|slot| slot.block.map(|(height, _)| height))
}

/// The states that slots have again.
fn reopened(undone: &[FinalSlot]) -> Result<Vec<(u64, TxState)>, LaneError> {
    let state = |slot: &FinalSlot| {
        let state = TxState::Final(slot.outcome).on(TxEvent::Undone);
        Ok((slot.nonce, state.map_err(LaneError::Lifecycle)?))
    };
    undone.iter().map(state).collect()
}

/// Whether another block than the one that spent it is canonical.
fn fell_away(slot: &FinalSlot, canonical: &BTreeMap<u64, B256>) -> bool {
    slot.block
        .is_some_and(|(height, hash)| canonical.get(&height).is_some_and(|known| *known != hash))
}

/// The slots that are not final any more; `None` if the head proves nothing: it is older than a
/// block that spent a nonce, or that block is canonical after all.
fn undone(
    finals: &[FinalSlot],
    at_head: u64,
    head: u64,
    canonical: &BTreeMap<u64, B256>,
) -> Option<Vec<FinalSlot>> {
    let free = || finals.iter().filter(|slot| slot.nonce >= at_head);
    // Of a nonce that somebody else took, the block may not be known.
    let proven = free()
        .all(|slot| slot.final_at <= head && (slot.block.is_none() || fell_away(slot, canonical)));
    proven.then(|| {
        let gone = finals.iter().filter(|slot| slot.nonce >= at_head || fell_away(slot, canonical));
        gone.copied().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submission::lifecycle::Outcome;

    fn slot(nonce: u64, block: Option<(u64, u8)>) -> FinalSlot {
        let block = block.map(|(height, hash)| (height, B256::repeat_byte(hash)));
        FinalSlot { nonce, outcome: Outcome::Confirmed, final_at: 9, block }
    }

    fn nonces(finals: &[FinalSlot], at_head: u64, head: u64) -> Option<Vec<u64>> {
        // Blocks up to 10 have their own height as hash.
        let canonical = (0..=10_u8).map(|h| (u64::from(h), B256::repeat_byte(h)));
        let canonical = canonical.filter(|(height, _)| *height <= head).collect();
        undone(finals, at_head, head, &canonical)
            .map(|slots| slots.iter().map(|slot| slot.nonce).collect())
    }

    #[test]
    fn only_a_head_that_is_not_older_proves_that_a_final_nonce_is_free() {
        let finals = [slot(2, Some((8, 99))), slot(1, Some((7, 99))), slot(0, Some((3, 3)))];
        assert_eq!(nonces(&finals, 2, 10), Some(vec![2, 1]), "1 is used, by another block");
        assert_eq!(nonces(&finals, 1, 10), Some(vec![2, 1]));
        assert_eq!(nonces(&finals, 2, 8), None, "an older head than the one it was final at");
        assert_eq!(nonces(&finals[2..], 0, 10), None, "its block is canonical");
        let mixed = [slot(2, None), slot(1, Some((7, 99)))];
        assert_eq!(nonces(&mixed, 1, 10), Some(vec![2, 1]));
    }
}
