//! Who may not, what is not served, and what does not answer.

use super::*;

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
