//! Every reason not to act that no strategy needs to know.
//!
//! The guard is the only maker of a [`Permit`], and submission asks for one by value: an action
//! that was not checked cannot be sent, because the call would not compile. It is pure; whoever
//! asks brings the [`Circumstances`].
//!
//! Each reason is a [`Row`], and [`Row::effect`] is the table that says what it does at which
//! urgency: bind, warn, or nothing. A verdict tells all that were found, the ones that only warn
//! too, with their figures.
//!
//! Three rows of the design are kept elsewhere. *Dry run and watch-only wallets* make a
//! [`Rehearsal`] of what would else be a permit. *A live intent that may not be replaced* is
//! known to the lane, which takes the permit and holds. *A wrong chain id* cannot come this far:
//! the pool asks every endpoint for its id before it reads from it, so a wrong one never gives a
//! head; with no other endpoint left the head goes stale, which binds everything; and what is
//! signed carries the id of the chain file, so no other chain would take it.
//!
//! Reading order: [`table`](Row::effect) → `breaker`, [`budget`], `feeds`, `patience`, `others` (one
//! row or two each) → `stop` (what is asked once more before anything leaves), `upkeep` (what is
//! under way).

mod agreed;
mod breaker;
pub mod budget;
mod feeds;
mod others;
mod patience;
mod stop;
mod table;
mod upkeep;

use std::time::Duration;

use alloy::primitives::{Address, U256};
use ballast_chains::{ChainProfile, feeds::FeedReading};
use ballast_strategy_api::{Action, Exposure, Urgency, decision::Timestamp};

pub use self::{
    agreed::{Agreed, MOVED},
    breaker::{
        BREAKER_AFTER, COOL_DOWN, COOL_DOWN_AFTER, CallResult, REPEAT_WINDOW, REPEATED, Recent,
    },
    budget::{Reservation, Spending, Used},
    stop::StopCheck,
    table::{Effect, Row},
    upkeep::{Leave, Upkeep, upkeep, upkeep_by_order},
};
use crate::config::{Limits, Mode};

/// Leave to send one action, under these caps.
#[derive(Debug, Clone)]
pub struct Permit {
    action: Action,
    caps: Caps,
}

/// The most that a transaction of this permit may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Most wei per gas, by chain, product and urgency.
    pub max_fee_per_gas: u128,
    /// Most wei for the whole transaction; `None`: no limit of its own.
    pub max_transaction_cost: Option<U256>,
}

impl Permit {
    /// The action that may be sent.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// What it may cost.
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// A permit without a guard, for the tests of what comes after it.
    #[cfg(test)]
    pub(crate) fn for_test(action: Action, caps: Caps) -> Self {
        Self { action, caps }
    }
}

/// Leave to price and simulate one action, and nothing more. Not a [`Permit`]: what holds this
/// cannot send.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The action.
    pub action: Action,
    /// What it would be allowed to cost.
    pub caps: Caps,
    /// Why it is not sent, in fixed words.
    pub reason: &'static str,
}

/// What surrounds an action, as read when it was found.
#[derive(Debug, Clone)]
pub struct Circumstances<'a> {
    /// The chain.
    pub chain: &'a ChainProfile,
    /// The product's own switch, from its file.
    pub mode: Mode,
    /// `paused` of the product's file.
    pub paused: bool,
    /// Whether an operator has paused the product while the keeper runs.
    pub operator_paused: bool,
    /// `dry_run` of the product's file or of the command line.
    pub dry_run: bool,
    /// Whether the wallet has a signer.
    pub can_sign: bool,
    /// Wall clock minus the head's timestamp; zero for a head ahead of the clock, which is only
    /// worth a warning.
    pub head_age: Duration,
    /// The head's timestamp: what is "now" to every row but the stale head.
    pub now: Timestamp,
    /// Base fee of the block after the head, wei per gas; `None` on a chain without base fees.
    pub next_base_fee: Option<u128>,
    /// Which blocks the endpoints disagree about, while they do so without a majority.
    pub dispute: Option<String>,
    /// What the chain's feeds said last.
    pub feeds: FeedReading,
    /// What the journal says of the product.
    pub past: &'a Past,
    /// The block time at which this action was first seen to be due; `None`: now.
    pub first_due: Option<Timestamp>,
    /// Blocks for which this action has been due without a break, by the head that it was found at.
    pub due_for_blocks: u64,
    /// Whether the disk is so full that the store's reserve was given up.
    pub store_short: bool,
    /// The wallet's lowest nonce that is signed for and not included: whatever is done next is done
    /// there.
    pub waiting: Option<(Address, u64)>,
    /// What the product may act on.
    pub agreed: Agreed,
}

/// What the journal says of a product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Its included calls, the newest first; as many as any row looks at.
    pub recent: Vec<Recent>,
    /// What it has cost.
    pub spending: Spending,
}

impl Past {
    /// Whether failures may hold something back, so that an operator may have forgiven them since.
    pub fn is_tripped(&self) -> bool {
        breaker::streak(&self.recent).0 >= COOL_DOWN_AFTER
    }
}

impl Circumstances<'_> {
    /// Whether a person has stopped the product, by its file or while the keeper runs.
    pub fn is_stopped(&self) -> bool {
        self.paused || self.mode == Mode::Paused || self.operator_paused
    }
}

/// A reason that was found, with the figures behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub row: Row,
    /// Why, in fixed words.
    pub reason: &'static str,
    /// With figures.
    pub detail: String,
}

impl Finding {
    fn new(row: Row, reason: &'static str, detail: String) -> Self {
        Self { row, reason, detail }
    }
}

/// The guard's answer, with what it found on the way.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// Whether the action may be sent.
    pub verdict: Verdict,
    /// What binds or warns beside the reason of a refusal, in the order of [`Row::ALL`].
    pub notes: Vec<(Finding, Effect)>,
}

/// Whether an action may be sent.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// May be sent.
    Permit(Permit),
    /// May be simulated and recorded, not sent.
    Rehearse(Rehearsal),
    /// Not now: the first reason that binds.
    Refuse(Finding),
}

/// Decides whether an action may be sent.
pub fn judge(action: Action, circumstances: &Circumstances<'_>, limits: &Limits) -> Judgement {
    let urgency = action.urgency;
    let found = findings(&action, circumstances, limits);
    let felt = found.into_iter().map(|finding| {
        let effect = finding.row.effect(urgency);
        (finding, effect)
    });
    let mut notes: Vec<_> = felt.filter(|(_, effect)| *effect != Effect::Passes).collect();
    if let Some(first) = notes.iter().position(|(_, effect)| *effect == Effect::Binds) {
        let (finding, _) = notes.remove(first);
        return Judgement { verdict: Verdict::Refuse(finding), notes };
    }
    let mut caps = caps(urgency, circumstances.chain, limits);
    let left = budget::left(urgency, circumstances, limits);
    caps.max_transaction_cost = [caps.max_transaction_cost, left].into_iter().flatten().min();
    let rehearse = |action, reason| Verdict::Rehearse(Rehearsal { action, caps, reason });
    let verdict = if circumstances.dry_run {
        rehearse(action, "dry run")
    } else if circumstances.can_sign {
        Verdict::Permit(Permit { action, caps })
    } else {
        rehearse(action, "watch-only wallet")
    };
    Judgement { verdict, notes }
}

/// Every row that applies, whatever it does at this urgency, in the order of [`Row::ALL`].
fn findings(action: &Action, case: &Circumstances<'_>, limits: &Limits) -> Vec<Finding> {
    let rows = [
        paused(case),
        agreed::moved(case),
        delever_only(action, case),
        stale_head(case),
        dispute(case),
        breaker::repeats(action, case),
        breaker::failures(case),
        feeds::sequencer(case),
        feeds::price(case, limits),
        store_short(case),
        others::first(case, limits),
        patience::base_fee(action.urgency, case, limits),
    ];
    let mut found: Vec<Finding> = rows.into_iter().flatten().collect();
    found.extend(budget::findings(case, limits));
    let place = |row: Row| Row::ALL.iter().position(|other| *other == row);
    found.sort_by_key(|finding| place(finding.row));
    found
}

/// The file's word is named first: resuming does not help against it.
fn paused(case: &Circumstances<'_>) -> Option<Finding> {
    let by_file = case.paused || case.mode == Mode::Paused;
    let reason = if by_file { "paused by its product file" } else { "paused by an operator" };
    case.is_stopped().then(|| Finding::new(Row::Paused, reason, String::new()))
}

fn delever_only(action: &Action, case: &Circumstances<'_>) -> Option<Finding> {
    let raises = case.mode == Mode::DeleverOnly && action.exposure == Exposure::Raises;
    raises.then(|| {
        let detail = format!(
            "{} would raise the product's exposure, and its file says mode = \"delever_only\"",
            action.name
        );
        Finding::new(Row::DeleverOnly, "only delevering is allowed", detail)
    })
}

fn stale_head(case: &Circumstances<'_>) -> Option<Finding> {
    (case.head_age > case.chain.stale_after).then(|| {
        let detail = format!(
            "the newest block is {} s old, more than stale_after = {} s",
            case.head_age.as_secs(),
            case.chain.stale_after.as_secs()
        );
        Finding::new(Row::StaleHead, "stale head", detail)
    })
}

fn dispute(case: &Circumstances<'_>) -> Option<Finding> {
    let detail = case.dispute.clone()?;
    Some(Finding::new(Row::Dispute, "endpoints disagree", detail))
}

fn store_short(case: &Circumstances<'_>) -> Option<Finding> {
    case.store_short.then(|| {
        let detail = "the store's reserve is given up for what cannot wait, until there is room \
                      for it again";
        Finding::new(Row::StoreShort, "the disk is full", detail.to_owned())
    })
}

/// The caps for an urgency: the product's own limits may only tighten the chain's, and an emergency
/// has the chain's emergency cap, which no limit of the product holds back; only its hard budget
/// does, which [`judge`] adds.
pub fn caps(urgency: Urgency, chain: &ChainProfile, limits: &Limits) -> Caps {
    match urgency {
        Urgency::Routine | Urgency::Prompt => {
            let own = limits.max_fee_per_gas.unwrap_or(u128::MAX);
            Caps {
                max_fee_per_gas: own.min(chain.fees.max_fee_per_gas),
                max_transaction_cost: limits.max_transaction_cost,
            }
        }
        Urgency::Emergency => Caps {
            max_fee_per_gas: chain.fees.emergency_max_fee_per_gas,
            max_transaction_cost: None,
        },
    }
}

#[cfg(test)]
mod tests;
