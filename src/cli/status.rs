//! `ballast status`: what every product and chain is doing.

mod show;

use std::time::Duration;

use eyre::Result;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use self::show::show;
use super::{Exit, Session, out, run::stop_signal, source::Source, table::colours};
use crate::{
    config::{Config, Mode},
    http::api::{
        Attempt, BlockMark, Chain, Current, Decision, Health, Observation, Paused, Product, Wallet,
    },
    runtime::Pauses,
    store::{DecisionRow, Pause, Store},
    submission::{TransactionFilter, TransactionRow},
};

/// How `status` is to look.
pub(super) struct Options {
    pub(super) product: Option<String>,
    /// Between two looks; `None`: one look.
    pub(super) watch: Option<Duration>,
    pub(super) json: bool,
}

/// What is told.
#[derive(Debug, Serialize)]
struct Report {
    /// `keeper` or `store`.
    source: &'static str,
    products: Vec<Line>,
    /// Empty without a keeper: a store knows nothing of nodes.
    chains: Vec<Chain>,
}

/// A product as the API tells it; what only a keeper knows is missing without one.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    chain: String,
    strategy: String,
    category: String,
    mode: String,
    dry_run: bool,
    health: Option<Health>,
    trouble: Option<String>,
    paused: Option<Paused>,
    wallet: Option<Wallet>,
    last: Option<Decision>,
    current: Option<Current>,
}

pub(super) async fn status(session: Session, options: Options) -> Result<Exit> {
    let config = match session.load_for_reading(options.json) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if let Some(exit) = super::unknown_product(&config, options.product.as_deref()) {
        return Ok(exit);
    }
    let mut source = Source::find(&config, &session.environment).await?;
    let colours = colours(&session.environment);
    let Some(every) = options.watch else {
        show(&read(&source, &config, &options).await?, &options, colours);
        return Ok(Exit::Done);
    };
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = std::pin::pin!(stop_signal());
    loop {
        tokio::select! {
            biased;
            signal = &mut stop => return signal.map(|_| Exit::Done),
            _ = tick.tick() => {}
        }
        // A keeper that is being restarted is waited for.
        let looked = match source.look_again(&config, &session.environment).await {
            Ok(()) => read(&source, &config, &options).await,
            Err(error) => Err(error),
        };
        match looked {
            Ok(report) => {
                out::clear(colours);
                show(&report, &options, colours);
            }
            Err(error) => out::error(&format!("{error:#}")),
        }
    }
}

async fn read(source: &Source, config: &Config, options: &Options) -> Result<Report> {
    let mut report = match source {
        Source::Keeper(keeper) => {
            let (products, chains) = futures::try_join!(keeper.products(), keeper.chains())?;
            let products = products.products.into_iter().map(Line::of).collect();
            Report { source: "keeper", products, chains: chains.chains }
        }
        Source::Store(store) => Report {
            source: "store",
            products: from_store(store.as_ref(), config).await?,
            chains: Vec::new(),
        },
    };
    if let Some(wanted) = &options.product {
        report.products.retain(|line| line.name == *wanted);
        let chain = report.products.first().map(|line| line.chain.clone());
        report.chains.retain(|found| Some(&found.name) == chain.as_ref());
    }
    Ok(report)
}

impl Line {
    fn of(product: Product) -> Self {
        Self {
            name: product.name,
            chain: product.chain,
            strategy: product.strategy,
            category: product.category,
            mode: product.mode,
            dry_run: product.dry_run,
            health: Some(product.health),
            trouble: product.trouble,
            paused: product.paused,
            wallet: Some(product.wallet),
            last: product.last,
            current: product.current,
        }
    }
}

/// What files and store tell of products that nobody keeps just now.
async fn from_store(store: Option<&Store>, config: &Config) -> Result<Vec<Line>> {
    let pauses = match store {
        Some(store) => Pauses::load(store).await.map(Some)?,
        None => None,
    };
    let mut lines = Vec::with_capacity(config.products.len());
    for product in config.products.values() {
        let pause = pauses.as_ref().and_then(|pauses| pauses.of(&product.name));
        let by_file = product.paused || product.mode == Mode::Paused;
        let (last, current) = match store {
            Some(store) => (
                store.last_decision(&product.name).await?.map(decision),
                open_transaction(store, &product.name).await?.map(current),
            ),
            None => (None, None),
        };
        lines.push(Line {
            name: product.name.clone(),
            chain: product.chain.clone(),
            strategy: product.strategy.clone(),
            category: word(&product.category),
            mode: word(&product.mode),
            dry_run: product.dry_run,
            health: None,
            trouble: None,
            paused: paused(by_file, pause.as_ref()),
            wallet: None,
            last,
            current,
        });
    }
    Ok(lines)
}

async fn open_transaction(store: &Store, product: &str) -> Result<Option<TransactionRow>> {
    let filter = TransactionFilter {
        product: Some(product.to_owned()),
        state: Some("open".to_owned()),
        limit: 1,
        ..TransactionFilter::default()
    };
    Ok(store.journal().transactions(&filter).await?.0.pop())
}

fn paused(by_file: bool, pause: Option<&Pause>) -> Option<Paused> {
    (by_file || pause.is_some()).then(|| Paused {
        by_file,
        by_operator: pause.is_some(),
        who: pause.map(|pause| pause.who.clone()),
        since: pause.map(|pause| pause.since),
        reason: pause.map(|pause| pause.reason.clone()).filter(|reason| !reason.is_empty()),
    })
}

fn decision(row: DecisionRow) -> Decision {
    let observations = row.inputs().into_iter().map(|seen| Observation {
        name: seen.name,
        of: seen.of,
        value: seen.value,
        unit: seen.unit,
        min: seen.min,
        target: seen.target,
        max: seen.max,
        series: false,
    });
    Decision {
        observations: observations.collect(),
        kind: row.kind,
        action: row.action,
        urgency: row.urgency,
        reason: row.reason,
        detail: row.detail,
        head: BlockMark {
            number: row.block_number,
            hash: row.block_hash,
            timestamp: row.block_timestamp,
        },
    }
}

fn current(row: TransactionRow) -> Current {
    let attempts = row.attempts.into_iter().map(|attempt| Attempt {
        hash: attempt.hash,
        kind: attempt.kind,
        call: attempt.call,
        max_fee_per_gas: attempt.max_fee_per_gas,
        max_priority_fee_per_gas: attempt.max_priority_fee_per_gas,
        gas_limit: attempt.gas_limit,
        signed_at_block: attempt.signed_at_block,
        answers: std::collections::BTreeMap::new(),
    });
    Current {
        attempts: attempts.collect(),
        nonce: row.nonce,
        state: row.state,
        action: row.action,
        urgency: row.urgency,
        block: row.block,
    }
}

/// The word of the configuration for a setting.
fn word<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).ok();
    value.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
