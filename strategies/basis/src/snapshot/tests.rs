//! The whole strategy against scripted blocks: recognition, rounds, decoding, and the contract
//! that every strategy keeps.

mod audit;
mod listing;

use std::sync::Arc;

use alloy::{
    primitives::{
        Address, Bytes, I256, U256, address,
        aliases::{I24, U24, U160},
        hex,
        utils::parse_ether,
    },
    sol,
    sol_types::SolCall,
};
use ballast_chains::driver::Outcome;
use ballast_strategy_api::{
    Action, Assessment, Decision, Strategy, StrategyError, Urgency,
    decision::{CALLER_PERMITTED, CEILING_DISTANCE, fixed18},
    listing::{IExtensionManager::getAdaptersCall, ISetToken::managerCall as setManagerCall},
    testkit::{Checked, ScriptedBlock, check_contract},
};

use crate::{
    Basis, Params,
    contracts::{
        IBasisExtension::{
            ContractSettings, ExchangeSettings, ExecutionSettings, IncentiveSettings,
            MethodologySettings, anyoneCallableCall, callAllowListCall,
            getCurrentEtherIncentiveCall, getCurrentLeverageRatioCall, getExchangeSettingsCall,
            getExecutionCall, getIncentiveCall, getMethodologyCall, getStrategyCall,
            lastReinvestTimestampCall, lastTradeTimestampCall, managerCall, shouldRebalanceCall,
            shouldRebalanceWithBoundsCall, twapLeverageRatioCall,
        },
        IBasisModule::{
            AccountInfo, collateralTokenCall, feeSettingsCall, feeSettingsReturn,
            getAccountInfoCall, getUpdatedSettledFundingCall, perpClearingHouseCall,
            perpMarketRegistryCall, settledFundingCall,
        },
        IPerpAccountBalance::{
            getMarginRequirementForLiquidationCall, getTakerOpenNotionalCall,
            getTakerPositionSizeCall, getTotalAbsPositionValueCall,
        },
        IPerpClearingHouse::getAccountValueCall,
        IPerpMarketRegistry::getPoolCall as getPerpPoolCall,
        IPriceFeed::getPriceCall,
        ISetToken::{getDefaultPositionRealUnitCall, totalSupplyCall},
        IToken::decimalsCall,
        IUniswapV3::{factoryCall, getPoolCall, slot0Call, slot0Return},
    },
};

const EXTENSION: Address = address!("00000000000000000000000000000000000000e1");
const SET: Address = address!("0000000000000000000000000000000000000005");
const MANAGER: Address = address!("000000000000000000000000000000000000003a");
const MODULE: Address = address!("00000000000000000000000000000000000000a1");
const QUOTER: Address = address!("00000000000000000000000000000000000000a3");
const PERP: Address = address!("00000000000000000000000000000000000000a4");
const FEED: Address = address!("00000000000000000000000000000000000000a5");
const VETH: Address = address!("00000000000000000000000000000000000000a6");
const HOUSE: Address = address!("00000000000000000000000000000000000000a8");
const REGISTRY: Address = address!("00000000000000000000000000000000000000a9");
const PERP_POOL: Address = address!("00000000000000000000000000000000000000aa");
const SPOT_POOL: Address = address!("00000000000000000000000000000000000000ab");
const FACTORY: Address = address!("00000000000000000000000000000000000000ac");
const NATIVE_FEED: Address = address!("00000000000000000000000000000000000000ad");
const WETH: Address = address!("4200000000000000000000000000000000000006");
const USDC: Address = address!("7F5c764cBc14f9669B88837ca1490cCa17c31607");
const PATH: [u8; 43] =
    hex!("7f5c764cbc14f9669b88837ca1490cca17c31607000bb84200000000000000000000000000000000000006");
const NOW: u64 = 1_700_000_000;

sol! {
    interface IAggregator {
        function decimals() external view returns (uint8);
        function latestRoundData() external view returns (
            uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt,
            uint80 answeredInRound
        );
    }
}

fn fixed(text: &str) -> U256 {
    parse_ether(text).unwrap()
}

fn signed(text: &str) -> I256 {
    I256::try_from(fixed(text)).unwrap()
}

fn short(text: &str) -> I256 {
    -signed(text)
}

fn table(value: serde_json::Value) -> Params {
    serde_json::from_value(value).unwrap()
}

fn params() -> Params {
    table(serde_json::json!({ "extension": EXTENSION }))
}

/// A product with the production settings at -2.4, beyond its bound of -2: 50 ETH short at 1,000
/// dollars against as much spot, with a module that has no `getUpdatedSettledFunding`.
fn block() -> ScriptedBlock {
    let mut block = ScriptedBlock::new(NOW);
    extension(&mut block);
    let caller = block.caller();
    block.answer_any::<callAllowListCall>(EXTENSION, &false);
    block.answer(EXTENSION, &callAllowListCall { caller }, &true);
    block.answer(EXTENSION, &anyoneCallableCall {}, &false);
    block.answer(SET, &setManagerCall {}, &MANAGER);
    block.answer(MANAGER, &getAdaptersCall {}, &vec![EXTENSION]);
    markets(&mut block);
    ratio(&mut block, "2.4", 1);
    block
}

fn extension(block: &mut ScriptedBlock) {
    let strategy = ContractSettings {
        setToken: SET,
        basisTradingModule: MODULE,
        tradeModule: address!("00000000000000000000000000000000000000a2"),
        quoter: QUOTER,
        perpV2AccountBalance: PERP,
        baseUSDPriceOracle: FEED,
        twapInterval: U256::ZERO,
        basePriceDecimalAdjustment: U256::from(10),
        virtualBaseAddress: VETH,
        virtualQuoteAddress: address!("00000000000000000000000000000000000000a7"),
        spotAssetAddress: WETH,
    };
    block.answer(EXTENSION, &getStrategyCall {}, &strategy);
    block.answer(EXTENSION, &managerCall {}, &MANAGER);
    let methodology = MethodologySettings {
        targetLeverageRatio: short("1"),
        minLeverageRatio: short("0.95"),
        maxLeverageRatio: short("2"),
        recenteringSpeed: fixed("0.05"),
        rebalanceInterval: U256::MAX,
        reinvestInterval: U256::from(604_800),
        minReinvestUnits: U256::from(10_000),
    };
    block.answer(EXTENSION, &getMethodologyCall {}, &methodology);
    let execution =
        ExecutionSettings { slippageTolerance: fixed("0.02"), twapCooldownPeriod: U256::from(30) };
    block.answer(EXTENSION, &getExecutionCall {}, &execution);
    let incentive = IncentiveSettings {
        etherReward: fixed("1"),
        incentivizedLeverageRatio: short("3"),
        incentivizedSlippageTolerance: fixed("0.05"),
        incentivizedTwapCooldownPeriod: U256::ONE,
    };
    block.answer(EXTENSION, &getIncentiveCall {}, &incentive);
    let exchange = ExchangeSettings {
        exchangeName: "UniswapV3ExchangeAdapterV2".into(),
        buyExactSpotTradeData: Bytes::from_static(&[2; 44]),
        sellExactSpotTradeData: Bytes::from_static(&[3; 44]),
        buySpotQuoteExactInputPath: Bytes::from_static(&PATH),
        twapMaxTradeSize: fixed("30"),
        incentivizedTwapMaxTradeSize: fixed("60"),
    };
    block.answer(EXTENSION, &getExchangeSettingsCall {}, &exchange);
    block.answer(EXTENSION, &twapLeverageRatioCall {}, &I256::ZERO);
    block.answer(EXTENSION, &lastTradeTimestampCall {}, &U256::from(NOW - 500));
    block.answer(EXTENSION, &lastReinvestTimestampCall {}, &U256::from(NOW - 604_801));
    block.answer(EXTENSION, &getCurrentEtherIncentiveCall {}, &U256::ZERO);
}

fn markets(block: &mut ScriptedBlock) {
    block.answer(WETH, &decimalsCall {}, &18);
    block.answer(USDC, &decimalsCall {}, &6);
    block.answer(MODULE, &collateralTokenCall {}, &USDC);
    block.answer(MODULE, &perpClearingHouseCall {}, &HOUSE);
    block.answer(MODULE, &perpMarketRegistryCall {}, &REGISTRY);
    block.answer(MODULE, &settledFundingCall { setToken: SET }, &fixed("90"));
    let fees = feeSettingsReturn {
        feeRecipient: MANAGER,
        maxPerformanceFeePercentage: fixed("0.2"),
        performanceFeePercentage: fixed("0.1"),
    };
    block.answer(MODULE, &feeSettingsCall { setToken: SET }, &fees);
    let position = getTakerPositionSizeCall { trader: SET, baseToken: VETH };
    block.answer(PERP, &position, &short("50"));
    let notional = getTakerOpenNotionalCall { trader: SET, baseToken: VETH };
    block.answer(PERP, &notional, &signed("50000"));
    let margin = getMarginRequirementForLiquidationCall { trader: SET };
    block.answer(PERP, &margin, &signed("3125"));
    block.answer(PERP, &getTotalAbsPositionValueCall { trader: SET }, &fixed("50000"));
    block.answer(FEED, &getPriceCall { interval: U256::ZERO }, &U256::from(100_000_000_000_u64));
    block.answer(SET, &totalSupplyCall {}, &fixed("1000"));
    block.answer(SET, &getDefaultPositionRealUnitCall { component: WETH }, &signed("0.05"));
    block.answer(SET, &getDefaultPositionRealUnitCall { component: USDC }, &I256::ZERO);
    block.answer(REGISTRY, &getPerpPoolCall { baseToken: VETH }, &PERP_POOL);
    block.answer(QUOTER, &factoryCall {}, &FACTORY);
    let pool = getPoolCall { tokenA: USDC, tokenB: WETH, fee: U24::from(3_000) };
    block.answer(FACTORY, &pool, &SPOT_POOL);
    // sqrt(1,000) and sqrt(1,000 / 10^12), with 96 bits after the point.
    let perp = U160::from(2_505_414_483_750_479_311_864_138_015_696_u128);
    block.answer(PERP_POOL, &slot0Call {}, &slot0(perp));
    let spot = U160::from(2_505_414_483_750_479_311_864_138_u128);
    block.answer(SPOT_POOL, &slot0Call {}, &slot0(spot));
}

fn slot0(sqrt: U160) -> slot0Return {
    slot0Return {
        sqrtPriceX96: sqrt,
        tick: I24::ZERO,
        observationIndex: 0,
        observationCardinality: 1,
        observationCardinalityNext: 1,
        feeProtocol: 0,
        unlocked: true,
    }
}

/// Puts the product at a ratio, with the account that it follows from, and says what is due.
fn ratio(block: &mut ScriptedBlock, magnitude: &str, due: u8) {
    let value = signed("50000") * signed("1") / signed(magnitude);
    block.answer(EXTENSION, &getCurrentLeverageRatioCall {}, &short(magnitude));
    block.answer(EXTENSION, &shouldRebalanceCall {}, &due);
    let account = AccountInfo {
        collateralBalance: value - signed("10"),
        owedRealizedPnl: I256::ZERO,
        pendingFundingPayments: signed("10"),
        netQuoteBalance: signed("50000"),
    };
    block.answer(MODULE, &getAccountInfoCall { setToken: SET }, &account);
    block.answer(HOUSE, &getAccountValueCall { trader: SET }, &value);
}

async fn checked(block: &ScriptedBlock) -> Checked<Basis> {
    check_contract::<Basis>(block, params).await.unwrap()
}

async fn refused(block: &ScriptedBlock) -> String {
    check_contract::<Basis>(block, params).await.unwrap_err().to_string()
}

fn acted(assessment: &Assessment) -> &Action {
    match &assessment.decision {
        Decision::Act(action) => action,
        other @ (Decision::Wait { .. } | Decision::Blocked { .. }) => panic!("{other:?}"),
    }
}

fn told(assessment: &Assessment, name: &str) -> String {
    let seen = assessment.observations.iter().find(|seen| seen.name == name);
    seen.map_or_else(|| "nothing".to_owned(), |seen| fixed18(seen.value))
}

#[tokio::test]
async fn a_product_out_of_bounds_is_rebalanced_promptly_in_one_round() {
    let checked = checked(&block()).await;
    assert_eq!(checked.rounds.rounds, 1);
    let action = acted(&checked.assessment);
    assert_eq!((action.name, action.urgency), ("rebalance", Urgency::Prompt));
    assert_eq!(action.candidates.first.to, EXTENSION);
    let expected = action.expects.clone().unwrap();
    assert_eq!((expected.what.as_str(), expected.target), ("size of the short", PERP));
}

#[tokio::test]
async fn every_action_goes_through_the_whole_strategy() {
    let name = async |magnitude: &str, due: u8, twap: I256| {
        let mut block = block();
        ratio(&mut block, magnitude, due);
        block.answer(EXTENSION, &twapLeverageRatioCall {}, &twap);
        let assessment = checked(&block).await.assessment;
        let action = acted(&assessment);
        format!("{} {}", action.urgency.as_str(), action.name)
    };
    assert_eq!(name("2.4", 1, I256::ZERO).await, "prompt rebalance");
    assert_eq!(name("2.4", 2, short("2")).await, "prompt iterateRebalance");
    assert_eq!(name("3.1", 3, short("2")).await, "emergency ripcord");
    assert_eq!(name("1", 4, I256::ZERO).await, "routine reinvest");
}

#[tokio::test]
async fn what_is_observed_comes_from_where_it_should() {
    let assessment = checked(&block()).await.assessment;
    let check = |name: &str, value: &str| assert_eq!(told(&assessment, name), value, "{name}");
    check("leverage_ratio", "-2.4");
    check("index_price", "1000");
    check("pending_funding", "10");
    check("tracked_funding", "90");
    check("reinvestable_funding", "100");
    check("delta_drift", "0");
    check("account_value", "20833.333333333333333333");
    check("margin_requirement", "3125");
    check(CALLER_PERMITTED, "1");
    for pool in ["mark_price", "spot_price"] {
        let price: f64 = told(&assessment, pool).parse().unwrap();
        assert!((price - 1_000.0).abs() < 0.001, "{pool} {price}");
    }
    let distance: f64 = told(&assessment, CEILING_DISTANCE).parse().unwrap();
    assert!((distance - 0.25).abs() < 0.01, "{distance}");
}

#[tokio::test]
async fn the_older_and_the_newer_module_give_the_same_decision() {
    let mut newer = block();
    ratio(&mut newer, "1", 4);
    let mut older = newer.clone();
    newer.answer_any::<getUpdatedSettledFundingCall>(MODULE, &fixed("100"));
    let by_newer = checked(&newer).await;
    assert_eq!(by_newer.assessment, checked(&older).await.assessment);
    // Without the view `shouldRebalance` fails where it would look at the funding.
    older.refuse_raw::<shouldRebalanceCall>(EXTENSION, Bytes::new());
    assert_eq!(by_newer.assessment, checked(&older).await.assessment);
    older.answer(MODULE, &settledFundingCall { setToken: SET }, &U256::ZERO);
    let owed = AccountInfo {
        collateralBalance: signed("50000"),
        owedRealizedPnl: I256::ZERO,
        pendingFundingPayments: short("5"),
        netQuoteBalance: signed("50000"),
    };
    older.answer(MODULE, &getAccountInfoCall { setToken: SET }, &owed);
    let reason = "inside bounds, funding below minReinvestUnits";
    let decision = checked(&older).await.assessment.decision;
    assert_eq!(decision, Decision::Wait { reason, until: None });
    // With the view there is no such reason for silence.
    newer.refuse_raw::<shouldRebalanceCall>(EXTENSION, Bytes::new());
    let decision = checked(&newer).await.assessment.decision;
    assert!(matches!(decision, Decision::Blocked { reason: "reverted without a reason", .. }));
}

#[tokio::test]
async fn a_ratio_of_zero_with_a_short_pages_and_without_one_waits() {
    let mut insolvent = block();
    insolvent.answer(EXTENSION, &getCurrentLeverageRatioCall {}, &I256::ZERO);
    let assessment = checked(&insolvent).await.assessment;
    let Decision::Blocked { reason, detail } = &assessment.decision else { panic!() };
    assert_eq!(*reason, "insolvent: leverage ratio 0 with an open short");
    assert!(detail.starts_with("a short of -50 against an account of "), "{detail}");
    assert_eq!(told(&assessment, CEILING_DISTANCE), "0");

    let mut flat = insolvent;
    let position = getTakerPositionSizeCall { trader: SET, baseToken: VETH };
    flat.answer(PERP, &position, &I256::ZERO);
    let decision = checked(&flat).await.assessment.decision;
    assert_eq!(decision, Decision::Wait { reason: "not engaged: no short", until: None });
}

#[tokio::test]
async fn wider_bounds_are_the_extensions_to_judge_in_a_second_round() {
    let bounded = || {
        let bound = serde_json::json!("-2.5");
        table(serde_json::json!({ "extension": EXTENSION, "custom_max_leverage_ratio": bound }))
    };
    let call = shouldRebalanceWithBoundsCall {
        customMinLeverageRatio: short("0.95"),
        customMaxLeverageRatio: short("2.5"),
    };
    let mut quiet = block();
    quiet.answer(EXTENSION, &lastReinvestTimestampCall {}, &U256::from(NOW));
    quiet.answer(EXTENSION, &call, &0);
    let checked = check_contract::<Basis>(&quiet, bounded).await.unwrap();
    let reason = "inside bounds, interval not over";
    assert_eq!(checked.assessment.decision, Decision::Wait { reason, until: None });
    assert_eq!(checked.rounds.rounds, 2);

    let mut tight = block();
    tight.refuse::<shouldRebalanceWithBoundsCall>(EXTENSION, "Custom bounds must be valid");
    let checked = check_contract::<Basis>(&tight, bounded).await.unwrap();
    let Decision::Blocked { reason, .. } = checked.assessment.decision else { panic!() };
    assert_eq!(reason, "custom bounds are tighter than the product's own");

    // Neither a ripcord nor an open TWAP asks for bounds.
    for (magnitude, due, twap) in [("3.1", 3, I256::ZERO), ("2.4", 2, short("2"))] {
        ratio(&mut tight, magnitude, due);
        tight.answer(EXTENSION, &twapLeverageRatioCall {}, &twap);
        let checked = check_contract::<Basis>(&tight, bounded).await.unwrap();
        acted(&checked.assessment);
        assert_eq!(checked.rounds.rounds, 1);
    }
}

/// 0.5 after a trade 100 seconds ago, at 1,000 dollars then as now, or after a fall from 2,000.
#[tokio::test]
async fn a_disengagement_is_told_from_a_fall_in_price() {
    let decision = async |since: u64| {
        let mut block = block();
        ratio(&mut block, "0.5", 1);
        block.answer(EXTENSION, &lastTradeTimestampCall {}, &U256::from(NOW - 100));
        let average = |interval: u64| getPriceCall { interval: U256::from(interval) };
        block.answer(FEED, &average(100), &U256::from(since));
        block.answer(FEED, &average(99), &U256::from(100_000_000_000_u64));
        checked(&block).await.assessment
    };
    let Decision::Blocked { reason, detail } = decision(100_000_000_000).await.decision else {
        panic!()
    };
    assert_eq!(reason, "an operator winds the product down");
    assert!(detail.contains("left the ratio at -0.5"), "{detail}");
    // The average over 100 seconds of one at 2,000 and 99 at 1,000.
    let fell = decision(101_000_000_000).await;
    assert_eq!(acted(&fell).name, "rebalance");
    // A feed that does not reach back holds up nothing.
    let mut short_lived = block();
    ratio(&mut short_lived, "0.5", 1);
    assert_eq!(acted(&checked(&short_lived).await.assessment).name, "rebalance");
}

#[tokio::test]
async fn gas_is_priced_by_the_chains_feed() {
    let decision = async |answer: i64| {
        let mut block = block();
        ratio(&mut block, "1", 4);
        block.native_usd_feed(NATIVE_FEED);
        block.answer(NATIVE_FEED, &IAggregator::decimalsCall {}, &8);
        let round = IAggregator::latestRoundDataReturn {
            roundId: alloy::primitives::aliases::U80::from(1),
            answer: I256::try_from(answer).unwrap(),
            startedAt: U256::from(NOW - 500_000),
            updatedAt: U256::from(NOW - 500_000),
            answeredInRound: alloy::primitives::aliases::U80::from(1),
        };
        block.answer(NATIVE_FEED, &IAggregator::latestRoundDataCall {}, &round);
        checked(&block).await.assessment.decision
    };
    // 1.6 M gas at the scripted 1 gwei: 0.0016 ETH, of which 100 dollars are three times as much up
    // to 20,833 dollars; however old the price is.
    assert!(matches!(decision(2_083_300_000_000).await, Decision::Act(_)));
    let reason = "reinvest waits: the funding is not worth its gas";
    assert_eq!(decision(2_083_400_000_000).await, Decision::Wait { reason, until: None });
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
    let Decision::Blocked { reason, .. } = decision(false, false).await else { panic!() };
    assert_eq!(reason, "caller not permitted");
}

#[tokio::test]
async fn a_wallet_that_is_a_contract_may_do_nothing_and_a_delegated_one_everything() {
    let mut block = block();
    let wallet = block.caller();
    block.code(wallet, Bytes::from_static(&[0x60, 0x80]));
    let seen = checked(&block).await.assessment;
    let Decision::Blocked { reason, .. } = &seen.decision else { panic!() };
    assert_eq!(*reason, "caller is a contract, not a plain account");
    assert_eq!(told(&seen, CALLER_PERMITTED), "0");
    let delegation = [&[0xef, 0x01, 0x00][..], WETH.as_slice()].concat();
    block.code(wallet, delegation.into());
    acted(&checked(&block).await.assessment);
}

#[tokio::test]
async fn what_perp_and_the_pools_do_not_tell_stops_nothing() {
    let mut blind = block();
    blind.refuse_raw::<slot0Call>(PERP_POOL, Bytes::new());
    blind.refuse_raw::<slot0Call>(SPOT_POOL, Bytes::new());
    blind.refuse::<getAccountValueCall>(HOUSE, "closed");
    blind.refuse::<feeSettingsCall>(MODULE, "no");
    let assessment = checked(&blind).await.assessment;
    let action = acted(&assessment);
    assert_eq!(action.name, "rebalance");
    assert_eq!(action.expects.clone().unwrap().what, "time of the last trade");
    for name in ["mark_price", "spot_price", "account_value", "delta_drift"] {
        assert_eq!(told(&assessment, name), "nothing", "{name}");
    }
}

#[tokio::test]
async fn what_is_no_basis_trading_extension_is_refused_with_the_reason() {
    let empty = ScriptedBlock::new(NOW);
    assert!(refused(&empty).await.starts_with("no contract at "));

    let mut leverage = block();
    let words: Bytes = (1..=8_u64).flat_map(|n| U256::from(n).to_be_bytes::<32>()).collect();
    leverage.answer_raw(EXTENSION, getStrategyCall::SELECTOR.into(), words);
    leverage.refuse_raw::<lastReinvestTimestampCall>(EXTENSION, Bytes::new());
    let said = refused(&leverage).await;
    assert!(said.contains("PerpV2LeverageStrategyExtension"), "{said}");
    assert!(said.ends_with("is not yet supported"), "{said}");

    let mut other = block();
    other.refuse_raw::<lastReinvestTimestampCall>(EXTENSION, Bytes::new());
    let said = refused(&other).await;
    assert!(said.contains("is none of a basis trading product that is served"), "{said}");

    let mut unknown = block();
    unknown.answer(EXTENSION, &shouldRebalanceCall {}, &5);
    assert_eq!(refused(&unknown).await, "shouldRebalance() answers 5, which is no action");
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_is_a_failed_read() {
    let strategy = checked(&block()).await.strategy;
    let mut broken = block();
    broken.refuse::<getIncentiveCall>(EXTENSION, "no");
    let (outcome, _) = broken
        .look(move |at| {
            let strategy = Arc::clone(&strategy);
            async move { strategy.assess(&at).await }
        })
        .await;
    let Outcome::Done(Err(StrategyError::Read { what, .. })) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(what, "the extension's settings");
}
