//! `ballast once` while a keeper runs: what it decided last, and its transactions followed until
//! they are included. The keeper assesses every block, so asking it for one more would tell no more.

use std::{collections::BTreeMap, time::Duration};

use eyre::Result;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Options;
use crate::{
    cli::{Exit, explain, keeper::Keeper, out},
    config::Config,
    http::api::{Product, Transaction},
    submission::{MAX_PAGE, TransactionFilter},
};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn follow(keeper: &Keeper, config: &Config, options: &Options) -> Result<Exit> {
    out::note(&format!("through the keeper at {}", keeper.url()));
    let deadline = Instant::now().checked_add(options.timeout).unwrap_or_else(Instant::now);
    let mut sent: BTreeMap<String, Option<u64>> = BTreeMap::new();
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let products = loop {
        tick.tick().await;
        let mut products = keeper.products().await?.products;
        products.retain(|product| config.products.contains_key(&product.name));
        for product in &products {
            let nonce = waiting(product);
            // The first one only: the keeper may well send more, which nobody asked for.
            if nonce.is_some() {
                sent.entry(product.name.clone()).or_insert(nonce);
            }
        }
        let settled = products.iter().all(|product| {
            let followed = sent.get(&product.name).copied().flatten();
            product.last.is_some() && (followed.is_none() || waiting(product) != followed)
        });
        if settled || Instant::now() >= deadline {
            break products;
        }
    };
    let mut exit = Exit::Done;
    let mut values = Vec::new();
    for product in &products {
        let followed = sent.get(&product.name).copied().flatten();
        let transaction = match followed {
            Some(nonce) => of_nonce(keeper, product, nonce).await?,
            None => None,
        };
        let outcome = Outcome::of(product, followed, transaction.as_ref());
        exit = graver(exit, outcome.exit());
        values.push(told(product, transaction, &outcome, options.json));
    }
    if options.json {
        out::json(&values);
    }
    Ok(exit)
}

/// A failure is graver than what is only late.
fn graver(one: Exit, other: Exit) -> Exit {
    if other == Exit::Done || one == Exit::Failed { one } else { other }
}

/// The nonce that is not included yet.
fn waiting(product: &Product) -> Option<u64> {
    let current = product.current.as_ref().filter(|current| current.block.is_none())?;
    Some(current.nonce)
}

async fn of_nonce(keeper: &Keeper, of: &Product, nonce: u64) -> Result<Option<Transaction>> {
    let filter = TransactionFilter {
        product: Some(of.name.clone()),
        limit: MAX_PAGE,
        ..TransactionFilter::default()
    };
    let page = keeper.transactions(&filter).await?.transactions;
    Ok(page.into_iter().find(|found| {
        found.nonce == nonce && found.wallet.eq_ignore_ascii_case(&of.wallet.address)
    }))
}

/// What became of one product.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    failed: Option<String>,
    pending: bool,
}

impl Outcome {
    fn of(product: &Product, followed: Option<u64>, transaction: Option<&Transaction>) -> Self {
        let pending = followed.is_some() && waiting(product) == followed;
        let last = product.last.as_ref();
        let error = last.filter(|last| last.kind == "error");
        let lost = |state: &str| matches!(state, "reverted" | "superseded");
        let failed = transaction
            .filter(|found| lost(&found.state))
            .map(|found| format!("{} at nonce {} was {}", found.action, found.nonce, found.state))
            .or_else(|| error.map(|last| format!("{}: {}", last.reason, last.detail)))
            .or_else(|| last.is_none().then(|| "not assessed in time".to_owned()));
        Self { failed, pending }
    }

    fn exit(&self) -> Exit {
        match (&self.failed, self.pending) {
            (Some(_), _) => Exit::Failed,
            (None, true) => Exit::NotIncluded,
            (None, false) => Exit::Done,
        }
    }
}

fn told(
    product: &Product,
    transaction: Option<Transaction>,
    outcome: &Outcome,
    as_json: bool,
) -> Value {
    if !as_json {
        match &product.last {
            Some(last) => out::line(&explain::told(&product.name, &product.chain, last)),
            None => out::line(&format!("{}: not assessed", product.name)),
        }
        if let Some(found) = &transaction {
            let block = found.block.map(|block| format!(" in block {block}")).unwrap_or_default();
            out::line(&format!("  {} {}{block}: {}", found.action, found.state, found.hash));
        }
        if let Some(why) = &outcome.failed {
            out::line(&format!("  failed: {why}"));
        }
        if outcome.pending {
            out::line("  not included in time; the keeper goes on with it");
        }
    }
    json!({
        "product": product.name, "chain": product.chain, "decision": product.last,
        "transaction": transaction, "failed": outcome.failed, "pending": outcome.pending,
    })
}
