//! The advice as tables.

use alloy::primitives::{Address, U256};
use ballast_chains::{amount, text::one_line};
use serde::Serialize;

use super::{Advice, Size, Way};
use crate::plan::{
    Source,
    show::{aligned, short, span},
};

/// Everything that is advised, with what it was made from.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The chain, by its name in the configuration.
    pub chain: String,
    /// The block that everything was read at.
    pub block: u64,
    /// The index's token.
    pub set_token: Address,
    /// The module that trades.
    pub module: Address,
    /// The weights that say what is to be moved, if any.
    pub weights: Option<Source>,
    /// Gwei per gas.
    pub gas_price: String,
    /// The bound of the price impact, percent.
    pub impact: String,
    /// How long the trades may take, seconds.
    pub within: u64,
    /// Component by component.
    pub components: Vec<Advice>,
    /// What the operator should look at besides.
    pub warnings: Vec<String>,
}

/// The report as text, with a line's end after each line.
pub fn text(report: &Report) -> String {
    let Report { chain, block, set_token, components, .. } = report;
    let mut lines = vec![format!("Parameters for {set_token} on {chain}, block {block}")];
    if let Some(Source { file, sha256 }) = &report.weights {
        lines.push(format!("  weights  {file}  sha256 {sha256}"));
    }
    lines.push(format!(
        "  gas at {} gwei, impact at most {} %, {} at the most; pools recover between trades",
        report.gas_price,
        report.impact,
        span(report.within)
    ));
    lines.push(String::new());
    let head = [
        "COMPONENT",
        "TO MOVE",
        "MAXIMUM",
        "NOW",
        "REST",
        "NOW",
        "TRADES",
        "COSTS ETH",
        "LASTS",
        "EXCHANGE",
    ];
    let head = head.map(str::to_owned).to_vec();
    let table: Vec<Vec<String>> =
        [head].into_iter().chain(components.iter().map(advised)).collect();
    lines.extend(aligned(&table, &[0, 9]));
    for one in components {
        lines.push(String::new());
        lines.push(format!("{}: sizes of one trade by the advised way, and ways", one.symbol));
        let head = ["SIZE", "", "IMPACT %", "TRADES", "GAS ETH", "POOLS ETH", "TOGETHER", "LASTS"];
        let sizes = one.sizes.iter().map(|size| sized(size, one.decimals));
        let table = [head.map(str::to_owned).to_vec()].into_iter().chain(sizes);
        lines.extend(inset(table.collect(), &[0]));
        lines.push(String::new());
        let head = ["WAY", "DEPTH ETH", "AT BOUND", "BEST", "COSTS ETH", "BY", ""];
        let ways = one.ways.iter().map(|way| way_of(way, one.decimals));
        let table = [head.map(str::to_owned).to_vec()].into_iter().chain(ways);
        lines.extend(inset(table.collect(), &[0, 5, 6]));
    }
    lines.push(String::new());
    let own = components.iter().flat_map(|one| {
        one.warnings.iter().map(|warning| format!("warning: {}: {warning}", one.symbol))
    });
    lines.extend(own);
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.iter().map(|line| format!("{}\n", one_line(line.trim_end()))).collect()
}

fn inset(table: Vec<Vec<String>>, left: &[usize]) -> impl Iterator<Item = String> {
    aligned(&table, left).into_iter().map(|line| format!("  {line}"))
}

fn whole(units: U256, decimals: u8) -> String {
    short(&amount::decimal(&units.to_string(), decimals.into()))
}

fn ether(wei: U256) -> String {
    short(&amount::ether(wei))
}

fn maybe(wei: Option<U256>) -> String {
    wei.map_or_else(|| "?".to_owned(), ether)
}

fn advised(one: &Advice) -> Vec<String> {
    let to_move = format!("{} {}", one.side, whole(one.amount, one.decimals));
    let Some(advised) = &one.advised else {
        return vec![one.symbol.clone(), to_move, "?".to_owned()];
    };
    let size = one.sizes.iter().find(|size| size.what == "advised");
    let way = if one.ways.first().is_some_and(|way| way.current) { "" } else { " (not now)" };
    vec![
        one.symbol.clone(),
        to_move,
        whole(advised.trade_maximum, one.decimals),
        whole(one.now.trade_maximum, one.decimals),
        format!("{} s", advised.cool_off),
        format!("{} s", one.now.cool_off),
        size.map(|size| size.trades.to_string()).unwrap_or_default(),
        size.map(|size| maybe(size.cost)).unwrap_or_default(),
        size.map(|size| span(size.seconds)).unwrap_or_default(),
        format!("{} {}{way}", advised.exchange, advised.exchange_data),
    ]
}

fn sized(size: &Size, decimals: u8) -> Vec<String> {
    vec![
        size.what.to_owned(),
        whole(size.size, decimals),
        size.impact.as_deref().map_or_else(|| "?".to_owned(), short),
        size.trades.to_string(),
        ether(size.gas_cost),
        maybe(size.pools_cost),
        maybe(size.cost),
        span(size.seconds),
    ]
}

fn way_of(way: &Way, decimals: u8) -> Vec<String> {
    let now = if way.current { "now" } else { "" };
    let note = way.against.clone().unwrap_or_else(|| now.to_owned());
    vec![
        format!("{} {}", way.exchange, way.exchange_data),
        ether(way.depth),
        whole(way.at_bound, decimals),
        whole(way.size, decimals),
        maybe(way.cost),
        way.measured_by.to_owned(),
        note,
    ]
}
