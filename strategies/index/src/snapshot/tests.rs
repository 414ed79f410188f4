//! The strategy on blocks whose answers are written down.

mod markets;
mod trades;

use alloy::{
    primitives::{
        Address, Bytes, I256, U256,
        aliases::{I24, I56, U24, U112, U160},
    },
    sol_types::SolCall,
};
use ballast_chains::driver::Outcome;
use ballast_strategy_api::{
    Action, Assessment, Decision, Observation, Strategy, StrategyError, Urgency,
    testkit::{ScriptedBlock, check_contract},
};
use serde_json::{Value, json};

use super::{Hints, Market, Snapshot};
use crate::{
    contracts::{
        IAdapter, IController, IFactory,
        IGeneralIndexModule::{
            self as gim, executionInfoCall, executionInfoReturn, tradeCall, tradeRemainingWETHCall,
        },
        IPair, IPool, IQuoter, IRegistry, IRouter, ISetToken, IToken,
    },
    decide,
    decide::hold,
    exchange::{UNISWAP_V2, UNISWAP_V3},
    params::Params,
    plan::state::Index,
    strategy::CompositeIndex,
    venue::Venue,
};

const NOW: u64 = 1_800_000_000;
const ONE: u128 = 1_000_000_000_000_000_000;
const SET: Address = Address::repeat_byte(0x5e);
const MODULE: Address = Address::repeat_byte(0x60);
const CONTROLLER: Address = Address::repeat_byte(0x61);
const REGISTRY: Address = Address::repeat_byte(0x62);
const WETH: Address = Address::repeat_byte(0xee);
/// Sold, on V2: 2 ether a piece.
const SOLD: Address = Address::repeat_byte(0x11);
/// Bought, on V3: 1 ether a piece.
const BOUGHT: Address = Address::repeat_byte(0x22);
const PAIR: Address = Address::repeat_byte(0x71);
const POOL: Address = Address::repeat_byte(0x72);
const V2: Address = Address::repeat_byte(0x81);
const V3: Address = Address::repeat_byte(0x83);
const QUOTER: Address = Address::repeat_byte(0x90);
const FEED: Address = Address::repeat_byte(0xfe);

fn u(number: u128) -> U256 {
    U256::from(number)
}

/// What differs between tests.
#[derive(Debug, Clone)]
struct Script {
    sold_unit: u128,
    bought_unit: u128,
    weth_unit: u128,
    /// Of the pair, in thousandths of the calm price.
    pair_price: u128,
    pair_touched: u64,
    sold_traded: u64,
    bought_traded: u64,
    may_trade: bool,
    listed: Vec<Address>,
    started_at: u128,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            sold_unit: ONE / 2,
            bought_unit: ONE / 4,
            weth_unit: 0,
            pair_price: 1_000,
            pair_touched: NOW - 5_000,
            sold_traded: 0,
            bought_traded: 0,
            may_trade: true,
            listed: vec![SOLD, BOUGHT, WETH],
            started_at: ONE,
        }
    }
}

/// 100 sets; SOLD goes to a quarter of a piece, BOUGHT to 3/4.
fn block(script: &Script) -> ScriptedBlock {
    let mut block = ScriptedBlock::new(NOW);
    let set_token = SET;
    block.answer_any::<ISetToken::isInitializedModuleCall>(SET, &true);
    block.answer_any::<ISetToken::positionMultiplierCall>(SET, &I256::try_from(ONE).unwrap());
    block.answer_any::<ISetToken::totalSupplyCall>(SET, &u(100 * ONE));
    block.answer_any::<gim::wethCall>(MODULE, &WETH);
    block.answer_any::<gim::controllerCall>(MODULE, &CONTROLLER);
    block.answer_any::<gim::rebalanceInfoCall>(
        MODULE,
        &gim::rebalanceInfoReturn {
            positionMultiplier: u(script.started_at),
            raiseTargetPercentage: U256::ZERO,
        },
    );
    block.answer_any::<gim::getRebalanceComponentsCall>(MODULE, &script.listed);
    block.answer_any::<gim::getIsAllowedTraderCall>(MODULE, &script.may_trade);
    block.answer_any::<gim::permissionInfoCall>(MODULE, &false);
    block.answer_any::<tradeCall>(MODULE, &gim::tradeReturn {});
    block.answer_any::<tradeRemainingWETHCall>(MODULE, &gim::tradeRemainingWETHReturn {});
    block.answer_any::<IController::getModuleFeeCall>(CONTROLLER, &U256::ZERO);
    block.answer_any::<IController::resourceIdCall>(CONTROLLER, &REGISTRY);
    for (name, adapter) in [(UNISWAP_V2, V2), (UNISWAP_V3, V3)] {
        let call = IRegistry::getIntegrationAdapterCall { module: MODULE, name: name.to_owned() };
        block.answer(REGISTRY, &call, &adapter);
        block.answer_any::<IAdapter::routerCall>(adapter, &adapter);
        block.answer_any::<IRouter::factoryCall>(adapter, &adapter);
    }
    block.answer_any::<IFactory::getPairCall>(V2, &PAIR);
    block.answer_any::<IFactory::getPoolCall>(V3, &POOL);
    pools(&mut block, script);
    for (component, unit, target, last_trade, name, data) in [
        (SOLD, script.sold_unit, ONE / 4, script.sold_traded, UNISWAP_V2, Bytes::new()),
        (
            BOUGHT,
            script.bought_unit,
            ONE * 3 / 4,
            script.bought_traded,
            UNISWAP_V3,
            Bytes::from([0, 1, 244]),
        ),
        (WETH, script.weth_unit, 0, 0, "", Bytes::new()),
    ] {
        let call = ISetToken::getDefaultPositionRealUnitCall { component };
        block.answer(SET, &call, &I256::try_from(unit).unwrap());
        let info = executionInfoReturn {
            targetUnit: u(target),
            maxSize: u(10 * ONE),
            coolOffPeriod: u(600),
            lastTradeTimestamp: U256::from(last_trade),
            exchangeName: name.to_owned(),
            exchangeData: data,
        };
        block.answer(MODULE, &executionInfoCall { setToken: set_token, component }, &info);
    }
    for (token, symbol) in [(SOLD, "SOLD"), (BOUGHT, "BOUGHT")] {
        block.answer_any::<IToken::symbolCall>(token, &symbol.to_owned());
        block.answer_any::<IToken::decimalsCall>(token, &18);
    }
    block
}

fn pair(block: &mut ScriptedBlock, at: Address, [first, second]: [u128; 2], touched: u64) {
    let reserves = IPair::getReservesReturn {
        reserve0: U112::from(first),
        reserve1: U112::from(second),
        at: u32::try_from(touched).unwrap(),
    };
    block.answer_any::<IPair::getReservesCall>(at, &reserves);
    block.answer_any::<IPair::price0CumulativeLastCall>(at, &U256::ZERO);
    block.answer_any::<IPair::price1CumulativeLastCall>(at, &U256::ZERO);
}

/// The earlier block has the same answers, so the pair's average is its price at both.
fn pools(block: &mut ScriptedBlock, script: &Script) {
    let reserves = [5_000 * ONE, 10 * ONE * script.pair_price];
    pair(block, PAIR, reserves, script.pair_touched);
    let slot0 = IPool::slot0Return {
        sqrtPriceX96: U160::from(1) << 96,
        tick: I24::ZERO,
        observationIndex: 0,
        observationCardinality: 1,
        observationCardinalityNext: 1,
        feeProtocol: 0,
        unlocked: true,
    };
    block.answer_any::<IPool::slot0Call>(POOL, &slot0);
    block.answer_any::<IPool::liquidityCall>(POOL, &(10_000 * ONE));
    let observed = IPool::observeReturn {
        tickCumulatives: vec![I56::ZERO],
        secondsPerLiquidityCumulativeX128s: vec![U160::ZERO],
    };
    block.answer_any::<IPool::observeCall>(POOL, &observed);
    block.answer_any::<IRouter::factoryCall>(QUOTER, &V3);
    block.answer_any::<IQuoter::quoteExactInputSingleCall>(QUOTER, &u(94 * ONE / 10));
    way_back(block, ONE * 999 / 100);
    block.answer_any::<IQuoter::quoteExactOutputSingleCall>(QUOTER, &u(ONE * 1_001 / 100));
}

/// What 10 pieces of BOUGHT bring.
fn way_back(block: &mut ScriptedBlock, brings: u128) {
    let call = IQuoter::quoteExactInputSingleCall {
        tokenIn: BOUGHT,
        tokenOut: WETH,
        fee: U24::from(500),
        amountIn: u(10 * ONE),
        sqrtPriceLimitX96: U160::ZERO,
    };
    block.answer(QUOTER, &call, &u(brings));
}

fn params(more: Value) -> Params {
    let mut table = json!({ "set_token": SET, "module": MODULE, "v3_quoter": QUOTER });
    table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(table).unwrap()
}

async fn assess(block: &ScriptedBlock) -> Assessment {
    check_contract::<CompositeIndex>(block, || params(json!({}))).await.unwrap().assessment
}

async fn decision(script: &Script) -> Decision {
    assess(&block(script)).await.decision
}

fn acts(decision: Decision) -> Action {
    match decision {
        Decision::Act(action) => action,
        other @ (Decision::Wait { .. } | Decision::Blocked { .. }) => panic!("{other:?}"),
    }
}

fn named<'a>(seen: &'a [Observation], name: &str, of: &str) -> Option<&'a Observation> {
    seen.iter().find(|seen| (seen.name, seen.of.as_str()) == (name, of))
}

#[tokio::test]
async fn a_wallet_that_is_no_trader_is_told() {
    let script = Script { may_trade: false, ..Script::default() };
    let Decision::Blocked { reason, .. } = decision(&script).await else { panic!() };
    assert_eq!(reason, decide::NOT_PERMITTED);
}

#[tokio::test]
async fn a_broken_start_is_told() {
    let check = async |script: Script, expected: &str| {
        let Decision::Blocked { reason, .. } = decision(&script).await else { panic!() };
        assert_eq!(reason, expected);
    };
    check(Script { started_at: 0, ..Script::default() }, decide::NO_MULTIPLIER).await;
    let listed = vec![SOLD, BOUGHT, Address::ZERO, WETH];
    check(Script { listed, ..Script::default() }, decide::ZERO_LISTED).await;
}

#[tokio::test]
async fn what_cannot_be_connected_says_why() {
    let mut block = block(&Script::default());
    block.answer_any::<ISetToken::isInitializedModuleCall>(SET, &false);
    let (outcome, _) =
        block.look(async |at| CompositeIndex::connect(params(json!({})), &at).await.err()).await;
    let Outcome::Done(Some(StrategyError::Misconfigured(why))) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(why.contains("is no module of the index"), "{why}");
}
