//! What the evidence of one head does to a book: included, reorganised away, finished. Reads and
//! journals, and never sends.

use ballast_chains::{Head, profile::Finality};
use ballast_strategy_api::DynStrategy;

use super::{
    super::{
        lifecycle::{Inclusion, Outcome, TxEvent, TxState},
        node::Receipt,
        slot::{PostconditionState, Slot},
    },
    LaneError, LaneEvent,
    book::Book,
    evidence::Evidence,
    postcondition::is_promised,
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
        &mut self,
        head: &Head,
        finality: Finality,
        settle: bool,
    ) -> Result<Evidence, LaneError> {
        let slots: Vec<&Slot> = self.slots().collect();
        let asked = (&self.node, &self.together);
        let read = Evidence::read(asked, self.wallet, head, finality, &slots, settle).await;
        let mut evidence = read?;
        self.look_elsewhere(&mut evidence).await;
        Ok(evidence)
    }

    /// Applies to every slot everything that the evidence says of it. What is final is journalled with
    /// the next inclusion, if one is found at the same head, else at the end: one step for all.
    pub(super) async fn follow(
        &mut self,
        evidence: &Evidence,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let mut at = Following { evidence, head, strategy, events, finals: Vec::new() };
        let nonces: Vec<u64> = self.slots.keys().copied().collect();
        for nonce in nonces {
            self.follow_one(nonce, &mut at).await?;
        }
        if at.finals.is_empty() {
            return Ok(());
        }
        if self.journal.is_writable() {
            let written = self.journal.record_final(&at.finals, head.number).await;
            written.map_err(LaneError::Journal)?;
        }
        self.let_go(&mut at);
        Ok(())
    }

    async fn follow_one(&mut self, nonce: u64, at: &mut Following<'_>) -> Result<(), LaneError> {
        let (evidence, head) = (at.evidence, at.head);
        for _ in 0..EVENTS_PER_HEAD {
            let Some(watched) = self.slots.get_mut(&nonce) else { return Ok(()) };
            let event = evidence.event(&watched.slot);
            if event != Some(TxEvent::NonceTaken) {
                (watched.taken_sightings, watched.without_receipt) = (0, None);
            }
            match event {
                None => return self.check_postcondition(nonce, head, at.events).await,
                Some(TxEvent::Included(inclusion)) => {
                    let receipt = evidence.receipt(&watched.slot).cloned();
                    self.include(nonce, inclusion, receipt, at).await?;
                    self.check_postcondition(nonce, head, at.events).await?;
                }
                Some(TxEvent::Reorged) => self.reorg(nonce, head, at.events).await?,
                Some(TxEvent::NonceTaken) => {
                    if self.is_taken(nonce, at).await {
                        at.finals.extend(self.ended(nonce, TxEvent::NonceTaken)?);
                    }
                    return Ok(());
                }
                Some(TxEvent::Finalized) => {
                    self.check_postcondition(nonce, head, at.events).await?;
                    // Final for good: a few more blocks to read what it did cost nothing.
                    let postcondition = self.slots.get(&nonce).map(|w| w.slot.postcondition);
                    if postcondition != Some(PostconditionState::Due) {
                        at.finals.extend(self.ended(nonce, TxEvent::Finalized)?);
                    }
                    return Ok(());
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

    /// Whether one more sighting of a used nonce without a receipt settles that it is not ours. If it
    /// settles that it is, that is told once: everything of the product waits for the receipt.
    async fn is_taken(&mut self, nonce: u64, at: &mut Following<'_>) -> bool {
        let Some(watched) = self.slots.get_mut(&nonce) else { return false };
        if watched.taken_at_block.replace(at.head.number) != Some(at.head.number) {
            watched.taken_sightings = watched.taken_sightings.saturating_add(1);
        }
        let sightings = watched.taken_sightings;
        if sightings < TAKEN_SIGHTINGS || watched.without_receipt.is_some() {
            return false;
        }
        let (Some(watched), Some(settled)) = (self.slots.get(&nonce), at.evidence.settled) else {
            return false;
        };
        let Some(hash) = self.used_by(&watched.slot, settled).await else {
            return sightings >= BLIND_SIGHTINGS;
        };
        let Some(watched) = self.slots.get_mut(&nonce) else { return false };
        if watched.slot.attempt(hash).is_none() {
            return true;
        }
        watched.without_receipt = Some(hash);
        let action = watched.slot.newest().intent.action.clone();
        at.events.push(LaneEvent::ReceiptMissing { nonce, action, hash });
        false
    }

    async fn include(
        &mut self,
        nonce: u64,
        inclusion: Inclusion,
        receipt: Option<Receipt>,
        at: &mut Following<'_>,
    ) -> Result<(), LaneError> {
        let state = self.next_state(nonce, TxEvent::Included(inclusion.clone()))?;
        let (Some(watched), Some(receipt)) = (self.slots.get_mut(&nonce), receipt) else {
            return Ok(());
        };
        let postcondition = if is_promised(&watched.slot, &inclusion) {
            PostconditionState::Due
        } else {
            PostconditionState::Unknown
        };
        if self.journal.is_writable() {
            let included = (nonce, &inclusion, &receipt, postcondition);
            let finals = (at.finals.as_slice(), at.head.number);
            let written = self.journal.record_inclusion(included, finals).await;
            written.map_err(LaneError::Journal)?;
        }
        watched.slot.state = state;
        watched.slot.postcondition = postcondition;
        watched.outgoing = None;
        watched.postcondition_tries = 0;
        watched.failing_since = None;
        let income = at
            .strategy
            .zip(receipt.whole.as_ref())
            .map(|(strategy, whole)| strategy.settle(&whole.inner).income)
            .unwrap_or_default();
        at.events.push(LaneEvent::Included {
            nonce,
            action: watched.slot.intent().action.clone(),
            hash: inclusion.hash,
            block: inclusion.block,
            outcome: inclusion.outcome(),
            cost: inclusion.cost(),
            extra: inclusion.extra,
            income,
        });
        self.let_go(at);
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

    /// The nonce and how it ended, where that event ends it. The slot is kept until it is journalled.
    fn ended(&self, nonce: u64, event: TxEvent) -> Result<Option<(u64, Outcome)>, LaneError> {
        Ok(match self.next_state(nonce, event)? {
            TxState::Final(outcome) => Some((nonce, outcome)),
            TxState::Planned | TxState::Signed | TxState::Pending | TxState::Included(_) => None,
        })
    }

    /// Forgets the slots that are journalled as final.
    fn let_go(&mut self, at: &mut Following<'_>) {
        for (nonce, outcome) in at.finals.drain(..) {
            let Some(watched) = self.slots.remove(&nonce) else { continue };
            let action = watched.slot.intent().action.clone();
            self.subject.finished(&action, outcome);
            at.events.push(LaneEvent::Final { nonce, action, outcome });
        }
    }
}

/// What slots are followed by at one head, and what was found so far.
struct Following<'a> {
    evidence: &'a Evidence,
    head: &'a Head,
    strategy: Option<&'a dyn DynStrategy>,
    events: &'a mut Vec<LaneEvent>,
    /// Nonces that are spent for good, and how; neither journalled nor forgotten yet.
    finals: Vec<(u64, Outcome)>,
}
