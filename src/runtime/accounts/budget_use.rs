//! The use of a product's budget, for people and charts.

use ballast_chains::feeds::Price;
use serde::Serialize;

use super::Accounts;
use crate::{
    config::Limits,
    finance::report::percent,
    guard::{Used, budget},
};

/// What a product has spent this month and may spend, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BudgetUse {
    /// The UTC month by the blocks' time: `2026-11`.
    pub month: String,
    /// US dollars in blocks of this month, decimal; what could not be priced is not in it.
    pub spent_usd: String,
    /// The most that what is pending may cost, US dollars.
    pub reserved_usd: String,
    /// Wei that were spent and could not be priced, decimal.
    pub unpriced_wei: String,
    /// What routine work may cost.
    pub monthly_budget_usd: Option<String>,
    /// What everything may cost.
    pub hard_budget_usd: Option<String>,
    /// How much of the lower of both is spent or reserved, percent, rounded up.
    pub used_percent: Option<u64>,
    /// Where the month ends at the pace of late, US dollars.
    pub forecast_usd: String,
}

impl Accounts {
    /// The use of the budget, for people and charts.
    pub(crate) fn budget_use(&self, now: u64, price: Option<Price>, limits: &Limits) -> BudgetUse {
        let spending = self.past.as_ref().map(|past| &past.spending);
        let used = spending.map_or_else(Used::default, |s| s.used(now, price, None));
        let unpriced = spending.filter(|_| price.is_none()).map(|s| s.unpriced);
        let lower = limits.monthly_budget.into_iter().chain(limits.hard_budget).min();
        let used_percent = lower.map(|budget| percent(used.total(), budget));
        let pace = spending.map(|s| s.pace).unwrap_or_default();
        BudgetUse {
            month: budget::month_name(now),
            spent_usd: used.spent.to_string(),
            reserved_usd: used.reserved.to_string(),
            unpriced_wei: unpriced.unwrap_or_default().to_string(),
            monthly_budget_usd: limits.monthly_budget.map(|budget| budget.to_string()),
            hard_budget_usd: limits.hard_budget.map(|budget| budget.to_string()),
            used_percent: used_percent.map(|percent| u64::try_from(percent).unwrap_or(u64::MAX)),
            forecast_usd: pace.forecast(now, used.total()).total().to_string(),
        }
    }
}
