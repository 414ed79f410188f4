//! The whole strategy against scripted blocks: recognition, rounds, decoding, and the contract
//! that every strategy keeps.

mod audit;
mod decisions;
mod listing;
mod refused;

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
