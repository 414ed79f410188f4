//! The strategy on blocks whose answers are written down.

use alloy::{
    primitives::{
        Address, Bytes, I256, U256,
        aliases::{I24, I56, U24, U112, U160},
    },
    sol_types::SolCall,
};
use ballast_strategy_api::{
    Action, Assessment, Decision, Observation, Strategy, StrategyError, Urgency,
    testkit::{ScriptedBlock, check_contract},
};
use serde_json::{Value, json};

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
    params::Params,
    strategy::CompositeIndex,
    venue::{UNISWAP_V2, UNISWAP_V3},
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
async fn a_sell_goes_first_with_a_limit_below_its_quote() {
    let Assessment { decision, observations } = assess(&block(&Script::default())).await;
    let action = acts(decision);
    assert_eq!((action.name, action.urgency), ("trade", Urgency::Routine));
    let call = tradeCall::abi_decode(&action.candidates.first.data).unwrap();
    assert_eq!((call.setToken, call.component), (SET, SOLD));
    // 10 pieces of 5,000 in the pool: 10 · 997 · 10,000 / (5,000,000 + 9,970) = 19.9003 …, less 0.75 %.
    assert_eq!(call.ethQuantityLimit.to_string()[..8], *"19751066");
    assert_eq!(action.candidates.first.label, "sell SOLD");
    let expected = action.expects.unwrap();
    // 10 of 100 sets are 0.1 each; half of it, less what rounding may take.
    assert_eq!((expected.target, expected.at_least), (SET, u(ONE / 20 - 3)));
    assert_eq!(action.answers.as_str().split(';').count(), 4);
    let weight = named(&observations, "weight", "SOLD").unwrap();
    assert_eq!(weight.value, I256::try_from(ONE * 4 / 5).unwrap(), "1 ether of 1.25");
    assert!(named(&observations, "trades_of_component", "SOLD").is_some());
    assert_eq!(named(&observations, "is_met", "BOUGHT").unwrap().value, I256::ZERO);
}

#[tokio::test]
async fn a_pool_that_is_bent_is_not_believed() {
    // The average that is taken from an earlier block is `twap`'s to test: all blocks of a script have
    // the same answers.
    for (price, is_traded) in [(1_000, true), (1_010, true), (1_300, false), (700, false)] {
        let script = Script { pair_price: price, ..Script::default() };
        let mut block = block(&script);
        let feeds = json!({ "feeds": { SOLD.to_string(): format!("{FEED} ETH") } });
        answer_feed(&mut block, 2 * ONE, 60);
        let checked = check_contract::<CompositeIndex>(&block, || params(feeds.clone())).await;
        let Assessment { decision, observations } = checked.unwrap().assessment;
        let held = named(&observations, "held_off_reference", "SOLD").is_some();
        assert_eq!(
            (matches!(decision, Decision::Act(_)), held),
            (is_traded, !is_traded),
            "{price}"
        );
    }
}

fn answer_feed(block: &mut ScriptedBlock, price: u128, age: u64) {
    block.answer_any::<feed::decimalsCall>(FEED, &18);
    let round = feed::latestRoundDataReturn {
        roundId: Default::default(),
        answer: I256::try_from(price).unwrap(),
        startedAt: U256::from(NOW - age),
        updatedAt: U256::from(NOW - age),
        answeredInRound: Default::default(),
    };
    block.answer_any::<feed::latestRoundDataCall>(FEED, &round);
}

/// What is on its target has a reference as well: its pool alone says what the index is worth, and with
/// that what is too little to trade, to nobody.
#[tokio::test]
async fn what_is_too_little_is_not_for_a_bent_pool_to_say() {
    let script =
        Script { sold_unit: ONE / 4 + ONE / 500, bought_unit: ONE * 3 / 4, ..Script::default() };
    let mut block = block(&script);
    let bent = IPool::slot0Return {
        sqrtPriceX96: U160::from(300) << 96,
        tick: I24::try_from(114_000).unwrap(),
        observationIndex: 0,
        observationCardinality: 1,
        observationCardinalityNext: 1,
        feeProtocol: 0,
        unlocked: true,
    };
    block.answer_any::<IPool::slot0Call>(POOL, &bent);
    let Assessment { decision, observations } = assess(&block).await;
    let call = tradeCall::abi_decode(&acts(decision).candidates.first.data).unwrap();
    assert_eq!(call.component, SOLD);
    let dust = named(&observations, "dust", "").unwrap();
    assert!(dust.value < I256::try_from(ONE / 10).unwrap(), "{dust:?}");
}

#[tokio::test]
async fn an_oracle_takes_the_place_of_the_average() {
    let feeds = || params(json!({ "feeds": { SOLD.to_string(): format!("{FEED} ETH") } }));
    let check = async |price: u128, age: u64| {
        let mut block = block(&Script::default());
        answer_feed(&mut block, price, age);
        let checked = check_contract::<CompositeIndex>(&block, feeds).await.unwrap();
        checked.assessment.decision
    };
    let call = |decision| {
        let data = acts(decision).candidates.first.data;
        tradeCall::abi_decode(&data).unwrap().component
    };
    assert_eq!(call(check(2 * ONE, 3_600).await), SOLD);
    assert_eq!(call(check(2 * ONE * 101 / 100, 3_600).await), SOLD, "within the band");
    for (price, age, why) in
        [(2 * ONE * 104 / 100, 60, hold::OFF_REFERENCE), (2 * ONE, 26 * 3_600, hold::NO_REFERENCE)]
    {
        // Nothing to pay the buy with, so nothing is done at all, and it is said why.
        match check(price, age).await {
            Decision::Blocked { reason, detail } => {
                assert_eq!(reason, why);
                assert!(detail.contains("SOLD"), "{detail}");
            }
            other @ (Decision::Wait { .. } | Decision::Act(_)) => panic!("{other:?}"),
        }
    }
}

/// Chainlink's, as the chain layer reads it.
mod feed {
    alloy::sol! {
        function decimals() external view returns (uint8);
        function latestRoundData() external view returns (
            uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt,
            uint80 answeredInRound
        );
    }
}

#[tokio::test]
async fn a_buy_takes_the_quoters_word_and_what_is_free() {
    // SOLD is done; 30 ether are there.
    let script = Script { sold_unit: ONE / 4, weth_unit: ONE * 3 / 10, ..Script::default() };
    let action = acts(decision(&script).await);
    let call = tradeCall::abi_decode(&action.candidates.first.data).unwrap();
    assert_eq!(call.component, BOUGHT);
    // 10.01 by the quoter, and 0.75 % on top.
    assert_eq!(call.ethQuantityLimit, u(ONE * 1_001 / 100 * 10_075 / 10_000));
    assert_eq!(action.candidates.first.label, "buy BOUGHT");
}

/// Somebody has left liquidity on one side of a price that nobody can correct: for as long as an average
/// takes, and the quote agrees.
#[tokio::test]
async fn a_pool_that_buys_nothing_back_is_not_bought_from() {
    let script = Script { sold_unit: ONE / 4, weth_unit: ONE * 3 / 10, ..Script::default() };
    for (brings, is_bought) in [(999, true), (970, true), (950, false), (10, false), (0, false)] {
        let mut block = block(&script);
        way_back(&mut block, ONE * brings / 100);
        match assess(&block).await.decision {
            Decision::Act(_) => assert!(is_bought, "{brings}"),
            Decision::Blocked { reason, .. } => {
                assert_eq!((reason, is_bought), (hold::ONE_SIDED, false), "{brings}");
            }
            Decision::Wait { reason, .. } => panic!("{brings}: {reason}"),
        }
    }
}

#[tokio::test]
async fn what_remains_goes_into_what_has_room() {
    // 9.5 ether do not pay for 10 pieces.
    let script = Script { sold_unit: ONE / 4, weth_unit: ONE * 95 / 1_000, ..Script::default() };
    let action = acts(decision(&script).await);
    assert_eq!(action.name, "tradeRemainingWETH");
    let call = tradeRemainingWETHCall::abi_decode(&action.candidates.first.data).unwrap();
    assert_eq!(call.component, BOUGHT);
    assert_eq!(call.minComponentReceived, u(94 * ONE / 10 * 9_925 / 10_000));
}

#[tokio::test]
async fn time_is_told_where_nothing_else_is_in_the_way() {
    let script = Script { sold_traded: NOW - 100, bought_unit: ONE * 3 / 4, ..Script::default() };
    let expected = Decision::Wait { reason: decide::RESTING, until: Some(NOW + 500) };
    assert_eq!(decision(&script).await, expected);
    // Just over.
    let script = Script { sold_traded: NOW - 600, ..script };
    assert_eq!(acts(decision(&script).await).name, "trade");
}

#[tokio::test]
async fn it_is_known_when_it_is_finished() {
    let script = Script { sold_unit: ONE / 4, bought_unit: ONE * 3 / 4 - 1, ..Script::default() };
    let finished = Decision::Wait { reason: decide::FINISHED, until: None };
    assert_eq!(decision(&script).await, finished);
    let listed = Script { listed: Vec::new(), ..Script::default() };
    let never = Decision::Wait { reason: decide::NOT_STARTED, until: None };
    assert_eq!(decision(&listed).await, never);
}

#[tokio::test]
async fn what_is_stuck_holds_up_nothing_else() {
    // The sell reverts; there is something to buy with.
    let script = Script { weth_unit: ONE * 3 / 10, ..Script::default() };
    let mut block = block(&script);
    let limit = acts(decision(&script).await).candidates.first.data;
    let refused = tradeCall::abi_decode(&limit).unwrap();
    assert_eq!(refused.component, SOLD);
    block.refuse::<tradeCall>(MODULE, "External positions not allowed");
    let buy = tradeCall { setToken: SET, component: BOUGHT, ethQuantityLimit: u(30 * ONE) };
    block.answer(MODULE, &buy, &gim::tradeReturn {});
    let Assessment { decision, observations } = assess(&block).await;
    let call = tradeCall::abi_decode(&acts(decision).candidates.first.data).unwrap();
    assert_eq!(call.component, BOUGHT);
    assert!(named(&observations, "held_refused", "SOLD").is_some(), "{observations:#?}");
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
async fn an_adapter_that_was_replaced_is_noticed() {
    let before = block(&Script::default());
    let index = before.look(async |at| CompositeIndex::connect(params(json!({})), &at).await).await;
    let ballast_chains::driver::Outcome::Done(Ok(index)) = index.0 else { panic!() };
    let mut after = before.clone();
    let (other, shallow) = (Address::repeat_byte(0x99), Address::repeat_byte(0x98));
    let name = UNISWAP_V2.to_owned();
    let call = IRegistry::getIntegrationAdapterCall { module: MODULE, name };
    after.answer(REGISTRY, &call, &other);
    after.answer_any::<IAdapter::routerCall>(other, &other);
    after.answer_any::<IRouter::factoryCall>(other, &other);
    after.answer_any::<IFactory::getPairCall>(other, &shallow);
    pair(&mut after, shallow, [1_000 * ONE, 2_000 * ONE], NOW - 5_000);
    let (seen, _) = after.look(async move |at| index.assess(&at).await).await;
    let ballast_chains::driver::Outcome::Done(Ok(seen)) = seen else { panic!() };
    let fresh = assess(&after).await;
    assert_eq!(seen, fresh, "what was remembered makes no difference");
    let limit = |decision| {
        let data = acts(decision).candidates.first.data;
        tradeCall::abi_decode(&data).unwrap().ethQuantityLimit
    };
    assert!(limit(seen.decision) < limit(assess(&before).await.decision));
}

#[tokio::test]
async fn what_cannot_be_connected_says_why() {
    let mut block = block(&Script::default());
    block.answer_any::<ISetToken::isInitializedModuleCall>(SET, &false);
    let (outcome, _) =
        block.look(async |at| CompositeIndex::connect(params(json!({})), &at).await.err()).await;
    let ballast_chains::driver::Outcome::Done(Some(StrategyError::Misconfigured(why))) = outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(why.contains("is no module of the index"), "{why}");
}

#[tokio::test]
async fn it_hurries_once_the_rest_takes_as_long_as_there_is_time() {
    let urgency = async |deadline: &str| {
        let params = || params(json!({ "deadline": deadline }));
        let checked = check_contract::<CompositeIndex>(&block(&Script::default()), params).await;
        acts(checked.unwrap().assessment.decision).urgency
    };
    // 50 pieces of BOUGHT in tens: four rests of 600 s.
    assert_eq!(urgency("41m").await, Urgency::Routine);
    assert_eq!(urgency("40m").await, Urgency::Prompt);
}
