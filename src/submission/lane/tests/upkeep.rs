//! What was permitted once is not permitted for ever: the guard's word on what is under way, and
//! failures while it is helped on.

use alloy::primitives::U256;
use ballast_chains::profile::Finality;
use ballast_strategy_api::Urgency;

use super::{
    bench::{Bench, NoOpinion, action, caps},
    sim::GWEI,
};
use crate::{
    guard::{Leave, Permit, Upkeep},
    store::Store,
    submission::{LaneEvent, Pursuit, lane::MAX_ATTEMPTS_PER_NONCE, slot::AttemptKind},
};

fn steps(events: &[LaneEvent]) -> Vec<&'static str> {
    events.iter().map(LaneEvent::step).collect()
}

#[tokio::test]
async fn a_stopped_product_sends_nothing_and_still_sees_inclusion() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.upkeep = Upkeep::for_test(Leave::Watch);
    assert!(bench.pass(12).await.is_empty());
    assert_eq!(bench.sim.sent().len(), 1, "only the first broadcast");
    bench.sim.mine_pool();
    assert_eq!(bench.steps().await, ["included"]);
}

#[tokio::test]
async fn at_a_stale_head_the_same_bytes_go_out_and_nothing_is_signed() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.upkeep = Upkeep::for_test(Leave::Resend);
    assert!(bench.pass(12).await.is_empty());
    let sent = bench.sim.sent();
    assert_eq!(sent.len(), 13);
    assert!(sent.iter().all(|hash| *hash == sent[0]), "a second transaction was signed");
}

#[tokio::test]
async fn a_replacement_that_the_wallet_cannot_pay_is_not_made() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.sim.world().balance = U256::from(GWEI);
    let events = bench.pass(8).await;
    assert!(
        matches!(events.as_slice(), [LaneEvent::NotReplaced { reason: "insufficient funds", .. }]),
        "{events:?}"
    );
    assert_eq!(bench.sim.sent().len(), 9, "the affordable one is sent on");
    bench.sim.world().balance = U256::from(10).pow(U256::from(20));
    assert_eq!(steps(&bench.pass(1).await), ["replaced"]);
}

#[tokio::test]
async fn the_last_attempt_is_there_to_give_up_with() {
    let mut bench = Bench::new().await;
    let mut urgent = action(1);
    urgent.urgency = Urgency::Emergency;
    urgent.deadline = Some(15);
    let head = bench.sim.head();
    bench.lane.pursue(Permit::for_test(urgent, caps()), &head, &NoOpinion).await.unwrap();
    let events = bench.pass(15).await;
    let made = events.iter().filter(|e| e.step() == "replaced").count();
    assert_eq!(made, MAX_ATTEMPTS_PER_NONCE - 2);
    let events = bench.pass(2).await;
    let cancelled = events
        .iter()
        .any(|event| matches!(event, LaneEvent::Replaced { kind: AttemptKind::Cancellation, .. }));
    assert!(cancelled, "{events:?}");
}

#[tokio::test]
async fn an_intent_under_way_from_an_earlier_wallet_is_not_signed_again() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.change_key().await;
    let again = bench.pursue(action(1)).await;
    assert!(matches!(again, Pursuit::Answered { nonce: 0 }), "{again:?}");
    // Another state is another intent.
    let other = bench.pursue(action(2)).await;
    assert!(matches!(other, Pursuit::Sent { .. }), "{other:?}");
}

#[tokio::test]
async fn inclusion_does_not_hang_on_a_finality_tag_that_nodes_do_not_have_yet() {
    let store = Store::in_memory().await.unwrap();
    let mut bench = Bench::with(store, Finality::Finalized).await;
    bench.sim.world().faults.no_tags = true;
    bench.pursue(action(1)).await;
    bench.sim.mine_pool();
    assert_eq!(bench.steps().await, ["included"]);
    bench.sim.world().faults.no_tags = false;
    bench.sim.world().safe = bench.sim.head().number;
    assert_eq!(bench.steps().await, ["final"]);
}
