//! What was permitted once is not permitted for ever: the guard's word on what is under way, and
//! failures while it is helped on.

use alloy::primitives::U256;
use ballast_chains::profile::Finality;
use ballast_strategy_api::{Action, Decision, Exposure};

use super::{
    bench::{Bench, action, ripcord},
    sim::GWEI,
};
use crate::{
    guard::{Agreed, Leave, Upkeep},
    store::Store,
    submission::{LaneEvent, Pursuit, slot::AttemptKind},
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

#[tokio::test]
async fn during_a_dispute_routine_work_is_sent_again_and_an_emergency_is_raised() {
    for (action, steps_seen) in [(action(1), 0), (ripcord(1), 1)] {
        let mut bench = Bench::new().await;
        bench.pursue(action).await;
        bench.upkeep.disputed = true;
        let replaced = bench.pass(6).await.len().min(1);
        assert_eq!(replaced, steps_seen);
        assert_eq!(bench.sim.sent().len(), 7);
    }
}

fn with(exposure: Exposure) -> Action {
    Action { exposure, ..action(1) }
}

fn cancels(events: &[LaneEvent]) -> bool {
    let is = |event: &LaneEvent| {
        matches!(event, LaneEvent::Replaced { kind: AttemptKind::Cancellation, .. })
    };
    events.iter().any(is)
}

/// The same bytes lower or raise the exposure, depending on where the ratio is by now.
#[tokio::test]
async fn what_lowered_and_would_raise_by_now_is_given_up_where_only_delevering_is_allowed() {
    let act = |exposure| Decision::Act(with(exposure));
    let wait = Decision::Wait { reason: "in range", until: None };
    for turned in [act(Exposure::Raises), wait] {
        let mut bench = Bench::new().await;
        bench.upkeep.delever_only = true;
        bench.assess(act(Exposure::Lowers), Vec::new());
        bench.pursue(with(Exposure::Lowers)).await;
        assert!(!cancels(&bench.pass(3).await));
        assert_eq!(bench.sim.sent().len(), 4, "it lowers still");
        bench.assess(turned, Vec::new());
        assert!(cancels(&bench.pass(1).await));
    }
}

#[tokio::test]
async fn what_raises_is_not_revived_by_a_restart_into_delever_only() {
    let mut bench = Bench::new().await;
    bench.pursue(with(Exposure::Raises)).await;
    bench.upkeep.delever_only = true;
    bench.restart().await;
    // Not even its cancellation is affordable: nothing at all goes out.
    bench.sim.world().base_fee = 1_000 * GWEI;
    bench.sim.mine_empty();
    bench.pass(2).await;
    assert_eq!(bench.sim.sent().len(), 1, "{:?}", bench.sim.sent());
    bench.sim.world().base_fee = 10 * GWEI;
    bench.sim.mine_empty();
    assert!(cancels(&bench.pass(1).await), "the journal knows that it raises");
}

#[tokio::test]
async fn after_a_restart_nothing_goes_out_before_the_strategy_says_that_it_delevers() {
    let mut bench = Bench::new().await;
    bench.pursue(with(Exposure::Lowers)).await;
    bench.upkeep.delever_only = true;
    bench.restart().await;
    assert!(bench.pass(3).await.is_empty());
    assert_eq!(bench.sim.sent().len(), 1);
    bench.assess(Decision::Act(with(Exposure::Lowers)), Vec::new());
    bench.pass(1).await;
    assert_eq!(bench.sim.sent().len(), 2);
}

#[tokio::test]
async fn what_expired_while_the_process_was_away_is_not_revived() {
    let mut bench = Bench::new().await;
    bench.pursue(Action { deadline: Some(2), ..action(1) }).await;
    bench.sim.world().base_fee = 1_000 * GWEI;
    for _ in 0..4 {
        bench.sim.mine_empty();
    }
    bench.restart().await;
    bench.pass(1).await;
    assert_eq!(bench.sim.sent().len(), 1);
}

/// What waits is for another contract than the product acts on by now.
#[tokio::test]
async fn what_was_signed_for_what_the_product_does_not_act_on_any_more_is_given_up() {
    let on = |found: &str| Agreed::On(found.into());
    for then in [Agreed::Moved("led to a and leads to b".into()), on("b")] {
        let mut bench = Bench::new().await;
        bench.lane.agree(on("a"));
        bench.pursue(action(1)).await;
        assert!(bench.pass(2).await.is_empty());
        assert_eq!(bench.sim.sent().len(), 3, "sent on");
        // Over a restart too, and not even its bytes go out again, though its end is not affordable.
        bench.restart().await;
        bench.lane.agree(then);
        bench.sim.world().base_fee = 1_000 * GWEI;
        bench.pass(2).await;
        assert_eq!(bench.sim.sent().len(), 3);
        bench.sim.world().base_fee = 10 * GWEI;
        bench.sim.mine_empty();
        assert!(cancels(&bench.pass(1).await));
    }
}

#[tokio::test]
async fn what_is_included_or_of_unknown_origin_is_left() {
    let mut bench = Bench::new().await;
    // Journalled before anybody remembered what it was for.
    bench.pursue(action(1)).await;
    bench.lane.agree(Agreed::On("a".into()));
    assert!(!cancels(&bench.pass(2).await));
    bench.sim.mine_pool();
    bench.observe().await;
    bench.pursue(action(2)).await;
    bench.sim.mine_pool();
    bench.lane.agree(Agreed::Moved("led to a and leads to b".into()));
    assert!(!cancels(&bench.pass(4).await));
    assert!(bench.lane.is_idle(), "followed until it was final");
}

/// A fresh contract may be in the very state that an action on the one before answered.
#[tokio::test]
async fn what_was_carried_out_on_one_contract_is_not_on_another() {
    let mut bench = Bench::new().await;
    bench.lane.agree(Agreed::On("a".into()));
    bench.pursue(action(1)).await;
    bench.sim.mine_pool();
    bench.pass(4).await;
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Answered { nonce: 0 }));
    bench.lane.agree(Agreed::On("b".into()));
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 1, .. }));
}
