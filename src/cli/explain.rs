//! `ballast explain PRODUCT`: the last decision with the inputs it used, from the store.

use eyre::Result;

use super::{Exit, Session, out};
use crate::{
    clock,
    config::Secrets,
    runtime::LastDecision,
    store::{DecisionRow, Store, StoredObservation},
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

/// A decision that was just made, as people read it.
pub(super) fn text(product: &str, chain: &str, decision: &LastDecision) -> String {
    stored_text(&DecisionRow::new(product, chain, decision, false))
}

/// A decision as people read it: where, what and why, then the inputs.
fn stored_text(row: &DecisionRow) -> String {
    let when = clock::text(row.block_timestamp);
    let mut lines = vec![
        format!("{} on {}, block {} at {when}", row.product, row.chain, row.block_number),
        format!("  {}", verdict(row)),
    ];
    if !row.detail.is_empty() && row.detail != row.reason {
        lines.push(format!("  {}", row.detail));
    }
    lines.extend(row.inputs().iter().map(input));
    lines.join("\n")
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
