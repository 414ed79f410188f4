//! What is wrong now, as a function of the status board alone: no memory, so what is over is gone.

mod observed;

use std::{collections::BTreeSet, time::Duration};

use alloy::primitives::U256;
use ballast_chains::amount::ether;

use super::{Severity, Subject};
use crate::{
    clock,
    config::{Config, Mode},
    finance::report::TIGHT_PERCENT,
    guard::Row,
    runtime::{Board, ChainStatus, GuardNote, LastDecision, ProductStatus, readiness},
    submission::pricing::INSUFFICIENT_FUNDS,
};

/// How long a start may take to see a chain.
const FIRST_HEAD: Duration = Duration::from_secs(60);
/// Shortest time that trouble must last which the next block may end.
const LEAST_HOLD: Duration = Duration::from_secs(10);
/// The same in blocks, by how soon a person should look.
const BLOCKS_OF_EMERGENCY: u32 = 2;
const BLOCKS_OF_OTHERS: u32 = 5;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// With whom.
    pub(crate) subject: Subject,
    /// Fixed word.
    pub(crate) name: &'static str,
    /// How soon a person should look.
    pub(crate) severity: Severity,
    /// How long it must last to be told.
    pub(crate) hold: Duration,
    /// The time of the block that it was seen at, where it is by the blocks' time that it lasts: as
    /// long as the chain stands still it does not. `None`: by the keeper's own time.
    pub(crate) block_time: Option<u64>,
    /// One line for people.
    pub(crate) summary: String,
    /// The figures behind it.
    pub(crate) detail: String,
}

/// How the store does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoreHealth {
    /// What it failed with.
    pub(crate) failure: Option<String>,
    /// Whether its reserve was given up.
    pub(crate) is_short: bool,
}

/// Everything that is wrong now.
pub(crate) fn of(board: &Board, config: &Config, store: &StoreHealth) -> Vec<Condition> {
    let now = clock::now();
    let mut found: Vec<Condition> = Vec::new();
    found.extend(of_store(store));
    for (name, status) in board.chains() {
        let stale_after = readiness::profile_of(config, &name).map(|profile| profile.stale_after);
        found.extend(of_chain(&name, &status, stale_after.unwrap_or(FIRST_HEAD), now));
    }
    for (name, status) in board.products() {
        let Some(product) = config.products.get(&name) else { continue };
        if let Some(profile) = config.chains.get(&product.chain) {
            let about = About {
                name: &name,
                block_time: profile.block_time,
                min_balance: product.limits.min_balance,
                is_paused: product.paused || product.mode == Mode::Paused,
            };
            found.extend(of_product(about, &status));
        }
    }
    found
}

fn of_store(store: &StoreHealth) -> Vec<Condition> {
    let of = |name, summary: &str, detail: &str| Condition {
        subject: Subject::Keeper,
        name,
        severity: Severity::Critical,
        hold: Duration::ZERO,
        block_time: None,
        summary: summary.to_owned(),
        detail: detail.to_owned(),
    };
    let fails = store.failure.as_ref().map(|detail| {
        of("store_failing", "the store does not answer: nothing new can be sent", detail)
    });
    let short = store.is_short.then(|| {
        let summary = "the disk is full: routine work waits, the rest lives on the reserve";
        of("disk_full", summary, "")
    });
    fails.into_iter().chain(short).collect()
}

fn of_chain(
    name: &str,
    status: &ChainStatus,
    stale_after: Duration,
    now: u64,
) -> Option<Condition> {
    let of = |condition, hold, summary: &str, detail| Condition {
        subject: Subject::Chain(name.to_owned()),
        name: condition,
        severity: Severity::Critical,
        hold,
        block_time: None,
        summary: summary.to_owned(),
        detail,
    };
    let Some(head) = status.head else {
        return Some(of("no_head", FIRST_HEAD, "no endpoint has given a head", String::new()));
    };
    let age = now.saturating_sub(head.timestamp);
    (age > stale_after.as_secs()).then(|| {
        let detail = format!("block {} is {age} s old", head.number);
        of("stale_head", Duration::ZERO, "no new head: its products are not kept", detail)
    })
}

fn of_product(about: About<'_>, status: &ProductStatus) -> Vec<Condition> {
    let halted = status.halted.as_ref().map(|why| {
        let summary = "halted: it failed too often and is not kept any more";
        about.condition("halted", Severity::Critical, 0, (summary, why))
    });
    let without_wallet = status.without_wallet.as_ref().map(|why| {
        let summary = "its wallet cannot sign: nothing is sent for it";
        about.condition("without_wallet", Severity::Critical, BLOCKS_OF_EMERGENCY, (summary, why))
    });
    let moved = status.moved.as_ref().map(|why| {
        let summary = "what it acts on has changed: nothing is sent until a person agrees";
        about.condition("moved", Severity::Critical, 0, (summary, why))
    });
    let unexplained = status.reconciled.as_ref().and_then(|reconciled| {
        let summary = "its books do not explain what its wallet holds";
        let problem = reconciled.problem.as_ref()?;
        Some(about.condition("unexplained_balance", Severity::Critical, 0, (summary, problem)))
    });
    let halted = halted.into_iter().chain(without_wallet).chain(moved).chain(unexplained);
    let Some(last) = &status.last else { return halted.collect() };
    let is_urgent = matches!(last.urgency, Some("emergency" | "prompt"));
    let by_decision = match last.kind {
        // Whatever keeps it from being sent: one condition, so that a change of reason is no news.
        "error" | "blocked" if is_urgent => held(about, last),
        "error" => Some(about.condition(
            "not_assessed",
            Severity::Warning,
            BLOCKS_OF_OTHERS,
            ("cannot be assessed", &said(last)),
        )),
        "blocked" => Some(about.condition(
            "blocked",
            Severity::Warning,
            BLOCKS_OF_OTHERS,
            ("something is due, and the protocol refuses it", &said(last)),
        )),
        "held" if !is_urgent && last.reason == INSUFFICIENT_FUNDS => Some(about.condition(
            "insufficient_funds",
            Severity::Warning,
            BLOCKS_OF_OTHERS,
            ("its wallet cannot pay for what is due", &said(last)),
        )),
        "refused" | "held" => held(about, last),
        _ => None,
    };
    let observed = observed::of(about, last);
    let guarded = status.guard.iter().filter_map(|note| of_guard(about, note));
    let money = low_balance(about, status)
        .into_iter()
        .chain(low_runway(about, status))
        .chain(tight_budget(about, status));
    halted.chain(by_decision).chain(observed).chain(guarded).chain(money).collect()
}

/// The wallet holds less than its file asks for.
fn low_balance(about: About<'_>, status: &ProductStatus) -> Option<Condition> {
    let (balance, least) = (status.balance?, about.min_balance?);
    (balance.wei < least).then(|| {
        let detail = format!("{} of {}", ether(balance.wei), ether(least));
        let summary = "its wallet holds less than min_balance";
        about.condition("low_balance", Severity::Warning, 0, (summary, &detail))
    })
}

/// The wallet may not last as long as its file asks for.
fn low_runway(about: About<'_>, status: &ProductStatus) -> Option<Condition> {
    let reserves = status.reserves.as_ref().filter(|reserves| reserves.is_low)?;
    let top_up = match &reserves.top_up {
        Some(path) => format!("transfers for the chain's Safe are ready in {path}"),
        None => "the chain file names no treasury_safe, so no transfers are prepared".to_owned(),
    };
    let detail = format!(
        "it lasts {} days in 95 of 100 cases of its past, {} in the middle; {top_up}",
        reserves.runway.p95_days.text(),
        reserves.runway.p50_days.text()
    );
    let summary = "its wallet may last shorter than min_runway";
    Some(about.condition("low_runway", Severity::Warning, 0, (summary, &detail)))
}

/// Most of a budget is gone.
fn tight_budget(about: About<'_>, status: &ProductStatus) -> Option<Condition> {
    let budget = status.budget.as_ref()?;
    let used = budget.used_percent.filter(|used| u128::from(*used) >= TIGHT_PERCENT)?;
    let of = |name: &str, amount: &Option<String>| {
        amount.as_ref().map(|amount| format!("{name} {amount}"))
    };
    let budgets: Vec<String> = of("monthly_budget_usd", &budget.monthly_budget_usd)
        .into_iter()
        .chain(of("hard_budget_usd", &budget.hard_budget_usd))
        .collect();
    let detail = format!(
        "{used} %: {} USD spent in {} and {} pending, {}; at the pace of late the month ends at {}",
        budget.spent_usd,
        budget.month,
        budget.reserved_usd,
        budgets.join(", "),
        budget.forecast_usd
    );
    let summary = "80 % or more of its budget is used";
    Some(about.condition("budget_tight", Severity::Warning, 0, (summary, &detail)))
}

/// Products whose last look failed: nothing that was known of them is known to be over.
pub(crate) fn unread(board: &Board) -> BTreeSet<Subject> {
    let failed = |status: &ProductStatus| {
        status.last.as_ref().is_some_and(|last| last.kind == "error" && last.action.is_none())
    };
    let products = board.products().into_iter();
    products.filter(|(_, status)| failed(status)).map(|(name, _)| Subject::Product(name)).collect()
}

/// What the guard found that a person can do something about, whether it held back or not.
fn of_guard(about: About<'_>, note: &GuardNote) -> Option<Condition> {
    let (name, severity, blocks) = match note.row {
        Row::Dispute => ("endpoints_disagree", Severity::Critical, 0),
        Row::HardBudget => ("hard_budget", Severity::Critical, 0),
        Row::Breaker => ("circuit_breaker", Severity::Warning, 0),
        Row::MonthlyBudget => ("monthly_budget", Severity::Warning, 0),
        // The next block's reading may end it.
        Row::NoPrice => ("no_price", Severity::Warning, BLOCKS_OF_OTHERS),
        Row::RepeatLimit | Row::Repeating => ("repeat_limit", Severity::Warning, 0),
        Row::Paused
        // The board tells it, whether something is due or not.
        | Row::Moved
        | Row::DeleverOnly
        | Row::StaleHead
        | Row::Sequencer
        | Row::CoolDown
        // The store's own alert tells it.
        | Row::StoreShort
        | Row::OtherInstance
        | Row::BaseFee
        | Row::PatienceOver => return None,
    };
    Some(about.condition(name, severity, blocks, (note.reason, &note.detail)))
}

/// Something is due and is not sent. Routine work that waits is what the guard is for.
fn held(about: About<'_>, last: &LastDecision) -> Option<Condition> {
    let action = last.action.as_deref().unwrap_or("an action");
    let summary = format!("{action} is due and held back");
    match last.urgency {
        Some("emergency") => Some(about.condition(
            "emergency_held",
            Severity::Critical,
            BLOCKS_OF_EMERGENCY,
            (&summary, &said(last)),
        )),
        Some("prompt") => Some(about.condition(
            "prompt_held",
            Severity::Warning,
            BLOCKS_OF_OTHERS,
            (&summary, &said(last)),
        )),
        Some(_) | None => None,
    }
}

/// A product and the pace of its chain.
#[derive(Clone, Copy)]
struct About<'a> {
    name: &'a str,
    block_time: Duration,
    /// Wei.
    min_balance: Option<U256>,
    /// By its file.
    is_paused: bool,
}

impl About<'_> {
    /// `blocks` is how long it must last; zero is told at once.
    fn condition(
        self,
        name: &'static str,
        severity: Severity,
        blocks: u32,
        (summary, detail): (&str, &str),
    ) -> Condition {
        let lasts = self.block_time.saturating_mul(blocks).max(LEAST_HOLD);
        Condition {
            subject: Subject::Product(self.name.to_owned()),
            name,
            severity,
            hold: if blocks == 0 { Duration::ZERO } else { lasts },
            block_time: None,
            summary: summary.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

fn said(last: &LastDecision) -> String {
    if last.detail.is_empty() {
        last.reason.clone()
    } else {
        format!("{}: {}", last.reason, last.detail)
    }
}

#[cfg(test)]
mod tests;
