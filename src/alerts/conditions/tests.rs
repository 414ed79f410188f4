//! What is wrong on a board, as a table.

use alloy::primitives::{B256, I256};
use ballast_chains::Head;
use ballast_strategy_api::{
    Observation, Unit,
    decision::{CALLER_PERMITTED, CEILING_DISTANCE, STANDING_STILL, START_DUE},
};

use super::{observed::CEILING_NEAR, *};

fn head(timestamp: u64) -> Head {
    Head {
        number: 7,
        hash: B256::ZERO,
        parent: B256::ZERO,
        timestamp,
        base_fee_per_gas: None,
        gas_limit: 0,
        gas_used: 0,
    }
}

fn last(kind: &'static str, urgency: Option<&'static str>) -> LastDecision {
    LastDecision {
        kind,
        action: urgency.map(|_| "ripcord".to_owned()),
        urgency,
        reason: "why".into(),
        detail: "figures".into(),
        observations: Vec::new(),
        head: head(0),
    }
}

fn about() -> About<'static> {
    let (block_time, min_balance) = (Duration::from_secs(12), Some(U256::from(5)));
    About { name: "p", block_time, min_balance, is_paused: false }
}

fn names(status: &ProductStatus) -> Vec<(&'static str, Severity, u64)> {
    of_product(about(), status)
        .into_iter()
        .map(|c| (c.name, c.severity, c.hold.as_secs()))
        .collect()
}

fn with(last: LastDecision) -> ProductStatus {
    ProductStatus { last: Some(last), ..ProductStatus::default() }
}

#[test]
fn decisions_by_kind_and_urgency() {
    use Severity::{Critical, Warning};
    for (kind, urgency, expected) in [
        ("wait", None, None),
        ("act", Some("emergency"), None),
        ("rehearsed", Some("emergency"), None),
        ("error", None, Some(("not_assessed", Warning, 60))),
        ("error", Some("routine"), Some(("not_assessed", Warning, 60))),
        ("error", Some("emergency"), Some(("emergency_held", Critical, 24))),
        ("blocked", Some("emergency"), Some(("emergency_held", Critical, 24))),
        ("blocked", Some("prompt"), Some(("prompt_held", Warning, 60))),
        ("blocked", None, Some(("blocked", Warning, 60))),
        ("refused", Some("routine"), None),
        ("held", Some("routine"), None),
        ("refused", Some("prompt"), Some(("prompt_held", Warning, 60))),
        ("held", Some("prompt"), Some(("prompt_held", Warning, 60))),
        ("refused", Some("emergency"), Some(("emergency_held", Critical, 24))),
        ("held", Some("emergency"), Some(("emergency_held", Critical, 24))),
    ] {
        let found = names(&with(last(kind, urgency)));
        assert_eq!(found, Vec::from_iter(expected), "{kind} {urgency:?}");
    }
}

#[test]
fn a_halted_product_is_told_at_once_and_whatever_it_did_last() {
    let status = ProductStatus { halted: Some("panicked".into()), ..with(last("wait", None)) };
    assert_eq!(names(&status), [("halted", Severity::Critical, 0)]);
    let before_anything = ProductStatus { halted: Some("x".into()), ..ProductStatus::default() };
    assert_eq!(names(&before_anything), [("halted", Severity::Critical, 0)]);
}

#[test]
fn observations_that_need_a_person() {
    let one = I256::ONE;
    let distance = |value: I256| Observation::new(CEILING_DISTANCE, value, Unit::Ratio);
    let permitted = |value: I256| Observation::new(CALLER_PERMITTED, value, Unit::Count);
    for (observation, expected) in [
        (permitted(one), None),
        (permitted(I256::ZERO), Some(("caller_not_permitted", Severity::Warning, 60))),
        (distance(CEILING_NEAR), None),
        (distance(CEILING_NEAR - one), Some(("near_ceiling", Severity::Critical, 0))),
        (distance(I256::ZERO - one), Some(("near_ceiling", Severity::Critical, 0))),
    ] {
        let mut decision = last("wait", None);
        decision.observations.push(observation.clone());
        assert_eq!(names(&with(decision)), Vec::from_iter(expected), "{observation:?}");
    }
}

/// What people start and what then moves: reminded, told when it is late, and left alone while the
/// product's file has stopped it.
#[test]
fn what_is_late_is_told_with_its_moment() {
    use Severity::{Info, Warning};
    let hours = |hours: u64| I256::try_from(U256::from(hours) * U256::from(3_600)).unwrap();
    let one = I256::try_from(10_u64.pow(18)).unwrap();
    let told = |name, lasts: u64, most: Option<u64>, is_paused| {
        let seen = Observation::new(name, hours(lasts) * one, Unit::Seconds);
        let max = most.map(|most| hours(most) * one);
        let observations = vec![Observation { max, ..seen }];
        let head = head(1_796_083_200);
        let status = with(LastDecision { observations, head, ..last("wait", None) });
        let found = of_product(About { is_paused, ..about() }, &status).into_iter();
        found.map(|c| (c.name, c.severity, c.hold.as_secs(), c.detail)).collect::<Vec<_>>()
    };
    let since = |text: &str| format!("since {text}");
    let [three, four] = ["2026-11-30T21:00:00Z", "2026-11-30T20:00:00Z"].map(since);
    for (name, lasts, most, expected) in [
        (START_DUE, 0, Some(3), None),
        (START_DUE, 3, Some(3), Some(("start_due", Info, 0, three))),
        (START_DUE, 4, Some(3), Some(("start_due", Warning, 0, four.clone()))),
        (START_DUE, 4, None, Some(("start_due", Info, 0, four.clone()))),
        (STANDING_STILL, 0, Some(3), None),
        (STANDING_STILL, 3, Some(3), None),
        (STANDING_STILL, 4, Some(3), Some(("standing_still", Warning, 3_600, four))),
    ] {
        assert_eq!(told(name, lasts, most, false), Vec::from_iter(expected), "{name} {lasts}");
        assert_eq!(told(name, lasts, most, true), [], "{name} {lasts}");
    }
}

#[test]
fn what_the_guard_found_and_a_person_can_end() {
    use Severity::{Critical, Warning};
    for row in Row::ALL {
        let expected = match row {
            Row::Dispute => Some(("endpoints_disagree", Critical, 0)),
            Row::HardBudget => Some(("hard_budget", Critical, 0)),
            Row::Breaker => Some(("circuit_breaker", Warning, 0)),
            Row::MonthlyBudget => Some(("monthly_budget", Warning, 0)),
            Row::NoPrice => Some(("no_price", Warning, 60)),
            Row::RepeatLimit | Row::Repeating => Some(("repeat_limit", Warning, 0)),
            Row::Paused
            | Row::Moved
            | Row::DeleverOnly
            | Row::StaleHead
            | Row::Sequencer
            | Row::CoolDown
            | Row::StoreShort
            | Row::OtherInstance
            | Row::BaseFee
            | Row::PatienceOver => None,
        };
        for binds in [true, false] {
            let note = GuardNote { row, binds, reason: "why", detail: "figures".into() };
            let status = ProductStatus { guard: vec![note], ..with(last("held", Some("routine"))) };
            assert_eq!(names(&status), Vec::from_iter(expected), "{row:?} {binds}");
        }
    }
}

/// Routine work that waits is nobody's trouble, unless it waits for money.
#[test]
fn a_wallet_that_cannot_pay_is_told_whatever_it_is_for() {
    for (urgency, expected) in [
        ("routine", ("insufficient_funds", Severity::Warning, 60)),
        ("prompt", ("prompt_held", Severity::Warning, 60)),
        ("emergency", ("emergency_held", Severity::Critical, 24)),
    ] {
        let held = last("held", Some(urgency));
        let reason = INSUFFICIENT_FUNDS.into();
        assert_eq!(names(&with(LastDecision { reason, ..held })), [expected]);
    }
}

#[test]
fn a_product_whose_file_leads_elsewhere_is_told_at_once_whether_anything_is_due_or_not() {
    let moved = Some("it led to a and leads to b by now".to_owned());
    let expected = ("moved", Severity::Critical, 0);
    for decision in [last("wait", None), last("refused", Some("routine"))] {
        let status = ProductStatus { moved: moved.clone(), ..with(decision) };
        assert_eq!(names(&status), [expected]);
    }
    let unseen = ProductStatus { moved, last: None, ..with(last("wait", None)) };
    assert_eq!(names(&unseen), [expected]);
}

#[test]
fn a_wallet_below_its_least_balance_is_told() {
    for (wei, expected) in [(4, Some(("low_balance", Severity::Warning, 0))), (5, None)] {
        let balance = Some(crate::runtime::Balance { wei: U256::from(wei), block: 1 });
        let status = ProductStatus { balance, ..with(last("wait", None)) };
        assert_eq!(names(&status), Vec::from_iter(expected), "{wei}");
    }
}

#[test]
fn a_store_is_wrong_when_it_fails_and_when_it_is_short() {
    let of = |failure: Option<&str>, is_short| {
        let store = StoreHealth { failure: failure.map(str::to_owned), is_short };
        of_store(&store).into_iter().map(|c| c.name).collect::<Vec<_>>()
    };
    assert_eq!(of(None, false), [""; 0]);
    assert_eq!(of(Some("no"), false), ["store_failing"]);
    assert_eq!(of(None, true), ["disk_full"]);
    assert_eq!(of(Some("no"), true), ["store_failing", "disk_full"]);
}

#[test]
fn a_chain_is_wrong_without_a_head_and_with_an_old_one() {
    let stale = Duration::from_secs(30);
    let of = |head: Option<Head>, now| {
        let status = ChainStatus { head, ..ChainStatus::default() };
        of_chain("mainnet", &status, stale, now).map(|c| (c.name, c.hold))
    };
    assert_eq!(of(None, 100), Some(("no_head", FIRST_HEAD)));
    assert_eq!(of(Some(head(70)), 100), None);
    assert_eq!(of(Some(head(69)), 100), Some(("stale_head", Duration::ZERO)));
    // A head ahead of the clock is fresh.
    assert_eq!(of(Some(head(200)), 100), None);
}

#[test]
fn a_low_wallet_and_a_tight_budget_are_told_with_what_to_do() {
    use crate::{
        finance::runway::{Lasts, Runway},
        runtime::{BudgetUse, Reserves},
    };
    let reserves = |is_low, top_up: Option<&str>| Reserves {
        runway: Runway {
            history_days: 90,
            p50_days: Lasts::Days(20),
            p95_days: Lasts::Days(4),
            dearest_day_wei: U256::from(1),
            mean_day_wei: U256::from(1),
        },
        is_low,
        top_up: top_up.map(str::to_owned),
    };
    let budget = |percent| BudgetUse {
        month: "2026-10".into(),
        spent_usd: "79".into(),
        reserved_usd: "1".into(),
        unpriced_wei: "0".into(),
        monthly_budget_usd: Some("100".into()),
        hard_budget_usd: None,
        used_percent: percent,
        forecast_usd: "140".into(),
    };
    let told = |status: ProductStatus| {
        let about = About { min_balance: None, ..about() };
        let found = of_product(about, &status).into_iter();
        found.map(|c| (c.name, c.detail)).collect::<Vec<_>>()
    };
    let of = |reserves, percent| ProductStatus {
        reserves,
        budget: Some(budget(percent)),
        ..with(last("wait", None))
    };
    assert_eq!(told(of(Some(reserves(false, None)), Some(79))), []);
    assert_eq!(told(of(None, None)), [], "without a budget nothing is used of it");
    let both = told(of(Some(reserves(true, Some("data/top-up-mainnet.json"))), Some(80)));
    let [(runway, first), (tight, second)] = both.as_slice() else { panic!("{both:?}") };
    assert_eq!((*runway, *tight), ("low_runway", "budget_tight"));
    assert!(first.contains("4 days in 95 of 100") && first.contains("data/top-up-mainnet.json"));
    assert!(second.starts_with("80 %: 79 USD spent in 2026-10"), "{second}");
    assert!(second.contains("the month ends at 140"), "{second}");
    let without = told(of(Some(reserves(true, None)), None));
    assert!(without[0].1.contains("names no treasury_safe"), "{without:?}");
}
