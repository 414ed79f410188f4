//! A plan as one HTML page that needs nothing else: to be mailed around, signed off and archived.
//!
//! Charts are inline SVG in whole units; there is no script, no font and no address in it. All text
//! that comes from files or from the chain is escaped.

use ballast_chains::amount;
use ballast_strategy_api::html::escaped;

use super::{
    Plan,
    show::{short, span},
    work::{Row, Trade},
};

const STYLE: &str = include_str!("html/style.css");
/// Where bars begin, and how long the longest is.
const LEFT: u64 = 110;
const LONGEST: u64 = 720;
/// Height of a row of each chart.
const PAIR: u64 = 40;
const SINGLE: u64 = 26;
const WIDTH: u64 = 1_000;

/// The page.
pub fn page(plan: &Plan) -> String {
    let title = format!("{} rebalance", plan.symbol);
    let parts = [
        header(plan),
        tiles(plan),
        warnings(plan),
        weights(plan),
        trades(plan),
        table(plan),
        call(plan),
    ];
    document(&title, &parts)
}

/// A page of these parts, in the style of all pages here.
pub(crate) fn document(title: &str, parts: &[String]) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}\n</main>\n</body>\n</html>\n",
        escaped(title),
        parts.join("\n")
    )
}

fn header(plan: &Plan) -> String {
    let source = |name: &str, source: &super::Source| {
        format!(
            "<p class=\"soft\">{name}: {} <code>sha256 {}</code></p>",
            escaped(&source.file),
            escaped(&source.sha256)
        )
    };
    format!(
        "<header><p class=\"kind\">Plan of a rebalance</p><h1>{}</h1>\
         <p class=\"soft\"><code>{}</code> on {}, block {} <code>{}</code></p>{}{}</header>",
        escaped(&plan.symbol),
        plan.set_token,
        escaped(&plan.chain),
        plan.block,
        escaped(&plan.block_hash),
        source("Weights", &plan.weights),
        source("Prices", &plan.prices)
    )
}

fn tiles(plan: &Plan) -> String {
    let work = &plan.work;
    let tiles = [
        tile(
            "Value",
            &work.assets,
            format!("{} each of {}", short(&work.net_asset_value), short(&plan.supply)),
        ),
        tile("Turnover", &work.turnover, "half of all sold and bought".into()),
        tile("Trades", &work.trades.to_string(), format!("{} gas", work.gas)),
        tile("Time", &span(work.seconds), "at the least".into()),
        tile(
            "Cost",
            &work.cost,
            format!(
                "{} % of all; {} if pools do not recover",
                short(&work.cost_share),
                work.cost_at_once.as_deref().unwrap_or("more than they hold")
            ),
        ),
        tile("Haircut", &format!("{} %", plan.haircut), "left out for the cost".into()),
    ];
    format!("<section class=\"tiles\">{}</section>", tiles.concat())
}

/// A figure with a title above it and some words below.
pub(crate) fn tile(title: &str, value: &str, under: String) -> String {
    format!(
        "<div class=\"tile\"><p>{title}</p><strong>{}</strong><p class=\"soft\">{}</p></div>",
        escaped(value),
        escaped(&under)
    )
}

fn warnings(plan: &Plan) -> String {
    warned("Before this is signed", &plan.work.warnings)
}

/// Warnings under a title; nothing where there are none.
pub(crate) fn warned(title: &str, warnings: &[String]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let items: String =
        warnings.iter().map(|warning| format!("<li>{}</li>", escaped(warning))).collect();
    format!("<section><h2>{title}</h2><ul class=\"warnings\">{items}</ul></section>")
}

/// The share now and the one it goes to, a pair of bars for each component.
fn weights(plan: &Plan) -> String {
    let rows = plan.work.rows.iter();
    let rows: Vec<(&str, &str, &str)> =
        rows.map(|row| (&*row.symbol, &*row.weight, &*row.target_weight)).collect();
    pairs("Weights", ("now", "published"), &rows)
}

/// Two shares of each, percent, one bar below the other.
pub(crate) fn pairs(title: &str, words: (&str, &str), rows: &[(&str, &str, &str)]) -> String {
    let largest = rows.iter().map(|(_, now, to)| hundredths(now).max(hundredths(to))).max();
    let largest = largest.unwrap_or_default();
    let bars: String = (0_u64..)
        .zip(rows)
        .map(|(place, (name, now, to))| {
            let top = place.saturating_mul(PAIR);
            let bar = |down: u64, class: &str, text: &str| {
                let length = scaled(hundredths(text), largest);
                let y = top.saturating_add(down);
                let (words, base) = (LEFT.saturating_add(length).saturating_add(8), y.saturating_add(11));
                format!(
                    "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length}\" height=\"13\" rx=\"2\"/>\
                     <text x=\"{words}\" y=\"{base}\">{} %</text>",
                    escaped(&short(text))
                )
            };
            let (x, y) = (LEFT.saturating_sub(10), top.saturating_add(22));
            format!(
                "<text class=\"name\" x=\"{x}\" y=\"{y}\">{}</text>{}{}",
                escaped(name),
                bar(4, "now", now),
                bar(18, "to", to)
            )
        })
        .collect();
    let legend = legend(&[("now", words.0), ("to", words.1)]);
    figure(title, &legend, count(rows.len()).saturating_mul(PAIR), &bars)
}

/// What is sold and bought, by value.
fn trades(plan: &Plan) -> String {
    let traded: Vec<(&Row, &Trade)> =
        plan.work.rows.iter().filter_map(|row| Some((row, row.trade.as_ref()?))).collect();
    if traded.is_empty() {
        return "<section><h2>Trades</h2><p>Nothing has to be traded.</p></section>".to_owned();
    }
    let largest =
        traded.iter().map(|(_, trade)| hundredths(&trade.value)).max().unwrap_or_default();
    let bars: String = (0_u64..)
        .zip(&traded)
        .map(|(place, (row, trade))| {
            let top = place.saturating_mul(SINGLE);
            let length = scaled(hundredths(&trade.value), largest);
            let (y, base) = (top.saturating_add(5), top.saturating_add(17));
            let (x, words) = (LEFT.saturating_sub(10), LEFT.saturating_add(length).saturating_add(8));
            let number = trade.trades.map_or_else(String::new, |count| format!(" in {count}"));
            format!(
                "<text class=\"name\" x=\"{x}\" y=\"{base}\">{}</text>\
                 <rect class=\"{side}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length}\" height=\"15\" rx=\"2\"/>\
                 <text x=\"{words}\" y=\"{base}\">{side} {}{number}</text>",
                escaped(&row.symbol),
                escaped(&trade.value),
                side = trade.side
            )
        })
        .collect();
    let legend = legend(&[("sell", "sold"), ("buy", "bought")]);
    figure("Trades", &legend, count(traded.len()).saturating_mul(SINGLE), &bars)
}

fn figure(title: &str, legend: &str, height: u64, bars: &str) -> String {
    let height = height.saturating_add(6);
    format!(
        "<section><h2>{title}</h2>{legend}<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\"><line x1=\"{LEFT}\" x2=\"{LEFT}\" y1=\"0\" y2=\"{height}\"/>{bars}</svg></section>"
    )
}

fn legend(entries: &[(&str, &str)]) -> String {
    let items =
        entries.iter().map(|(class, word)| format!("<li><i class=\"{class}\"></i>{word}</li>"));
    format!("<ul class=\"legend\">{}</ul>", items.collect::<String>())
}

fn table(plan: &Plan) -> String {
    let heads = [
        "Component",
        "Price",
        "Price by",
        "Now %",
        "To %",
        "Planned %",
        "Unit",
        "Target unit",
        "Trade",
        "Amount",
        "Value",
        "Trades",
        "Costs %",
        "Gas",
        "Lasts",
    ];
    let heads: String = heads
        .iter()
        .enumerate()
        .map(|(place, head)| {
            let class = if place == 0 { "" } else { " class=\"n\"" };
            format!("<th{class}>{head}</th>")
        })
        .collect();
    let rows: String = plan.work.rows.iter().map(row).collect();
    format!(
        "<section><h2>Component by component</h2><div class=\"wide\"><table><thead><tr>{heads}</tr></thead>\
         <tbody>{rows}</tbody></table></div><p class=\"soft\">Units are base units per whole index token; \
         target units are rounded down. Position multiplier {}.</p></section>",
        plan.work.position_multiplier
    )
}

fn row(row: &Row) -> String {
    let mut cells = vec![
        short(&row.price),
        row.price_source.clone(),
        short(&row.weight),
        short(&row.target_weight),
        short(&row.planned_weight),
        row.unit.to_string(),
        row.target_unit.to_string(),
    ];
    if let Some(trade) = &row.trade {
        let number = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
        cells.extend([
            trade.side.to_owned(),
            short(&amount::decimal(&trade.amount.to_string(), row.decimals.into())),
            trade.value.clone(),
            number(trade.trades),
            trade.slippage.as_deref().map_or_else(|| "?".to_owned(), short),
            number(trade.gas),
            trade.seconds.map_or_else(|| "?".to_owned(), span),
        ]);
    } else {
        cells.extend(vec![String::new(); 7]);
    }
    let cells: String =
        cells.iter().map(|cell| format!("<td class=\"n\">{}</td>", escaped(cell))).collect();
    format!(
        "<tr><th>{}<small><code>{}</code></small></th>{cells}</tr>",
        escaped(&row.symbol),
        row.address
    )
}

fn call(plan: &Plan) -> String {
    let through: Vec<String> = plan.extensions.iter().map(ToString::to_string).collect();
    format!(
        "<section><h2>startRebalanceWithUnits</h2><p class=\"soft\">Through <code>{}</code></p>\
         <p><code>{}</code></p></section>",
        escaped(&through.join(", ")),
        plan.call.data
    )
}

/// A decimal number's hundredths, cut off: for the length of a bar alone.
fn hundredths(text: &str) -> u128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String =
        whole.chars().chain(fraction.chars().chain("00".chars()).take(2)).collect();
    digits.parse().unwrap_or(u128::MAX)
}

/// How long a bar is.
fn scaled(value: u128, largest: u128) -> u64 {
    let length = value.checked_mul(u128::from(LONGEST)).and_then(|v| v.checked_div(largest));
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default().min(LONGEST)
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!((hundredths("23.339"), hundredths("5"), hundredths("0.5")), (2_333, 500, 50));
        assert_eq!((scaled(2_500, 5_000), scaled(5_000, 5_000), scaled(1, 0)), (360, 720, 0));
    }
}
