//! Prices between tokens of any decimals: a base unit of one may be worth 10⁻²⁰ or 10²⁰ of another's.

use alloy::primitives::{U256, U512};

use crate::decimal::{ONE, narrow};

/// Significant bits of a price.
const BITS: usize = 128;

/// A price above zero, to 128 significant bits: `mantissa` × 2^`exponent`. Every step rounds down, by
/// 2⁻¹²⁷ of itself at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Its highest bit is the 128th.
    mantissa: u128,
    exponent: i32,
}

impl Price {
    /// 1.
    pub const ONE: Self = Self { mantissa: 1 << 127, exponent: -127 };

    /// `paid` for `of`; `None` if one of them is 0.
    pub fn ratio(paid: U512, of: U512) -> Option<Self> {
        if of.is_zero() {
            return None;
        }
        Self::of_integer(paid)?.over(Self::of_integer(of)?)
    }

    /// As [`ratio`](Self::ratio).
    pub fn of_units(paid: U256, of: U256) -> Option<Self> {
        Self::ratio(U512::from(paid), U512::from(of))
    }

    fn of_integer(number: U512) -> Option<Self> {
        let bits = number.bit_len();
        if bits == 0 {
            return None;
        }
        let (mantissa, exponent) = match bits.checked_sub(BITS) {
            Some(surplus) => (number.wrapping_shr(surplus), i32::try_from(surplus).ok()?),
            None => {
                let missing = BITS.checked_sub(bits)?;
                let exponent = i32::try_from(missing).ok()?.checked_neg()?;
                (number.wrapping_shl(missing), exponent)
            }
        };
        Some(Self { mantissa: u128::try_from(mantissa).ok()?, exponent })
    }

    fn shifted(number: U512, exponent: i32) -> Option<Self> {
        let integer = Self::of_integer(number)?;
        Some(Self { exponent: integer.exponent.checked_add(exponent)?, ..integer })
    }

    /// The price over two trades, one after the other.
    pub fn times(self, other: Self) -> Option<Self> {
        let product = U512::from(self.mantissa).checked_mul(U512::from(other.mantissa))?;
        Self::shifted(product, self.exponent.checked_add(other.exponent)?)
    }

    /// This in terms of another.
    pub fn over(self, other: Self) -> Option<Self> {
        let dividend = U512::from(self.mantissa).checked_shl(BITS)?;
        let quotient = dividend.checked_div(U512::from(other.mantissa))?;
        let exponent = self.exponent.checked_sub(other.exponent)?.checked_sub(128)?;
        Self::shifted(quotient, exponent)
    }

    /// The price the other way round.
    pub fn inverse(self) -> Option<Self> {
        Self::ONE.over(self)
    }

    /// `self` to a whole power, below zero too.
    pub fn power(self, exponent: i32) -> Option<Self> {
        let (mut base, mut left, mut power) = (self, exponent.unsigned_abs(), Self::ONE);
        while left > 0 {
            if left & 1 == 1 {
                power = power.times(base)?;
            }
            left = left.wrapping_shr(1);
            if left > 0 {
                base = base.times(base)?;
            }
        }
        if exponent < 0 { power.inverse() } else { Some(power) }
    }

    /// What so much is worth, rounded down; `None` if it does not fit.
    pub fn value(self, amount: U256) -> Option<U256> {
        let product = U512::from(amount).checked_mul(U512::from(self.mantissa))?;
        let places = usize::try_from(self.exponent.unsigned_abs()).ok()?;
        let value = if self.exponent < 0 {
            if places >= 512 { U512::ZERO } else { product.wrapping_shr(places) }
        } else {
            let fits = product.bit_len().checked_add(places)? <= 256;
            if !fits {
                return None;
            }
            product.wrapping_shl(places)
        };
        narrow(value)
    }

    /// In 18-decimal fixed point, rounded down.
    pub fn fixed18(self) -> Option<U256> {
        self.value(ONE)
    }

    /// By what share of `other` this is away from it, 18 decimals, rounded up by one; the largest
    /// number if it is too far to tell.
    pub fn off(self, other: Self) -> U256 {
        let relative = self.over(other).and_then(Self::fixed18);
        relative.map_or(U256::MAX, |share| share.abs_diff(ONE).saturating_add(U256::ONE))
    }

    /// Whether this is less than `other`.
    pub fn is_below(self, other: Self) -> bool {
        (self.exponent, self.mantissa) < (other.exponent, other.mantissa)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn u(number: u128) -> U256 {
        U256::from(number)
    }

    #[test]
    fn a_price_is_its_fraction() {
        let third = Price::of_units(u(1), u(3)).unwrap();
        assert_eq!(third.value(u(9_000_000)), Some(u(2_999_999)), "rounded down");
        assert_eq!(Price::of_units(u(5), u(1)).unwrap().value(u(7)), Some(u(35)));
        assert_eq!(Price::ONE.value(U256::MAX), Some(U256::MAX));
        assert_eq!(Price::of_units(u(2), u(1)).unwrap().value(U256::MAX), None);
        assert_eq!(Price::of_units(u(0), u(1)), None);
        assert_eq!(Price::of_units(u(1), u(0)), None);
        assert_eq!(Price::ONE.inverse(), Some(Price::ONE));
    }

    #[test]
    fn a_tick_is_a_basis_point() {
        let tick = Price::of_units(u(10_001), u(10_000)).unwrap();
        assert_eq!(tick.power(0), Some(Price::ONE));
        assert_eq!(tick.power(1).unwrap().fixed18(), Some(u(1_000_099_999_999_999_999)));
        // e^(200,000 · ln 1.0001), by another program.
        let at = tick.power(200_000).unwrap().fixed18().unwrap();
        assert_eq!(at.to_string()[..6], *"484680", "{at}");
        let low = tick.power(-887_272).unwrap();
        assert!(low.is_below(Price::ONE) && low.inverse().is_some());
    }

    #[test]
    fn off_is_a_share_of_the_other() {
        let price = |number: u128| Price::of_units(u(number), u(1_000)).unwrap();
        let close = |share: U256, expected: u128| share.abs_diff(u(expected)) <= u(2);
        assert!(close(price(1_020).off(price(1_000)), 20_000_000_000_000_000));
        assert!(close(price(980).off(price(1_000)), 20_000_000_000_000_000));
        assert!(close(price(1_000).off(price(1_000)), 1));
        let huge = Price::ONE.power(1).unwrap().times(price(u64::MAX.into())).unwrap();
        assert!(huge.off(price(1)) > ONE);
    }

    proptest! {
        /// Nothing is lost beyond the last of 120 bits, over 20 orders of magnitude.
        #[test]
        fn products_and_quotients_agree(a in 1_u128.., b in 1_u128.., c in 1_u128.., amount in 1_u128..1 << 100) {
            let (ab, bc) = (Price::of_units(u(a), u(b)).unwrap(), Price::of_units(u(b), u(c)).unwrap());
            let (direct, over) = (Price::of_units(u(a), u(c)).unwrap(), ab.times(bc).unwrap());
            prop_assert!(over.off(direct) <= u(2), "{:?} {:?}", over, direct);
            let exact = u(amount).checked_mul(u(a)).map(|paid| paid / u(c));
            if let (Some(exact), Some(value)) = (exact, direct.value(u(amount))) {
                prop_assert!(value <= exact && exact - value <= (exact >> 120) + u(1));
            }
        }
    }
}
