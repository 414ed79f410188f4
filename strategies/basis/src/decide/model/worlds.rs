//! Products at random, most of them near an edge of the rules.

use alloy::primitives::{I256, U256};
use proptest::prelude::*;

use super::{UNIT, World, abs, div, int, mul};
use crate::policy::{GasMultiple, Policy};

pub(super) const NOW: u64 = 2_000_000_000;

/// Where a TWAP goes.
#[derive(Debug, Clone, Copy)]
enum Twap {
    Closed,
    To(u64),
    ToTheRatio,
    ToTheTarget,
}

/// Moments around a period that ends now: well before, exactly at its ends, long over.
fn moments(period: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(NOW),
        Just(NOW - period + 1),
        Just(NOW - period),
        Just(NOW - period - 1),
        1_000_000_000..=NOW,
    ]
}

pub(super) fn milli(thousandths: u64) -> I256 {
    int(thousandths) * int(1_000_000_000_000_000)
}

fn intervals() -> impl Strategy<Value = U256> {
    prop_oneof![Just(U256::MAX), Just(U256::from(86_400)), Just(U256::from(604_800))]
}

prop_compose! {
    /// Choices around the bounds that a world has, some of them refused.
    fn policies()(
        min in prop::option::weighted(0.2, 0_u64..400),
        max in prop::option::weighted(0.2, 0_u64..400),
        is_tighter in prop::bool::weighted(0.1),
        times in prop_oneof![
            Just(None),
            Just(Some(0)),
            (1_u64..1_000_000_000_000).prop_map(Some),
        ],
    ) -> (Option<u64>, Option<u64>, bool, Option<u64>) {
        (min, max, is_tighter, times)
    }
}

prop_compose! {
    /// Bounds lie at random, or within one unit of the ratio: the comparisons are strict.
    pub(super) fn worlds()(
        size in (1_000_u64..10_000_000).prop_map(milli),
        price in (100_u64..5_000, 80_u64..120),
        leverage in prop_oneof![1 => Just(0_u64), 19 => 100_u64..4_000],
        bounds in (0_u8..12, 100_u64..4_000, 100_u64..4_000, 100_u64..4_000),
        line in prop_oneof![Just(0_u64), 1_u64..2_000, 1_u64..100],
        speed in prop_oneof![Just(1_000_u64), Just(50_u64), 1_u64..1_000],
        periods in (intervals(), intervals()),
        clocks in (
            prop_oneof![moments(86_400), moments(3_000), moments(60)],
            prop_oneof![moments(604_800), moments(86_400)],
        ),
        twap in prop_oneof![
            6 => Just(Twap::Closed),
            3 => (100_u64..4_000).prop_map(Twap::To),
            1 => Just(Twap::ToTheRatio),
            1 => Just(Twap::ToTheTarget),
        ],
        caps in (1_u64..3_000_000, 1_u64..3_000_000),
        funding in (0_u64..100, -50_i64..50, 0_u64..300),
        is_permitted in prop::bool::weighted(0.9),
        policy in policies(),
    ) -> World {
        let (dollars, entry) = price;
        let price = int(dollars) * UNIT;
        let value = mul(size, price);
        let notional = value * int(entry) / int(100);
        // An account that is worth nothing, or a little less, has no ratio.
        let account = if leverage == 0 { -UNIT } else { div(value, milli(leverage)) };
        let (tracked, pending, fee) = funding;
        let pending = account * I256::try_from(pending).unwrap() / int(1_000);
        let mut world = World {
            now: NOW,
            size: -size,
            notional,
            cash: account + value - notional - pending,
            pending,
            tracked: abs(account) * int(tracked) / int(1_000),
            price,
            supply: int(1_000) * UNIT,
            spot: size,
            fee: milli(fee),
            target: I256::ZERO,
            min: I256::ZERO,
            max: I256::ZERO,
            line: I256::ZERO,
            speed: milli(speed),
            interval: periods.0,
            reinvest_interval: periods.1,
            min_units: U256::from(10_000),
            cooldown: 3_000,
            ripcord_cooldown: 60,
            twap: I256::ZERO,
            last_trade: clocks.0,
            last_reinvest: clocks.1,
            cap: milli(caps.0),
            ripcord_cap: milli(caps.0 + caps.1),
            is_permitted,
            policy: Policy::default(),
        };
        let ratio = abs(world.ratio()).max(milli(100));
        let (choice, a, b, c) = bounds;
        let mut sorted = match choice {
            0 => [ratio, ratio, ratio],
            1 => [ratio + I256::ONE, ratio + milli(10), ratio + milli(20)],
            2 => [ratio - milli(20), ratio - milli(10), ratio - I256::ONE],
            3..=5 => [ratio - milli(50), ratio + milli(10), ratio + milli(300)],
            6 | 7 => [ratio / int(4), ratio / int(3), ratio / int(2)],
            _ => [milli(a), milli(b), milli(c)],
        };
        sorted.sort();
        let [low, target, high] = sorted;
        (world.min, world.target, world.max) = (-low, -target, -high);
        // At the ratio itself, or somewhere beyond the bound.
        world.line = if line == 0 { -ratio.max(high) } else { -(high + milli(line)) };
        world.twap = match twap {
            Twap::Closed => I256::ZERO,
            Twap::To(thousandths) => -milli(thousandths),
            Twap::ToTheRatio => world.ratio(),
            Twap::ToTheTarget => world.target,
        };
        let (min, max, is_tighter, times) = policy;
        let raw = |value: I256| U256::try_from(value).unwrap();
        let low = raw(low);
        let by = |by: u64| raw(milli(by));
        world.policy = Policy {
            custom_min: min.map(|m| if is_tighter { low + by(m) } else { low.saturating_sub(by(m)) }),
            custom_max: max.map(|m| raw(high) + by(m)),
            gas_multiple: times.map_or_else(GasMultiple::default, |times| GasMultiple {
                times: by(times),
                is_chosen: true,
            }),
        };
        world
    }
}
