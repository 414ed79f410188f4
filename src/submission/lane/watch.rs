//! Following what is under way, at every head.

use alloy::primitives::{B256, U256};
use ballast_chains::Head;
use ballast_strategy_api::{Call, DynStrategy, Postcondition};

use crate::guard::{Leave, Upkeep};

use super::{
    super::{
        lifecycle::{Inclusion, TxEvent, TxState},
        node::{BlockMark, Place, Receipt},
        slot::{PostconditionState, Slot},
    },
    Lane, LaneError, LaneEvent,
    evidence::Evidence,
};

/// Heads in a row at which a settled block must have the nonce used and no receipt may be found
/// before the block that used it is looked for.
const TAKEN_SIGHTINGS: u8 = 5;
/// The same where that block cannot be found because nodes have forgotten so old a state. By then
/// no receipt is late any more.
const BLIND_SIGHTINGS: u8 = 200;
/// Blocks at which the postcondition is tried before it counts as unknown.
const POSTCONDITION_TRIES: u8 = 8;
/// Most events that one slot can meet at one head: moved, then final.
const EVENTS_PER_HEAD: usize = 3;

/// A postcondition that was looked at.
enum Looked {
    Held(String),
    Missed { what: String, before: U256, after: U256 },
    NothingPromised,
    Unreadable,
}

impl Lane {
    /// Looks at every slot that is not final, at this head: what was included, reorganised away or
    /// finished, whether inclusion had its effect, and what waits is sent again or replaced.
    ///
    /// With the strategy the income of an inclusion is told as well. `upkeep` is the guard's word
    /// on how far to go with what waits.
    ///
    /// # Errors
    /// When nodes or journal do not answer; the next head is the retry, and what was found before
    /// the failure is told then.
    pub async fn observe(
        &mut self,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        upkeep: &Upkeep,
    ) -> Result<Vec<LaneEvent>, LaneError> {
        let mut events = std::mem::take(&mut self.outbox);
        let observed = self.observe_into(head, strategy, upkeep, &mut events).await;
        // Remarks of the lane itself, such as a foreign nonce, come with the rest.
        events.append(&mut self.outbox);
        match observed {
            Ok(()) => Ok(events),
            Err(error) => {
                self.outbox = events;
                Err(error)
            }
        }
    }

    async fn observe_into(
        &mut self,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        self.reload().await?;
        if self.slots.is_empty() {
            return Ok(());
        }
        let evidence = self.evidence(head).await?;
        self.notice_foreign(evidence.nonce);
        let nonces: Vec<u64> = self.slots.keys().copied().collect();
        for nonce in &nonces {
            self.follow(*nonce, &evidence, head, strategy, events).await?;
        }
        if self.journal.is_writable() && upkeep.leave >= Leave::Resend {
            let free = self.waiting(&evidence);
            let replaced = match upkeep.leave {
                Leave::Sign => self.replace_lowest(&free, head, upkeep, events).await,
                Leave::Watch | Leave::Resend => Ok(()),
            };
            // Whatever kept the replacement from being made: what is journalled goes out again.
            self.resend(&free, head).await;
            replaced?;
            if upkeep.leave == Leave::Sign {
                self.fill_gap(&free, evidence.nonce, head, upkeep, events).await?;
            }
        }
        Ok(())
    }

    async fn evidence(&self, head: &Head) -> Result<Evidence, LaneError> {
        let slots: Vec<&Slot> = self.slots.values().map(|watched| &watched.slot).collect();
        let wallet = self.wallet.address();
        let node = self.node.as_ref();
        Evidence::read(node, wallet, head, self.profile.finality, &slots).await
    }

    /// Nonces that wait for inclusion and that the chain has not used, ascending.
    fn waiting(&self, evidence: &Evidence) -> Vec<u64> {
        let slots = self.slots.values().map(|watched| &watched.slot);
        let free = slots
            .filter(|slot| slot.state.is_awaiting_inclusion() && evidence.is_free(slot))
            .map(|slot| slot.nonce);
        free.collect()
    }

    /// Applies to one slot everything that the evidence says of it.
    async fn follow(
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
                Some(TxEvent::Reorged) => self.reorg(nonce, events).await?,
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
                    | TxEvent::Rejected,
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
            cost: inclusion.execution_cost(),
            income,
        });
        Ok(())
    }

    async fn reorg(&mut self, nonce: u64, events: &mut Vec<LaneEvent>) -> Result<(), LaneError> {
        let state = self.next_state(nonce, TxEvent::Reorged)?;
        let Some(watched) = self.slots.get_mut(&nonce) else { return Ok(()) };
        let block = watched.slot.state.inclusion().map_or(0, |inclusion| inclusion.block);
        if self.journal.is_writable() {
            self.journal.record_reorg(nonce, block).await.map_err(LaneError::Journal)?;
        }
        watched.slot.state = state;
        watched.slot.postcondition = PostconditionState::Due;
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

    fn next_state(&self, nonce: u64, event: TxEvent) -> Result<TxState, LaneError> {
        let state = self.slots.get(&nonce).map(|watched| watched.slot.state.clone());
        state.unwrap_or(TxState::Planned).on(event).map_err(|unexpected| {
            self.subject.unexpected(nonce, &unexpected);
            LaneError::Lifecycle(unexpected)
        })
    }

    /// Compares the parent of the inclusion block with that block, once. Only for an attempt that
    /// succeeded: a failed one is told of by itself.
    async fn check_postcondition(
        &mut self,
        nonce: u64,
        head: &Head,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let Some(watched) = self.slots.get(&nonce) else { return Ok(()) };
        let slot = &watched.slot;
        let Some(inclusion) = slot.state.inclusion().cloned() else { return Ok(()) };
        if slot.postcondition != PostconditionState::Due {
            return Ok(());
        }
        let (action, expects) = (slot.intent().action.clone(), slot.intent().expects.clone());
        let looked = match expects {
            Some(expects) if inclusion.succeeded && !inclusion.cancellation => {
                self.look(&expects, &inclusion).await
            }
            Some(_) | None => Looked::NothingPromised,
        };
        let (state, detail) = match looked {
            Looked::Held(what) => {
                let detail = format!("{what} moved as intended");
                events.push(LaneEvent::PostconditionHeld { nonce, action, what });
                (PostconditionState::Held, detail)
            }
            Looked::Missed { what, before, after } => {
                self.subject.postcondition_missed(&action);
                let detail = format!("{what}: {before} before, {after} after");
                events.push(LaneEvent::PostconditionMissed { nonce, action, what, before, after });
                (PostconditionState::Missed, detail)
            }
            Looked::NothingPromised => (PostconditionState::Unknown, "nothing to check".into()),
            Looked::Unreadable => {
                let Some(watched) = self.slots.get_mut(&nonce) else { return Ok(()) };
                watched.postcondition_tries = watched.postcondition_tries.saturating_add(1);
                if watched.postcondition_tries < POSTCONDITION_TRIES {
                    return Ok(());
                }
                (PostconditionState::Unknown, "could not be read".into())
            }
        };
        if let Some(watched) = self.slots.get_mut(&nonce) {
            watched.slot.postcondition = state;
        }
        if self.journal.is_writable() {
            let block = head.number;
            let written = self.journal.record_postcondition(nonce, state, block, &detail).await;
            written.map_err(LaneError::Journal)?;
        }
        Ok(())
    }

    async fn look(&self, expects: &Postcondition, inclusion: &Inclusion) -> Looked {
        let Some(block) = self.block(inclusion.block_hash).await else { return Looked::Unreadable };
        let Some(parent) = self.block(block.parent).await else { return Looked::Unreadable };
        let (before, after) = futures::join!(self.word(expects, parent), self.word(expects, block));
        let (Some(before), Some(after)) = (before, after) else { return Looked::Unreadable };
        let what = expects.what.clone();
        if expects.holds(before, after) {
            Looked::Held(what)
        } else {
            Looked::Missed { what, before, after }
        }
    }

    async fn block(&self, hash: B256) -> Option<BlockMark> {
        let blocks = self.node.blocks(vec![Place::Hash(hash)]).await.ok()?;
        blocks.into_iter().next().flatten()
    }

    async fn word(&self, expects: &Postcondition, at: BlockMark) -> Option<U256> {
        let view = Call {
            label: expects.what.clone(),
            to: expects.target,
            data: expects.view.clone(),
            value: U256::ZERO,
        };
        let from = self.wallet.address();
        let word = self.node.call(from, view, at, None).await.ok()?;
        word.get(..32).and_then(U256::try_from_be_slice)
    }
}
