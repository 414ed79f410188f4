//! Each doubt, and that a healthy index has none.

use std::time::Duration;

use alloy::primitives::U256;

use super::{
    access::of_steward,
    sources::{Answer, Seen, of_dust, of_feeds, of_quoter},
    *,
};
use crate::{
    decimal::{ONE, fixed},
    exchange::{SUSHISWAP, UNISWAP_V2},
    params::{Currency, Feed, Policy},
    quote::Hop,
    venue::Venue,
};

const WETH: Address = Address::repeat_byte(0xee);
const CALLER: Address = Address::repeat_byte(0xca);

fn e18(text: &str) -> U256 {
    fixed(text, 18).unwrap()
}

/// 1,000 tokens against 50 WETH in its pool, one held for each index token, on its target.
fn token(place: u8, symbol: &str) -> Token {
    let hop = Hop { reserve_in: e18("1000"), reserve_out: e18("50"), fee: 3_000 };
    Token {
        address: Address::repeat_byte(place),
        symbol: symbol.to_owned(),
        is_listed: true,
        unit: ONE,
        target_unit: ONE,
        max_size: e18("5"),
        cool_off: U256::from(600),
        exchange: UNISWAP_V2.to_owned(),
        venue: Venue::Pools(vec![hop]),
        external: 0,
    }
}

/// 100 index tokens of AAA and BBB, each worth 0.05, and of a tenth of a WETH.
fn parts() -> Parts {
    let weth = Token {
        symbol: "WETH".to_owned(),
        unit: e18("0.1"),
        target_unit: e18("0.1"),
        max_size: U256::ZERO,
        exchange: String::new(),
        venue: Venue::Unknown,
        ..token(0xee, "")
    };
    Parts {
        supply: e18("100"),
        multiplier: ONE,
        started_at: ONE,
        raise: e18("0.0025"),
        protocol_fee: U256::ZERO,
        // 290,000 gas are 0.0087.
        base_fee: Some(30_000_000_000),
        weth: WETH,
        tokens: vec![token(1, "AAA"), token(2, "BBB"), weth],
        listed: vec![Address::repeat_byte(1), Address::repeat_byte(2), WETH],
    }
}

/// `E ` or `W ` and the text, one each.
fn told(doubts: &[Doubt]) -> Vec<String> {
    let one = |doubt: &Doubt| format!("{} {}", if doubt.is_error { 'E' } else { 'W' }, doubt.text);
    doubts.iter().map(one).collect()
}

fn check(doubts: &[Doubt], expected: &[&str]) {
    let told = told(doubts);
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(expected) {
        let begins = told.to_lowercase().starts_with(&expected.to_lowercase());
        assert!(begins, "{told}\nexpected {expected}");
    }
}

fn changed(change: impl FnOnce(&mut Parts)) -> Vec<Doubt> {
    let mut parts = parts();
    change(&mut parts);
    parts.doubts()
}

#[test]
fn a_healthy_index_gives_none() {
    check(&parts().doubts(), &[]);
    assert_eq!(parts().worth(), Some(e18("20")));
    let policy = Policy { dust: Some(e18("0.02")), ..Policy::default() };
    check(&of_dust(policy.dust, &parts()), &[]);
    check(&of_feeds(&policy, &Seen::new(), &parts()), &[]);
    check(&of_quoter(&Quoter::Unnamed, &parts()), &[]);
    check(&of_quoter(&Quoter::Fits, &parts()), &[]);
    let unset = |parts: &mut Parts| {
        (parts.listed, parts.started_at, parts.raise) = (Vec::new(), U256::ZERO, U256::ZERO);
        parts.tokens.iter_mut().for_each(|token| token.is_listed = false);
    };
    check(&changed(unset), &[]);
}

#[test]
fn how_a_rebalance_was_started() {
    check(&changed(|p| p.listed.push(Address::ZERO)), &["E the rebalance lists the zero address"]);
    check(
        &changed(|p| p.started_at = U256::ZERO),
        &["E the rebalance was started with a multiplier of 0"],
    );
    let scaled = "W the rebalance was started at a multiplier of 1060000000000000000, the index has \
                  1000000000000000000: all targets are scaled by 5.6603 %";
    let off = changed(|p| p.started_at = e18("1.06"));
    assert!(told(&off).iter().any(|told| told == scaled), "{:?}", told(&off));
    let accrued = changed(|p| {
        (p.started_at, p.multiplier) = (e18("1.02"), e18("1.01"));
        p.tokens.iter_mut().for_each(|token| token.unit = token.unit * e18("1.01") / e18("1.02"));
    });
    check(&accrued, &[]);
    check(&changed(|p| p.raise = U256::ZERO), &["W raiseTargetPercentage is 0"]);
    check(&changed(|p| p.supply = e18("0.5")), &["W its supply is 0.5, below one"]);
    let airdropped = changed(|p| {
        p.tokens[1].is_listed = false;
        p.listed.remove(1);
    });
    check(&airdropped, &["W BBB is held and not in the last rebalance"]);
}

/// What keeps a component from being traded is an error exactly where it is to be traded.
#[test]
fn what_makes_trades_revert() {
    let nowhere = || Venue::Nowhere("no exchange is set".to_owned());
    for (what, target) in [("W", "1"), ("E", "0.99"), ("E", "1.01"), ("E", "0")] {
        let of = |change: fn(&mut Token)| {
            changed(|parts| {
                parts.tokens[0].target_unit = e18(target);
                change(&mut parts.tokens[0]);
            })
        };
        let expect = |why: &str| format!("{what} AAA: {why}");
        let no_exchange = changed(|parts| {
            parts.tokens[0].target_unit = e18(target);
            parts.tokens[0].venue = nowhere();
        });
        check(&no_exchange, &[&expect("no exchange is set")]);
        check(&of(|t| t.max_size = U256::ZERO), &[&expect("its trade maximum is 0")]);
        check(&of(|t| t.external = 2), &[&expect("2 modules hold positions of it outside")]);
    }
    // A unit below its target is met; WETH is never traded itself.
    let rounded = changed(|parts| {
        (parts.tokens[0].unit, parts.tokens[0].max_size) = (ONE - U256::from(1), U256::ZERO);
    });
    check(&rounded, &["W AAA: its trade maximum is 0"]);
    check(&changed(|parts| parts.tokens[2].target_unit = U256::ZERO), &[]);
}

#[test]
fn what_looks_odd() {
    let of = |change: fn(&mut Token)| changed(|parts| change(&mut parts.tokens[0]));
    let unknown = changed(|parts| {
        (parts.tokens[0].exchange, parts.tokens[0].venue) = ("Kyber".to_owned(), Venue::Unknown);
    });
    check(&unknown, &["W AAA: \"Kyber\" is no exchange that is known here"]);
    check(&of(|t| t.cool_off = U256::ZERO), &["W AAA: it does not rest between two trades"]);
    check(&of(|t| t.cool_off = U256::from(86_401)), &["W AAA: it rests 86401 s"]);
    check(&of(|t| t.cool_off = U256::from(86_400)), &[]);
    // 60 of 1,000 tokens, as one trade: 6 % of impact and the fee.
    let dear = of(|t| (t.target_unit, t.max_size) = (e18("0.4"), e18("60")));
    check(&dear, &["W AAA: its next trade costs 5.9"]);
    check(&of(|t| (t.target_unit, t.max_size) = (e18("0.4"), e18("5"))), &[]);
    let too_much = of(|t| (t.target_unit, t.max_size) = (e18("12"), e18("1000")));
    check(&too_much, &["W AAA: its pools do not hold its next trade"]);
}

#[test]
fn who_may_trade() {
    let access = |change: fn(&mut Access)| {
        let mut access = Access {
            caller: CALLER,
            is_allowed: true,
            anyone: false,
            listed: vec![CALLER],
            caller_is_contract: false,
        };
        change(&mut access);
        access.doubts()
    };
    check(&access(|_| {}), &[]);
    check(&access(|a| a.caller_is_contract = true), &[]);
    let alone = access(|a| (a.is_allowed, a.listed) = (false, Vec::new()));
    check(
        &alone,
        &["E 0xCaCaCaCacACacACACaCaCaCAcACACACaCAcacaCa is no allowed trader; those are nobody"],
    );
    let others = access(|a| (a.is_allowed, a.listed) = (false, vec![WETH; 10]));
    assert!(others[0].text.contains(&format!("{WETH} and 2 more:")), "{}", others[0].text);
    check(&access(|a| a.anyone = true), &["W anybody may trade (setAnyoneTrade)"]);
    let contract = access(|a| (a.anyone, a.caller_is_contract) = (true, true));
    check(
        &contract,
        &["E anybody may trade, and then only plain accounts may", "W anybody may trade"],
    );
}

#[test]
fn who_starts_rebalances() {
    let of = |extensions: Vec<Address>, operator| {
        let steward = Steward { manager: Address::repeat_byte(9), extensions, operator };
        of_steward(&steward, Address::repeat_byte(8), CALLER)
    };
    let one = || vec![Address::repeat_byte(7)];
    check(&of(one(), Some(WETH)), &[]);
    check(&of(one(), None), &[]);
    check(
        &of(Vec::new(), None),
        &["W its manager 0x0909090909090909090909090909090909090909 lists no extension"],
    );
    check(
        &of(vec![WETH, CALLER], None),
        &["W its manager 0x0909090909090909090909090909090909090909 lists 2 extensions"],
    );
    check(
        &of(one(), Some(CALLER)),
        &["W the wallet 0xCaCaCaCacACacACACaCaCaCAcACACACaCAcacaCa also manages"],
    );
}

#[test]
fn a_quoter_that_fits_the_pools() {
    let on_v3 = || {
        let mut parts = parts();
        parts.tokens[1].exchange = UNISWAP_V3.to_owned();
        parts.tokens[0].exchange = SUSHISWAP.to_owned();
        parts
    };
    check(
        &of_quoter(&Quoter::Unnamed, &on_v3()),
        &["W there is no v3_quoter, and BBB trade on Uniswap V3"],
    );
    check(&of_quoter(&Quoter::Fits, &on_v3()), &[]);
    check(&of_quoter(&Quoter::Dead(WETH), &parts()), &["E v3_quoter 0xEeEE"]);
    let elsewhere = Quoter::Elsewhere { quoter: WETH, asks: CALLER, trades: WETH };
    let found = of_quoter(&elsewhere, &parts());
    check(&found, &[&format!("E v3_quoter {WETH} asks pools of the factory {CALLER}, the module")]);
}

#[test]
fn feeds_that_are_dead_stale_or_of_something_else() {
    let [feed, eth] = [0xf1, 0xf2].map(Address::repeat_byte);
    let of = |currency, answer: Answer| {
        let mut policy = Policy { feed_max_age: Duration::from_secs(3_600), ..Policy::default() };
        policy.feeds.insert(Address::repeat_byte(1), Feed { aggregator: feed, currency });
        of_feeds(&policy, &Seen::from([(feed, answer)]), &parts())
    };
    let price = |age, description: &str| Answer::Price { age, description: description.to_owned() };
    check(&of(None, price(3_600, "AAA / ETH")), &[]);
    check(&of(None, price(0, "AAA / USD")), &[]);
    check(&of(Some(Currency::Usd), price(0, "")), &[]);
    let name = "E the feed 0xf1F1f1F1F1F1f1f1F1f1F1f1f1F1F1F1F1f1F1F1 of AAA";
    let starts = |found: Vec<Doubt>, rest: &str| check(&found, &[&format!("{name}{rest}")]);
    starts(of(None, price(3_601, "AAA / ETH")), " was written 1h 1s ago, feed_max_age is 1h");
    starts(of(None, Answer::Dead("it says -1".to_owned())), " gives no price: it says -1");
    starts(of(None, price(0, "AAA / EUR")), " calls itself \"AAA / EUR\": say ETH or USD");
    starts(of(None, price(0, "ETH")), " calls itself \"ETH\": say ETH or USD");
    starts(
        of(Some(Currency::Usd), price(0, "AAA / ETH")),
        " calls itself \"AAA / ETH\", which is not",
    );
    let mut policy = Policy { eth_usd_feed: Some(eth), ..Policy::default() };
    let seen = Seen::from([(eth, price(0, "BTC / ETH"))]);
    assert!(told(&of_feeds(&policy, &seen, &parts()))[0].starts_with("E eth_usd_feed 0x"));
    policy.eth_usd_feed = None;
    policy.feeds.insert(CALLER, Feed { aggregator: feed, currency: None });
    check(&of_feeds(&policy, &Seen::new(), &parts()), &["W feeds has 0xCaCa"]);
}

#[test]
fn a_maximum_that_is_not_worth_its_gas() {
    // 0.18 tokens are worth 0.009.
    let of = |max_size: U256, target: &str| {
        changed(|parts| {
            (parts.tokens[0].max_size, parts.tokens[0].target_unit) = (max_size, e18(target));
        })
    };
    check(&of(e18("0.18"), "0.5"), &[]);
    check(&of(e18("0.17"), "0.5"), &["W AAA: its trade maximum of 170000000000000000 base units"]);
    let whole_tokens = of(U256::from(1_400), "2");
    let said = "W AAA: its trade maximum of 1400 base units is worth 0.00000000000000007 ETH, and the \
                gas of one trade 0.0087: is it in whole tokens";
    assert!(told(&whole_tokens).contains(&said.to_owned()), "{:?}", told(&whole_tokens));
    // The last bit of something may be small.
    check(&of(e18("5"), "0.9999"), &[]);
}

#[test]
fn dust_is_neither_less_than_a_trade_nor_much() {
    let of = |dust: &str, base_fee: Option<u128>| {
        told(&of_dust(Some(e18(dust)), &Parts { base_fee, ..parts() }))
    };
    let usual = parts().base_fee;
    assert_eq!(of("0.0087", usual), [""; 0]);
    let less = of("0.0086", usual);
    assert_eq!(less, ["W dust is 0.0086 ETH, and the gas of one trade costs 0.0087 in this block"]);
    assert_eq!(of("0.0086", None), [""; 0]);
    // The index is worth 20.
    assert_eq!(of("0.2", None), [""; 0]);
    let much = of("0.201", None);
    assert_eq!(
        much,
        ["W dust is 0.201 ETH, 1.005 % of what the index is worth: so much may stay untraded"]
    );
    let mut unknown = parts();
    unknown.tokens[0].venue = Venue::Unknown;
    check(&of_dust(Some(e18("5")), &unknown), &[]);
    check(&of_dust(None, &parts()), &[]);
}
