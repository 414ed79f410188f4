//! Single states that random rebalances hardly ever come to.

use alloy::{primitives::U256, sol_types::SolCall};
use ballast_strategy_api::{Action, Decision};

use super::{Asset, Held, ONE, START, World, properties::is_within};
use crate::{contracts::IGeneralIndexModule::tradeCall, params::Policy, quote::Hop};

/// Hundredths of a whole token, of 18 decimals.
fn hundredths(parts: u64) -> U256 {
    U256::from(parts) * ONE / U256::from(100)
}

/// Of 100 sets: a token of 1 ether in a deep pool, `from` and `to` hundredths of it per set.
fn asset(from: u64, to: u64, max_size: u64) -> Asset {
    let pool = Hop {
        reserve_in: ONE * U256::from(10_000),
        reserve_out: ONE * U256::from(10_000),
        fee: 3_000,
    };
    Asset {
        held: Held { virtual_unit: hundredths(from), balance: ONE * U256::from(from) },
        target: hundredths(to),
        max_size: ONE * U256::from(max_size),
        cool_off: 600,
        last_trade: 0,
        decimals: 18,
        pool,
        calm: pool,
    }
}

/// 100 sets with so many whole WETH.
fn world(weth: u64, assets: Vec<Asset>) -> World {
    World {
        now: START,
        supply: ONE * U256::from(100),
        multiplier: ONE,
        started_at: ONE,
        protocol_fee: U256::ZERO,
        raise_percentage: U256::ZERO,
        weth: Held { virtual_unit: hundredths(weth), balance: ONE * U256::from(weth) },
        weth_target: U256::ZERO,
        weth_listed: false,
        assets,
        policy: Policy::default(),
    }
}

fn acts(world: &World) -> Action {
    match world.decide().0 {
        Decision::Act(action) => action,
        other @ (Decision::Wait { .. } | Decision::Blocked { .. }) => panic!("{other:?}"),
    }
}

/// The first has most left to buy, in trades of 1 ether, and waits for the second, which rests and
/// which nothing but more than there is would pay for.
#[test]
fn what_was_kept_for_others_is_no_limit_of_a_small_trade() {
    let resting = Asset { last_trade: START - 10, ..asset(40, 50, 100) };
    let mut world = world(9, vec![asset(40, 51, 1), resting]);
    let action = acts(&world);
    let limit = tradeCall::abi_decode(&action.candidates.first.data).unwrap().ethQuantityLimit;
    assert!(limit > ONE && limit < hundredths(102), "{limit} of {}", world.weth.balance);
    let before = world.clone();
    assert_eq!(world.execute(&action), Ok(Some(0)));
    assert!(is_within(&action, 0, &before, &world));
}
