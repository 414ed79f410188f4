//! The slots of one wallet that are not final: memory and journal of them, changed together, the
//! journal first. A product has one book for its wallet and, after a change of key, one for each
//! wallet before, until the last of its slots is final.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, B256};

use super::{
    super::{
        journal::{LaneJournal, state_of},
        lifecycle::{TxEvent, TxState},
        node::Node,
        observe::Subject,
        slot::{Attempt, AttemptKind, PostconditionState, Slot},
        together::Together,
    },
    LaneError,
};
use ballast_chains::Head;
use ballast_strategy_api::{NonEmpty, Pending};

/// The slots of one wallet.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) wallet: Address,
    pub(super) node: Arc<dyn Node>,
    pub(super) together: Together,
    pub(super) journal: LaneJournal,
    pub(super) subject: Subject,
    /// All slots that are not final, by nonce.
    pub(super) slots: BTreeMap<u64, Watched>,
    /// The lowest nonce above all that were ever journalled: below it nothing new is signed.
    pub(super) unjournalled: u64,
    /// The same, or the nonce at which the lane was opened for the first time: what is used from
    /// here on and is not in the journal is not ours.
    pub(super) accounted: u64,
    /// Memory may be behind the journal: read it anew first.
    pub(super) reload: bool,
}

/// A slot and what is remembered of watching it. Losing the latter costs a repeated remark or a
/// few blocks.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) slot: Slot,
    /// The head at which its bytes were last sent.
    pub(super) sent_at_block: Option<u64>,
    /// Copies of this attempt that wait for their turn at an endpoint are still to leave; without it
    /// none is.
    pub(super) outgoing: Option<Outgoing>,
    /// Heads in a row that found the nonce taken and no receipt, and the last of them.
    pub(super) taken_sightings: u8,
    pub(super) taken_at_block: Option<u64>,
    /// The attempt that a settled block has at the nonce, though no endpoint has its receipt; told.
    pub(super) without_receipt: Option<B256>,
    /// Observations in a row that found the nonce used and no receipt.
    pub(super) receipt_missed: u32,
    /// Tries to read the postcondition.
    pub(super) postcondition_tries: u8,
    /// The head at which it began to wait again, after a block that held it fell away.
    pub(super) waiting_since: Option<u64>,
    /// The head since which its call would fail.
    pub(super) failing_since: Option<u64>,
    /// The head since which the strategy would not have it take effect.
    pub(super) outdated_since: Option<u64>,
    /// Whether its newest intent took effect elsewhere; found anew at every head.
    pub(super) repeats: bool,
    /// Whether an operator ordered its newest attempt, and nothing has helped it on without an
    /// order since.
    pub(super) insists: bool,
    /// Why it is not replaced, once that was told.
    pub(super) told: Option<&'static str>,
}

impl Watched {
    pub(super) fn new(slot: Slot) -> Self {
        Self {
            slot,
            sent_at_block: None,
            outgoing: None,
            taken_sightings: 0,
            taken_at_block: None,
            without_receipt: None,
            receipt_missed: 0,
            postcondition_tries: 0,
            waiting_since: None,
            failing_since: None,
            outdated_since: None,
            repeats: false,
            insists: false,
            told: None,
        }
    }
}

/// What holds the copies of one attempt that wait for their turn at endpoints: dropped, none of them
/// leaves.
#[derive(Debug)]
pub(super) struct Outgoing {
    hash: B256,
    held: Arc<()>,
}

impl Watched {
    /// Tells whether the newest attempt is still to leave; the copies of all before it are not.
    pub(super) fn outgoing(&mut self) -> impl Fn() -> bool + Send + Sync + 'static {
        let hash = self.slot.newest().hash;
        let outgoing = self.outgoing.take().filter(|outgoing| outgoing.hash == hash);
        let outgoing = outgoing.unwrap_or_else(|| Outgoing { hash, held: Arc::default() });
        let held = Arc::downgrade(&self.outgoing.insert(outgoing).held);
        move || held.strong_count() > 0
    }
}

impl Book {
    pub(super) fn new(
        wallet: Address,
        (node, together): (Arc<dyn Node>, Together),
        journal: LaneJournal,
        subject: Subject,
    ) -> Self {
        let slots = BTreeMap::new();
        let (unjournalled, accounted, reload) = (0, 0, true);
        Self { wallet, node, together, journal, subject, slots, unjournalled, accounted, reload }
    }

    /// Reads the journal for the first time; a wallet that it does not know begins with the nonce
    /// `latest`.
    pub(super) async fn begin(&mut self, latest: u64) -> Result<(), LaneError> {
        let first = self.journal.first_nonce().await.map_err(LaneError::Journal)?;
        if first.is_none() && self.journal.is_writable() {
            self.journal.record_lane(latest).await.map_err(LaneError::Journal)?;
        }
        self.reload().await?;
        if first.is_none() {
            self.accounted = self.accounted.max(latest);
        }
        Ok(())
    }

    /// All slots, by nonce.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().map(|watched| &watched.slot)
    }

    /// Notes of what waits for inclusion since when it should not take effect any more, if so.
    pub(super) fn note_outdated(&mut self, stands: impl Fn(&Pending<'_>) -> bool, head: &Head) {
        for watched in self.slots.values_mut() {
            let newest = watched.slot.newest();
            let pending = Pending {
                action: &newest.intent.action,
                answers: state_of(&newest.intent.answers),
                call: &newest.call,
            };
            let is_call = newest.kind != AttemptKind::Cancellation;
            if watched.slot.state.is_awaiting_inclusion() && is_call && !stands(&pending) {
                watched.outdated_since.get_or_insert(head.number);
            } else {
                watched.outdated_since = None;
            }
        }
    }

    /// What was said of that does not count any more.
    pub(super) fn nothing_outdated(&mut self) {
        for watched in self.slots.values_mut() {
            watched.outdated_since = None;
        }
    }

    /// Whether anything is out of date.
    pub(super) fn any_outdated(&self) -> bool {
        self.slots.values().any(|watched| watched.outdated_since.is_some())
    }

    /// The lowest slot that waits for inclusion.
    pub(super) fn awaiting(&self) -> Option<&Slot> {
        self.slots().find(|slot| slot.state.is_awaiting_inclusion())
    }

    /// Reads the journal, if memory may be behind it.
    pub(super) async fn reload(&mut self) -> Result<(), LaneError> {
        if !self.reload {
            return Ok(());
        }
        let slots = self.journal.unfinal().await.map_err(LaneError::Journal)?;
        let highest = self.journal.highest_nonce().await.map_err(LaneError::Journal)?;
        let first = self.journal.first_nonce().await.map_err(LaneError::Journal)?;
        self.slots = slots.into_iter().map(|slot| (slot.nonce, Watched::new(slot))).collect();
        self.unjournalled = highest.map_or(0, |nonce| nonce.saturating_add(1));
        self.accounted = self.unjournalled.max(first.unwrap_or(0));
        self.reload = false;
        Ok(())
    }

    /// Journals the first attempt at a new nonce. From here on the nonce is taken.
    pub(super) async fn open_slot(
        &mut self,
        attempt: Attempt,
        nonce: u64,
        why: &str,
    ) -> Result<(), LaneError> {
        let state = TxState::Planned.on(TxEvent::Journalled).map_err(LaneError::Lifecycle)?;
        let attempts = NonEmpty::one(attempt);
        let slot = Slot { nonce, attempts, state, postcondition: PostconditionState::Due };
        // If this fails the row may be there all the same, so memory is read anew.
        self.reload = true;
        self.journal.open_slot(&slot, why).await.map_err(LaneError::Journal)?;
        self.reload = false;
        self.subject.signed(&slot, why);
        self.unjournalled = self.unjournalled.max(nonce.saturating_add(1));
        self.accounted = self.accounted.max(self.unjournalled);
        self.slots.insert(nonce, Watched::new(slot));
        Ok(())
    }

    /// Journals one more attempt at a nonce that waits for inclusion.
    pub(super) async fn append_attempt(
        &mut self,
        attempt: Attempt,
        nonce: u64,
        why: &str,
    ) -> Result<(), LaneError> {
        let Some(watched) = self.slots.get_mut(&nonce) else { return Ok(()) };
        let state =
            watched.slot.state.clone().on(TxEvent::Journalled).map_err(LaneError::Lifecycle)?;
        self.reload = true;
        self.journal
            .append_attempt(&watched.slot, &state, &attempt, why)
            .await
            .map_err(LaneError::Journal)?;
        self.reload = false;
        watched.slot.state = state;
        watched.slot.attempts.rest.push(attempt);
        watched.told = None;
        watched.failing_since = None;
        watched.outdated_since = None;
        self.subject.signed(&watched.slot, why);
        Ok(())
    }

    /// The state that an event leads to; the slot keeps its own until the journal has it.
    pub(super) fn next_state(&self, nonce: u64, event: TxEvent) -> Result<TxState, LaneError> {
        let state = self.slots.get(&nonce).map(|watched| watched.slot.state.clone());
        state.unwrap_or(TxState::Planned).on(event).map_err(|unexpected| {
            self.subject.unexpected(nonce, &unexpected);
            LaneError::Lifecycle(unexpected)
        })
    }
}
