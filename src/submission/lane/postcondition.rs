//! Whether inclusion had the effect that was promised: the view's word after the block that holds
//! the transaction, compared with the one after its parent.

use alloy::primitives::{B256, U256};
use ballast_chains::Head;
use ballast_strategy_api::{Call, Postcondition};

use super::{
    super::{
        journal::NOTHING_TO_CHECK,
        lifecycle::Inclusion,
        node::{BlockMark, Place},
        slot::{PostconditionState, Slot},
    },
    LaneError, LaneEvent,
    book::Book,
};

/// Blocks at which the postcondition is tried before it counts as unknown.
const POSTCONDITION_TRIES: u8 = 8;

/// A postcondition that was looked at.
enum Looked {
    Held(String),
    Missed { what: String, before: U256, after: U256 },
    NothingPromised,
    Unreadable,
}

/// Whether there is anything to look at: an attempt that failed is told of by itself, and one that
/// gives up promises nothing.
pub(super) fn is_promised(slot: &Slot, inclusion: &Inclusion) -> bool {
    let included = slot.attempt(inclusion.hash);
    let expects = included.is_some_and(|attempt| attempt.intent.expects.is_some());
    expects && inclusion.succeeded && !inclusion.cancellation
}

impl Book {
    /// Compares the parent of the inclusion block with that block, once. Only for an attempt that
    /// succeeded: a failed one is told of by itself.
    pub(super) async fn check_postcondition(
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
        let looked = match expects.filter(|_| is_promised(slot, &inclusion)) {
            Some(expects) => self.look(&expects, &inclusion).await,
            None => Looked::NothingPromised,
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
            Looked::NothingPromised => (PostconditionState::Unknown, NOTHING_TO_CHECK.into()),
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
        let from = self.wallet;
        let word = self.node.call(from, view, at, None).await.ok()?;
        word.get(..32).and_then(U256::try_from_be_slice)
    }
}
