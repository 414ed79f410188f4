//! Transactions of the wallet's key that are not ours: noticed at once, booked once they are final.
//!
//! A nonce that is used and not in the journal was used by somebody else. That is told when it is
//! seen; the next assessment reads the state that it left behind. Once it is final, it is journalled
//! like a slot of ours, with the outcome `foreign`, its hash and its receipt, so that what the
//! wallet spent adds up. What is missing in the journal is found again after a restart by the
//! missing itself.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::B256;
use ballast_chains::Head;
use tokio::time::{Instant, timeout_at};

use super::{
    super::{
        lifecycle::{TxEvent, TxState},
        node::{BlockMark, Receipt},
    },
    Lane, LaneError, LaneEvent,
    evidence::Evidence,
};

/// Foreign nonces that are remembered at once, and booked at one head. The rest is told and
/// missing in the journal: found at the next start.
const MAX_UNBOOKED: usize = 64;
const MAX_BOOKED_PER_HEAD: usize = 4;
/// Longest time that all of this takes at one head: a turn waits behind it, and halving its way to
/// an old block takes many questions.
const BOOKED_WITHIN: Duration = Duration::from_secs(2);
/// Heads at which the transaction is looked for before the nonce is booked without it.
const FIND_TRIES: u8 = 20;
/// Journalled nonces, counted from the newest, among which missing ones are looked for.
const NONCES_LOOKED_THROUGH: u64 = 512;

/// Nonces that somebody else used.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    /// The greatest nonce that a head told; only tells when somebody else uses the key.
    pub(super) seen: u64,
    /// Those that are not booked yet, each with the height at which it was seen to be used and how
    /// often its transaction was looked for.
    unbooked: BTreeMap<u64, (Option<u64>, u8)>,
}

impl Foreign {
    /// Whether anything is to be booked.
    pub(super) fn is_waiting(&self) -> bool {
        !self.unbooked.is_empty()
    }
}

impl Lane {
    /// Nonces used that neither this journal nor an earlier look accounts for.
    pub(super) fn notice_foreign(&mut self, nonce_at_head: u64, head: Option<&Head>) {
        let accounted = self.book.accounted.max(self.foreign.seen);
        if nonce_at_head > accounted {
            self.subject.foreign(accounted, nonce_at_head);
            self.outbox.push(LaneEvent::Foreign { from: accounted, to: nonce_at_head });
            for nonce in (accounted..nonce_at_head).take(MAX_UNBOOKED) {
                self.remember_unbooked(nonce, head.map(|head| head.number));
            }
        }
        self.foreign.seen = self.foreign.seen.max(nonce_at_head);
    }

    fn remember_unbooked(&mut self, nonce: u64, seen_at: Option<u64>) {
        if self.foreign.unbooked.len() < MAX_UNBOOKED {
            self.foreign.unbooked.entry(nonce).or_insert((seen_at, 0));
        }
    }

    /// Nonces that are missing in the journal between others.
    pub(super) async fn find_unbooked(&mut self) -> Result<(), LaneError> {
        let known = self.book.journal.newest_nonces(NONCES_LOOKED_THROUGH).await;
        let known = known.map_err(LaneError::Journal)?;
        let first = self.book.journal.first_nonce().await.map_err(LaneError::Journal)?;
        let (Some(first), Some(lowest)) = (first, known.first()) else { return Ok(()) };
        let full = u64::try_from(known.len()).is_ok_and(|count| count == NONCES_LOOKED_THROUGH);
        let mut next = if full { *lowest } else { first };
        for nonce in known {
            for missing in (next..nonce).take(MAX_UNBOOKED) {
                self.remember_unbooked(missing, None);
            }
            next = nonce.saturating_add(1);
        }
        Ok(())
    }

    /// Journals what is final of it, and forgets what fell away again.
    pub(super) async fn book_foreign(
        &mut self,
        evidence: &Evidence,
        head: &Head,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        self.foreign.unbooked.retain(|nonce, _| *nonce < evidence.nonce);
        self.foreign.seen = self.foreign.seen.min(evidence.nonce.max(self.book.accounted));
        let (Some(settled), Some(settled_nonce)) = (evidence.settled, evidence.settled_nonce)
        else {
            return Ok(());
        };
        let ripe: Vec<u64> = self
            .foreign
            .unbooked
            .range(..settled_nonce)
            .map(|(nonce, _)| *nonce)
            .take(MAX_BOOKED_PER_HEAD)
            .collect();
        let until = Instant::now().checked_add(BOOKED_WITHIN).unwrap_or_else(Instant::now);
        for nonce in ripe {
            if Instant::now() < until {
                self.book_one(nonce, (settled, until), head, events).await?;
            }
        }
        Ok(())
    }

    /// The transaction that used a nonce, and its receipt, as far as nodes have them.
    async fn find_foreign(
        &self,
        nonce: u64,
        from: u64,
        settled: BlockMark,
    ) -> (Option<B256>, Option<Receipt>) {
        let hash = self.book.transaction_using(nonce, from, settled).await;
        let receipt = match hash {
            Some(hash) => self.node.receipts(vec![hash]).await.ok().into_iter().flatten().next(),
            None => None,
        };
        (hash, receipt.flatten())
    }

    async fn book_one(
        &mut self,
        nonce: u64,
        (settled, until): (BlockMark, Instant),
        head: &Head,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let Some((seen_at, tries)) = self.foreign.unbooked.get_mut(&nonce) else { return Ok(()) };
        *tries = tries.saturating_add(1);
        let (from, tries) = (seen_at.unwrap_or(settled.number), *tries);
        let found = timeout_at(until, self.find_foreign(nonce, from, settled)).await;
        let (hash, receipt) = found.unwrap_or_default();
        if receipt.is_none() && tries < FIND_TRIES {
            return Ok(());
        }
        let adopted = TxState::Planned.on(TxEvent::Adopted).map_err(LaneError::Lifecycle)?;
        self.book
            .journal
            .record_foreign(nonce, hash, receipt.as_ref(), head.number)
            .await
            .map_err(LaneError::Journal)?;
        self.foreign.unbooked.remove(&nonce);
        self.book.unjournalled = self.book.unjournalled.max(nonce.saturating_add(1));
        self.book.accounted = self.book.accounted.max(self.book.unjournalled);
        self.subject.finished(adopted.label(), super::super::lifecycle::Outcome::Foreign);
        let cost = receipt.map(|receipt| receipt.cost());
        events.push(LaneEvent::Adopted { nonce, hash, cost });
        Ok(())
    }
}
