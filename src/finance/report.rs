//! A month's report, as data: product × action, cost centres, budgets, the months before.
//!
//! Pure: figures and what the files say in, report out. Everything that is shown of it anywhere
//! (table, CSV, JSON, page) comes from the one type here, so no two of them can disagree.
//!
//! *Cost per success* is all that an action cost (failed, cancelled and foreign transactions
//! included) over those of its transactions that did what they were for, rounded up: for an action
//! that rebalances it is the cost of a rebalance.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::U256;
use serde::{Serialize, Serializer};

use super::{
    month::Month,
    sums::{Ending, Group, Sums},
};
use crate::{config::Category, money::Usd};

/// How amounts are rounded, in the words of every output.
pub const ROUNDING: &str = "Amounts are exact integers: wei, and millionths of a US dollar. The dollars of \
    each transaction are rounded up to a millionth, those of income down, at the price of the feed's newest \
    round that is not after the block. Costs per success are rounded up.";
/// Months of the trend, the month of the report included.
pub const TREND: usize = 12;

/// What the files say of what is reported.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Products by name; the ledger may have others, whose files are gone.
    pub products: BTreeMap<String, ProductFacts>,
    /// Chains by id.
    pub chains: BTreeMap<u64, ChainFacts>,
    /// Accounts and cost centres of the journal.
    pub accounts: Accounts,
}

/// What the files say of a product.
#[derive(Debug, Clone, Default)]
pub struct ProductFacts {
    /// Its cost centre, where its file names one.
    pub cost_centre: Option<String>,
    /// What routine work may cost in a month.
    pub monthly: Option<Usd>,
    /// What everything may cost in a month.
    pub hard: Option<Usd>,
}

/// What the files say of a chain.
#[derive(Debug, Clone)]
pub struct ChainFacts {
    /// Its name.
    pub name: String,
    /// Symbol of its currency.
    pub symbol: String,
}

/// Accounts of the journal, by their names or numbers in somebody's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// Debited with what gas cost.
    pub expense: String,
    /// The wallets: credited with it, debited with income.
    pub wallets: String,
    /// Credited with income.
    pub income: String,
    /// Cost centres by category; the category's own word where there is none.
    pub centres: BTreeMap<Category, String>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            expense: "Gas expense".to_owned(),
            wallets: "Keeper wallets".to_owned(),
            income: "Keeper income".to_owned(),
            centres: BTreeMap::new(),
        }
    }
}

impl Facts {
    fn chain(&self, id: u64) -> ChainFacts {
        let unknown = || ChainFacts { name: format!("chain id {id}"), symbol: "coins".to_owned() };
        self.chains.get(&id).cloned().unwrap_or_else(unknown)
    }

    fn cost_centre(&self, product: &str, category: Category) -> String {
        let own = self.products.get(product).and_then(|facts| facts.cost_centre.clone());
        let mapped = || self.accounts.centres.get(&category).cloned();
        own.or_else(mapped).unwrap_or_else(|| category.word().to_owned())
    }
}

/// Figures by how the transactions ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    by_ending: BTreeMap<Ending, Sums>,
    /// Cost in wei by the currency's symbol: over several chains no one sum means anything.
    natives: BTreeMap<String, U256>,
}

impl Line {
    fn add(&mut self, ending: Ending, symbol: &str, sums: Sums) {
        let known = self.by_ending.entry(ending).or_default();
        *known = known.plus(sums);
        let native = self.natives.entry(symbol.to_owned()).or_default();
        *native = native.saturating_add(sums.wei);
    }

    fn merge(&mut self, other: &Self) {
        for (ending, sums) in &other.by_ending {
            let known = self.by_ending.entry(*ending).or_default();
            *known = known.plus(*sums);
        }
        for (symbol, wei) in &other.natives {
            let native = self.natives.entry(symbol.clone()).or_default();
            *native = native.saturating_add(*wei);
        }
    }

    /// Of all transactions.
    pub fn all(&self) -> Sums {
        self.by_ending.values().fold(Sums::default(), |sum, one| sum.plus(*one))
    }

    /// Of those that ended so.
    pub fn of(&self, ending: Ending) -> Sums {
        self.by_ending.get(&ending).copied().unwrap_or_default()
    }

    /// Cost in wei by symbol.
    pub fn natives(&self) -> &BTreeMap<String, U256> {
        &self.natives
    }

    /// The one currency that all of it is in, if it is one.
    pub fn symbol(&self) -> Option<&str> {
        let mut symbols = self.natives.keys();
        symbols.next().filter(|_| symbols.next().is_none()).map(String::as_str)
    }

    /// All of it over what succeeded, wei, rounded up; `None` over several currencies, or where
    /// nothing succeeded.
    pub fn wei_per_success(&self) -> Option<U256> {
        let successes = self.of(Ending::Confirmed).count;
        self.symbol().filter(|_| successes > 0)?;
        Some(self.all().wei.div_ceil(U256::from(successes)))
    }

    /// The same in US dollars; `None` too while a part of it has no price.
    pub fn usd_per_success(&self) -> Option<Usd> {
        let all = self.all();
        let successes = u128::from(self.of(Ending::Confirmed).count);
        let fits = successes > 0 && all.unpriced == 0;
        fits.then(|| Usd::from_micros(all.usd.micro().div_ceil(successes)))
    }
}

/// The part of a [`Line`] that every output shows.
#[derive(Serialize)]
struct ShownLine {
    #[serde(flatten)]
    all: Sums,
    natives: BTreeMap<String, String>,
    confirmed: Sums,
    failed: Sums,
    cancelled: Sums,
    foreign: Sums,
    wei_per_success: Option<String>,
    usd_per_success: Option<Usd>,
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let natives = self.natives.iter().map(|(symbol, wei)| (symbol.clone(), wei.to_string()));
        let shown = ShownLine {
            all: self.all(),
            natives: natives.collect(),
            confirmed: self.of(Ending::Confirmed),
            failed: self.of(Ending::Failed),
            cancelled: self.of(Ending::Cancelled),
            foreign: self.of(Ending::Foreign),
            wei_per_success: self.wei_per_success().map(|wei| wei.to_string()),
            usd_per_success: self.usd_per_success(),
        };
        shown.serialize(serializer)
    }
}

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
