//! The contract's own arithmetic on ratios: 18-decimal fixed point, every product and quotient
//! rounded towards zero, as `PreciseUnitMath` does.
//!
//! Ratios are negative while the product is short, and the contract compares magnitudes. So does
//! this file: what it takes and gives as [`U256`] is a magnitude, and [`signed`] makes a ratio of it
//! again.

use alloy::primitives::{I256, U256, uint};
use ballast_strategy_api::{Exposure, StrategyError};

use crate::contracts::IBasisExtension::MethodologySettings;

/// 1 in 18-decimal fixed point.
pub const ONE: U256 = uint!(1_000_000_000_000_000_000_U256);

/// Which way a trade moves the magnitude of the leverage ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Sells more of the base asset short, and buys as much of it spot: the magnitude grows.
    Lever,
    /// Buys some of the short back, and sells as much of the spot: the magnitude shrinks.
    Delever,
}

impl Side {
    /// What such a trade does to the product's exposure.
    pub fn exposure(self) -> Exposure {
        match self {
            Self::Lever => Exposure::Raises,
            Self::Delever => Exposure::Lowers,
        }
    }

    /// The side from one magnitude to another; `None` if they are the same.
    pub fn of(current: U256, new: U256) -> Option<Self> {
        match new.cmp(&current) {
            std::cmp::Ordering::Greater => Some(Self::Lever),
            std::cmp::Ordering::Less => Some(Self::Delever),
            std::cmp::Ordering::Equal => None,
        }
    }
}

/// A magnitude as the ratio of a short; `None` beyond 255 bits.
pub fn signed(magnitude: U256) -> Option<I256> {
    I256::try_from(magnitude).ok()?.checked_neg()
}

/// The magnitude that `rebalance` aims at from `current`: the gap to the target narrowed by the
/// recentering speed, then held within the bounds.
///
/// # Errors
/// [`StrategyError::Arithmetic`] if the settings are beyond what the contract could compute with.
pub fn new_leverage_ratio(
    methodology: &MethodologySettings,
    current: U256,
) -> Result<U256, StrategyError> {
    let recentered = || {
        let target = methodology.targetLeverageRatio.unsigned_abs();
        let pulled = precise_mul(target, methodology.recenteringSpeed)?;
        let kept = precise_mul(ONE.checked_sub(methodology.recenteringSpeed)?, current)?;
        pulled.checked_add(kept)
    };
    let max = methodology.maxLeverageRatio.unsigned_abs();
    let min = methodology.minLeverageRatio.unsigned_abs();
    // In this order, as the contract has it: should the bounds cross, the lower one wins.
    recentered()
        .map(|ratio| ratio.min(max).max(min))
        .ok_or(StrategyError::Arithmetic("the new leverage ratio"))
}

/// How much of the base asset is traded in all to move from `current` to `new`, with a short of
/// `base`; rounded down. The Perp trade leaves the account's value as it is, and the spot trade
/// moves as many dollars into it or out of it, so that
///
/// ```text
/// share of the short = |new − current| / (current · (1 + new))
/// ```
///
/// `None` on overflow, or at a ratio of zero.
pub fn total_notional(base: U256, current: U256, new: U256) -> Option<U256> {
    let whole = precise_mul(current, ONE.checked_add(new)?)?;
    precise_div(precise_mul(current.abs_diff(new), base)?, whole)
}

/// What a product owns and owes, as far as a reinvestment looks at it; US dollars with 18 decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reinvestment {
    /// The magnitude of the ratio before it.
    pub ratio: U256,
    /// What the Perp account is worth by the extension's price.
    pub account_value: U256,
    /// Funding that is withdrawn from it.
    pub funding: U256,
    /// What is spent: what is left of it after the manager's fee, and the dollars that the product
    /// holds besides.
    pub spent: U256,
}

impl Reinvestment {
    /// The part of what is spent that buys spot, and is sold short as well, in dollars; the rest
    /// goes back into the account. Rounded down; `None` on overflow.
    pub fn bought(&self) -> Option<U256> {
        precise_mul(self.spent, precise_div(self.ratio, ONE.checked_add(self.ratio)?)?)
    }

    /// The magnitude of the ratio after it, before fees and price impact: the short grows by what is
    /// bought, the account loses the funding and gets back what was not spent on spot.
    ///
    /// Rounded up: towards the bound that it must not cross. `None` on overflow, or if the account
    /// is not worth more than what is taken out of it.
    pub fn predicted(&self) -> Option<U256> {
        let bought = self.bought()?;
        let short = precise_mul_up(self.ratio, self.account_value)?.checked_add(bought)?;
        let account = self
            .account_value
            .checked_add(self.spent.checked_sub(bought)?)?
            .checked_sub(self.funding)?;
        if account.is_zero() {
            return None;
        }
        let scaled = short.checked_mul(ONE)?;
        scaled.checked_add(account.checked_sub(U256::ONE)?)?.checked_div(account)
    }
}

/// `a · b`, rounded down; `None` on overflow.
pub fn precise_mul(a: U256, b: U256) -> Option<U256> {
    a.checked_mul(b)?.checked_div(ONE)
}

/// `a · b`, rounded up; `None` on overflow.
pub fn precise_mul_up(a: U256, b: U256) -> Option<U256> {
    a.checked_mul(b)?.checked_add(ONE.checked_sub(U256::ONE)?)?.checked_div(ONE)
}

/// `a / b`, rounded down; `None` on overflow or by zero.
pub fn precise_div(a: U256, b: U256) -> Option<U256> {
    a.checked_mul(ONE)?.checked_div(b)
}

/// `a · b` of a signed amount, rounded towards zero; `None` on overflow.
pub fn signed_mul(a: I256, b: U256) -> Option<I256> {
    let magnitude = I256::try_from(precise_mul(a.unsigned_abs(), b)?).ok()?;
    if a.is_negative() { magnitude.checked_neg() } else { Some(magnitude) }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::utils::parse_ether;
    use proptest::prelude::*;

    use super::*;

    fn fixed(text: &str) -> U256 {
        parse_ether(text).unwrap()
    }

    fn methodology(speed: &str) -> MethodologySettings {
        let short = |text| signed(fixed(text)).unwrap();
        MethodologySettings {
            targetLeverageRatio: short("1"),
            minLeverageRatio: short("0.95"),
            maxLeverageRatio: short("2"),
            recenteringSpeed: fixed(speed),
            rebalanceInterval: U256::MAX,
            reinvestInterval: U256::from(604_800),
            minReinvestUnits: U256::from(10_000),
        }
    }

    #[test]
    fn a_ratio_out_of_bounds_goes_to_the_bound_and_one_inside_towards_the_target() {
        let check = |speed: &str, from: &str, to: &str| {
            let ratio = new_leverage_ratio(&methodology(speed), fixed(from)).unwrap();
            assert_eq!(ratio, fixed(to), "from {from} at {speed}");
        };
        check("0.05", "1", "1");
        check("0.05", "2.6", "2");
        check("0.05", "0.5", "0.95");
        // As measured on the real contract: a hair above the upper bound is recentered.
        check("0.05", "2.0008", "1.95076");
        check("1", "2.6", "1");
    }

    #[test]
    fn settings_that_the_contract_could_not_use_are_an_error() {
        let mut broken = methodology("0.05");
        broken.recenteringSpeed = fixed("1.000000000000000001");
        assert!(new_leverage_ratio(&broken, fixed("2")).is_err());
        assert!(new_leverage_ratio(&methodology("0.05"), U256::MAX).is_err());
    }

    #[test]
    fn a_reinvestment_raises_the_ratio_as_measured_on_the_real_contract() {
        // F = 737 on A = 50,461 at 0.9909 gave 1.0054.
        let measured = Reinvestment {
            ratio: fixed("0.9909"),
            account_value: fixed("50461"),
            funding: fixed("737"),
            spent: fixed("737"),
        };
        let predicted = measured.predicted().unwrap();
        assert!(predicted.abs_diff(fixed("1.0054")) < fixed("0.0001"), "{predicted}");
        // 6 % of the account took 0.900 to 1.013.
        let larger = Reinvestment {
            ratio: fixed("0.9"),
            account_value: fixed("50000"),
            funding: fixed("3000"),
            spent: fixed("3000"),
        };
        let predicted = larger.predicted().unwrap();
        assert!(predicted > fixed("0.95") && predicted < fixed("1.02"), "{predicted}");
    }

    #[test]
    fn an_account_that_is_taken_out_whole_has_no_ratio_after() {
        let all = Reinvestment {
            ratio: fixed("1"),
            account_value: fixed("10"),
            funding: fixed("10"),
            spent: U256::ZERO,
        };
        assert_eq!(all.predicted(), None);
        assert_eq!(Reinvestment { funding: fixed("11"), ..all }.predicted(), None);
    }

    #[test]
    fn a_product_is_rounded_towards_zero_whatever_its_sign() {
        let half = fixed("0.5");
        let three = I256::try_from(3).unwrap();
        assert_eq!(signed_mul(three, half), Some(I256::ONE));
        assert_eq!(signed_mul(-three, half), Some(-I256::ONE));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// By the books: after trading the total at the price, the ratio is the new one.
        #[test]
        fn the_total_leads_to_the_new_ratio(
            base in 1_u64..1_000_000,
            price in 100_u64..5_000,
            current in 200_u64..5_000,
            new in 200_u64..5_000,
        ) {
            let milli = |n: u64| U256::from(n) * uint!(1_000_000_000_000_000_U256);
            let (base, price) = (milli(base), milli(price * 1_000));
            let (current, new) = (milli(current), milli(new));
            let value = precise_mul(base, price).unwrap();
            let account = precise_div(value, current).unwrap();
            let total = total_notional(base, current, new).unwrap();
            let dollars = precise_mul(total, price).unwrap();
            let (short, account) = match Side::of(current, new) {
                Some(Side::Delever) => (value - dollars, account + dollars),
                Some(Side::Lever) => (value + dollars, account - dollars),
                None => (value, account),
            };
            let after = precise_div(short, account).unwrap();
            let allowed = U256::from(100_000_000_000_u64);
            prop_assert!(after.abs_diff(new) < allowed, "{after} for {new}");
        }

        /// The formula of the reference, digit for digit apart from rounding, which is upwards.
        #[test]
        fn the_prediction_is_that_of_the_reference(
            ratio in 200_u64..3_000,
            account in 1_000_u64..10_000_000,
            share in 1_u64..200,
            fee in 0_u64..300,
        ) {
            let milli = |n: u64| U256::from(n) * uint!(1_000_000_000_000_000_U256);
            let (ratio, account) = (milli(ratio), milli(account * 1_000));
            let funding = precise_mul(account, milli(share)).unwrap();
            let spent = precise_mul(funding, ONE - milli(fee)).unwrap();
            let one = Reinvestment { ratio, account_value: account, funding, spent };
            let s = precise_div(ratio, ONE + ratio).unwrap();
            let above = precise_mul(ratio, account).unwrap() + precise_mul(spent, s).unwrap();
            let below = account - funding + precise_mul(spent, ONE - s).unwrap();
            let expected = precise_div(above, below).unwrap();
            let predicted = one.predicted().unwrap();
            prop_assert!(predicted >= expected && predicted - expected < U256::from(10_000));
            prop_assert!(predicted > ratio, "it always raises the ratio");
        }
    }
}
