//! A more urgent action has the nonce of what waits for inclusion.

use ballast_strategy_api::{Action, Decision, NonEmpty, Urgency};

use super::{
    bench::{Bench, NoOpinion, action, call, caps, once, ripcord},
    scenarios::{hash_of, outcomes, reason, with_call},
    sim::{FRAGILE, GWEI},
};
use crate::{
    guard::{Caps, Permit},
    submission::{LaneEvent, Pursuit, lifecycle::Outcome, slot::AttemptKind},
};

fn taken(pursuit: &Pursuit) -> Option<(u64, &str)> {
    let Pursuit::Sent { nonce, in_place_of: Some(other), .. } = pursuit else { return None };
    Some((*nonce, other))
}

#[tokio::test]
async fn a_ripcord_takes_over_a_pending_rebalance() {
    let mut bench = Bench::new().await;
    let routine = bench.pursue(action(1)).await;
    let Pursuit::Sent { price: before, .. } = routine else { panic!("{routine:?}") };
    bench.pass(1).await;
    let urgent = bench.pursue(ripcord(2)).await;
    assert_eq!(taken(&urgent), Some((0, "rebalance")), "{urgent:?}");
    let Pursuit::Sent { hash, price, .. } = urgent else { panic!() };
    for (old, new) in [
        (before.max_fee_per_gas, price.max_fee_per_gas),
        (before.max_priority_fee_per_gas, price.max_priority_fee_per_gas),
    ] {
        assert!(new >= (old * 110).div_ceil(100), "geth's rule: {old} → {new}");
    }
    assert_eq!(bench.sim.world().pool.get(&0), Some(&hash), "the pool took it for the other");
    let slot = &bench.lane.snapshot().slots[0];
    assert_eq!((slot.action.as_str(), slot.urgency), ("ripcord", "emergency"));
    assert_eq!(slot.attempts[1].kind, AttemptKind::Replacement.label());
    // It is the ripcord's nonce now, also after a restart, and nothing takes it over in turn.
    bench.restart().await;
    assert_eq!(bench.lane.snapshot().slots[0].action, "ripcord");
    for other in [action(1), action(3), ripcord(3), ripcord(2)] {
        assert_eq!(bench.pursue(other).await, Pursuit::Live { nonce: 0 });
    }
    bench.sim.mine(hash);
    bench.observe().await;
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Confirmed)]);
    assert_eq!(bench.pursue(ripcord(2)).await, Pursuit::Answered { nonce: 0 });
    let rebalance = bench.pursue(action(1)).await;
    assert!(matches!(rebalance, Pursuit::Sent { nonce: 1, .. }), "it was not answered");
}

#[tokio::test]
async fn it_is_priced_at_the_caps_of_the_new_urgency() {
    let mut bench = Bench::new().await;
    let head = bench.sim.head();
    let tight = Caps { max_fee_per_gas: 22 * GWEI, ..caps() };
    bench.lane.pursue(Permit::for_test(action(1), tight), &head, &NoOpinion).await.unwrap();
    bench.sim.world().base_fee = 60 * GWEI;
    bench.pass(1).await;
    let urgent = bench.pursue(ripcord(2)).await;
    let Pursuit::Sent { price, .. } = urgent else { panic!("{urgent:?}") };
    assert!(price.max_fee_per_gas > 60 * GWEI);
}

#[tokio::test]
async fn the_one_taken_over_is_mined_all_the_same_and_the_need_assessed_anew() {
    let mut bench = Bench::new().await;
    let routine = hash_of(&bench.pursue(action(1)).await);
    bench.pursue(once(ripcord(2))).await;
    bench.sim.mine(routine);
    let events = bench.observe().await;
    let [LaneEvent::Included { nonce: 0, action: name, outcome: Outcome::Confirmed, .. }] =
        events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(name, "rebalance");
    // Still due? Then at the next nonce, at once: its contract lets it take effect once.
    let again = bench.pursue(once(ripcord(2))).await;
    assert!(matches!(again, Pursuit::Sent { nonce: 1, in_place_of: None, .. }), "{again:?}");
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Live { nonce: 1 });
}

#[tokio::test]
async fn equal_or_less_urgent_waits_unless_the_pending_call_would_fail() {
    let mut bench = Bench::new().await;
    bench.pursue(with_call(action(1), FRAGILE)).await;
    assert_eq!(bench.pursue(action(2)).await, Pursuit::Live { nonce: 0 });
    bench.sim.world().faults.reverting = true;
    bench.pass(1).await;
    let other = bench.pursue(action(2)).await;
    assert_eq!(taken(&other), Some((0, "rebalance")), "{other:?}");
}

#[tokio::test]
async fn what_is_out_of_date_makes_room_for_what_is_due() {
    let mut bench = Bench::new().await;
    let first = bench.pursue(action(1)).await;
    bench.pass(1).await;
    // The same is due, in a better call: the strategy has not said that this one will not do.
    let better = with_call(action(1), [7].into());
    bench.assess(Decision::Act(better.clone()), Vec::new());
    assert_eq!(bench.pursue(better.clone()).await, Pursuit::Live { nonce: 0 });
    bench.outdated(Decision::Act(better.clone()));
    let second = bench.pursue(better.clone()).await;
    assert_eq!(taken(&second), Some((0, "rebalance")), "{second:?}");
    assert_eq!(bench.sim.world().pool.get(&0), Some(&hash_of(&second)));
    assert_ne!(hash_of(&first), hash_of(&second));
    // That was said of the call before.
    assert_eq!(bench.pursue(better.clone()).await, Pursuit::Live { nonce: 0 });
    // Another state is answered: the same.
    bench.pass(1).await;
    bench.outdated(Decision::Act(action(2)));
    let third = bench.pursue(action(2)).await;
    assert_eq!(taken(&third), Some((0, "rebalance")), "{third:?}");
    bench.sim.mine(hash_of(&third));
    bench.observe().await;
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Confirmed)]);
    assert_eq!(bench.pursue(action(2)).await, Pursuit::Answered { nonce: 0 });
    assert!(matches!(bench.pursue(better).await, Pursuit::Sent { nonce: 1, .. }));
}

#[tokio::test]
async fn what_the_strategy_takes_back_or_a_reorganisation_makes_room_for_nothing() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    let other = with_call(action(1), [7].into());
    bench.pass(1).await;
    bench.outdated(Decision::Act(other.clone()));
    bench.assess(Decision::Act(other.clone()), Vec::new());
    assert_eq!(bench.pursue(other.clone()).await, Pursuit::Live { nonce: 0 });
    bench.outdated(Decision::Act(other.clone()));
    bench.lane.unread();
    assert_eq!(bench.pursue(other.clone()).await, Pursuit::Live { nonce: 0 });
    bench.outdated(Decision::Act(other.clone()));
    bench.sim.reorg(1, false);
    bench.observe().await;
    assert_eq!(bench.pursue(other).await, Pursuit::Live { nonce: 0 });
}

#[tokio::test]
async fn a_pending_ripcord_whose_exchange_dried_up_goes_to_the_next_one() {
    let mut bench = Bench::new().await;
    let both = Action {
        candidates: NonEmpty { first: call("a", FRAGILE), rest: vec![call("b", [7].into())] },
        ..ripcord(1)
    };
    bench.pursue(both.clone()).await;
    assert_eq!(bench.pursue(both.clone()).await, Pursuit::Live { nonce: 0 });
    bench.sim.world().faults.reverting = true;
    bench.pass(1).await;
    let moved = bench.pursue(both.clone()).await;
    let Pursuit::Sent { nonce: 0, call, .. } = &moved else { panic!("{moved:?}") };
    assert_eq!(call, "b");
    assert_eq!(bench.pursue(both).await, Pursuit::Live { nonce: 0 });
}

#[tokio::test]
async fn a_cancellation_is_not_the_last_word() {
    let mut bench = Bench::new().await;
    bench.pursue(with_call(ripcord(1), FRAGILE)).await;
    bench.sim.world().faults.reverting = true;
    let events = bench.pass(4).await;
    assert!(
        matches!(events.last(), Some(LaneEvent::Replaced { kind: AttemptKind::Cancellation, .. })),
        "{events:?}"
    );
    // Due and possible again: at the same nonce, over the cancellation.
    bench.sim.world().faults.reverting = false;
    let again = bench.pursue(with_call(ripcord(1), FRAGILE)).await;
    assert_eq!(taken(&again), Some((0, "ripcord")), "{again:?}");
    bench.sim.mine(hash_of(&again));
    bench.observe().await;
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Confirmed)]);
}

#[tokio::test]
async fn what_is_included_and_not_observed_yet_is_not_taken_over() {
    let mut bench = Bench::new().await;
    let routine = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(routine);
    assert_eq!(bench.pursue(ripcord(2)).await, Pursuit::Live { nonce: 0 });
    bench.observe().await;
    assert!(matches!(bench.pursue(ripcord(2)).await, Pursuit::Sent { nonce: 1, .. }));
}

#[tokio::test]
async fn of_several_that_came_back_only_a_more_urgent_one_takes_the_lowest() {
    let mut bench = Bench::new().await;
    for key in 0..2 {
        let urgency = if key == 0 { Urgency::Routine } else { Urgency::Prompt };
        let hash = hash_of(&bench.pursue(Action { urgency, ..action(key) }).await);
        bench.sim.mine(hash);
        bench.observe().await;
    }
    bench.sim.reorg(2, true);
    bench.observe().await;
    let prompt = Action { urgency: Urgency::Prompt, ..action(9) };
    assert_eq!(bench.pursue(prompt).await, Pursuit::Live { nonce: 0 });
    assert_eq!(taken(&bench.pursue(ripcord(9)).await), Some((0, "rebalance")));
}

#[tokio::test]
async fn beyond_its_caps_it_is_held_and_says_what_it_would_have_to_outbid() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    let head = bench.sim.head();
    let tight = Caps { max_fee_per_gas: 22 * GWEI, ..caps() };
    let held = bench.lane.pursue(Permit::for_test(ripcord(2), tight), &head, &NoOpinion).await;
    let held = held.unwrap();
    assert_eq!(reason(&held), "held: fee cap");
    assert!(held.to_string().contains("rebalance at nonce 0 offers 21.27"), "{held}");
}
