//! Which products are recognised, and how what does not fit is told.

use super::*;

#[tokio::test]
async fn a_product_without_collateral_is_recognised_and_waits() {
    let mut block = block();
    for_each_getter(&mut block, "SafeMath: division by zero");
    let checked = checked(&block).await;
    let reason = "wound down: no collateral";
    assert_eq!(checked.assessment.decision, Decision::Wait { reason, until: None });
    assert_eq!(checked.rounds.rounds, 1);
}

#[tokio::test]
async fn the_variants_are_told_apart() {
    let variant = async |block: &ScriptedBlock| *checked(block).await.strategy.product();
    let compound = variant(&block()).await;
    assert_eq!(compound.variant, Variant::Compound);
    assert_eq!(compound.set_token, SET);
    assert_eq!((compound.collateral.token, compound.collateral.decimals), (WETH, 18));
    assert_eq!((compound.borrow.token, compound.borrow.decimals), (USDC, 6));

    let mut aave = block();
    aave.refuse_raw::<exchangeRateStoredCall>(COLLATERAL_MARKET, Bytes::new());
    aave.answer(DEBT_MARKET, &balanceOfCall { account: SET }, &U256::from(1_000_000));
    assert_eq!(variant(&aave).await.variant, Variant::AaveV2);
    aave.answer(EXTENSION, &currentEModeCategoryIdCall {}, &1);
    assert_eq!(variant(&aave).await.variant, Variant::AaveV3);

    let mut morpho = block();
    let module = U256::from(0xf1);
    raw::<getStrategyCall>(&mut morpho, &[word(SET), module, word(WETH), word(USDC)]);
    let settings = [fixed("0.01"), fixed("0.01"), fixed("0.02"), U256::from(600)];
    raw::<getExecutionCall>(&mut morpho, &settings);
    let morpho = variant(&morpho).await;
    assert_eq!(morpho.variant, Variant::Morpho);
    assert_eq!((morpho.collateral.token, morpho.borrow.token), (WETH, USDC));
    assert_eq!(morpho.collateral.market, None);
}

#[tokio::test]
async fn the_cooldown_is_found_in_either_shape_of_the_execution_settings() {
    for settings in [vec![1, 2, 1_000], vec![1, 1, 2, 1_000]] {
        let mut block = block();
        let settings: Vec<U256> = settings.into_iter().map(U256::from).collect();
        raw::<getExecutionCall>(&mut block, &settings);
        block.answer(EXTENSION, &twapLeverageRatioCall {}, &fixed("2.1"));
        let seen = checked(&block).await.assessment.observations;
        let left = seen.iter().find(|o| o.name == "twap_cooldown_left" && o.of == "V3");
        assert_eq!(left.unwrap().value.unsigned_abs(), fixed("101"), "rested for 900 s of 1,000");
    }
}

#[tokio::test]
async fn what_is_not_served_is_refused_by_name() {
    let empty = ScriptedBlock::new(NOW);
    assert_eq!(refused(&empty).await, format!("no contract at {EXTENSION}"));

    let mut older = block();
    let one = Bytes::from(U256::ONE.abi_encode());
    older.answer_raw(EXTENSION, shouldRebalanceCall {}.abi_encode().into(), one);
    let said = refused(&older).await;
    assert!(said.contains("older FlexibleLeverageStrategyAdapter"), "{said}");
    assert!(said.ends_with("not supported"), "{said}");

    let mut token = ScriptedBlock::new(NOW);
    token.answer(EXTENSION, &decimalsCall {}, &18);
    let said = refused(&token).await;
    assert!(said.contains("no leverage strategy extension"), "{said}");

    let mut other = block();
    raw::<getStrategyCall>(&mut other, &[U256::ONE; 10]);
    let said = refused(&other).await;
    assert!(said.ends_with("getStrategy() answers 320 bytes"), "{said}");
}

#[tokio::test]
async fn answers_that_do_not_fit_together_are_errors() {
    let mut unknown = block();
    let should = shouldRebalanceReturn { names: names(), actions: vec![1, 4] };
    unknown.answer(EXTENSION, &shouldRebalanceCall {}, &should);
    assert_eq!(refused(&unknown).await, "shouldRebalance() answers 4, which is no action");

    let mut uneven = block();
    let should = shouldRebalanceReturn { names: names(), actions: vec![1] };
    uneven.answer(EXTENSION, &shouldRebalanceCall {}, &should);
    assert_eq!(refused(&uneven).await, "shouldRebalance() answers 1 values for 2 exchanges");
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_is_a_failed_read() {
    let strategy = checked(&block()).await.strategy;
    let mut broken = block();
    broken.refuse::<getMethodologyCall>(EXTENSION, "no");
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
