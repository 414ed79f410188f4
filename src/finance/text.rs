//! A report for a terminal: what stands in the cells of its tables, and below them.

use super::{
    report::{BudgetLine, Line, Report},
    shown::{self, Round, SHOWN_ROUNDED},
    sums::Ending,
};
use crate::money::Usd;

/// The table's cells: each product's actions, its sum where it has several, then the categories
/// and all.
pub fn rows(report: &Report) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for product in &report.products {
        for (index, action) in product.actions.iter().enumerate() {
            let name = if index == 0 { product.product.as_str() } else { "" };
            rows.push(row(name, &action.action, &action.line));
        }
        if product.actions.len() > 1 {
            rows.push(row("", "all", &product.total));
        }
    }
    for category in &report.categories {
        rows.push(row("all products", category.category.word(), &category.line));
    }
    if report.categories.len() != 1 {
        rows.push(row("all products", "all", &report.total));
    }
    rows
}

fn row(product: &str, action: &str, line: &Line) -> Vec<String> {
    let all = line.all();
    let ended = |ending| {
        let sums = line.of(ending);
        if sums.count == 0 {
            return "-".to_owned();
        }
        format!("{} ({})", shown::usd(sums.usd, Round::Up), sums.count)
    };
    let native = match line.symbol() {
        Some(_) => shown::coins(all.wei, Round::Up),
        None if line.natives().is_empty() => "-".to_owned(),
        None => "several".to_owned(),
    };
    let income = if all.income_wei.is_zero() {
        "-".to_owned()
    } else {
        shown::usd(all.income_usd, Round::Down)
    };
    let per_success = line.usd_per_success();
    vec![
        product.to_owned(),
        action.to_owned(),
        shown::count(u128::from(all.count)),
        shown::count(all.gas),
        native,
        line.symbol().unwrap_or_default().to_owned(),
        usd(&all),
        ended(Ending::Failed),
        ended(Ending::Cancelled),
        ended(Ending::Foreign),
        income,
        per_success.map_or_else(|| "-".to_owned(), |usd| shown::usd(usd, Round::Up)),
    ]
}

/// Dollars; with a `+` where something has no price and is not in them.
fn usd(sums: &super::Sums) -> String {
    let more = if sums.unpriced > 0 { "+" } else { "" };
    format!("{}{more}", shown::usd(sums.usd, Round::Up))
}

/// What stands under the table.
pub fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let trend = report.trend.iter().filter(|month| month.count > 0);
    let trend: Vec<String> = trend
        .map(|month| format!("{} {}", month.month, shown::usd(month.usd, Round::Up)))
        .collect();
    if !trend.is_empty() {
        notes.push(format!("by month, USD: {}", trend.join(", ")));
    }
    let unpriced = report.total.all().unpriced;
    if unpriced > 0 {
        notes.push(format!("+: {unpriced} transactions have no price and are not in the dollars"));
    }
    if !report.complete {
        notes.push(format!("{} is not over: more may come", report.month));
    }
    notes.push(format!("{} {SHOWN_ROUNDED}", report.rounding));
    notes
}

/// The cells of a budget, its state aside.
pub fn budget(product: &str, budget: &BudgetLine) -> [String; 5] {
    let of = |amount: Option<Usd>| {
        amount.map_or_else(|| "-".to_owned(), |amount| shown::usd(amount, Round::Down))
    };
    [
        product.to_owned(),
        shown::usd(budget.actual_usd, Round::Up),
        of(budget.monthly_usd),
        of(budget.hard_usd),
        format!("{} %", budget.used_percent),
    ]
}
