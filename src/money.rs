//! US dollars as integers, and the two ways between them and the native currency.
//!
//! Rounding always goes against whoever wants to spend: what something costs is rounded up, what a
//! sum buys is rounded down.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

use std::fmt;

use alloy::primitives::{U256, uint};
use ballast_chains::feeds::Price;
use serde::{Serialize, Serializer};

/// Wei times a price of 18 decimals, per millionth of a dollar: 10¹⁸ · 10¹⁸ / 10⁶.
const WEI_PRICE_PER_MICRO: U256 = uint!(1_000_000_000_000_000_000_000_000_000_000_U256);
/// Decimals of a [`Usd`].
const DECIMALS: usize = 6;

/// An amount of US dollars in millionths. Sums saturate: an amount that does not fit 128 bits is
/// beyond any budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u128);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of that many millionths of a dollar.
    pub fn from_micro(micro: u64) -> Self {
        Self(u128::from(micro))
    }

    /// As [`from_micro`](Self::from_micro), for any amount there is.
    pub fn from_micros(micro: u128) -> Self {
        Self(micro)
    }

    /// In millionths of a dollar.
    pub fn micro(self) -> u128 {
        self.0
    }

    /// What that many wei cost at this price, rounded up.
    pub fn cost(wei: U256, price: Price) -> Self {
        let Some(product) = wei.checked_mul(price.fixed18()) else { return Self(u128::MAX) };
        Self(u128::try_from(product.div_ceil(WEI_PRICE_PER_MICRO)).unwrap_or(u128::MAX))
    }

    /// What that many wei that came in are worth at this price, rounded down.
    pub fn worth(wei: U256, price: Price) -> Self {
        let product = wei.saturating_mul(price.fixed18());
        let micro = product.checked_div(WEI_PRICE_PER_MICRO).unwrap_or_default();
        Self(u128::try_from(micro).unwrap_or(u128::MAX))
    }

    /// How many wei this pays for at this price, rounded down, so that their
    /// [`cost`](Self::cost) is never above it.
    pub fn buys(self, price: Price) -> U256 {
        // 128 bits times 100 bits fits 256, and a price is never zero.
        U256::from(self.0)
            .saturating_mul(WEI_PRICE_PER_MICRO)
            .checked_div(price.fixed18())
            .unwrap_or_default()
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// What is left of this after `spent`; nothing if that is more.
    #[must_use]
    pub fn less(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }
}

/// As its exact decimal text.
impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Exact decimal text: `99.5`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ballast_chains::amount::decimal(&self.0.to_string(), DECIMALS))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(fixed: u128) -> Price {
        Price::from_fixed18(U256::from(fixed)).unwrap()
    }

    const DOLLAR: u128 = 1_000_000_000_000_000_000;

    #[test]
    fn costs_are_rounded_up_and_purchases_down() {
        let ether = U256::from(DOLLAR);
        let two_thousand = price(2_000 * DOLLAR);
        assert_eq!(Usd::cost(ether, two_thousand).to_string(), "2000");
        assert_eq!(Usd::cost(U256::ONE, two_thousand), Usd::from_micro(1), "a wei is not free");
        assert_eq!(Usd::cost(U256::ZERO, two_thousand), Usd::ZERO);
        // 21,000 gas at 30 gwei: 0.00063 ether.
        let transfer = U256::from(21_000_u64 * 30) * U256::from(1_000_000_000_u64);
        assert_eq!(Usd::cost(transfer, two_thousand).to_string(), "1.26");
        assert_eq!(Usd::from_micro(1_260_000).buys(two_thousand), transfer);
        assert_eq!(Usd::from_micro(1).buys(price(3 * DOLLAR)), U256::from(333_333_333_333_u64));
    }

    #[test]
    fn what_does_not_fit_is_beyond_any_budget() {
        let most = Usd::cost(U256::MAX, price(2));
        assert_eq!(most.micro(), u128::MAX);
        assert_eq!(Usd::cost(U256::MAX, price(1)).micro(), u128::MAX);
        assert_eq!(most.plus(Usd::from_micro(1)), most);
        assert_eq!(Usd::ZERO.less(most), Usd::ZERO);
        assert!(Usd(u128::MAX).buys(price(1)) > U256::ZERO);
    }

    proptest! {
        /// Never told cheaper than it is, nor dearer by a whole millionth.
        #[test]
        fn a_cost_is_the_exact_one_rounded_up(wei in any::<u128>(), fixed in 1_u128..(1 << 100)) {
            let told = U256::from(Usd::cost(U256::from(wei), price(fixed)).micro());
            let exact = U256::from(wei) * U256::from(fixed);
            prop_assume!(told < U256::from(u128::MAX));
            prop_assert!(told * WEI_PRICE_PER_MICRO >= exact);
            prop_assert!(told.is_zero() || (told - U256::ONE) * WEI_PRICE_PER_MICRO < exact);
        }

        /// What came in is never told dearer than it is, nor cheaper by a whole millionth.
        #[test]
        fn a_worth_is_the_exact_one_rounded_down(wei in any::<u128>(), fixed in 1_u128..(1 << 100)) {
            let told = Usd::worth(U256::from(wei), price(fixed));
            let cost = Usd::cost(U256::from(wei), price(fixed));
            prop_assert!(told <= cost && cost.micro() - told.micro() <= 1);
            let exact = U256::from(wei) * U256::from(fixed);
            prop_assert!(U256::from(told.micro()) * WEI_PRICE_PER_MICRO <= exact);
        }

        /// What a sum buys never costs more than the sum; one wei more does.
        #[test]
        fn what_a_sum_buys_it_pays_for(micro in any::<u64>(), fixed in 1_u128..(1 << 100)) {
            let (sum, at) = (Usd::from_micro(micro), price(fixed));
            let bought = sum.buys(at);
            prop_assert!(Usd::cost(bought, at) <= sum);
            prop_assert!(Usd::cost(bought + U256::ONE, at) > sum);
        }

        /// Rounding each part up never makes the parts cheaper than the whole.
        #[test]
        fn parts_cost_at_least_the_whole(a in any::<u64>(), b in any::<u64>(), fixed in 1_u128..(1 << 90)) {
            let (a, b, at) = (U256::from(a), U256::from(b), price(fixed));
            prop_assert!(Usd::cost(a, at).plus(Usd::cost(b, at)) >= Usd::cost(a + b, at));
        }

        #[test]
        fn text_is_exact(micro in any::<u64>()) {
            let text = Usd::from_micro(micro).to_string();
            let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
            let back: u128 = format!("{whole}{part:0<6}").parse().unwrap();
            prop_assert_eq!(back, u128::from(micro));
        }
    }
}
