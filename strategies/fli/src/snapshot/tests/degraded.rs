//! Reads that fail, and what goes on without them.

use super::*;

/// What only makes an action more precise may be missing: it is sent all the same.
#[tokio::test]
async fn what_only_the_expectation_or_an_observation_needs_holds_nothing_up() {
    let whole = checked(&block()).await;
    let check = async |what: &str, change: &dyn Fn(&mut ScriptedBlock), at_least: Option<U256>| {
        let mut block = block();
        change(&mut block);
        let checked = checked(&block).await;
        let action = acted(&checked.assessment);
        let labels: Vec<&str> = action.candidates.iter().map(|c| c.label.as_str()).collect();
        assert_eq!((action.name, labels), ("rebalance", vec!["V3", "V2"]), "{what}");
        let expected = action.expects.as_ref().map(|expects| expects.at_least);
        assert_eq!(expected, at_least, "{what}");
        assert!(checked.rounds.rounds <= 2, "{what}");
    };
    let precise = acted(&whole.assessment).expects.as_ref().map(|expects| expects.at_least);
    let any = Some(U256::ONE);
    let nonsense = |target: Address, call: Vec<u8>| {
        move |block: &mut ScriptedBlock| {
            block.answer_raw(target, call.clone().into(), Bytes::from_static(&[7; 5]));
        }
    };
    check("no execution settings", &|b| b.refuse::<getExecutionCall>(EXTENSION, "no"), precise)
        .await;
    check(
        "execution settings of no shape",
        &|b| raw::<getExecutionCall>(b, &[U256::ONE; 5]),
        precise,
    )
    .await;
    let chunks = getChunkRebalanceNotionalCall { exchangeNames: names() }.abi_encode();
    check("sizes of no shape", &nonsense(EXTENSION, chunks.clone()), any).await;
    check("no sizes", &|b| b.refuse::<getChunkRebalanceNotionalCall>(EXTENSION, "paused"), any)
        .await;
    let one = getChunkRebalanceNotionalReturn {
        sizes: vec![fixed("1")],
        sellAsset: WETH,
        buyAsset: USDC,
    };
    let one: Bytes = getChunkRebalanceNotionalCall::abi_encode_returns(&one).into();
    let uneven = move |b: &mut ScriptedBlock| {
        b.answer_raw(EXTENSION, chunks.clone().into(), one.clone());
    };
    check("one size for two exchanges", &uneven, any).await;
    let debt = borrowBalanceStoredCall { account: SET }.abi_encode();
    check("a debt of no shape", &nonsense(DEBT_MARKET, debt), any).await;
    check("no borrow limit", &|b| b.refuse::<marketsCall>(COMPTROLLER, "no"), precise).await;
}

#[tokio::test]
async fn a_ripcord_does_not_depend_on_a_size() {
    let in_range = |reason: &str| {
        let mut block = block();
        block.answer(EXTENSION, &getCurrentLeverageRatioCall {}, &fixed("2.9"));
        let should = shouldRebalanceReturn { names: names(), actions: vec![3, 3] };
        block.answer(EXTENSION, &shouldRebalanceCall {}, &should);
        block.refuse::<getChunkRebalanceNotionalCall>(EXTENSION, reason);
        block
    };
    for reason in ["anything", "SafeMath: division by zero", "SafeCast: value must be positive"] {
        let checked = checked(&in_range(reason)).await;
        let action = acted(&checked.assessment);
        assert_eq!((action.name, action.urgency), ("ripcord", Urgency::Emergency), "{reason}");
        assert_eq!(action.expects.as_ref().unwrap().at_least, U256::ONE, "{reason}");
    }
    let decision = checked(&in_range("SafeMath: subtraction overflow")).await.assessment.decision;
    let Decision::Blocked { reason, .. } = decision else { panic!("{decision:?}") };
    assert!(reason.starts_with("beyond the ceiling"), "{reason}");
}

#[tokio::test]
async fn bounds_that_cannot_be_asked_about_fail_a_rebalance_and_nothing_else() {
    let mut block = block();
    block.answer_raw(EXTENSION, by_custom_max().abi_encode().into(), Bytes::from_static(&[7; 5]));
    let failed = check_contract::<Fli>(&block, bounded).await.unwrap_err().to_string();
    assert_eq!(failed, "reading what is due by custom bounds");
    let should = shouldRebalanceReturn { names: names(), actions: vec![3, 0] };
    block.answer(EXTENSION, &shouldRebalanceCall {}, &should);
    let checked = check_contract::<Fli>(&block, bounded).await.unwrap();
    assert_eq!(acted(&checked.assessment).name, "ripcord");
}
