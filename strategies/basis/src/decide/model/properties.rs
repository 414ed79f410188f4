//! The decision against the model, over many worlds.

use std::collections::{BTreeMap, HashSet};

use alloy::primitives::{I256, U256};
use ballast_strategy_api::{Assessment, Decision};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{
    World, abs, int,
    worlds::{milli, worlds},
};
use crate::decide::{decide, tests::product};

fn assess(world: &World) -> Assessment {
    decide(&product(), &world.policy, &world.snapshot()).unwrap()
}

/// The word of a view, by what a postcondition says that it compares.
fn seen(world: &World, what: &str) -> U256 {
    match what {
        "size of the short" => world.size.into_raw(),
        "TWAP leverage ratio" => world.twap.into_raw(),
        "time of the last trade" => U256::from(world.last_trade),
        "time of the last reinvestment" => U256::from(world.last_reinvest),
        other => panic!("{other}"),
    }
}

/// Whether rounding alone may decide differently: the prediction is rounded up here, down there.
fn is_on_the_edge(world: &World) -> bool {
    let hair = int(1_000_000);
    let after = world.reinvested();
    let near = |bound: I256| abs(abs(after.ratio()) - abs(bound)) < hair;
    near(world.min) || near(world.max)
}

#[test]
fn the_generated_worlds_are_worth_deciding_about() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in 0..6_000 {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        let kind = match assess(&world).decision {
            Decision::Act(action) => {
                let what = action.expects.unwrap().what;
                let urgency = action.urgency.as_str();
                format!("{urgency} {} {:?}: {what}", action.name, action.exposure)
            }
            Decision::Wait { reason, .. } | Decision::Blocked { reason, .. } => reason.to_owned(),
        };
        *seen.entry(kind).or_default() += 1;
    }
    for kind in [
        "routine rebalance Raises: size of the short",
        "routine rebalance Lowers: size of the short",
        "prompt rebalance Raises: size of the short",
        "prompt rebalance Lowers: size of the short",
        "routine rebalance Lowers: time of the last trade",
        "prompt iterateRebalance Raises: size of the short",
        "prompt iterateRebalance Lowers: size of the short",
        "prompt iterateRebalance Keeps: TWAP leverage ratio",
        "emergency ripcord Lowers: size of the short",
        "routine reinvest Raises: size of the short",
        "inside bounds, interval not over",
        "twap open, cooldown not over",
        "ripcord range, cooldown not over",
        "traded in this second",
        "custom bounds are tighter than the product's own",
        "insolvent: leverage ratio 0 with an open short",
        "nothing to trade: already at the new ratio",
        "caller not permitted",
        "reinvest waits: it would take the ratio out of bounds",
        "reinvest waits: the funding is not worth its gas",
    ] {
        assert!(seen.get(kind).is_some_and(|times| *times >= 5), "{kind} in {seen:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 5_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn acts_exactly_as_the_contract_would_let_it(world in worlds()) {
        let wanted = world.wanted();
        let decision = assess(&world).decision;
        let is_reinvest = |name: &str| name == "reinvest" && is_on_the_edge(&world);
        match (&decision, &wanted) {
            (Decision::Act(action), Some((name, urgency, exposure, after))) => {
                prop_assert_eq!((action.name, action.urgency), (*name, *urgency));
                prop_assert_eq!(action.exposure, *exposure);
                let expected = action.expects.clone().unwrap();
                let (before, after) = (seen(&world, &expected.what), seen(after, &expected.what));
                prop_assert!(expected.holds(before, after), "{expected:?}: {before} to {after}");
            }
            (Decision::Act(action), None) if is_reinvest(action.name) => {}
            (Decision::Act(_), None) => prop_assert!(false, "{decision:?} but nothing is wanted"),
            (Decision::Wait { .. } | Decision::Blocked { .. }, Some((name, ..))) => {
                prop_assert!(is_reinvest(name), "{decision:?} but {name} is wanted");
            }
            (Decision::Wait { .. } | Decision::Blocked { .. }, None) => {}
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever the price does by a little until the call is included, half of the chunk was not too
    /// much to expect.
    #[test]
    fn what_is_expected_holds_after_a_little_price(world in worlds(), by in -45_i64..=45) {
        let Decision::Act(action) = assess(&world).decision else { return Ok(()) };
        let expected = action.expects.unwrap();
        let mut later = world;
        later.now += 2;
        later.price += later.price * I256::try_from(by).unwrap() / int(10_000);
        let Some(after) = later.call(action.name) else { return Ok(()) };
        // It is another action of the same name by then: a price has carried the ratio over the
        // end of the TWAP.
        if action.name == "iterateRebalance" && expected.what != "TWAP leverage ratio" && later.is_outrun() {
            return Ok(());
        }
        if action.name == "iterateRebalance" && expected.what == "TWAP leverage ratio" && !later.is_outrun() {
            return Ok(());
        }
        let (before, after) = (seen(&later, &expected.what), seen(&after, &expected.what));
        prop_assert!(expected.holds(before, after), "{expected:?}: {before} to {after}");
    }

    /// A ratio of zero, or a wallet that is a contract, is never acted on.
    #[test]
    fn never_acts_where_every_call_would_revert(world in worlds(), is_contract in any::<bool>()) {
        let mut snapshot = world.snapshot();
        snapshot.caller_is_contract = is_contract;
        let decision = decide(&product(), &world.policy, &snapshot).unwrap().decision;
        if is_contract || world.ratio() == I256::ZERO {
            prop_assert!(!matches!(decision, Decision::Act(_)), "{decision:?}");
        }
    }

    /// A key is what tells one action from the next, and one that has been answered is never
    /// answered again.
    #[test]
    fn no_key_is_answered_twice(
        world in worlds(),
        steps in prop::collection::vec((0_u64..5_000, 90_u64..112), 2..10),
    ) {
        let mut world = world;
        let mut answered = HashSet::new();
        for (seconds, price) in steps {
            if let Decision::Act(action) = assess(&world).decision
                && let Some(after) = world.call(action.name)
            {
                let key = (action.name, action.answers.as_str().to_owned());
                prop_assert!(answered.insert(key), "{:?} twice", action.answers);
                world = after;
            }
            world.now += seconds;
            world.price = (world.price * int(price) / int(100)).max(milli(1_000));
        }
    }
}
