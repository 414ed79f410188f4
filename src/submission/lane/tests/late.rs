//! Endpoints that take their time: nobody waits for them, and what they say counts all the same.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ballast_chains::{pool::SendAnswer, profile::Finality};

use super::{
    bench::{Bench, action, profile, ripcord},
    scenarios::hash_of,
};
use crate::{
    guard::{Leave, StopCheck, Upkeep},
    store::{Statement, Store},
    submission::{Pursuit, slot::Verdict},
};

/// What each endpoint said of the newest attempt, and the slot's state.
fn told(bench: &Bench) -> (&'static str, Vec<(String, Verdict)>) {
    let slot = bench.lane.snapshot().slots.remove(0);
    let newest = slot.attempts.last().unwrap();
    let answers = newest.answers.iter().map(|(name, said)| (name.clone(), said.verdict));
    (slot.state, answers.collect())
}

fn node(verdict: Verdict) -> (String, Verdict) {
    ("node".into(), verdict)
}

fn slow(verdict: Verdict) -> (String, Verdict) {
    ("slow".into(), verdict)
}

/// Waits until this endpoint's answer to the newest attempt is noted, which it may be already.
async fn hear(bench: &mut Bench, endpoint: &str) {
    while !told(bench).1.iter().any(|(name, _)| name == endpoint) {
        let late = bench.lane.late().await;
        bench.lane.note_late(late).await;
    }
}

/// The lane stands still for so long at most.
async fn patient(patience: Duration) -> Bench {
    let mut profile = profile(Finality::Confirmations(3));
    profile.request_timeout = patience;
    Bench::on(Store::in_memory().await.unwrap(), Arc::new(profile)).await
}

#[tokio::test]
async fn one_endpoint_that_has_it_is_enough_and_the_others_word_comes_later() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.slow = true;
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { .. }));
    assert_eq!(told(&bench), ("pending", vec![node(Verdict::Accepted)]));
    bench.sim.released.notify_one();
    let late = bench.lane.late().await;
    bench.lane.note_late(late).await;
    assert_eq!(told(&bench).1, [node(Verdict::Accepted), slow(Verdict::Accepted)]);
    // Durable, and in order.
    let sql = "SELECT detail FROM events WHERE kind = 'answer' ORDER BY number";
    let rows = bench.store.rows(Statement::new(sql)).await.unwrap();
    let details: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, "detail")).collect();
    assert_eq!(details, ["node: accepted", "slow: already known"]);
    bench.restart().await;
    assert_eq!(told(&bench).1.len(), 2);
}

#[tokio::test]
async fn a_late_word_changes_nothing_of_what_has_happened_meanwhile() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.slow = true;
    bench.pursue(action(1)).await;
    bench.sim.world().faults.slow = false;
    bench.sim.mine_pool();
    assert_eq!(bench.steps().await, ["included"]);
    bench.sim.released.notify_one();
    let late = bench.lane.late().await;
    bench.lane.note_late(late).await;
    assert_eq!(told(&bench), ("included", vec![node(Verdict::Accepted), slow(Verdict::Rejected)]));
    bench.restart().await;
    assert_eq!(told(&bench).0, "included");

    // The next one is over by the time the endpoint says anything.
    bench.sim.world().faults.slow = true;
    bench.pursue(action(2)).await;
    bench.sim.world().faults.slow = false;
    bench.sim.mine_pool();
    bench.observe().await;
    bench.pass(3).await;
    assert_eq!(bench.lane.unfinished(), 0);
    bench.sim.released.notify_one();
    let late = bench.lane.late().await;
    bench.lane.note_late(late).await;
    assert_eq!(bench.column(1, "state").await.as_deref(), Some("confirmed"));
}

#[tokio::test]
async fn what_was_replaced_meanwhile_keeps_its_own_answers() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.slow = true;
    bench.pursue(action(1)).await;
    bench.sim.world().faults.slow = false;
    let replaced = bench.pass(6).await;
    assert!(replaced.iter().any(|event| event.step() == "replaced"), "{replaced:?}");
    bench.sim.released.notify_one();
    let late = bench.lane.late().await;
    bench.lane.note_late(late).await;
    let slot = bench.lane.snapshot().slots.remove(0);
    let names = |attempt: usize| -> Vec<String> {
        slot.attempts[attempt].answers.keys().cloned().collect()
    };
    assert_eq!((names(0), names(1)), (vec!["node".into(), "slow".into()], vec!["node".into()]));
}

#[tokio::test]
async fn endpoints_of_which_none_answers_hold_the_lane_for_a_while_and_no_longer() {
    let mut bench = patient(Duration::from_millis(50)).await;
    bench.sim.world().faults.hanging = true;
    let sent = bench.pursue(action(1)).await;
    assert!(matches!(sent, Pursuit::Sent { nonce: 0, .. }), "{sent:?}");
    assert_eq!(told(&bench), ("signed", Vec::new()), "nobody has said anything");
    assert_eq!(bench.lane.silent_at, Some(bench.sim.head().number));
    // It is live all the same.
    assert!(bench.lane.is_pending());
    assert_eq!(bench.pursue(action(1)).await, Pursuit::Live { nonce: 0 });
    bench.sim.world().faults.hanging = false;
    bench.sim.released.notify_one();
    let late = bench.lane.late().await;
    bench.lane.note_late(late).await;
    assert_eq!(told(&bench), ("pending", vec![node(Verdict::Accepted)]));
}

#[tokio::test]
async fn who_refuses_is_not_taken_for_everybody() {
    let mut bench = patient(Duration::from_millis(50)).await;
    bench.sim.world().faults.slow = true;
    bench.sim.world().faults.answer = Some(SendAnswer::InsufficientFunds);
    bench.sim.world().faults.swallowed = true;
    bench.pursue(action(1)).await;
    hear(&mut bench, "node").await;
    assert_eq!(told(&bench), ("signed", vec![node(Verdict::Rejected)]));
    bench.sim.released.notify_one();
    hear(&mut bench, "slow").await;
    let both = vec![node(Verdict::Rejected), slow(Verdict::Accepted)];
    assert_eq!(told(&bench), ("pending", both));
}

/// Two that a reorganisation put back: neither may hold the lane.
#[tokio::test]
async fn nobody_waits_twice_at_one_head() {
    let mut bench = patient(Duration::from_millis(50)).await;
    for key in 1..=2 {
        bench.pursue(action(key)).await;
        bench.sim.mine_pool();
        bench.observe().await;
    }
    let head = bench.sim.reorg(2, true);
    bench.sim.world().faults.hanging = true;
    // From here on the lane would wait for an hour.
    let mut slow = profile(Finality::Confirmations(3));
    (slow.request_timeout, slow.block_time) =
        (Duration::from_secs(3_600), Duration::from_secs(3_600));
    bench.lane.profile = Arc::new(slow);
    bench.lane.silent_at = Some(head.number);
    assert_eq!(bench.steps().await, ["reorged"; 2]);
    bench.sim.world().faults.hanging = false;
    for _ in 0..2 {
        bench.sim.released.notify_one();
        let late = bench.lane.late().await;
        bench.lane.note_late(late).await;
    }
    assert_eq!(bench.sim.sent().len(), 4, "each was handed over");
    bench.sim.mine_pool();
    assert_eq!(bench.steps().await, ["included"; 2]);
}

/// Turns come at the endpoint with a limit, for all that wait.
async fn turn(bench: &Bench, waiting: usize) {
    let before = bench.sim.world().turns;
    for _ in 0..waiting {
        bench.sim.released.notify_one();
    }
    while bench.sim.world().turns < before + waiting {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_still_waits_for_its_turn_is_sent_when_it_comes() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.limited = true;
    let hash = hash_of(&bench.pursue(action(1)).await);
    turn(&bench, 1).await;
    assert_eq!(bench.sim.world().sent_in_turn, [hash]);
    hear(&mut bench, "limited").await;
    // The copy of the next block as well, though nobody has stood still for it.
    bench.pass(1).await;
    turn(&bench, 1).await;
    assert_eq!(bench.sim.world().sent_in_turn, [hash; 2]);
}

/// The emergency is not to stand behind what it takes the place of.
#[tokio::test]
async fn what_is_taken_over_gives_up_its_turn() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.limited = true;
    bench.pursue(action(1)).await;
    let urgent = bench.pursue(ripcord(1)).await;
    turn(&bench, 2).await;
    assert_eq!(bench.sim.world().sent_in_turn, [hash_of(&urgent)]);
    hear(&mut bench, "limited").await;
    let first = bench.lane.snapshot().slots.remove(0).attempts.remove(0);
    assert!(!first.answers.contains_key("limited"), "nobody has said anything of it");
}

#[tokio::test]
async fn a_pause_that_comes_before_the_turn_keeps_it_from_leaving() {
    let mut bench = Bench::new().await;
    let asked = Arc::clone(&bench.stopped);
    bench.lane.stop = StopCheck::new(move || asked.load(Ordering::Relaxed).then_some("paused"));
    bench.sim.world().faults.limited = true;
    let hash = hash_of(&bench.pursue(action(1)).await);
    bench.stopped.store(true, Ordering::Relaxed);
    turn(&bench, 1).await;
    assert!(bench.sim.world().sent_in_turn.is_empty(), "it left in the pause");
    bench.stopped.store(false, Ordering::Relaxed);
    bench.pass(1).await;
    turn(&bench, 1).await;
    assert_eq!(bench.sim.world().sent_in_turn, [hash], "after the pause");
}

#[tokio::test]
async fn what_is_included_or_not_to_be_sent_gives_up_its_turn() {
    let mut bench = Bench::new().await;
    bench.sim.world().faults.limited = true;
    bench.pursue(action(1)).await;
    bench.sim.mine_pool();
    assert_eq!(bench.steps().await, ["included"]);
    turn(&bench, 1).await;
    let hash = hash_of(&bench.pursue(action(2)).await);
    // The guard lets nothing out any more, and then it does again.
    bench.upkeep = Upkeep::for_test(Leave::Watch);
    bench.pass(1).await;
    turn(&bench, 1).await;
    assert!(bench.sim.world().sent_in_turn.is_empty());
    bench.upkeep = Upkeep::for_test(Leave::Resend);
    bench.pass(1).await;
    turn(&bench, 1).await;
    assert_eq!(bench.sim.world().sent_in_turn, [hash]);
}
