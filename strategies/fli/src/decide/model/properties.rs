//! The decision against the model, over many worlds.

use std::collections::BTreeMap;

use ballast_strategy_api::{Decision, Urgency};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{
    Venue, World, name,
    worlds::{milli, worlds},
};
use crate::decide::{decide, tests::product};

/// At most what the contract's slippage tolerance lets through, of a ripcord in thousandths.
fn losses() -> impl Strategy<Value = u64> {
    0_u64..=50
}

#[test]
fn the_generated_worlds_are_worth_deciding_about() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in 0..4_000 {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        let kind = match decide(&product(), &world.policy, &world.snapshot()).unwrap().decision {
            Decision::Act(action) => match action.expects {
                Some(expected) => {
                    let (name, urgency) = (action.name, action.urgency.as_str());
                    let edge =
                        if world.ratio() == world.ripcord_line { " at the line" } else { "" };
                    format!("{urgency} {name}: {} {:?}{edge}", expected.what, expected.direction)
                }
                None => continue,
            },
            Decision::Wait { reason, .. } | Decision::Blocked { reason, .. } => reason.to_owned(),
        };
        *seen.entry(kind).or_default() += 1;
    }
    for kind in [
        "routine rebalance: leverage ratio Up",
        "routine rebalance: leverage ratio Down",
        "prompt rebalance: leverage ratio Up",
        "prompt rebalance: leverage ratio Down",
        "prompt iterateRebalance: leverage ratio Up",
        "prompt iterateRebalance: leverage ratio Down",
        "prompt iterateRebalance: TWAP leverage ratio Down",
        "emergency ripcord: leverage ratio Down",
        "emergency ripcord: leverage ratio Down at the line",
        "inside bounds, interval not over",
        "twap open, cooldown not over",
        "ripcord range, cooldown not over",
        "ripcord is switched off on every exchange",
        "traded in this second",
        "interval rebalance below min_notional",
        "custom bounds are tighter than the product's own",
        "wound down: no debt",
        "nothing to trade: already at the new ratio",
        "no exchange can trade",
        "caller not permitted",
        "beyond the ceiling: debt exceeds the borrow limit, no trade is possible",
    ] {
        assert!(seen.get(kind).is_some_and(|times| *times >= 10), "{kind} in {seen:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn acts_exactly_as_the_contract_would_let_it(world in worlds(), lost in losses()) {
        let loss = |venue: &Venue| {
            // The ripcord's tolerance is 5 %, that of the others 2 %.
            let is_ripcord = world.ratio() >= world.ripcord_line && !venue.ripcord_size.is_zero();
            milli(if is_ripcord { lost } else { lost.min(20) })
        };
        let wanted: Vec<(String, (&str, Urgency, World))> = world
            .exchanges
            .iter()
            .enumerate()
            .filter_map(|(index, v)| Some((name(index), world.wanted(v, loss(v))?)))
            .collect();
        let decision = decide(&product(), &world.policy, &world.snapshot()).unwrap().decision;
        let Decision::Act(action) = decision else {
            prop_assert!(wanted.is_empty(), "{decision:?} but {wanted:?}");
            return Ok(());
        };
        let labels: Vec<&str> = action.candidates.iter().map(|c| c.label.as_str()).collect();
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(labels, names);
        for (label, (name, urgency, after)) in &wanted {
            prop_assert_eq!((action.name, action.urgency), (*name, *urgency));
            let Some(expected) = &action.expects else { continue };
            let seen = |w: &World| match expected.what.as_str() {
                "leverage ratio" => w.ratio(),
                _ => w.twap_ratio,
            };
            prop_assert!(
                expected.holds(seen(&world), seen(after)),
                "{expected:?} is missed by {label}: {} to {}", seen(&world), seen(after),
            );
        }
    }
}
