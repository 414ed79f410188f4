//! A plan as a table that people can check line by line.

use alloy::primitives::Address;
use ballast_chains::{amount, text::one_line};

use super::{
    Plan,
    work::{Row, Trade},
};

/// How places in a file begin: `line 3`, `entry 2`.
const IN_A_FILE: [&str; 2] = ["line ", "entry "];

/// The plan as text, with a line's end after each line.
pub fn text(plan: &Plan) -> String {
    let work = &plan.work;
    let mut lines = vec![
        format!(
            "Plan for {} {} on {}, block {}",
            plan.symbol, plan.set_token, plan.chain, plan.block
        ),
        format!("  weights  {}  sha256 {}", plan.weights.file, plan.weights.sha256),
        format!("  prices   {}  sha256 {}", plan.prices.file, plan.prices.sha256),
        format!(
            "  supply   {}   value of one {}   of all {}",
            plan.supply, work.net_asset_value, work.assets
        ),
        format!("  haircut  {} %   position multiplier {}", plan.haircut, work.position_multiplier),
        String::new(),
    ];
    let header = [
        "COMPONENT",
        "WEIGHT %",
        "TO %",
        "UNIT",
        "TARGET UNIT",
        "TRADE",
        "AMOUNT",
        "VALUE",
        "TRADES",
        "COSTS %",
        "GAS",
        "LASTS",
    ];
    let mut cells: Vec<Vec<String>> =
        vec![header.iter().map(|title| (*title).to_owned()).collect()];
    cells.extend(work.rows.iter().map(cells_of));
    lines.extend(aligned(&cells, &[0, 5]));
    lines.push(String::new());
    lines.push(format!(
        "{} trades, turnover {}, {} gas, at least {}. Target units are rounded down.",
        work.trades,
        work.turnover,
        work.gas,
        span(work.seconds)
    ));
    let at_once = work.cost_at_once.as_deref().unwrap_or("more than they hold");
    lines.push(format!(
        "The trades cost {}, {} % of all, if pools recover between two, else {at_once}: a haircut \
         slightly below the first leaves nothing over.",
        work.cost,
        short(&work.cost_share)
    ));
    // A line of a file needs no more words; what the chain said does.
    let of_chain = work
        .rows
        .iter()
        .filter(|row| !IN_A_FILE.iter().any(|place| row.price_source.starts_with(place)));
    lines.extend(of_chain.map(|row| {
        format!("price of {}: {} by {}", row.symbol, short(&row.price), row.price_source)
    }));
    lines.extend(work.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.push(String::new());
    let list = |all: &[Address]| all.iter().map(Address::to_string).collect::<Vec<_>>().join(", ");
    let through = match plan.extensions.as_slice() {
        [] => "no extension that the index's manager lists".to_owned(),
        some => list(some),
    };
    let operator = plan.operator.map_or_else(|| "the operator".to_owned(), |by| by.to_string());
    lines.push(format!("startRebalanceWithUnits, signed by {operator} through {through}:"));
    lines.push(format!("  {}", plan.call.data));
    lines.iter().map(|line| format!("{}\n", one_line(line.trim_end()))).collect()
}

fn cells_of(row: &Row) -> Vec<String> {
    let mut cells = vec![
        row.symbol.clone(),
        short(&row.weight),
        short(&row.target_weight),
        row.unit.to_string(),
        row.target_unit.to_string(),
    ];
    cells.extend(match &row.trade {
        None => vec![String::new(); 7],
        Some(Trade { side, amount, value, trades, slippage, gas, seconds, .. }) => {
            let whole = amount::decimal(&amount.to_string(), row.decimals.into());
            let number = |n: &Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
            vec![
                (*side).to_owned(),
                short(&whole),
                value.clone(),
                number(trades),
                slippage.as_deref().map_or_else(|| "?".to_owned(), short),
                number(gas),
                seconds.map_or_else(|| "?".to_owned(), span),
            ]
        }
    });
    cells
}

/// Columns under each other: those named stand left, as words do, the others right.
pub(crate) fn aligned(rows: &[Vec<String>], left: &[usize]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let room = " ".repeat(width.saturating_sub(cell.chars().count()));
            if left.contains(&column) { format!("{cell}{room}") } else { format!("{room}{cell}") }
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect()
}

/// At most four decimals, cut off; the exact figure is in `--json`.
pub(crate) fn short(exact: &str) -> String {
    match exact.split_once('.') {
        Some((whole, fraction)) => format!("{whole}.{}", fraction.get(..4).unwrap_or(fraction)),
        None => exact.to_owned(),
    }
}

pub(crate) fn span(seconds: u64) -> String {
    let part = |unit: u64| seconds.checked_div(unit).unwrap_or_default();
    let minutes = part(60).checked_rem(60).unwrap_or_default();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m"),
        _ => format!("{}h {minutes:02}m", part(3_600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["A", "1"], ["LONG", "1000"]];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        assert_eq!(aligned(&rows, &[0]), ["A        1", "LONG  1000"]);
    }

    #[test]
    fn figures_are_cut_off_and_times_are_words() {
        let cut = [("0.123456", "0.1234"), ("12", "12"), ("1.5", "1.5")];
        for (exact, shown) in cut {
            assert_eq!(short(exact), shown);
        }
        let words = [(0, "0s"), (59, "59s"), (60, "1m"), (3_599, "59m"), (149_400, "41h 30m")];
        for (seconds, shown) in words {
            assert_eq!(span(seconds), shown);
        }
    }
}
