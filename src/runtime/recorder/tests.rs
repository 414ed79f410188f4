//! Which decisions reach the store, and which metrics are set.

use alloy::primitives::B256;
use ballast_chains::Head;
use ballast_strategy_api::Unit;

use super::*;
use crate::{
    runtime::{Board, Events, Orders, Pauses},
    store::Store,
};

/// The first second of a minute of "p".
const START: u64 = 1_700_000_048;

fn decision(number: u64, timestamp: u64, kind: &'static str, reason: &str) -> LastDecision {
    LastDecision {
        kind,
        action: (kind != "wait").then(|| "rebalance".to_owned()),
        urgency: None,
        reason: reason.into(),
        detail: String::new(),
        observations: vec![Observation::new("words", I256::ONE, Unit::Count)],
        head: Head {
            number,
            hash: B256::ZERO,
            parent: B256::ZERO,
            timestamp,
            base_fee_per_gas: None,
            gas_limit: 0,
            gas_used: 0,
        },
    }
}

async fn shared() -> (tempfile::TempDir, Shared) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("keeper.db")).await.unwrap();
    let pauses = Pauses::load(&store).await.unwrap();
    let board = Board::default();
    board.enter_product("p", "c", "s");
    (folder, Shared { store, board, events: Events::default(), pauses, orders: Orders::default() })
}

/// Publishes, closes, and gives the block of the decision in the store and of the notable ones.
async fn stored(decisions: Vec<LastDecision>, is_ended: bool) -> (u64, Vec<u64>) {
    let (folder, shared) = shared().await;
    let mut recorder = Recorder::new("p", "c", shared.clone());
    let newest = decisions.last().unwrap().head.number;
    for decision in decisions {
        recorder.publish(decision, Vec::new());
    }
    assert_eq!(shared.board.last("p").unwrap().head.number, newest, "the board has every one");
    if is_ended {
        recorder.flush();
    }
    shared.store.close().await;
    let file = folder.path().join("keeper.db");
    let store = Store::open_readonly(&file).await.unwrap().unwrap();
    let last = store.last_decision("p").await.unwrap().unwrap().block_number;
    let notable = store.decisions("p", 10).await.unwrap();
    (last, notable.iter().map(|row| row.block_number).collect())
}

#[tokio::test]
async fn what_says_nothing_new_is_written_once_a_minute() {
    assert_eq!(stretch(START, "p"), stretch(START - 1, "p") + 1, "where a minute begins");
    let wait = |number, after| decision(number, START + after, "wait", "inside");
    assert_eq!(stored(vec![wait(1, 0), wait(2, 12), wait(3, 59)], false).await, (1, vec![1]));
    assert_eq!(stored(vec![wait(1, 0), wait(2, 59), wait(3, 60)], false).await, (3, vec![1]));
    // A reorganisation has taken the minute back, and the block that the store names.
    assert_eq!(stored(vec![wait(1, 60), wait(1, 59)], false).await, (1, vec![1]));
}

#[tokio::test]
async fn what_says_something_new_or_is_due_is_written_at_once() {
    let first = || decision(1, START, "wait", "inside");
    let other = decision(2, START + 1, "wait", "outside");
    assert_eq!(stored(vec![first(), other], false).await, (2, vec![2, 1]));
    for (kind, reason) in [("act", "sent"), ("refused", "left to another instance")] {
        let due = |number| decision(number, START + number, kind, reason);
        assert_eq!(stored(vec![due(1), due(2), due(3)], false).await, (3, vec![1]), "{kind}");
    }
}

#[tokio::test]
async fn at_the_end_the_store_has_what_the_board_has() {
    let wait = |number, after| decision(number, START + after, "wait", "inside");
    assert_eq!(stored(vec![wait(1, 0), wait(2, 12), wait(3, 24)], true).await, (3, vec![1]));
}

#[tokio::test]
async fn listeners_hear_every_decision() {
    let (_folder, shared) = shared().await;
    let mut listener = shared.events.subscribe();
    let mut recorder = Recorder::new("p", "c", shared);
    for number in 1..=3 {
        recorder.publish(decision(number, START, "wait", "inside"), Vec::new());
        assert_eq!(listener.try_recv().unwrap().head.number, number);
    }
}

#[test]
fn meters_follow_their_observations_wherever_those_stand() {
    let seen = |name, of: &str, value: i64| {
        Observation::new(name, I256::try_from(value).unwrap(), Unit::Count).of(of)
    };
    let mut meters = Meters::default();
    let mut count = |observations| {
        let decision = LastDecision { observations, ..decision(1, START, "wait", "inside") };
        meters.count("p", "c", &decision);
        let shown = |meter: &Meter| (meter.name, meter.of.clone(), meter.shown.unwrap().as_i64());
        meters.observations.iter().map(shown).collect::<Vec<_>>()
    };
    count(vec![seen("a", "", 1), seen("b", "x", 2)]);
    let shown = count(vec![seen("b", "y", 3), seen("b", "x", 4)]);
    let expected = [("a", "", 1), ("b", "x", 4), ("b", "y", 3)];
    assert_eq!(shown, expected.map(|(name, of, value)| (name, of.to_owned(), value)));
}
