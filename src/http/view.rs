//! From what the keeper knows to what the API says. Pure; the handlers bring the parts.

use std::collections::BTreeMap;

use alloy::primitives::U256;
use ballast_chains::{ChainProfile, pool::Pool};
use ballast_strategy_api::decision::fixed18;

use super::api::{
    Attempt, BlockMark, Chain, ChainHead, Current, Decision, Endpoint, Health, Mark, Observation,
    PastDecision, Paused, Product, Series, Wallet,
};
use crate::{
    clock,
    config::Mode,
    runtime::{ChainStatus, Group, LastDecision, ProductStatus, Recent, WalletHandle},
    store::{DecisionRow, Pause, Resolution, SeriesKey},
    submission::{AttemptSnapshot, SlotSnapshot},
};

/// Most points of one series in one answer.
const MAX_POINTS: usize = 1_000;

/// What does not change while the keeper runs.
#[derive(Debug)]
pub(crate) struct Facts {
    products: BTreeMap<String, ProductFacts>,
    chains: BTreeMap<String, ChainFacts>,
}

/// What is fixed of a product.
#[derive(Debug)]
pub(super) struct ProductFacts {
    pub(super) name: String,
    pub(super) chain: String,
    strategy: String,
    category: String,
    mode: Mode,
    pub(super) paused_by_file: bool,
    dry_run: bool,
    wallet: WalletHandle,
    min_balance: Option<U256>,
}

/// What is fixed of a chain, and its pool, which tells how its nodes are.
#[derive(Debug)]
pub(super) struct ChainFacts {
    name: String,
    chain_id: u64,
    native_symbol: String,
    explorer: Option<String>,
    block_time_ms: u64,
    stale_after: u64,
    pool: Pool,
}

impl Facts {
    pub(crate) fn of(groups: &[Group]) -> Self {
        let specs = groups.iter().flat_map(|group| group.specs.iter());
        let products = specs.map(|spec| {
            let (config, wallet) = (&spec.config, &spec.wallet);
            let facts = ProductFacts {
                name: config.name.clone(),
                chain: spec.profile.name.clone(),
                strategy: config.strategy.clone(),
                category: word(config.category),
                mode: config.mode,
                paused_by_file: config.paused || config.mode == Mode::Paused,
                dry_run: config.dry_run,
                wallet: wallet.clone(),
                min_balance: config.limits.min_balance,
            };
            (config.name.clone(), facts)
        });
        let chains = groups.iter().map(|group| {
            let facts = ChainFacts::of(&group.profile, group.pool.clone());
            (facts.name.clone(), facts)
        });
        Self { products: products.collect(), chains: chains.collect() }
    }

    pub(super) fn product(&self, name: &str) -> Option<&ProductFacts> {
        self.products.get(name)
    }

    pub(super) fn products(&self) -> impl Iterator<Item = &ProductFacts> {
        self.products.values()
    }

    pub(super) fn chains(&self) -> impl Iterator<Item = &ChainFacts> {
        self.chains.values()
    }
}

impl ChainFacts {
    fn of(profile: &ChainProfile, pool: Pool) -> Self {
        Self {
            name: profile.name.clone(),
            chain_id: profile.chain_id,
            native_symbol: profile.native_symbol.clone(),
            explorer: profile.explorer.as_ref().map(ToString::to_string),
            block_time_ms: u64::try_from(profile.block_time.as_millis()).unwrap_or(u64::MAX),
            stale_after: profile.stale_after.as_secs(),
            pool,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Why nothing can be decided on this chain, if so.
    pub(super) fn trouble(&self, status: &ChainStatus) -> Option<String> {
        match status.head {
            None => Some(format!("chain {}: no head yet", self.name)),
            Some(head) => {
                let age = clock::age_of(head.timestamp).as_secs();
                (age > self.stale_after)
                    .then(|| format!("chain {}: newest head is {age} s old", self.name))
            }
        }
    }

    pub(super) fn view(&self, status: &ChainStatus) -> Chain {
        let head = status.head.map(|head| ChainHead {
            number: head.number,
            hash: head.hash.to_string(),
            timestamp: head.timestamp,
            age: clock::age_of(head.timestamp).as_secs(),
            base_fee_per_gas: head.base_fee_per_gas.map(|fee| fee.to_string()),
        });
        let endpoints = self.pool.health().into_iter().map(|health| Endpoint {
            label: health.label,
            state: health.state.as_str().to_owned(),
            head: health.head,
            failures: health.failures,
            last_error: health.last_error,
        });
        Chain {
            name: self.name.clone(),
            chain_id: self.chain_id,
            native_symbol: self.native_symbol.clone(),
            explorer: self.explorer.clone(),
            block_time_ms: self.block_time_ms,
            stale_after: self.stale_after,
            stale: self.trouble(status).is_some(),
            head,
            dispute: self.pool.dispute(),
            endpoints: endpoints.collect(),
        }
    }
}

/// One product, from its facts and what is on the board. `chain_trouble` is why its chain gives no
/// fresh heads.
pub(super) fn product(
    facts: &ProductFacts,
    status: &ProductStatus,
    pause: Option<Pause>,
    chain_trouble: Option<&str>,
) -> Product {
    let paused = paused(facts.paused_by_file, pause);
    let (health, trouble) = health(status, paused.is_some(), chain_trouble);
    Product {
        name: facts.name.clone(),
        chain: facts.chain.clone(),
        strategy: facts.strategy.clone(),
        category: facts.category.clone(),
        mode: word(facts.mode),
        dry_run: facts.dry_run,
        health,
        trouble,
        paused,
        wallet: Wallet {
            address: facts.wallet.address().map(|known| known.to_string()).unwrap_or_default(),
            can_sign: facts.wallet.can_sign(),
            balance_wei: status.balance.map(|balance| balance.wei.to_string()),
            balance_block: status.balance.map(|balance| balance.block),
            min_balance_wei: facts.min_balance.map(|wei| wei.to_string()),
        },
        last: status.last.as_ref().map(decision),
        current: status.current.as_ref().map(current),
        note: None,
    }
}

fn paused(by_file: bool, pause: Option<Pause>) -> Option<Paused> {
    let Some(Pause { who, since, reason }) = pause else {
        let file = Paused { by_file, by_operator: false, who: None, since: None, reason: None };
        return by_file.then_some(file);
    };
    let reason = (!reason.is_empty()).then_some(reason);
    Some(Paused { by_file, by_operator: true, who: Some(who), since: Some(since), reason })
}

/// The gravest thing that applies, and why where the word alone does not tell.
fn health(
    status: &ProductStatus,
    paused: bool,
    chain_trouble: Option<&str>,
) -> (Health, Option<String>) {
    if let Some(why) = &status.halted {
        return (Health::Halted, Some(why.clone()));
    }
    if paused {
        return (Health::Paused, None);
    }
    if let Some(why) = &status.without_wallet {
        return (Health::Error, Some(why.clone()));
    }
    if let Some(trouble) = chain_trouble {
        return (Health::Error, Some(trouble.to_owned()));
    }
    let Some(last) = &status.last else {
        return (Health::Waiting, Some("not looked at yet".to_owned()));
    };
    let why = || if last.detail.is_empty() { &last.reason } else { &last.detail }.clone();
    match last.kind {
        "error" => (Health::Error, Some(why())),
        "blocked" => (Health::Blocked, Some(why())),
        _ if status.current.is_some() => (Health::Acting, None),
        "act" => (Health::Acting, None),
        "wait" => (Health::Ok, None),
        _ => (Health::Waiting, None),
    }
}

pub(super) fn decision(last: &LastDecision) -> Decision {
    let observations = last.observations.iter().map(|seen| Observation {
        name: seen.name.to_owned(),
        of: seen.of.clone(),
        value: fixed18(seen.value),
        unit: word(seen.unit),
        min: seen.min.map(fixed18),
        target: seen.target.map(fixed18),
        max: seen.max.map(fixed18),
        series: seen.series,
    });
    Decision {
        kind: last.kind.to_owned(),
        action: last.action.clone(),
        urgency: last.urgency.map(str::to_owned),
        reason: last.reason.clone(),
        detail: last.detail.clone(),
        head: BlockMark {
            number: last.head.number,
            hash: last.head.hash.to_string(),
            timestamp: last.head.timestamp,
        },
        observations: observations.collect(),
    }
}

pub(super) fn current(slot: &SlotSnapshot) -> Current {
    Current {
        nonce: slot.nonce,
        state: slot.state.to_owned(),
        action: slot.action.clone(),
        urgency: slot.urgency.to_owned(),
        block: slot.included_in,
        attempts: slot.attempts.iter().map(attempt).collect(),
    }
}

fn attempt(attempt: &AttemptSnapshot) -> Attempt {
    let answers = attempt.answers.iter().map(|(endpoint, answer)| {
        (endpoint.clone(), format!("{}: {}", answer.verdict.label(), answer.detail))
    });
    Attempt {
        hash: attempt.hash.clone(),
        kind: attempt.kind.to_owned(),
        call: attempt.call.clone(),
        max_fee_per_gas: attempt.max_fee_per_gas.clone(),
        max_priority_fee_per_gas: attempt.max_priority_fee_per_gas.clone(),
        gas_limit: attempt.gas_limit,
        signed_at_block: attempt.signed_at_block,
        answers: answers.collect(),
    }
}

pub(super) fn past_decision(row: DecisionRow) -> PastDecision {
    PastDecision {
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

/// Actions that were sent at or after `since`, the oldest first; `history` is the newest first.
pub(super) fn marks(history: &[PastDecision], since: u64) -> Vec<Mark> {
    let sent =
        history.iter().rev().filter(|past| past.kind == "act" && past.head.timestamp >= since);
    sent.filter_map(|past| {
        Some(Mark {
            at: past.head.timestamp,
            block: past.head.number,
            action: past.action.clone()?,
            urgency: past.urgency.clone(),
        })
    })
    .collect()
}

/// What the store has and the recent blocks after it, as one line for each observation.
pub(super) fn series(
    stored: BTreeMap<SeriesKey, Vec<(u64, String)>>,
    recent: &Recent,
    units: &BTreeMap<SeriesKey, String>,
    resolution: Resolution,
    since: u64,
) -> Vec<Series> {
    let mut lines = stored;
    for (key, points) in recent {
        let line = lines.entry(key.clone()).or_default();
        // A stored point after the first recent one says nothing that the recent ones do not.
        if let Some((first, _)) = points.front() {
            line.retain(|(at, _)| at < first);
        }
        let fresh = points.iter().filter(|(at, _)| *at >= since);
        line.extend(fresh.map(|(at, value)| (*at, fixed18(*value))));
    }
    let line = |((name, of), points): (SeriesKey, Vec<(u64, String)>)| Series {
        unit: units.get(&(name.clone(), of.clone())).cloned().unwrap_or_default(),
        name,
        of,
        resolution: resolution.seconds(),
        points: thinned(points),
    };
    lines.into_iter().map(line).collect()
}

/// At most [`MAX_POINTS`], evenly, the last one included.
fn thinned(points: Vec<(u64, String)>) -> Vec<(u64, String)> {
    let step = points.len().div_ceil(MAX_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = |index: usize| last.saturating_sub(index).is_multiple_of(step);
    points.into_iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, point)| point).collect()
}

/// The fixed word of a plain enum.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
