//! Endpoints that take their time: nobody waits for them, and what they say counts all the same.

use std::{sync::Arc, time::Duration};

use ballast_chains::{pool::SendAnswer, profile::Finality};

use super::bench::{Bench, action, profile};
use crate::{
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
    assert_eq!(told(&bench), ("signed", vec![node(Verdict::Rejected)]));
    bench.sim.released.notify_one();
    // An observation notes what is there; another head is not needed for it.
    let late = bench.lane.late().await;
    bench.lane.note_late(late).await;
    assert_eq!(told(&bench).1, [node(Verdict::Rejected), slow(Verdict::Accepted)]);
    assert_eq!(told(&bench).0, "pending");
}
