//! The decision against the model, over many worlds.

use std::collections::{BTreeMap, HashSet};

use alloy::primitives::{Address, U256};
use ballast_chains::ReadError;
use ballast_strategy_api::{Action, Assessment, Decision, Urgency, decision::CEILING_DISTANCE};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{
    UNIT, Venue, World, name,
    worlds::{milli, worlds},
};
use crate::{
    decide::{decide, tests::product},
    snapshot::{Live, Market, Snapshot},
    viewer::Ranking,
};

/// At most what the contract's slippage tolerance lets through, of a ripcord in thousandths.
fn losses() -> impl Strategy<Value = u64> {
    0_u64..=50
}

/// What a viewer might say: some of the exchanges there are, and one that is not.
fn rankings() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..4, 0..=2)
}

fn assess(world: &World, snapshot: &Snapshot) -> Assessment {
    decide(&product(), &world.policy, snapshot).unwrap()
}

fn live(snapshot: &mut Snapshot) -> &mut Live {
    match &mut snapshot.market {
        Market::Live(live) => live,
        Market::Refused(_) => panic!("every world has a ratio"),
    }
}

fn labels(action: &Action) -> Vec<&str> {
    action.candidates.iter().map(|candidate| candidate.label.as_str()).collect()
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
    fn acts_exactly_as_the_contract_would_let_it(
        world in worlds(),
        lost in losses(),
        ranked in rankings(),
    ) {
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
        let mut snapshot = world.snapshot();
        let ranked: Vec<String> = ranked.into_iter().map(name).collect();
        let ranked: Vec<&str> = ranked.iter().map(String::as_str).collect();
        live(&mut snapshot).ranking = Some(Ranking::of(&ranked));
        let decision = assess(&world, &snapshot).decision;
        let Decision::Act(action) = decision else {
            prop_assert!(wanted.is_empty(), "{decision:?} but {wanted:?}");
            return Ok(());
        };
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        let mut tried = labels(&action);
        if tried != names {
            // Those that the viewer named come first, in its order; the rest follows in its own.
            let first = ranked.iter().filter(|label| names.contains(label));
            let mut expected: Vec<&str> = Vec::new();
            for label in first.chain(&names) {
                if !expected.contains(label) {
                    expected.push(label);
                }
            }
            prop_assert_eq!(&tried, &expected);
        }
        tried.sort_unstable();
        prop_assert_eq!(tried, names);
        for (label, (name, urgency, after)) in &wanted {
            prop_assert_eq!((action.name, action.urgency), (*name, *urgency));
            prop_assert_eq!(action.exposure, world.exposure(after), "{}", label);
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

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// What is missing makes an action less precise; it neither stops nor changes it.
    #[test]
    fn acts_the_same_on_less_knowledge(world in worlds(), lacks in 1_u8..8) {
        let whole = assess(&world, &world.snapshot()).decision;
        let Decision::Act(whole) = whole else { return Ok(()) };
        let mut blurred = world.snapshot();
        if lacks & 1 != 0 {
            let detail = "of no shape".into();
            live(&mut blurred).sizing = Err(ReadError::Malformed { target: Address::ZERO, detail });
        }
        if lacks & 2 != 0 {
            live(&mut blurred).position = None;
        }
        if lacks & 4 != 0 {
            (blurred.twap_cooldown_period, blurred.borrow_limit) = (None, None);
        }
        let decision = assess(&world, &blurred).decision;
        let Decision::Act(action) = decision else {
            return Err(TestCaseError::fail(format!("{decision:?} in place of {whole:?}")));
        };
        prop_assert_eq!((action.name, action.urgency), (whole.name, whole.urgency));
        prop_assert_eq!((action.exposure, &action.answers), (whole.exposure, &whole.answers));
        let tried = labels(&action);
        prop_assert!(labels(&whole).iter().all(|label| tried.contains(label)), "{tried:?}");
    }

    #[test]
    fn a_contract_as_the_wallet_never_acts(world in worlds()) {
        let mut snapshot = world.snapshot();
        snapshot.caller_is_contract = true;
        let decision = assess(&world, &snapshot).decision;
        prop_assert!(!matches!(decision, Decision::Act(_)), "{decision:?}");
    }

    /// By the contract's own size computation, which underflows there.
    #[test]
    fn at_no_distance_from_the_ceiling_no_size_can_be_computed(world in worlds()) {
        let seen = assess(&world, &world.snapshot()).observations;
        let left = seen.iter().find(|seen| seen.name == CEILING_DISTANCE).unwrap().value;
        let left = U256::try_from(left).unwrap();
        let is_beyond = world.chunk(U256::MAX, world.methodology.maxLeverageRatio).is_err();
        // What the ratio's own rounding is worth, far below any move of a price.
        let hair = U256::from(1_000_000);
        prop_assert!(!is_beyond || left <= hair, "beyond, and yet {left} away");
        prop_assert!(is_beyond || !left.is_zero() || world.is_nearly_beyond(hair), "at it, but not");
    }

    /// However many blocks a second has: a key is what tells one action from the next, and one that
    /// has been answered is never answered again.
    #[test]
    fn no_key_is_answered_twice_at_any_block_rate(
        world in worlds(),
        steps in prop::collection::vec((0_u64..2, 0_u64..2, 0_usize..3), 2..12),
        rests in prop::bool::ANY,
    ) {
        let mut world = world;
        // A product that is to have less than no debt would repay more than it owes.
        if world.methodology.minLeverageRatio < UNIT {
            return Ok(());
        }
        if !rests {
            (world.twap_cooldown, world.ripcord_cooldown) = (0, 0);
        }
        let mut answered = HashSet::new();
        for (until_included, until_seen, preferred) in steps {
            let Decision::Act(action) = assess(&world, &world.snapshot()).decision else {
                world.now += until_seen;
                continue;
            };
            world.now += until_included;
            let tried = labels(&action);
            let label = tried[preferred % tried.len()];
            let index = (0..world.exchanges.len()).find(|index| name(*index) == label).unwrap();
            if let Ok(after) = world.call(action.name, index) {
                let key = (action.name, action.answers.as_str().to_owned());
                prop_assert!(answered.insert(key), "{:?} twice", action.answers);
                world = after;
            }
            world.now += until_seen;
        }
    }
}
