//! A report as one HTML page that needs nothing else, in the style of a plan's.

use ballast_strategy_api::html::escaped;

use super::{
    Report, Row, State, TradeLine,
    show::{dollars, ether, loss, or_unknown, percent, utc, whole},
};
use crate::plan::{
    html::{document, pairs, tile, warned},
    show::span,
};

/// The page.
pub fn page(report: &Report) -> String {
    let parts = [
        header(report),
        tiles(report),
        known(report),
        shares(report),
        components(report),
        trades(report),
    ];
    document(&format!("{} rebalance", report.subject.symbol), &parts)
}

fn header(report: &Report) -> String {
    let subject = &report.subject;
    let detail = report.detail.as_deref().unwrap_or_default();
    format!(
        "<header><p class=\"kind\">Report of a rebalance</p><h1>{}: {}</h1>\
         <p class=\"soft\"><code>{}</code> ({} on {}), as of block {}, {}</p>\
         <p class=\"soft\">Started in block {}, {} <code>{}</code></p><p>{}</p></header>",
        escaped(&subject.symbol),
        report.status.words(),
        subject.set_token,
        escaped(&subject.product),
        escaped(&subject.chain),
        report.at.block,
        utc(report.at.timestamp),
        report.started.at.block,
        utc(report.started.at.timestamp),
        report.started.hash,
        escaped(detail)
    )
}

fn tiles(report: &Report) -> String {
    let totals = &report.totals;
    let met = report.components.iter().filter(|row| row.state == State::Met).count();
    let plan = report.planned.as_ref();
    let planned =
        |text: Option<String>| text.map_or_else(String::new, |text| format!("{text} planned"));
    let others = totals.trades_of_others.map_or_else(String::new, |n| format!("{n} by others, "));
    let usd =
        totals.cost_usd_micros.map_or_else(String::new, |usd| format!("${}, ", dollars(usd.0)));
    let tiles = [
        tile(
            "Met",
            &format!("{met} of {}", report.components.len()),
            "by the module's own rule".into(),
        ),
        tile("Time", &span(report.seconds), planned(plan.map(|plan| span(plan.seconds)))),
        tile(
            "Trades",
            &totals.trades.to_string(),
            format!("{others}{}", planned(plan.map(|plan| plan.trades.to_string()))),
        ),
        tile(
            "Cost",
            &format!("{} bp", or_unknown(totals.cost_bp)),
            format!(
                "{usd}of what was traded; {}",
                planned(plan.map(|plan| format!("{} bp", or_unknown(plan.cost_bp))))
            ),
        ),
        tile(
            "Gas",
            &totals.gas_own.gas_used.saturating_add(totals.gas_others.gas_used).to_string(),
            planned(plan.map(|plan| plan.gas.to_string())),
        ),
        tile(
            "Left over",
            &totals.left_over_wei.map_or_else(|| "?".to_owned(), |left| ether(left.0)),
            "WETH above its target".into(),
        ),
    ];
    format!("<section class=\"tiles\">{}</section>", tiles.concat())
}

fn known(report: &Report) -> String {
    let totals = &report.totals;
    let lines = [
        format!(
            "Slippage against the pools' price before each trade, fees included: {}.",
            loss(&totals.slippage)
        ),
        format!(
            "Against feeds and averages right before each trade: {}.",
            loss(&totals.against_reference)
        ),
        format!("The protocol's fees: {} WETH.", ether(totals.protocol_fee_wei.0)),
    ];
    let lines: String = lines.iter().map(|line| format!("<p>{}</p>", escaped(line))).collect();
    format!("<section>{lines}</section>{}", warned("To be noted", &report.warnings))
}

fn shares(report: &Report) -> String {
    let texts: Vec<(String, String)> = (report.components.iter())
        .map(|row| (percent(row.share_bp), percent(row.target_share_bp)))
        .collect();
    let rows = report.components.iter().zip(&texts);
    let rows: Vec<(&str, &str, &str)> =
        rows.map(|(row, (now, to))| (&*row.symbol, &**now, &**to)).collect();
    pairs("Shares", ("realised", "target"), &rows)
}

fn components(report: &Report) -> String {
    let heads = [
        "Component",
        "Before",
        "Target",
        "Unit",
        "Off",
        "Off ppm",
        "State",
        "Trades",
        "Sold",
        "For WETH",
        "Bought",
        "For WETH",
        "Slippage bp",
        "Reference bp",
        "Cost bp",
        "Planned bp",
        "Gas",
        "Exchange",
    ];
    let row = |row: &Row| {
        let text = |number: Option<String>| number.unwrap_or_else(|| "?".to_owned());
        vec![
            row.symbol.clone(),
            text(row.unit_before.map(|n| n.0.to_string())),
            text(row.target_unit.or(row.submitted_unit).map(|n| n.0.to_string())),
            text(row.unit.map(|n| n.0.to_string())),
            text(row.off_units.map(|n| n.0.to_string())),
            text(row.off_ppm.map(|n| n.0.to_string())),
            row.state.word().to_owned(),
            row.trades.to_string(),
            whole(row.sold.0, row.decimals),
            ether(row.weth_received.0),
            whole(row.bought.0, row.decimals),
            ether(row.weth_paid.0),
            or_unknown(row.slippage.bp),
            or_unknown(row.against_reference.bp),
            or_unknown(row.cost_bp),
            or_unknown(row.planned.and_then(|plan| plan.cost_bp)),
            row.gas_used.to_string(),
            row.exchanges.join(", "),
        ]
    };
    table("Component by component", &heads, report.components.iter().map(row))
}

fn trades(report: &Report) -> String {
    let heads = [
        "Component",
        "Time",
        "Block",
        "Side",
        "WETH",
        "Slippage bp",
        "Reference bp",
        "By",
        "Exchange",
        "Transaction",
    ];
    let row = |trade: &TradeLine| {
        let by = match trade.is_own {
            Some(true) => "the product".to_owned(),
            Some(false) | None => trade.executor.to_string(),
        };
        vec![
            trade.symbol.clone(),
            utc(trade.deed.at.timestamp),
            trade.deed.at.block.to_string(),
            trade.side.to_owned(),
            ether(trade.weth.0),
            or_unknown(trade.slippage_bp),
            or_unknown(trade.against_reference_bp),
            by,
            trade.exchange.clone(),
            trade.deed.hash.to_string(),
        ]
    };
    table("Trade by trade", &heads, report.trades.iter().map(row))
}

fn table(title: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let class = |place: usize| if place == 0 { "" } else { " class=\"n\"" };
        let cells = cells.enumerate();
        let cells =
            cells.map(|(place, text)| format!("<{tag}{}>{}</{tag}>", class(place), escaped(text)));
        cells.collect::<String>()
    };
    let body: String = rows
        .map(|row| format!("<tr>{}</tr>", cells("td", &mut row.iter().map(String::as_str))))
        .collect();
    format!(
        "<section><h2>{title}</h2><div class=\"wide\"><table><thead><tr>{}</tr></thead><tbody>{body}</tbody>\
         </table></div></section>",
        cells("th", &mut heads.iter().copied())
    )
}
