//! Whether a product kept to its budgets.

use serde::Serialize;

use crate::money::Usd;

/// A budget and what was spent of it. Budgets are those of the files as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BudgetLine {
    /// What routine work may cost in the month.
    pub monthly_usd: Option<Usd>,
    /// What everything may cost in the month.
    pub hard_usd: Option<Usd>,
    /// What was spent, over all of the product's chains.
    pub actual_usd: Usd,
    /// Of the lower of both, rounded up.
    pub used_percent: u128,
    /// Whether it kept to them.
    pub state: BudgetState,
}

/// Whether a product kept to its budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetState {
    /// Below 80 %.
    Within,
    /// From 80 % on.
    Tight,
    /// Above the monthly budget: what went beyond it was more urgent than routine work.
    Over,
    /// Above the hard budget, which only what was signed before it was reached can do.
    OverHard,
}

impl BudgetState {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Within => "within",
            Self::Tight => "80 % used",
            Self::Over => "over budget",
            Self::OverHard => "over hard budget",
        }
    }
}

/// Share of a budget, in percent, from which on it counts as tight.
pub const TIGHT_PERCENT: u128 = 80;

impl BudgetLine {
    /// `None` without a budget.
    pub fn of(actual: Usd, monthly: Option<Usd>, hard: Option<Usd>) -> Option<Self> {
        let lower = monthly.into_iter().chain(hard).min()?;
        let used_percent = percent(actual, lower);
        let over = |budget: Option<Usd>| budget.is_some_and(|budget| actual > budget);
        let state = if over(hard) {
            BudgetState::OverHard
        } else if over(monthly) {
            BudgetState::Over
        } else if used_percent >= TIGHT_PERCENT {
            BudgetState::Tight
        } else {
            BudgetState::Within
        };
        Some(Self { monthly_usd: monthly, hard_usd: hard, actual_usd: actual, used_percent, state })
    }
}

/// A part of a whole in percent, rounded up; of nothing, anything is all of it.
pub fn percent(part: Usd, whole: Usd) -> u128 {
    let hundredfold = part.micro().saturating_mul(100);
    if whole == Usd::ZERO { 100 } else { hundredfold.div_ceil(whole.micro()) }
}
