//! What a trade lost against a price, and how such figures are written.
//!
//! Amounts are wei of the intermediate asset. What is lost is rounded up by a wei and what is gained
//! down, so a sum is never too good.

use alloy::primitives::{I256, U256};
use ballast_chains::amount;
use serde::{Serialize, Serializer};

use crate::{decimal::ONE, module::Side, price::Price};

/// Hundredths of a basis point in a whole: parts per million.
const PARTS: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);

/// A number as decimal text in JSON, where it may be beyond 2⁵³.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digits<T>(pub T);

impl<T: std::fmt::Display> Serialize for Digits<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// A share in basis points with two decimals, cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bp(
    /// Hundredths of a basis point: parts per million.
    pub I256,
);

impl Bp {
    /// What share of `whole` the `part` is; `None` of nothing.
    pub fn of(part: I256, whole: U256) -> Option<Self> {
        let share = part.unsigned_abs().checked_mul(PARTS)?.checked_div(whole)?;
        signed(share, part.is_negative()).map(Self)
    }

    /// A share of 18 decimals.
    pub fn of_share(share: I256) -> Option<Self> {
        Self::of(share, ONE)
    }
}

impl std::fmt::Display for Bp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0.is_negative() { "-" } else { "" };
        write!(f, "{sign}{}", amount::decimal(&self.0.unsigned_abs().to_string(), 2))
    }
}

impl Serialize for Bp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// What trades lost of what they gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// What was lost, wei; below 0 where it was gained.
    #[serde(rename = "wei")]
    pub lost: Digits<I256>,
    /// What was given at the price that it is held against, wei.
    #[serde(rename = "of_wei")]
    pub given: Digits<U256>,
    /// The one of the other, basis points.
    pub bp: Option<Bp>,
    /// Of how many trades.
    pub trades: u64,
}

impl Loss {
    fn new(lost: I256, given: U256) -> Self {
        Self { lost: Digits(lost), given: Digits(given), bp: Bp::of(lost, given), trades: 1 }
    }

    /// Against the pools' price before the trade: `share` of what was given is lost, 18 decimals, as it
    /// was read from the trade's receipt.
    pub fn against_pools(side: Side, weth: U256, share: I256) -> Option<Self> {
        match side {
            // What was paid, and a share of it.
            Side::Buy => {
                let scaled = share.unsigned_abs().checked_mul(weth)?;
                Some(Self::new(rounded(scaled, ONE, share.is_negative())?, weth))
            }
            // What came in is the rest of what was given.
            Side::Sell => {
                let kept = I256::try_from(ONE).ok()?.checked_sub(share)?;
                let kept = U256::try_from(kept).ok().filter(|kept| !kept.is_zero())?;
                let scaled = weth.checked_mul(share.unsigned_abs())?;
                let lost = rounded(scaled, kept, share.is_negative())?;
                let given = I256::try_from(weth).ok()?.checked_add(lost)?;
                Some(Self::new(lost, U256::try_from(given).ok()?))
            }
        }
    }

    /// Against a reference: `amount` of the component for `weth`, at the middle of two prices.
    pub fn against(
        side: Side,
        weth: U256,
        amount: U256,
        (low, high): (Price, Price),
    ) -> Option<Self> {
        let sum = low.value(amount)?.checked_add(high.value(amount)?)?;
        let worth = sum.wrapping_shr(1);
        let (given, got) = match side {
            Side::Sell => (worth, weth),
            Side::Buy => (weth, worth),
        };
        let lost = I256::try_from(given).ok()?.checked_sub(I256::try_from(got).ok()?)?;
        Some(Self::new(lost, given))
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        let lost = self.lost.0.saturating_add(more.lost.0);
        let given = self.given.0.saturating_add(more.given.0);
        let trades = self.trades.saturating_add(more.trades);
        Self { trades, ..Self::new(lost, given) }
    }
}

impl std::iter::Sum for Loss {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::plus)
    }
}

/// A quotient of the sign given, away from zero where something is lost and towards it where it is gained.
fn rounded(dividend: U256, divisor: U256, is_gain: bool) -> Option<I256> {
    let quotient = if is_gain {
        dividend.checked_div(divisor)?
    } else {
        crate::module::ceil_div(dividend, divisor)?
    };
    signed(quotient, is_gain)
}

pub(super) fn signed(magnitude: U256, is_negative: bool) -> Option<I256> {
    let number = I256::try_from(magnitude).ok()?;
    if is_negative { number.checked_neg() } else { Some(number) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn u(number: u128) -> U256 {
        U256::from(number)
    }

    fn i(number: i128) -> I256 {
        I256::try_from(number).unwrap()
    }

    /// 18 decimals.
    fn percent(number: i128) -> I256 {
        i(number * 10_i128.pow(16))
    }

    #[test]
    fn basis_points_have_two_decimals_cut_off_and_a_sign() {
        let bp = |part, whole| Bp::of(i(part), u(whole)).unwrap().to_string();
        assert_eq!(bp(1, 10_000), "1");
        assert_eq!(bp(12_345_678, 10_000_000_000), "12.34");
        assert_eq!(bp(-12_345_678, 10_000_000_000), "-12.34");
        assert_eq!(bp(-1, 10_000_000), "0");
        assert_eq!(Bp::of(i(1), U256::ZERO), None);
        assert_eq!(Bp::of_share(percent(1)).unwrap().to_string(), "100");
    }

    #[test]
    fn of_a_buy_a_share_of_what_was_paid_is_lost() {
        let loss = Loss::against_pools(Side::Buy, u(1_000), percent(1)).unwrap();
        assert_eq!((loss.lost.0, loss.given.0), (i(10), u(1_000)));
        let loss = Loss::against_pools(Side::Buy, u(1_050), percent(1)).unwrap();
        assert_eq!(loss.lost.0, i(11), "rounded up");
        let gain = Loss::against_pools(Side::Buy, u(1_050), percent(-1)).unwrap();
        assert_eq!(gain.lost.0, i(-10), "and a gain down");
    }

    #[test]
    fn of_a_sell_what_came_in_is_the_rest_of_what_was_given() {
        let loss = Loss::against_pools(Side::Sell, u(990), percent(1)).unwrap();
        assert_eq!((loss.lost.0, loss.given.0), (i(10), u(1_000)));
        assert_eq!(loss.bp.unwrap().to_string(), "100");
        assert_eq!(Loss::against_pools(Side::Sell, u(990), percent(100)), None);
    }

    #[test]
    fn against_a_reference_the_middle_of_two_prices_counts() {
        let price = |paid, of| Price::of_units(u(paid), u(of)).unwrap();
        let both = (price(2, 1), price(4, 1));
        let sold = Loss::against(Side::Sell, u(290), u(100), both).unwrap();
        assert_eq!((sold.lost.0, sold.given.0), (i(10), u(300)));
        let bought = Loss::against(Side::Buy, u(290), u(100), both).unwrap();
        assert_eq!((bought.lost.0, bought.given.0), (i(-10), u(290)));
    }

    proptest! {
        /// A sum has the share of the whole, and the losses of its parts.
        #[test]
        fn sums_are_of_amounts_and_not_of_shares(
            parts in prop::collection::vec((1_u128..1 << 90, -30_i128..30, any::<bool>()), 1..20),
        ) {
            let side = |sells| if sells { Side::Sell } else { Side::Buy };
            let losses: Vec<Loss> = parts
                .iter()
                .map(|(weth, share, sells)| {
                    Loss::against_pools(side(*sells), u(*weth), percent(*share)).unwrap()
                })
                .collect();
            let sum: Loss = losses.iter().copied().sum();
            let lost = losses.iter().fold(I256::ZERO, |sum, loss| sum + loss.lost.0);
            let given = losses.iter().fold(U256::ZERO, |sum, loss| sum + loss.given.0);
            prop_assert_eq!((sum.lost.0, sum.given.0), (lost, given));
            prop_assert_eq!(sum.bp, Bp::of(lost, given));
            prop_assert_eq!(usize::try_from(sum.trades).unwrap(), losses.len());
        }

        /// Given, less lost, is what was got, at the pool's price.
        #[test]
        fn nothing_appears_or_vanishes(weth in 1_u128..1 << 100, share in -90_i128..90) {
            let sold = Loss::against_pools(Side::Sell, u(weth), percent(share)).unwrap();
            let got = I256::try_from(sold.given.0).unwrap() - sold.lost.0;
            prop_assert_eq!(got, i(weth.try_into().unwrap()));
            let share_of = Bp::of(sold.lost.0, sold.given.0).unwrap().0;
            let off = (share_of - i(share * 10_000)).unsigned_abs();
            prop_assert!(off <= u(1) + PARTS / sold.given.0 + PARTS / sold.given.0, "{share_of} {share}");
        }
    }
}
