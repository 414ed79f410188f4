//! `ballast explain PRODUCT`: the last decision with the inputs it used, from the keeper that runs or
//! else from the store.

use eyre::Result;

use super::{Exit, Session, out, source::Source};
use crate::{
    clock,
    http::api::Decision,
    runtime::LastDecision,
    store::{DecisionRow, StoredObservation},
};

pub(super) async fn explain(session: Session, product: &str, json: bool) -> Result<Exit> {
    let config = match session.load_for_reading(json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if let Some(exit) = super::unknown_product(&config, Some(product)) {
        return Ok(exit);
    }
    let last = match Source::find(&config, &session.environment).await? {
        Source::Keeper(keeper) => {
            let told = keeper.product(product).await?.product;
            told.last.map(|last| row(&told.name, &told.chain, &last))
        }
        Source::Store(Some(store)) => store.last_decision(product).await?,
        Source::Store(None) => None,
    };
    match last {
        None if json => out::json(&serde_json::json!({ "product": product, "last": null })),
        None => out::line(&format!("{product}: no decision recorded yet")),
        Some(row) if json => out::json(&row),
        Some(row) => out::lines(&stored_text(&row)),
    }
    Ok(Exit::Done)
}

/// A decision that was just made, as people read it.
pub(super) fn text(product: &str, chain: &str, decision: &LastDecision) -> Vec<String> {
    stored_text(&DecisionRow::new(product, chain, decision, false))
}

/// A decision that a keeper told of, as people read it.
pub(super) fn told(product: &str, chain: &str, decision: &Decision) -> Vec<String> {
    stored_text(&row(product, chain, decision))
}

fn row(product: &str, chain: &str, decision: &Decision) -> DecisionRow {
    DecisionRow {
        product: product.to_owned(),
        chain: chain.to_owned(),
        block_number: decision.head.number,
        block_hash: decision.head.hash.clone(),
        block_timestamp: decision.head.timestamp,
        kind: decision.kind.clone(),
        action: decision.action.clone(),
        urgency: decision.urgency.clone(),
        reason: decision.reason.clone(),
        detail: decision.detail.clone(),
        inputs: serde_json::to_string(&decision.observations).unwrap_or_default(),
        notable: false,
    }
}

/// A decision as people read it: where, what and why, then the inputs.
fn stored_text(row: &DecisionRow) -> Vec<String> {
    let when = clock::text(row.block_timestamp);
    let mut lines = vec![
        format!("{} on {}, block {} at {when}", row.product, row.chain, row.block_number),
        format!("  {}", verdict(row)),
    ];
    if !row.detail.is_empty() && row.detail != row.reason {
        lines.push(format!("  {}", row.detail));
    }
    lines.extend(row.inputs().iter().map(input));
    lines
}

fn verdict(row: &DecisionRow) -> String {
    match (&row.action, &row.urgency) {
        (Some(action), Some(urgency)) => {
            format!("{}: {action} ({urgency}): {}", row.kind, row.reason)
        }
        _ => format!("{}: {}", row.kind, row.reason),
    }
}

fn input(seen: &StoredObservation) -> String {
    let name = match seen.of.as_str() {
        "" => seen.name.clone(),
        of => format!("{} of {of}", seen.name),
    };
    let bounds: Vec<String> = [("min", &seen.min), ("target", &seen.target), ("max", &seen.max)]
        .into_iter()
        .filter_map(|(label, value)| Some(format!("{label} {}", short(value.as_ref()?))))
        .collect();
    let bounds =
        if bounds.is_empty() { String::new() } else { format!("   [{}]", bounds.join(", ")) };
    format!("    {name:<44} {:>12}{bounds}", short(&seen.value))
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
