//! What the module has noted of a token, and the way that it leads to.

use ballast_chains::driver::Outcome;
use ballast_strategy_api::testkit::ScriptedBlock;

use super::*;

const TOKEN: Address = Address::repeat_byte(0x11);
const BETWEEN: Address = Address::repeat_byte(0x22);
const WETH: Address = Address::repeat_byte(0xee);
const REGISTRY: Address = Address::repeat_byte(0x62);
const MODULE: Address = Address::repeat_byte(0x60);
const DESK: Desk = Desk { registry: REGISTRY, module: MODULE, weth: WETH };
/// Each adapter has a router and a factory of its own.
const ADAPTERS: [(&str, u8); 4] =
    [(UNISWAP_V2, 0x20), (SUSHISWAP, 0x30), (UNISWAP_V3, 0x40), ("Kyber", 0x50)];
const PAIR: Address = Address::repeat_byte(0x71);
const NEAR: Address = Address::repeat_byte(0x72);
const FAR: Address = Address::repeat_byte(0x73);
const POOL: Address = Address::repeat_byte(0x74);

fn factory_of(name: &str) -> Address {
    let (_, place) = ADAPTERS.iter().find(|(known, _)| *known == name).unwrap();
    Address::repeat_byte(place + 2)
}

fn block() -> ScriptedBlock {
    let mut block = ScriptedBlock::new(1_800_000_000);
    block.answer_any::<getIntegrationAdapterCall>(REGISTRY, &Address::ZERO);
    for (name, place) in ADAPTERS {
        let [adapter, router, factory] = [place, place + 1, place + 2].map(Address::repeat_byte);
        let call = getIntegrationAdapterCall { module: MODULE, name: name.to_owned() };
        block.answer(REGISTRY, &call, &adapter);
        block.answer_any::<routerCall>(adapter, &router);
        block.answer_any::<factoryCall>(router, &factory);
        block.answer_any::<getPairCall>(factory, &Address::ZERO);
        block.answer_any::<getPoolCall>(factory, &Address::ZERO);
    }
    for (from, to, pair) in [(TOKEN, WETH, PAIR), (TOKEN, BETWEEN, NEAR), (BETWEEN, WETH, FAR)] {
        let call = getPairCall { tokenA: from, tokenB: to };
        block.answer(factory_of(UNISWAP_V2), &call, &pair);
    }
    let call = getPairCall { tokenA: TOKEN, tokenB: WETH };
    block.answer(factory_of(SUSHISWAP), &call, &FAR);
    let call = getPoolCall { tokenA: TOKEN, tokenB: WETH, fee: U24::from(500) };
    block.answer(factory_of(UNISWAP_V3), &call, &POOL);
    block
}

async fn way(block: &ScriptedBlock, token: Address, exchange: &str, data: &[u8]) -> Way {
    let (exchange, data) = (exchange.to_owned(), Bytes::copy_from_slice(data));
    let (outcome, _) = block
        .look(async move |at| {
            let adapter = DESK.adapter(&exchange, &at).await?;
            DESK.way(Noted { token, exchange: &exchange, data: &data }, adapter, &at).await
        })
        .await;
    let Outcome::Done(Ok(way)) = outcome else { panic!("{outcome:?}") };
    way
}

#[tokio::test]
async fn a_name_and_its_data_lead_to_the_pools_of_that_adapter() {
    let v2 = |address, from, to| Pool { address, kind: Kind::V2, from, to, fee: 3_000 };
    let check = async |exchange: &str, data: &[u8], pools: &[Pool]| {
        let (pools, factory) = (pools.to_vec(), factory_of(exchange));
        assert_eq!(way(&block(), TOKEN, exchange, data).await, Way::Pools { pools, factory });
    };
    check(UNISWAP_V2, &[], &[v2(PAIR, TOKEN, WETH)]).await;
    let through = [v2(NEAR, TOKEN, BETWEEN), v2(FAR, BETWEEN, WETH)];
    check(UNISWAP_V2, BETWEEN.as_slice(), &through).await;
    check(SUSHISWAP, &[], &[v2(FAR, TOKEN, WETH)]).await;
    let v3 = Pool { address: POOL, kind: Kind::V3, from: TOKEN, to: WETH, fee: 500 };
    check(UNISWAP_V3, &[0, 1, 244], &[v3]).await;
}

#[tokio::test]
async fn what_leads_nowhere_says_why() {
    let check = async |exchange: &str, data: &[u8], expected: &str| {
        let Way::Nowhere(why) = way(&block(), TOKEN, exchange, data).await else {
            panic!("{exchange} leads somewhere")
        };
        assert!(why.starts_with(expected), "{why}");
    };
    check("", &[], "no exchange is set").await;
    check("Balancer", &[], "no adapter is registered for the module as Balancer").await;
    // One byte of zero is not nothing: the adapter would revert.
    let expected = format!("{UNISWAP_V2} takes nothing, or the 20 bytes of a token");
    check(UNISWAP_V2, &[0], &expected).await;
    check(UNISWAP_V2, TOKEN.as_slice(), &format!("there is no pool of {TOKEN} and {TOKEN}")).await;
    check(SUSHISWAP, BETWEEN.as_slice(), "there is no pool of ").await;
    check(UNISWAP_V3, &[], &format!("{UNISWAP_V3} takes the 3 bytes of a pool's fee")).await;
    let expected = format!("there is no pool of {TOKEN} and {WETH} with a fee of 3000");
    check(UNISWAP_V3, &[0, 11, 184], &expected).await;
}

#[tokio::test]
async fn what_is_not_known_is_not_judged() {
    assert_eq!(way(&block(), TOKEN, "Kyber", &[1]).await, Way::Unknown);
    assert_eq!(way(&block(), WETH, "", &[]).await, Way::Unknown, "it is not traded");
    // It has the name, and not the functions.
    let mut other = block();
    other.refuse::<routerCall>(Address::repeat_byte(0x20), "no");
    assert_eq!(way(&other, TOKEN, UNISWAP_V2, &[]).await, Way::Unknown);
    let mut no_factory = block();
    no_factory.refuse_raw::<getPoolCall>(factory_of(UNISWAP_V3), Bytes::new());
    assert_eq!(way(&no_factory, TOKEN, UNISWAP_V3, &[0, 1, 244]).await, Way::Unknown);
}

/// The registry is asked by the module's own address, and for nothing where no name is noted.
#[tokio::test]
async fn adapters_are_the_modules_own() {
    let (outcome, rounds) = block()
        .look(async |at| {
            let other = Desk { module: TOKEN, ..DESK };
            (DESK.adapter("", &at).await, other.adapter(UNISWAP_V2, &at).await)
        })
        .await;
    let Outcome::Done((Ok(unnamed), Ok(elsewhere))) = outcome else { panic!("{outcome:?}") };
    assert_eq!((unnamed, elsewhere), (Address::ZERO, Address::ZERO));
    assert_eq!(rounds.rounds, 1);
}
