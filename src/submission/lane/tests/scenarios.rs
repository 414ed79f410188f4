//! One story each.

use alloy::primitives::{B256, Bytes};
use ballast_chains::{pool::SendAnswer, profile::Finality};
use ballast_strategy_api::{Action, NonEmpty};

use super::{
    bench::{Bench, NoOpinion, action, call, permit, ripcord},
    sim::{GWEI, journalled},
};
use crate::{
    store::Store,
    submission::{LaneEvent, Pursuit, lifecycle::Outcome, slot::AttemptKind},
};

pub(super) fn hash_of(pursuit: &Pursuit) -> B256 {
    let Pursuit::Sent { hash, .. } = pursuit else { panic!("not sent: {pursuit:?}") };
    *hash
}

pub(super) fn reason(pursuit: &Pursuit) -> String {
    format!("{}: {}", pursuit.kind(), pursuit.reason())
}

pub(super) fn outcomes(events: &[LaneEvent]) -> Vec<(u64, Outcome)> {
    let finals = events.iter().filter_map(|event| {
        let LaneEvent::Final { nonce, outcome, .. } = event else { return None };
        Some((*nonce, *outcome))
    });
    finals.collect()
}

pub(super) fn with_call(mut action: Action, data: Bytes) -> Action {
    action.candidates = NonEmpty::one(call("only", data));
    action
}

#[tokio::test]
async fn sent_included_final() {
    let mut bench = Bench::new().await;
    let sent = bench.pursue(action(1)).await;
    let Pursuit::Sent { nonce: 0, hash, price, gas_limit: 120_000, .. } = sent else {
        panic!("{sent:?}")
    };
    // Ten gwei after six blocks of the worst growth, and the tip.
    assert_eq!(price.max_fee_per_gas / (GWEI / 100), 2_127);
    assert!(bench.lane.is_pending());
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("pending"));
    bench.sim.mine(hash);
    let events = bench.observe().await;
    assert!(matches!(
        events.as_slice(),
        [LaneEvent::Included { nonce: 0, outcome: Outcome::Confirmed, .. }]
    ));
    assert!(!bench.lane.is_pending());
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("included"));
    assert!(bench.pass(1).await.is_empty(), "two confirmations are not three");
    assert_eq!(outcomes(&bench.pass(1).await), [(0, Outcome::Confirmed)]);
    assert_eq!(bench.lane.unfinished(), 0);
    assert_eq!(bench.column(0, "outcome").await.as_deref(), Some("confirmed"));
    assert_eq!(bench.sim.sent().len(), 1, "nothing is sent again once it is included");
}

#[tokio::test]
async fn while_one_waits_for_inclusion_nothing_else_is_signed() {
    let mut bench = Bench::new().await;
    let first = bench.pursue(action(1)).await;
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Live { nonce: 0 });
    assert_eq!(bench.pursue(action(2)).await, Pursuit::Live { nonce: 0 });
    bench.sim.mine(hash_of(&first));
    assert_eq!(bench.pursue(action(2)).await, Pursuit::Live { nonce: 0 }, "not observed yet");
    bench.observe().await;
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Live { nonce: 0 }, "the same intent");
    let second = bench.pursue(action(2)).await;
    assert!(matches!(second, Pursuit::Sent { nonce: 1, .. }), "{second:?}");
}

#[tokio::test]
async fn an_intent_that_is_confirmed_is_never_repeated() {
    let mut bench = Bench::new().await;
    let sent = bench.pursue(action(1)).await;
    bench.sim.mine(hash_of(&sent));
    bench.pass(3).await;
    assert_eq!(bench.lane.unfinished(), 0);
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Answered { nonce: 0 });
    bench.restart().await;
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Answered { nonce: 0 });
    assert!(matches!(bench.pursue(action(2)).await, Pursuit::Sent { nonce: 1, .. }));
}

#[tokio::test]
async fn killed_between_journal_and_broadcast_the_same_bytes_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    let store = Store::open(&file).await.unwrap();
    let mut bench = Bench::with(store, Finality::Confirmations(3)).await;
    bench.sim.world().faults.hanging = true;
    let reached = std::sync::Arc::clone(&bench.sim.reached);
    let head = bench.sim.head();
    tokio::select! {
        _ = bench.lane.pursue(permit(action(1)), &head, &NoOpinion) => panic!("broadcast returned"),
        () = reached.notified() => {}
    }
    assert!(bench.sim.sent().is_empty());
    let signed = journalled(&bench.store).await;
    assert_eq!(signed.len(), 1);

    bench.sim.world().faults.hanging = false;
    bench.restart().await;
    assert!(bench.sim.sent().is_empty(), "not before a head is observed");
    bench.observe().await;
    let sent: Vec<String> = bench.sim.sent().iter().map(B256::to_string).collect();
    assert_eq!(sent, signed.iter().cloned().collect::<Vec<_>>());
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Live { nonce: 0 });
    assert_eq!(journalled(&bench.store).await, signed, "nothing more was signed");
    bench.sim.mine_pool();
    assert_eq!(bench.steps().await, ["included"]);
    bench.store.close().await;
}

#[tokio::test]
async fn restarted_with_a_live_transaction() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    bench.restart().await;
    bench.observe().await;
    assert_eq!(bench.sim.sent(), [hash, hash]);
    assert_eq!(bench.pursue(action(2)).await, Pursuit::Live { nonce: 0 });
    // Included while nobody looked.
    bench.sim.mine(hash);
    bench.restart().await;
    assert_eq!(bench.sim.sent().len(), 2, "an included one is not sent again");
    assert_eq!(bench.steps().await, ["included"]);
    // And final while nobody looked.
    for _ in 0..5 {
        bench.sim.mine_empty();
    }
    bench.restart().await;
    assert_eq!(outcomes(&bench.observe().await), [(0, Outcome::Confirmed)]);
}

#[tokio::test]
async fn a_send_of_unknown_outcome_is_live_and_found_included() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.answer = Some(SendAnswer::Ambiguous("time-out".into()));
    let hash = hash_of(&bench.pursue(action(1)).await);
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("pending"));
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Live { nonce: 0 });
    bench.sim.mine(hash);
    assert_eq!(bench.steps().await, ["included"]);
}

#[tokio::test]
async fn swallowed_bytes_are_sent_again_at_every_block() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.swallowed = true;
    let hash = hash_of(&bench.pursue(action(1)).await);
    assert!(bench.sim.world().pool.is_empty());
    assert!(bench.pass(2).await.is_empty());
    assert_eq!(bench.sim.sent(), [hash, hash, hash]);
    bench.sim.world().faults.swallowed = false;
    bench.pass(1).await;
    assert_eq!(bench.sim.world().pool.get(&0), Some(&hash));
    bench.observe().await;
    assert_eq!(bench.sim.sent().len(), 4, "once per block");
}

#[tokio::test]
async fn rejected_by_all_stays_signed_and_blocks_the_lane() {
    let mut bench = Bench::new().await;
    {
        let mut world = bench.sim.world();
        world.faults.answer = Some(SendAnswer::Underpriced);
        world.faults.swallowed = true;
    }
    bench.pursue(action(1)).await;
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("signed"));
    assert_eq!(bench.pursue(action(2)).await, Pursuit::Live { nonce: 0 });
    bench.sim.world().faults = super::sim::Faults::default();
    bench.pass(1).await;
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("pending"));
}

#[tokio::test]
async fn reorganised_away_it_goes_back_and_is_included_again() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(hash);
    bench.sim.mine_empty();
    assert_eq!(bench.steps().await, ["included"]);
    bench.sim.reorg(2, true);
    assert_eq!(bench.steps().await, ["reorged"]);
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("pending"));
    assert_eq!(bench.column(0, "included_hash").await, None);
    assert_eq!(bench.sim.sent(), [hash, hash], "sent again at once");
    assert_eq!(bench.pursue(action(2)).await, Pursuit::Live { nonce: 0 });
    bench.sim.mine_pool();
    assert_eq!(bench.steps().await, ["included"]);
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Confirmed)]);
}

#[tokio::test]
async fn a_reorganisation_that_moves_it_to_another_block_is_seen() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(hash);
    bench.observe().await;
    bench.sim.reorg(1, false);
    let head = bench.sim.mine_pool();
    let events = bench.observe().await;
    assert!(
        matches!(events.as_slice(), [LaneEvent::Included { block, .. }] if *block == head.number),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_receipt_of_a_block_that_fell_away_is_not_believed() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(hash);
    bench.observe().await;
    bench.sim.world().faults.receipts_stale = true;
    bench.sim.reorg(1, true);
    bench.sim.mine_foreign();
    assert_eq!(bench.steps().await, ["reorged"]);
    let events = bench.pass(10).await;
    assert_eq!(outcomes(&events), [(0, Outcome::Superseded)], "{events:?}");
}

#[tokio::test]
async fn several_slots_come_back_in_order_and_nothing_new_is_signed() {
    let mut bench = Bench::new().await;
    let mut hashes = Vec::new();
    for key in 0..2 {
        let hash = hash_of(&bench.pursue(action(key)).await);
        bench.sim.mine(hash);
        bench.observe().await;
        hashes.push(hash);
    }
    bench.sim.reorg(2, true);
    assert_eq!(bench.steps().await, ["reorged", "reorged"]);
    assert_eq!(bench.sim.sent()[2..], hashes, "in nonce order");
    assert_eq!(bench.pursue(action(9)).await, Pursuit::Live { nonce: 0 });
    bench.sim.mine(hashes[0]);
    bench.observe().await;
    assert_eq!(bench.pursue(action(9)).await, Pursuit::Live { nonce: 1 });
    bench.sim.mine(hashes[1]);
    bench.observe().await;
    assert!(matches!(bench.pursue(action(9)).await, Pursuit::Sent { nonce: 2, .. }));
}

#[tokio::test]
async fn the_original_of_a_replacement_is_included() {
    let mut bench = Bench::new().await;
    let original = hash_of(&bench.pursue(action(1)).await);
    assert!(bench.pass(4).await.is_empty());
    let events = bench.pass(1).await;
    let [LaneEvent::Replaced { nonce: 0, kind: AttemptKind::Replacement, hash, price, .. }] =
        events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(price.max_fee_per_gas / (GWEI / 100), 2_393, "an eighth more");
    assert_eq!(price.max_priority_fee_per_gas, GWEI * 13 / 10, "after five blocks");
    assert_eq!(bench.sim.world().pool.get(&0), Some(hash), "the pool took it for the original");
    bench.sim.mine(original);
    let events = bench.observe().await;
    assert!(
        matches!(events.as_slice(), [LaneEvent::Included { hash, .. }] if *hash == original),
        "{events:?}"
    );
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Confirmed)]);
}

#[tokio::test]
async fn nonce_too_low_for_our_own_transaction_is_inclusion() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    let before = bench.sim.head();
    bench.sim.mine(hash);
    // Observed at the old head the bytes go out again, and the node, ahead of us, says too low.
    bench.sim.world().faults.receipts_lag = true;
    bench.restart().await;
    bench.observe_at(before).await;
    assert_eq!(bench.sim.sent().len(), 2);
    let found = bench.pass(5).await;
    assert!(found.is_empty(), "a few heads without a receipt prove nothing: {found:?}");
    bench.sim.world().faults.receipts_lag = false;
    let events = bench.observe().await;
    assert_eq!(outcomes(&events), [(0, Outcome::Confirmed)], "{events:?}");
}

/// Whatever is due next would wait for one endpoint's index.
#[tokio::test]
async fn a_receipt_that_one_endpoint_has_not_is_asked_of_the_others() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(hash);
    bench.sim.world().faults.receipts_lag = true;
    assert!(bench.observe().await.is_empty(), "nobody has it");
    bench.sim.world().faults.receipts_elsewhere = true;
    let events = bench.pass(1).await;
    let [LaneEvent::Included { hash: found, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(*found, hash);
    assert!(matches!(bench.pursue(ripcord(2)).await, Pursuit::Sent { nonce: 1, .. }));
    // It ends by the same word.
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Confirmed)]);
    let asked = bench.sim.world().asked_elsewhere;
    bench.pass(3).await;
    assert_eq!(bench.sim.world().asked_elsewhere, asked, "nothing is missing of what waits");
}

#[tokio::test]
async fn the_others_are_asked_at_once_and_then_now_and_then() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(hash);
    bench.sim.world().faults.receipts_lag = true;
    bench.pass(40).await;
    assert_eq!(bench.sim.world().asked_elsewhere, 8 + 4, "at 8 in a row, then at 16, 24, 32, 40");
}

/// Another endpoint knows no better than the first, and a third does.
#[tokio::test]
async fn a_receipt_from_elsewhere_is_believed_by_its_block() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(hash);
    bench.sim.reorg(1, false);
    bench.sim.mine(hash);
    let faults = super::sim::Faults {
        receipts_lag: true,
        elsewhere_stale: true,
        ..super::sim::Faults::default()
    };
    bench.sim.world().faults = faults;
    assert!(bench.pass(1).await.is_empty());
    bench.sim.world().faults.receipts_elsewhere = true;
    let steps = bench.steps().await;
    assert_eq!(steps, ["included"]);
}

#[tokio::test]
async fn however_late_a_receipt_is_our_own_transaction_is_not_given_for_lost() {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    for _ in 0..3 {
        bench.sim.mine_empty();
    }
    bench.sim.mine(hash);
    bench.sim.world().faults.receipts_lag = true;
    let told = bench.pass(40).await;
    let missing = LaneEvent::ReceiptMissing { nonce: 0, action: "rebalance".into(), hash };
    assert_eq!(told, [missing], "once");
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Live { nonce: 0 });
    // Without bodies there is no telling, for as long as a receipt may be late.
    bench.sim.world().faults.no_bodies = true;
    assert!(bench.pass(40).await.is_empty());
    bench.sim.world().faults = super::sim::Faults::default();
    assert_eq!(bench.steps().await, ["included", "final"]);
}
