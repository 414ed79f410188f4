//! What a pool of constant product gives, and the limit that a trade is sent with.
//!
//! Source of the formulas: `UniswapV2Library` (`getAmountOut`, `getAmountIn`), 0.3 % taken from what
//! goes in; Sushiswap's is the same.

use alloy::primitives::{U256, U512, uint};

use crate::decimal::ONE;

/// What is left of an input after the pool's fee, in thousandths.
const KEPT: U512 = uint!(997_U512);
const WHOLE: U512 = uint!(1000_U512);

/// Reserves of a pool, seen in the direction of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Base units of what goes in.
    pub reserve_in: U256,
    /// Base units of what comes out.
    pub reserve_out: U256,
}

/// What comes out of a way through pools for an exact input, rounded down at each of them; `None` if
/// a pool is empty.
pub fn amount_out(hops: &[Hop], amount_in: U256) -> Option<U256> {
    hops.iter().try_fold(amount_in, |amount, hop| hop.out(amount))
}

/// What has to go in for an exact output, rounded up at each pool; `None` if a pool does not hold
/// that much.
pub fn amount_in(hops: &[Hop], amount_out: U256) -> Option<U256> {
    hops.iter().rev().try_fold(amount_out, |amount, hop| hop.needed(amount))
}

impl Hop {
    fn out(&self, amount_in: U256) -> Option<U256> {
        if self.reserve_in.is_zero() || self.reserve_out.is_zero() {
            return None;
        }
        let with_fee = U512::from(amount_in).checked_mul(KEPT)?;
        let numerator = with_fee.checked_mul(U512::from(self.reserve_out))?;
        let reserve = U512::from(self.reserve_in).checked_mul(WHOLE)?;
        narrow(numerator.checked_div(reserve.checked_add(with_fee)?)?)
    }

    fn needed(&self, amount_out: U256) -> Option<U256> {
        let rest = self.reserve_out.checked_sub(amount_out).filter(|rest| !rest.is_zero())?;
        let product = U512::from(self.reserve_in).checked_mul(U512::from(amount_out))?;
        let numerator = product.checked_mul(WHOLE)?;
        let denominator = U512::from(rest).checked_mul(KEPT)?;
        narrow(numerator.checked_div(denominator)?.checked_add(U512::ONE)?)
    }
}

/// The least that a sell accepts: `quoted` less the tolerance, rounded down.
pub fn least(quoted: U256, tolerance: U256) -> Option<U256> {
    let kept = ONE.checked_sub(tolerance)?;
    let product = U512::from(quoted).checked_mul(U512::from(kept))?;
    narrow(product.checked_div(U512::from(ONE))?)
}

/// The most that a buy spends: `quoted` and the tolerance, rounded up.
pub fn most(quoted: U256, tolerance: U256) -> Option<U256> {
    let grown = ONE.checked_add(tolerance)?;
    let product = U512::from(quoted).checked_mul(U512::from(grown))?;
    narrow(
        product
            .checked_add(U512::from(ONE))?
            .checked_sub(U512::ONE)?
            .checked_div(U512::from(ONE))?,
    )
}

fn narrow(wide: U512) -> Option<U256> {
    U256::checked_from_limbs_slice(wide.as_limbs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hop(reserve_in: u128, reserve_out: u128) -> Hop {
        Hop { reserve_in: U256::from(reserve_in), reserve_out: U256::from(reserve_out) }
    }

    #[test]
    fn the_routers_own_numbers() {
        // UniswapV2Library's tests: 1 into (5, 10) and (10, 5), 18 decimals.
        let e18 = 1_000_000_000_000_000_000_u128;
        let out = |a, b| amount_out(&[hop(a * e18, b * e18)], ONE).unwrap().to_string();
        assert_eq!(out(5, 10), "1662497915624478906");
        assert_eq!(out(10, 5), "453305446940074565");
        assert_eq!(amount_out(&[hop(100, 100)], U256::from(2)), Some(U256::ONE));
        assert_eq!(amount_in(&[hop(100, 100)], U256::ONE), Some(U256::from(2)));
    }

    #[test]
    fn a_pool_cannot_give_all_it_has() {
        assert_eq!(amount_in(&[hop(100, 100)], U256::from(100)), None);
        assert_eq!(amount_out(&[hop(0, 100)], U256::from(1)), None);
    }

    #[test]
    fn limits_are_rounded_in_favour_of_the_trade() {
        let one_percent = U256::from(10_000_000_000_000_000_u128);
        assert_eq!(least(U256::from(101), one_percent), Some(U256::from(99)));
        assert_eq!(most(U256::from(101), one_percent), Some(U256::from(103)));
        assert_eq!(least(U256::MAX, U256::ZERO), Some(U256::MAX));
        assert_eq!(most(U256::MAX, ONE), None);
    }

    proptest! {
        /// What was quoted for an exact output buys it; a base unit less would not by more than
        /// the rounding.
        #[test]
        fn what_is_needed_suffices(a in 1_u128 << 40..1 << 110, b in 1_u128 << 40..1 << 110, c in 1_u128 << 40..1 << 110, share in 2_u128..1_000) {
            let hops = [hop(a, b), hop(b, c)];
            let wanted = U256::from(c / share / 4);
            if let Some(needed) = amount_in(&hops, wanted) {
                prop_assert!(amount_out(&hops, needed).unwrap() >= wanted);
            }
        }
    }
}
