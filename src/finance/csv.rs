//! A report for spreadsheets and for books: exact amounts, one row for each product and action, and
//! the same as lines of a journal.
//!
//! What is rounded says so in the name of its column: a comment line would break importers.

use alloy::primitives::U256;

use super::{
    month::DAY,
    report::{Accounts, ActionLine, ProductLines, Report},
    shown::exact_coins,
    sums::{Ending, Sums},
};
use crate::{clock, money::Usd};

/// Columns of [`report`].
const COLUMNS: &[&str] = &[
    "month",
    "product",
    "chain",
    "category",
    "cost_centre",
    "action",
    "count",
    "gas",
    "symbol",
    "wei",
    "native",
    "usd_rounded_up",
    "unpriced_count",
    "unpriced_wei",
    "confirmed_count",
    "failed_count",
    "failed_wei",
    "failed_usd_rounded_up",
    "cancelled_count",
    "cancelled_wei",
    "cancelled_usd_rounded_up",
    "foreign_count",
    "foreign_wei",
    "foreign_usd_rounded_up",
    "income_wei",
    "income_usd_rounded_down",
    "wei_per_success_rounded_up",
    "usd_per_success_rounded_up",
];

/// Columns of [`journal`].
const JOURNAL: &[&str] = &[
    "date",
    "reference",
    "account",
    "cost_centre",
    "product",
    "chain",
    "memo",
    "currency",
    "debit_native",
    "credit_native",
    "debit_usd",
    "credit_usd",
];

/// One row for each product and action.
pub fn report(report: &Report) -> String {
    let mut text = row(COLUMNS);
    for product in &report.products {
        for action in &product.actions {
            text.push_str(&row(&fields(report, product, action)));
        }
    }
    text
}

fn fields(report: &Report, product: &ProductLines, of: &ActionLine) -> Vec<String> {
    let all = of.line.all();
    let mut fields = vec![
        report.month.to_string(),
        product.product.clone(),
        product.chain.clone(),
        product.category.word().to_owned(),
        product.cost_centre.clone(),
        of.action.clone(),
        all.count.to_string(),
        all.gas.to_string(),
        product.symbol.clone(),
        all.wei.to_string(),
        exact_coins(all.wei),
        all.usd.to_string(),
        all.unpriced.to_string(),
        all.unpriced_wei.to_string(),
        of.line.of(Ending::Confirmed).count.to_string(),
    ];
    for ending in [Ending::Failed, Ending::Cancelled, Ending::Foreign] {
        let sums = of.line.of(ending);
        fields.extend([sums.count.to_string(), sums.wei.to_string(), sums.usd.to_string()]);
    }
    let or_empty = |amount: Option<String>| amount.unwrap_or_default();
    fields.extend([
        all.income_wei.to_string(),
        all.income_usd.to_string(),
        or_empty(of.line.wei_per_success().map(|wei| wei.to_string())),
        or_empty(of.line.usd_per_success().map(|usd| usd.to_string())),
    ]);
    fields
}

/// Lines of a journal, in pairs that balance: gas is debited to the expense account and credited
/// to the wallets, income the other way round. Dated on the month's last day. What has no price
/// yet is told in the memo and carries no dollars.
pub fn journal(report: &Report, accounts: &Accounts) -> String {
    let mut text = row(JOURNAL);
    let date = clock::text(report.until.saturating_sub(DAY));
    let date = date.split('T').next().unwrap_or_default();
    let mut number: u64 = 0;
    for product in &report.products {
        for of in &product.actions {
            for ending in Ending::ALL {
                let sums = of.line.of(ending);
                let word = ending.as_str();
                let mut post = |pair: Pair<'_>| {
                    number = number.saturating_add(1);
                    let reference = format!("gas-{}-{number:04}", report.month);
                    text.push_str(&pair.rows(date, &reference, product));
                };
                if !sums.wei.is_zero() {
                    let memo = memo(&format!("{} ({word}): {}", of.action, sums.count), &sums);
                    let (debit, credit) = (&accounts.expense, &accounts.wallets);
                    post(Pair { debit, credit, memo, wei: sums.wei, usd: sums.usd });
                }
                if !sums.income_wei.is_zero() {
                    let memo = format!("{} ({word}): income", of.action);
                    let (debit, credit) = (&accounts.wallets, &accounts.income);
                    post(Pair { debit, credit, memo, wei: sums.income_wei, usd: sums.income_usd });
                }
            }
        }
    }
    text
}

fn memo(what: &str, sums: &Sums) -> String {
    if sums.unpriced == 0 {
        return what.to_owned();
    }
    format!(
        "{what}; {} of them for {} without a price",
        sums.unpriced,
        exact_coins(sums.unpriced_wei)
    )
}

/// An amount that goes from one account to another.
struct Pair<'a> {
    debit: &'a str,
    credit: &'a str,
    memo: String,
    wei: U256,
    usd: Usd,
}

impl Pair<'_> {
    fn rows(&self, date: &str, reference: &str, product: &ProductLines) -> String {
        let (native, usd) = (exact_coins(self.wei), self.usd.to_string());
        let line = |account: &str, amounts: [&str; 4]| {
            let head = [
                date,
                reference,
                account,
                &product.cost_centre,
                &product.product,
                &product.chain,
                &self.memo,
                &product.symbol,
            ];
            row(&head.into_iter().chain(amounts).collect::<Vec<_>>())
        };
        let debit = line(self.debit, [&native, "", &usd, ""]);
        debit + &line(self.credit, ["", &native, "", &usd])
    }
}

/// One line after RFC 4180, ended by a line feed.
fn row<T: AsRef<str>>(fields: &[T]) -> String {
    let quoted: Vec<String> = fields.iter().map(|field| quoted(field.as_ref())).collect();
    format!("{}\n", quoted.join(","))
}

/// In quotes where it has to be. A field that a spreadsheet would take for a formula gets an
/// apostrophe before it: names of accounts and files are what somebody wrote.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_have_to_be() {
        let cases = [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("", ""),
        ];
        for (field, expected) in cases {
            assert_eq!(quoted(field), expected);
        }
    }

    #[test]
    fn every_row_has_the_columns_of_its_head() {
        use super::super::report::tests::sample;
        let (sample, facts) = sample();
        for text in [report(&sample), journal(&sample, &facts.accounts)] {
            // The one name with a comma in it is quoted.
            let text = text.replace("\"1100, leverage\"", "1100");
            let widths: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
            assert!(widths.len() > 3 && widths.iter().all(|width| *width == widths[0]), "{text}");
        }
    }
}
