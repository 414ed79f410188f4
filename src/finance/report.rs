//! A month's report, as data: product × action, cost centres, budgets, the months before.
//!
//! Pure: figures and what the files say in, report out. Everything that is shown of it anywhere
//! (table, CSV, JSON, page) comes from the one type here, so no two of them can disagree.
//!
//! *Cost per success* is all that an action cost (failed, cancelled and foreign transactions
//! included) over those of its transactions that did what they were for, rounded up: for an action
//! that rebalances it is the cost of a rebalance.

mod budget;
mod facts;
mod line;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::{
    budget::{BudgetLine, BudgetState, TIGHT_PERCENT, percent},
    facts::{Accounts, ChainFacts, Facts, ProductFacts},
    line::Line,
};
use super::{
    month::Month,
    sums::{Group, Sums},
};
use crate::{config::Category, money::Usd};

/// How amounts are rounded, in the words of every output.
pub const ROUNDING: &str = "Amounts are exact integers: wei, and millionths of a US dollar. The dollars of \
    each transaction are rounded up to a millionth, those of income down, at the price of the feed's newest \
    round that is not after the block. Costs per success are rounded up.";
/// Months of the trend, the month of the report included.
pub const TREND: usize = 12;

/// A month's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The UTC month, by the blocks' time.
    pub month: Month,
    /// Its first second.
    pub from: u64,
    /// The first second after it.
    pub until: u64,
    /// Whether it is over; else more may come.
    pub complete: bool,
    /// Where the rows come from: `ledger` or `chain`.
    pub source: &'static str,
    /// The product that was asked for; `null`: all.
    pub product: Option<String>,
    /// How amounts are rounded.
    pub rounding: &'static str,
    /// Everything.
    pub total: Line,
    /// By category, in their order.
    pub categories: Vec<CategoryLine>,
    /// By product, the dearest first.
    pub products: Vec<ProductLines>,
    /// The months before and this one, the oldest first.
    pub trend: Vec<TrendMonth>,
}

/// What a category cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CategoryLine {
    /// Which.
    pub category: Category,
    /// What.
    #[serde(flatten)]
    pub line: Line,
}

/// What a product cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProductLines {
    /// Its name.
    pub product: String,
    /// Its chain.
    pub chain: String,
    /// Symbol of the chain's currency.
    pub symbol: String,
    /// Its category when this was booked.
    pub category: Category,
    /// Its cost centre.
    pub cost_centre: String,
    /// By action, the dearest first.
    pub actions: Vec<ActionLine>,
    /// All of them.
    pub total: Line,
    /// Held against its budgets; `null` if it has none.
    pub budget: Option<BudgetLine>,
    /// Its months, as in [`Report::trend`].
    pub trend: Vec<TrendPoint>,
}

/// What an action cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionLine {
    /// Which.
    pub action: String,
    /// What.
    #[serde(flatten)]
    pub line: Line,
}

/// A month of the trend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrendMonth {
    /// Which.
    pub month: Month,
    /// Its transactions.
    pub count: u64,
    /// Their cost.
    pub usd: Usd,
    /// Their transactions without a price, which are not in it.
    pub unpriced: u64,
    /// By category.
    pub categories: BTreeMap<&'static str, Usd>,
}

/// A month of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TrendPoint {
    /// Which.
    pub month: Month,
    /// Its transactions.
    pub count: u64,
    /// Their cost.
    pub usd: Usd,
}

/// Figures of one month.
pub type MonthSums = (Month, Vec<(Group, Sums)>);

/// What a report is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The month.
    pub month: Month,
    /// Only this product.
    pub product: Option<String>,
    /// The wall clock: whether the month is over.
    pub now: u64,
    /// `ledger` or `chain`.
    pub source: &'static str,
}

/// The report of the last of these months, the others being its trend.
pub fn build(asked: &Asked, months: &[MonthSums], facts: &Facts) -> Report {
    let wanted =
        |group: &Group| asked.product.as_ref().is_none_or(|product| *product == group.product);
    let of_month: Vec<&(Group, Sums)> = months
        .iter()
        .filter(|(month, _)| *month == asked.month)
        .flat_map(|(_, sums)| sums)
        .filter(|(group, _)| wanted(group))
        .collect();
    let mut total = Line::default();
    let mut categories: BTreeMap<Category, Line> = BTreeMap::new();
    for (group, sums) in &of_month {
        let symbol = facts.chain(group.chain_id).symbol;
        total.add(group.ending, &symbol, *sums);
        categories.entry(group.category).or_default().add(group.ending, &symbol, *sums);
    }
    let categories =
        categories.into_iter().map(|(category, line)| CategoryLine { category, line }).collect();
    let wanted_months: Vec<(Month, Vec<&(Group, Sums)>)> = months
        .iter()
        .map(|(month, sums)| (*month, sums.iter().filter(|(group, _)| wanted(group)).collect()))
        .collect();
    Report {
        month: asked.month,
        from: asked.month.start(),
        until: asked.month.end(),
        complete: asked.now >= asked.month.end(),
        source: asked.source,
        product: asked.product.clone(),
        rounding: ROUNDING,
        total,
        categories,
        products: products(&of_month, &wanted_months, facts),
        trend: wanted_months.iter().map(|(month, sums)| trend_of(*month, sums)).collect(),
    }
}

fn trend_of(month: Month, sums: &[&(Group, Sums)]) -> TrendMonth {
    let mut all = Sums::default();
    let mut categories: BTreeMap<&'static str, Usd> = BTreeMap::new();
    for (group, one) in sums {
        all = all.plus(*one);
        let category = categories.entry(group.category.word()).or_default();
        *category = category.plus(one.usd);
    }
    TrendMonth { month, count: all.count, usd: all.usd, unpriced: all.unpriced, categories }
}

fn products(
    of_month: &[&(Group, Sums)],
    months: &[(Month, Vec<&(Group, Sums)>)],
    facts: &Facts,
) -> Vec<ProductLines> {
    type Place = (String, u64, Category);
    let mut by_place: BTreeMap<Place, BTreeMap<String, Line>> = BTreeMap::new();
    let mut spent: BTreeMap<&str, Usd> = BTreeMap::new();
    for (group, sums) in of_month {
        let place = (group.product.clone(), group.chain_id, group.category);
        let line = by_place.entry(place).or_default().entry(group.action.clone()).or_default();
        line.add(group.ending, &facts.chain(group.chain_id).symbol, *sums);
        let product = spent.entry(&group.product).or_default();
        *product = product.plus(sums.usd);
    }
    let mut told: BTreeSet<String> = BTreeSet::new();
    let mut lines: Vec<ProductLines> = Vec::new();
    for ((product, chain_id, category), actions) in by_place {
        let mut total = Line::default();
        let mut actions: Vec<ActionLine> =
            actions.into_iter().map(|(action, line)| ActionLine { action, line }).collect();
        for action in &actions {
            total.merge(&action.line);
        }
        // By cost in wei: one chain is one currency, and what has no price counts too.
        actions.sort_by_key(|action| std::cmp::Reverse(action.line.all().wei));
        let chain = facts.chain(chain_id);
        // A product that changed its chain or category has one budget all the same.
        let budget = facts.products.get(&product).filter(|_| told.insert(product.clone()));
        let actual = spent.get(product.as_str()).copied().unwrap_or_default();
        let place = (product.as_str(), chain_id, category);
        let trend = months.iter().map(|(month, sums)| point(*month, sums, place)).collect();
        lines.push(ProductLines {
            chain: chain.name,
            symbol: chain.symbol,
            category,
            cost_centre: facts.cost_centre(&product, category),
            actions,
            total,
            budget: budget.and_then(|known| BudgetLine::of(actual, known.monthly, known.hard)),
            trend,
            product,
        });
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.total.all().usd));
    lines
}

fn point(
    month: Month,
    sums: &[&(Group, Sums)],
    (product, chain_id, category): (&str, u64, Category),
) -> TrendPoint {
    let of_place = sums.iter().filter(|(group, _)| {
        group.product == product && group.chain_id == chain_id && group.category == category
    });
    let all = of_place.fold(Sums::default(), |sum, (_, one)| sum.plus(*one));
    TrendPoint { month, count: all.count, usd: all.usd }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
pub(crate) mod tests;
