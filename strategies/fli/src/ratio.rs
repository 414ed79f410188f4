//! The contract's own arithmetic on ratios, to the last digit: 18-decimal fixed point, every
//! product and quotient rounded down, as `PreciseUnitMath` does.

use alloy::primitives::{U256, uint};
use ballast_strategy_api::{Exposure, StrategyError};

use crate::contracts::ILeverageStrategyExtension::MethodologySettings;

/// 1 in 18-decimal fixed point: the leverage ratio of a product without debt.
pub const ONE: U256 = uint!(1_000_000_000_000_000_000_U256);

/// Which way a trade moves the leverage ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Borrows and buys collateral: the ratio grows.
    Lever,
    /// Sells collateral and repays: the ratio shrinks.
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
}

/// What is owned and owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Collateral, base units of the collateral asset.
    pub collateral: U256,
    /// Debt, base units of the borrow asset.
    pub debt: U256,
}

/// The ratio that `rebalance` aims at from `current`: the gap to the target narrowed by the
/// recentering speed, then held within the bounds.
///
/// # Errors
/// [`StrategyError::Arithmetic`] if the settings are beyond what the contract could compute with.
pub fn new_leverage_ratio(
    methodology: &MethodologySettings,
    current: U256,
) -> Result<U256, StrategyError> {
    let overflow = StrategyError::Arithmetic("the new leverage ratio");
    let recentered = || {
        let target = precise_mul(methodology.targetLeverageRatio, methodology.recenteringSpeed)?;
        let kept = precise_mul(ONE.checked_sub(methodology.recenteringSpeed)?, current)?;
        target.checked_add(kept)
    };
    // In this order, as the contract has it: should the bounds cross, the lower one wins.
    recentered()
        .map(|ratio| ratio.min(methodology.maxLeverageRatio).max(methodology.minLeverageRatio))
        .ok_or(overflow)
}

/// How far one chunk moves the leverage ratio, before fees and price impact; rounded down.
///
/// `chunk` is in the asset that is sold, as `getChunkRebalanceNotional` gives it. A trade leaves
/// the equity as it is, and
///
/// ```text
/// ratio     = collateral value / equity     so selling a share of the collateral moves it by share · ratio
/// ratio − 1 = debt value / equity           so borrowing a share of the debt more, by share · (ratio − 1)
/// ```
///
/// hence neither direction needs a price.
///
/// # Errors
/// [`StrategyError::Arithmetic`] on overflow, or if there is nothing to take a share of.
pub fn implied_move(
    side: Side,
    chunk: U256,
    ratio: U256,
    position: Position,
) -> Result<U256, StrategyError> {
    let (scale, whole) = match side {
        Side::Delever => (Some(ratio), position.collateral),
        Side::Lever => (ratio.checked_sub(ONE), position.debt),
    };
    scale
        .and_then(|scale| scale.checked_mul(chunk))
        .and_then(|product| product.checked_div(whole))
        .ok_or(StrategyError::Arithmetic("the move that a chunk implies"))
}

/// How far one trade of any size can miss its implied move because amounts are whole base units;
/// rounded up. Two units of each side: what is borrowed or repaid is rounded down more than once.
///
/// # Errors
/// As [`implied_move`].
pub fn rounding(ratio: U256, position: Position) -> Result<U256, StrategyError> {
    // A unit more or less of either side moves the ratio by its share of ratio · (ratio − 1).
    let moves = |whole: U256| {
        let slope = precise_mul(ratio, ratio.checked_sub(ONE)?)?;
        slope.checked_mul(U256::from(2))?.checked_div(whole)?.checked_add(U256::ONE)
    };
    let of_both = || moves(position.debt)?.checked_add(moves(position.collateral)?);
    of_both().ok_or(StrategyError::Arithmetic("the rounding of a trade"))
}

/// `a · b`, rounded down; `None` on overflow.
pub fn precise_mul(a: U256, b: U256) -> Option<U256> {
    a.checked_mul(b)?.checked_div(ONE)
}

/// `a / b`, rounded down; `None` on overflow or by zero.
pub fn precise_div(a: U256, b: U256) -> Option<U256> {
    a.checked_mul(ONE)?.checked_div(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> U256 {
        alloy::primitives::utils::parse_ether(text).unwrap()
    }

    fn methodology(speed: &str) -> MethodologySettings {
        MethodologySettings {
            targetLeverageRatio: fixed("2"),
            minLeverageRatio: fixed("1.7"),
            maxLeverageRatio: fixed("2.3"),
            recenteringSpeed: fixed(speed),
            rebalanceInterval: U256::from(86_400),
        }
    }

    #[test]
    fn the_gap_narrows_by_the_recentering_speed_within_the_bounds() {
        let check = |speed: &str, from: &str, to: &str| {
            let ratio = new_leverage_ratio(&methodology(speed), fixed(from)).unwrap();
            assert_eq!(ratio, fixed(to), "from {from} at {speed}");
        };
        check("0.05", "2", "2");
        check("0.05", "2.2", "2.19");
        check("0.05", "1.8", "1.81");
        // As measured on the real contract: a hair above the upper bound is recentered.
        check("0.05", "2.3003", "2.285285");
        check("0.05", "2.6", "2.3");
        check("0.05", "1.2", "1.7");
        check("1", "2.6", "2");
    }

    #[test]
    fn each_product_rounds_down_on_its_own() {
        // 0.95 · (2e18 + 1 wei) = 1.9e18 + 0.95 wei: the fraction is lost before the sum.
        let current = fixed("2") + U256::from(1);
        assert_eq!(new_leverage_ratio(&methodology("0.05"), current).unwrap(), fixed("2"));
    }

    #[test]
    fn settings_that_the_contract_could_not_use_are_an_error() {
        let mut broken = methodology("0.05");
        broken.recenteringSpeed = fixed("1.000000000000000001");
        assert!(new_leverage_ratio(&broken, fixed("2")).is_err());
        assert!(new_leverage_ratio(&methodology("0.05"), U256::MAX).is_err());
    }

    #[test]
    fn a_full_chunk_moves_all_the_way_in_either_direction() {
        // 100 ETH at 2,000 USD against 100,000 USDC: 2 ×, equity 100,000 USD.
        let position = Position { collateral: fixed("100"), debt: U256::from(100_000_000_000_u64) };
        let ten_eth = fixed("10");
        let twenty_thousand_usdc = U256::from(20_000_000_000_u64);
        let down = implied_move(Side::Delever, ten_eth, fixed("2"), position).unwrap();
        let up = implied_move(Side::Lever, twenty_thousand_usdc, fixed("2"), position).unwrap();
        assert_eq!((down, up), (fixed("0.2"), fixed("0.2")));
    }

    #[test]
    fn without_debt_or_collateral_no_move_is_implied() {
        let none = Position { collateral: U256::ZERO, debt: U256::ZERO };
        assert!(implied_move(Side::Delever, ONE, fixed("2"), none).is_err());
        assert!(implied_move(Side::Lever, ONE, fixed("2"), none).is_err());
    }
}
