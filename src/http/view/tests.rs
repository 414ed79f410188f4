//! Health in one word, pauses by two hands, and lines of two sources.

use alloy::primitives::{B256, I256};
use ballast_chains::Head;

use super::*;

fn last(kind: &'static str) -> LastDecision {
    LastDecision {
        kind,
        action: None,
        urgency: None,
        reason: "the reason".into(),
        detail: "the detail".into(),
        observations: Vec::new(),
        head: Head {
            number: 7,
            hash: B256::ZERO,
            parent: B256::ZERO,
            timestamp: 1_700_000_000,
            base_fee_per_gas: None,
            gas_limit: 0,
            gas_used: 0,
        },
    }
}

fn said(status: &ProductStatus, paused: bool, trouble: Option<&str>) -> (Health, Option<String>) {
    health(status, paused, trouble)
}

#[test]
fn the_gravest_word_counts() {
    let fresh = ProductStatus::default();
    assert_eq!(said(&fresh, false, None).0, Health::Waiting, "nothing decided yet");
    let kinds = [
        ("wait", Health::Ok),
        ("act", Health::Acting),
        ("held", Health::Waiting),
        ("refused", Health::Waiting),
        ("rehearsed", Health::Waiting),
        ("blocked", Health::Blocked),
        ("error", Health::Error),
    ];
    for (kind, expected) in kinds {
        let mut status = ProductStatus { last: Some(last(kind)), ..fresh.clone() };
        assert_eq!(said(&status, false, None).0, expected, "{kind}");
        assert_eq!(said(&status, true, None).0, Health::Paused, "{kind}");
        assert_eq!(said(&status, false, Some("dead")), (Health::Error, Some("dead".into())));
        status.halted = Some("six panics".into());
        assert_eq!(said(&status, true, Some("dead")), (Health::Halted, Some("six panics".into())));
    }
    let current = SlotSnapshot {
        nonce: 1,
        state: "pending",
        action: "rebalance".into(),
        urgency: "prompt",
        included_in: None,
        attempts: Vec::new(),
    };
    for (kind, expected) in
        [("wait", Health::Acting), ("held", Health::Acting), ("blocked", Health::Blocked)]
    {
        let current = Some(current.clone());
        let status = ProductStatus { last: Some(last(kind)), current, ..fresh.clone() };
        assert_eq!(said(&status, false, None).0, expected, "{kind} with one under way");
    }
}

#[test]
fn both_hands_that_paused_are_told() {
    let pause = || Pause { who: "ann".into(), since: 5, reason: String::new() };
    assert_eq!(paused(false, None), None);
    let file = paused(true, None).unwrap();
    assert!(file.by_file && !file.by_operator && file.since.is_none());
    let both = paused(true, Some(pause())).unwrap();
    assert!(both.by_file && both.by_operator);
    assert_eq!((both.who.as_deref(), both.reason), (Some("ann"), None));
    assert!(!paused(false, Some(pause())).unwrap().by_file);
}

#[test]
fn recent_blocks_follow_what_is_stored() {
    let key = || ("leverage_ratio".to_owned(), String::new());
    let stored = |points: &[u64]| {
        let points = points.iter().map(|at| (*at, "2".to_owned())).collect();
        BTreeMap::from([(key(), points)])
    };
    let one = I256::try_from(1_500_000_000_000_000_000_u64).unwrap();
    let recent: Recent = BTreeMap::from([(key(), [(130, one), (142, one)].into())]);
    let units = BTreeMap::from([(key(), "ratio".to_owned())]);
    let lines = series(stored(&[60, 120, 140]), &recent, &units, Resolution::Minute, 0);
    assert_eq!((lines.len(), lines[0].unit.as_str()), (1, "ratio"));
    let times: Vec<u64> = lines[0].points.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [60, 120, 130, 142], "in order, and no block twice");
    assert_eq!(lines[0].points[3].1, "1.5");
    let late = series(BTreeMap::new(), &recent, &units, Resolution::Minute, 140);
    assert_eq!(late[0].points.len(), 1);

    let many: Vec<u64> = (0..2_501).collect();
    let line = series(stored(&many), &Recent::new(), &units, Resolution::Hour, 0);
    assert!(line[0].points.len() <= MAX_POINTS && line[0].points.len() > 800);
    assert_eq!(line[0].points.last().unwrap().0, 2_500, "the newest is always shown");
}

#[test]
fn marks_are_what_was_sent_within_the_span() {
    let past = |kind: &str, at: u64| PastDecision {
        kind: kind.into(),
        action: Some("rebalance".into()),
        urgency: Some("prompt".into()),
        reason: String::new(),
        detail: String::new(),
        head: BlockMark { number: at, hash: String::new(), timestamp: at },
    };
    let history = [past("act", 9), past("held", 8), past("act", 7), past("act", 1)];
    let times: Vec<u64> = marks(&history, 5).iter().map(|mark| mark.at).collect();
    assert_eq!(times, [7, 9]);
}
