//! In whose words an action is refused, when a market is away from the index or the caller is wrong.

use alloy::providers::{MULTICALL3_ADDRESS, bindings::IMulticall3};

use super::*;
use ballast_devnet::accounts::MARKET;

/// Slippage may be 2 %. A product that has to delever, or to lever, and one market of which is not where the index is.
async fn away(stage: &Stage, index: u64, spot: u64, mark: u64) {
    stage.market.set_price(index).await.unwrap();
    stage.market.set_spot_price(spot).await.unwrap();
    stage.market.set_mark_price(mark).await.unwrap();
    assert_eq!(stage.due().await, BasisAction::Rebalance);
}

#[tokio::test]
async fn a_market_away_from_the_index_is_named_by_perp_or_uniswap() {
    let stage = Stage::start(BasisOptions::default()).await;
    let five_off = |price: u64| [price / 20 * 19, price / 20 * 21];
    let (rise, fall) = (2_200 * USD, 1_800 * USD);

    away(&stage, rise, rise, five_off(rise)[1]).await;
    assert_eq!(stage.refusal(rebalanceCall {}).await, "CH_TMRL", "delever, market above");
    away(&stage, rise, five_off(rise)[0], rise).await;
    assert_eq!(stage.refusal(rebalanceCall {}).await, "Too little received", "delever, spot below");
    away(&stage, fall, fall, five_off(fall)[0]).await;
    assert_eq!(stage.refusal(rebalanceCall {}).await, "CH_TLRS", "lever, market below");
    away(&stage, fall, five_off(fall)[1], fall).await;
    assert_eq!(stage.refusal(rebalanceCall {}).await, "STF", "lever, spot above");

    // The other way round they are no hindrance, and back in place neither.
    away(&stage, rise, five_off(rise)[1], five_off(rise)[0]).await;
    stage.act(rebalanceCall {}).await;
}

#[tokio::test]
async fn perp_refuses_while_paused_and_after_too_large_a_move() {
    let stage = Stage::start(BasisOptions::default()).await;
    stage.market.set_price(2_200 * USD).await.unwrap();
    stage.market.set_perp_paused(true).await.unwrap();
    assert_eq!(stage.refusal(rebalanceCall {}).await, "Pausable: paused");
    stage.market.set_perp_paused(false).await.unwrap();
    stage.act(rebalanceCall {}).await;

    // The whole position is a thousandth of the market, and moves it by ten ticks.
    let all = parse_ether("50").unwrap();
    stage.market.set_trade_sizes(all, all).await.unwrap();
    stage.market.set_tick_limit(1).await.unwrap();
    stage.warp(COOLDOWN + 1).await;
    let wind_down = IBasisStrategy::disengageCall {};
    assert_eq!(stage.refusal_of(accounts::OPERATOR, wind_down).await, "EX_OPLAS");
    stage.market.set_tick_limit(0).await.unwrap();
    stage.market.wind_down_step().await.unwrap();
}

#[tokio::test]
async fn an_account_worth_nothing_has_no_ratio_and_no_way_out() {
    let stage = Stage::start(BasisOptions::default()).await;
    stage.market.set_index_price(4_100 * USD).await.unwrap();
    assert!(stage.market.account_value().await.unwrap() < I256::ZERO);
    assert_eq!(stage.ratio().await, I256::ZERO);
    assert_eq!(stage.due().await, BasisAction::Rebalance);
    let words = "Current leverage ratio must NOT be 0";
    assert_eq!(stage.refusal(rebalanceCall {}).await, words);
    assert_eq!(stage.refusal(iterateRebalanceCall {}).await, words);
    assert_eq!(stage.refusal(ripcordCall {}).await, words);
    assert_eq!(stage.refusal(reinvestCall {}).await, words);
}

#[tokio::test]
async fn only_accounts_that_are_allowed_may_call() {
    let stage = Stage::start(BasisOptions::default()).await;
    let stranger = "Address not permitted to call";
    assert_eq!(stage.refusal_of(MARKET, rebalanceCall {}).await, stranger);
    assert_eq!(stage.refusal_of(MARKET, reinvestCall {}).await, stranger);
    assert_eq!(stage.refusal_of(MARKET, IBasisStrategy::engageCall {}).await, "Must be operator");

    stage.market.operate(IBasisStrategy::updateAnyoneCallableCall { status: true }).await.unwrap();
    let words = stage.refusal_of(MARKET, rebalanceCall {}).await;
    assert_eq!(words, "Cooldown not elapsed or not valid leverage ratio");

    let calls = vec![IMulticall3::Call3 {
        target: stage.market.basis().extension,
        allowFailure: true,
        callData: rebalanceCall {}.abi_encode().into(),
    }];
    let through = IMulticall3::aggregate3Call { calls };
    let answers = stage.devnet.node().read(MULTICALL3_ADDRESS, through).await.unwrap();
    let words = decode_revert_reason(&answers[0].returnData).unwrap();
    assert_eq!(words, "revert: Caller must be EOA Address");
}

#[tokio::test]
async fn each_action_has_its_own_conditions() {
    let stage = Stage::start(BasisOptions::default()).await;
    stage.market.set_price(2_000 * USD).await.unwrap();
    stage.warp(DAY + 1).await;
    stage.act(rebalanceCall {}).await;
    let early = "Cooldown not elapsed or not valid leverage ratio";
    assert_eq!(stage.refusal(rebalanceCall {}).await, early);
    assert_eq!(stage.refusal(iterateRebalanceCall {}).await, early);
    assert_eq!(stage.refusal(reinvestCall {}).await, "Reinvestment interval not elapsed");
    let engaged = stage.refusal_of(accounts::OPERATOR, IBasisStrategy::engageCall {}).await;
    assert_eq!(engaged, "PerpV2 collateral balance must be 0");
    stage.warp(COOLDOWN + 1).await;
    assert_eq!(stage.refusal(iterateRebalanceCall {}).await, "Not in TWAP state");
    stage.warp(WEEK).await;
    stage.market.accrue_funding(-10, 1_000).await.unwrap();
    assert_eq!(stage.refusal(reinvestCall {}).await, "Zero accrued funding");
    stage.market.set_index_price(2_200 * USD).await.unwrap();
    assert_eq!(stage.refusal(reinvestCall {}).await, "Invalid leverage ratio");

    let narrower = stage.market.should_rebalance_with_bounds(ratio("-0.91"), ratio("-1.1")).await;
    assert!(format!("{:#}", narrower.unwrap_err()).contains("Custom bounds must be valid"));
    let wider = stage.market.should_rebalance_with_bounds(ratio("-0.9"), ratio("-3")).await;
    assert_eq!(wider.unwrap(), BasisAction::Rebalance, "the interval has passed");
}

#[tokio::test]
async fn settings_do_not_change_during_a_rebalance_in_steps_but_sizes_do() {
    let stage = Stage::start(BasisOptions::default()).await;
    stage
        .market
        .set_trade_sizes(parse_ether("0.1").unwrap(), parse_ether("3").unwrap())
        .await
        .unwrap();
    stage.market.set_price(2_160 * USD).await.unwrap();
    stage.act(rebalanceCall {}).await;
    let error = stage.market.set_execution(stage.market.execution().await.unwrap()).await;
    assert!(format!("{:#}", error.unwrap_err()).contains("Rebalance is currently in progress"));
    stage
        .market
        .set_trade_sizes(parse_ether("5").unwrap(), parse_ether("5").unwrap())
        .await
        .unwrap();
    stage.act(iterateRebalanceCall {}).await;
    let mut incentive = stage.market.incentive().await.unwrap();
    incentive.incentivizedLeverageRatio = ratio("-1.05");
    let error = stage.market.set_incentive(incentive.clone()).await.unwrap_err();
    assert!(format!("{error:#}").contains("must be > max leverage ratio"), "{error:#}");
    incentive.incentivizedLeverageRatio = ratio("-1.15");
    stage.market.set_incentive(incentive.clone()).await.unwrap();
    assert_eq!(stage.market.incentive().await.unwrap(), incentive);
}

#[tokio::test]
async fn the_sequencers_feed_says_what_it_is_told() {
    use ballast_devnet::contracts::IFeed;

    let stage = Stage::start(BasisOptions::default()).await;
    let feed = stage.market.basis().sequencer_feed;
    let node = stage.devnet.node();
    let round = node.read(feed, IFeed::latestRoundDataCall {}).await.unwrap();
    let now = node.head().await.unwrap().timestamp;
    assert_eq!(round.answer, I256::ZERO, "up");
    assert!(U256::from(now) > round.startedAt + U256::from(3_600), "for longer than any grace");
    stage.market.set_sequencer(false, now).await.unwrap();
    let round = node.read(feed, IFeed::latestRoundDataCall {}).await.unwrap();
    assert_eq!((round.answer, round.startedAt), (I256::ONE, U256::from(now)));
}
