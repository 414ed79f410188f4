//! `ballast tx`: every nonce that the keeper used, what for, and what it cost; one of them with all
//! that is known of it; and orders about what is pending, which only a running keeper can carry out.

use std::fmt::Write as _;

use ballast_chains::amount;
use eyre::{Result, bail};

use super::{
    Exit, Session,
    keeper::Keeper,
    out,
    source::{Source, nobody_at},
    table::{Cell, Side, Table, Tone, colours, span},
};
use crate::{
    clock,
    config::Config,
    http::api::{Lives, PauseOrder, Transaction, TransactionLife, Transactions},
    submission::{LifeOf, TransactionFilter},
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
    out::table(&table, colours(&session.environment));
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

/// The whole life of what is meant.
pub(super) async fn show(
    session: Session,
    which: &LifeOf,
    product: Option<&str>,
    json: bool,
) -> Result<Exit> {
    let config = match session.load_for_reading(json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let name = match which {
        LifeOf::Nonce(nonce) => nonce.to_string(),
        LifeOf::Hash(hash) => hash.clone(),
    };
    let found = match Source::find(&config, &session.environment).await? {
        Source::Keeper(keeper) => keeper.lives(&name, product).await?,
        Source::Store(Some(store)) => Lives { lives: store.journal().lives(which, product).await? },
        Source::Store(None) => Lives { lives: Vec::new() },
    };
    if found.lives.is_empty() {
        bail!("the journal has no transaction {name}");
    }
    if json {
        out::json(&found);
        return Ok(Exit::Done);
    }
    for (index, life) in found.lives.iter().enumerate() {
        if index > 0 {
            out::line("");
        }
        out::lines(&told(life, &config));
    }
    if found.lives.len() > 1 {
        out::note(&format!("nonce {name} is of several wallets; --product shows one"));
    }
    Ok(Exit::Done)
}

fn told(life: &TransactionLife, config: &Config) -> Vec<String> {
    let of = &life.transaction;
    let symbol = config.chains.get(of.chain.split('/').next().unwrap_or_default());
    let symbol = symbol.map_or("", |chain| chain.native_symbol.as_str());
    let action = if of.action.is_empty() {
        "somebody else's transaction".to_owned()
    } else {
        format!("{} ({})", of.action, of.urgency)
    };
    let mut lines = vec![
        format!("{} on {}, nonce {} of {}", of.product, of.chain, of.nonce, of.wallet),
        format!("  {action}: {}, {}", of.state, of.hash),
    ];
    if let (Some(block), Some(hash)) = (of.block, &life.block_hash) {
        let mut line = format!("  in block {block} ({hash})");
        if let (Some(gas), Some(price)) = (of.gas_used, &of.effective_gas_price) {
            _ = write!(line, ", {gas} gas at {} gwei", gwei(price));
        }
        if let Some(cost) = &of.cost_wei {
            _ = write!(line, ", cost {}", out::coins(cost, symbol));
        }
        let parts = [("L1 data", &of.l1_fee_wei), ("operator", &of.operator_fee_wei)];
        for (name, wei) in parts {
            if let Some(wei) = wei {
                _ = write!(line, ", of it {name} fee {}", out::coins(wei, symbol));
            }
        }
        lines.push(line);
    }
    if let Some(effect) = life.postcondition.as_deref().filter(|effect| *effect != "unknown") {
        lines.push(format!("  its effect: {effect}"));
    }
    for attempt in &of.attempts {
        lines.push(format!(
            "  {} of {} ({}): {}",
            attempt.kind, attempt.action, attempt.call, attempt.hash
        ));
        lines.push(format!(
            "    signed at block {}, up to {} gwei per gas, tip {}, gas limit {}",
            attempt.signed_at_block,
            gwei(&attempt.max_fee_per_gas),
            gwei(&attempt.max_priority_fee_per_gas),
            attempt.gas_limit
        ));
        for answer in life.answers.iter().filter(|answer| answer.hash == attempt.hash) {
            let (endpoint, verdict, detail) = (&answer.endpoint, &answer.verdict, &answer.detail);
            lines.push(format!("    {endpoint} at block {}: {verdict}: {detail}", answer.block));
        }
    }
    lines.push("  events".to_owned());
    for event in &life.events {
        let block = event.block.map_or_else(String::new, |block| format!(" at block {block}"));
        let hash = event.hash.as_deref().map_or_else(String::new, |hash| format!(" {hash}"));
        let detail = if event.detail.is_empty() { "" } else { ": " };
        lines.push(format!(
            "    {:>3} {} {}{block}{hash}{detail}{}",
            event.number,
            clock::text(event.at),
            event.kind,
            event.detail
        ));
    }
    lines
}

/// Wei per gas, as decimal text, in gwei; what is no number is shown as it is.
fn gwei(wei: &str) -> String {
    wei.parse::<u128>().map_or_else(|_| wei.to_owned(), amount::gwei)
}

/// An order about what a product has pending.
#[derive(Debug, clap::Args)]
pub(super) struct OrderArgs {
    /// The product
    product: String,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who orders it; by default the user's name
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

/// Only the keeper that runs has the lane and the key: without one there is nobody to order.
pub(super) async fn order(session: Session, order: &str, args: OrderArgs) -> Result<Exit> {
    let config = match session.load_for_reading(args.json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if let Some(exit) = super::unknown_product(&config, Some(&args.product)) {
        return Ok(exit);
    }
    let Some(keeper) = Keeper::find(&config, &session.environment).await? else {
        let nobody = nobody_at(&config);
        bail!("{nobody}: only the keeper that runs can sign; start it with `ballast run`");
    };
    out::note(&format!("through the keeper at {}", keeper.url()));
    let user = session.environment.get("USER").ok().flatten().filter(|user| !user.is_empty());
    let body = PauseOrder { reason: args.reason, who: args.who.or(user.map(str::to_owned)) };
    let answer = keeper.order_pending(order, &args.product, &body).await?;
    let exit = if answer.done { Exit::Done } else { Exit::Failed };
    if args.json {
        out::json(&answer);
        return Ok(exit);
    }
    let word = if answer.done { "done" } else { "not done" };
    out::line(&format!("{}: {word}: {}", answer.product, answer.what));
    if let Some(note) = &answer.note {
        out::line(&format!("  {note}"));
    }
    Ok(exit)
}
