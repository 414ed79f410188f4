//! What `check` is told beyond a decision.

use super::*;
use crate::contracts::{
    IBasisModule::controllerCall,
    IController::resourceIdCall,
    IIntegrationRegistry::isValidIntegrationCall,
    IPerpBaseToken::{getIndexPriceCall, isOpenCall},
    IPerpClearingHouse::pausedCall,
    ISetToken::isInitializedModuleCall,
};

const CONTROLLER: Address = address!("00000000000000000000000000000000000000b1");
const INTEGRATIONS: Address = address!("00000000000000000000000000000000000000b2");
const TRADE: Address = address!("00000000000000000000000000000000000000a2");
const ADAPTER: &str = "UniswapV3ExchangeAdapterV2";

fn exchange() -> ExchangeSettings {
    let trade = [WETH.as_slice(), &[0, 0x0b, 0xb8], USDC.as_slice(), &[0]].concat();
    ExchangeSettings {
        exchangeName: ADAPTER.into(),
        buyExactSpotTradeData: trade.clone().into(),
        sellExactSpotTradeData: trade.into(),
        buySpotQuoteExactInputPath: Bytes::from_static(&PATH),
        twapMaxTradeSize: fixed("30"),
        incentivizedTwapMaxTradeSize: fixed("60"),
    }
}

/// Wired as it should be, on a release of Perp that has no `isOpen`.
fn sound() -> ScriptedBlock {
    let mut block = block();
    block.answer(EXTENSION, &getExchangeSettingsCall {}, &exchange());
    block.balance(EXTENSION, fixed("5"));
    block.answer(HOUSE, &pausedCall {}, &false);
    block.answer(VETH, &getIndexPriceCall { interval: U256::ZERO }, &fixed("1000"));
    for module in [MODULE, TRADE] {
        block.answer(SET, &isInitializedModuleCall { module }, &true);
    }
    block.answer(MODULE, &controllerCall {}, &CONTROLLER);
    block.answer(CONTROLLER, &resourceIdCall { id: U256::ZERO }, &INTEGRATIONS);
    let call = isValidIntegrationCall { module: TRADE, name: ADAPTER.into() };
    block.answer(INTEGRATIONS, &call, &true);
    block.native_usd_feed(NATIVE_FEED);
    block.answer(NATIVE_FEED, &IAggregator::decimalsCall {}, &8);
    let round = IAggregator::latestRoundDataReturn {
        roundId: alloy::primitives::aliases::U80::from(1),
        answer: I256::try_from(100_000_000_000_i64).unwrap(),
        startedAt: U256::from(NOW),
        updatedAt: U256::from(NOW),
        answeredInRound: alloy::primitives::aliases::U80::from(1),
    };
    block.answer(NATIVE_FEED, &IAggregator::latestRoundDataCall {}, &round);
    block
}

/// Each doubt as `error: …` or `warning: …`.
async fn doubts(block: &ScriptedBlock) -> Vec<String> {
    let strategy = check_contract::<Basis>(block, params).await.unwrap().strategy;
    let (outcome, _) = block.look(move |at| async move { strategy.audit(&at).await }).await;
    let Outcome::Done(doubts) = outcome else { panic!("{outcome:?}") };
    let word = |is_error| if is_error { "error" } else { "warning" };
    doubts.into_iter().map(|doubt| format!("{}: {}", word(doubt.is_error), doubt.text)).collect()
}

#[tokio::test]
async fn a_sound_product_raises_no_doubt() {
    assert_eq!(doubts(&sound()).await, Vec::<String>::new());
    let mut newer = sound();
    newer.answer(VETH, &isOpenCall {}, &true);
    assert_eq!(doubts(&newer).await, Vec::<String>::new());
}

#[tokio::test]
async fn each_fault_is_told_by_itself() {
    let check = async |change: &dyn Fn(&mut ScriptedBlock), words: &str| {
        let mut block = sound();
        change(&mut block);
        let told = doubts(&block).await;
        assert_eq!(told.len(), 1, "{words}: {told:?}");
        assert!(told[0].contains(words), "{words}: {told:?}");
    };
    check(&|b| b.answer(HOUSE, &pausedCall {}, &true), "error: Perp is paused").await;
    check(&|b| b.answer(VETH, &isOpenCall {}, &false), "error: Perp's market is not open").await;
    let uninitialized = |b: &mut ScriptedBlock| {
        b.answer(SET, &isInitializedModuleCall { module: TRADE }, &false);
    };
    check(&uninitialized, "is not initialized on").await;
    let disabled = |b: &mut ScriptedBlock| {
        let call = isValidIntegrationCall { module: TRADE, name: ADAPTER.into() };
        b.answer(INTEGRATIONS, &call, &false);
    };
    check(&disabled, "error: exchange \"UniswapV3ExchangeAdapterV2\" is not enabled").await;
    let decimals = |b: &mut ScriptedBlock| {
        b.answer(VETH, &getIndexPriceCall { interval: U256::ZERO }, &fixed("1011"));
    };
    check(&decimals, "error: the extension's price is 1000 and Perp's index 1011").await;
    check(&|b| b.balance(EXTENSION, U256::ZERO), "warning: the extension holds no ether").await;
    let unlisted = |b: &mut ScriptedBlock| {
        b.refuse_raw::<getAdaptersCall>(MANAGER, Bytes::new());
    };
    check(&unlisted, "lists nothing").await;
    let unpriced = |b: &mut ScriptedBlock| {
        b.refuse_raw::<IAggregator::latestRoundDataCall>(NATIVE_FEED, Bytes::new());
    };
    check(&unpriced, "warning: the chain has no native_usd_feed that answers").await;
    let path = |b: &mut ScriptedBlock| {
        let settings = ExchangeSettings { sellExactSpotTradeData: Bytes::new(), ..exchange() };
        b.answer(EXTENSION, &getExchangeSettingsCall {}, &settings);
    };
    check(&path, "error: sellExactSpotTradeData does not begin with the token").await;
    let sizes = |b: &mut ScriptedBlock| {
        let settings = ExchangeSettings { twapMaxTradeSize: U256::ZERO, ..exchange() };
        b.answer(EXTENSION, &getExchangeSettingsCall {}, &settings);
    };
    check(&sizes, "error: a largest trade size of zero").await;
    let order = |b: &mut ScriptedBlock| {
        let incentive = IncentiveSettings {
            etherReward: fixed("1"),
            incentivizedLeverageRatio: short("1.9"),
            incentivizedSlippageTolerance: fixed("0.05"),
            incentivizedTwapCooldownPeriod: U256::ONE,
        };
        b.answer(EXTENSION, &getIncentiveCall {}, &incentive);
    };
    check(
        &order,
        "error: leverage ratios out of order: min -0.95, target -1, max -2, ripcord -1.9",
    )
    .await;
    let slippage = |b: &mut ScriptedBlock| {
        let settings =
            ExecutionSettings { slippageTolerance: U256::ZERO, twapCooldownPeriod: U256::from(30) };
        b.answer(EXTENSION, &getExecutionCall {}, &settings);
    };
    check(&slippage, "warning: slippageTolerance 0").await;
}
