//! A decision in one sentence, with the inputs that made it.

use std::time::Duration;

use alloy::primitives::{I256, U256};
use ballast_chains::amount::{decimal, ether};
use ballast_strategy_api::{Observation, decision::fixed18};

use crate::runtime::LastDecision;

/// Decimals of ratios and sizes, cut off: enough to see them move.
const DECIMALS: usize = 4;
/// Decimals of what a transaction cost.
const COST_DECIMALS: usize = 9;

/// What was decided, and why.
pub(super) fn sentence(decision: &LastDecision) -> String {
    match (decision.kind, &decision.action) {
        ("act", Some(action)) => {
            let urgency = decision.urgency.unwrap_or_default();
            format!("{action} ({urgency}): {}", cause(action, decision))
        }
        ("wait", _) => format!("waits: {}{}", decision.reason, position(decision)),
        (kind, Some(action)) => {
            format!("{kind}: {action}: {}; {}", decision.reason, decision.detail)
        }
        (kind, None) => format!("{kind}: {}; {}", decision.reason, decision.detail),
    }
}

/// Why an action is due, by the rule that makes it due.
fn cause(action: &str, decision: &LastDecision) -> String {
    let of = |name| input(decision, name).map(|seen| ratio(seen.value)).unwrap_or_default();
    let (current, new) = (of("leverage_ratio"), of("new_leverage_ratio"));
    let why = match action {
        "ripcord" => {
            let line = of("ripcord_leverage_ratio");
            format!("leverage {current} has passed the ripcord line {line}; down towards {new}")
        }
        "iterateRebalance" => format!(
            "a TWAP to {} is under way at {current}, and an exchange has rested",
            of("twap_leverage_ratio")
        ),
        _ => format!("{}; on to {new}", bounds(decision, &current)),
    };
    match chunks(decision) {
        sizes if sizes.is_empty() => why,
        sizes => format!("{why}; sells {}", sizes.join(" or ")),
    }
}

fn bounds(decision: &LastDecision, current: &str) -> String {
    let leverage = input(decision, "leverage_ratio");
    let beyond = leverage.and_then(|seen| {
        // Of a short, whose ratios are below zero, the maximum is the one farthest from it.
        let (low, high) = (seen.min?, seen.max?);
        let (min, max) = if high.is_negative() { (high, low) } else { (low, high) };
        let size = seen.value.unsigned_abs();
        if size > max.unsigned_abs() {
            Some(format!("leverage {current} is above its maximum {}", ratio(max)))
        } else if size < min.unsigned_abs() {
            Some(format!("leverage {current} is below its minimum {}", ratio(min)))
        } else {
            None
        }
    });
    beyond.unwrap_or_else(|| {
        let target = leverage.and_then(|seen| seen.target).map(ratio).unwrap_or_default();
        format!("the interval is over, and leverage {current} is off its target {target}")
    })
}

/// Where the product stands while nothing is due.
fn position(decision: &LastDecision) -> String {
    let leverage = input(decision, "leverage_ratio");
    let stands = leverage.and_then(|seen| {
        let (low, high) = (seen.min?, seen.max?);
        let (min, max) = if high.is_negative() { (high, low) } else { (low, high) };
        Some(format!("leverage {} in {} to {}", ratio(seen.value), ratio(min), ratio(max)))
    });
    let next = input(decision, "seconds_until_interval").and_then(|seen| {
        let seconds = fixed18(seen.value).parse().ok()?;
        Some(format!(
            "interval over in {}",
            humantime::format_duration(Duration::from_secs(seconds))
        ))
    });
    let known: Vec<String> = stands.into_iter().chain(next).collect();
    if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
}

fn chunks(decision: &LastDecision) -> Vec<String> {
    let all = decision.observations.iter().filter(|seen| seen.name == "chunk");
    all.map(|seen| format!("{} on {}", ratio(seen.value), exchange(&seen.of))).collect()
}

/// An exchange's name without what all of them end in.
fn exchange(name: &str) -> &str {
    name.strip_suffix("ExchangeAdapter").unwrap_or(name)
}

fn input<'a>(decision: &'a LastDecision, name: &str) -> Option<&'a Observation> {
    decision.observations.iter().find(|seen| seen.name == name)
}

/// An observed number, cut off.
fn ratio(value: I256) -> String {
    cut(&fixed18(value), DECIMALS)
}

/// A ratio of 18 decimals, cut off.
pub(super) fn leverage(ratio: U256) -> String {
    cut(&ether(ratio), DECIMALS)
}

/// Base units of a token as whole tokens, cut off.
pub(super) fn tokens(units: U256, decimals: u8) -> String {
    cut(&decimal(&units.to_string(), decimals.into()), DECIMALS)
}

/// Hundredths of a percent.
pub(super) fn percent(hundredths: u64) -> String {
    format!("{} %", decimal(&hundredths.to_string(), 2))
}

/// What a transaction cost in whole coins, cut off.
pub(super) fn cost(wei: U256) -> String {
    cut(&ether(wei), COST_DECIMALS)
}

fn cut(exact: &str, decimals: usize) -> String {
    match exact.split_once('.') {
        Some((whole, fraction)) if fraction.len() > decimals => {
            format!("{whole}.{}", fraction.get(..decimals).unwrap_or(fraction))
        }
        _ => exact.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use ballast_chains::Head;
    use ballast_strategy_api::Unit;

    fn fixed(thousandths: i64) -> I256 {
        I256::try_from(thousandths).unwrap() * I256::try_from(1_000_000_000_000_000_i64).unwrap()
    }

    fn decision(kind: &'static str, action: Option<&str>, leverage: i64) -> LastDecision {
        let ratio = |name, thousandths| Observation::new(name, fixed(thousandths), Unit::Ratio);
        LastDecision {
            kind,
            action: action.map(str::to_owned),
            urgency: action.map(|_| "prompt"),
            reason: "inside bounds, interval not over".to_owned(),
            detail: String::new(),
            observations: vec![
                ratio("leverage_ratio", leverage).within(fixed(1_700), fixed(2_000), fixed(2_300)),
                ratio("new_leverage_ratio", 2_300),
                ratio("ripcord_leverage_ratio", 2_700),
                ratio("twap_leverage_ratio", 2_300),
                ratio("seconds_until_interval", 3_600_000),
                ratio("chunk", 40_000).of("OneExchangeAdapter"),
                ratio("chunk", 30_000).of("Two"),
            ],
            head: Head {
                number: 1,
                hash: B256::ZERO,
                parent: B256::ZERO,
                timestamp: 0,
                base_fee_per_gas: None,
                gas_limit: 0,
                gas_used: 0,
            },
        }
    }

    #[test]
    fn each_action_says_the_rule_that_makes_it_due() {
        for (action, leverage, expected) in [
            ("rebalance", 2_500, "leverage 2.5 is above its maximum 2.3; on to 2.3"),
            ("rebalance", 1_600, "leverage 1.6 is below its minimum 1.7; on to 2.3"),
            ("rebalance", 2_100, "the interval is over, and leverage 2.1 is off its target 2"),
            ("iterateRebalance", 2_400, "a TWAP to 2.3 is under way at 2.4"),
            ("ripcord", 2_900, "leverage 2.9 has passed the ripcord line 2.7"),
        ] {
            let said = sentence(&decision("act", Some(action), leverage));
            assert!(said.contains(expected), "{said}");
            assert!(said.ends_with("sells 40 on One or 30 on Two"), "{said}");
        }
    }

    #[test]
    fn a_shorts_maximum_is_the_bound_farthest_from_zero() {
        let said = |thousandths| {
            let mut decision = decision("act", Some("rebalance"), 0);
            let value = Observation::new("leverage_ratio", fixed(thousandths), Unit::Ratio);
            let seen = value.within(fixed(-1_100), fixed(-1_000), fixed(-900));
            decision.observations = vec![seen];
            sentence(&decision)
        };
        assert!(said(-1_130).contains("leverage -1.13 is above its maximum -1.1"));
        assert!(said(-850).contains("leverage -0.85 is below its minimum -0.9"));
        assert!(
            said(-1_040).contains("the interval is over, and leverage -1.04 is off its target -1")
        );
    }

    #[test]
    fn a_wait_says_where_the_product_stands() {
        assert_eq!(
            sentence(&decision("wait", None, 2_000)),
            "waits: inside bounds, interval not over (leverage 2 in 1.7 to 2.3, interval over in 1h)"
        );
    }
}
