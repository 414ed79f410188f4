//! Each row of the guard.

mod past;
mod spending;
mod table;

use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256};
use ballast_chains::{
    feeds::{Price, PriceRound, Said},
    profile::FeeProfile,
    testkit,
};
use ballast_strategy_api::{Call, Exposure, NonEmpty, RepeatLimit, StateKey};

use super::*;
use crate::money::Usd;

const GWEI: u128 = 1_000_000_000;

fn chain() -> ChainProfile {
    let profile = testkit::profile();
    let fees = FeeProfile {
        max_fee_per_gas: 100 * GWEI,
        emergency_max_fee_per_gas: 1_000 * GWEI,
        ..profile.fees
    };
    ChainProfile { stale_after: Duration::from_secs(60), fees, ..profile }
}

fn action(urgency: Urgency) -> Action {
    let call =
        Call { label: "only".into(), to: Address::ZERO, data: Bytes::new(), value: U256::ZERO };
    Action {
        name: "rebalance",
        candidates: NonEmpty::one(call),
        urgency,
        exposure: Exposure::Raises,
        answers: StateKey::of(&[("state", &1)]),
        deadline: None,
        repeat_limit: None,
        expects: None,
    }
}

/// The time of every head: in November 2026.
const NOW: u64 = 1_795_000_000;
const URGENCIES: [Urgency; 3] = [Urgency::Routine, Urgency::Prompt, Urgency::Emergency];

fn price(dollars: u64) -> Price {
    Price::from_fixed18(U256::from(dollars) * U256::from(GWEI * GWEI)).unwrap()
}

fn usd(dollars: u64) -> Usd {
    Usd::from_micro(dollars * 1_000_000)
}

/// A price of 2,000 dollars that was written this long ago.
fn priced(age: u64) -> FeedReading {
    let round = PriceRound { price: price(2_000), updated_at: NOW - age };
    FeedReading { native_usd: Said::Answer(round), ..FeedReading::default() }
}

/// Nothing is wrong with anything.
fn fine<'a>(chain: &'a ChainProfile, past: &'a Past) -> Circumstances<'a> {
    Circumstances {
        chain,
        mode: Mode::Normal,
        paused: false,
        operator_paused: false,
        dry_run: false,
        can_sign: true,
        head_age: Duration::from_secs(12),
        now: NOW,
        next_base_fee: Some(30 * GWEI),
        dispute: None,
        feeds: priced(0),
        past,
        first_due: None,
        due_for_blocks: 0,
        store_short: false,
        waiting: None,
        agreed: Agreed::Any,
    }
}

/// What is said of an action with these changes to what is fine: the verdict in one word.
fn said(
    urgency: Urgency,
    limits: &Limits,
    past: &Past,
    change: impl Fn(&mut Circumstances<'_>),
) -> String {
    let chain = chain();
    let mut circumstances = fine(&chain, past);
    change(&mut circumstances);
    match judge(action(urgency), &circumstances, limits).verdict {
        Verdict::Permit(_) => "permit".to_owned(),
        Verdict::Rehearse(rehearsal) => rehearsal.reason.to_owned(),
        Verdict::Refuse(finding) => finding.reason.to_owned(),
    }
}

/// As [`said`] for what is the same at every urgency, and how far what is under way is helped on.
fn check(change: impl Fn(&mut Circumstances<'_>), expected: &str, leave: Leave) {
    let (chain, past) = (chain(), Past::default());
    for urgency in URGENCIES {
        assert_eq!(said(urgency, &Limits::default(), &past, &change), expected, "{urgency:?}");
    }
    let mut circumstances = fine(&chain, &past);
    change(&mut circumstances);
    let found = upkeep(&circumstances, &Limits::default());
    assert_eq!(found.leave, leave, "{circumstances:?}");
    // An order counts although the product is stopped, and nothing else is different.
    let stopped = circumstances.is_stopped() && !circumstances.dry_run && circumstances.can_sign;
    let by_order = upkeep_by_order(&circumstances, &Limits::default()).leave;
    assert_eq!(by_order, if stopped { Leave::Sign } else { leave }, "{circumstances:?}");
}

#[test]
fn what_binds_binds_at_every_urgency() {
    check(|_| {}, "permit", Leave::Sign);
    check(|c| c.paused = true, "paused by its product file", Leave::Watch);
    check(|c| c.mode = Mode::Paused, "paused by its product file", Leave::Watch);
    check(|c| c.operator_paused = true, "paused by an operator", Leave::Watch);
    let by_both = |c: &mut Circumstances<'_>| (c.paused, c.operator_paused) = (true, true);
    check(by_both, "paused by its product file", Leave::Watch);
    check(|c| c.mode = Mode::DeleverOnly, "only delevering is allowed", Leave::Sign);
    check(|c| c.dry_run = true, "dry run", Leave::Watch);
    check(|c| c.can_sign = false, "watch-only wallet", Leave::Watch);
}

#[test]
fn delever_only_is_about_what_raises_the_exposure() {
    let (chain, past) = (chain(), Past::default());
    let winding_down = Circumstances { mode: Mode::DeleverOnly, ..fine(&chain, &past) };
    for urgency in URGENCIES {
        for (exposure, goes) in
            [(Exposure::Raises, false), (Exposure::Lowers, true), (Exposure::Keeps, true)]
        {
            let action = Action { exposure, ..action(urgency) };
            let verdict = judge(action, &winding_down, &Limits::default()).verdict;
            assert_eq!(matches!(verdict, Verdict::Permit(_)), goes, "{exposure:?} {urgency:?}");
        }
    }
}

#[test]
fn a_head_is_stale_only_when_older_than_the_limit() {
    let age = |seconds| move |c: &mut Circumstances<'_>| c.head_age = Duration::from_secs(seconds);
    check(age(60), "permit", Leave::Sign);
    check(age(61), "stale head", Leave::Resend);
}

#[test]
fn a_stop_is_named_before_a_rehearsal() {
    let both = |c: &mut Circumstances<'_>| (c.paused, c.dry_run, c.can_sign) = (true, true, false);
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
    let (chain, past) = (chain(), Past::default());
    let with = |limits: Limits, permitted| {
        let upkeep = upkeep(&fine(&chain, &past), &limits);
        upkeep.caps(permitted, Urgency::Routine, &chain)
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

#[test]
fn what_a_dispute_holds_back_is_not_signed_later_either() {
    let (chain, past) = (chain(), Past::default());
    let dispute = Some("block 7".to_owned());
    let leave = |case: &Circumstances<'_>| {
        let upkeep = upkeep(case, &Limits::default());
        URGENCIES.map(|urgency| upkeep.leave_for(urgency))
    };
    let mut case = fine(&chain, &past);
    assert_eq!(leave(&case), [Leave::Sign; 3]);
    case.dispute = dispute;
    assert_eq!(leave(&case), [Leave::Resend, Leave::Resend, Leave::Sign]);
    case.paused = true;
    assert_eq!(leave(&case), [Leave::Watch; 3]);
    case.mode = Mode::DeleverOnly;
    assert!(upkeep(&case, &Limits::default()).delever_only);
}
