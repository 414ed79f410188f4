//! One story each, of trouble: a key used elsewhere, reverts, replacements, nodes and disks that fail.

use alloy::primitives::{Bytes, U256};
use ballast_chains::profile::Finality;
use ballast_strategy_api::NonEmpty;

use super::{
    bench::{Bench, NoOpinion, TARGET, action, call, caps, open, permit},
    scenarios::{hash_of, outcomes, reason, with_call},
    sim::{FAILS_WHEN_MINED, GWEI, HOPELESS, journalled},
};
use crate::{
    guard::{Leave, Permit, Rehearsal, Upkeep},
    store::Store,
    submission::{LaneError, LaneEvent, Pursuit, lifecycle::Outcome, slot::AttemptKind},
};

#[tokio::test]
async fn a_nonce_that_somebody_else_used_and_gave_back_is_filled() {
    let mut bench = Bench::new().await;
    bench.sim.mine_foreign();
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 1, .. }));
    bench.observe().await;
    bench.sim.reorg(1, true);
    assert!(bench.observe().await.is_empty());
    let events = bench.pass(4).await;
    let filled = events.iter().any(|event| {
        let kind = AttemptKind::Cancellation;
        matches!(event, LaneEvent::Replaced { nonce: 0, kind: k, .. } if *k == kind)
    });
    assert!(filled, "{events:?}");
    bench.sim.mine_pool();
    bench.observe().await;
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Cancelled), (1, Outcome::Confirmed)]);
}

#[tokio::test]
async fn a_nonce_taken_by_somebody_else_is_superseded_at_depth_only() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.swallowed = true;
    bench.pursue(action(1)).await;
    bench.sim.mine_foreign();
    // Two more blocks settle it, and five heads in a row must see that.
    assert!(bench.pass(5).await.is_empty());
    assert!(bench.observe().await.is_empty(), "the same head again is no further sighting");
    bench.sim.mine_empty();
    let sent = bench.sim.sent().len();
    assert_eq!(outcomes(&bench.observe().await), [(0, Outcome::Superseded)]);
    assert_eq!(bench.sim.sent().len(), sent, "a used nonce is not sent to");
    bench.sim.world().faults.swallowed = false;
    let again = bench.pursue(action(1)).await;
    assert!(matches!(again, Pursuit::Sent { nonce: 1, .. }), "it came to nothing: {again:?}");
}

#[tokio::test]
async fn a_foreign_transaction_is_noticed() {
    let mut bench = Bench::new().await;
    bench.sim.mine_foreign();
    bench.sim.mine_foreign();
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 2, .. }));
    let events = bench.observe().await;
    assert_eq!(events, [LaneEvent::Foreign { from: 0, to: 2 }]);
    assert!(bench.observe().await.is_empty(), "told once");
}

#[tokio::test]
async fn a_revert_is_final_only_at_depth() {
    let mut bench = Bench::new().await;
    let sent = bench.pursue(with_call(action(1), FAILS_WHEN_MINED)).await;
    bench.sim.mine(hash_of(&sent));
    let events = bench.observe().await;
    assert!(matches!(events.as_slice(), [LaneEvent::Included { outcome: Outcome::Reverted, .. }]));
    assert_eq!(reason(&bench.pursue(action(1)).await), "held: waits for finality");
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Reverted)]);
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 1, .. }));
}

#[tokio::test]
async fn finality_by_tag_follows_the_tag() {
    let store = Store::in_memory().await.unwrap();
    let mut bench = Bench::with(store, Finality::Safe).await;
    let sent = bench.pursue(action(1)).await;
    let block = bench.sim.mine(hash_of(&sent)).number;
    bench.sim.world().safe = block - 1;
    assert!(outcomes(&bench.pass(20).await).is_empty());
    bench.sim.world().safe = block;
    assert_eq!(outcomes(&bench.pass(1).await), [(0, Outcome::Confirmed)]);
}

#[tokio::test]
async fn a_replacement_that_would_pass_the_cap_is_held_and_caps_survive_a_restart() {
    let mut bench = Bench::new().await;
    let caps = crate::guard::Caps { max_fee_per_gas: 22 * GWEI, ..caps() };
    let head = bench.sim.head();
    bench.lane.pursue(Permit::for_test(action(1), caps), &head, &NoOpinion).await.unwrap();
    bench.restart().await;
    let events = bench.pass(8).await;
    assert!(
        matches!(events.as_slice(), [LaneEvent::NotReplaced { reason: "fee cap", .. }]),
        "{events:?}"
    );
}

#[tokio::test]
async fn the_first_candidate_that_succeeds_is_sent() {
    let mut bench = Bench::new().await;
    let mut choice = action(1);
    choice.candidates = NonEmpty {
        first: call("dry", HOPELESS),
        rest: vec![call("deep", Bytes::from_static(&[2])), call("last", Bytes::from_static(&[3]))],
    };
    let sent = bench.pursue(choice).await;
    assert!(matches!(&sent, Pursuit::Sent { call, .. } if call == "deep"), "{sent:?}");

    let mut none = action(2);
    none.candidates =
        NonEmpty { first: call("dry", HOPELESS), rest: vec![call("drier", HOPELESS)] };
    bench.sim.mine(hash_of(&sent));
    bench.observe().await;
    let refused = bench.pursue(none).await;
    assert_eq!(reason(&refused), "refused: not due");
    let words = refused.to_string();
    assert!(words.contains("dry: reverted") && words.contains("drier: reverted"), "{words}");
}

#[tokio::test]
async fn held_by_price_and_by_funds() {
    let mut bench = Bench::new().await;
    bench.sim.world().base_fee = 200 * GWEI;
    bench.sim.mine_empty();
    assert_eq!(reason(&bench.pursue(action(1)).await), "held: fee cap");
    {
        let mut world = bench.sim.world();
        world.base_fee = 10 * GWEI;
        // What the next block costs, with a gwei for the least tip. More than that is headroom, and
        // cut to what the wallet holds.
        world.balance = U256::from(11 * GWEI * 120_000 - 1);
    }
    bench.sim.mine_empty();
    assert_eq!(reason(&bench.pursue(action(1)).await), "held: insufficient funds");
    bench.sim.world().balance += U256::from(1);
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 0, .. }));
}

#[tokio::test]
async fn nodes_that_do_not_answer_change_nothing() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.unavailable = true;
    let error = bench.try_pursue(action(1)).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(open(&bench.store, &bench.sim, &bench.profile).await.unwrap_err().is_transient());
    bench.sim.world().faults.unavailable = false;
    let hash = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(hash);
    bench.sim.world().faults.unavailable = true;
    let head = bench.sim.head();
    assert!(
        bench
            .lane
            .observe(&head, None, &Upkeep::for_test(Leave::Sign))
            .await
            .unwrap_err()
            .is_transient()
    );
    bench.sim.world().faults.unavailable = false;
    assert_eq!(bench.steps().await, ["included"]);
}

#[tokio::test]
async fn what_cannot_be_journalled_is_not_sent() {
    let mut bench = Bench::new().await;
    let store = Store::in_memory().await.unwrap();
    bench.lane = open(&store, &bench.sim, &bench.profile).await.unwrap();
    store.close().await;
    let error = bench.try_pursue(action(1)).await.unwrap_err();
    assert!(matches!(error, LaneError::Journal(_)), "{error:?}");
    assert!(bench.sim.sent().is_empty());
}

#[tokio::test]
async fn after_a_failed_write_the_journal_is_read_before_anything_else() {
    let mut bench = Bench::new().await;
    let statement = |sql| vec![crate::store::Statement::new(sql)];
    bench.store.commit(statement("ALTER TABLE events RENAME TO gone")).await.unwrap();
    assert!(matches!(bench.try_pursue(action(1)).await, Err(LaneError::Journal(_))));
    assert!(bench.sim.sent().is_empty());
    bench.store.commit(statement("ALTER TABLE gone RENAME TO events")).await.unwrap();
    // As if the disk had taken what was reported as failed.
    let mut other = open(&bench.store, &bench.sim, &bench.profile).await.unwrap();
    let head = bench.sim.head();
    let sent = other.pursue(permit(action(1)), &head, &NoOpinion).await.unwrap();
    assert!(matches!(sent, Pursuit::Sent { nonce: 0, .. }), "{sent:?}");
    assert_eq!(bench.pursue(action(2)).await, Pursuit::Live { nonce: 0 });
}

#[tokio::test]
async fn nothing_is_signed_on_a_head_that_is_behind_the_journal() {
    let mut bench = Bench::new().await;
    let before = bench.sim.head();
    let sent = bench.pursue(action(1)).await;
    bench.sim.mine(hash_of(&sent));
    bench.observe().await;
    let held = bench.lane.pursue(permit(action(2)), &before, &NoOpinion).await.unwrap();
    assert_eq!(reason(&held), "held: head behind the journal");
    assert_eq!(journalled(&bench.store).await.len(), 1);
}

#[tokio::test]
async fn a_rehearsal_signs_nothing() {
    let mut bench = Bench::new().await;
    let rehearsal = Rehearsal { action: action(1), caps: caps(), reason: "dry run" };
    let head = bench.sim.head();
    let plan = bench.lane.plan(&rehearsal, &head, &NoOpinion).await.unwrap();
    let Pursuit::WouldSend { to, gas_limit, max_cost, .. } = plan else { panic!("{plan:?}") };
    assert_eq!((to, gas_limit), (TARGET, 120_000));
    assert_eq!(max_cost / U256::from(GWEI / 100 * 120_000), U256::from(2_127));
    assert!(journalled(&bench.store).await.is_empty());
    assert!(!bench.lane.is_pending());
}

#[tokio::test]
async fn a_store_for_reading_sends_nothing_and_still_sees() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    let store = Store::open(&file).await.unwrap();
    let mut bench = Bench::with(store, Finality::Confirmations(3)).await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    let reading = Store::open_readonly(&file).await.unwrap().unwrap();
    let mut beside = open(&reading, &bench.sim, &bench.profile).await.unwrap();
    assert!(beside.is_pending());
    let head = bench.sim.head();
    assert!(matches!(
        beside.pursue(permit(action(2)), &head, &NoOpinion).await,
        Err(LaneError::ReadOnly)
    ));
    for _ in 0..6 {
        let head = bench.sim.mine_empty();
        assert!(
            beside.observe(&head, None, &Upkeep::for_test(Leave::Sign)).await.unwrap().is_empty()
        );
    }
    let head = bench.sim.mine(hash);
    assert_eq!(beside.observe(&head, None, &Upkeep::for_test(Leave::Sign)).await.unwrap().len(), 1);
    assert_eq!(bench.sim.sent(), [hash]);
    bench.store.close().await;
}

#[tokio::test]
async fn a_key_used_while_the_keeper_was_down_is_noticed() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.sim.mine_pool();
    bench.pass(4).await;
    bench.sim.mine_foreign();
    bench.restart().await;
    let events = bench.observe().await;
    assert!(matches!(events.as_slice(), [LaneEvent::Foreign { from: 1, to: 2 }]), "{events:?}");
    let adopted = bench.pass(2).await;
    let [LaneEvent::Adopted { nonce: 1, hash: Some(_), cost: Some(_) }] = adopted.as_slice() else {
        panic!("{adopted:?}")
    };
    assert!(bench.pass(2).await.is_empty(), "told once");
}

#[tokio::test]
async fn a_body_that_lacks_ours_and_any_other_proves_nothing() {
    let mut bench = Bench::new().await;
    let hash = bench.pursue(action(1)).await;
    bench.sim.mine(hash_of(&hash));
    bench.sim.world().faults.receipts_lag = true;
    bench.sim.world().faults.empty_bodies = true;
    assert!(bench.pass(12).await.is_empty());
    bench.sim.world().faults = super::sim::Faults::default();
    bench.pass(1).await;
    assert_eq!(bench.column(0, "outcome").await.as_deref(), Some("confirmed"));
}
