//! The nonce lane of one product: the loop that gets its transactions included.
//!
//! Three entrances, all called by the product's own task and by nothing else, so there is no lock:
//! [`Lane::observe`] at every head follows what is under way; [`Lane::reassessed`] hears what the
//! strategy says by now; [`Lane::pursue`] takes a permit and starts something, or takes over what
//! waits for inclusion. What must be true between calls:
//!
//! * Whatever was handed to a node is in the journal (it was written first).
//! * At most one slot is waiting for inclusion, unless a reorganisation put several back; while
//!   any is, nothing new is signed except for the lowest of them.
//! * An intent is signed for at one nonce, unless what was signed before came to nothing and cannot
//!   take effect as well: the argument stands in `submission/repeat.rs`. A state that was answered
//!   for good and has come up again since is another intent (`identity`).
//! * The nonce of a new slot is the account's nonce after the very block that was acted on, read
//!   by that block's hash. There is no counter that could drift; journal and chain only have to
//!   agree that the nonce is free.
//! * A state changes in the journal first and in memory second. If the journal fails, memory is
//!   read anew from it before anything else happens.
//!
//! What waits for inclusion meets one of these at every head:
//!
//! | what is seen | what is done |
//! |---|---|
//! | a receipt in a canonical block | it is included; the next action may follow in the next block |
//! | nothing | the same bytes go out again |
//! | the offer does not buy the next block, or it has waited and the curve is a raise above it | replaced |
//! | a more urgent action is due, or any while this one would fail or is out of date by the strategy's word | taken over at its nonce |
//! | the same took effect at another nonce; the product may only delever and this does not; it was for what the product does not act on any more | not sent any more, and given up at once |
//! | its deadline has passed; its call would fail, is out of date, or nothing is due, for some blocks | given up, if that is cheaper than to let it fail |
//! | an operator orders it | replaced or given up at once, under the same ceilings; what was ordered is sent again in a pause too |
//! | a ceiling is below the raise, or attempts are used up | held, and said once |

mod book;
mod error;
mod event;
mod evidence;
mod extra;
mod follow;
mod foreign;
mod gap;
mod give_up;
mod identity;
mod known;
mod late;
mod order;
mod postcondition;
mod pursue;
mod pursuit;
mod replace;
mod seat;
mod send;
mod snapshot;
mod taken;
mod undone;
mod watch;

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use ballast_chains::{ChainProfile, Head, pool::Privacy, wallet::Wallet};
use ballast_strategy_api::{Assessment, Decision, DynStrategy, Exposure, Pending, Urgency};

use self::{book::Book, foreign::Foreign, known::Known, late::Late};
pub use error::LaneError;
pub use event::LaneEvent;
pub use late::LateAnswer;
pub use order::{Obeyed, Order, OrderKind};
pub use pursuit::Pursuit;
pub use snapshot::{AttemptSnapshot, LaneSnapshot, SlotSnapshot};

use super::{
    journal::Journal,
    node::{BlockMark, NextBlock, Node, Place},
    observe::Subject,
    pricing::Pressure,
    quotes::Quotes,
    simulate::{Overrides, Pretends},
    together::Together,
};
use crate::guard::{Agreed, Caps, StopCheck, Upkeep};

/// Included slots that may wait for finality at once; beyond it nothing new is started …
pub const MAX_UNFINAL: usize = 32;
/// … unless it is an emergency: beyond this nothing at all is.
pub const MAX_UNFINAL_EMERGENCY: usize = 128;
/// Attempts per nonce; the last is kept for giving up. With the least raise of 10 % each, the last
/// but one offers at least 3.5 times the first; an emergency's goes to its cap.
pub const MAX_ATTEMPTS_PER_NONCE: usize = 16;

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
    /// What all lanes of the chain's nodes have in common.
    pub pretends: Pretends,
    /// The same of prices.
    pub quotes: Quotes,
    /// The same of what lanes ask about their wallets.
    pub together: Together,
    /// Whether somebody has stopped the product, asked again before anything leaves the keeper.
    pub stop: StopCheck,
}

/// The nonce lane of one product.
#[derive(Debug)]
pub struct Lane {
    product: String,
    wallet: Wallet,
    profile: Arc<ChainProfile>,
    privacy: Privacy,
    stop: StopCheck,
    node: Arc<dyn Node>,
    subject: Subject,
    /// The slots of the wallet.
    book: Book,
    /// Those of wallets that the product had before: followed until final, never acted on.
    formers: Vec<Book>,
    /// Nonces that somebody else used.
    foreign: Foreign,
    need: Need,
    /// What the product may act on.
    agreed: Agreed,
    /// Heads in a row at which a nonce below all of ours was free, and the last of them.
    gap_sightings: u8,
    gap_at_block: Option<u64>,
    /// Why it is not filled, once that was told.
    gap_told: Option<&'static str>,
    overrides: Overrides,
    pretends: Pretends,
    quotes: Quotes,
    /// The stretch of blocks in which the wallet's nonce was looked at last.
    looked: Option<u64>,
    /// What is known of the wallet, and whether its balance has changed without our doing.
    known: Known,
    moved: bool,
    /// Endpoints that were not waited for.
    late: Late,
    /// The head at which the lane stood still for endpoints in vain.
    silent_at: Option<u64>,
    /// What happened outside of an observation; told with the next one.
    outbox: Vec<LaneEvent>,
    /// What an operator ordered, with the guard's word on it, and what became of it; both only
    /// during an observation.
    order: Option<(Order, Upkeep)>,
    obeyed: Option<Obeyed>,
}

/// What the strategy said last. Lost with a restart, and said again at the next head.
#[derive(Debug)]
struct Need {
    pressure: Pressure,
    /// The head since which nothing is due.
    idle_since: Option<u64>,
    /// An action that waits for what is under way, and what it may cost: a cancellation makes room
    /// for it, at its price.
    wanted: Option<(Urgency, Caps)>,
    /// Its last word; `None` while it has not said anything that holds.
    said: Option<Said>,
    /// The block that it was said of. What was said of a block counts in its chain only.
    heard_at: Option<BlockMark>,
}

/// The strategy's last word on what is due.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// The action, and what it would do at that head.
    due: Option<(&'static str, Exposure)>,
}

impl Need {
    /// A block fell away, and with it what was said of the state after it.
    fn forget(&mut self) {
        (self.idle_since, self.said, self.heard_at) = (None, None, None);
    }
}

impl Default for Need {
    fn default() -> Self {
        Self {
            pressure: Pressure::UNKNOWN,
            idle_since: None,
            wanted: None,
            said: None,
            heard_at: None,
        }
    }
}

impl Lane {
    /// Reads the journal and the chain; nothing is signed or sent here. What happened meanwhile is
    /// found by the first observation, which also sends again what still waits and may be sent.
    ///
    /// # Errors
    /// When the journal cannot be read or no endpoint answers.
    pub async fn open(
        spec: LaneSpec,
        node: impl Node,
        journal: Journal,
    ) -> Result<Self, LaneError> {
        let LaneSpec { product, wallet, profile, privacy, pretends, quotes, together, stop } = spec;
        let journal = journal.lane(&product, &profile.name, profile.chain_id, wallet.address());
        let subject = Subject { product: product.clone(), chain: profile.name.clone() };
        let node: Arc<dyn Node> = Arc::new(node);
        let asked = (Arc::clone(&node), together);
        let book = Book::new(wallet.address(), asked, journal, subject.clone());
        let mut lane = Self {
            product,
            wallet,
            profile,
            privacy,
            stop,
            node,
            subject,
            book,
            formers: Vec::new(),
            foreign: Foreign::default(),
            need: Need::default(),
            agreed: Agreed::Any,
            gap_sightings: 0,
            gap_at_block: None,
            gap_told: None,
            overrides: Overrides::Unknown,
            pretends,
            quotes,
            looked: None,
            known: Known::default(),
            moved: false,
            late: Late::default(),
            silent_at: None,
            outbox: Vec::new(),
            order: None,
            obeyed: None,
        };
        let latest = lane
            .node
            .latest_nonce(lane.wallet.address())
            .await
            .map_err(|source| LaneError::Node { what: "the wallet's nonce", source })?;
        lane.book.begin(latest).await?;
        lane.find_formers().await?;
        lane.find_unbooked().await?;
        lane.notice_foreign(latest, None);
        for slot in lane.book.slots() {
            lane.subject.resumed(slot.nonce, slot.state.label());
        }
        Ok(lane)
    }

    /// Whether the wallet has a signer.
    pub fn can_sign(&self) -> bool {
        self.wallet.can_sign()
    }

    /// Whether anything is signed and not included.
    pub fn is_pending(&self) -> bool {
        self.book.awaiting().is_some()
    }

    /// The wallet's lowest nonce that is signed for and not included.
    pub fn waiting_at(&self) -> Option<(Address, u64)> {
        self.book.awaiting().map(|slot| (self.wallet.address(), slot.nonce))
    }

    /// How many slots are not final.
    pub fn unfinished(&self) -> usize {
        self.book.slots.len()
    }

    /// Hears what the product may act on. What was signed for anything else and is not included is
    /// given up by the next observation.
    pub fn agree(&mut self, agreed: Agreed) {
        self.agreed = agreed;
    }

    /// Hears what the strategy found at `head`: how pressing things are, and whether anything is
    /// due; and, with the strategy, whether what waits for inclusion should still take effect. What
    /// waits is dealt with accordingly at the next observation.
    pub fn reassessed(
        &mut self,
        assessment: &Assessment,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
    ) {
        let before = self.need.heard_at.replace(head.into());
        if before.is_some_and(|before| before.number >= head.number && before.hash != head.hash) {
            // Patience does not count what was said on another branch.
            self.need.idle_since = None;
            self.book.nothing_outdated();
        }
        if let Some(strategy) = strategy {
            let stands = |pending: &Pending<'_>| strategy.stands(pending, &assessment.decision);
            self.book.note_outdated(stands, head);
        }
        self.need.pressure = Pressure::of(&assessment.observations);
        // What still waits for what is under way says so again when it is pursued.
        self.need.wanted = None;
        let due = match &assessment.decision {
            Decision::Act(action) => Some((action.name, action.exposure)),
            Decision::Wait { .. } | Decision::Blocked { .. } => None,
        };
        self.need.said = Some(Said { due });
        match &assessment.decision {
            Decision::Wait { .. } => {
                self.need.idle_since.get_or_insert(head.number);
            }
            // What is blocked is due: whether its call would fail is seen by simulation.
            Decision::Act(_) | Decision::Blocked { .. } => self.need.idle_since = None,
        }
    }

    /// Hears that the strategy could not say what is due: that nothing is, or that something is out of
    /// date, is not known any more.
    pub fn unread(&mut self) {
        self.need.idle_since = None;
        self.book.nothing_outdated();
    }

    /// Hears what the wallet held at a newer block. With nothing under way nobody but the key spends
    /// from it, so whatever else changed it, its nonce is looked at by the next observation: a
    /// transaction that is not ours shows within a few blocks, and costs a read only then.
    pub fn told_balance(&mut self, wei: U256, at: &Head) {
        let before = self.known.balance.replace((at.hash, wei));
        self.moved |= self.is_idle() && before.is_some_and(|(_, before)| before != wei);
    }

    /// Whether a block is in the chain that ends in `head`; `None` if nodes do not tell.
    pub async fn is_in_chain(&self, block: BlockMark, head: &Head) -> Option<bool> {
        if block.hash == head.hash || block.hash == head.parent {
            return Some(true);
        }
        if block.number >= head.number {
            return Some(false);
        }
        let found = self.node.blocks(vec![Place::Number(block.number)]).await.ok()?;
        let found = found.into_iter().next().flatten()?;
        Some(found.hash == block.hash)
    }

    /// Forgets what the strategy said of a block that is not in the chain of `head`, or is not known
    /// to be. Nothing is given up on such a word.
    async fn forget_other_branch(&mut self, head: &Head) {
        let Some(heard_at) = self.need.heard_at else { return };
        if self.is_in_chain(heard_at, head).await != Some(true) {
            self.need.forget();
            self.book.nothing_outdated();
        }
    }

    /// The block that simulations pretend to be in.
    async fn next_block(&mut self, head: &Head) -> Option<NextBlock> {
        let next = NextBlock {
            number: head.number.saturating_add(1),
            timestamp: head.timestamp.saturating_add(self.profile.block_time.as_secs().max(1)),
        };
        let known = self.pretends.known(self.overrides);
        self.overrides = known.detect(self.node.as_ref(), head.into(), next).await;
        self.pretends.learn(self.overrides);
        self.overrides.apply(next)
    }
}

#[cfg(test)]
mod tests;
