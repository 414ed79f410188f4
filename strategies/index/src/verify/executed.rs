//! Whether the module holds what was signed.

use std::collections::BTreeSet;

use alloy::primitives::{Address, U256};

use super::{Check, Subject, listed};
use crate::{contracts::IExtension::startRebalanceWithUnitsCall, decimal::ONE};

/// Most raises of all targets that are followed.
const MAX_RAISES: u32 = 1_000;

impl Subject<'_> {
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
        let raises = raises(proposed, started, self.index.raise);
        let what = match raises {
            Some(times) if times > 0 => {
                format!(
                    "{started}: that of the batch, {proposed}, after targets were raised {times} times"
                )
            }
            Some(_) | None => format!("{started}, the batch has {proposed}"),
        };
        checks.push(Check { name: "chain multiplier", passed: raises.is_some(), what });
        checks
    }
}

/// How often targets were raised, if that is what made the one multiplier of the other: each raise
/// divides it by 1 + the percentage, rounded down.
fn raises(proposed: U256, started: U256, percentage: U256) -> Option<u32> {
    let mut multiplier = proposed;
    for times in 0..=MAX_RAISES {
        if multiplier == started {
            return Some(times);
        }
        if multiplier < started || percentage.is_zero() {
            return None;
        }
        let divisor = ONE.checked_add(percentage)?;
        multiplier = multiplier.checked_mul(ONE)?.checked_div(divisor)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::fixed;

    #[test]
    fn raises_are_followed_to_the_digit() {
        let u = |text: &str| fixed(text, 18).unwrap();
        let percent = u("0.0025");
        let once = u("0.99") * ONE / u("1.0025");
        let twice = once * ONE / u("1.0025");
        assert_eq!(raises(u("0.99"), u("0.99"), percent), Some(0));
        assert_eq!(raises(u("0.99"), twice, percent), Some(2));
        assert_eq!(raises(u("0.99"), twice + U256::ONE, percent), None);
        assert_eq!(raises(u("0.99"), once, U256::ZERO), None);
        assert_eq!(raises(u("0.99"), u("0.991"), percent), None);
        assert_eq!(raises(u("0.99"), U256::ZERO, percent), None);
    }
}
