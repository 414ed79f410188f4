//! Which trade is made, with what limit, and what is waited for.

use super::*;

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
