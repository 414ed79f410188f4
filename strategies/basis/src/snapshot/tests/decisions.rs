//! What is decided for a product of this kind, and what is told of it.

use super::*;

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
