//! `ballast tx list`: every nonce that the keeper used, what for, and what it cost.

use eyre::Result;

use super::{
    Exit, Session, out,
    source::Source,
    table::{Cell, Side, Table, Tone, colours, span},
};
use crate::{
    clock,
    config::Config,
    http::api::{Transaction, Transactions},
    submission::TransactionFilter,
};

pub(super) async fn list(session: Session, filter: TransactionFilter, json: bool) -> Result<Exit> {
    let config = match session.load_for_reading(json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    // No check of the names: the journal remembers products that have no file any more.
    let found = match Source::find(&config, &session.environment).await? {
        Source::Keeper(keeper) => keeper.transactions(&filter).await?,
        Source::Store(Some(store)) => {
            let (transactions, next) = store.journal().transactions(&filter).await?;
            Transactions { transactions, next: next.map(|next| next.to_string()) }
        }
        Source::Store(None) => Transactions { transactions: Vec::new(), next: None },
    };
    if json {
        out::json(&found);
        return Ok(Exit::Done);
    }
    let mut table = Table::new(COLUMNS);
    let now = clock::now();
    for transaction in &found.transactions {
        table.row(cells(transaction, &config, now));
    }
    if table.is_empty() {
        out::line("no transactions");
        return Ok(Exit::Done);
    }
    out::lines(&table.lines(colours(&session.environment)));
    if found.next.is_some() {
        out::line(&format!("the newest {}; --limit shows more", found.transactions.len()));
    }
    Ok(Exit::Done)
}

const COLUMNS: &[(&str, Side)] = &[
    ("AGE", Side::Right),
    ("PRODUCT", Side::Left),
    ("CHAIN", Side::Left),
    ("NONCE", Side::Right),
    ("STATE", Side::Left),
    ("ACTION", Side::Left),
    ("URGENCY", Side::Left),
    ("TRIES", Side::Right),
    ("COST", Side::Right),
    ("HASH", Side::Left),
];

fn cells(of: &Transaction, config: &Config, now: u64) -> Vec<Cell> {
    let chain = config.chains.get(of.chain.split('/').next().unwrap_or_default());
    let symbol = chain.map_or("", |chain| chain.native_symbol.as_str());
    let tone = match of.state.as_str() {
        "confirmed" => Tone::Good,
        "reverted" | "superseded" => Tone::Bad,
        "cancelled" | "signed" | "pending" => Tone::Notable,
        _ => Tone::Plain,
    };
    let cost = of.cost_wei.as_ref();
    vec![
        span(now.saturating_sub(of.created_at)).into(),
        of.product.as_str().into(),
        of.chain.as_str().into(),
        of.nonce.to_string().into(),
        Cell::toned(of.state.as_str(), tone),
        of.action.as_str().into(),
        of.urgency.as_str().into(),
        of.attempts.len().to_string().into(),
        cost.map_or_else(|| "-".to_owned(), |wei| out::coins(wei, symbol)).into(),
        of.hash.as_str().into(),
    ]
}
