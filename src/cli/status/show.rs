//! What `ballast status` prints.

use super::{Line, Options, Report};
use crate::{
    cli::{
        explain, out,
        table::{Cell, Side, Table, Tone, span},
    },
    clock,
    http::api::{Chain, Health, Paused, Wallet},
};

pub(super) fn show(report: &Report, options: &Options, colours: bool) {
    if options.json {
        // While watching, one line for each look.
        return if options.watch.is_some() { out::json_line(report) } else { out::json(report) };
    }
    let now = clock::now();
    let symbol = |chain: &str| {
        let chain = report.chains.iter().find(|found| found.name == chain);
        chain.map_or("", |chain| chain.native_symbol.as_str())
    };
    let mut products = Table::new(PRODUCTS);
    for line in &report.products {
        products.row(product_cells(line, symbol(&line.chain), now));
    }
    out::lines(&products.lines(colours));
    let mut chains = Table::new(CHAINS);
    for chain in &report.chains {
        chains.row(chain_cells(chain));
    }
    if !chains.is_empty() {
        out::line("");
        out::lines(&chains.lines(colours));
    }
    if options.product.is_some() {
        for line in &report.products {
            out::line("");
            out::lines(&details(line, now));
        }
    }
}

const PRODUCTS: &[(&str, Side)] = &[
    ("PRODUCT", Side::Left),
    ("CHAIN", Side::Left),
    ("STATE", Side::Left),
    ("LAST DECISION", Side::Left),
    ("AGE", Side::Right),
    ("UNDER WAY", Side::Left),
    ("BALANCE", Side::Right),
];

fn product_cells(line: &Line, symbol: &str, now: u64) -> Vec<Cell> {
    let (decided, age) = match &line.last {
        None => ("none yet".to_owned(), "-".to_owned()),
        Some(last) => {
            let what = last.action.as_ref().map(|action| format!(" {action}")).unwrap_or_default();
            let age = span(now.saturating_sub(last.head.timestamp));
            (format!("{}{what}: {}", last.kind, last.reason), age)
        }
    };
    let under_way = line.current.as_ref().map_or_else(
        || "-".to_owned(),
        |current| format!("{} {} (nonce {})", current.action, current.state, current.nonce),
    );
    vec![
        line.name.as_str().into(),
        line.chain.as_str().into(),
        state(line),
        decided.into(),
        age.into(),
        under_way.into(),
        balance(line.wallet.as_ref(), symbol).into(),
    ]
}

fn state(line: &Line) -> Cell {
    match line.health {
        Some(health) => Cell::toned(health.as_str(), tone(health)),
        None if line.paused.is_some() => Cell::toned("paused", Tone::Notable),
        None => Cell::toned("not kept", Tone::Notable),
    }
}

fn tone(health: Health) -> Tone {
    match health {
        Health::Ok | Health::Acting => Tone::Good,
        Health::Waiting | Health::Paused => Tone::Notable,
        Health::Halted | Health::Error | Health::Blocked => Tone::Bad,
    }
}

/// Exact, as everywhere.
fn balance(wallet: Option<&Wallet>, symbol: &str) -> String {
    match wallet {
        None => "-".to_owned(),
        Some(wallet) if !wallet.can_sign => "watched".to_owned(),
        Some(wallet) => match &wallet.balance_wei {
            Some(wei) => out::coins(wei, symbol),
            None => "not read".to_owned(),
        },
    }
}

const CHAINS: &[(&str, Side)] = &[
    ("CHAIN", Side::Left),
    ("ID", Side::Right),
    ("HEAD", Side::Right),
    ("AGE", Side::Right),
    ("ENDPOINTS", Side::Left),
];

fn chain_cells(chain: &Chain) -> Vec<Cell> {
    let (number, age) = chain.head.as_ref().map_or_else(
        || ("-".to_owned(), "-".to_owned()),
        |head| (head.number.to_string(), span(head.age)),
    );
    let fit = chain.endpoints.iter().filter(|endpoint| endpoint.state == "fit").count();
    let all = chain.endpoints.len();
    let mut nodes = format!("{fit} of {all} fit");
    for endpoint in chain.endpoints.iter().filter(|endpoint| endpoint.state != "fit") {
        let why = endpoint.last_error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        nodes.push_str(&format!("; {} {}{why}", endpoint.label, endpoint.state));
    }
    let tone = if chain.stale { Tone::Bad } else { Tone::Plain };
    let of_nodes = if fit == all { Tone::Plain } else { Tone::Notable };
    vec![
        chain.name.as_str().into(),
        chain.chain_id.to_string().into(),
        number.into(),
        Cell::toned(age, tone),
        Cell::toned(nodes, of_nodes),
    ]
}

/// Everything that the table has no room for.
fn details(line: &Line, now: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |what: &str, text: String| lines.push(format!("{what:<10} {text}"));
    let dry = if line.dry_run { ", dry run" } else { "" };
    say("product", format!("{} ({}, mode {}{dry})", line.name, line.strategy, line.mode));
    if let Some(trouble) = &line.trouble {
        say("trouble", trouble.clone());
    }
    if let Some(paused) = &line.paused {
        say("paused", paused_words(paused, now));
    }
    if let Some(wallet) = &line.wallet {
        let kind = if wallet.can_sign { "signs" } else { "watched only" };
        let at = if wallet.address.is_empty() { "not known yet" } else { &wallet.address };
        say("wallet", format!("{at} ({kind})"));
    }
    for attempt in line.current.iter().flat_map(|current| &current.attempts) {
        say("attempt", format!("{} {} ({})", attempt.hash, attempt.kind, attempt.call));
        for (endpoint, answer) in &attempt.answers {
            say("", format!("{endpoint}: {answer}"));
        }
    }
    if let Some(last) = &line.last {
        lines.push(explain::told(&line.name, &line.chain, last));
    }
    lines
}

fn paused_words(paused: &Paused, now: u64) -> String {
    let mut by = Vec::new();
    if paused.by_file {
        by.push("by its file".to_owned());
    }
    if paused.by_operator {
        let who = paused.who.as_deref().unwrap_or("an operator");
        let since = paused.since.map(|at| format!(" {} ago", span(now.saturating_sub(at))));
        let why = paused.reason.as_ref().map(|why| format!(": {why}"));
        by.push(format!("by {who}{}{}", since.unwrap_or_default(), why.unwrap_or_default()));
    }
    by.join(", ")
}
