//! Rebalances at random: tokens of any decimals and price, weights to and from nothing, thin pools.

use alloy::primitives::U256;
use proptest::prelude::*;

use super::{Asset, Held, ONE, START, World};
use crate::{params::Policy, quote::Hop};

/// One component before it is known what a whole index is worth.
#[derive(Debug, Clone)]
struct Draft {
    decimals: u8,
    /// Of a whole token: 10^this wei …
    magnitude: u8,
    /// … times this over 100.
    factor: u64,
    /// Parts of the index before and after; none at all is a new one, or one that goes.
    from: u32,
    to: u32,
    /// Trades that it is cut into.
    steps: u64,
    /// How much of the pool one trade is, in parts of 10,000.
    share: u64,
    cool_off: u64,
    fee: u32,
}

prop_compose! {
    fn drafts()(
        decimals in prop_oneof![Just(18_u8), Just(6), Just(8), Just(0), 0_u8..=18],
        magnitude in 12_u8..=20,
        factor in 100_u64..1_000,
        from in prop_oneof![1 => Just(0_u32), 6 => 1_u32..100],
        to in prop_oneof![1 => Just(0_u32), 6 => 1_u32..100],
        keeps in prop::bool::weighted(0.1),
        steps in 1_u64..6,
        share in 5_u64..80,
        cool_off in prop_oneof![1 => Just(0_u64), 4 => 60_u64..3_600],
        fee in prop_oneof![Just(500_u32), Just(3_000), Just(10_000)],
    ) -> Draft {
        let to = if keeps { from } else { to };
        Draft { decimals, magnitude, factor, from, to, steps, share, cool_off, fee }
    }
}

fn wei(draft: &Draft) -> U256 {
    U256::from(10).pow(U256::from(draft.magnitude)) * U256::from(draft.factor) / U256::from(100)
}

/// The unit that a weight is, of an index token worth 1 ether.
fn unit(draft: &Draft, weight: u32, all: u32) -> U256 {
    let scale = U256::from(10).pow(U256::from(draft.decimals));
    ONE * U256::from(weight) * scale / U256::from(all) / wei(draft)
}

prop_compose! {
    pub(super) fn worlds()(
        drafts in prop::collection::vec(drafts(), 2..8),
        weth in (prop::bool::weighted(0.3), 1_u32..30, 0_u32..30),
        supply in prop_oneof![1_u64..20, 20_u64..10_000],
        odd in 0_u64..1_000_000_007,
        haircut in prop_oneof![Just(0_u64), 1_u64..300],
        fee in prop_oneof![2 => Just(0_u64), 1 => Just(10_u64), 1 => 1_u64..100],
        raise in prop_oneof![Just(0_u64), Just(25), 25_u64..100],
        accrued in 0_u64..500,
    ) -> World {
        let mut drafts = drafts;
        // Some of it before, and some of it after.
        drafts[0].from = drafts[0].from.max(1);
        let last = drafts.len() - 1;
        drafts[last].to = drafts[last].to.max(1);
        build(drafts, weth, (supply, odd), haircut, (fee, raise, accrued))
    }
}

fn bp(parts: u64) -> U256 {
    U256::from(parts) * ONE / U256::from(10_000)
}

fn build(
    drafts: Vec<Draft>,
    (listed, weth_from, weth_to): (bool, u32, u32),
    (supply, odd): (u64, u64),
    haircut: u64,
    (fee, raise, accrued): (u64, u64, u64),
) -> World {
    let (weth_from, weth_to) = if listed { (weth_from, weth_to) } else { (0, 0) };
    let all = |weights: u32, of: &dyn Fn(&Draft) -> u32| {
        (weights + drafts.iter().map(of).sum::<u32>()).max(1)
    };
    let (all_from, all_to) = (all(weth_from, &|d| d.from), all(weth_to, &|d| d.to));
    // So many decimals that a thousandth of the component can be told: else it is off by rounding.
    let drafts: Vec<Draft> = drafts
        .iter()
        .cloned()
        .map(|mut draft| {
            let is_coarse = |draft: &Draft, weight, all| {
                weight > 0 && unit(draft, weight, all) < U256::from(1_000)
            };
            while is_coarse(&draft, draft.from, all_from) || is_coarse(&draft, draft.to, all_to) {
                draft.decimals += 1;
            }
            draft
        })
        .collect();
    let supply = U256::from(supply) * ONE + U256::from(odd);
    let multiplier = ONE - bp(accrued) / U256::from(3);
    let kept = ONE - bp(haircut);
    let held = |unit: U256| {
        let virtual_unit = unit * ONE / multiplier;
        // A little that nobody has accounted for: also what issuing by units that are rounded down
        // may come short of, once fees accrue.
        let untracked = supply / ONE * U256::from(10) + U256::from(odd % 1_000);
        Held { virtual_unit, balance: (supply * unit).div_ceil(ONE) + untracked }
    };
    let assets = drafts.iter().map(|draft| {
        let now = unit(draft, draft.from, all_from);
        let target = unit(draft, draft.to, all_to) * kept / ONE;
        let amount = (supply * now.abs_diff(target) / ONE).max(U256::from(2));
        let max_size = amount.div_ceil(U256::from(draft.steps)) + U256::from(7);
        let reserve_in = max_size * U256::from(10_000) / U256::from(draft.share);
        let reserve_in = reserve_in.max(U256::from(1_000_000));
        let scale = U256::from(10).pow(U256::from(draft.decimals));
        let reserve_out = (reserve_in * wei(draft) / scale).max(U256::from(1_000_000));
        let pool = Hop { reserve_in, reserve_out, fee: draft.fee };
        Asset {
            held: held(now),
            target,
            max_size,
            cool_off: draft.cool_off,
            last_trade: 0,
            decimals: draft.decimals,
            pool,
            calm: pool,
        }
    });
    World {
        now: START,
        supply,
        multiplier,
        started_at: multiplier,
        protocol_fee: bp(fee),
        raise_percentage: bp(raise),
        weth: held(ONE * U256::from(weth_from) / U256::from(all_from)),
        weth_target: ONE * U256::from(weth_to) / U256::from(all_to) * kept / ONE,
        weth_listed: listed,
        assets: assets.collect(),
        may_trade: true,
        policy: Policy::default(),
    }
}
