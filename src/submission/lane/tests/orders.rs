//! What an operator orders for what is pending.

use super::{
    bench::{Bench, NoOpinion, action, caps, permit},
    sim::GWEI,
};
use crate::{
    guard::{Caps, Leave, Permit, Upkeep},
    submission::{LaneEvent, Obeyed, Order, OrderKind, lifecycle::Outcome, slot::AttemptKind},
};

/// The head is observed, with an order.
async fn order(bench: &mut Bench, kind: OrderKind) -> (Vec<LaneEvent>, Obeyed) {
    let by_order = Upkeep::for_test(Leave::Sign);
    ordered(bench, kind, &by_order).await
}

async fn ordered(
    bench: &mut Bench,
    kind: OrderKind,
    by_order: &Upkeep,
) -> (Vec<LaneEvent>, Obeyed) {
    let (head, upkeep) = (bench.sim.head(), bench.upkeep);
    let order = Order { kind, why: "ordered by ann: stuck".into() };
    bench.lane.observe_ordered((order, by_order), &head, Some(&NoOpinion), &upkeep).await.unwrap()
}

fn why(obeyed: Obeyed) -> String {
    match obeyed {
        Obeyed::Refused { why } => why,
        Obeyed::Done { .. } | Obeyed::NotYet => panic!("{obeyed:?}"),
    }
}

fn offers(bench: &Bench) -> Vec<(u128, u128)> {
    let slot = bench.lane.snapshot().slots.remove(0);
    let number = |text: &str| text.parse::<u128>().unwrap();
    let price = |a: &crate::submission::AttemptSnapshot| {
        (number(&a.max_fee_per_gas), number(&a.max_priority_fee_per_gas))
    };
    slot.attempts.iter().map(price).collect()
}

#[tokio::test]
async fn a_bump_replaces_at_once_what_would_have_waited() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    let (_, obeyed) = order(&mut bench, OrderKind::Bump).await;
    assert_eq!(obeyed, Obeyed::NotYet, "it was signed at this head");
    bench.sim.mine_empty();
    let (events, obeyed) = order(&mut bench, OrderKind::Bump).await;
    let Obeyed::Done { nonce: 0, hash, what } = obeyed else { panic!("{obeyed:?}") };
    assert!(what.contains("an operator ordered it (ordered by ann: stuck)"), "{what}");
    let [LaneEvent::Replaced { kind: AttemptKind::Replacement, hash: sent, .. }] =
        events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(sent.to_string(), hash);
    let offers = offers(&bench);
    let [old, new] = offers.as_slice() else { panic!("{offers:?}") };
    assert!(new.0 * 10 >= old.0 * 11 && new.1 * 10 >= old.1 * 11, "{offers:?}");
    // Nothing of an order outlives it.
    bench.sim.mine_empty();
    assert_eq!(bench.observe().await, []);
    bench.sim.mine(*sent);
    bench.observe().await;
    let (_, obeyed) = order(&mut bench, OrderKind::Bump).await;
    assert!(why(obeyed).contains("waits for inclusion"), "it is in a block");
}

#[tokio::test]
async fn a_cancellation_is_sent_although_the_call_would_succeed_and_the_product_is_paused() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.upkeep = Upkeep::for_test(Leave::Watch);
    bench.sim.mine_empty();
    let (events, obeyed) = order(&mut bench, OrderKind::Cancel).await;
    assert!(matches!(obeyed, Obeyed::Done { nonce: 0, .. }), "{obeyed:?}");
    let [LaneEvent::Replaced { kind: AttemptKind::Cancellation, hash, .. }] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    bench.sim.mine_empty();
    let (_, again) = order(&mut bench, OrderKind::Cancel).await;
    assert!(why(again).contains("given up already"));
    let (_, bumped) = order(&mut bench, OrderKind::Bump).await;
    let Obeyed::Done { hash: dearer, .. } = bumped else { panic!("{bumped:?}") };
    assert_ne!(dearer, hash.to_string(), "the cancellation may be offered more for");
    bench.sim.mine(*hash);
    bench.observe().await;
    let last = bench.pass(3).await;
    let gone =
        LaneEvent::Final { nonce: 0, action: "rebalance".into(), outcome: Outcome::Cancelled };
    assert!(last.contains(&gone), "{last:?}");
}

#[tokio::test]
async fn an_order_keeps_to_the_caps_and_to_what_the_guard_says() {
    let mut bench = Bench::new().await;
    let (_, idle) = order(&mut bench, OrderKind::Cancel).await;
    assert!(why(idle).contains("under way"), "nothing is pending");
    let Caps { max_transaction_cost, .. } = caps();
    let first = {
        bench.pursue(action(1)).await;
        offers(&bench)[0].0
    };
    let mut bench = Bench::new().await;
    let tight = Caps { max_fee_per_gas: first, max_transaction_cost };
    let head = bench.sim.head();
    let tight = Permit::for_test(permit(action(1)).action().clone(), tight);
    bench.lane.pursue(tight, &head, &NoOpinion).await.unwrap();
    bench.sim.mine_empty();
    let attempts = |bench: &Bench| offers(bench).len();
    for kind in [OrderKind::Bump, OrderKind::Cancel] {
        let (events, held) = order(&mut bench, kind).await;
        let said = why(held);
        assert!(said.contains("fee cap"), "{kind:?}: {said}");
        assert_eq!((events.as_slice(), attempts(&bench)), ([].as_slice(), 1), "{kind:?}");
    }
    for (leave, expected) in [(Leave::Watch, "dry run"), (Leave::Resend, "too old")] {
        let (_, held) = ordered(&mut bench, OrderKind::Cancel, &Upkeep::for_test(leave)).await;
        assert!(why(held).contains(expected), "{leave:?}");
    }
    assert!(first > GWEI && attempts(&bench) == 1);
}

/// Mines empty blocks, each of which the nodes use to forget what they had; gives what was sent.
async fn forgetful(bench: &mut Bench, blocks: usize) -> Vec<alloy::primitives::B256> {
    let before = bench.sim.sent().len();
    for _ in 0..blocks {
        bench.sim.drop_pool();
        bench.sim.mine_empty();
        assert_eq!(bench.observe().await, []);
    }
    bench.sim.sent().split_off(before)
}

#[tokio::test]
async fn a_cancellation_that_was_ordered_in_a_pause_is_sent_until_it_is_included() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.upkeep = Upkeep::for_test(Leave::Watch);
    bench.stopped.store(true, std::sync::atomic::Ordering::Relaxed);
    bench.sim.mine_empty();
    assert!(forgetful(&mut bench, 2).await.is_empty(), "nothing was ordered");
    bench.sim.mine_empty();
    let (events, _) = order(&mut bench, OrderKind::Cancel).await;
    let [LaneEvent::Replaced { hash, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(forgetful(&mut bench, 3).await, [*hash; 3]);
    bench.restart().await;
    assert_eq!(forgetful(&mut bench, 2).await, [*hash; 2], "the journal knows what was ordered");
    // Without a signer, or in a dry run, nothing leaves.
    bench.upkeep.ordered = Leave::Watch;
    assert!(forgetful(&mut bench, 2).await.is_empty());
    bench.upkeep.ordered = Leave::Resend;
    assert_eq!(forgetful(&mut bench, 1).await, [*hash]);
    bench.sim.mine_pool();
    assert_eq!(bench.steps().await, ["included"]);
    assert_eq!(bench.pass(3).await.len(), 1, "it is final");
    assert_eq!(bench.column(0, "outcome").await.as_deref(), Some("cancelled"));
}

#[tokio::test]
async fn what_was_given_up_without_an_order_is_not_sent_in_a_pause() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.nothing_due();
    let events = bench.pass(2).await;
    assert!(
        matches!(events[..], [LaneEvent::Replaced { kind: AttemptKind::Cancellation, .. }]),
        "{events:?}"
    );
    bench.upkeep = Upkeep::for_test(Leave::Watch);
    assert!(forgetful(&mut bench, 3).await.is_empty());
}

#[tokio::test]
async fn a_bump_is_sent_on_in_the_pause_that_it_was_ordered_in_and_in_no_later_one() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.upkeep = Upkeep::for_test(Leave::Watch);
    bench.sim.mine_empty();
    let (events, _) = order(&mut bench, OrderKind::Bump).await;
    let [LaneEvent::Replaced { hash, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(forgetful(&mut bench, 2).await, [*hash; 2]);
    bench.upkeep = Upkeep::for_test(Leave::Resend);
    assert_eq!(forgetful(&mut bench, 1).await, [*hash]);
    bench.upkeep = Upkeep::for_test(Leave::Watch);
    assert!(forgetful(&mut bench, 2).await.is_empty(), "the second pause is the newer word");
}
