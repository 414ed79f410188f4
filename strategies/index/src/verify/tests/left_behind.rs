//! What a batch leaves behind besides the units, and what cannot be measured.

use ballast_chains::driver::Outcome;
use ballast_strategy_api::testkit::ScriptedBlock;

use super::*;
use crate::{
    contracts::IExtension::{
        setCoolOffPeriodsCall, setExchangesCall, setRaiseTargetPercentageCall,
    },
    verify::settings::Settings,
};

#[test]
fn a_batch_is_for_the_operators_safe() {
    let mut case = Case::of(index());
    case.batch.safe = EXTENSION;
    assert_eq!(names(&failed(&case.checks(&limits()))), ["batch safe"]);
}

/// A batch with this call before the start of the rebalance.
pub(super) fn with_call(case: &mut Case, call: &impl SolCall) {
    let data = call.abi_encode().into();
    case.batch.calls.insert(0, Call { to: EXTENSION, value: U256::ZERO, data });
}

/// The index as a batch leaves it, with this call in it; no read is needed for what it sets.
pub(super) fn after(call: &impl SolCall) -> Index {
    let mut case = Case::of(index());
    with_call(&mut case, call);
    let batch = read(&case.batch.to_json().unwrap()).unwrap();
    let (done, _) = futures::executor::block_on(ScriptedBlock::new(1).look(|at| async move {
        let mut index = index();
        Settings::of(&batch).apply(&mut index, &at).await.unwrap();
        index
    }));
    let Outcome::Done(index) = done else { panic!("{done:?}") };
    index
}

#[test]
fn what_a_batch_sets_counts_for_what_follows() {
    let components = vec![Address::repeat_byte(2)];
    let maximums = vec![fixed("0.001", 6).unwrap()];
    let call = setTradeMaximumsCall { components: components.clone(), tradeMaximums: maximums };
    let said = failed(&Case::of(after(&call)).checks(&limits()));
    assert_eq!(names(&said), ["duration"], "a maximum that is next to nothing: {said:?}");
    let cool_offs = vec![U256::from(86_400)];
    let call = setCoolOffPeriodsCall { components: components.clone(), coolOffPeriods: cool_offs };
    assert_eq!(names(&failed(&Case::of(after(&call)).checks(&limits()))), ["duration"]);
    let call =
        setTradeMaximumsCall { components: components.clone(), tradeMaximums: vec![U256::ZERO] };
    assert_eq!(names(&failed(&Case::of(after(&call)).checks(&limits()))), ["trade maximums"]);
    let call = setExchangesCall { components, exchangeNames: vec![String::new()] };
    let said = failed(&Case::of(after(&call)).checks(&limits()));
    assert_eq!(said, [("exchanges", "BBB: no exchange is set".to_owned())]);
    let call = setRaiseTargetPercentageCall { raiseTargetPercentage: U256::from(7) };
    assert_eq!(after(&call).raise, U256::from(7));
}

#[test]
fn pools_that_disagree_with_the_prices_are_told() {
    let mut index = index();
    index.tokens[2] = token(3, "CCC", 8, "0", 8);
    let said = failed(&Case::of(index.clone()).checks(&limits()));
    assert_eq!(said, [("pool prices", "CCC: 12.5 % off".to_owned())]);
    // Without a price of ether the pools are held against the middle one of them; two are too few.
    let mut case = Case::of(index.clone());
    let prices = input::read("p", b"symbol,price\nAAA,50\nBBB,1\nCCC,7\n", Kind::Prices).unwrap();
    let prices = File { name: "p", entries: &prices };
    case.market = Market::of(&case.index, &case.components, prices);
    assert_eq!(failed(&case.checks(&limits())), said);
    case.index.tokens[0].venue = Venue::Nowhere("none".into());
    case.market = Market::of(&case.index, &case.components, prices);
    assert_eq!(names(&failed(&case.checks(&limits()))), ["exchanges", "pool prices"]);
    let wide = Limits { pools: fixed("0.13", 18).unwrap(), ..limits() };
    assert_eq!(failed(&Case::of(index).checks(&wide)), []);
}

#[test]
fn what_cannot_be_measured_does_not_pass_in_silence() {
    let mut index = index();
    index.tokens[2].venue = Venue::Unknown;
    index.tokens[2].exchange = "BalancerV1IndexExchangeAdapter".into();
    let case = Case::of(index);
    let said = failed(&case.checks(&limits()));
    assert_eq!(names(&said), ["slippage"]);
    assert_eq!(
        said[0].1,
        "CCC, by BalancerV1IndexExchangeAdapter, whose pools are not known: not measured"
    );
    let checks = case.checks(&Limits { unmeasured: true, ..limits() });
    let slippage = checks.iter().find(|check| check.name == "slippage").unwrap();
    assert!(slippage.passed && slippage.what.contains("not measured: CCC"), "{slippage:?}");
}

#[test]
fn weights_may_add_up_to_a_little_more() {
    let weights = "symbol,weight\nAAA,60%\nBBB,27.77%\nCCC,0.122300001\n";
    assert_eq!(failed(&Case::weighted(index(), weights).checks(&limits())), []);
}
