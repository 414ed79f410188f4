//! What a pool of constant product gives and takes.
//!
//! Source of the formulas: `UniswapV2Library` (`getAmountOut`, `getAmountIn`), 0.3 % taken from what
//! goes in; Sushiswap's is the same.

use alloy::primitives::{U256, U512};

use crate::{decimal::narrow, module::Side};

/// Fees are in millionths.
pub const WHOLE: u32 = 1_000_000;

/// Reserves of a pool, seen in the direction of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// Base units of what goes in.
    pub reserve_in: U256,
    /// Base units of what comes out.
    pub reserve_out: U256,
    /// What the pool takes of what goes in, in millionths; 3,000 in Uniswap V2.
    pub fee: u32,
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

/// In what comes out of the last pool, what a trade of `amount` of what goes into the first comes to:
/// a sell gives it, a buy takes it. `None` as with [`amount_out`] and [`amount_in`].
pub fn traded(hops: &[Hop], side: Side, amount: U256) -> Option<U256> {
    match side {
        Side::Sell => amount_out(hops, amount),
        Side::Buy => amount_in(&reversed(hops), amount),
    }
}

/// The way back.
pub fn reversed(hops: &[Hop]) -> Vec<Hop> {
    hops.iter().rev().map(Hop::reversed).collect()
}

impl Hop {
    /// The same pool in the other direction.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let Self { reserve_in, reserve_out, fee } = *self;
        Self { reserve_in: reserve_out, reserve_out: reserve_in, fee }
    }

    /// What is left of an input after the fee, in millionths.
    fn kept(&self) -> Option<U512> {
        WHOLE.checked_sub(self.fee).map(U512::from)
    }

    fn out(&self, amount_in: U256) -> Option<U256> {
        if self.reserve_in.is_zero() || self.reserve_out.is_zero() {
            return None;
        }
        let with_fee = U512::from(amount_in).checked_mul(self.kept()?)?;
        let numerator = with_fee.checked_mul(U512::from(self.reserve_out))?;
        let reserve = U512::from(self.reserve_in).checked_mul(U512::from(WHOLE))?;
        narrow(numerator.checked_div(reserve.checked_add(with_fee)?)?)
    }

    fn needed(&self, amount_out: U256) -> Option<U256> {
        let rest = self.reserve_out.checked_sub(amount_out).filter(|rest| !rest.is_zero())?;
        let product = U512::from(self.reserve_in).checked_mul(U512::from(amount_out))?;
        let numerator = product.checked_mul(U512::from(WHOLE))?;
        let denominator = U512::from(rest).checked_mul(self.kept()?)?;
        narrow(numerator.checked_div(denominator)?.checked_add(U512::ONE)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decimal::ONE;

    fn hop(reserve_in: u128, reserve_out: u128) -> Hop {
        Hop { reserve_in: U256::from(reserve_in), reserve_out: U256::from(reserve_out), fee: 3_000 }
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
