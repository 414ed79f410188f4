//! `ballast check`: every problem at once, before anything depends on it.

mod feeds;
mod stress;

use std::{sync::Arc, time::Duration};

use alloy::primitives::{Address, U256};
use ballast_chains::{
    BlockReader, Head, amount,
    driver::{Job, Outcome, drive},
    heads,
    pool::EndpointState,
};
use ballast_strategy_api::{Assessment, Decision, Doubt, DynStrategy, decision::CALLER_PERMITTED};
use eyre::Result;
use serde::Serialize;
use tokio::time::timeout;

use self::feeds::{check_extra_fees, check_feeds};
use super::{Exit, Session, out};
use crate::{
    clock,
    config::Secrets,
    runtime::{Board, Brought, FEED_CALLER, Group, ProductSpec, TurnResult, wire},
    store::Store,
};

/// How long one chain's nodes may take for everything asked here.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// One thing that is not as it should be.
#[derive(Debug, Serialize)]
struct Finding {
    severity: Severity,
    /// `chain NAME` or `product NAME`.
    subject: String,
    problem: String,
}

/// What stands on the chains.
#[derive(Debug, Default)]
struct Report {
    findings: Vec<Finding>,
    recognised: Vec<Recognised>,
}

/// What a product turned out to be.
#[derive(Debug, Serialize)]
struct Recognised {
    product: String,
    description: String,
}

/// Whether a keeper could work with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Error,
    Warning,
}

pub(super) async fn check(session: Session, offline: bool, json: bool) -> Result<Exit> {
    let secrets = if offline { Secrets::Skip } else { Secrets::Resolve };
    let config = match session.load(secrets) {
        Ok(config) => config,
        Err(problems) => {
            out::problems(&problems, json);
            return Ok(Exit::BadConfig);
        }
    };
    let mut report = Report::default();
    if !offline {
        let groups = wire(&config, &session.registry, &session.environment, &Board::default())?;
        // What the past tells is worth having; without it the files alone are held against each other.
        let store = Store::open_readonly(&config.store.path).await.ok().flatten();
        for group in groups {
            check_group(group, store.as_ref(), &mut report).await;
        }
    }
    let Report { findings, mut recognised } = report;
    recognised.sort_by(|a, b| a.product.cmp(&b.product));
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    if json {
        out::json(&serde_json::json!({
            "ok": errors == 0, "chains": config.chains.len(),
            "products": config.products.len(), "offline": offline,
            "recognised": recognised, "findings": findings,
        }));
    } else {
        for Recognised { product, description } in &recognised {
            out::line(&format!("product {product}: {description}"));
        }
        for finding in &findings {
            let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
            out::line(&format!("{severity}: {}: {}", finding.subject, finding.problem));
        }
        let scope = if offline { "files" } else { "files, chains and products" };
        out::line(&format!(
            "{scope} checked: {} chains, {} products, {errors} errors, {} warnings",
            config.chains.len(),
            config.products.len(),
            findings.len().saturating_sub(errors)
        ));
    }
    Ok(if errors == 0 { Exit::Done } else { Exit::Findings })
}

async fn check_group(group: Group, store: Option<&Store>, report: &mut Report) {
    let subject = format!("chain {}", group.profile.name);
    let findings = &mut report.findings;
    if timeout(ANSWER_WITHIN, group.pool.probe_all()).await.is_err() {
        findings.push(warning(&subject, "some endpoints took too long to be probed".into()));
    }
    for endpoint in group.pool.health() {
        if endpoint.state != EndpointState::Fit {
            let why = endpoint.last_error.map(|e| format!(": {e}")).unwrap_or_default();
            let text = format!("endpoint {} is {}{why}", endpoint.label, endpoint.state.as_str());
            findings.push(warning(&subject, text));
        }
    }
    let head = match timeout(ANSWER_WITHIN, heads::newest(&group.pool.provider())).await {
        Ok(Ok(head)) => head,
        Ok(Err(cause)) => {
            let text = format!("no newest block: {}", crate::error_chain(&cause));
            findings.push(error(&subject, text));
            return;
        }
        Err(_) => {
            findings.push(error(&subject, "no endpoint gave its newest block in time".into()));
            return;
        }
    };
    let age = clock::age_of(head.timestamp);
    if age > group.profile.stale_after {
        let text = format!(
            "the newest block is {} s old, more than stale_after = {} s",
            age.as_secs(),
            group.profile.stale_after.as_secs()
        );
        findings.push(error(&subject, text));
    }
    let feeds = check_feeds(&group, store, head).await;
    report.findings.extend(feeds);
    report.findings.extend(check_extra_fees(&group, head).await);
    check_products(group, head, report).await;
}

async fn check_products(mut group: Group, head: Head, report: &mut Report) {
    let Report { findings, recognised } = report;
    // A signer that cannot be had is one product's trouble; what can be read is read all the same.
    let wallets = futures::future::join_all(group.specs.iter().map(|spec| spec.wallet.get())).await;
    for (spec, wallet) in group.specs.iter().zip(wallets) {
        let subject = format!("product {}", spec.config.name);
        findings.extend(wallet.err().map(|why| error(&subject, crate::error_chain(&why))));
    }
    let limit = group.profile.assess_timeout.max(ANSWER_WITHIN);
    let jobs: Vec<_> = group
        .seats
        .iter_mut()
        .enumerate()
        .filter_map(|(key, seat)| {
            let caller = seat.caller()?;
            let (_, run) = seat.begin(&head);
            Some(Job { key, caller, timeout: limit, run })
        })
        .collect();
    let mut connected = Vec::new();
    let names: Vec<String> = group.specs.iter().map(|s| s.config.name.to_string()).collect();
    drive(&group.source, head, jobs, |key, outcome| {
        let Some(product) = names.get(key) else { return };
        let subject = &format!("product {product}");
        match outcome {
            Outcome::Done(Brought::Feeds(_)) => {}
            Outcome::Done(Brought::Turn(TurnResult { strategy, assessed, .. })) => {
                if let Some(strategy) = strategy {
                    let (product, description) = (product.clone(), strategy.describe());
                    recognised.push(Recognised { product, description });
                    connected.push((key, strategy));
                }
                match assessed {
                    Ok(assessment) => findings.extend(check_assessment(subject, &assessment)),
                    Err(cause) => findings.push(error(subject, crate::error_chain(&cause))),
                }
            }
            Outcome::Panicked(text) => {
                findings.push(error(subject, format!("assessment panicked: {text}")));
            }
            Outcome::TimedOut => findings.push(error(subject, "assessment timed out".to_owned())),
        }
    })
    .await;
    for (key, strategy) in connected {
        if let Some(spec) = group.specs.get(key) {
            findings.extend(audit(&group, head, spec, strategy).await);
        }
    }
    check_wallets(&group, head, findings).await;
}

/// What every wallet holds, and whether it is a plain account.
async fn check_wallets(group: &Group, head: Head, findings: &mut Vec<Finding>) {
    for spec in &group.specs {
        let subject = format!("product {}", spec.config.name);
        let Some(wallet) = spec.wallet.address() else { continue };
        let read = group.source.read_at(head, wallet, move |reader: BlockReader| async move {
            futures::join!(reader.balance(wallet), reader.code(wallet))
        });
        let (balance, code) = read.await;
        match balance {
            Ok(balance) => findings.extend(check_balance(&subject, spec, wallet, balance)),
            Err(cause) => findings.push(error(&subject, format!("wallet balance: {cause}"))),
        }
        if code.is_ok_and(|code| !code.is_empty()) {
            let text = format!(
                "wallet {wallet} has code (an EIP-7702 delegation?): a reward paid to it may revert"
            );
            findings.push(warning(&subject, text));
        }
    }
}

/// What the strategy itself has to say about the product.
async fn audit(
    group: &Group,
    head: Head,
    spec: &ProductSpec,
    strategy: Arc<dyn DynStrategy>,
) -> Vec<Finding> {
    let subject = format!("product {}", spec.config.name);
    let caller = spec.wallet.address().unwrap_or(FEED_CALLER);
    let read = group.source.read_at(head, caller, move |reader: BlockReader| async move {
        strategy.audit(&reader).await
    });
    let Ok(doubts) = timeout(ANSWER_WITHIN, read).await else {
        return vec![warning(&subject, "its wiring took too long to be read".to_owned())];
    };
    let found = doubts.into_iter().map(|Doubt { is_error, text }| match is_error {
        true => error(&subject, text),
        false => warning(&subject, text),
    });
    found.collect()
}

fn check_assessment(subject: &str, assessment: &Assessment) -> Vec<Finding> {
    let mut findings = Vec::new();
    let permitted = assessment.observations.iter().find(|seen| seen.name == CALLER_PERMITTED);
    if permitted.is_some_and(|seen| seen.value.is_zero()) {
        findings.push(error(subject, "its wallet is not permitted to call".to_owned()));
    }
    if let Decision::Blocked { reason, detail } = &assessment.decision {
        let text = format!("blocked: {reason} {detail}");
        findings.push(warning(subject, text.trim().to_owned()));
    }
    findings
}

fn check_balance(
    subject: &str,
    spec: &ProductSpec,
    wallet: Address,
    balance: U256,
) -> Option<Finding> {
    if !spec.wallet.can_sign() {
        return None;
    }
    let least = spec.config.limits.min_balance.unwrap_or_default();
    if balance.is_zero() || balance < least {
        let text = format!(
            "wallet {} holds {} {}, min_balance is {}",
            wallet,
            amount::ether(balance),
            spec.profile.native_symbol,
            amount::ether(least)
        );
        return Some(error(subject, text));
    }
    None
}

fn error(subject: &str, problem: String) -> Finding {
    Finding { severity: Severity::Error, subject: subject.to_owned(), problem }
}

fn warning(subject: &str, problem: String) -> Finding {
    Finding { severity: Severity::Warning, subject: subject.to_owned(), problem }
}
