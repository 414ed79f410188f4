//! `ballast check`: every problem at once, before anything depends on it.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use ballast_chains::{
    BlockReader, Head, amount,
    driver::{Job, Outcome, drive},
    heads,
    pool::EndpointState,
};
use ballast_strategy_api::{Assessment, Decision, decision::CALLER_PERMITTED};
use eyre::Result;
use serde::Serialize;
use tokio::time::timeout;

use super::{Exit, Session, out};
use crate::{
    clock,
    config::Secrets,
    runtime::{Board, Group, TurnResult, wire},
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
    let mut findings = Vec::new();
    if !offline {
        let groups = wire(&config, &session.registry, &session.environment, &Board::default())?;
        for group in groups {
            findings.extend(check_group(group).await);
        }
    }
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    if json {
        out::json(&serde_json::json!({
            "ok": errors == 0, "chains": config.chains.len(),
            "products": config.products.len(), "offline": offline, "findings": findings,
        }));
    } else {
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

async fn check_group(group: Group) -> Vec<Finding> {
    let subject = format!("chain {}", group.profile.name);
    let mut findings = Vec::new();
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
            return findings;
        }
        Err(_) => {
            findings.push(error(&subject, "no endpoint gave its newest block in time".into()));
            return findings;
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
    findings.extend(check_products(group, head).await);
    findings
}

async fn check_products(mut group: Group, head: Head) -> Vec<Finding> {
    let mut findings = Vec::new();
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
    let names: Vec<String> =
        group.specs.iter().map(|spec| format!("product {}", spec.config.name)).collect();
    drive(&group.source, head, jobs, |key, outcome| {
        let Some(subject) = names.get(key) else { return };
        match outcome {
            Outcome::Done(TurnResult { assessed: Ok(assessment), .. }) => {
                findings.extend(check_assessment(subject, &assessment));
            }
            Outcome::Done(TurnResult { assessed: Err(cause), .. }) => {
                findings.push(error(subject, crate::error_chain(&cause)));
            }
            Outcome::Panicked(text) => {
                findings.push(error(subject, format!("assessment panicked: {text}")));
            }
            Outcome::TimedOut => findings.push(error(subject, "assessment timed out".to_owned())),
        }
    })
    .await;
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
    findings
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
    spec: &crate::runtime::ProductSpec,
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
