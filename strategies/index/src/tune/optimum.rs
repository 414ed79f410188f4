//! How large one trade of a component should be.
//!
//! A trade of size c in a pool with R on a side moves the price against itself by about c/R; moving X
//! takes X/c trades, each of which costs g in gas. So what varies with c is `X·c/R + (X/c)·g`, which is
//! least at `c* = √(g·R)`, whatever X is, as long as pools recover between two trades.
//!
//! Source of the sizes for a bound of the price impact: `UniswapV2Library`'s formulas, solved for the
//! amount; the impact is the average price of a trade against the price before, without fees.

use alloy::primitives::{U256, U512};

use crate::{
    decimal::{ONE, narrow},
    module::Side,
    quote::{Hop, WHOLE},
    venue::Venue,
};

/// Digits that an advised size has: people set it, and compare it.
const DIGITS: usize = 3;
/// Halvings until a size is found by trial, in the pools' formulas.
const HALVINGS: u32 = 64;

/// What a way through pools has on a side, in base units of the intermediate asset: the impacts of two
/// pools one after another add up.
pub fn depth(hops: &[Hop]) -> Option<U256> {
    // What a base unit of a hop's outcome is worth in the intermediate asset, as a fraction.
    let mut worth = (U512::ONE, U512::ONE);
    let mut depth: Option<U512> = None;
    for hop in hops.iter().rev() {
        let side = U512::from(hop.reserve_out).checked_mul(worth.0)?.checked_div(worth.1)?;
        depth = Some(match depth {
            None => side,
            Some(so_far) => so_far.checked_mul(side)?.checked_div(so_far.checked_add(side)?)?,
        });
        worth.0 = worth.0.checked_mul(U512::from(hop.reserve_out))?;
        worth.1 = worth.1.checked_mul(U512::from(hop.reserve_in))?;
    }
    narrow(depth?)
}

/// The size at which impact and gas together cost least, in the intermediate asset: √(gas · depth),
/// rounded down.
pub fn best(gas_cost: U256, depth: U256) -> Option<U256> {
    Some(gas_cost.checked_mul(depth)?.root(2))
}

/// The price impact of a trade that loses so much against the price of the pools, fees included; 18
/// decimals.
pub fn impact(venue: &Venue, side: Side, lost: U256) -> Option<U256> {
    let kept = venue.kept()?;
    match side {
        // out = amount · price · (1 − fee) · (1 − impact)
        Side::Sell => {
            let rest = ONE.checked_sub(lost)?.checked_mul(ONE)?.checked_div(kept)?;
            Some(ONE.saturating_sub(rest))
        }
        // in = amount · price · (1 + impact) / (1 − fee)
        Side::Buy => {
            let paid = ONE.checked_add(lost)?.checked_mul(kept)?.checked_div(ONE)?;
            Some(paid.saturating_sub(ONE))
        }
    }
}

/// The largest trade of one pool whose impact is at most `bound`, base units of the component,
/// rounded down.
pub fn closed_form(hop: &Hop, side: Side, bound: U256) -> Option<U256> {
    let reserve = U512::from(hop.reserve_in).checked_mul(U512::from(bound))?;
    narrow(match side {
        Side::Sell => {
            let rest = U512::from(ONE.checked_sub(bound)?);
            let kept = U512::from(WHOLE.checked_sub(hop.fee)?);
            reserve.checked_mul(U512::from(WHOLE))?.checked_div(rest.checked_mul(kept)?)?
        }
        Side::Buy => reserve.checked_div(U512::from(ONE.checked_add(bound)?))?,
    })
}

/// The same through any pools, by trial.
pub fn at_bound(venue: &Venue, side: Side, bound: U256) -> Option<U256> {
    let Venue::Pools(hops) = venue else { return None };
    if let [hop] = hops.as_slice() {
        return closed_form(hop, side, bound);
    }
    // No pool of the way gives more than the first alone would.
    let (mut low, mut high) = (U256::ZERO, closed_form(hops.first()?, side, bound)?);
    for _ in 0..HALVINGS {
        let Some(middle) = between(low, high) else { break };
        let fits = venue.cost(side, middle).and_then(|lost| impact(venue, side, lost));
        if fits.is_some_and(|impact| impact <= bound) { low = middle } else { high = middle }
    }
    Some(low)
}

/// What lies between two sizes; `None` if nothing does.
pub fn between(low: U256, high: U256) -> Option<U256> {
    let half = high.checked_sub(low)?.checked_div(U256::from(2))?;
    low.checked_add(half).filter(|middle| *middle > low)
}

/// Base units of a component that are worth so much at the price of the pools, rounded down.
pub fn units(venue: &Venue, wei: U256) -> Option<U256> {
    let (into, out) = venue.price()?;
    narrow(U512::from(wei).checked_mul(into)?.checked_div(out)?)
}

/// What base units of a component are worth at the price of the pools, rounded down.
pub fn worth(venue: &Venue, units: U256) -> Option<U256> {
    let (into, out) = venue.price()?;
    narrow(U512::from(units).checked_mul(out)?.checked_div(into)?)
}

/// The largest number with three digits that is not above this one.
pub fn rounded(units: U256) -> U256 {
    let digits = units.to_string().len();
    let power = U256::from(10).checked_pow(U256::from(digits.saturating_sub(DIGITS)));
    let cut = power.and_then(|power| units.checked_div(power)?.checked_mul(power));
    cut.unwrap_or(units)
}

/// How long a component should rest between two trades, seconds: others bring its pool back the
/// sooner, the more they can trade of it elsewhere. Five minutes where there is as much elsewhere, ten
/// with a quarter of it, a quarter of an hour else (IIP-6 chose these three in this way).
pub fn rest(own: U256, elsewhere: U256) -> u64 {
    let quarter = own.checked_div(U256::from(4)).unwrap_or_default();
    if elsewhere >= own {
        300
    } else if elsewhere >= quarter {
        600
    } else {
        900
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decimal::fixed;

    fn e18(text: &str) -> U256 {
        fixed(text, 18).unwrap()
    }

    fn hop(reserve_in: &str, reserve_out: &str) -> Hop {
        Hop { reserve_in: e18(reserve_in), reserve_out: e18(reserve_out), fee: 3_000 }
    }

    #[test]
    fn the_best_size_is_that_of_the_examples() {
        // 290,000 gas at 30 gwei.
        let gas = e18("0.0087");
        assert!(best(gas, e18("2000")).unwrap().to_string().starts_with("41713307"));
        assert!(best(gas, e18("120")).unwrap().to_string().starts_with("10217631"));
    }

    /// What moving `total` costs in sizes of `size`, by the pool's own formula.
    fn cost(hop: Hop, total: U256, size: U256, gas: U256) -> U256 {
        let venue = Venue::Pools(vec![hop]);
        let lost = venue.cost(Side::Sell, units(&venue, size).unwrap()).unwrap();
        total * lost / ONE + total * gas / size
    }

    #[test]
    fn neither_a_larger_nor_a_smaller_size_costs_less() {
        let (hop, gas, total) = (hop("1000000", "2000"), e18("0.0087"), e18("300"));
        let best = best(gas, depth(&[hop]).unwrap()).unwrap();
        let at = |per_mille: u64| {
            cost(hop, total, best * U256::from(per_mille) / U256::from(1_000), gas)
        };
        for other in [500, 800, 900, 1_110, 1_250, 2_000] {
            assert!(at(1_000) < at(other), "{other}");
        }
    }

    #[test]
    fn two_pools_are_as_deep_as_both_together() {
        // 3,000,000 dollars at 1/3,000 are 1,000 ether; beside them 500.
        let hops = [hop("60000", "3000000"), hop("1500000", "500")];
        assert!(depth(&hops).unwrap().to_string().starts_with("333333333333333333"));
        assert_eq!(depth(&[hop("7", "120")]), Some(e18("120")));
        assert_eq!(depth(&[]), None);
    }

    #[test]
    fn sizes_and_rests_are_round() {
        for (units, expected) in [("0", "0"), ("7", "7"), ("999", "999"), ("123456", "123000")] {
            assert_eq!(rounded(units.parse().unwrap()).to_string(), expected);
        }
        let rest = |elsewhere: u64| rest(U256::from(100), U256::from(elsewhere));
        assert_eq!([rest(100), rest(99), rest(25), rest(24)], [300, 600, 600, 900]);
    }

    proptest! {
        /// The closed form meets the bound, and a ten-thousandth more does not.
        #[test]
        fn a_size_at_the_bound_has_that_impact(
            first in 1_u128 << 50..1 << 110, second in 1_u128 << 50..1 << 110,
            third in 1_u128 << 50..1 << 110, bound in 10_u64..500, sell: bool, twice: bool,
        ) {
            let hop = |a: u128, b: u128| {
                Hop { reserve_in: U256::from(a), reserve_out: U256::from(b), fee: 3_000 }
            };
            let hops = if twice { vec![hop(first, second), hop(second, third)] } else { vec![hop(first, third)] };
            prop_assume!(first / third < 1 << 30 && third / first < 1 << 30);
            let (venue, side) = (Venue::Pools(hops), if sell { Side::Sell } else { Side::Buy });
            let bound = U256::from(bound) * U256::from(100_000_000_000_000_u64);
            let size = at_bound(&venue, side, bound).unwrap();
            let of = |size| impact(&venue, side, venue.cost(side, size).unwrap()).unwrap();
            // Amounts are whole base units: a part of a millionth of the bound.
            let slack = bound / U256::from(1_000_000) + U256::from(10).pow(U256::from(9));
            prop_assert!(of(size) <= bound + slack, "{} {bound}", of(size));
            let more = size + size / U256::from(10_000) + U256::ONE;
            prop_assert!(of(more) + slack > bound, "{} {bound}", of(more));
        }
    }
}
