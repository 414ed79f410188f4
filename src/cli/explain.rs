//! `ballast explain PRODUCT`: the last decision with the inputs it used, from the store.

use ballast_strategy_api::decision::fixed18;
use eyre::Result;

use super::{Exit, Session, out};
use crate::{
    clock,
    config::Secrets,
    runtime::LastDecision,
    store::{DecisionRow, Store},
};

pub(super) async fn explain(session: Session, product: &str, json: bool) -> Result<Exit> {
    let config = match session.load(Secrets::Skip) {
        Ok(config) => config,
        Err(problems) => {
            out::problems(&problems, json);
            return Ok(Exit::BadConfig);
        }
    };
    if !config.products.contains_key(product) {
        let known: Vec<&str> = config.products.keys().map(String::as_str).collect();
        out::error(&format!("no product `{product}`; there are: {}", known.join(", ")));
        return Ok(Exit::BadConfig);
    }
    let last = match Store::open_readonly(&config.store.path).await? {
        Some(store) => store.last_decision(product).await?,
        None => None,
    };
    match last {
        None if json => out::json(&serde_json::json!({ "product": product, "last": null })),
        None => out::line(&format!("{product}: no decision recorded yet")),
        Some(row) if json => out::json(&row),
        Some(row) => out::line(&stored_text(&row)),
    }
    Ok(Exit::Done)
}

/// A decision as people read it.
pub(super) fn text(product: &str, chain: &str, decision: &LastDecision) -> String {
    let head = &decision.head;
    let mut lines = vec![
        format!("{product} on {chain}, block {} at {}", head.number, clock::text(head.timestamp)),
        format!("  {}", verdict(decision)),
    ];
    if !decision.detail.is_empty() && decision.detail != decision.reason {
        lines.push(format!("  {}", decision.detail));
    }
    for seen in &decision.observations {
        let name = if seen.of.is_empty() {
            seen.name.to_owned()
        } else {
            format!("{} of {}", seen.name, seen.of)
        };
        lines.push(format!("    {name:<44} {:>12}{}", short(&fixed18(seen.value)), bounds(seen)));
    }
    lines.join("\n")
}

fn verdict(decision: &LastDecision) -> String {
    match (&decision.action, decision.urgency) {
        (Some(action), Some(urgency)) => {
            format!("{}: {action} ({urgency}): {}", decision.kind, decision.reason)
        }
        _ => format!("{}: {}", decision.kind, decision.reason),
    }
}

fn bounds(seen: &ballast_strategy_api::Observation) -> String {
    let part =
        |label: &str, value: Option<_>| value.map(|v| format!("{label} {}", short(&fixed18(v))));
    let parts: Vec<String> =
        [part("min", seen.min), part("target", seen.target), part("max", seen.max)]
            .into_iter()
            .flatten()
            .collect();
    if parts.is_empty() { String::new() } else { format!("   [{}]", parts.join(", ")) }
}

/// At most six decimals, cut off, for reading; the exact figure is in `--json`.
fn short(exact: &str) -> String {
    match exact.split_once('.') {
        Some((whole, fraction)) if fraction.len() > 6 => {
            format!("{whole}.{}", fraction.get(..6).unwrap_or(fraction))
        }
        _ => exact.to_owned(),
    }
}

fn stored_text(row: &DecisionRow) -> String {
    let mut lines = vec![
        format!(
            "{} on {}, block {} at {}",
            row.product,
            row.chain,
            row.block_number,
            clock::text(row.block_timestamp)
        ),
        format!("  {}: {}", row.kind, row.reason),
    ];
    if let Some(action) = &row.action {
        lines.push(format!("  action: {action}"));
    }
    if !row.detail.is_empty() {
        lines.push(format!("  {}", row.detail));
    }
    for seen in row.inputs() {
        let name =
            if seen.of.is_empty() { seen.name } else { format!("{} of {}", seen.name, seen.of) };
        let bounds = [("min", seen.min), ("target", seen.target), ("max", seen.max)]
            .into_iter()
            .filter_map(|(label, value)| value.map(|v| format!("{label} {}", short(&v))))
            .collect::<Vec<_>>()
            .join(", ");
        let bounds = if bounds.is_empty() { bounds } else { format!("   [{bounds}]") };
        lines.push(format!("    {name:<44} {:>12}{bounds}", short(&seen.value)));
    }
    lines.join("\n")
}
