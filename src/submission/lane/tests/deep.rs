//! Chains that take back what was final, keys that change, and keys that others use.

use super::{
    bench::{Bench, action, ripcord},
    scenarios::{hash_of, outcomes, reason},
    sim::GWEI,
};
use crate::submission::{LaneEvent, Pursuit, lifecycle::Outcome};

async fn confirmed(bench: &mut Bench, key: u64) -> alloy::primitives::B256 {
    let hash = hash_of(&bench.pursue(action(key)).await);
    bench.sim.mine(hash);
    bench.observe().await;
    hash
}

#[tokio::test]
async fn a_reorganisation_below_finality_opens_final_slots_again() {
    let mut bench = Bench::new().await;
    let first = confirmed(&mut bench, 1).await;
    let second = confirmed(&mut bench, 2).await;
    assert_eq!(outcomes(&bench.pass(3).await).len(), 2);
    assert_eq!(bench.lane.unfinished(), 0);
    bench.sim.reorg(5, true);
    // The lane is idle, so the next action finds it out.
    let held = bench.pursue(action(3)).await;
    assert_eq!(held, Pursuit::Live { nonce: 0 });
    assert_eq!(bench.lane.unfinished(), 2);
    let sent = bench.sim.sent().len();
    let events = bench.observe().await;
    let undone: Vec<u64> = events
        .iter()
        .filter_map(|event| {
            let LaneEvent::Undone { nonce, outcome: Outcome::Confirmed } = event else {
                return None;
            };
            Some(*nonce)
        })
        .collect();
    assert_eq!(undone.len(), 2, "{events:?}");
    assert_eq!(bench.sim.sent()[sent..], [first, second], "the same bytes, in order");
    bench.restart().await;
    bench.sim.mine_pool();
    bench.observe().await;
    let finals = outcomes(&bench.pass(3).await);
    assert_eq!(finals, [(0, Outcome::Confirmed), (1, Outcome::Confirmed)]);
    assert!(matches!(bench.pursue(action(3)).await, Pursuit::Sent { nonce: 2, .. }));
}

#[tokio::test]
async fn one_that_is_under_way_finds_it_out_by_itself() {
    let mut bench = Bench::new().await;
    let first = confirmed(&mut bench, 1).await;
    bench.pass(3).await;
    let second = hash_of(&bench.pursue(action(2)).await);
    bench.sim.reorg(4, true);
    let events = bench.observe().await;
    assert!(events.iter().any(|event| event.step() == "undone"), "{events:?}");
    assert!(bench.sim.sent().ends_with(&[first, second]), "{:?}", bench.sim.sent());
    bench.sim.mine_pool();
    bench.observe().await;
    assert_eq!(outcomes(&bench.pass(3).await).len(), 2);
}

#[tokio::test]
async fn a_booked_foreign_transaction_that_a_chain_takes_back_leaves_a_gap_that_is_filled() {
    let mut bench = Bench::new().await;
    bench.sim.mine_foreign();
    let ours = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(ours);
    bench.observe().await;
    bench.pass(4).await;
    assert_eq!(bench.column(0, "outcome").await.as_deref(), Some("foreign"));
    bench.sim.reorg(6, true);
    assert_eq!(bench.pursue(action(2)).await, Pursuit::Live { nonce: 0 });
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("planned"));
    bench.observe().await;
    bench.pass(5).await;
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("pending"), "filled");
    bench.sim.mine_pool();
    bench.observe().await;
    let finals = outcomes(&bench.pass(3).await);
    assert_eq!(finals, [(0, Outcome::Cancelled), (1, Outcome::Confirmed)]);
}

#[tokio::test]
async fn why_a_gap_is_not_filled_is_told_once() {
    let mut bench = Bench::new().await;
    bench.sim.mine_foreign();
    let ours = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(ours);
    bench.observe().await;
    bench.pass(4).await;
    bench.sim.reorg(6, true);
    bench.pursue(action(2)).await;
    // Twice what the product may offer.
    bench.sim.world().base_fee = 200 * GWEI;
    let events = bench.pass(10).await;
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| {
            let LaneEvent::GapNotFilled { nonce, reason, .. } = event else { return None };
            Some((*nonce, *reason))
        })
        .collect();
    let [(0, _)] = told.as_slice() else { panic!("{events:?}") };
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("planned"));
    bench.sim.world().base_fee = 10 * GWEI;
    bench.pass(2).await;
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("pending"), "filled");
}

#[tokio::test]
async fn an_old_head_undoes_nothing() {
    let mut bench = Bench::new().await;
    let before = bench.sim.head();
    confirmed(&mut bench, 1).await;
    bench.pass(3).await;
    let head = before;
    let held = bench
        .lane
        .pursue(super::bench::permit(action(2)), &head, &super::bench::NoOpinion)
        .await
        .unwrap();
    assert_eq!(reason(&held), "held: head behind the journal");
    assert_eq!(bench.lane.unfinished(), 0);
}

#[tokio::test]
async fn what_is_under_way_from_an_earlier_wallet_is_watched_until_final() {
    let mut bench = Bench::new().await;
    let old = hash_of(&bench.pursue(action(1)).await);
    let sent = bench.sim.sent().len();
    bench.change_key().await;
    assert_eq!(reason(&bench.pursue(action(1)).await), "held: under way from an earlier wallet");
    let events = bench.observe().await;
    let [LaneEvent::FormerWallet { nonces, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(nonces, &[0]);
    assert_eq!(bench.sim.sent().len(), sent, "its bytes are not sent any more");
    assert_eq!(bench.lane.snapshot().former.len(), 1);
    bench.sim.mine(old);
    assert_eq!(bench.steps().await, ["included"]);
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Confirmed)]);
    assert!(bench.lane.snapshot().former.is_empty());
    assert_eq!(bench.column(0, "outcome").await.as_deref(), Some("confirmed"));
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Answered { nonce: 0 });
    // Another state is another intent.
    let other = bench.pursue(action(2)).await;
    assert!(matches!(other, Pursuit::Sent { nonce: 1, .. }), "{other:?}");
}

#[tokio::test]
async fn what_came_to_nothing_from_an_earlier_wallet_is_free_again() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.swallowed = true;
    bench.pursue(action(1)).await;
    bench.sim.world().faults.swallowed = false;
    bench.change_key().await;
    bench.sim.mine_foreign();
    bench.pass(9).await;
    assert_eq!(bench.column(0, "outcome").await.as_deref(), Some("superseded"));
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 1, .. }));
}

#[tokio::test]
async fn a_foreign_transaction_is_booked_once_it_is_final() {
    let mut bench = Bench::new().await;
    bench.sim.mine_foreign();
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 1, .. }));
    bench.sim.mine_pool();
    let steps = bench.steps().await;
    assert_eq!(steps, ["foreign", "included"]);
    assert_eq!(bench.column(0, "state").await, None, "it may still fall away");
    // A restart in between loses nothing of it.
    bench.restart().await;
    let events = bench.pass(4).await;
    let adopted: Vec<&LaneEvent> = events.iter().filter(|e| e.step() == "adopted").collect();
    let [LaneEvent::Adopted { nonce: 0, hash: Some(hash), cost: Some(cost) }] = adopted.as_slice()
    else {
        panic!("{events:?}")
    };
    assert!(!cost.is_zero());
    assert_eq!(bench.column(0, "outcome").await.as_deref(), Some("foreign"));
    assert_eq!(bench.column(0, "included_hash").await, Some(hash.to_string()));
    bench.restart().await;
    assert!(bench.pass(3).await.is_empty(), "booked once");
    assert!(matches!(bench.pursue(ripcord(1)).await, Pursuit::Sent { nonce: 2, .. }));
}

#[tokio::test]
async fn a_foreign_transaction_that_falls_away_is_not_booked() {
    let mut bench = Bench::new().await;
    bench.sim.mine_foreign();
    bench.pursue(action(1)).await;
    bench.sim.reorg(1, true);
    bench.observe().await;
    bench.pass(4).await;
    assert_eq!(bench.column(0, "outcome").await, None, "the gap is filled by us");
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("pending"));
    bench.sim.mine_pool();
    bench.observe().await;
    let finals = outcomes(&bench.pass(3).await);
    assert_eq!(finals, [(0, Outcome::Cancelled), (1, Outcome::Confirmed)]);
}

#[tokio::test]
async fn an_idle_lane_looks_at_its_nonce_now_and_then() {
    let mut bench = Bench::new().await;
    confirmed(&mut bench, 1).await;
    bench.pass(3).await;
    bench.sim.mine_foreign();
    let events = bench.pass(110).await;
    let steps: Vec<&str> = events.iter().map(LaneEvent::step).collect();
    assert_eq!(steps, ["foreign", "adopted"]);
}

#[tokio::test]
async fn what_was_carried_out_for_good_and_fails_in_the_other_chain_is_due_again() {
    let mut bench = Bench::new().await;
    let fragile = super::scenarios::with_call(action(1), super::sim::FRAGILE);
    let hash = hash_of(&bench.pursue(fragile.clone()).await);
    bench.sim.mine(hash);
    bench.observe().await;
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Confirmed)]);
    assert_eq!(bench.pursue(fragile.clone()).await, Pursuit::Answered { nonce: 0 });
    // Deeper than finality, and mined again at once: the nonce is never seen free.
    bench.sim.reorg(3, true);
    bench.sim.world().faults.reverting = true;
    bench.sim.mine(hash);
    bench.sim.world().faults.reverting = false;
    assert_eq!(bench.pursue(fragile.clone()).await, Pursuit::Live { nonce: 0 });
    assert_eq!(bench.steps().await, ["undone", "included"]);
    assert_eq!(outcomes(&bench.pass(2).await), [(0, Outcome::Reverted)]);
    assert!(matches!(bench.pursue(fragile).await, Pursuit::Sent { nonce: 1, .. }));
}

#[tokio::test]
async fn what_was_carried_out_for_good_costs_one_block_to_ask_for_at_each_head() {
    let mut bench = Bench::new().await;
    for key in 0..20 {
        confirmed(&mut bench, key).await;
    }
    bench.pass(3).await;
    assert_eq!(bench.lane.unfinished(), 0);
    let before = bench.sim.world().blocks_asked;
    assert_eq!(bench.pursue(action(7)).await, Pursuit::Answered { nonce: 7 });
    assert_eq!(bench.sim.world().blocks_asked - before, 1, "of 20 that are final");
}

#[tokio::test]
async fn trouble_with_a_former_wallet_does_not_keep_the_present_one_from_being_followed() {
    let mut bench = Bench::new().await;
    confirmed(&mut bench, 1).await;
    bench.change_key().await;
    let damage = "UPDATE attempts SET raw = '0x00' WHERE nonce = 0";
    bench.store.commit(vec![crate::store::Statement::new(damage)]).await.unwrap();
    bench.lane.formers[0].reload = true;
    let sent = hash_of(&bench.pursue(action(2)).await);
    bench.sim.mine(sent);
    let head = bench.sim.head();
    let upkeep = bench.upkeep;
    let failed = bench.lane.observe(&head, None, &upkeep).await;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(bench.column(1, "state").await.as_deref(), Some("included"));
    assert_eq!(bench.lane.formers.len(), 1, "it is not forgotten");
}

#[tokio::test]
async fn a_booked_foreign_nonce_is_not_opened_behind_the_journals_back() {
    let mut bench = Bench::new().await;
    bench.sim.mine_foreign();
    let ours = hash_of(&bench.pursue(action(1)).await);
    bench.sim.mine(ours);
    bench.observe().await;
    let mut slot = bench.lane.book.slots[&1].slot.clone();
    bench.pass(4).await;
    assert_eq!(bench.column(0, "outcome").await.as_deref(), Some("foreign"));
    slot.nonce = 0;
    slot.attempts.first.hash = alloy::primitives::B256::repeat_byte(9);
    let opened = bench.lane.book.journal.open_slot(&slot, "").await;
    assert!(opened.is_err(), "it would be live and forgotten at the next start");
    assert_eq!(bench.column(0, "state").await.as_deref(), Some("foreign"));
}
