//! When funding is reinvested, and what holds it back.

use ballast_strategy_api::Exposure;

use super::*;
use crate::policy::GasMultiple;

/// At a ratio of this magnitude, with a reinvestment due.
fn due_at(ratio: &str) -> Snapshot {
    let mut snapshot = healthy(ratio);
    live(&mut snapshot).due = ShouldRebalance::Reinvest;
    snapshot
}

fn books_of(snapshot: &mut Snapshot) -> &mut Books {
    snapshot.books.as_mut().unwrap()
}

fn at(ratio: &str, change: impl FnOnce(&mut Snapshot)) -> String {
    let mut snapshot = due_at(ratio);
    change(&mut snapshot);
    in_words(decided(&snapshot))
}

#[test]
fn it_is_routine_and_raises_the_exposure() {
    let action = action(&due_at("1"));
    assert_eq!((action.name, action.exposure), ("reinvest", Exposure::Raises));
    assert_eq!(in_words(Decision::Act(action)), "routine reinvest: Raises");
}

#[test]
fn the_ratio_must_lie_between_the_products_own_bounds_before_and_after() {
    let outside = "wait: reinvest waits: the ratio is not between the product's own bounds";
    for ratio in ["1.1", "0.9", "1.2", "0.8"] {
        assert_eq!(at(ratio, |_| {}), outside, "{ratio}");
    }
    assert_eq!(at("0.900000000000000001", |_| {}), "routine reinvest: Raises");
    // 100 dollars of 50,000: |L'| = |L| + about 0.002.
    assert_eq!(at("1.095", |_| {}), "routine reinvest: Raises");
    let crosses = "wait: reinvest waits: it would take the ratio out of bounds";
    assert_eq!(at("1.0999", |_| {}), crosses);
    let much = |s: &mut Snapshot| {
        // 5,000 dollars are 10 % of the account: from 1 to more than 1.1.
        books_of(s).tracked = fixed("5000");
    };
    assert_eq!(at("1", much), crosses);
    assert_eq!(at("0.91", much), "routine reinvest: Raises");
}

/// They are split by the ratio, so that they change nothing about it, and dilute what the withdrawn
/// funding does.
#[test]
fn dollars_outside_perp_are_spent_too() {
    let predicted = |units: i64| {
        let mut snapshot = due_at("1.09");
        books_of(&mut snapshot).collateral_unit = I256::try_from(units).unwrap();
        let expected = action(&snapshot).expects.unwrap().at_least;
        let books = snapshot.books.unwrap();
        (books.reinvestment(&product(), fixed("1.09")).unwrap().predicted().unwrap(), expected)
    };
    // 20 USDC for each of 1,000 tokens.
    let (without, few) = predicted(0);
    let (with, many) = predicted(20_000_000);
    assert!(fixed("1.09") < with && with < without, "{with} {without}");
    assert!(many > few * U256::from(100), "{many} {few}");
}

#[test]
fn nothing_to_spend_is_left_alone() {
    let nothing = |s: &mut Snapshot| {
        let books = books_of(s);
        (books.tracked, books.account.pendingFundingPayments) = (U256::ZERO, I256::ZERO);
    };
    assert_eq!(at("1", nothing), "wait: reinvest waits: no funding to spend");
    // What is owed eats what was tracked.
    let eaten = |s: &mut Snapshot| {
        let books = books_of(s);
        (books.tracked, books.account.pendingFundingPayments) = (fixed("90"), -signed("90"));
    };
    assert_eq!(at("1", eaten), "wait: reinvest waits: no funding to spend");
}

#[test]
fn the_funding_must_be_worth_its_gas_as_often_as_the_operator_says() {
    // 1.6 M gas at 0.02 gwei and 1,000 dollars are 0.032 dollars: 100 are 3,125 times as much.
    let verdict = |times: Option<&str>, base_fee: Option<u128>, price: Option<&str>| {
        let policy = Policy {
            gas_multiple: times.map_or_else(GasMultiple::default, |times| GasMultiple {
                times: fixed(times),
                is_chosen: true,
            }),
            ..Policy::default()
        };
        let mut snapshot = due_at("1");
        let native_usd = price.and_then(|price| Price::from_fixed18(fixed(price)));
        snapshot.gas = Gas { base_fee, native_usd };
        in_words(decide(&product(), &policy, &snapshot).unwrap().decision)
    };
    let sent = "routine reinvest: Raises";
    let dear = "wait: reinvest waits: the funding is not worth its gas";
    let cheap = Some(20_000_000);
    assert_eq!(verdict(Some("3125"), cheap, Some("1000")), sent);
    assert_eq!(verdict(Some("3125.000000000000000001"), cheap, Some("1000")), dear);
    assert_eq!(verdict(None, cheap, Some("1000")), sent);
    // 30 gwei: 48 dollars, of which 100 are not three times as much.
    assert_eq!(verdict(None, Some(30_000_000_000), Some("1000")), dear);
    assert_eq!(verdict(Some("0"), Some(u128::MAX), Some("1000")), sent, "asks for nothing");
    // What cannot be priced binds those who asked for it.
    let unpriced = "blocked: reinvest cannot be weighed against its gas";
    assert_eq!(verdict(None, cheap, None), sent);
    assert_eq!(verdict(Some("3"), cheap, None), unpriced);
    assert_eq!(verdict(Some("3"), None, Some("1000")), unpriced);
}

#[test]
fn it_needs_the_books_and_permission() {
    let mut unread = due_at("1");
    unread.books = Err(ReadError::Unavailable("timeout".into()));
    let error = decide(&product(), &Policy::default(), &unread).unwrap_err();
    assert_eq!(error.to_string(), "reading the product's books");
    assert_eq!(at("1", |s| s.caller_permitted = false), "blocked: caller not permitted");
}

#[test]
fn half_of_what_is_bought_is_expected_of_the_short() {
    // 100 dollars less a tenth, half of them spot: 45 dollars at 1,000.
    let expected = action(&due_at("1")).expects.unwrap();
    assert_eq!((expected.direction, expected.signed), (Direction::Down, true));
    assert!(expected.at_least.abs_diff(fixed("0.0225")) < U256::from(10_000), "{expected:?}");
    let mut dust = due_at("1");
    let books = books_of(&mut dust);
    (books.tracked, books.account.pendingFundingPayments) = (U256::from(2), I256::ZERO);
    let policy = Policy {
        gas_multiple: GasMultiple { times: U256::ZERO, is_chosen: true },
        ..Policy::default()
    };
    let Decision::Act(action) = decide(&product(), &policy, &dust).unwrap().decision else {
        panic!()
    };
    assert_eq!(action.expects.unwrap().what, "time of the last reinvestment");
}
