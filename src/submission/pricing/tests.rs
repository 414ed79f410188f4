#![allow(clippy::arithmetic_side_effects, reason = "small numbers, checked by eye")]

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

fn quote(next: u128, tip: u128) -> FeeQuote {
    FeeQuote { base_fee_per_gas: next, next_base_fee: next, priority_fee: tip }
}

fn terms(fees: &FeeProfile, urgency: Urgency, cap: u128, cost: Option<u128>) -> Terms<'_> {
    let caps = Caps { max_fee_per_gas: cap, max_transaction_cost: cost.map(U256::from) };
    Terms { urgency, caps, fees, gas_limit: 1_000_000, value: U256::ZERO, balance: None }
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
    check(Urgency::Routine, 100 * GWEI, None, Ok(of(21 * GWEI, GWEI)));
    check(Urgency::Prompt, 100 * GWEI, None, Ok(of(21 * GWEI + GWEI / 4, GWEI + GWEI / 4)));
    check(Urgency::Emergency, 100 * GWEI, None, Ok(of(32 * GWEI, 2 * GWEI)));
    // The ceiling takes the headroom, then the tip, then all.
    check(Urgency::Routine, 12 * GWEI, None, Ok(of(12 * GWEI, GWEI)));
    check(Urgency::Routine, 10 * GWEI + 5, None, Ok(of(10 * GWEI + 5, 5)));
    check(Urgency::Routine, 10 * GWEI, None, Err("fee cap"));
    // 0.015 ether over a million gas is 15 gwei per gas.
    check(Urgency::Routine, 100 * GWEI, Some(15_000_000 * GWEI), Ok(of(15 * GWEI, GWEI)));
    check(Urgency::Routine, 100 * GWEI, Some(GWEI), Err("transaction cost cap"));
}

#[test]
fn the_relative_cap_is_a_multiple_of_the_market() {
    let tight = fees(1, 1_250, 1);
    let got = price(&quote(100, 7), &terms(&tight, Urgency::Emergency, u128::MAX, None));
    assert_eq!(got, Ok(of(107, 7)), "once the market is the market itself");
    let odd = fees(1, 1_250, 9);
    let got = price(&quote(100, 7), &terms(&odd, Urgency::Routine, u128::MAX, None));
    assert_eq!(got.map_err(|hold| hold.reason), Err("relative fee cap"));
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
    assert_eq!(replacement(of(1_000, 9), &at, &terms).unwrap().max_fee_per_gas, 21 * GWEI);
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
        (old_fee, old_tip) in (magnitudes(), magnitudes()),
    ) {
        let fees = fees(relative, bump, min_tip);
        let mut terms = terms(&fees, urgency, cap, None);
        terms.gas_limit = gas;
        terms.value = U256::from(value);
        terms.caps.max_transaction_cost =
            cost.map(|cost| U256::from(cost) * U256::from(1_000_000));
        let at = quote(next, tip);
        let old = of(old_fee, old_tip.min(old_fee));
        for (fresh, offer) in [(true, price(&at, &terms)), (false, replacement(old, &at, &terms))] {
            let Ok(offer) = offer else { continue };
            prop_assert!(offer.max_priority_fee_per_gas <= offer.max_fee_per_gas);
            prop_assert!(offer.max_fee_per_gas <= cap);
            prop_assert!(offer.max_fee_per_gas <= (next + tip) * u128::from(relative.max(1)));
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
    assert_eq!(with(50), Ok(of(32 * GWEI, 2 * GWEI)), "more than enough");
    assert_eq!(with(14), Ok(of(14 * GWEI, 2 * GWEI)), "the next block can be bought");
    assert_eq!(with(10), Err(INSUFFICIENT_FUNDS));
    assert_eq!(with(0), Err(INSUFFICIENT_FUNDS));
}
