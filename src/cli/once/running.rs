//! `ballast once` while a keeper runs: it assesses the newest head once more, and what is sent for
//! it is followed until it is included. Nothing else may sign for its wallets.

use std::{collections::BTreeMap, time::Duration};

use eyre::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

use super::Options;
use crate::{
    cli::{Exit, explain, keeper::Keeper, out},
    config::Config,
    http::api::{AssessAnswer, Health, Product, Transaction},
    submission::{MAX_PAGE, TransactionFilter},
};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Products that the keeper is asked to assess at once.
const AT_ONCE: usize = 16;

pub(super) async fn follow(keeper: &Keeper, config: &Config, options: &Options) -> Result<Exit> {
    out::note(&format!("through the keeper at {}", keeper.url()));
    let deadline = Instant::now().checked_add(options.timeout).unwrap_or_else(Instant::now);
    let mut products = keeper.products().await?.products;
    products.retain(|product| config.products.contains_key(&product.name));
    let soon = Instant::now().checked_add(LOOK_EVERY).unwrap_or(deadline);
    let names: Vec<_> = products.iter().map(|kept| (kept.name.clone(), kept.health)).collect();
    let orders = names.into_iter().map(|(name, health)| {
        // Nobody answers for one that was given up, and waiting does not help it.
        let is_halted = health == Health::Halted;
        assess(keeper, name, options.dry_run, if is_halted { soon } else { deadline })
    });
    let answers: Vec<AssessAnswer> = stream::iter(orders).buffered(AT_ONCE).try_collect().await?;
    let mut sent: BTreeMap<String, u64> = BTreeMap::new();
    if !options.dry_run {
        let waiting = answers.iter().filter_map(|answer| {
            let current = answer.current.as_ref().filter(|current| current.block.is_none())?;
            Some((answer.product.clone(), current.nonce))
        });
        sent.extend(waiting);
        products = included(keeper, &sent, deadline).await?.unwrap_or(products);
    }
    let mut exit = Exit::Done;
    let mut values = Vec::new();
    for (name, product) in &config.products {
        if !products.iter().any(|kept| kept.name == *name) {
            exit = Exit::Failed;
            values.push(not_kept(name, &product.chain, options.json));
        }
    }
    for answer in &answers {
        let Some(product) = products.iter().find(|product| product.name == answer.product) else {
            continue;
        };
        let followed = sent.get(&product.name).copied();
        let transaction = match followed {
            Some(nonce) => of_nonce(keeper, product, nonce).await?,
            None => None,
        };
        let outcome = Outcome::of(answer, product, followed, transaction.as_ref());
        exit = graver(exit, outcome.exit());
        values.push(told(answer, product, transaction, &outcome, options.json));
    }
    if options.json {
        out::json(&values);
    }
    Ok(exit)
}

/// One new assessment. A keeper that is only starting, or whose chain gives no head, is asked again
/// until the time is up.
async fn assess(
    keeper: &Keeper,
    product: String,
    dry_run: bool,
    deadline: Instant,
) -> Result<AssessAnswer> {
    let mut why = "no assessment in time".to_owned();
    loop {
        let Ok(answer) = timeout_at(deadline, keeper.assess(&product, dry_run)).await else {
            break;
        };
        let answer = answer?;
        let Some(because) = &answer.why else { return Ok(answer) };
        why.clone_from(because);
        if timeout_at(deadline, sleep(LOOK_EVERY)).await.is_err() {
            break;
        }
    }
    Ok(AssessAnswer { product, decision: None, why: Some(why), current: None })
}

/// Looks until all that was sent is included, or the time is up; gives the last look, if anything
/// had to be looked for.
async fn included(
    keeper: &Keeper,
    sent: &BTreeMap<String, u64>,
    deadline: Instant,
) -> Result<Option<Vec<Product>>> {
    if sent.is_empty() {
        return Ok(None);
    }
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let products = keeper.products().await?.products;
        let waits = |product: &Product| {
            let nonce = sent.get(&product.name);
            nonce.is_some() && waiting(product) == nonce.copied()
        };
        if !products.iter().any(waits) || Instant::now() >= deadline {
            return Ok(Some(products));
        }
    }
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
    fn of(
        answer: &AssessAnswer,
        product: &Product,
        followed: Option<u64>,
        transaction: Option<&Transaction>,
    ) -> Self {
        let open = |found: &Transaction| found.outcome.is_none() && found.block.is_none();
        let pending = match transaction {
            Some(found) => open(found),
            None => followed.is_some() && waiting(product) == followed,
        };
        let error = answer.decision.as_ref().filter(|decided| decided.kind == "error");
        let failed = transaction
            .and_then(lost)
            .or_else(|| error.map(|decided| format!("{}: {}", decided.reason, decided.detail)))
            .or_else(|| answer.why.clone());
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

/// How a transaction went wrong, if it did. It is judged when it is included, as without a keeper:
/// its outcome is only written once it is final.
fn lost(found: &Transaction) -> Option<String> {
    let included = found.attempts.iter().find(|attempt| attempt.hash == found.hash);
    let cancelled = included.is_some_and(|attempt| attempt.kind == "cancellation");
    let word = match (found.outcome.as_deref(), found.succeeded) {
        (Some("confirmed"), _) => return None,
        (Some(outcome), _) => outcome,
        (None, Some(_)) if cancelled => "cancelled",
        (None, Some(false)) => "reverted",
        (None, Some(true) | None) => return None,
    };
    Some(format!("{} at nonce {} was {word}", found.action, found.nonce))
}

/// A product that was configured after the keeper started.
fn not_kept(product: &str, chain: &str, as_json: bool) -> Value {
    let why = "the running keeper does not keep it; restart it";
    if !as_json {
        out::line(&format!("{product}: not assessed"));
        out::line(&format!("  failed: {why}"));
    }
    json!({
        "product": product, "chain": chain, "decision": null,
        "transaction": null, "failed": why, "pending": false,
    })
}

fn told(
    answer: &AssessAnswer,
    product: &Product,
    transaction: Option<Transaction>,
    outcome: &Outcome,
    as_json: bool,
) -> Value {
    if !as_json {
        match &answer.decision {
            Some(decided) => out::lines(&explain::told(&product.name, &product.chain, decided)),
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
        "product": product.name, "chain": product.chain, "decision": answer.decision,
        "transaction": transaction, "failed": outcome.failed, "pending": outcome.pending,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(kind: &str, succeeded: Option<bool>, outcome: Option<&str>) -> Transaction {
        let attempt = json!({
            "hash": "0x01", "kind": kind, "action": "rebalance", "call": "a",
            "max_fee_per_gas": "2", "max_priority_fee_per_gas": "1", "gas_limit": 1,
            "signed_at_block": 7,
        });
        let value = json!({
            "product": "p", "chain": "c", "chain_id": 1, "wallet": "0x02", "nonce": 4,
            "state": outcome.unwrap_or("included"), "outcome": outcome, "action": "rebalance",
            "urgency": "normal", "hash": "0x01", "block": succeeded.map(|_| 8),
            "succeeded": succeeded, "gas_used": null, "effective_gas_price": null,
            "cost_wei": null, "created_at": 1, "attempts": [attempt],
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_transaction_is_judged_by_its_inclusion_before_it_is_final() {
        for (kind, succeeded, outcome, expected) in [
            ("original", None, None, None),
            ("original", Some(true), None, None),
            ("replacement", Some(true), Some("confirmed"), None),
            ("original", Some(false), None, Some("reverted")),
            ("cancellation", Some(true), None, Some("cancelled")),
            ("cancellation", Some(true), Some("cancelled"), Some("cancelled")),
            ("original", None, Some("superseded"), Some("superseded")),
        ] {
            let expected = expected.map(|word| format!("rebalance at nonce 4 was {word}"));
            assert_eq!(lost(&transaction(kind, succeeded, outcome)), expected, "{kind}");
        }
    }
}
