//! The nonce lane of one product: the loop that gets its transactions included.
//!
//! Two entrances, both called by the product's own task and by nothing else, so there is no lock:
//! [`Lane::observe`] at every head follows what is under way; [`Lane::pursue`] takes a permit and
//! starts something. What must be true between calls:
//!
//! * Whatever was handed to a node is in the journal (it was written first).
//! * At most one slot is waiting for inclusion, unless a reorganisation put several back; while
//!   any is, nothing new is signed except for the lowest of them.
//! * The nonce of a new slot is the account's nonce after the very block that was acted on, read
//!   by that block's hash. There is no counter that could drift; journal and chain only have to
//!   agree that the nonce is free.
//! * A state changes in the journal first and in memory second. If the journal fails, memory is
//!   read anew from it before anything else happens.

mod error;
mod event;
mod evidence;
mod pursue;
mod pursuit;
mod replace;
mod send;
mod taken;
mod watch;

use std::{collections::BTreeMap, sync::Arc};

use ballast_chains::{ChainProfile, Head, pool::Privacy, wallet::Wallet};
use serde::Serialize;

pub use error::LaneError;
pub use event::LaneEvent;
pub use pursuit::Pursuit;

use super::{
    journal::{Journal, LaneJournal},
    node::{NextBlock, Node},
    observe::Subject,
    simulate::Overrides,
    slot::Slot,
};

/// Included slots that may wait for finality at once; beyond it nothing new is started.
pub const MAX_UNFINAL: usize = 32;
/// Attempts per nonce. With the least raise of 10 % each, the last offers about twice the first;
/// whatever that does not get included is a matter for a person.
pub const MAX_ATTEMPTS_PER_NONCE: usize = 8;

/// What a lane is opened for.
#[derive(Debug, Clone)]
pub struct LaneSpec {
    /// The product's name.
    pub product: String,
    /// Who sends.
    pub wallet: Wallet,
    /// The chain.
    pub profile: Arc<ChainProfile>,
    /// Whether its transactions may be seen before they are included.
    pub privacy: Privacy,
    /// Whether the guard lets bytes that were signed before be sent again at the start.
    pub resend: bool,
}

/// The nonce lane of one product.
#[derive(Debug)]
pub struct Lane {
    product: String,
    wallet: Wallet,
    profile: Arc<ChainProfile>,
    privacy: Privacy,
    node: Arc<dyn Node>,
    journal: LaneJournal,
    subject: Subject,
    /// All slots that are not final, by nonce.
    slots: BTreeMap<u64, Watched>,
    /// The lowest nonce that was never journalled: below it nothing new is signed.
    unjournalled: u64,
    /// The greatest nonce that a head told; only tells when somebody else uses the key.
    seen_nonce: u64,
    /// Heads in a row at which a nonce below all of ours was free, and the last of them.
    gap_sightings: u8,
    gap_at_block: Option<u64>,
    overrides: Overrides,
    /// Memory may be behind the journal: read it anew first.
    reload: bool,
    /// What happened outside of an observation; told with the next one.
    outbox: Vec<LaneEvent>,
}

/// A slot and what is remembered of watching it. Losing the latter costs a repeated remark.
#[derive(Debug)]
struct Watched {
    slot: Slot,
    /// The head at which its bytes were last sent.
    sent_at_block: Option<u64>,
    /// Heads in a row that found the nonce taken and no receipt, and the last of them.
    taken_sightings: u8,
    taken_at_block: Option<u64>,
    /// Tries to read the postcondition.
    postcondition_tries: u8,
    /// Why it is not replaced, once that was told.
    told: Option<&'static str>,
}

impl Watched {
    fn new(slot: Slot, sent_at_block: Option<u64>) -> Self {
        Self {
            slot,
            sent_at_block,
            taken_sightings: 0,
            taken_at_block: None,
            postcondition_tries: 0,
            told: None,
        }
    }
}

impl Lane {
    /// Reads the journal and the chain, and sends again what is signed and not known to be
    /// included: the same bytes, so nothing is signed here. What happened meanwhile is found by
    /// the first observation.
    ///
    /// # Errors
    /// When the journal cannot be read or no endpoint answers.
    pub async fn open(
        spec: LaneSpec,
        node: impl Node,
        journal: Journal,
    ) -> Result<Self, LaneError> {
        let LaneSpec { product, wallet, profile, privacy, resend } = spec;
        let journal = journal.lane(&product, &profile.name, profile.chain_id, wallet.address());
        let subject = Subject { product: product.clone(), chain: profile.name.clone() };
        let mut lane = Self {
            product,
            wallet,
            profile,
            privacy,
            node: Arc::new(node),
            journal,
            subject,
            slots: BTreeMap::new(),
            unjournalled: 0,
            seen_nonce: 0,
            gap_sightings: 0,
            gap_at_block: None,
            overrides: Overrides::Unknown,
            reload: true,
            outbox: Vec::new(),
        };
        let latest = lane
            .node
            .latest_nonce(lane.wallet.address())
            .await
            .map_err(|source| LaneError::Node { what: "the wallet's nonce", source })?;
        lane.reload().await?;
        if lane.unjournalled > 0 {
            // The journal knows what was ours; what is above was not.
            lane.notice_foreign(latest);
        }
        lane.seen_nonce = lane.seen_nonce.max(latest);
        for (nonce, watched) in &lane.slots {
            lane.subject.resumed(*nonce, watched.slot.state.label());
        }
        if resend {
            lane.resend_from(latest).await;
        }
        Ok(lane)
    }

    /// Whether the wallet has a signer.
    pub fn can_sign(&self) -> bool {
        self.wallet.can_sign()
    }

    /// Whether anything is signed and not included.
    pub fn is_pending(&self) -> bool {
        self.awaiting().is_some()
    }

    /// How many slots are not final.
    pub fn unfinished(&self) -> usize {
        self.slots.len()
    }

    /// What is under way, as plain data.
    pub fn snapshot(&self) -> LaneSnapshot {
        LaneSnapshot {
            product: self.product.clone(),
            chain: self.profile.name.clone(),
            wallet: self.wallet.address().to_string(),
            next_nonce: self.unjournalled.max(self.seen_nonce),
            slots: self.slots.values().map(|watched| SlotSnapshot::of(&watched.slot)).collect(),
        }
    }

    /// The lowest slot that waits for inclusion.
    fn awaiting(&self) -> Option<&Slot> {
        self.slots.values().map(|watched| &watched.slot).find(|s| s.state.is_awaiting_inclusion())
    }

    /// Reads the journal, if memory may be behind it.
    async fn reload(&mut self) -> Result<(), LaneError> {
        if !self.reload {
            return Ok(());
        }
        let slots = self.journal.unfinal().await.map_err(LaneError::Journal)?;
        let highest = self.journal.highest_nonce().await.map_err(LaneError::Journal)?;
        self.slots = slots.into_iter().map(|slot| (slot.nonce, Watched::new(slot, None))).collect();
        if let Some(next) = highest.and_then(|nonce| nonce.checked_add(1)) {
            self.unjournalled = next;
        }
        self.reload = false;
        Ok(())
    }

    /// The block that simulations pretend to be in.
    async fn next_block(&mut self, head: &Head) -> Option<NextBlock> {
        let next = NextBlock {
            number: head.number.saturating_add(1),
            timestamp: head.timestamp.saturating_add(self.profile.block_time.as_secs().max(1)),
        };
        self.overrides = self.overrides.detect(self.node.as_ref(), head.into(), next).await;
        self.overrides.apply(next)
    }

    /// Nonces used that neither this journal nor an earlier look accounts for.
    fn notice_foreign(&mut self, nonce_at_head: u64) {
        let accounted = self.unjournalled.max(self.seen_nonce);
        if nonce_at_head > accounted {
            self.subject.foreign(accounted, nonce_at_head);
            self.outbox.push(LaneEvent::Foreign { from: accounted, to: nonce_at_head });
            self.seen_nonce = nonce_at_head;
        }
    }
}

/// A lane as plain data, for status output.
#[derive(Debug, Clone, Serialize)]
pub struct LaneSnapshot {
    /// The product's name.
    pub product: String,
    /// The chain's name.
    pub chain: String,
    /// Who sends.
    pub wallet: String,
    /// The lowest nonce that neither the journal nor the chain is known to have used.
    pub next_nonce: u64,
    /// What is not final, by nonce.
    pub slots: Vec<SlotSnapshot>,
}

/// One nonce as plain data.
#[derive(Debug, Clone, Serialize)]
pub struct SlotSnapshot {
    /// The nonce.
    pub nonce: u64,
    /// `signed`, `pending` or `included`.
    pub state: &'static str,
    /// The action's name.
    pub action: String,
    /// How urgent it is.
    pub urgency: &'static str,
    /// The block that holds it.
    pub included_in: Option<u64>,
    /// All attempts, the oldest first.
    pub attempts: Vec<AttemptSnapshot>,
}

/// One attempt as plain data.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptSnapshot {
    /// Transaction hash.
    pub hash: String,
    /// `original`, `replacement` or `cancellation`.
    pub kind: &'static str,
    /// Which candidate.
    pub call: String,
    /// Wei per gas, decimal.
    pub max_fee_per_gas: String,
    /// Wei per gas, decimal.
    pub max_priority_fee_per_gas: String,
    /// Gas limit.
    pub gas_limit: u64,
    /// The head at which it was signed.
    pub signed_at_block: u64,
    /// What endpoints said last.
    pub answers: BTreeMap<String, super::slot::EndpointAnswer>,
}

impl SlotSnapshot {
    fn of(slot: &Slot) -> Self {
        let intent = slot.intent();
        Self {
            nonce: slot.nonce,
            state: slot.state.label(),
            action: intent.action.clone(),
            urgency: intent.urgency.as_str(),
            included_in: slot.state.inclusion().map(|inclusion| inclusion.block),
            attempts: slot.attempts.iter().map(AttemptSnapshot::of).collect(),
        }
    }
}

impl AttemptSnapshot {
    fn of(attempt: &super::slot::Attempt) -> Self {
        Self {
            hash: attempt.hash.to_string(),
            kind: attempt.kind.label(),
            call: attempt.call.label.clone(),
            max_fee_per_gas: attempt.price.max_fee_per_gas.to_string(),
            max_priority_fee_per_gas: attempt.price.max_priority_fee_per_gas.to_string(),
            gas_limit: attempt.gas_limit,
            signed_at_block: attempt.signed_at_block,
            answers: attempt.answers.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
