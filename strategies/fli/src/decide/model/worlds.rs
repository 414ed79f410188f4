//! Products at random, most of them near an edge of the rules.

use std::cmp::max;

use alloy::primitives::{U256, uint};
use proptest::prelude::*;

use super::{BORROW_PRICE, NOW, RIPCORD_COOLDOWN, UNIT, Venue, World, div, mul};
use crate::{contracts::ILeverageStrategyExtension::MethodologySettings, policy::Policy};

/// Where a TWAP goes.
#[derive(Debug, Clone, Copy)]
enum Twap {
    Closed,
    To(u64),
    ToTheRatio,
    ToTheTarget,
}

/// Moments around a period that ends now: well before, exactly at its ends, long over.
fn last_trade(period: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(NOW - period + 1),
        Just(NOW - period),
        Just(NOW - period - 1),
        0..=NOW,
        NOW - 2 * period..=NOW,
    ]
}

pub(super) fn milli(thousandths: u64) -> U256 {
    U256::from(thousandths) * uint!(1_000_000_000_000_000_U256)
}

fn sizes() -> impl Strategy<Value = U256> {
    prop_oneof![
        1 => Just(U256::ZERO),
        1 => Just(U256::ONE),
        4 => (1_u64..300_000).prop_map(milli),
    ]
}

prop_compose! {
    /// Choices around the bounds that a world has, some of them refused.
    fn policies()(
        min in prop::option::weighted(0.3, 0_u64..400),
        max in prop::option::weighted(0.3, 0_u64..400),
        is_tighter in prop::bool::weighted(0.1),
        min_notional in prop::option::weighted(0.3, 0_u64..200_000),
    ) -> (Option<u64>, Option<u64>, bool, Option<u64>) {
        (min, max, is_tighter, min_notional)
    }
}

prop_compose! {
    fn venues(cooldown: u64)(
        venues in prop::collection::vec(
            (sizes(), sizes(), prop_oneof![last_trade(cooldown), last_trade(RIPCORD_COOLDOWN)]),
            1..4,
        )
    ) -> Vec<Venue> {
        let venue = |(size, ripcord_size, last_trade)| Venue { size, ripcord_size, last_trade };
        venues.into_iter().map(venue).collect()
    }
}

prop_compose! {
    /// Bounds lie at random, or within one unit of the ratio: the comparisons are strict.
    pub(super) fn worlds()(
        collateral in (1_u64..5_000_000).prop_map(milli),
        dollars in 100_u64..5_000,
        leverage in prop_oneof![1 => Just(1_000_u64), 19 => 1_001_u64..4_400],
        bounds in (0_u8..12, 1_000_u64..5_000, 1_000_u64..5_000, 1_000_u64..5_000),
        line in prop_oneof![Just(0_u64), 1_u64..2_000, 1_u64..100],
        speed in prop_oneof![Just(1_000_u64), Just(50_u64), 1_u64..1_000],
        interval in prop_oneof![Just(86_400_u64), Just(14_400)],
        global in prop_oneof![1 => Just(NOW), 9 => last_trade(86_400)],
        twap in prop_oneof![
            6 => Just(Twap::Closed),
            3 => (1_000_u64..4_000).prop_map(Twap::To),
            1 => Just(Twap::ToTheRatio),
            1 => Just(Twap::ToTheTarget),
        ],
        is_permitted in prop::bool::weighted(0.9),
        exchanges in venues(600),
        policy in policies(),
    ) -> World {
        let collateral_price = U256::from(dollars) * UNIT;
        let value = mul(collateral_price, collateral);
        let debt_value = value - div(value, milli(leverage));
        let mut world = World {
            now: NOW,
            collateral,
            debt: div(debt_value, BORROW_PRICE),
            collateral_price,
            methodology: MethodologySettings {
                targetLeverageRatio: U256::ZERO,
                minLeverageRatio: U256::ZERO,
                maxLeverageRatio: U256::ZERO,
                recenteringSpeed: milli(speed),
                rebalanceInterval: U256::from(interval),
            },
            ripcord_line: U256::ZERO,
            ripcord_cooldown: RIPCORD_COOLDOWN,
            twap_cooldown: 600,
            twap_ratio: U256::ZERO,
            global_last_trade: global,
            is_permitted,
            exchanges,
            policy: Policy::default(),
        };
        let ratio = world.ratio();
        let (choice, a, b, c) = bounds;
        let mut sorted = match choice {
            0 => [ratio, ratio, ratio],
            1 => [ratio + U256::ONE, ratio + milli(10), ratio + milli(20)],
            2 => [ratio - milli(20), ratio - milli(10), ratio - U256::ONE],
            3 => [ratio - milli(300), ratio, ratio + milli(300)],
            4..=6 => [mul(ratio, milli(500)), mul(ratio, milli(650)), mul(ratio, milli(800))],
            _ => [milli(a), milli(b), milli(c)],
        };
        sorted.sort();
        let [low, target, high] = sorted;
        world.methodology.minLeverageRatio = low;
        world.methodology.targetLeverageRatio = target;
        world.methodology.maxLeverageRatio = high;
        // At the ratio itself, or somewhere above the upper bound.
        world.ripcord_line = if line == 0 { max(ratio, high) } else { high + milli(line) };
        world.twap_ratio = match twap {
            Twap::Closed => U256::ZERO,
            Twap::To(thousandths) => milli(thousandths),
            Twap::ToTheRatio => ratio,
            Twap::ToTheTarget => target,
        };
        let (min, max, is_tighter, min_notional) = policy;
        let loosened = |bound: U256, by: u64| {
            if is_tighter { bound + milli(by) } else { bound.saturating_sub(milli(by)) }
        };
        world.policy = Policy {
            custom_min: min.map(|by| loosened(low, by)),
            custom_max: max.map(|by| high + milli(by)),
            min_notional: min_notional.map(milli),
        };
        world
    }
}
