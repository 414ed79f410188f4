//! A report as one HTML page that needs nothing else: to be mailed, archived and printed.
//!
//! Charts are inline SVG, drawn here in whole tenths of a unit from exact amounts; there is no
//! script, no font and no address in it. Colours follow the reader's preference for light or dark,
//! and paper is light.

mod charts;

use ballast_strategy_api::html::escaped;

use super::{
    report::{BudgetState, Line, ProductLines, Report},
    shown::{self, Round, SHOWN_ROUNDED},
    sums::{Ending, Sums},
};
use crate::{config::Category, money::Usd};

const STYLE: &str = include_str!("html/style.css");

/// Months by their names.
const NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Categories in the order of their columns and colours.
const CATEGORIES: [Category; 4] =
    [Category::Automated, Category::Composite, Category::Launch, Category::Other];

/// The page. `generated` is when, in words.
pub fn page(report: &Report, generated: &str) -> String {
    let name = month_name(&report.month.to_string());
    let scope = report.product.as_deref().unwrap_or("all products");
    let source = match report.source {
        "chain" => "rebuilt from the chain and the configuration alone",
        _ => "from the keeper's ledger",
    };
    let state = if report.complete {
        ""
    } else {
        "<p class=\"open\">This month is not over: more may come.</p>"
    };
    let parts = [
        format!(
            "<header><p class=\"kind\">Gas report</p><h1>{}</h1><p class=\"soft\">{}, {}, UTC by block \
             time. Written {}.</p>{state}</header>",
            escaped(&name),
            escaped(scope),
            source,
            escaped(generated)
        ),
        tiles(report),
        charts::by_month(report),
        charts::by_product(report),
        products(report),
        budgets(report),
        notes(report),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Gas report {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}\n</main>\n\
         </body>\n</html>\n",
        escaped(&report.month.to_string()),
        parts.join("\n")
    )
}

/// `2026-10` as `October 2026`.
fn month_name(text: &str) -> String {
    let parts = text.split_once('-');
    let name = parts.and_then(|(year, month)| {
        let index = month.parse::<usize>().ok()?.checked_sub(1)?;
        Some(format!("{} {year}", NAMES.get(index)?))
    });
    name.unwrap_or_else(|| text.to_owned())
}

/// The figures that one looks for first.
fn tiles(report: &Report) -> String {
    let all = report.total.all();
    let lost = [Ending::Failed, Ending::Cancelled, Ending::Foreign]
        .into_iter()
        .fold(Sums::default(), |sum, ending| sum.plus(report.total.of(ending)));
    let natives: Vec<String> = report
        .total
        .natives()
        .iter()
        .map(|(symbol, wei)| format!("{} {symbol}", shown::coins(*wei, Round::Up)))
        .collect();
    let before = report.trend.iter().rev().nth(1);
    let change = before
        .filter(|before| before.count > 0)
        .map(|before| format!("{} the month before", dollars(before.usd, Round::Up)));
    let tile = |title: &str, value: String, under: String| {
        format!(
            "<div class=\"tile\"><p>{title}</p><strong>{}</strong><p class=\"soft\">{}</p></div>",
            escaped(&value),
            escaped(&under)
        )
    };
    let share = super::report::percent(lost.usd, all.usd);
    let share =
        if lost.count == 0 { "nothing".to_owned() } else { format!("{share} % of the cost") };
    let tiles = [
        tile("Cost", dollars(all.usd, Round::Up), change.unwrap_or_else(|| natives.join(", "))),
        tile("Paid in", natives.join(", "), format!("{} gas", shown::count(all.gas))),
        tile(
            "Transactions",
            shown::count(u128::from(all.count)),
            format!(
                "{} confirmed",
                shown::count(u128::from(report.total.of(Ending::Confirmed).count))
            ),
        ),
        tile(
            "Failed, cancelled, foreign",
            dollars(lost.usd, Round::Up),
            format!("{} transactions, {share}", lost.count),
        ),
        tile(
            "Income",
            dollars(all.income_usd, Round::Down),
            "rewards that calls paid to the wallets".to_owned(),
        ),
    ];
    let categories: String = report
        .categories
        .iter()
        .map(|of| {
            let word = of.category.word();
            let usd = dollars(of.line.all().usd, Round::Up);
            format!("<li><i class=\"{word}\"></i>{word} <b>{usd}</b></li>")
        })
        .collect();
    format!(
        "<section class=\"tiles\">{}</section>\n<ul class=\"legend\">{categories}</ul>",
        tiles.concat()
    )
}

const HEAD: &str = "<tr><th>Product</th><th>Action</th><th class=\"n\">Count</th><th class=\"n\">Gas</th>\
    <th class=\"n\">Native</th><th class=\"n\">USD</th><th class=\"n\">Failed</th>\
    <th class=\"n\">Cancelled</th><th class=\"n\">Foreign</th><th class=\"n\">Income</th>\
    <th class=\"n\">Per success</th></tr>";

fn products(report: &Report) -> String {
    if report.products.is_empty() {
        return "<section><h2>Costs by product and action</h2><p>No transaction in this month.</p></section>"
            .to_owned();
    }
    let bodies: String = report.products.iter().map(body).collect();
    let categories: String = report
        .categories
        .iter()
        .map(|of| row("sum", ("All", of.category.word()), &of.line))
        .collect();
    let total = row("sum total", ("All", "everything"), &report.total);
    format!(
        "<section><h2>Costs by product and action</h2><div class=\"wide\"><table><thead>{HEAD}</thead>\
         {bodies}<tbody class=\"sums\">{categories}{total}</tbody></table></div></section>"
    )
}

fn body(product: &ProductLines) -> String {
    let what = format!(
        "{}<small>{} on {}, cost centre {}</small>",
        escaped(&product.product),
        product.category.word(),
        escaped(&product.chain),
        escaped(&product.cost_centre)
    );
    let several = product.actions.len() > 1;
    let span = product.actions.len().saturating_add(usize::from(several));
    let mut rows = String::new();
    for (index, action) in product.actions.iter().enumerate() {
        let head = if index == 0 {
            format!("<th scope=\"rowgroup\" rowspan=\"{span}\">{what}</th>")
        } else {
            String::new()
        };
        rows.push_str(&format!(
            "<tr>{head}<td>{}</td>{}</tr>",
            escaped(&action.action),
            cells(&action.line)
        ));
    }
    if several {
        rows.push_str(&format!("<tr class=\"sum\"><td>all</td>{}</tr>", cells(&product.total)));
    }
    format!("<tbody>{rows}</tbody>")
}

fn row(class: &str, (product, action): (&str, &str), line: &Line) -> String {
    format!("<tr class=\"{class}\"><th>{product}</th><td>{action}</td>{}</tr>", cells(line))
}

/// The cells that count.
fn cells(line: &Line) -> String {
    let all = line.all();
    let cell = |text: String| format!("<td class=\"n\">{text}</td>");
    let nothing = || "<span class=\"soft\">–</span>".to_owned();
    let ended = |ending| {
        let sums = line.of(ending);
        if sums.count == 0 {
            return nothing();
        }
        format!("{}<small>{} ×</small>", shown::usd(sums.usd, Round::Up), sums.count)
    };
    let natives = line.natives().iter().map(|(symbol, wei)| {
        format!("<div>{} {}</div>", shown::coins(*wei, Round::Up), escaped(symbol))
    });
    let usd = if all.unpriced > 0 {
        format!("{}<small>{} without price</small>", shown::usd(all.usd, Round::Up), all.unpriced)
    } else {
        shown::usd(all.usd, Round::Up)
    };
    let income =
        if all.income_wei.is_zero() { nothing() } else { shown::usd(all.income_usd, Round::Down) };
    let per_success = line.usd_per_success().map_or_else(nothing, |usd| shown::usd(usd, Round::Up));
    [
        shown::count(u128::from(all.count)),
        shown::count(all.gas),
        natives.collect(),
        usd,
        ended(Ending::Failed),
        ended(Ending::Cancelled),
        ended(Ending::Foreign),
        income,
        per_success,
    ]
    .map(cell)
    .concat()
}

fn budgets(report: &Report) -> String {
    let rows: String = report
        .products
        .iter()
        .filter_map(|product| {
            let budget = product.budget?;
            let of = |amount: Option<Usd>| {
                amount.map_or_else(|| "–".to_owned(), |amount| shown::usd(amount, Round::Down))
            };
            let class = match budget.state {
                BudgetState::Within => "good",
                BudgetState::Tight => "notable",
                BudgetState::Over | BudgetState::OverHard => "bad",
            };
            let name = escaped(&product.product);
            Some(format!(
                "<tr><th>{name}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td>{}</td><td class=\"n\">{} %</td><td class=\"{class}\">{}</td></tr>",
                shown::usd(budget.actual_usd, Round::Up),
                of(budget.monthly_usd),
                of(budget.hard_usd),
                charts::meter(budget.used_percent, class),
                budget.used_percent,
                budget.state.as_str()
            ))
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<section><h2>Budgets</h2><div class=\"wide\"><table class=\"budgets\"><thead><tr><th>Product</th>\
         <th class=\"n\">Actual USD</th><th class=\"n\">Monthly</th><th class=\"n\">Hard</th><th></th>\
         <th class=\"n\">Used</th><th>State</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
}

fn notes(report: &Report) -> String {
    let mut notes = vec![
        format!("{} {SHOWN_ROUNDED}", report.rounding),
        "Cost is all that a transaction paid for being included: gas at its effective price and, on a \
         layer 2, the fee for its data on layer 1. Failed, cancelled and foreign transactions are part of \
         it. Per success is the whole cost over the transactions that did what they were for."
            .to_owned(),
        "Budgets are those of the configuration when this was written, held against all of the product's \
         chains. The monthly one holds back routine work only."
            .to_owned(),
    ];
    let unpriced = report.total.all().unpriced;
    if unpriced > 0 {
        notes.push(format!(
            "{unpriced} transactions have no price: their cost is in the native amounts and not in the dollars."
        ));
    }
    let items: String = notes.iter().map(|note| format!("<li>{}</li>", escaped(note))).collect();
    format!("<footer><h2>How to read this</h2><ul>{items}</ul></footer>")
}

fn dollars(amount: Usd, round: Round) -> String {
    format!("${}", shown::usd(amount, round))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use super::{super::report::tests::sample, *};

    #[test]
    fn the_page_needs_nothing_else_and_runs_nothing() {
        let (mut report, _) = sample();
        report.product = Some("<script>alert(1)</script>".into());
        let page = page(&report, "2026-11-02");
        let foreign = [
            "<script",
            "http:",
            "https:",
            "//",
            "url(",
            "@import",
            "javascript:",
            "src=",
            " onload",
            " onclick",
        ];
        for forbidden in foreign {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("&lt;script&gt;"));
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
    }

    #[test]
    fn every_element_that_is_opened_is_closed() {
        let (report, _) = sample();
        let page = page(&report, "2026-11-02");
        let mut open: Vec<&str> = Vec::new();
        for piece in page.split('<').skip(1) {
            let name = piece.split(['>', ' ', '/']).next().unwrap_or_default();
            if piece.starts_with(['!']) || ["meta", "br"].contains(&name) {
                continue;
            }
            if let Some(closed) = piece.strip_prefix('/') {
                let closed = closed.split('>').next().unwrap_or_default();
                assert_eq!(open.pop(), Some(closed));
            } else if !piece.split('>').next().unwrap_or_default().ends_with('/') {
                open.push(name);
            }
        }
        assert_eq!(open, Vec::<&str>::new());
    }

    #[test]
    fn a_month_without_a_transaction_is_a_page_too() {
        let (mut report, _) = sample();
        report.products.clear();
        report.total = Line::default();
        report.categories.clear();
        for month in &mut report.trend {
            (month.count, month.usd) = (0, Usd::ZERO);
            month.categories.clear();
        }
        assert!(page(&report, "x").contains("No transaction in this month."));
        assert_eq!(month_name("2026-10"), "October 2026");
        assert_eq!(month_name("?"), "?");
    }
}
