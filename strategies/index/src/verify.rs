//! Whether what is to be signed, or was executed, is what was published.
//!
//! Everything is worked out anew from the weights and held against the proposal: the units of a
//! multisig's batch if there is one, else those that a plan would give. A batch is looked at as it
//! leaves the chain: what it sets before the start counts in what is checked after it. [`batch`] reads
//! a batch, [`settings`] what it sets, `envelope`, `changed`, `units`, `execution` and `executed` are
//! the checks, [`show`] is for people. What a plan refuses (a sum that is not 1, a component that is left out, a
//! symbol or decimals that are not the token's) is refused before any of these checks.

pub mod batch;
mod changed;
mod envelope;
mod executed;
mod execution;
pub mod settings;
pub mod show;
mod units;

use alloy::primitives::{Address, Signature, U256};
use ballast_strategy_api::safe_batch::{Call, read::Parsed};
use serde::Serialize;

use crate::{
    contracts::IExtension::startRebalanceWithUnitsCall,
    decimal::ONE,
    module::{Overflow, ceil_div},
    plan::{
        market::Market,
        state::Index,
        units::Component,
        work::{Work, percent},
    },
    steward::Steward,
    verify::settings::Settings,
};

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What of.
    pub name: &'static str,
    /// Whether it passed.
    pub passed: bool,
    /// What was seen; every offender, if it did not pass.
    pub what: String,
}

/// What is still acceptable. Shares have 18 decimals.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest weight.
    pub cap: Option<U256>,
    /// Fewest and most components with a weight.
    pub count: Option<(usize, usize)>,
    /// The turnover that the methodologist stated.
    pub turnover: Option<U256>,
    /// How far a component may have drifted from its weight.
    pub drift: U256,
    /// Most that a trade may cost in the pools.
    pub slippage: U256,
    /// How far the pools' price may be from the reckoned one.
    pub pools: U256,
    /// Longest time that the trades may take, and a component may rest, seconds.
    pub seconds: u64,
    /// Shortest rest between two trades that a batch may set, seconds.
    pub rest: u64,
    /// By how much a batch may have targets raised at a time.
    pub raise: U256,
    /// How far a batch's unit may be from the one worked out here.
    pub units: U256,
    /// How far a unit may be from what second prices give.
    pub prices: U256,
    /// Whether something may be traded where nothing can be measured.
    pub unmeasured: bool,
    /// Whether a batch may leave a component that is not traded now without a way or a maximum.
    pub untradable: bool,
    /// Whether a batch may set something of tokens that are no components.
    pub others: bool,
    /// Through which tokens a batch may lead trades.
    pub via: Vec<Address>,
    /// Whom a batch may let trade …
    pub traders: Vec<Address>,
    /// … and whom it may stop.
    pub removed: Vec<Address>,
    /// Whether a batch may let anyone trade (`true`) or only allowed traders (`false`).
    pub anyone: Option<bool>,
}

/// What is verified.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The index at a block, with what the batch sets.
    pub index: &'a Index,
    /// Who signs for it.
    pub steward: &'a Steward,
    /// The Safe that is to sign; `None` if nobody knows.
    pub safe: Option<Address>,
    /// The chain's id.
    pub chain_id: u64,
    /// What the weights make of it.
    pub work: &'a Work,
    /// Its components with their weights and prices, in the order of the plan's rows.
    pub components: &'a [Component],
    /// What the pools' prices are held against.
    pub market: Market,
    /// What is left out, 18 decimals.
    pub haircut: U256,
    /// Of the weights file, hexadecimal.
    pub weights_sha256: &'a str,
}

impl Subject<'_> {
    /// All checks of weights and units; those of a batch's units if there is one. A batch that starts
    /// nothing is one of parameters: then the units are those of a plan.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn proposal(
        &self,
        limits: &Limits,
        batch: Option<&Parsed>,
    ) -> Result<Vec<Check>, Overflow> {
        let mut checks = self.weights(limits);
        let planned: Vec<U256> = self.work.rows.iter().map(|row| row.target_unit).collect();
        let mut units = planned.clone();
        let settings = batch.map(Settings::of).unwrap_or_default();
        if let Some(batch) = batch {
            checks.extend(self.envelope(batch, limits));
            let starts = batch::starts(batch);
            checks.push(if starts.is_empty() {
                let what = "none: the batch sets parameters and starts nothing".to_owned();
                Check { name: "batch start", passed: true, what }
            } else {
                only_last(batch, &starts)
            });
            if let [(_, call, start)] = starts.as_slice() {
                checks.push(self.target(call.to));
                checks.push(self.coverage(start));
                checks.push(self.multiplier(start.positionMultiplier));
                units = self.effective(start);
                let slack = start.positionMultiplier != self.index.multiplier;
                checks.push(self.units(&units, &planned, limits.units, slack));
            }
        }
        checks.push(self.rebuilt(&units)?);
        checks.push(self.value(&units)?);
        checks.push(self.resolution(&units));
        checks.extend(self.movement(limits, &units)?);
        checks.extend(self.execution(&settings, limits));
        Ok(checks)
    }

    /// All checks of a batch that was executed, whatever was traded since: what it says, that its
    /// targets make the published weights, and that the module holds exactly these. What depends on
    /// the units held is left out: they are on their way.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn done(&self, limits: &Limits, batch: &Parsed) -> Result<Vec<Check>, Overflow> {
        let mut checks = self.weights(limits);
        checks.extend(self.envelope(batch, limits));
        let starts = batch::starts(batch);
        checks.push(only_last(batch, &starts));
        for (_, call, start) in &starts {
            checks.push(self.target(call.to));
            checks.push(self.coverage(start));
            let units = self.effective(start);
            checks.push(self.rebuilt(&units)?);
            checks.push(self.resolution(&units));
            checks.extend(self.executed(start));
        }
        Ok(checks)
    }

    fn name(&self, token: Address) -> String {
        let known = self.index.tokens.iter().find(|known| known.address == token);
        known.map_or_else(|| token.to_string(), |known| known.symbol.clone())
    }
}

fn only_last(batch: &Parsed, starts: &[(usize, &Call, startRebalanceWithUnitsCall)]) -> Check {
    let name = "batch start";
    let [(place, ..)] = starts else {
        let count = starts.len();
        let what = format!("{count} calls start a rebalance; exactly one has to");
        return Check { name, passed: false, what };
    };
    let last = place.saturating_add(1) == batch.calls.len();
    let fine = "the start of the rebalance is the last call".to_owned();
    check(name, last, fine, vec!["calls follow the start of the rebalance".to_owned()])
}

/// Whether somebody signed exactly these bytes, as wallets sign messages (EIP-191).
pub fn signature(file: &[u8], signature: &str, by: Address) -> Check {
    let name = "signature";
    let failed = |what: String| Check { name, passed: false, what };
    let Ok(signature) = signature.trim().parse::<Signature>() else {
        return failed("is none: expected 0x and 130 hexadecimal digits".to_owned());
    };
    match signature.recover_address_from_msg(file) {
        Ok(signer) if signer == by => {
            Check { name, passed: true, what: format!("the weights are signed by {by}") }
        }
        Ok(signer) => failed(format!("is of {signer}, or of another file; expected {by}")),
        Err(cause) => failed(format!("gives no signer: {cause}")),
    }
}

fn check(name: &'static str, passed: bool, fine: String, faults: Vec<String>) -> Check {
    Check { name, passed, what: if passed { fine } else { faults.join("; ") } }
}

/// Passed where there is no offender.
fn listed(name: &'static str, fine: String, faults: Vec<String>) -> Check {
    check(name, faults.is_empty(), fine, faults)
}

/// Whether two units are within a share of the second; exact where that is 0.
fn within(one: U256, other: U256, tolerance: U256) -> bool {
    let slack = other.checked_mul(tolerance).and_then(|slack| ceil_div(slack, ONE));
    // Too large to be scaled: then only the same is near.
    let slack = if tolerance.is_zero() { U256::ZERO } else { slack.unwrap_or_default() };
    one.abs_diff(other) <= slack
}

/// A share in percent, to four decimals.
fn share(share: U256) -> String {
    crate::plan::show::short(&percent(Some(share)))
}

#[cfg(test)]
mod tests;
