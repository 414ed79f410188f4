//! Where components are traded, as the strategy sees it and as plans do.

use super::*;

#[tokio::test]
async fn an_adapter_that_was_replaced_is_noticed() {
    let before = block(&Script::default());
    let index = before.look(async |at| CompositeIndex::connect(params(json!({})), &at).await).await;
    let Outcome::Done(Ok(index)) = index.0 else { panic!() };
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
    let Outcome::Done(Ok(seen)) = seen else { panic!() };
    let fresh = assess(&after).await;
    assert_eq!(seen, fresh, "what was remembered makes no difference");
    let limit = |decision| {
        let data = acts(decision).candidates.first.data;
        tradeCall::abi_decode(&data).unwrap().ethQuantityLimit
    };
    assert!(limit(seen.decision) < limit(assess(&before).await.decision));
}

/// A component's market in words, the strategy's and the plan's.
async fn both(block: &ScriptedBlock, component: Address) -> [String; 2] {
    let (outcome, _) = block
        .look(async move |at| {
            let index = CompositeIndex::connect(params(json!({})), &at).await?;
            let (snapshot, _) = Snapshot::read(&index, &Hints::default(), &at).await?;
            Ok::<_, StrategyError>((snapshot, Index::read(SET, MODULE, &[], &at).await?))
        })
        .await;
    let Outcome::Done(Ok((snapshot, plan))) = outcome else { panic!("{outcome:?}") };
    let traded = snapshot.components.into_iter().find(|seen| seen.token == component).unwrap();
    let planned = plan.tokens.into_iter().find(|seen| seen.address == component).unwrap();
    let traded = match traded.market {
        Market::Pools { pools, hops, .. } => format!("{pools:?} {hops:?}"),
        Market::Unknown => "unknown".to_owned(),
        Market::Nowhere(why) => why,
    };
    let planned = match planned.venue {
        Venue::Pools(hops) => format!("{:?} {hops:?}", planned.pools),
        Venue::Unknown => "unknown".to_owned(),
        Venue::Nowhere(why) => why,
    };
    [traded, planned]
}

#[tokio::test]
async fn a_plan_sees_the_pools_that_the_strategy_trades_in() {
    let check = async |component: Address, change: fn(&mut ScriptedBlock), expected: &str| {
        let mut block = block(&Script::default());
        block.answer_any::<IToken::symbolCall>(SET, &"SET".to_owned());
        block.answer_any::<ISetToken::getComponentsCall>(SET, &vec![SOLD, BOUGHT]);
        change(&mut block);
        let [traded, planned] = both(&block, component).await;
        assert_eq!(traded, planned);
        assert!(traded.contains(expected), "{expected}: {traded}");
    };
    check(SOLD, |_| (), &format!("{PAIR:?}")).await;
    check(BOUGHT, |_| (), &format!("{POOL:?}")).await;
    check(SOLD, |block| pair(block, PAIR, [0, ONE], NOW), "no liquidity at its price").await;
    check(BOUGHT, |block| block.answer_any::<IPool::liquidityCall>(POOL, &0), "no liquidity").await;
    check(SOLD, |block| block.refuse::<IPair::getReservesCall>(PAIR, "odd"), "odd").await;
    check(BOUGHT, |block| block.refuse::<IPool::slot0Call>(POOL, "odd"), "odd").await;
    check(SOLD, |block| block.refuse::<IAdapter::routerCall>(V2, "odd"), "unknown").await;
    let none = |block: &mut ScriptedBlock| {
        block.answer_any::<IFactory::getPairCall>(V2, &Address::ZERO);
    };
    check(SOLD, none, "there is no pool of ").await;
    let unregistered = |block: &mut ScriptedBlock| {
        let name = UNISWAP_V3.to_owned();
        let call = IRegistry::getIntegrationAdapterCall { module: MODULE, name };
        block.answer(REGISTRY, &call, &Address::ZERO);
    };
    check(BOUGHT, unregistered, "no adapter is registered").await;
}
