use alloy::primitives::{Address, Bytes};

use super::*;
use crate::{
    decimal::fixed,
    exchange::{Desk, UNISWAP_V2, UNISWAP_V3},
    plan::{
        input::{self, Kind},
        state::{Index, Origin, Quotes},
        work::File,
    },
    quote::Hop,
};

const TOKEN: Address = Address::repeat_byte(1);
const WETH: Address = Address::repeat_byte(0xee);

fn e18(text: &str) -> U256 {
    fixed(text, 18).unwrap()
}

/// A way with so much ether on a side, at so much ether for a whole token.
fn way(exchange: &str, data: &[u8], ether: &str, price: &str, at_bound: &str) -> Found {
    let reserve_out = e18(ether);
    let reserve_in = reserve_out * ONE / e18(price);
    let token = Token {
        address: TOKEN,
        symbol: "T".into(),
        decimals: 18,
        origin: Origin::Held,
        unit: ONE,
        target_unit: U256::ZERO,
        max_size: ONE,
        cool_off: U256::from(600),
        last_trade: U256::ONE,
        exchange: exchange.to_owned(),
        exchange_data: Bytes::copy_from_slice(data),
        venue: Venue::Pools(vec![Hop { reserve_in, reserve_out, fee: 3_000 }]),
        pools: Vec::new(),
        factory: Address::ZERO,
        quotes: Quotes::new(),
    };
    Found { token, depth: reserve_out, at_bound: e18(at_bound), measured_by: "quoter" }
}

/// 200 ether deep, at a fifth of an ether.
fn honest() -> Found {
    way(UNISWAP_V2, &[], "200", "0.2", "5")
}

/// A tenth of an ether in one tick of an unused tier: looks like 5,000 ether.
fn forged(price: &str) -> Found {
    way(UNISWAP_V3, &[0, 0, 100], "5000", price, "0.01")
}

/// What the ways are judged to be, where the token was reckoned at so many dollars, ether at 1,000.
fn judged(ways: &[Found], chain: &Token, dollars: Option<&str>) -> Judged {
    let component = dollars.map(|dollars| Component {
        address: TOKEN,
        symbol: "T".into(),
        decimals: 18,
        unit: ONE,
        weight: ONE,
        price: fixed(dollars, 36).unwrap(),
        price_source: "line 2".into(),
    });
    let index = Index {
        set_token: Address::repeat_byte(0xaa),
        symbol: "IDX".into(),
        supply: ONE,
        multiplier: ONE,
        weth: WETH,
        protocol_fee: U256::ZERO,
        started_at: ONE,
        raise: U256::ZERO,
        rebalancing: Vec::new(),
        desk: Desk { registry: WETH, module: WETH, weth: WETH },
        tokens: vec![chain.clone()],
    };
    let prices = input::read("p", b"symbol,price\nWETH,1000\n", Kind::Prices).unwrap();
    let market = Market::of(&index, &[], File { name: "p", entries: &prices });
    let reckoned = component.as_ref().map(|component| Reckoned { component, market });
    judge(ways, chain, reckoned)
}

fn refused(judged: &Judged) -> Vec<bool> {
    judged.against.iter().map(Option::is_some).collect()
}

#[test]
fn a_pool_that_looks_deep_is_not_what_others_are_judged_by() {
    let ways = [honest(), forged("0.205"), way("Sushi", &[], "50", "0.2", "1")];
    for dollars in [None, Some("200")] {
        let judged = judged(&ways, &honest().token, dollars);
        assert_eq!(refused(&judged), [false, true, false], "{:?}", judged.against);
        assert_eq!(judged.stop, None);
        assert!(judged.against[1].as_ref().unwrap().contains("% off"), "{:?}", judged.against);
    }
}

#[test]
fn where_the_chains_own_way_is_refused_nothing_is_advised() {
    let judged = judged(&[honest(), forged("0.205")], &honest().token, Some("206"));
    assert_eq!(refused(&judged), [true, true], "off either price is off");
    assert!(judged.stop.unwrap().starts_with("the way that the chain has is off"), "{judged:?}");
}

#[test]
fn a_new_component_is_judged_by_the_price_it_was_reckoned_with() {
    let mut unset = honest().token;
    (unset.exchange, unset.venue) = (String::new(), Venue::Nowhere("no exchange is set".into()));
    let ways = [honest(), forged("0.205")];
    assert_eq!(refused(&judged(&ways, &unset, Some("200"))), [false, true]);
    // Without one there is nothing that the ways could be held against.
    let unjudged = judged(&ways, &unset, None);
    assert_eq!(refused(&unjudged), [true, true]);
    assert!(unjudged.stop.unwrap().contains("nothing is advised"));
    assert_eq!(judged(&[], &unset, None).stop, None);
}

#[test]
fn liquidity_in_range_alone_recommends_nothing() {
    let in_range = Found { measured_by: IN_RANGE, ..forged("0.2") };
    let judged_as =
        |chain: &Found| refused(&judged(&[honest(), in_range.clone()], &chain.token, Some("200")));
    assert_eq!(judged_as(&honest()), [false, true]);
    assert_eq!(judged_as(&in_range), [false, false], "it is the chain's own");
}
