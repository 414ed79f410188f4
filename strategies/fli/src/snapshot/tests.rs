//! The whole strategy against scripted blocks: recognition, rounds, decoding, and the contract
//! that every strategy keeps.

mod bounds;
mod ceiling;
mod degraded;
mod recognised;
mod token;
mod viewer;

use std::sync::Arc;

use alloy::{
    primitives::{Address, Bytes, U256, address, utils::parse_ether},
    sol_types::{SolCall, SolValue},
};
use ballast_chains::driver::Outcome;
use ballast_strategy_api::{
    Action, Assessment, Decision, NonEmpty, Strategy, StrategyError, Urgency,
    decision::{CALLER_PERMITTED, CEILING_DISTANCE},
    testkit::{Checked, ScriptedBlock, check_contract},
};

use crate::{
    Fli, Params,
    contracts::{
        ICompoundComptroller::{marketsCall, marketsReturn},
        ICompoundMarket::{borrowBalanceStoredCall, exchangeRateStoredCall},
        ILeverageStrategyExtension::{
            ExchangeSettings, IncentiveSettings, MethodologySettings, anyoneCallableCall,
            callAllowListCall, currentEModeCategoryIdCall, getChunkRebalanceNotionalCall,
            getChunkRebalanceNotionalReturn, getCurrentLeverageRatioCall, getEnabledExchangesCall,
            getExchangeSettingsCall, getExecutionCall, getIncentiveCall, getMethodologyCall,
            getStrategyCall, globalLastTradeTimestampCall, shouldRebalanceCall,
            shouldRebalanceReturn, shouldRebalanceWithBoundsCall, shouldRebalanceWithBoundsReturn,
            twapLeverageRatioCall,
        },
        IToken::{balanceOfCall, decimalsCall},
    },
    variant::Variant,
};

const EXTENSION: Address = address!("00000000000000000000000000000000000000e1");
const SET: Address = address!("0000000000000000000000000000000000000005");
const WETH: Address = address!("00000000000000000000000000000000000000c0");
const USDC: Address = address!("00000000000000000000000000000000000000b0");
const COLLATERAL_MARKET: Address = address!("00000000000000000000000000000000000000c1");
const DEBT_MARKET: Address = address!("00000000000000000000000000000000000000b1");
/// The second word of `getStrategy()`: on Compound its Comptroller.
const COMPTROLLER: Address = address!("00000000000000000000000000000000000000f2");
const NOW: u64 = 1_700_000_000;

fn fixed(text: &str) -> U256 {
    parse_ether(text).unwrap()
}

fn params() -> Params {
    serde_json::from_value(serde_json::json!({ "extension": EXTENSION })).unwrap()
}

/// Raw words as an answer.
fn words(of: &[U256]) -> Bytes {
    of.iter().flat_map(|word| word.to_be_bytes::<32>()).collect()
}

fn word(address: Address) -> U256 {
    U256::from_be_bytes(address.into_word().0)
}

fn strategy_words() -> Vec<U256> {
    let feeds = [U256::from(0xf1), U256::from(0xf2), U256::from(0xf3), U256::from(0xf4)];
    let head = [word(SET)].into_iter().chain(feeds);
    let tokens = [COLLATERAL_MARKET, DEBT_MARKET, WETH, USDC].map(word);
    head.chain(tokens).chain([U256::from(10), U256::from(22)]).collect()
}

/// A product on Compound at 2.4 ×, above its upper bound of 2.3 ×.
fn block() -> ScriptedBlock {
    let mut block = ScriptedBlock::new(NOW);
    let names = vec!["V3".to_owned(), "V2".to_owned()];
    block.answer(EXTENSION, &getEnabledExchangesCall {}, &names);
    let should = shouldRebalanceReturn { names: names.clone(), actions: vec![1, 1] };
    block.answer(EXTENSION, &shouldRebalanceCall {}, &should);
    block.answer(EXTENSION, &getCurrentLeverageRatioCall {}, &fixed("2.4"));
    block.answer(EXTENSION, &twapLeverageRatioCall {}, &U256::ZERO);
    block.answer(EXTENSION, &globalLastTradeTimestampCall {}, &U256::from(NOW - 500));
    block.answer(
        EXTENSION,
        &getMethodologyCall {},
        &MethodologySettings {
            targetLeverageRatio: fixed("2"),
            minLeverageRatio: fixed("1.7"),
            maxLeverageRatio: fixed("2.3"),
            recenteringSpeed: fixed("0.05"),
            rebalanceInterval: U256::from(86_400),
        },
    );
    block.answer(
        EXTENSION,
        &getIncentiveCall {},
        &IncentiveSettings {
            etherReward: fixed("1"),
            incentivizedLeverageRatio: fixed("2.7"),
            incentivizedSlippageTolerance: fixed("0.05"),
            incentivizedTwapCooldownPeriod: U256::from(60),
        },
    );
    raw::<getExecutionCall>(&mut block, &[fixed("0.01"), fixed("0.02"), U256::from(600)]);
    raw::<getStrategyCall>(&mut block, &strategy_words());
    let caller = block.caller();
    block.answer(EXTENSION, &callAllowListCall { caller }, &true);
    block.answer_any::<callAllowListCall>(EXTENSION, &false);
    block.answer(EXTENSION, &anyoneCallableCall {}, &false);
    let sizes = getChunkRebalanceNotionalReturn {
        sizes: vec![fixed("40"), fixed("30")],
        sellAsset: WETH,
        buyAsset: USDC,
    };
    let chunks = getChunkRebalanceNotionalCall { exchangeNames: names.clone() };
    block.answer(EXTENSION, &chunks, &sizes);
    for name in names {
        let call = getExchangeSettingsCall { exchangeName: name };
        block.answer(EXTENSION, &call, &exchange_settings());
    }
    market(&mut block);
    block
}

fn exchange_settings() -> ExchangeSettings {
    ExchangeSettings {
        twapMaxTradeSize: fixed("40"),
        exchangeLastTradeTimestamp: U256::from(NOW - 900),
        incentivizedTwapMaxTradeSize: fixed("100"),
        leverExchangeData: Bytes::from_static(&[1; 43]),
        deleverExchangeData: Bytes::from_static(&[2; 43]),
    }
}

/// 1,000 ETH in a receipt of 8 decimals at 0.02 ETH each, and a debt of 1,166,666 USDC.
fn market(block: &mut ScriptedBlock) {
    block.answer(WETH, &decimalsCall {}, &18);
    block.answer(USDC, &decimalsCall {}, &6);
    let receipts = U256::from(5_000_000_000_000_u64);
    block.answer(COLLATERAL_MARKET, &balanceOfCall { account: SET }, &receipts);
    let rate = U256::from(200_000_000) * fixed("1");
    block.answer(COLLATERAL_MARKET, &exchangeRateStoredCall {}, &rate);
    let share = marketsReturn { isListed: true, collateralFactor: fixed("0.75"), isComped: true };
    block.answer(COMPTROLLER, &marketsCall { market: COLLATERAL_MARKET }, &share);
    let debt = U256::from(1_166_666_000_000_u64);
    block.answer(DEBT_MARKET, &borrowBalanceStoredCall { account: SET }, &debt);
}

/// Answers a function without arguments.
fn raw<C: SolCall>(block: &mut ScriptedBlock, answer: &[U256]) {
    block.answer_raw(EXTENSION, C::SELECTOR.into(), words(answer));
}

async fn checked(block: &ScriptedBlock) -> Checked<Fli> {
    check_contract::<Fli>(block, params).await.unwrap()
}

async fn refused(block: &ScriptedBlock) -> String {
    check_contract::<Fli>(block, params).await.unwrap_err().to_string()
}

fn acted(assessment: &Assessment) -> &Action {
    match &assessment.decision {
        Decision::Act(action) => action,
        other @ (Decision::Wait { .. } | Decision::Blocked { .. }) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_product_out_of_bounds_is_rebalanced_promptly_in_two_rounds() {
    let checked = checked(&block()).await;
    assert_eq!(checked.rounds.rounds, 2);
    let Decision::Act(action) = checked.assessment.decision else {
        panic!("{:?}", checked.assessment.decision)
    };
    let labels: Vec<&str> = action.candidates.iter().map(|c| c.label.as_str()).collect();
    assert_eq!((action.name, labels), ("rebalance", vec!["V3", "V2"]));
    assert_eq!(action.urgency, Urgency::Prompt);
    // 30 of 1,000 ETH at 2.4 ×, halved: the position came from the market.
    let at_least = action.expects.unwrap().at_least;
    assert!(at_least < fixed("0.036") && at_least > fixed("0.0359"), "{at_least}");
    let of_v2 = checked.assessment.observations.iter().find(|o| o.name == "chunk" && o.of == "V2");
    assert_eq!(of_v2.unwrap().value.unsigned_abs(), fixed("30"));
}

#[tokio::test]
async fn a_product_with_nothing_due_waits_and_does_not_ask_for_its_position() {
    let mut block = block();
    let busy = checked(&block).await.rounds.calls;
    let should = shouldRebalanceReturn { names: names(), actions: vec![0, 0] };
    block.answer(EXTENSION, &shouldRebalanceCall {}, &should);
    block.answer(EXTENSION, &getCurrentLeverageRatioCall {}, &fixed("2.1"));
    let checked = checked(&block).await;
    let reason = "inside bounds, interval not over";
    assert_eq!(checked.assessment.decision, Decision::Wait { reason, until: None });
    assert_eq!((checked.rounds.rounds, checked.rounds.calls), (2, busy - 3));
}

fn names() -> Vec<String> {
    vec!["V3".into(), "V2".into()]
}

fn bounded() -> Params {
    let table = serde_json::json!({ "extension": EXTENSION, "custom_max_leverage_ratio": "2.45" });
    serde_json::from_value(table).unwrap()
}

/// The call with the operator's upper bound and the product's own lower one.
fn by_custom_max() -> shouldRebalanceWithBoundsCall {
    shouldRebalanceWithBoundsCall {
        customMinLeverageRatio: fixed("1.7"),
        customMaxLeverageRatio: fixed("2.45"),
    }
}

#[tokio::test]
async fn permission_is_that_of_the_products_wallet_or_of_anyone() {
    let decision = async |listed: bool, anyone: bool| {
        let mut block = block();
        let caller = block.caller();
        block.answer(EXTENSION, &callAllowListCall { caller }, &listed);
        block.answer(EXTENSION, &anyoneCallableCall {}, &anyone);
        checked(&block).await.assessment.decision
    };
    assert!(matches!(decision(true, false).await, Decision::Act(_)));
    assert!(matches!(decision(false, true).await, Decision::Act(_)));
    let Decision::Blocked { reason, detail } = decision(false, false).await else { panic!() };
    assert_eq!(reason, "caller not permitted");
    assert!(detail.starts_with(&block().caller().to_string()), "{detail}");
}

/// The getters that compute a ratio.
fn for_each_getter(block: &mut ScriptedBlock, reason: &str) {
    block.refuse::<shouldRebalanceCall>(EXTENSION, reason);
    block.refuse::<getCurrentLeverageRatioCall>(EXTENSION, reason);
    block.refuse::<getChunkRebalanceNotionalCall>(EXTENSION, reason);
}

#[tokio::test]
async fn a_product_without_debt_is_left_alone_though_the_extension_says_rebalance() {
    let mut block = block();
    block.answer(EXTENSION, &getCurrentLeverageRatioCall {}, &fixed("1"));
    block.answer(DEBT_MARKET, &borrowBalanceStoredCall { account: SET }, &U256::ZERO);
    let decision = checked(&block).await.assessment.decision;
    assert_eq!(decision, Decision::Wait { reason: "wound down: no debt", until: None });
}

#[tokio::test]
async fn beyond_the_borrow_limit_it_is_blocked() {
    let mut block = block();
    block.refuse::<getChunkRebalanceNotionalCall>(EXTENSION, "SafeMath: subtraction overflow");
    let decision = checked(&block).await.assessment.decision;
    let Decision::Blocked { reason, detail } = decision else { panic!("{decision:?}") };
    assert_eq!(reason, "beyond the ceiling: debt exceeds the borrow limit, no trade is possible");
    assert_eq!(detail, "reverted: SafeMath: subtraction overflow");
}

#[tokio::test]
async fn a_market_that_does_not_tell_its_books_does_not_stop_the_product() {
    let mut block = block();
    block.refuse::<borrowBalanceStoredCall>(DEBT_MARKET, "paused");
    let decision = checked(&block).await.assessment.decision;
    let Decision::Act(action) = decision else { panic!("{decision:?}") };
    assert_eq!(action.expects.unwrap().at_least, U256::ONE);
}

/// Named by its code: it takes an account's own transaction, or the delegation of one.
#[tokio::test]
async fn a_wallet_that_is_a_contract_may_do_nothing_and_a_delegated_one_everything() {
    for (actions, ratio) in [(vec![1, 1], "2.4"), (vec![3, 3], "2.9")] {
        let mut block = block();
        block.answer(EXTENSION, &getCurrentLeverageRatioCall {}, &fixed(ratio));
        let should = shouldRebalanceReturn { names: names(), actions };
        block.answer(EXTENSION, &shouldRebalanceCall {}, &should);
        let wallet = block.caller();
        block.code(wallet, Bytes::from_static(&[0x60, 0x80]));
        let seen = checked(&block).await.assessment;
        let Decision::Blocked { reason, detail } = seen.decision else { panic!("{ratio}") };
        assert_eq!(reason, "caller is a contract, not a plain account");
        assert!(detail.starts_with(&wallet.to_string()), "{detail}");
        let permitted = seen.observations.iter().find(|o| o.name == CALLER_PERMITTED).unwrap();
        assert!(permitted.value.is_zero(), "check says so before anything is due");

        let delegation = [&[0xef, 0x01, 0x00][..], WETH.as_slice()].concat();
        block.code(wallet, delegation.into());
        acted(&checked(&block).await.assessment);
    }
}
