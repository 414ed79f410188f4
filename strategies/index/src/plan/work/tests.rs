use alloy::primitives::Bytes;

use super::*;
use crate::{
    decimal::fixed,
    exchange::Desk,
    plan::{
        StartCall,
        input::{Kind, read},
        state::{Origin, Quotes, Token},
    },
    quote::Hop,
    venue::Venue,
};

const WETH: Address = Address::repeat_byte(0xee);

/// A pool of so many tokens, which cost `price`, and as much in WETH, which costs 1,000.
fn pool(depth: &str, decimals: u8, price: u64) -> Venue {
    let reserve_in = fixed(depth, decimals.into()).unwrap();
    let reserve_out = fixed(depth, 18).unwrap() * U256::from(price) / U256::from(1_000);
    Venue::Pools(vec![Hop { reserve_in, reserve_out, fee: 3_000 }])
}

fn token(place: u8, symbol: &str, decimals: u8, unit: &str) -> Token {
    Token {
        address: Address::repeat_byte(place),
        symbol: symbol.to_owned(),
        decimals,
        origin: if unit == "0" { Origin::Named } else { Origin::Held },
        unit: fixed(unit, decimals.into()).unwrap(),
        target_unit: U256::ZERO,
        max_size: fixed("10", decimals.into()).unwrap(),
        cool_off: U256::from(600),
        last_trade: U256::ONE,
        exchange: "UniswapV2IndexExchangeAdapter".to_owned(),
        exchange_data: Bytes::new(),
        venue: pool(
            "1000000",
            decimals,
            match symbol {
                "AAA" => 50,
                "CCC" => 2,
                _ => 1,
            },
        ),
        pools: Vec::new(),
        factory: Address::ZERO,
        quotes: Quotes::new(),
    }
}

/// 100 index tokens of 100 each: half of it AAA (18 decimals, at 50), half BBB (6, at 1).
fn index() -> Index {
    Index {
        set_token: Address::repeat_byte(0xaa),
        symbol: "IDX".to_owned(),
        supply: fixed("100", 18).unwrap(),
        multiplier: crate::decimal::ONE,
        weth: WETH,
        protocol_fee: U256::ZERO,
        started_at: U256::ZERO,
        raise: U256::ZERO,
        rebalancing: Vec::new(),
        desk: Desk { registry: WETH, module: WETH, weth: WETH },
        tokens: vec![token(1, "AAA", 18, "1"), token(2, "BBB", 6, "50")],
    }
}

const PRICES: &str = "symbol,price\nAAA,50\nBBB,1\nCCC,2\nWETH,1000\nDDD,1\n";

fn plan_with(index: &Index, weights: &str, prices: &str) -> Result<Work, String> {
    let weights = read("w", weights.as_bytes(), Kind::Weights).unwrap();
    let prices = read("p", prices.as_bytes(), Kind::Prices).unwrap();
    let file = |name, entries| File { name, entries };
    work(index, file("w", &weights), file("p", &prices), U256::ZERO).map_err(
        |refused| match refused {
            Refused::Files(faults) => {
                faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            }
            Refused::Overflow(overflow) => overflow.to_string(),
        },
    )
}

fn plan(weights: &str) -> Result<Work, String> {
    plan_with(&index(), weights, PRICES)
}

#[test]
fn weights_become_units_trades_and_time() {
    let work = plan("symbol,weight\nAAA,75%\nBBB,25%\n").unwrap();
    assert_eq!((work.net_asset_value.as_str(), work.assets.as_str()), ("100", "10000.00"));
    assert_eq!(work.turnover, "2500.00");
    let [a, b] = work.rows.as_slice() else { panic!("{:?}", work.rows) };
    assert_eq!((a.target_unit, b.target_unit), (fixed("1.5", 18).unwrap(), U256::from(25_000_000)));
    assert_eq!(
        (a.weight.as_str(), a.target_weight.as_str(), a.planned_weight.as_str()),
        ("50", "75", "75")
    );
    let (buy, sell) = (a.trade.as_ref().unwrap(), b.trade.as_ref().unwrap());
    // 50 AAA in steps of 10: four rests between five trades.
    assert_eq!(
        (buy.side, buy.trades, buy.seconds, buy.value.as_str()),
        ("buy", Some(5), Some(2_400), "2500.00")
    );
    assert_eq!((sell.side, sell.trades), ("sell", Some(250)));
    assert_eq!((work.trades, work.seconds), (255, 249 * 600));
    assert!(work.warnings.is_empty(), "{:?}", work.warnings);
}

#[test]
fn what_starts_it_names_every_component_once() {
    let mut index = index();
    index.tokens.push(Token { unit: U256::ZERO, ..token(3, "CCC", 8, "0") });
    let work = plan_with(&index, "symbol,weight\nAAA,0\nBBB,0.5\nCCC,0.5\n", PRICES).unwrap();
    let call = StartCall::of(&work);
    assert_eq!(call.components, [1, 2, 3].map(Address::repeat_byte));
    assert_eq!(call.target_units, ["0", "50000000", "2500000000"]);
    assert!(call.data.starts_with(&[0x9c, 0xe4, 0xf3, 0x89]));
    assert_eq!(work.rows[0].trade.as_ref().unwrap().amount, fixed("100", 18).unwrap(), "all of it");
}

#[test]
fn a_held_component_that_is_left_out_is_refused() {
    let said = plan("symbol,weight\nAAA,100%\n").unwrap_err();
    assert_eq!(
        said,
        "w: does not name BBB (0x0202020202020202020202020202020202020202), which the index holds: \
         give it weight 0 to remove it"
    );
}

#[test]
fn every_fault_of_both_files_is_told_at_once() {
    let said =
        plan_with(&index(), "symbol,weight\nAAA,0.5\nBBB,0.4\nCCC,0.2\n", "symbol,price\nAAA,1\n");
    let said = said.unwrap_err();
    assert_eq!(
        said.lines().map(|line| line.get(..28).unwrap_or(line)).collect::<Vec<_>>(),
        [
            "w: line 4: the index holds no",
            "w: the weights add up to 1.1",
            "p: has no price of BBB (0x02"
        ]
        .map(|line| &line[..28])
    );
}

#[test]
fn one_token_by_symbol_and_by_address_is_twice() {
    let one = Address::repeat_byte(1);
    let said =
        plan(&format!("symbol,address,weight\nAAA,,0.25\n,{one},0.25\nBBB,,0.5\n")).unwrap_err();
    assert_eq!(said, "w: line 3: AAA stands at line 2 too");
}

#[test]
fn a_symbol_beside_an_address_has_to_be_its_own() {
    let one = Address::repeat_byte(1);
    let said = plan(&format!("symbol,address,weight\nAAB,{one},0.5\nBBB,,0.5\n")).unwrap_err();
    assert!(said.ends_with("calls itself AAA, not AAB"), "{said}");
}

#[test]
fn a_symbol_that_two_tokens_use_needs_the_address() {
    let mut index = index();
    index.tokens.push(token(3, "AAA", 18, "0"));
    let said = plan_with(&index, "symbol,weight\nAAA,0.5\nBBB,0.5\n", PRICES).unwrap_err();
    assert!(said.contains("several tokens call themselves AAA: give the address"), "{said}");
}

#[test]
fn what_cannot_be_traded_yet_is_a_warning() {
    let mut index = index();
    index.tokens[0].max_size = U256::ZERO;
    index.tokens[1].venue = Venue::Nowhere("no exchange is set".into());
    let work = plan_with(&index, "symbol,weight\nAAA,0.6\nBBB,0.4\n", PRICES).unwrap();
    assert_eq!(
        work.warnings,
        ["AAA: no trade maximum is set: every trade would revert", "BBB: no exchange is set"]
    );
    assert_eq!(work.rows[0].trade.as_ref().unwrap().trades, None);
}

#[test]
fn what_trades_cost_is_known_from_the_pools() {
    let mut index = index();
    // One trade of 10 is a hundredth of AAA's pool, and next to nothing of BBB's.
    index.tokens[0].venue = pool("1000", 18, 50);
    let work = plan_with(&index, "symbol,weight\nAAA,40%\nBBB,60%\n", PRICES).unwrap();
    let [a, b] = work.rows.as_slice() else { panic!("{:?}", work.rows) };
    let (sell, buy) = (a.trade.as_ref().unwrap(), b.trade.as_ref().unwrap());
    assert!(sell.slippage.as_ref().unwrap().starts_with("1.2841"), "{sell:?}");
    assert!(buy.slippage.as_ref().unwrap().starts_with("0.3019"), "{buy:?}");
    // 1,000 on each side.
    assert_eq!((sell.cost.as_deref(), buy.cost.as_deref()), (Some("12.84"), Some("3.01")));
    assert_eq!(work.cost, "15.86");
    assert!(work.cost_share.starts_with("0.1586"), "{}", work.cost_share);
}

#[test]
fn a_pool_that_does_not_hold_one_trade_is_a_warning() {
    let mut index = index();
    index.tokens[0].venue = pool("10", 18, 50);
    let work = plan_with(&index, "symbol,weight\nAAA,60%\nBBB,40%\n", PRICES).unwrap();
    assert!(work.warnings[0].starts_with("AAA: its pools do not hold as much"), "{work:?}");
    assert_eq!(work.rows[0].trade.as_ref().unwrap().cost, None);
}

#[test]
fn what_is_bought_is_grossed_up_by_the_protocols_fee() {
    let mut index = index();
    index.protocol_fee = fixed("0.001", 18).unwrap();
    let work = plan_with(&index, "symbol,weight\nAAA,75%\nBBB,25%\n", PRICES).unwrap();
    assert_eq!(
        work.rows[0].trade.as_ref().unwrap().amount.to_string(),
        "50050050050050050050",
        "50 / 0.999"
    );
}

#[test]
fn decimals_that_were_published_have_to_be_the_tokens() {
    let said = plan("symbol,decimals,weight\nAAA,18,0.5\nBBB,18,0.5\n").unwrap_err();
    assert_eq!(said, "w: line 3: BBB has 6 decimals, not 18");
}

#[test]
fn leftover_weth_is_listed_and_never_traded_by_itself() {
    let mut index = index();
    index.tokens.push(Token { address: WETH, ..token(0xee, "WETH", 18, "0.01") });
    let work = plan_with(&index, "symbol,weight\nAAA,0.5\nBBB,0.5\nWETH,0\n", PRICES).unwrap();
    let weth = work.rows[2].trade.as_ref().unwrap();
    assert_eq!((weth.side, weth.trades), ("sell", None));
    assert_eq!(work.rows[0].trade.as_ref().unwrap().side, "buy");
}

#[test]
fn units_that_are_met_are_left_alone() {
    let work = plan("symbol,weight\nAAA,0.5\nBBB,0.5\n").unwrap();
    assert!(work.rows.iter().all(|row| row.trade.is_none()), "{:?}", work.rows);
    assert_eq!((work.trades, work.turnover.as_str()), (0, "0.00"));
}

#[test]
fn a_weight_too_small_for_its_token_is_told() {
    let mut index = index();
    index.tokens.push(token(4, "DDD", 0, "0"));
    let text = "symbol,weight\nAAA,0.5\nBBB,0.495\nDDD,0.005\n";
    let work = plan_with(&index, text, PRICES).unwrap();
    assert!(work.warnings[0].starts_with("DDD: its weight is worth less than one base unit"));
}

#[test]
fn a_symbol_alone_is_none_of_a_token_that_the_module_only_lists_beside_a_held_one() {
    let mut index = index();
    let listed = |place, symbol| Token { origin: Origin::Listed, ..token(place, symbol, 18, "0") };
    index.tokens.extend([listed(7, "AAA"), listed(8, "SOLD"), listed(9, "OLD")]);
    index.tokens.push(Token { address: WETH, ..token(0xee, "WETH", 18, "0.01") });
    let weights = read("w", b"symbol,weight\nAAA,0.5\nBBB,0.5\nSOLD,0\n", Kind::Weights).unwrap();
    let kept = |under_way| {
        let mut index = index.clone();
        index.keep(&weights, under_way);
        index.tokens.iter().map(|token| token.address).collect::<Vec<_>>()
    };
    let [a, b, sold] = [1, 2, 8].map(Address::repeat_byte);
    // Leftover WETH has to be named, unless it is there because of the trades that go on.
    assert_eq!(kept(false), [a, b, sold, WETH]);
    assert_eq!(kept(true), [a, b, sold]);
}

#[test]
fn both_bounds_of_the_cost_are_told() {
    let mut index = index();
    index.tokens[0].venue = pool("1000", 18, 50);
    let work = plan_with(&index, "symbol,weight\nAAA,40%\nBBB,60%\n", PRICES).unwrap();
    let sell = work.rows[0].trade.as_ref().unwrap();
    // 20 in two trades of a hundredth of the pool, or at once.
    assert!(sell.cost_share.as_ref().unwrap().starts_with("1.2841"), "{sell:?}");
    assert!(sell.cost_share_at_once.as_ref().unwrap().starts_with("2.2491"), "{sell:?}");
    assert_eq!(sell.pool_off.as_deref(), Some("0"));
    let (cost, at_once) = (work.cost.as_str(), work.cost_at_once.as_deref());
    assert_eq!((cost, at_once), ("15.86", Some("26.50")));
}
