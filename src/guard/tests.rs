//! Each row of the guard.

use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256};
use ballast_chains::profile::{CANONICAL_MULTICALL3, FeeModel, FeeProfile, Finality};
use ballast_strategy_api::{Call, Exposure, NonEmpty, StateKey};

use super::*;

const GWEI: u128 = 1_000_000_000;

fn chain() -> ChainProfile {
    ChainProfile {
        name: "test".into(),
        chain_id: 1,
        fee_model: FeeModel::Eip1559,
        block_time: Duration::from_secs(12),
        finality: Finality::Confirmations(3),
        native_symbol: "ETH".into(),
        explorer: None,
        rpc: Vec::new(),
        send: Vec::new(),
        request_timeout: Duration::from_secs(3),
        stale_after: Duration::from_secs(60),
        min_turn_interval: Duration::ZERO,
        assess_timeout: Duration::from_secs(24),
        chunk_gas: 30_000_000,
        max_lag: 3,
        fees: FeeProfile {
            max_fee_per_gas: 100 * GWEI,
            emergency_max_fee_per_gas: 1_000 * GWEI,
            min_priority_fee_per_gas: 1,
            relative_cap: 5,
            replacement_bump_bps: 1_250,
        },
        multicall3: CANONICAL_MULTICALL3,
    }
}

fn action(urgency: Urgency) -> Action {
    let call =
        Call { label: "only".into(), to: Address::ZERO, data: Bytes::new(), value: U256::ZERO };
    Action {
        name: "rebalance",
        candidates: NonEmpty::one(call),
        urgency,
        exposure: Exposure::Keeps,
        answers: StateKey::of(&[("state", &1)]),
        deadline: None,
        repeat_limit: None,
        expects: None,
    }
}

fn fine() -> Circumstances {
    Circumstances {
        mode: Mode::Normal,
        paused: false,
        operator_paused: false,
        dry_run: false,
        can_sign: true,
        head_age: Duration::from_secs(12),
    }
}

/// What is said of an action of every urgency, which is the same for all.
fn check(circumstances: Circumstances, expected: &str, leave: Leave) {
    for urgency in [Urgency::Routine, Urgency::Prompt, Urgency::Emergency] {
        let said = match judge(action(urgency), &circumstances, &chain(), &Limits::default()) {
            Verdict::Permit(_) => "permit",
            Verdict::Rehearse(rehearsal) => rehearsal.reason,
            Verdict::Refuse { reason, .. } => reason,
        };
        assert_eq!(said, expected, "{urgency:?} at {circumstances:?}");
    }
    let upkeep = upkeep(&circumstances, &chain(), &Limits::default());
    assert_eq!(upkeep.leave, leave, "{circumstances:?}");
}

#[test]
fn what_binds_binds_at_every_urgency() {
    check(fine(), "permit", Leave::Sign);
    let paused = Circumstances { paused: true, ..fine() };
    check(paused, "paused by its product file", Leave::Watch);
    let wound_down = Circumstances { mode: Mode::Paused, ..fine() };
    check(wound_down, "paused by its product file", Leave::Watch);
    let by_operator = Circumstances { operator_paused: true, ..fine() };
    check(by_operator, "paused by an operator", Leave::Watch);
    let by_both = Circumstances { paused: true, ..by_operator };
    check(by_both, "paused by its product file", Leave::Watch);
    check(Circumstances { dry_run: true, ..fine() }, "dry run", Leave::Watch);
    check(Circumstances { can_sign: false, ..fine() }, "watch-only wallet", Leave::Watch);
}

#[test]
fn a_head_is_stale_only_when_older_than_the_limit() {
    let at = |seconds| Circumstances { head_age: Duration::from_secs(seconds), ..fine() };
    check(at(60), "permit", Leave::Sign);
    check(at(61), "stale head", Leave::Resend);
}

#[test]
fn a_stop_is_named_before_a_rehearsal() {
    let both = Circumstances { paused: true, dry_run: true, can_sign: false, ..fine() };
    check(both, "paused by its product file", Leave::Watch);
}

#[test]
fn a_product_may_only_tighten_the_chain_and_never_an_emergency() {
    let limit = |gwei: u128| Limits { max_fee_per_gas: Some(gwei * GWEI), ..Limits::default() };
    let cap = |urgency, limits: &Limits| caps(urgency, &chain(), limits).max_fee_per_gas / GWEI;
    for urgency in [Urgency::Routine, Urgency::Prompt] {
        assert_eq!(cap(urgency, &Limits::default()), 100);
        assert_eq!(cap(urgency, &limit(40)), 40);
        assert_eq!(cap(urgency, &limit(400)), 100);
    }
    assert_eq!(cap(Urgency::Emergency, &limit(40)), 1_000);
}

#[test]
fn a_further_attempt_keeps_to_what_was_permitted_and_to_what_is() {
    let caps = |gwei: u128, cost: Option<u64>| Caps {
        max_fee_per_gas: gwei * GWEI,
        max_transaction_cost: cost.map(U256::from),
    };
    let with = |limits: Limits, permitted| {
        let upkeep = upkeep(&fine(), &chain(), &limits);
        upkeep.caps(permitted, Urgency::Routine, &chain())
    };
    let lowered = Limits {
        max_fee_per_gas: Some(20 * GWEI),
        max_transaction_cost: Some(U256::from(7)),
        ..Limits::default()
    };
    assert_eq!(with(lowered, caps(50, None)), caps(20, Some(7)));
    assert_eq!(with(lowered, caps(10, Some(5))), caps(10, Some(5)));
    assert_eq!(with(Limits::default(), caps(50, Some(5))), caps(50, Some(5)));
}
