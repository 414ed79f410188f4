//! What an operator may choose about a product beyond what its methodology fixes. All of it can
//! only hold work back, and none of it an emergency.

use alloy::primitives::U256;
use ballast_strategy_api::StrategyError;

use crate::{
    contracts::ILeverageStrategyExtension::MethodologySettings,
    ratio::{ONE, Position, precise_div, precise_mul},
    variant::{Deployment, Variant},
};

/// An operator's choices; the default chooses nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// In place of the product's lower bound, and not above it; 18 decimals.
    pub custom_min: Option<U256>,
    /// In place of the product's upper bound, and not below it; 18 decimals.
    pub custom_max: Option<U256>,
    /// Least size of an interval rebalance, whole collateral tokens with 18 decimals.
    pub min_notional: Option<U256>,
}

/// Ratios beyond which a rebalance is due before the interval is over; 18 decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Lower bound; the ratio itself is inside.
    pub min: U256,
    /// Upper bound; the ratio itself is inside.
    pub max: U256,
}

impl Bounds {
    /// Whether `ratio` lies outside.
    pub fn excludes(self, ratio: U256) -> bool {
        ratio < self.min || ratio > self.max
    }
}

impl Policy {
    /// Whether the product's own bounds are replaced.
    pub fn has_bounds(&self) -> bool {
        self.custom_min.is_some() || self.custom_max.is_some()
    }

    /// The bounds in force: the custom ones, and the product's own where there is none.
    pub fn bounds(&self, methodology: &MethodologySettings) -> Bounds {
        Bounds {
            min: self.custom_min.unwrap_or(methodology.minLeverageRatio),
            max: self.custom_max.unwrap_or(methodology.maxLeverageRatio),
        }
    }

    /// Whether these choices can be served for `product` at all.
    ///
    /// # Errors
    /// [`StrategyError::Misconfigured`] if the market does not tell what a least size is measured
    /// by.
    pub fn check(&self, product: &Deployment) -> Result<(), StrategyError> {
        if self.min_notional.is_some() && product.variant == Variant::Morpho {
            let text = "min_notional is not supported on Morpho: the position is not read there";
            return Err(StrategyError::Misconfigured(text.into()));
        }
        Ok(())
    }

    /// Whether the bounds are looser than the product's own as they are now. While they are not,
    /// the extension refuses them, and rebalances are blocked.
    ///
    /// # Errors
    /// [`StrategyError::Misconfigured`] with the bound that is tighter.
    pub fn check_bounds(&self, methodology: &MethodologySettings) -> Result<(), StrategyError> {
        let misconfigured = |text: String| Err(StrategyError::Misconfigured(text));
        let (min, max) = (methodology.minLeverageRatio, methodology.maxLeverageRatio);
        if let Some(custom) = self.custom_min.filter(|custom| *custom > min) {
            return misconfigured(format!(
                "custom_min_leverage_ratio {} is tighter than the product's own {}",
                ratio(custom),
                ratio(min)
            ));
        }
        if let Some(custom) = self.custom_max.filter(|custom| *custom < max) {
            return misconfigured(format!(
                "custom_max_leverage_ratio {} is tighter than the product's own {}",
                ratio(custom),
                ratio(max)
            ));
        }
        Ok(())
    }

    /// Whether a rebalance over `gap` from `current` is too small to be worth its gas.
    ///
    /// What counts is the whole rebalance, not one exchange's chunk of it: chunks have a largest
    /// size, and a rebalance of many small chunks is a large one. `false` while the position is
    /// not known: the methodology wants the rebalance.
    ///
    /// # Errors
    /// [`StrategyError::Arithmetic`] on overflow.
    pub fn is_too_small(
        &self,
        product: &Deployment,
        position: Option<Position>,
        current: U256,
        gap: U256,
    ) -> Result<bool, StrategyError> {
        let (Some(least), Some(position)) = (self.min_notional, position) else {
            return Ok(false);
        };
        let compare = || {
            let total = total_notional(position, current, gap)?;
            let token = U256::from(10).checked_pow(U256::from(product.collateral.decimals))?;
            Some(total.checked_mul(ONE)? < least.checked_mul(token)?)
        };
        compare().ok_or(StrategyError::Arithmetic("the size of a rebalance"))
    }
}

/// What the contract trades in all to move the ratio by `gap`, collateral base units; `None` on
/// overflow.
pub fn total_notional(position: Position, current: U256, gap: U256) -> Option<U256> {
    precise_mul(precise_div(gap, current)?, position.collateral)
}

fn ratio(value: U256) -> String {
    alloy::primitives::I256::try_from(value)
        .map_or_else(|_| value.to_string(), ballast_strategy_api::decision::fixed18)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::utils::parse_ether;

    use super::*;
    use crate::decide::tests::product;

    fn fixed(text: &str) -> U256 {
        parse_ether(text).unwrap()
    }

    fn methodology() -> MethodologySettings {
        MethodologySettings {
            targetLeverageRatio: fixed("2"),
            minLeverageRatio: fixed("1.7"),
            maxLeverageRatio: fixed("2.3"),
            recenteringSpeed: fixed("0.05"),
            rebalanceInterval: U256::from(86_400),
        }
    }

    #[test]
    fn bounds_may_be_loosened_and_not_tightened() {
        let check = |min: Option<&str>, max: Option<&str>| {
            let policy = Policy {
                custom_min: min.map(fixed),
                custom_max: max.map(fixed),
                min_notional: None,
            };
            policy.check_bounds(&methodology()).map_err(|error| error.to_string())
        };
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(Some("1.7"), Some("2.3")), Ok(()), "the product's own");
        assert_eq!(check(Some("1.6"), Some("2.35")), Ok(()));
        let said = check(Some("1.700000000000000001"), None).unwrap_err();
        let tighter = "is tighter than the product's own";
        assert_eq!(said, format!("custom_min_leverage_ratio 1.700000000000000001 {tighter} 1.7"));
        let said = check(None, Some("2.2")).unwrap_err();
        assert_eq!(said, format!("custom_max_leverage_ratio 2.2 {tighter} 2.3"));
    }

    #[test]
    fn a_missing_bound_is_the_products_own() {
        let policy = Policy { custom_max: Some(fixed("2.4")), ..Policy::default() };
        let bounds = policy.bounds(&methodology());
        assert_eq!((bounds.min, bounds.max), (fixed("1.7"), fixed("2.4")));
        assert!(!bounds.excludes(fixed("2.4")) && !bounds.excludes(fixed("1.7")));
        assert!(bounds.excludes(fixed("2.400000000000000001")));
        assert!(bounds.excludes(fixed("1.699999999999999999")));
    }

    #[test]
    fn a_least_size_is_in_whole_tokens_and_counts_the_whole_rebalance() {
        // 1 % of 2,000 ETH.
        let position = Position { collateral: fixed("2000"), debt: U256::from(1) };
        let small = |least: &str, decimals: u8, position: Option<Position>| {
            let policy = Policy { min_notional: Some(fixed(least)), ..Policy::default() };
            let mut product = product();
            product.collateral.decimals = decimals;
            policy.is_too_small(&product, position, fixed("2"), fixed("0.02")).unwrap()
        };
        assert!(!small("20", 18, Some(position)), "at the least size it is large enough");
        assert!(small("20.000000000000000001", 18, Some(position)));
        assert!(!small("1000000", 18, None), "not known to be too small");
        let bitcoin = Position { collateral: U256::from(200_000_000_000_u64), ..position };
        assert!(!small("20", 8, Some(bitcoin)));
        assert!(small("20.00000001", 8, Some(bitcoin)));
    }

    #[test]
    fn a_least_size_is_refused_where_it_cannot_be_measured() {
        let policy = Policy { min_notional: Some(ONE), ..Policy::default() };
        let mut morpho = product();
        morpho.variant = Variant::Morpho;
        let said = policy.check(&morpho).unwrap_err().to_string();
        assert!(said.contains("not supported on Morpho"), "{said}");
        assert!(policy.check(&product()).is_ok());
    }
}
