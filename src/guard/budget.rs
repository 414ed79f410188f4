//! What the product may cost in a month.
//!
//! The sum runs over a UTC month by the blocks' time: every call of the product that is in a block
//! of that month, reverted and given up ones too, each at the price of the moment it was booked,
//! and on top of it the most that what is still pending may cost.
//!
//! How the row of the design is read:
//! * *Routine* waits once the monthly budget is used up, and what is left of it is the most that
//!   its transaction may cost, so the budget is not overrun by the last one either.
//! * *Prompt* is told that the monthly budget is used up and goes on, with what is left of the hard
//!   budget as its cap, until that is used up.
//! * An *emergency* knows the hard budget only, as cap and as end.
//! * Whoever sets one of the two only has just that one; the hard budget binds routine work as well.
//! * Without a price that is fresh, what was booked with a price still counts, and the rest (what
//!   is pending, what could not be priced) is held against routine work by a row of its own and
//!   against nothing else.
//! * A chain uses a nonce once, so of what is pending the nonce that an action would take over does
//!   not count against it: of the two the dearer one is paid, and the new one has what is left as its
//!   cap. Other nonces count, whatever their urgency: they are paid besides.
//! * A further attempt at a nonce has the same cap, or the cost that its nonce may have anyway.
//! * While the month is on its way beyond the lower of both, routine work waits for cheaper blocks
//!   before anything is used up: see `patience`.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

use alloy::primitives::{Address, U256};
use ballast_chains::feeds::Price;
use ballast_strategy_api::{
    Urgency,
    calendar::{DAY, Date},
    decision::Timestamp,
};

use super::{Circumstances, Finding, Row};
use crate::{config::Limits, finance::pace::Pace, money::Usd};

/// What the product has spent in one month, as the journal has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spending {
    /// The first second of the month that this is the sum of.
    pub month: Timestamp,
    /// What was priced when it was booked.
    pub priced: Usd,
    /// What was not, wei.
    pub unpriced: U256,
    /// The most that what is signed and not included may cost.
    pub pending: Vec<Reservation>,
    /// What was spent of late, over the month's beginning too.
    pub pace: Pace,
}

/// The most that one nonce may cost, whichever attempt is included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Whose nonce.
    pub wallet: Address,
    /// Which.
    pub nonce: u64,
    /// Gas limit times price and what the chain may take beside it, the greatest of its attempts,
    /// wei.
    pub wei: U256,
}

/// What counts against an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// What is in blocks of this month.
    pub spent: Usd,
    /// What is pending.
    pub reserved: Usd,
}

impl Reservation {
    fn place(&self) -> (Address, u64) {
        (self.wallet, self.nonce)
    }
}

impl Used {
    /// Both.
    pub fn total(self) -> Usd {
        self.spent.plus(self.reserved)
    }
}

impl Spending {
    /// What counts against something at the nonce `at`: all but what else that nonce may cost; against
    /// something new with `None`. What has no price counts at `price`, or not at all without one.
    pub fn used(&self, now: Timestamp, price: Option<Price>, at: Option<(Address, u64)>) -> Used {
        let cost = |wei| price.map_or(Usd::ZERO, |price| Usd::cost(wei, price));
        let is_now = self.month == month_start(now);
        let spent = if is_now { self.priced.plus(cost(self.unpriced)) } else { Usd::ZERO };
        let others = self.pending.iter().filter(|pending| Some(pending.place()) != at);
        let reserved = others.fold(Usd::ZERO, |sum, pending| sum.plus(cost(pending.wei)));
        Used { spent, reserved }
    }
}

/// The budgets that are used up.
pub(super) fn findings(case: &Circumstances<'_>, limits: &Limits) -> Vec<Finding> {
    let used = case.past.spending.used(case.now, case.fresh_price(), case.waiting);
    let budgets = [
        (Row::HardBudget, limits.hard_budget, "hard budget is used up", "hard_budget_usd"),
        (
            Row::MonthlyBudget,
            limits.monthly_budget,
            "monthly budget is used up",
            "monthly_budget_usd",
        ),
    ];
    let used_up = budgets.into_iter().filter_map(|(row, budget, reason, key)| {
        let budget = budget.filter(|budget| used.total() >= *budget)?;
        let (spent, month) = (used.spent, month_name(case.now));
        let forecast = case.past.spending.pace.forecast(case.now, used.total());
        let detail = format!(
            "{spent} USD spent in {month} and {} USD pending, {key} is {budget}; at the pace of late \
             the month ends at {} USD",
            used.reserved,
            forecast.total()
        );
        Some(Finding::new(row, reason, detail))
    });
    used_up.collect()
}

/// What is left for one transaction of this urgency, wei, rounded down; `None` for no limit.
pub(super) fn left(urgency: Urgency, case: &Circumstances<'_>, limits: &Limits) -> Option<U256> {
    let price = case.fresh_price()?;
    let budget = match urgency {
        Urgency::Routine => [limits.monthly_budget, limits.hard_budget].into_iter().flatten().min(),
        Urgency::Prompt | Urgency::Emergency => limits.hard_budget,
    }?;
    let used = case.past.spending.used(case.now, Some(price), case.waiting);
    Some(budget.less(used.total()).buys(price))
}

/// The most that a further attempt at the nonce that waits may cost, wei, by urgency; `None` for no
/// limit. What its nonce may cost anyway is no more spending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Left {
    routine: Option<U256>,
    prompt: Option<U256>,
    emergency: Option<U256>,
}

impl Left {
    pub(super) fn of(case: &Circumstances<'_>, limits: &Limits) -> Self {
        let pending = case.past.spending.pending.iter();
        let own = pending.filter(|pending| Some(pending.place()) == case.waiting);
        let reserved = own.map(|own| own.wei).max().unwrap_or_default();
        let left = |urgency| left(urgency, case, limits).map(|left| left.max(reserved));
        Self {
            routine: left(Urgency::Routine),
            prompt: left(Urgency::Prompt),
            emergency: left(Urgency::Emergency),
        }
    }

    pub(super) fn at(self, urgency: Urgency) -> Option<U256> {
        match urgency {
            Urgency::Routine => self.routine,
            Urgency::Prompt => self.prompt,
            Urgency::Emergency => self.emergency,
        }
    }
}

/// The first second of the UTC month that holds this moment.
pub fn month_start(at: Timestamp) -> Timestamp {
    let Date { day, .. } = Date::of(at);
    let days = at.checked_div(DAY).unwrap_or_default();
    days.saturating_sub(day.saturating_sub(1)).saturating_mul(DAY)
}

/// The UTC month that holds this moment: `2026-11`.
pub fn month_name(at: Timestamp) -> String {
    let Date { year, month, .. } = Date::of(at);
    format!("{year}-{month:02}")
}
