//! Single states that random rebalances hardly ever come to.

use alloy::{primitives::U256, sol_types::SolCall};
use ballast_strategy_api::{Action, Decision, Pending};

use super::{
    super::{
        RAISE,
        hold::{DEAR, OFF_REFERENCE},
        stands,
    },
    Asset, Held, ONE, START, World,
    properties::is_within,
};
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
        may_trade: true,
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

/// A price that is so many parts of 1,000 of what it was, for good.
fn moved(world: &mut World, place: usize, parts: u64) {
    let asset = &mut world.assets[place];
    asset.calm.reserve_out = asset.calm.reserve_out * U256::from(parts) / U256::from(1_000);
    asset.pool = asset.calm;
}

/// Whether what is signed at `before` should still be made by what is decided at `now`.
fn still_stands(before: &World, now: &World) -> bool {
    let (action, (decision, _)) = (acts(before), now.decide());
    let pending = Pending {
        action: action.name,
        answers: action.answers.as_str(),
        call: &action.candidates.first,
    };
    stands(&pending, &decision, &now.policy)
}

fn changed(world: &World, change: impl FnOnce(&mut World)) -> World {
    let mut world = world.clone();
    change(&mut world);
    world
}

#[test]
fn a_sell_that_would_bring_more_by_now_does_not_stand() {
    let world = world(0, vec![asset(60, 40, 5), asset(40, 60, 5)]);
    for (parts, stands) in
        [(1_000, true), (1_005, true), (980, true), (1_010, false), (1_050, false)]
    {
        let now = changed(&world, |world| moved(world, 0, parts));
        assert_eq!(still_stands(&world, &now), stands, "{parts}");
    }
    // A new maximum makes the same bytes a larger trade.
    let now = changed(&world, |world| world.assets[0].max_size = ONE * U256::from(10));
    assert!(!still_stands(&world, &now));
}

#[test]
fn a_buy_that_would_cost_less_by_now_does_not_stand() {
    let world = world(20, vec![asset(40, 60, 5)]);
    for (parts, stands) in [(1_000, true), (995, true), (1_020, true), (990, false), (950, false)] {
        let now = changed(&world, |world| moved(world, 0, parts));
        assert_eq!(still_stands(&world, &now), stands, "{parts}");
    }
}

#[test]
fn what_remains_does_not_stand_where_it_would_buy_more() {
    let world = world(3, vec![asset(40, 60, 5)]);
    assert_eq!(acts(&world).name, super::super::TRADE_REMAINING);
    for (parts, stands) in [(1_000, true), (995, true), (1_020, true), (990, false)] {
        let now = changed(&world, |world| moved(world, 0, parts));
        assert_eq!(still_stands(&world, &now), stands, "{parts}");
    }
}

/// A sell is signed for; then a rebalance is started in which the same component is bought, or
/// another one is due.
#[test]
fn nothing_stands_that_was_signed_for_another_rebalance() {
    let world = world(0, vec![asset(60, 40, 5), asset(40, 60, 5)]);
    let turned = |world: &mut World| {
        world.assets[0].target = hundredths(80);
        world.assets[1].target = hundredths(20);
    };
    assert!(!still_stands(&world, &changed(&world, turned)));
    // By the multiplier alone: all targets are scaled.
    let scaled = changed(&world, |world| world.started_at = ONE * U256::from(2));
    assert!(!still_stands(&world, &scaled));
    // Another component goes first, in the same rebalance: both are to be made.
    let other = changed(&world, |world| world.assets[0].max_size = ONE);
    let third = changed(&other, |world| world.assets.push(asset(60, 40, 5)));
    assert!(!still_stands(&other, &third), "with another component");
    let before = changed(&third, |world| world.assets[2].last_trade = START - 10);
    assert!(still_stands(&before, &third));
}

#[test]
fn no_trade_stands_where_none_could_be_made() {
    let world = world(0, vec![asset(60, 40, 5), asset(40, 60, 5)]);
    // The pool is bent upwards: the index would get too little of it.
    let bent = changed(&world, |world| {
        let pool = &mut world.assets[0].pool;
        pool.reserve_out = pool.reserve_out * U256::from(11) / U256::from(10);
    });
    assert!(matches!(bent.decide().0, Decision::Blocked { .. }));
    assert!(!still_stands(&world, &bent));
    // All is met, by somebody else's trades, and targets are raised.
    let met = changed(&world, |world| {
        world.raise_percentage = hundredths(1);
        for asset in &mut world.assets {
            let balance = asset.target * U256::from(100);
            asset.held = Held { virtual_unit: asset.target, balance };
        }
        world.weth = Held { virtual_unit: hundredths(1), balance: ONE };
    });
    assert_eq!(acts(&met).name, RAISE);
    assert!(!still_stands(&world, &met));
}

/// A pool that says a multiple of the price, or a part of it.
fn bent(world: &World, place: usize, times: u64, over: u64) -> World {
    changed(world, |world| {
        let pool = &mut world.assets[place].pool;
        pool.reserve_out = pool.reserve_out * U256::from(times) / U256::from(over);
    })
}

#[test]
fn a_bent_pool_makes_no_other_trade_too_little() {
    // The second is on its target, a hundredth of the index.
    let world = world(0, vec![asset(60, 58, 5), asset(1, 1, 5)]);
    let bent = bent(&world, 1, 100_000, 1);
    assert_eq!(acts(&bent).candidates, acts(&world).candidates);
}

#[test]
fn a_pool_that_is_bent_down_is_told_and_not_called_dust() {
    let world = world(0, vec![asset(60, 58, 5), asset(40, 40, 5)]);
    let decision = bent(&world, 0, 1, 100_000).decide().0;
    let Decision::Blocked { reason, .. } = decision else { panic!("{decision:?}") };
    assert_eq!(reason, OFF_REFERENCE);
}

/// Five pieces of a token without decimals are exactly five: that they cannot be halved is no reason to
/// take a tenth less for them.
#[test]
fn pieces_that_cannot_be_halved_are_no_cheaper_to_trade() {
    for target in [45, 55] {
        let pieces = U256::from(50);
        let pool = Hop { reserve_in: pieces, reserve_out: ONE * pieces, fee: 3_000 };
        let whole = Asset {
            held: Held { virtual_unit: pieces, balance: pieces },
            target: U256::from(target),
            max_size: U256::from(5),
            decimals: 0,
            pool,
            calm: pool,
            ..asset(0, 0, 0)
        };
        let deep = Hop {
            reserve_in: pieces * U256::from(100),
            reserve_out: ONE * pieces * U256::from(100),
            fee: 3_000,
        };
        let deep = Asset { pool: deep, calm: deep, ..whole.clone() };
        let of = |asset: Asset| {
            changed(&world(0, vec![asset]), |world| {
                world.supply = ONE;
                let free = ONE * U256::from(10);
                world.weth = Held { virtual_unit: free, balance: free };
            })
        };
        let decision = of(whole).decide().0;
        let Decision::Blocked { reason, .. } = decision else { panic!("{target}: {decision:?}") };
        assert_eq!(reason, DEAR, "{target}");
        assert_eq!(acts(&of(deep)).name, super::super::TRADE, "{target}");
    }
}
