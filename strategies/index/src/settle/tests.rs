use alloy::primitives::aliases::{I24, U112, U160};
use ballast_strategy_api::testkit;

use super::*;
use crate::quote::{Hop, amount_out};

const SET: Address = Address::repeat_byte(0x5e);
const MODULE: Address = Address::repeat_byte(0x60);
const WETH: Address = Address::repeat_byte(0xee);
const TOKEN: Address = Address::repeat_byte(0x11);
const PAIR: Address = Address::repeat_byte(0x71);

fn u(number: u128) -> U256 {
    U256::from(number)
}

fn log<E: SolEvent>(by: Address, event: &E) -> Log {
    testkit::log(by, event.encode_log_data())
}

fn traded(set: Address, is_sell: bool, sold: U256, received: U256, fee: U256) -> TradeExecuted {
    let (sell, buy) = if is_sell { (TOKEN, WETH) } else { (WETH, TOKEN) };
    TradeExecuted {
        setToken: set,
        sellComponent: sell,
        buyComponent: buy,
        exchangeAdapter: PAIR,
        executor: PAIR,
        netSold: sold,
        netReceived: received,
        protocolFee: fee,
    }
}

fn settled(logs: Vec<Log>) -> Settlement {
    settle(SET, MODULE, WETH, &testkit::receipt(MODULE, logs))
}

fn fact(settlement: &Settlement, name: &str) -> Option<String> {
    settlement.facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.to_string())
}

/// A sell on V2 with its events in the order in which the contracts emit them.
fn sell_on_v2() -> Vec<Log> {
    let (first, second, sold) = (u(1_000_000_000), u(2_000_000_000), u(10_000_000));
    let hop = Hop { reserve_in: first, reserve_out: second, fee: 3_000 };
    let out = amount_out(&[hop], sold).unwrap();
    let sync = Sync { reserve0: U112::from(first + sold), reserve1: U112::from(second - out) };
    let swap = PairSwap {
        sender: SET,
        amount0In: sold,
        amount1In: U256::ZERO,
        amount0Out: U256::ZERO,
        amount1Out: out,
        to: SET,
    };
    let fee = out / u(1_000);
    vec![log(PAIR, &sync), log(PAIR, &swap), log(MODULE, &traded(SET, true, sold, out - fee, fee))]
}

#[test]
fn a_sell_tells_amounts_price_and_slippage() {
    let settlement = settled(sell_on_v2());
    assert_eq!(fact(&settlement, "component_sold").as_deref(), Some("10000000"));
    // 10 · 0.997 / 1,009.97 of 2,000: 19.743160 …
    assert_eq!(fact(&settlement, "protocol_fee").as_deref(), Some("19743"));
    assert_eq!(fact(&settlement, "weth_received").as_deref(), Some("19723417"));
    assert_eq!(fact(&settlement, "price").unwrap()[..5], *"19743");
    // 1 − 19.74316 / 20 is 1.2842 %: the fee, and what it moved.
    assert_eq!(settlement.slippage.unwrap().to_string()[..5], *"12842");
}

#[test]
fn a_buy_on_v3_tells_what_it_lost() {
    // Token 1 out of a pool at 1 with a liquidity of 10^12: 10^9 of them, so the root fell by a
    // thousandth; 1.001001 · 10^9 came in, and 0.3 % of fee.
    let one = U160::from(1) << 96;
    let root = one - one / U160::from(1_000);
    let paid = u(1_004_013_041);
    let swap = PoolSwap {
        sender: SET,
        recipient: SET,
        amount0: I256::try_from(paid).unwrap(),
        amount1: I256::try_from(-1_000_000_000_i64).unwrap(),
        sqrtPriceX96: root,
        liquidity: 1_000_000_000_000,
        tick: I24::ZERO,
    };
    let event = traded(SET, false, paid, u(1_000_000_000), U256::ZERO);
    let settlement = settled(vec![log(PAIR, &swap), log(MODULE, &event)]);
    assert_eq!(fact(&settlement, "component_bought").as_deref(), Some("1000000000"));
    // 1 − 1/1.004013 is 0.3997 %.
    assert_eq!(settlement.slippage.unwrap().to_string()[..4], *"3997");
    // The other way round in the pool.
    let swap = PoolSwap {
        amount0: swap.amount1,
        amount1: swap.amount0,
        sqrtPriceX96: one + one / U160::from(999),
        ..swap
    };
    let event = traded(SET, false, paid, u(1_000_000_000), U256::ZERO);
    let settlement = settled(vec![log(PAIR, &swap), log(MODULE, &event)]);
    assert_eq!(settlement.slippage.unwrap().to_string()[..4], *"3997");
}

#[test]
fn others_and_unknown_pools_are_no_facts() {
    let sold = u(10_000_000);
    let other = log(MODULE, &traded(TOKEN, true, sold, sold, U256::ZERO));
    let stranger = log(PAIR, &traded(SET, true, sold, sold, U256::ZERO));
    assert_eq!(settled(vec![other, stranger]), Settlement::default());
    let unknown = settled(vec![log(MODULE, &traded(SET, true, sold, sold, U256::ZERO))]);
    assert_eq!(unknown.slippage, None);
    // A swap without the reserves that it left.
    let mut logs = sell_on_v2();
    logs.remove(0);
    assert_eq!(settled(logs).slippage, None);
    let raised = AssetTargetsRaised { setToken: SET, newPositionMultiplier: u(7) };
    assert_eq!(
        fact(&settled(vec![log(MODULE, &raised)]), "targets_from_multiplier").as_deref(),
        Some("7")
    );
}
