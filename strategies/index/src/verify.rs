//! Whether what is to be signed, or was executed, is what was published.
//!
//! Everything is worked out anew from the weights and held against the proposal: the units of a
//! multisig's batch if there is one, else those that a plan would give. [`batch`] reads a batch,
//! [`show`] is for people. What a plan refuses (a sum that is not 1, a component that is left out, a
//! symbol or decimals that are not the token's) is refused before any of these checks.

pub mod batch;
pub mod show;

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, Signature, U256};
use ballast_strategy_api::safe_batch::read::Parsed;
use serde::Serialize;

use crate::{
    contracts::IExtension::startRebalanceWithUnitsCall,
    decimal::ONE,
    module::{Overflow, ceil_div},
    plan::{
        state::Index,
        units::{Component, Value, net_asset_value, target_units},
        work::{Work, percent},
    },
    steward::Steward,
    venue::Venue,
};

/// How far the value of all targets may be below what is there, besides the haircut: 1 %.
const VALUE_SLACK: U256 = U256::from_limbs([10_000_000_000_000_000, 0, 0, 0]);
/// How far a weight may be from the published one when it is rebuilt from units: 0.1 %.
const WEIGHT_SLACK: U256 = U256::from_limbs([1_000_000_000_000_000, 0, 0, 0]);
/// How far the turnover may be from what was stated: a point.
const TURNOVER_SLACK: U256 = VALUE_SLACK;
/// A target of fewer base units is coarse: one of them is more than 0.1 % of the position.
const FINE: U256 = U256::from_limbs([1_000, 0, 0, 0]);
/// How far the multiplier may have fallen since the units were worked out: 1 %.
const MULTIPLIER_SLACK: U256 = VALUE_SLACK;

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
    /// Longest time that the trades may take, seconds.
    pub seconds: u64,
    /// How far a batch's unit may be from the one worked out here.
    pub units: U256,
    /// How far a unit may be from what second prices give.
    pub prices: U256,
}

/// What is verified.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The index at a block.
    pub index: &'a Index,
    /// Who signs for it.
    pub steward: &'a Steward,
    /// The chain's id.
    pub chain_id: u64,
    /// What the weights make of it.
    pub work: &'a Work,
    /// Its components with their weights and prices, in the order of the plan's rows.
    pub components: &'a [Component],
    /// What is left out, 18 decimals.
    pub haircut: U256,
    /// Of the weights file, hexadecimal.
    pub weights_sha256: &'a str,
}

impl Subject<'_> {
    /// All checks of weights and units; those of a batch's units if there is one.
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
        if let Some(batch) = batch {
            checks.extend(self.envelope(batch));
            if let [(place, call, start)] = batch::starts(batch).as_slice() {
                let last = place.saturating_add(1) == batch.calls.len();
                checks.push(check(
                    "batch start",
                    last,
                    "the start of the rebalance is the last call".to_owned(),
                    vec!["calls follow the start of the rebalance".to_owned()],
                ));
                checks.push(self.target(call.to));
                checks.push(self.coverage(start));
                checks.push(self.multiplier(start.positionMultiplier));
                let proposed: BTreeMap<Address, U256> = start
                    .components
                    .iter()
                    .copied()
                    .zip(start.targetUnits.iter().copied())
                    .collect();
                let of = |component: &Component| proposed.get(&component.address).copied();
                units = self.components.iter().map(|c| of(c).unwrap_or_default()).collect();
                checks.push(self.units(&units, &planned, limits.units));
            } else {
                let count = batch::starts(batch).len();
                let what = format!("{count} calls start a rebalance; exactly one has to");
                checks.push(Check { name: "batch start", passed: false, what });
            }
        }
        checks.push(self.rebuilt(&units)?);
        checks.push(self.value(&units)?);
        checks.push(self.resolution(&units));
        checks.extend(self.movement(limits, &units)?);
        checks.extend(self.execution(limits));
        Ok(checks)
    }

    fn weights(&self, limits: &Limits) -> Vec<Check> {
        let mut checks = Vec::new();
        let held = || self.components.iter().filter(|component| !component.weight.is_zero());
        if let Some(cap) = limits.cap {
            let over = held().filter(|component| component.weight > cap);
            let over = over.map(|c| format!("{} has {} %", c.symbol, share(c.weight))).collect();
            checks.push(listed("cap", format!("no weight is above {} %", share(cap)), over));
        }
        if let Some((least, most)) = limits.count {
            let count = held().count();
            let fits = (least..=most).contains(&count);
            let what = format!("{count} components have a weight; {least} to {most} may");
            checks.push(Check { name: "count", passed: fits, what });
        }
        checks
    }

    /// What a batch says besides its calls.
    fn envelope(&self, batch: &Parsed) -> Vec<Check> {
        let mut checks = Vec::new();
        let fits = batch.checksum_fits != Some(false);
        let what = if batch.checksum_fits.is_some() { "fits" } else { "is not there" };
        let changed = "does not fit: the file was changed after it was written".to_owned();
        checks.push(check("batch checksum", fits, what.to_owned(), vec![changed]));
        let (told, is) = (batch.chain_id, self.chain_id);
        let what = format!("for chain {told}; the index is on {is}");
        checks.push(Check { name: "batch chain", passed: told == is, what });
        let named = batch.description.contains(self.weights_sha256);
        let missing = format!("the description does not have {}", self.weights_sha256);
        let what = "the description has the SHA-256 of the weights".to_owned();
        checks.push(check("batch description", named, what, vec![missing]));
        let calls = batch::explain(batch, self.index);
        let strange = calls.iter().enumerate().filter_map(|(place, call)| {
            let place = place.saturating_add(1);
            if call.value != "0" {
                return Some(format!("call {place} sends {} wei", call.value));
            }
            let front = self.steward.extensions.contains(&call.to);
            let to = call.to;
            match (front, call.known) {
                (true, true) => None,
                (true, false) => {
                    Some(format!("call {place}, {}, is not understood", call.function))
                }
                (false, _) => Some(format!("call {place} goes to {to}, no extension of the index")),
            }
        });
        let known = "all of them go to the index's extension, and are understood".to_owned();
        checks.push(listed("batch calls", known, strange.collect()));
        checks
    }

    fn target(&self, to: Address) -> Check {
        let listed = self.steward.extensions.contains(&to);
        let manager = self.steward.manager;
        let what = if listed { "lists" } else { "does not list" };
        let what = format!("the index's manager {manager} {what} {to} for this module");
        Check { name: "batch extension", passed: listed, what }
    }

    /// The contract looks at lengths alone: a duplicate hides a missing component, which would then
    /// be sold altogether.
    fn coverage(&self, start: &startRebalanceWithUnitsCall) -> Check {
        let mut seen = BTreeSet::new();
        let twice = start.components.iter().filter(|token| !seen.insert(**token));
        let mut faults: Vec<String> =
            twice.map(|t| format!("{} stands twice", self.name(*t))).collect();
        let named: BTreeSet<Address> = self.components.iter().map(|c| c.address).collect();
        faults.extend(named.difference(&seen).map(|t| format!("{} is missing", self.name(*t))));
        let unknown = seen.difference(&named);
        faults.extend(unknown.map(|t| format!("{} is not in the weights", self.name(*t))));
        if start.components.len() != start.targetUnits.len() {
            let (components, units) = (start.components.len(), start.targetUnits.len());
            faults.push(format!("{components} components and {units} units"));
        }
        let all = "every component of the index and of the weights, once".to_owned();
        listed("batch components", all, faults)
    }

    /// What accrues between working out and execution makes up for itself, so the multiplier may
    /// have fallen since; any other would scale all targets.
    fn multiplier(&self, proposed: U256) -> Check {
        let now = self.index.multiplier;
        let slack = now.checked_mul(MULTIPLIER_SLACK).and_then(|s| s.checked_div(ONE));
        let most = slack.and_then(|slack| now.checked_add(slack)).unwrap_or(now);
        let what = format!("{proposed}; the index has {now}");
        Check { name: "batch multiplier", passed: (now..=most).contains(&proposed), what }
    }

    fn units(&self, proposed: &[U256], planned: &[U256], tolerance: U256) -> Check {
        let rows = self.components.iter().zip(proposed).zip(planned);
        let off = rows.filter(|((_, proposed), planned)| !within(**proposed, **planned, tolerance));
        let off = off.map(|((component, proposed), planned)| {
            format!("{}: {proposed}, worked out here {planned}", component.symbol)
        });
        let exactly = if tolerance.is_zero() {
            "are those worked out here".to_owned()
        } else {
            format!("are within {} % of those worked out here", share(tolerance))
        };
        listed("batch units", exactly, off.collect())
    }

    /// The weights that units make, against the published ones.
    fn rebuilt(&self, units: &[U256]) -> Result<Check, Overflow> {
        let values = self.values(units)?;
        let all = Value::sum(values.iter().copied())?;
        let off = self.components.iter().zip(&values).filter_map(|(component, value)| {
            let is = value.share_of(all).unwrap_or_default();
            let far = is.abs_diff(component.weight) > WEIGHT_SLACK;
            far.then(|| {
                format!(
                    "{}: {} %, published {} %",
                    component.symbol,
                    share(is),
                    share(component.weight)
                )
            })
        });
        let fit = "the units make the published weights, within 0.1 %".to_owned();
        Ok(listed("weights rebuilt", fit, off.collect()))
    }

    fn value(&self, units: &[U256]) -> Result<Check, Overflow> {
        let nav = net_asset_value(self.components)?;
        let planned = Value::sum(self.values(units)?)?;
        let is = planned.share_of(nav).unwrap_or_default();
        let least = ONE.saturating_sub(self.haircut).saturating_sub(VALUE_SLACK);
        let what = format!("the targets are worth {} % of what is there", share(is));
        Ok(Check { name: "value", passed: (least..=ONE).contains(&is), what })
    }

    fn resolution(&self, units: &[U256]) -> Check {
        let rows = self.components.iter().zip(units);
        let coarse = rows.filter(|(c, unit)| !c.weight.is_zero() && **unit < FINE);
        let coarse = coarse.map(|(component, unit)| {
            format!("{}: {unit} base units, one of which is more than 0.1 %", component.symbol)
        });
        listed("resolution", "no target is coarser than 0.1 %".to_owned(), coarse.collect())
    }

    fn movement(&self, limits: &Limits, units: &[U256]) -> Result<Vec<Check>, Overflow> {
        let nav = net_asset_value(self.components)?;
        let (mut far, mut moved) = (Vec::new(), Vec::new());
        for (component, unit) in self.components.iter().zip(units) {
            let now = Value::of(component.unit, component)?.share_of(nav).unwrap_or_default();
            if now.abs_diff(component.weight) > limits.drift {
                let (now, to) = (share(now), share(component.weight));
                far.push(format!("{}: from {now} % to {to} %", component.symbol));
            }
            moved.push(Value::of(component.unit.abs_diff(*unit), component)?);
        }
        let limit = share(limits.drift);
        let mut checks =
            vec![listed("drift", format!("no component moves by more than {limit} points"), far)];
        if let Some(stated) = limits.turnover {
            let turnover = Value::sum(moved)?.half().share_of(nav).unwrap_or_default();
            let passed = turnover.abs_diff(stated) <= TURNOVER_SLACK;
            let what = format!("{} % of all, stated {} %", share(turnover), share(stated));
            checks.push(Check { name: "turnover", passed, what });
        }
        Ok(checks)
    }

    /// Whether what has to be traded can be.
    fn execution(&self, limits: &Limits) -> Vec<Check> {
        let (mut nowhere, mut sizeless, mut dear, mut slow) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (row, token) in self.work.rows.iter().zip(&self.index.tokens) {
            let Some(trade) = row.trade.as_ref().filter(|_| token.address != self.index.weth)
            else {
                continue;
            };
            let symbol = &row.symbol;
            if let Venue::Nowhere(why) = &token.venue {
                nowhere.push(format!("{symbol}: {why}"));
            }
            if token.max_size.is_zero() {
                sizeless.push(symbol.clone());
            }
            let side = if trade.side == "sell" {
                crate::module::Side::Sell
            } else {
                crate::module::Side::Buy
            };
            let cost = token.venue.cost(side, trade.amount.min(token.max_size));
            match (cost, &token.venue) {
                (Some(cost), _) if cost > limits.slippage => {
                    dear.push(format!("{symbol}: {} %", share(cost)));
                }
                (None, Venue::Pools(_)) if !token.max_size.is_zero() => {
                    dear.push(format!("{symbol}: its pools do not hold as much"));
                }
                (Some(_) | None, _) => {}
            }
            if trade.seconds.is_some_and(|seconds| seconds > limits.seconds) {
                slow.push(format!("{symbol}: {} s", trade.seconds.unwrap_or_default()));
            }
        }
        let slippage = share(limits.slippage);
        vec![
            listed("exchanges", "all that is traded has adapter, data and pool".into(), nowhere),
            listed("trade maximums", "all that is traded has one".into(), sizeless),
            listed("slippage", format!("no trade costs more than {slippage} %"), dear),
            listed("duration", format!("nothing takes longer than {} s", limits.seconds), slow),
        ]
    }

    /// Whether second prices of the same tokens, in the same order, give the same units.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn second_prices(&self, second: &[Component], limits: &Limits) -> Result<Check, Overflow> {
        let units = target_units(second, self.haircut)?;
        let rows = self.work.rows.iter().zip(units);
        let off = rows.filter(|(row, unit)| !within(row.target_unit, *unit, limits.prices));
        let off = off.map(|(row, unit)| {
            format!("{}: {}, by the second prices {unit}", row.symbol, row.target_unit)
        });
        let fit = format!("give the same units within {} %", share(limits.prices));
        Ok(listed("second prices", fit, off.collect()))
    }

    /// Whether the module holds exactly what a batch proposed.
    pub fn executed(&self, start: &startRebalanceWithUnitsCall) -> Vec<Check> {
        let proposed: BTreeSet<Address> = start.components.iter().copied().collect();
        let held: BTreeSet<Address> = self.index.rebalancing.iter().copied().collect();
        let mut faults: Vec<String> =
            proposed.difference(&held).map(|t| format!("{} is missing", self.name(*t))).collect();
        let more = held.difference(&proposed);
        faults.extend(more.map(|t| format!("{} is not in the batch", self.name(*t))));
        let all = "the module rebalances the batch's components".to_owned();
        let mut checks = vec![listed("chain components", all, faults)];
        let pairs = start.components.iter().zip(&start.targetUnits);
        let off = pairs.filter_map(|(address, unit)| {
            let token = self.index.tokens.iter().find(|token| token.address == *address);
            let holds = token.map(|token| token.target_unit);
            (holds != Some(*unit)).then(|| {
                let holds = holds.map_or_else(|| "nothing".to_owned(), |unit| unit.to_string());
                format!("{}: {holds}, the batch has {unit}", self.name(*address))
            })
        });
        checks.push(listed("chain units", "are those of the batch".to_owned(), off.collect()));
        let (started, proposed) = (self.index.started_at, start.positionMultiplier);
        let what = format!("{started}, the batch has {proposed}");
        checks.push(Check { name: "chain multiplier", passed: started == proposed, what });
        checks
    }

    fn values(&self, units: &[U256]) -> Result<Vec<Value>, Overflow> {
        self.components
            .iter()
            .zip(units)
            .map(|(component, unit)| Value::of(*unit, component))
            .collect()
    }

    fn name(&self, token: Address) -> String {
        let known = self.index.tokens.iter().find(|known| known.address == token);
        known.map_or_else(|| token.to_string(), |known| known.symbol.clone())
    }
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
