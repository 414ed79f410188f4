//! What the evidence of one head does to a book: included, reorganised away, finished. Reads and
//! journals, and never sends.

use std::sync::Arc;

use ballast_chains::{Head, profile::Finality};
use ballast_strategy_api::DynStrategy;

use super::{
    super::{
        lifecycle::{Inclusion, TxEvent, TxState},
        node::Receipt,
        slot::{PostconditionState, Slot},
    },
    LaneError, LaneEvent,
    book::Book,
    evidence::Evidence,
};

/// Heads in a row at which a settled block must have the nonce used and no receipt may be found
/// before the block that used it is looked for.
const TAKEN_SIGHTINGS: u8 = 5;
/// The same where that block cannot be found because nodes have forgotten so old a state. By then
/// no receipt is late any more.
const BLIND_SIGHTINGS: u8 = 200;
/// Most events that one slot can meet at one head: moved, then final.
const EVENTS_PER_HEAD: usize = 3;

impl Book {
    pub(super) async fn evidence(
        &self,
        head: &Head,
        finality: Finality,
        settle: bool,
    ) -> Result<Evidence, LaneError> {
        let slots: Vec<&Slot> = self.slots().collect();
        let node = Arc::clone(&self.node);
        Evidence::read(node.as_ref(), self.wallet, head, finality, &slots, settle).await
    }

    /// Applies to every slot everything that the evidence says of it.
    pub(super) async fn follow(
        &mut self,
        evidence: &Evidence,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let nonces: Vec<u64> = self.slots.keys().copied().collect();
        for nonce in nonces {
            self.follow_one(nonce, evidence, head, strategy, events).await?;
        }
        Ok(())
    }

    async fn follow_one(
        &mut self,
        nonce: u64,
        evidence: &Evidence,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        for _ in 0..EVENTS_PER_HEAD {
            let Some(watched) = self.slots.get_mut(&nonce) else { return Ok(()) };
            let event = evidence.event(&watched.slot);
            if event != Some(TxEvent::NonceTaken) {
                watched.taken_sightings = 0;
            }
            match event {
                None => return self.check_postcondition(nonce, head, events).await,
                Some(TxEvent::Included(inclusion)) => {
                    let receipt = evidence.receipt(&watched.slot).cloned();
                    self.include(nonce, inclusion, receipt, strategy, events).await?;
                    self.check_postcondition(nonce, head, events).await?;
                }
                Some(TxEvent::Reorged) => self.reorg(nonce, head, events).await?,
                Some(TxEvent::NonceTaken) => {
                    if self.is_taken(nonce, evidence, head).await {
                        self.finish(nonce, TxEvent::NonceTaken, head, events).await?;
                    }
                    return Ok(());
                }
                Some(TxEvent::Finalized) => {
                    self.check_postcondition(nonce, head, events).await?;
                    // Final for good: a few more blocks to read what it did cost nothing.
                    let postcondition = self.slots.get(&nonce).map(|w| w.slot.postcondition);
                    if postcondition == Some(PostconditionState::Due) {
                        return Ok(());
                    }
                    return self.finish(nonce, TxEvent::Finalized, head, events).await;
                }
                Some(
                    TxEvent::Journalled
                    | TxEvent::Accepted
                    | TxEvent::Ambiguous
                    | TxEvent::Rejected
                    | TxEvent::Adopted
                    | TxEvent::Undone,
                ) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether one more sighting of a used nonce without a receipt settles that it is not ours.
    async fn is_taken(&mut self, nonce: u64, evidence: &Evidence, head: &Head) -> bool {
        let Some(watched) = self.slots.get_mut(&nonce) else { return false };
        if watched.taken_at_block.replace(head.number) != Some(head.number) {
            watched.taken_sightings = watched.taken_sightings.saturating_add(1);
        }
        let sightings = watched.taken_sightings;
        let (Some(watched), Some(settled)) = (self.slots.get(&nonce), evidence.settled) else {
            return false;
        };
        if sightings < TAKEN_SIGHTINGS {
            return false;
        }
        let proof = self.is_taken_by_other(&watched.slot, settled).await;
        proof.unwrap_or(sightings >= BLIND_SIGHTINGS)
    }

    async fn include(
        &mut self,
        nonce: u64,
        inclusion: Inclusion,
        receipt: Option<Receipt>,
        strategy: Option<&dyn DynStrategy>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let state = self.next_state(nonce, TxEvent::Included(inclusion.clone()))?;
        let (Some(watched), Some(receipt)) = (self.slots.get_mut(&nonce), receipt) else {
            return Ok(());
        };
        if self.journal.is_writable() {
            let written = self.journal.record_inclusion(nonce, &inclusion, &receipt).await;
            written.map_err(LaneError::Journal)?;
        }
        watched.slot.state = state;
        watched.slot.postcondition = PostconditionState::Due;
        watched.postcondition_tries = 0;
        watched.failing_since = None;
        let income = strategy
            .zip(receipt.whole.as_ref())
            .map(|(strategy, whole)| strategy.settle(&whole.inner).income)
            .unwrap_or_default();
        events.push(LaneEvent::Included {
            nonce,
            action: watched.slot.intent().action.clone(),
            hash: inclusion.hash,
            block: inclusion.block,
            outcome: inclusion.outcome(),
            cost: inclusion.cost(),
            extra: inclusion.extra,
            income,
        });
        Ok(())
    }

    async fn reorg(
        &mut self,
        nonce: u64,
        head: &Head,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let state = self.next_state(nonce, TxEvent::Reorged)?;
        let Some(watched) = self.slots.get_mut(&nonce) else { return Ok(()) };
        let block = watched.slot.state.inclusion().map_or(0, |inclusion| inclusion.block);
        if self.journal.is_writable() {
            self.journal.record_reorg(nonce, block).await.map_err(LaneError::Journal)?;
        }
        watched.slot.state = state;
        watched.slot.postcondition = PostconditionState::Due;
        watched.waiting_since = Some(head.number);
        events.push(LaneEvent::Reorged { nonce, block });
        Ok(())
    }

    async fn finish(
        &mut self,
        nonce: u64,
        event: TxEvent,
        head: &Head,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let TxState::Final(outcome) = self.next_state(nonce, event)? else { return Ok(()) };
        if self.journal.is_writable() {
            let written = self.journal.record_final(nonce, outcome, head.number).await;
            written.map_err(LaneError::Journal)?;
        }
        let Some(watched) = self.slots.remove(&nonce) else { return Ok(()) };
        let action = watched.slot.intent().action.clone();
        self.subject.finished(&action, outcome);
        events.push(LaneEvent::Final { nonce, action, outcome });
        Ok(())
    }
}
