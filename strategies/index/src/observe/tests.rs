//! How a rebalance gets on, for the schedule.

use alloy::primitives::{Address, U256, uint};

use super::*;
use crate::{
    decide::{Survey, Terms},
    module::{Position, Terms as Module},
    params::Policy,
    price::Price,
    schedule::Progress,
    snapshot::{Component, Market, Reference, Source, Weth, offers::Offers},
};

const NOW: u64 = 1_800_000_000;
const RAISE: U256 = uint!(2_500_000_000_000_000_U256);

/// One of 18 decimals and worth as much as ether, as the tenths of what a whole index token has and
/// shall have, and when it was last traded; it rests for 600 s.
fn component(has: u64, shall: u64, last_trade: u64) -> Component {
    let tenth = |tenths: u64| ONE * U256::from(tenths) / U256::from(10);
    let source = Source::Feed { age: 0 };
    Component {
        token: Address::repeat_byte(1),
        symbol: "AAA".to_owned(),
        decimals: Some(18),
        position: Position { target_unit: tenth(shall), unit: tenth(has), max_size: ONE },
        cool_off: U256::from(600),
        last_trade: U256::from(last_trade),
        market: Market::Unknown,
        reference: Ok(Reference { low: Price::ONE, high: Price::ONE, source }),
        offers: Offers::default(),
    }
}

/// Of 100 index tokens with so many tenths of WETH, none of which is to stay.
fn of(components: Vec<Component>, weth: u64, raise_percentage: U256) -> Progress {
    let snapshot = Snapshot {
        now: NOW,
        block_time: std::time::Duration::from_secs(12),
        caller: Address::ZERO,
        may_trade: true,
        anyone: false,
        is_served: true,
        lists_zero: false,
        trade_cost: U256::ZERO,
        terms: Module {
            supply: ONE * U256::from(100),
            multiplier: ONE,
            started_at: ONE,
            protocol_fee: U256::ZERO,
        },
        raise_percentage,
        weth: Weth {
            token: Address::repeat_byte(0xee),
            unit: ONE * U256::from(weth) / U256::from(10),
            target_unit: U256::ZERO,
            is_component: false,
        },
        components,
    };
    let policy = Policy::default();
    let survey = Survey::of(&snapshot, &policy).unwrap();
    let terms = Terms {
        set_token: Address::ZERO,
        module: Address::ZERO,
        policy: &policy,
        caller_is_contract: false,
    };
    progress(Look { terms, snapshot: &snapshot, survey: &survey }, true)
}

#[test]
fn what_could_have_gone_on_is_idle_since_its_rest() {
    let ago = |seconds: u64| NOW - seconds;
    let told = |components: Vec<Component>, weth, raise| {
        let Progress { last, idle_since, .. } = of(components, weth, raise);
        let ago = |at: Option<u64>| at.map(|at| NOW - at);
        (ago(last), ago(idle_since))
    };
    let none = U256::ZERO;
    let sell = |seconds| component(10, 5, ago(seconds));
    let buy = |seconds| component(5, 10, ago(seconds));
    let met = |seconds| component(5, 5, ago(seconds));
    assert_eq!(told(vec![sell(1_000)], 0, none), (Some(1_000), Some(400)));
    assert_eq!(told(vec![sell(599)], 0, none), (Some(599), None), "it rests");
    assert_eq!(told(vec![sell(5_000), buy(700)], 0, none), (Some(700), Some(700)));
    assert_eq!(
        told(vec![sell(599), buy(5_000)], 0, none),
        (Some(599), None),
        "nothing pays for it"
    );
    assert_eq!(told(vec![sell(599), buy(5_000)], 3, none), (Some(599), Some(599)));
    assert_eq!(told(vec![met(5_000)], 3, none), (Some(5_000), None));
    assert_eq!(
        told(vec![met(5_000)], 3, RAISE),
        (Some(5_000), Some(5_000)),
        "targets can be raised"
    );
    assert_eq!(told(vec![component(10, 5, 0)], 0, none).0, None, "never traded");
}
