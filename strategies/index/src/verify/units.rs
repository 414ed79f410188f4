//! The weights, and the units that a batch or a plan makes of them.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, U256};

use super::{Check, Limits, Subject, listed, share, within};
use crate::{
    contracts::IExtension::startRebalanceWithUnitsCall,
    decimal::ONE,
    module::Overflow,
    plan::units::{Component, SUM_TOLERANCE, Value, net_asset_value, target_units},
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

impl Subject<'_> {
    pub(super) fn weights(&self, limits: &Limits) -> Vec<Check> {
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

    /// The contract looks at lengths alone: a duplicate hides a missing component, which would then
    /// be sold altogether.
    pub(super) fn coverage(&self, start: &startRebalanceWithUnitsCall) -> Check {
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
    pub(super) fn multiplier(&self, proposed: U256) -> Check {
        let now = self.index.multiplier;
        let slack = now.checked_mul(MULTIPLIER_SLACK).and_then(|s| s.checked_div(ONE));
        let most = slack.and_then(|slack| now.checked_add(slack)).unwrap_or(now);
        let what = format!("{proposed}; the index has {now}");
        Check { name: "batch multiplier", passed: (now..=most).contains(&proposed), what }
    }

    /// The units that a batch proposes, in the order of the components, in terms of the multiplier
    /// of now: if a fee accrued since they were worked out, the module scales them by as much.
    pub(super) fn effective(&self, start: &startRebalanceWithUnitsCall) -> Vec<U256> {
        let pairs = start.components.iter().copied().zip(start.targetUnits.iter().copied());
        let proposed: BTreeMap<Address, U256> = pairs.collect();
        let scaled = |unit: U256| {
            let scaled = unit.checked_mul(self.index.multiplier)?;
            scaled.checked_div(start.positionMultiplier)
        };
        let of = |component: &Component| proposed.get(&component.address).copied();
        // A multiplier of 0 fails a check of its own.
        let now = |component| of(component).map(|unit| scaled(unit).unwrap_or(unit));
        self.components.iter().map(|component| now(component).unwrap_or_default()).collect()
    }

    /// `slack` where both are of different multipliers: then a base unit is a rounding.
    pub(super) fn units(
        &self,
        proposed: &[U256],
        planned: &[U256],
        tolerance: U256,
        slack: bool,
    ) -> Check {
        let rows = self.components.iter().zip(proposed).zip(planned);
        let near = |one: U256, other: U256| {
            within(one, other, tolerance) || (slack && one.abs_diff(other) <= U256::ONE)
        };
        let off = rows.filter(|((_, proposed), planned)| !near(**proposed, **planned));
        let off = off.map(|((component, proposed), planned)| {
            let now = if slack { ", by the multiplier of now" } else { "" };
            format!("{}: {proposed}{now}, worked out here {planned}", component.symbol)
        });
        let exactly = if tolerance.is_zero() {
            "are those worked out here".to_owned()
        } else {
            format!("are within {} % of those worked out here", share(tolerance))
        };
        listed("batch units", exactly, off.collect())
    }

    /// The weights that units make, against the published ones.
    pub(super) fn rebuilt(&self, units: &[U256]) -> Result<Check, Overflow> {
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

    pub(super) fn value(&self, units: &[U256]) -> Result<Check, Overflow> {
        let nav = net_asset_value(self.components)?;
        let planned = Value::sum(self.values(units)?)?;
        let is = planned.share_of(nav).unwrap_or_default();
        let least = ONE.saturating_sub(self.haircut).saturating_sub(VALUE_SLACK);
        // The weights may add up to a little more than 1.
        let most = ONE.saturating_add(U256::from(SUM_TOLERANCE));
        let what = format!("the targets are worth {} % of what is there", share(is));
        Ok(Check { name: "value", passed: (least..=most).contains(&is), what })
    }

    pub(super) fn resolution(&self, units: &[U256]) -> Check {
        let rows = self.components.iter().zip(units);
        let coarse = rows.filter(|(c, unit)| !c.weight.is_zero() && **unit < FINE);
        let coarse = coarse.map(|(component, unit)| {
            format!("{}: {unit} base units, one of which is more than 0.1 %", component.symbol)
        });
        listed("resolution", "no target is coarser than 0.1 %".to_owned(), coarse.collect())
    }

    pub(super) fn movement(&self, limits: &Limits, units: &[U256]) -> Result<Vec<Check>, Overflow> {
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

    fn values(&self, units: &[U256]) -> Result<Vec<Value>, Overflow> {
        self.components
            .iter()
            .zip(units)
            .map(|(component, unit)| Value::of(*unit, component))
            .collect()
    }
}
