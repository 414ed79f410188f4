#![allow(clippy::arithmetic_side_effects, reason = "small numbers, checked by eye")]

mod quiet;

use super::*;
use proptest::prelude::*;

const GWEI: u128 = 1_000_000_000;

fn fees(relative_cap: u32, bump: u32, min_tip: u128) -> FeeProfile {
    FeeProfile {
        max_fee_per_gas: 0,
        emergency_max_fee_per_gas: 0,
        min_priority_fee_per_gas: min_tip,
        relative_cap,
        replacement_bump_bps: bump,
    }
}

fn quote(next: u128, tip: u128) -> Quote {
    Quote { legacy: false, next_base_fee: next, priority_fee: tip, lowest: None, least: next + 1 }
}

fn terms(fees: &FeeProfile, urgency: Urgency, cap: u128, cost: Option<u128>) -> Terms<'_> {
    let caps = Caps { max_fee_per_gas: cap, max_transaction_cost: cost.map(U256::from) };
    Terms {
        urgency,
        pressure: Pressure::percent(0),
        waited: 0,
        last: false,
        caps,
        fees,
        gas_limit: 1_000_000,
        value: U256::ZERO,
        extra: ExtraQuote::NONE,
        balance: None,
    }
}

fn of(max_fee: u128, tip: u128) -> Price {
    Price { max_fee_per_gas: max_fee, max_priority_fee_per_gas: tip }
}

#[test]
fn prices_by_urgency_and_ceiling() {
    let fees = fees(5, 1_250, 1);
    let at = quote(10 * GWEI, GWEI);
    let check = |urgency, cap, cost, expected: Result<Price, &str>| {
        let got = price(&at, &terms(&fees, urgency, cap, cost)).map_err(|hold| hold.reason);
        assert_eq!(got, expected, "{urgency:?} {cap} {cost:?}");
    };
    let (six, nine) = (worst_growth(10 * GWEI, 6), worst_growth(10 * GWEI, 9));
    assert_eq!((six / (GWEI / 100), nine / (GWEI / 100)), (2_027, 2_886));
    check(Urgency::Routine, 100 * GWEI, None, Ok(of(six + GWEI, GWEI)));
    let prompt = GWEI + GWEI / 4;
    check(Urgency::Prompt, 100 * GWEI, None, Ok(of(six + prompt, prompt)));
    check(Urgency::Emergency, 100 * GWEI, None, Ok(of(nine + 2 * GWEI, 2 * GWEI)));
    // The ceiling takes the headroom, then the tip, then all.
    check(Urgency::Routine, 12 * GWEI, None, Ok(of(12 * GWEI, GWEI)));
    check(Urgency::Routine, 10 * GWEI + 5, None, Ok(of(10 * GWEI + 5, 5)));
    check(Urgency::Routine, 10 * GWEI, None, Err("fee cap"));
    // 0.015 ether over a million gas is 15 gwei per gas.
    check(Urgency::Routine, 100 * GWEI, Some(15_000_000 * GWEI), Ok(of(15 * GWEI, GWEI)));
    check(Urgency::Routine, 100 * GWEI, Some(GWEI), Err("transaction cost cap"));
}

#[test]
fn the_relative_cap_is_a_multiple_of_the_market_and_not_for_emergencies() {
    let tight = fees(1, 1_250, 1);
    let got = price(&quote(100, 7), &terms(&tight, Urgency::Prompt, u128::MAX, None));
    assert_eq!(got, Ok(of(107, 7)), "once the market is the market itself");
    let got = price(&quote(100, 7), &terms(&tight, Urgency::Emergency, 150, None));
    assert_eq!(got, Ok(of(150, 14)), "only the hard cap");
    let odd = Quote { least: 109, ..quote(100, 7) };
    let got = price(&odd, &terms(&tight, Urgency::Routine, u128::MAX, None));
    assert_eq!(got.map_err(|hold| hold.reason), Err("relative fee cap"));
}

#[test]
fn an_offer_is_raised_when_it_is_outbid_or_when_waiting_has_made_it_worth_it() {
    let fees = fees(5, 1_250, GWEI);
    let at = Quote { least: 11 * GWEI, ..quote(10 * GWEI, GWEI) };
    let check = |urgency, since, waited, offer, expected| {
        let terms = Terms { waited, ..terms(&fees, urgency, 100 * GWEI, None) };
        assert_eq!(
            wants_raise(offer, since, &at, &terms),
            expected,
            "{urgency:?} {since} {waited}"
        );
    };
    let (good, low) = (of(21 * GWEI, GWEI), of(10 * GWEI + 5, GWEI));
    check(Urgency::Routine, 4, 4, low, None);
    check(Urgency::Routine, 5, 5, low, Some(Raise::Outbid));
    check(Urgency::Prompt, 1, 1, low, Some(Raise::Outbid));
    check(Urgency::Emergency, 1, 1, low, Some(Raise::Outbid));
    // In the market's middle, and nothing moved: more only once the curve is a raise above it.
    check(Urgency::Routine, 2, 2, good, None);
    check(Urgency::Routine, 5, 5, good, Some(Raise::Waited));
    check(Urgency::Routine, 5, 2, good, None);
    let emergency = of(31 * GWEI, 2 * GWEI);
    check(Urgency::Emergency, 1, 1, emergency, None);
    check(Urgency::Emergency, 2, 2, emergency, Some(Raise::Waited));
}

#[test]
fn an_emergency_outlives_the_worst_market_without_running_out_of_attempts() {
    // Full blocks from now on, and a tip that grows with them.
    let fees = fees(5, 1_250, 1);
    for percent in [0, 50, 100] {
        let cap = 1_000_000 * GWEI;
        let mut at = Quote { least: 10 * GWEI + 1, ..quote(10 * GWEI, GWEI) };
        let mut terms = terms(&fees, Urgency::Emergency, cap, None);
        terms.pressure = Pressure::percent(percent);
        let mut offer = price(&at, &terms).unwrap();
        let (mut attempts, mut since) = (1, 0);
        for block in 1..=40 {
            at.next_base_fee = worst_growth(at.next_base_fee, 1);
            at.priority_fee = worst_growth(at.priority_fee, 1);
            at.least = at.next_base_fee + 1;
            (since, terms.waited) = (since + 1, block);
            terms.last = attempts + 2 >= crate::submission::lane::MAX_ATTEMPTS_PER_NONCE;
            if wants_raise(offer, since, &at, &terms).is_some()
                && attempts + 1 < crate::submission::lane::MAX_ATTEMPTS_PER_NONCE
            {
                offer = replacement(offer, &at, &terms).unwrap();
                (attempts, since) = (attempts + 1, 0);
            }
            assert!(offer.paid(&at) >= at.least, "{percent} %: outbid at block {block}");
        }
    }
}

#[test]
fn the_last_attempt_of_an_emergency_goes_to_the_cap() {
    let fees = fees(5, 1_250, 1);
    let mut terms = terms(&fees, Urgency::Emergency, 500 * GWEI, None);
    terms.last = true;
    let at = quote(10 * GWEI, GWEI);
    let offer = replacement(of(40 * GWEI, 2 * GWEI), &at, &terms).unwrap();
    assert_eq!(offer.max_fee_per_gas, 500 * GWEI);
    assert!(offer.max_priority_fee_per_gas < 5 * GWEI, "the tip keeps to its curve");
    terms.urgency = Urgency::Prompt;
    assert!(replacement(of(20 * GWEI, GWEI), &at, &terms).unwrap().max_fee_per_gas < 50 * GWEI);
}

#[test]
fn a_legacy_price_is_one_price_and_replaced_like_one() {
    let fees = fees(5, 1_250, 1);
    let terms = terms(&fees, Urgency::Prompt, 100 * GWEI, None);
    let at =
        Quote { legacy: true, next_base_fee: 0, priority_fee: 8 * GWEI, lowest: None, least: GWEI };
    let first = price(&at, &terms).unwrap();
    assert_eq!(first, of(10 * GWEI, 10 * GWEI), "no room that would be paid for nothing");
    let next = replacement(first, &at, &terms).unwrap();
    assert_eq!(next, of(11_250_000_000, 11_250_000_000));
    // Signed as the other kind before: both fields are outbid.
    let next = replacement(of(20 * GWEI, GWEI), &at, &terms).unwrap();
    assert_eq!(next, of(22_500_000_000, 22_500_000_000));
}

#[test]
fn value_counts_towards_the_cost() {
    let fees = fees(5, 1_250, 1);
    let mut terms = terms(&fees, Urgency::Routine, u128::MAX, Some(2_000_000_000));
    terms.value = U256::from(1_000_000_000_u64);
    assert_eq!(price(&quote(600, 10), &terms), Ok(of(1_000, 10)));
    terms.value = U256::MAX;
    assert!(price(&quote(600, 10), &terms).is_err());
}

#[test]
fn a_replacement_follows_rule_and_market() {
    let fees = fees(5, 1_250, 1);
    let terms = terms(&fees, Urgency::Routine, 100 * GWEI, None);
    let at = quote(10 * GWEI, GWEI);
    // The rule binds where the market stands still …
    let today = worst_growth(10 * GWEI, 6) + GWEI;
    assert_eq!(replacement(of(1_000, 9), &at, &terms).unwrap().max_fee_per_gas, today);
    let next = replacement(of(21 * GWEI, GWEI), &at, &terms).unwrap();
    assert_eq!(next, of(23_625_000_000, 1_125_000_000));
    // … and no ceiling is broken for it.
    let held = replacement(of(90 * GWEI, GWEI), &at, &terms).map_err(|hold| hold.reason);
    assert_eq!(held, Err("relative fee cap"));
    let high = quote(50 * GWEI, GWEI);
    let held = replacement(of(90 * GWEI, GWEI), &high, &terms).map_err(|hold| hold.reason);
    assert_eq!(held, Err("fee cap"));
    assert!(replacement(of(u128::MAX / 2, 0), &at, &terms).is_err());
}

/// What geth's pool asks of a replacement (`core/txpool/legacypool/list.go`, `Add`): both fields
/// greater than before, and at least `old × 110 / 100`.
fn geth_accepts(old: Price, new: Price) -> bool {
    let both = [
        (old.max_fee_per_gas, new.max_fee_per_gas),
        (old.max_priority_fee_per_gas, new.max_priority_fee_per_gas),
    ];
    both.iter().all(|(old, new)| new > old && *new >= old * 110 / 100)
}

fn urgencies() -> impl Strategy<Value = Urgency> {
    prop_oneof![Just(Urgency::Routine), Just(Urgency::Prompt), Just(Urgency::Emergency)]
}

prop_compose! {
    /// From a quiet second layer to a mad day.
    fn magnitudes()(exponent in 0_u32..13, digits in 0_u128..1_000) -> u128 {
        digits * 10_u128.pow(exponent)
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8_192, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_price_passes_its_caps_and_no_replacement_breaks_the_rule(
        (urgency, next, tip, min_tip) in (urgencies(), magnitudes(), magnitudes(), 0_u128..10_000),
        (cap, cost, gas, value) in
            (magnitudes(), proptest::option::of(magnitudes()), 0_u64..40_000_000, magnitudes()),
        (relative, bump) in (0_u32..20, 0_u32..10_000),
        (percent, waited, last, legacy) in (0_u8..=100, 0_u64..200, any::<bool>(), any::<bool>()),
        (old_fee, old_tip, lowest) in
            (magnitudes(), magnitudes(), proptest::option::of(magnitudes())),
    ) {
        let fees = fees(relative, bump, min_tip);
        let mut terms = terms(&fees, urgency, cap, None);
        terms.gas_limit = gas;
        terms.value = U256::from(value);
        terms.caps.max_transaction_cost =
            cost.map(|cost| U256::from(cost) * U256::from(1_000_000));
        (terms.pressure, terms.waited, terms.last) = (Pressure::percent(percent), waited, last);
        let at = if legacy {
            // A price is never told below the least.
            let lowest = lowest.map(|lowest| lowest.max(next + min_tip));
            let priority_fee = tip.max(next + min_tip);
            Quote { legacy, next_base_fee: 0, priority_fee, lowest, least: next + min_tip }
        } else {
            Quote { lowest, least: next + min_tip, ..quote(next, tip) }
        };
        let old = of(old_fee, old_tip.min(old_fee));
        for (fresh, offer) in [(true, price(&at, &terms)), (false, replacement(old, &at, &terms))] {
            let Ok(offer) = offer else { continue };
            prop_assert!(offer.max_priority_fee_per_gas <= offer.max_fee_per_gas);
            prop_assert!(offer.max_fee_per_gas <= cap);
            prop_assert!(
                urgency == Urgency::Emergency
                    || offer.max_fee_per_gas <= at.market() * u128::from(relative.max(1))
            );
            prop_assert!(!legacy || offer.max_fee_per_gas == offer.max_priority_fee_per_gas);
            prop_assert!(offer.max_fee_per_gas >= next + min_tip, "buys the next block");
            if let Some(most) = terms.caps.max_transaction_cost {
                let all = U256::from(gas) * U256::from(offer.max_fee_per_gas);
                prop_assert!(gas == 0 || all + terms.value <= most.max(terms.value));
            }
            prop_assert!(fresh || geth_accepts(old, offer), "{old:?} → {offer:?}");
        }
    }
}

#[test]
fn the_balance_is_a_ceiling_like_any_other() {
    let fees = fees(5, 1_250, 1);
    let at = quote(10 * GWEI, GWEI);
    // A million gas: what is held in gwei per gas.
    let with = |gwei_per_gas: u128| {
        let held = U256::from(gwei_per_gas * GWEI) * U256::from(1_000_000);
        let terms =
            Terms { balance: Some(held), ..terms(&fees, Urgency::Emergency, 100 * GWEI, None) };
        price(&at, &terms).map_err(|hold| hold.reason)
    };
    let enough = of(worst_growth(10 * GWEI, 9) + 2 * GWEI, 2 * GWEI);
    assert_eq!(with(50), Ok(enough), "more than enough");
    assert_eq!(with(14), Ok(of(14 * GWEI, 2 * GWEI)), "the next block can be bought");
    assert_eq!(with(10), Err(INSUFFICIENT_FUNDS));
    assert_eq!(with(0), Err(INSUFFICIENT_FUNDS));
}
