//! The arithmetic of `GeneralIndexModule`, to the last digit: what it would trade, and what it holds
//! to be done.
//!
//! Source: `GeneralIndexModule.sol` of set-protocol-v2 0.1.16 (`_calculateTradeSizeAndDirection`,
//! `_targetUnmet`, `_canSell`, `_getNormalizedTargetUnit`). A *unit* is base units of a component per
//! 10^18 of the index's supply.

use alloy::primitives::U256;

use crate::decimal::ONE;

/// What every component of an index is reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The index's supply, 18 decimals.
    pub supply: U256,
    /// Its position multiplier now, 18 decimals; falls as streaming fees accrue.
    pub multiplier: U256,
    /// Its position multiplier as the module noted it when the rebalance began.
    pub started_at: U256,
    /// The protocol's share of what a trade receives, 18 decimals; below 1.
    pub protocol_fee: U256,
}

/// One component of a rebalance, as the module sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The unit it goes to, as it was submitted: [`Terms::normalised`] tells what that is now.
    pub target_unit: U256,
    /// The unit it has.
    pub unit: U256,
    /// Most of it that one trade moves, base units.
    pub max_size: U256,
}

/// Which way a component has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Sold for the intermediate asset, exact in.
    Sell,
    /// Bought with it, exact out.
    Buy,
}

impl Side {
    /// The other way.
    #[must_use]
    pub fn back(self) -> Self {
        match self {
            Self::Sell => Self::Buy,
            Self::Buy => Self::Sell,
        }
    }
}

/// What the module would trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Which way.
    pub side: Side,
    /// Base units of the component: this much goes with one trade …
    pub now: U256,
    /// … and this much is left to do, `now` included.
    pub left: U256,
}

/// A number on the chain that the module itself could not compute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("arithmetic failed at {0}")]
pub struct Overflow(pub &'static str);

impl Terms {
    /// A target unit in today's terms, rounded down as the module does.
    ///
    /// # Errors
    /// [`Overflow`], also if the rebalance was started with a multiplier of 0: then every view of
    /// the module fails.
    pub fn normalised(&self, target_unit: U256) -> Result<U256, Overflow> {
        let scaled = target_unit.checked_mul(self.multiplier);
        scaled.and_then(|s| s.checked_div(self.started_at)).ok_or(Overflow("the target unit"))
    }

    /// What the module would trade of a component; `None` where it says "Target already met".
    ///
    /// The target's amount is rounded up, the amount held down, and what is bought is grossed up by
    /// the protocol's fee, rounded down.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn size(&self, position: &Position) -> Result<Option<Size>, Overflow> {
        const WHAT: Overflow = Overflow("the trade's size");
        let target = self.normalised(position.target_unit)?;
        if target == position.unit {
            return Ok(None);
        }
        let held = self.supply.checked_mul(position.unit).ok_or(WHAT)?;
        let held = held.checked_div(ONE).ok_or(WHAT)?;
        let wanted = ceil_div(self.supply.checked_mul(target).ok_or(WHAT)?, ONE).ok_or(WHAT)?;
        let (side, left) = if wanted < held {
            (Side::Sell, held.checked_sub(wanted).ok_or(WHAT)?)
        } else {
            let net = wanted.checked_sub(held).and_then(|net| net.checked_mul(ONE));
            let kept = ONE.checked_sub(self.protocol_fee).filter(|kept| !kept.is_zero());
            let gross = net.zip(kept).and_then(|(net, kept)| net.checked_div(kept));
            (Side::Buy, gross.ok_or(WHAT)?)
        };
        Ok(Some(Size { side, now: left.min(position.max_size), left }))
    }

    /// Whether the module holds a component's target to be met: within one unit, or exactly gone.
    /// What is met is left alone, although the module would trade it.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn is_met(&self, position: &Position) -> Result<bool, Overflow> {
        let target = self.normalised(position.target_unit)?;
        Ok(if target.is_zero() {
            position.unit.is_zero()
        } else {
            position.unit.abs_diff(target) <= U256::ONE
        })
    }

    /// Whether the module counts a component as one that can still be sold; without tolerance.
    /// While there is one it trades no remaining intermediate asset.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn can_sell(&self, position: &Position) -> Result<bool, Overflow> {
        Ok(self.normalised(position.target_unit)? < position.unit)
    }
}

/// How many trades move `left` in steps of at most `max_size`; `None` if a step moves nothing.
pub fn trades(left: U256, max_size: U256) -> Option<U256> {
    ceil_div(left, max_size)
}

/// A quotient rounded up; `None` for a divisor of 0.
pub(crate) fn ceil_div(dividend: U256, divisor: U256) -> Option<U256> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_rem(divisor)?;
    if rest.is_zero() { Some(quotient) } else { quotient.checked_add(U256::ONE) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn u(number: u128) -> U256 {
        U256::from(number)
    }

    fn terms(supply: u128) -> Terms {
        Terms { supply: u(supply), multiplier: ONE, started_at: ONE, protocol_fee: U256::ZERO }
    }

    fn position(target_unit: u128, unit: u128, max_size: u128) -> Position {
        Position { target_unit: u(target_unit), unit: u(unit), max_size: u(max_size) }
    }

    const HUNDRED: u128 = 100_000_000_000_000_000_000;

    #[test]
    fn a_sell_takes_what_is_above_the_target() {
        let size = terms(HUNDRED).size(&position(3_000, 5_000, 1_000_000)).unwrap().unwrap();
        assert_eq!(size, Size { side: Side::Sell, now: u(200_000), left: u(200_000) });
        let size = terms(HUNDRED).size(&position(3_000, 5_000, 70_000)).unwrap().unwrap();
        assert_eq!((size.now, size.left), (u(70_000), u(200_000)));
        assert_eq!(trades(size.left, u(70_000)), Some(u(3)));
    }

    #[test]
    fn a_buy_is_grossed_up_by_the_protocols_fee() {
        let terms = Terms { protocol_fee: u(1_000_000_000_000_000), ..terms(HUNDRED) };
        let size = terms.size(&position(5_000, 3_000, u128::MAX)).unwrap().unwrap();
        assert_eq!((size.side, size.now), (Side::Buy, u(200_200)));
    }

    #[test]
    fn targets_shrink_with_the_multiplier() {
        let accrued = Terms { multiplier: u(990_000_000_000_000_000), ..terms(HUNDRED) };
        assert_eq!(accrued.normalised(u(10_000)), Ok(u(9_900)));
        assert!(accrued.is_met(&position(10_000, 9_899, 1)).unwrap());
        assert!(!accrued.is_met(&position(10_000, 9_898, 1)).unwrap());
    }

    #[test]
    fn a_multiplier_of_zero_is_an_error_and_no_division() {
        let broken = Terms { started_at: U256::ZERO, ..terms(HUNDRED) };
        assert!(broken.normalised(u(1)).is_err());
        assert!(broken.size(&position(1, 2, 3)).is_err());
    }

    #[test]
    fn one_unit_off_is_met_but_still_counts_as_sellable() {
        let above = position(100, 101, 10);
        assert!(terms(HUNDRED).is_met(&above).unwrap());
        assert!(terms(HUNDRED).can_sell(&above).unwrap());
        let removed = position(0, 1, 10);
        assert!(!terms(HUNDRED).is_met(&removed).unwrap(), "what goes has to go altogether");
    }

    #[test]
    fn without_a_step_there_is_no_number_of_trades() {
        assert_eq!(trades(u(5), U256::ZERO), None);
        assert_eq!(trades(U256::ZERO, u(5)), Some(U256::ZERO));
    }

    proptest! {
        /// After a sell of everything that is left at most a rounding is left; nothing is sold below
        /// the target.
        #[test]
        fn a_sell_ends_on_its_target(supply in 1_u128..u128::MAX >> 20, target in 0_u128..1 << 60, above in 1_u128..1 << 60) {
            let unit = target + above;
            if let Some(size) = terms(supply).size(&position(target, unit, u128::MAX)).unwrap()
                && size.side == Side::Sell
            {
                let held = u(supply) * u(unit) / ONE;
                let unit_after = (held - size.left) * ONE / u(supply);
                // The unit is stored rounded down, the amount wanted rounded up.
                prop_assert!(unit_after.abs_diff(u(target)) <= ONE / u(supply) + u(1), "{unit_after} {target}");
            }
        }
    }
}
