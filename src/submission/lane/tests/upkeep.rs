//! What was permitted once is not permitted for ever: the guard's word on what is under way, and
//! failures while it is helped on.

use alloy::primitives::U256;
use ballast_chains::profile::Finality;

use super::{
    bench::{Bench, action},
    sim::GWEI,
};
use crate::{
    guard::{Leave, Upkeep},
    store::Store,
    submission::LaneEvent,
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
