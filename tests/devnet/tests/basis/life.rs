//! Every action once by the keeper's own key, in the situation that it is for.

use super::*;

/// The price at which a default product stands at −1.
const START: u64 = 2_000 * USD;

async fn no_interval(stage: &Stage) {
    let mut methodology = stage.market.methodology().await.unwrap();
    methodology.rebalanceInterval = U256::MAX;
    stage.market.set_methodology(methodology).await.unwrap();
}

async fn trade_sizes(stage: &Stage, rebalance: &str, ripcord: &str) {
    let (rebalance, ripcord) = (parse_ether(rebalance).unwrap(), parse_ether(ripcord).unwrap());
    stage.market.set_trade_sizes(rebalance, ripcord).await.unwrap();
}

/// As much ether as is owed: the reference measured a thousandth of one after reinvesting.
async fn assert_neutral(stage: &Stage) {
    let position = stage.market.position().await.unwrap();
    let drift = position.drift().unsigned_abs();
    assert!(drift < U256::from(10_u64.pow(15)), "{position:?}");
}

#[tokio::test]
async fn the_position_is_open_at_target_with_both_legs_alike() {
    let stage = Stage::start(BasisOptions::default()).await;
    let position = stage.market.position().await.unwrap();
    assert!(between(stage.ratio().await, "-1.01", "-0.99"), "{}", stage.ratio().await);
    assert!(between(-position.base, "49.9", "50.1"), "{position:?}");
    assert!(position.quote > I256::ZERO);
    assert_neutral(&stage).await;
    assert_eq!(stage.due().await, BasisAction::None);
    let market = &stage.market;
    assert_eq!(market.index_price().await.unwrap(), START);
    // Fifty of a hundred thousand were sold there: a thousandth.
    let mark = market.mark_price().await.unwrap();
    assert!((1_997 * USD..1_999 * USD).contains(&mark), "{mark}");
    assert!(market.is_listed().await.unwrap());
    assert_eq!(market.twap_leverage_ratio().await.unwrap(), I256::ZERO);
    assert_eq!(market.tracked_funding().await.unwrap(), U256::ZERO);

    // The other products of the chain are none the worse for it.
    let (fli, product) = (stage.devnet.market(), stage.devnet.product());
    assert_eq!(fli.price().await.unwrap(), START);
    assert!(between(
        I256::try_from(fli.leverage_ratio(product).await.unwrap()).unwrap(),
        "1.99",
        "2.01"
    ));
}

/// The ratio that the reference's formula gives is the extension's, to the wei.
#[tokio::test]
async fn the_account_explains_the_ratio() {
    let stage = Stage::start(BasisOptions::default()).await;
    for price in [START, 1_900 * USD, 2_300 * USD] {
        stage.market.set_price(price).await.unwrap();
        let position = stage.market.position().await.unwrap();
        let account = stage.market.account_value().await.unwrap();
        let value = position.base * I256::try_from(price).unwrap() / I256::try_from(USD).unwrap();
        assert_eq!(stage.ratio().await, value * ratio("1") / account);
    }
}

#[tokio::test]
async fn an_interval_has_to_have_passed_by_a_second() {
    let stage = Stage::start(BasisOptions::default()).await;
    let due_at = stage.market.last_trade().await.unwrap() + DAY;
    stage.devnet.node().mine_at(due_at).await.unwrap();
    assert_eq!(stage.due().await, BasisAction::None);
    stage.devnet.node().mine_at(due_at + 1).await.unwrap();
    assert_eq!(stage.due().await, BasisAction::Rebalance);

    let before = stage.ratio().await;
    let receipt = stage.act(rebalanceCall {}).await;
    let traded: IBasisStrategy::Rebalanced = event(&receipt);
    assert_eq!(traded._currentLeverageRatio, before);
    assert_eq!(traded._chunkPerpRebalanceNotional, traded._totalPerpRebalanceNotional);
    let distance = |ratio: I256| (ratio - super::ratio("-1")).unsigned_abs();
    assert!(distance(traded._newLeverageRatio) < distance(before));
    assert_eq!(stage.due().await, BasisAction::None);
    assert_neutral(&stage).await;
}

#[tokio::test]
async fn a_rise_is_delevered_in_steps() {
    let stage = Stage::start(BasisOptions::default()).await;
    trade_sizes(&stage, "0.25", "3").await;
    stage.market.set_price(2_160 * USD).await.unwrap();
    assert!(between(stage.ratio().await, "-1.25", "-1.15"), "{}", stage.ratio().await);
    assert_eq!(stage.due().await, BasisAction::Rebalance);

    let first: IBasisStrategy::Rebalanced = event(&stage.act(rebalanceCall {}).await);
    assert_eq!(first._newLeverageRatio, ratio("-1.1"), "to the bound that was crossed");
    assert_eq!(first._chunkPerpRebalanceNotional, ratio("0.25"), "buys back");
    assert!(first._totalPerpRebalanceNotional > ratio("1"));
    assert_eq!(stage.market.twap_leverage_ratio().await.unwrap(), ratio("-1.1"));
    assert_eq!(stage.refusal(rebalanceCall {}).await, "Must call iterate");

    let mut iterates = 0;
    while stage.market.twap_leverage_ratio().await.unwrap() != I256::ZERO {
        assert_eq!(stage.due().await, BasisAction::None, "the cooldown");
        stage.warp(COOLDOWN).await;
        // The block of the call is one second further than what the warp ended in.
        stage.warp(1).await;
        assert_eq!(stage.due().await, BasisAction::Iterate);
        let before = stage.ratio().await;
        let step: IBasisStrategy::RebalanceIterated =
            event(&stage.act(iterateRebalanceCall {}).await);
        assert!(stage.ratio().await > before, "nearer to zero");
        let last = step._chunkPerpRebalanceNotional == step._totalPerpRebalanceNotional;
        assert_eq!(step._newTwapLeverageRatio, if last { I256::ZERO } else { ratio("-1.1") });
        iterates += 1;
        assert_neutral(&stage).await;
    }
    assert!(iterates >= 3, "{iterates}");
    assert!(between(stage.ratio().await, "-1.105", "-1.095"), "{}", stage.ratio().await);
}

#[tokio::test]
async fn a_fall_is_levered() {
    let stage = Stage::start(BasisOptions::default()).await;
    trade_sizes(&stage, "10", "10").await;
    stage.market.set_price(1_800 * USD).await.unwrap();
    assert_eq!(stage.due().await, BasisAction::Rebalance);
    let short = stage.market.position().await.unwrap().base;
    let traded: IBasisStrategy::Rebalanced = event(&stage.act(rebalanceCall {}).await);
    assert_eq!(traded._newLeverageRatio, ratio("-0.9"));
    assert!(traded._chunkPerpRebalanceNotional < I256::ZERO, "sells more");
    // Sizes are rounded to a wei per whole token.
    let sold = short - stage.market.position().await.unwrap().base;
    let off = (sold + traded._chunkPerpRebalanceNotional).unsigned_abs();
    assert!(off <= U256::from(BasisOptions::default().supply), "{sold}");
    assert!(between(stage.ratio().await, "-0.905", "-0.9"), "{}", stage.ratio().await);
    assert_eq!(stage.due().await, BasisAction::None);
    assert_neutral(&stage).await;
}

/// After a delever to the bound, fees leave the ratio a little outside it, and the next rebalance is due
/// at once; that one ends it.
#[tokio::test]
async fn a_delever_to_the_bound_is_followed_by_another() {
    let methodology = BasisMethodology::production();
    let stage = Stage::start(BasisOptions { methodology, ..BasisOptions::default() }).await;
    stage.market.set_price(2_750 * USD).await.unwrap();
    assert!(between(stage.ratio().await, "-2.5", "-2"), "{}", stage.ratio().await);
    assert_eq!(stage.due().await, BasisAction::Rebalance);
    stage.act(rebalanceCall {}).await;
    assert!(between(stage.ratio().await, "-2.01", "-2"), "{}", stage.ratio().await);
    assert_eq!(stage.due().await, BasisAction::Rebalance);
    stage.act(rebalanceCall {}).await;
    assert!(between(stage.ratio().await, "-1.97", "-1.93"), "{}", stage.ratio().await);
    assert_eq!(stage.due().await, BasisAction::None);
    // An interval that never passes does not overflow.
    stage.warp(10 * 365 * DAY).await;
    assert_ne!(stage.due().await, BasisAction::Ripcord);
}

#[tokio::test]
async fn a_ripcord_is_pulled_until_it_is_below_the_line() {
    let stage = Stage::start(BasisOptions::default()).await;
    stage.market.set_price(2_500 * USD).await.unwrap();
    assert!(between(stage.ratio().await, "-1.75", "-1.6"), "{}", stage.ratio().await);
    let mut pulls = 0;
    while stage.ratio().await <= ratio("-1.3") {
        assert_eq!(stage.due().await, BasisAction::Ripcord);
        assert_eq!(
            stage.refusal(rebalanceCall {}).await,
            "Must be below incentivized leverage ratio"
        );
        let node = stage.devnet.node();
        let before = node.balance(stage.keeper()).await.unwrap();
        let receipt = stage.act(ripcordCall {}).await;
        let pulled: IBasisStrategy::RipcordCalled = event(&receipt);
        assert_eq!(pulled._newLeverageRatio, ratio("-1.1"));
        assert_eq!(pulled._etherIncentive, parse_ether("1").unwrap());
        let gas = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
        let after = node.balance(stage.keeper()).await.unwrap();
        assert_eq!(after + gas, before + pulled._etherIncentive);
        if stage.ratio().await <= ratio("-1.3") {
            assert_eq!(stage.due().await, BasisAction::None, "the cooldown");
            assert_eq!(stage.refusal(ripcordCall {}).await, "TWAP cooldown must have elapsed");
        }
        stage.warp(61).await;
        pulls += 1;
    }
    assert!(pulls >= 2, "{pulls}");
    assert_eq!(stage.refusal(ripcordCall {}).await, "Must be above incentivized leverage ratio");
    assert_eq!(stage.due().await, BasisAction::Rebalance);
    assert_neutral(&stage).await;
}

#[tokio::test]
async fn anybody_may_pull_the_ripcord_and_is_paid_what_is_left() {
    let stage = Stage::start(BasisOptions::default()).await;
    let extension = stage.market.basis().extension;
    let some = parse_ether("0.25").unwrap();
    stage.devnet.node().set_balance(extension, some).await.unwrap();
    stage.market.set_price(2_500 * USD).await.unwrap();
    let stranger = accounts::MARKET;
    let receipt = stage.devnet.node().transact(stranger, extension, ripcordCall {}).await.unwrap();
    assert_eq!(event::<IBasisStrategy::RipcordCalled>(&receipt)._etherIncentive, some);
    stage.warp(61).await;
    let receipt = stage.devnet.node().transact(stranger, extension, ripcordCall {}).await.unwrap();
    assert_eq!(event::<IBasisStrategy::RipcordCalled>(&receipt)._etherIncentive, U256::ZERO);
}

#[tokio::test]
async fn a_premium_is_received_tracked_and_reinvested() {
    let stage = Stage::start(BasisOptions::default()).await;
    no_interval(&stage).await;
    stage.market.set_price(START).await.unwrap();
    // Half a percent a day of a short of a hundred thousand dollars, for eight days.
    stage.market.accrue_funding(50, 8 * DAY).await.unwrap();
    let pending = stage.market.pending_funding().await.unwrap();
    assert!(between(pending, "3800", "4200"), "{pending}");
    assert_eq!(stage.market.tracked_funding().await.unwrap(), U256::ZERO);
    assert_eq!(stage.due().await, BasisAction::Reinvest);

    let before = stage.ratio().await;
    let short = stage.market.position().await.unwrap().base;
    let receipt = stage.act(reinvestCall {}).await;
    let reinvested: IBasisStrategy::Reinvested = event(&receipt);
    // The manager keeps a tenth.
    let usdc = I256::try_from(reinvested._usdcReinvestedNotional).unwrap();
    let expected = pending / I256::try_from(1_000_000_000_000_u64).unwrap();
    let off = usdc * I256::try_from(10).unwrap() - expected * I256::try_from(9).unwrap();
    assert!(off.unsigned_abs() < U256::from(100_000_000_u64), "{usdc} of {expected}");
    assert!(stage.ratio().await < before, "reinvesting raises leverage");
    let bought = I256::try_from(reinvested._spotRebalanceNotional).unwrap();
    let sold = short - stage.market.position().await.unwrap().base;
    assert!((bought - sold).unsigned_abs() < U256::from(10_u64.pow(6)), "{bought} {sold}");
    assert_eq!(
        stage.market.last_reinvest().await.unwrap(),
        stage.devnet.node().head().await.unwrap().timestamp
    );
    assert_ne!(stage.due().await, BasisAction::Reinvest);
    assert_neutral(&stage).await;
}

#[tokio::test]
async fn a_discount_is_paid_and_eats_what_was_tracked() {
    let stage = Stage::start(BasisOptions::default()).await;
    stage.market.set_price(START).await.unwrap();
    stage.market.accrue_funding(100, DAY + 60).await.unwrap();
    // Any trade of the product tracks what was pending.
    stage.act(rebalanceCall {}).await;
    let tracked = stage.market.tracked_funding().await.unwrap();
    assert!(between(I256::try_from(tracked).unwrap(), "900", "1100"), "{tracked}");

    stage.market.accrue_funding(-200, DAY + 60).await.unwrap();
    let pending = stage.market.pending_funding().await.unwrap();
    assert!(between(pending, "-2200", "-1800"), "{pending}");
    assert_eq!(stage.market.tracked_funding().await.unwrap(), tracked, "not settled yet");
    stage.market.set_mark_price(START).await.unwrap();
    stage.act(rebalanceCall {}).await;
    assert_eq!(stage.market.tracked_funding().await.unwrap(), U256::ZERO, "never negative");
}

#[tokio::test]
async fn the_account_is_liquidated_where_the_figures_say() {
    let stage = Stage::start(BasisOptions::default()).await;
    stage.market.set_price(START).await.unwrap();
    let at = stage.market.liquidation().await.unwrap();
    assert!(at.account_value > at.margin_requirement);
    let price = at.price.unwrap();
    assert!((3_600 * USD..3_900 * USD).contains(&price), "+88 % at −1: {price}");

    stage.market.set_price(price - price / 200).await.unwrap();
    // Perp goes by an average of a quarter of an hour.
    stage.warp(1_000).await;
    let near = stage.market.liquidation().await.unwrap();
    assert!(near.account_value > near.margin_requirement, "{near:?}");
    assert!(stage.market.liquidate().await.is_err());

    stage.market.set_price(price + price / 200).await.unwrap();
    stage.warp(1_000).await;
    let past = stage.market.liquidation().await.unwrap();
    assert!(past.account_value < past.margin_requirement, "{past:?}");
    stage.market.liquidate().await.unwrap();
    let position = stage.market.position().await.unwrap();
    assert!(position.drift() > ratio("1"), "the spot is still there: {position:?}");
}

#[tokio::test]
async fn a_product_that_was_not_engaged_has_no_ratio() {
    let options = BasisOptions { engaged: false, ..BasisOptions::default() };
    let stage = Stage::start(options).await;
    assert_eq!(stage.ratio().await, I256::ZERO);
    assert_eq!(stage.due().await, BasisAction::Rebalance);
    assert_eq!(stage.refusal(rebalanceCall {}).await, "Current leverage ratio must NOT be 0");
    // In chunks of 20 ether it takes the keeper two iterates.
    trade_sizes(&stage, "20", "20").await;
    stage.market.engage().await.unwrap();
    assert_eq!(stage.market.twap_leverage_ratio().await.unwrap(), ratio("-1"));
    let mut iterates = 0;
    while stage.market.twap_leverage_ratio().await.unwrap() != I256::ZERO {
        stage.warp(COOLDOWN + 1).await;
        stage.act(iterateRebalanceCall {}).await;
        iterates += 1;
        assert!(iterates < 10, "{}", stage.ratio().await);
    }
    assert!(between(stage.ratio().await, "-1.02", "-0.95"), "{}", stage.ratio().await);
}

#[tokio::test]
async fn winding_down_leaves_nothing_and_looks_like_a_rebalance_on_the_way() {
    let stage = Stage::start(BasisOptions::default()).await;
    trade_sizes(&stage, "20", "20").await;
    stage.warp(COOLDOWN + 1).await;
    stage.market.wind_down_step().await.unwrap();
    assert!(stage.ratio().await > ratio("-0.9"));
    assert_eq!(stage.due().await, BasisAction::Rebalance);
    stage.market.wind_down(&[stage.keeper()]).await.unwrap();
    assert_eq!(stage.ratio().await, I256::ZERO);
    assert!(stage.market.position().await.unwrap().base.is_zero());
    assert_eq!(stage.refusal(rebalanceCall {}).await, "Address not permitted to call");
}

#[tokio::test]
async fn a_retired_extension_can_be_asked_but_not_driven() {
    let stage = Stage::start(BasisOptions::default()).await;
    let keeper = stage.keeper();
    let tooling = Tooling::locate().unwrap();
    let next = stage.market.retire(&tooling, &[keeper]).await.unwrap();
    assert!(!stage.market.is_listed().await.unwrap() && next.is_listed().await.unwrap());
    assert_eq!(stage.ratio().await, next.leverage_ratio().await.unwrap());
    stage.warp(DAY).await;
    stage.warp(1).await;
    assert_eq!(stage.due().await, BasisAction::Rebalance);
    assert_eq!(stage.refusal(rebalanceCall {}).await, "Must be adapter");
    let stage = Stage { devnet: stage.devnet, market: next };
    stage.act(rebalanceCall {}).await;
    assert_eq!(stage.due().await, BasisAction::None);
}
