//! `ballast gas runway`: what the wallets hold against what they have cost.

use std::path::{Path, PathBuf};

use alloy::{
    primitives::{Address, U256},
    providers::Provider as _,
};
use ballast_chains::amount;
use eyre::{Result, WrapErr as _, eyre};
use futures::future::join_all;
use serde::Serialize;

use crate::{
    cli::{
        Exit, Session,
        keeper::Keeper,
        out,
        table::{Cell, Side, Table, Tone, colours},
    },
    clock,
    config::Config,
    finance::{
        runway::{LEAST_HISTORY, Lasts, Runway, decimal, history, is_ours},
        top_up::{self, Holding, top_up},
    },
    runtime::{Board, wire},
    store::Store,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Only this product
    #[arg(long)]
    product: Option<String>,
    /// Writes a file for the Safe Transaction Builder for each chain whose wallets miss something
    /// and whose file names its `treasury_safe`
    #[arg(long, value_name = "DIR")]
    top_up: Option<PathBuf>,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

/// A wallet as it is told.
#[derive(Debug, Serialize)]
struct Told {
    product: String,
    chain: String,
    wallet: String,
    #[serde(serialize_with = "decimal")]
    balance_wei: U256,
    /// `null` while nothing was booked on a whole day.
    runway: Option<Runway>,
    min_runway_days: u64,
    /// `ok`, `low`, `young` (too short a past to tell) or `unknown`.
    state: &'static str,
    /// What it misses to pay for the dearest month of its past.
    #[serde(serialize_with = "decimal")]
    missing_wei: U256,
}

/// What a wallet holds, from wherever that was read.
struct Held {
    product: String,
    wallet: Address,
    balance: U256,
}

pub(super) async fn runway(session: Session, args: Args) -> Result<Exit> {
    // Keys and endpoints are only needed where no keeper runs, and are resolved then.
    let config = match session.load_for_reading(args.json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if let Some(exit) = crate::cli::unknown_product(&config, args.product.as_deref()) {
        return Ok(exit);
    }
    let path = &config.store.path;
    let store = Store::open_readonly(path).await?;
    let store = store
        .ok_or_else(|| eyre!("there is no store {}: nothing was booked yet", path.display()))?;
    let held = match Keeper::find(&config, &session.environment).await? {
        Some(keeper) => {
            out::note(&format!("balances from the keeper at {}", keeper.url()));
            from_keeper(&keeper).await?
        }
        None => match from_chains(&session, args.json).await? {
            Ok(held) => held,
            Err(exit) => return Ok(exit),
        },
    };
    let now = clock::now();
    let mut all = Vec::new();
    for held in held {
        let wanted = args.product.as_ref().is_none_or(|product| *product == held.product);
        // What others hold is theirs to fill.
        let ours = config.products.get(&held.product).is_some_and(is_ours);
        if wanted && ours {
            all.push(holding(&config, &store, held, now).await?);
        }
    }
    let told: Vec<Told> =
        all.iter().map(|(chain, holding)| tell(&config, chain, holding)).collect();
    if args.json {
        out::json(&told);
    } else {
        table(&told, &config, colours(&session.environment));
    }
    if let Some(dir) = &args.top_up {
        let is_all = args.product.is_none();
        write((dir, is_all), &config, &all, now)?;
    }
    Ok(Exit::Done)
}

async fn holding(
    config: &Config,
    store: &Store,
    held: Held,
    now: u64,
) -> Result<(String, Holding)> {
    let product = config.products.get(&held.product);
    let product = product.ok_or_else(|| eyre!("no product {}", held.product))?;
    let chain = config.chains.get(&product.chain);
    let chain = chain.ok_or_else(|| eyre!("no chain {}", product.chain))?;
    let history = history(store, (&held.product, chain.chain_id), now).await?;
    let holding = Holding {
        product: held.product,
        wallet: held.wallet,
        balance: held.balance,
        least: product.limits.min_balance.unwrap_or_default(),
        history,
    };
    Ok((chain.name.clone(), holding))
}

/// As the keeper read them last; a wallet that was not read yet is left out, and told.
async fn from_keeper(keeper: &Keeper) -> Result<Vec<Held>> {
    let products = keeper.products().await?.products;
    let mut held = Vec::with_capacity(products.len());
    for product in products {
        let wallet = product.wallet.address.parse().ok();
        let balance = product.wallet.balance_wei.and_then(|wei| wei.parse().ok());
        match wallet.zip(balance) {
            Some((wallet, balance)) => held.push(Held { product: product.name, wallet, balance }),
            None => out::note(&format!("{}: its balance is not known yet", product.name)),
        }
    }
    Ok(held)
}

/// At the newest block of each chain.
async fn from_chains(session: &Session, json: bool) -> Result<Result<Vec<Held>, Exit>> {
    let config = match session.load_or_report(json) {
        Ok(config) => config,
        Err(exit) => return Ok(Err(exit)),
    };
    let groups = wire(&config, &session.registry, &session.environment, &Board::default())?;
    let mut held = Vec::new();
    for group in groups {
        let provider = group.pool.provider();
        let asked = group.specs.iter().filter_map(|spec| {
            let Some(wallet) = spec.wallet.address() else {
                out::note(&format!("{}: its wallet is not known here", spec.config.name));
                return None;
            };
            let (provider, product) = (provider.clone(), spec.config.name.clone());
            Some(async move {
                let balance = provider.get_balance(wallet).await;
                let balance = balance.wrap_err_with(|| format!("the balance of {product}"))?;
                Ok(Held { product, wallet, balance })
            })
        });
        let asked: Vec<_> = asked.collect();
        for answer in join_all(asked).await {
            let answer: Result<Held> = answer;
            held.push(answer?);
        }
    }
    held.sort_by(|a, b| a.product.cmp(&b.product));
    Ok(Ok(held))
}

fn tell(config: &Config, chain: &str, of: &Holding) -> Told {
    let limits = config.products.get(&of.product).map(|product| product.limits);
    let least = limits.unwrap_or_default().min_runway_days;
    let runway = of.history.runway(of.balance);
    let state = match &runway {
        None => "unknown",
        Some(runway) if runway.history_days < LEAST_HISTORY => "young",
        Some(runway) if runway.p95_days.is_below(least) => "low",
        Some(_) => "ok",
    };
    Told {
        product: of.product.clone(),
        chain: chain.to_owned(),
        wallet: of.wallet.to_string(),
        balance_wei: of.balance,
        runway,
        min_runway_days: least,
        state,
        missing_wei: of.missing(),
    }
}

const COLUMNS: &[(&str, Side)] = &[
    ("PRODUCT", Side::Left),
    ("CHAIN", Side::Left),
    ("BALANCE", Side::Right),
    ("", Side::Left),
    ("DAYS P50", Side::Right),
    ("DAYS P95", Side::Right),
    ("MEAN DAY", Side::Right),
    ("DEAREST DAY", Side::Right),
    ("HISTORY", Side::Right),
    ("MISSING", Side::Right),
    ("STATE", Side::Left),
];

fn table(told: &[Told], config: &Config, colours: bool) {
    let mut table = Table::new(COLUMNS);
    for one in told {
        let symbol = config.chains.get(&one.chain).map_or("", |chain| chain.native_symbol.as_str());
        let tone = match one.state {
            "ok" => Tone::Good,
            "low" => Tone::Bad,
            _ => Tone::Notable,
        };
        let of =
            |text: fn(&Runway) -> String| one.runway.as_ref().map_or_else(|| "-".to_owned(), text);
        table.row([
            one.product.as_str().into(),
            one.chain.as_str().into(),
            amount::ether(one.balance_wei).into(),
            symbol.into(),
            of(|runway| Lasts::text(runway.p50_days)).into(),
            of(|runway| Lasts::text(runway.p95_days)).into(),
            of(|runway| amount::ether(runway.mean_day_wei)).into(),
            of(|runway| amount::ether(runway.dearest_day_wei)).into(),
            of(|runway| format!("{} d", runway.history_days)).into(),
            amount::ether(one.missing_wei).into(),
            Cell::toned(one.state, tone),
        ]);
    }
    if table.is_empty() {
        out::line("no wallet here is for us to fill: none signs, and none is external");
        return;
    }
    out::table(&table, colours);
    out::line(
        "Days: how long the balance would have lasted from each day of the last year on; p50 is the middle, \
         p95 what 95 of 100 reach. Missing: to pay for the dearest 30 days of that year above min_balance.",
    );
}

/// One file for each chain that names its Safe and whose wallets miss something. An older one goes
/// where they do not: nobody is to sign it a second time.
fn write(
    (dir, is_all): (&Path, bool),
    config: &Config,
    all: &[(String, Holding)],
    now: u64,
) -> Result<()> {
    std::fs::create_dir_all(dir).wrap_err_with(|| format!("making {}", dir.display()))?;
    for (name, chain) in &config.chains {
        let of_chain = all.iter().filter(|(of, _)| of == name);
        let holdings: Vec<Holding> = of_chain.map(|(_, holding)| holding.clone()).collect();
        if holdings.is_empty() && !is_all {
            // It was not asked for.
            continue;
        }
        let path = top_up::path(dir, name);
        let short = holdings.iter().any(|holding| !holding.missing().is_zero());
        let safe = config.finance.treasury_safes.get(name);
        let batch = safe.and_then(|safe| top_up((name, chain.chain_id), *safe, &holdings, now));
        let (Some(safe), Some(batch)) = (safe, batch) else {
            if safe.is_some() {
                out::note(&format!("{name}: no wallet misses anything"));
            } else if short {
                out::note(&format!("chains/{name}.toml names no treasury_safe: no top-up for it"));
            }
            let is_gone = top_up::remove(&path);
            if is_gone.wrap_err_with(|| format!("removing the old {}", path.display()))? {
                out::note(&format!("{name}: removed the old {}", path.display()));
            }
            continue;
        };
        top_up::write(&path, &batch).wrap_err_with(|| format!("writing {}", path.display()))?;
        out::note(&format!(
            "{name}: {} transfers for {safe} in {}",
            batch.calls.len(),
            path.display()
        ));
    }
    Ok(())
}
