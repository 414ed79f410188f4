//! What a batch sets besides the units: all of it is judged, and each thing has an option that allows
//! it.

use super::{
    left_behind::{after, with_call},
    *,
};
use crate::contracts::IExtension::{
    setAnyoneTradeCall, setCoolOffPeriodsCall, setExchangeDataCall, setExchangesCall,
    setRaiseTargetPercentageCall,
};
use crate::exchange::SUSHISWAP;

const AAA: Address = Address::repeat_byte(1);
const BBB: Address = Address::repeat_byte(2);
const DDD: Address = Address::repeat_byte(4);

fn share(text: &str) -> U256 {
    fixed(text, 18).unwrap()
}

/// What fails of a batch with this call, carried out before the checks as `verify` does it.
fn said(call: &impl SolCall, limits: &Limits) -> Vec<(&'static str, String)> {
    let mut case = Case::of(after(call));
    with_call(&mut case, call);
    failed(&case.checks(limits))
}

/// Refused for one reason, which names the option that allows it; and allowed by it.
fn allowed_by(call: &impl SolCall, check: &str, option: &str, limits: &Limits) {
    let said = said(call, &super::limits());
    assert_eq!(names(&said), [check], "{said:?}");
    assert!(said[0].1.contains(option), "{said:?}");
    assert_eq!(self::said(call, limits), [], "{option}");
}

#[test]
fn nobody_comes_or_goes_whom_nobody_named() {
    let status = |trader, may| setTraderStatusCall { traders: vec![trader], statuses: vec![may] };
    let knows = Limits { traders: vec![SAFE], ..limits() };
    allowed_by(&status(SAFE, true), "batch traders", "--trader", &knows);
    let knows = Limits { removed: vec![SAFE], ..limits() };
    allowed_by(&status(SAFE, false), "batch traders", "--remove-trader", &knows);
    let both = setTraderStatusCall { traders: vec![SAFE, WETH], statuses: vec![true, false] };
    let said = said(&both, &knows);
    assert!(said[0].1.contains(&SAFE.to_string()) && said[0].1.contains(&WETH.to_string()));
    for (status, option) in [(true, "--anyone-trades"), (false, "--only-traders-trade")] {
        let knows = Limits { anyone: Some(status), ..limits() };
        allowed_by(&setAnyoneTradeCall { status }, "batch traders", option, &knows);
        let other = Limits { anyone: Some(!status), ..limits() };
        assert_eq!(names(&self::said(&setAnyoneTradeCall { status }, &other)), ["batch traders"]);
    }
}

#[test]
fn rests_are_neither_too_short_nor_too_long() {
    let rest = |seconds: u64| setCoolOffPeriodsCall {
        components: vec![AAA, BBB],
        coolOffPeriods: vec![U256::from(600), U256::from(seconds)],
    };
    assert_eq!(said(&rest(300), &limits()), []);
    let none = Limits { rest: 0, ..limits() };
    allowed_by(&rest(0), "batch rests", "--min-cool-off", &none);
    assert_eq!(names(&said(&rest(299), &limits())), ["batch rests"]);
    // AAA takes one trade, so nothing else tells that it would rest for ever after it.
    let ever = setCoolOffPeriodsCall { components: vec![AAA], coolOffPeriods: vec![U256::MAX] };
    let said = said(&ever, &limits());
    assert_eq!(names(&said), ["batch rests"], "{said:?}");
    assert!(said[0].1.starts_with("AAA: ") && said[0].1.ends_with("(--max-duration)"), "{said:?}");
}

#[test]
fn targets_are_raised_a_little_at_a_time() {
    let raise = |text| setRaiseTargetPercentageCall { raiseTargetPercentage: share(text) };
    assert_eq!(said(&raise("0.01"), &limits()), []);
    let half = Limits { raise: share("0.5"), ..limits() };
    allowed_by(&raise("0.5"), "batch raise", "--max-raise", &half);
    let none = said(&raise("0"), &half);
    assert_eq!(none, [("batch raise", "0 %, which the module refuses".to_owned())]);
}

/// An index with a component that is not traded now: DDD stays as it is.
fn with_idle() -> Case {
    let mut index = index();
    index.tokens.push(token(4, "DDD", 18, "1", 50));
    idle(index)
}

fn idle(index: Index) -> Case {
    let prices = "symbol,price\nAAA,50\nBBB,1\nCCC,7\nDDD,50\nWETH,1000\n";
    let weights =
        "symbol,weight\nAAA,0.4\nBBB,0.2\nCCC,0.066666666666666667\nDDD,0.333333333333333333\n";
    Case::priced(index, weights, prices)
}

/// What fails of a batch with such a call for DDD, which leaves it so.
fn idle_said(
    call: &impl SolCall,
    leave: impl FnOnce(&mut Token),
    limits: &Limits,
) -> Vec<(&'static str, String)> {
    let mut index = with_idle().index;
    leave(&mut index.tokens[3]);
    let mut case = idle(index);
    assert!(case.work.rows[3].trade.is_none(), "{:?}", case.work.rows[3]);
    with_call(&mut case, call);
    failed(&case.checks(limits))
}

#[test]
fn a_component_that_is_not_traded_now_is_not_led_astray() {
    let through = Bytes::copy_from_slice(SAFE.as_slice());
    let data = setExchangeDataCall { components: vec![DDD], exchangeData: vec![through.clone()] };
    let led = |token: &mut Token| token.exchange_data = through.clone();
    let said = idle_said(&data, led, &limits());
    assert_eq!(names(&said), ["batch routes"], "{said:?}");
    assert!(said[0].1.contains(&SAFE.to_string()) && said[0].1.contains("--via"), "{said:?}");
    let via = Limits { via: vec![SAFE], ..limits() };
    assert_eq!(idle_said(&data, led, &via), []);
    // The chain's data with another exchange is another way, too.
    let exchange =
        setExchangesCall { components: vec![DDD], exchangeNames: vec![SUSHISWAP.to_owned()] };
    let said = idle_said(
        &exchange,
        |token| {
            (token.exchange, token.exchange_data) = (SUSHISWAP.to_owned(), through.clone());
        },
        &limits(),
    );
    assert_eq!(names(&said), ["batch routes"], "{said:?}");

    // Its new pool has another price, holds too little, is not known, or is not there.
    let bent = |token: &mut Token| token.venue = super::token(4, "DDD", 18, "1", 60).venue;
    let said = idle_said(&exchange, bent, &limits());
    assert_eq!(said, [("pool prices", "DDD: 16.6666 % off".to_owned())]);
    let thin = |token: &mut Token| {
        let hop = Hop { reserve_in: share("1000"), reserve_out: share("50"), fee: 3_000 };
        token.venue = Venue::Pools(vec![hop]);
    };
    let said = idle_said(&exchange, thin, &limits());
    assert_eq!(names(&said), ["slippage"], "{said:?}");
    assert!(said[0].1.starts_with("DDD, its maximum sold: "), "{said:?}");
    let unknown = |token: &mut Token| token.venue = Venue::Unknown;
    assert_eq!(names(&idle_said(&exchange, unknown, &limits())), ["slippage"]);
    let unmeasured = Limits { unmeasured: true, ..limits() };
    assert_eq!(idle_said(&exchange, unknown, &unmeasured), []);
    let gone = |token: &mut Token| token.venue = Venue::Nowhere("there is no pool".into());
    let said = idle_said(&exchange, gone, &limits());
    assert_eq!(names(&said), ["exchanges"]);
    assert!(said[0].1.ends_with("(--allow-untradable)"), "{said:?}");
    let untradable = Limits { untradable: true, ..limits() };
    assert_eq!(idle_said(&exchange, gone, &untradable), []);
    // What the batch leaves alone is not its doing.
    let other =
        setCoolOffPeriodsCall { components: vec![AAA], coolOffPeriods: vec![U256::from(900)] };
    assert_eq!(idle_said(&other, gone, &limits()), []);
}

#[test]
fn a_maximum_that_is_set_is_one_that_pools_can_bear() {
    let maximum =
        |most: U256| setTradeMaximumsCall { components: vec![AAA], tradeMaximums: vec![most] };
    assert_eq!(said(&maximum(share("1000")), &limits()), []);
    let said = said(&maximum(share("100000")), &limits());
    assert_eq!(names(&said), ["slippage"], "only a little of AAA is to be bought now: {said:?}");
    assert!(said[0].1.starts_with("AAA, its maximum sold: 9."), "{said:?}");
    let none = setTradeMaximumsCall { components: vec![DDD], tradeMaximums: vec![U256::ZERO] };
    let zero = |token: &mut Token| token.max_size = U256::ZERO;
    assert_eq!(names(&idle_said(&none, zero, &limits())), ["trade maximums"]);
    assert_eq!(idle_said(&none, zero, &Limits { untradable: true, ..limits() }), []);
}

#[test]
fn tokens_that_are_no_components_are_told() {
    let others = Limits { others: true, ..limits() };
    for token in [SAFE, WETH] {
        let rest = setCoolOffPeriodsCall {
            components: vec![token],
            coolOffPeriods: vec![U256::from(600)],
        };
        allowed_by(&rest, "batch tokens", "--allow-other-tokens", &others);
    }
    let maximum = setTradeMaximumsCall { components: vec![SAFE], tradeMaximums: vec![ONE] };
    assert_eq!(names(&said(&maximum, &limits())), ["batch tokens"]);
}

#[test]
fn a_batch_of_parameters_alone_starts_nothing() {
    let rest =
        setCoolOffPeriodsCall { components: vec![AAA], coolOffPeriods: vec![U256::from(900)] };
    let mut case = Case::of(after(&rest));
    with_call(&mut case, &rest);
    case.batch.calls.pop();
    let checks = case.checks(&limits());
    assert_eq!(failed(&checks), []);
    let start = checks.iter().find(|check| check.name == "batch start").unwrap();
    assert!(start.what.contains("starts nothing"), "{start:?}");
    // Nothing was executed by it, whatever the module holds.
    let batch = read(&case.batch.to_json().unwrap()).unwrap();
    let done = case.subject(|subject| subject.done(&limits(), &batch).unwrap());
    assert_eq!(names(&failed(&done)), ["batch start"]);
}
