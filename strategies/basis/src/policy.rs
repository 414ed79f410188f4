//! What an operator may choose about a product beyond what its methodology fixes. All of it can
//! only hold work back, and none of it an emergency.

use alloy::primitives::{I256, U256, uint};
use ballast_strategy_api::{StrategyError, decision::fixed18};

use crate::{contracts::IBasisExtension::MethodologySettings, ratio::signed};

/// How many times its gas funding must be worth, if the operator says nothing: 3.
pub const DEFAULT_GAS_MULTIPLE: U256 = uint!(3_000_000_000_000_000_000_U256);

/// An operator's choices; the default chooses nothing. Ratios are magnitudes with 18 decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// In place of the product's bound nearest to zero, and not farther from zero than it.
    pub custom_min: Option<U256>,
    /// In place of the product's bound farthest from zero, and not nearer to zero than it.
    pub custom_max: Option<U256>,
    /// What a reinvestment must be worth.
    pub gas_multiple: GasMultiple,
}

/// How many times its gas funding must be worth before it is reinvested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasMultiple {
    /// 18 decimals; zero asks for nothing.
    pub times: U256,
    /// Whether the operator said so: then it binds also where the gas cannot be priced.
    pub is_chosen: bool,
}

impl Default for GasMultiple {
    fn default() -> Self {
        Self { times: DEFAULT_GAS_MULTIPLE, is_chosen: false }
    }
}

/// Magnitudes beyond which a rebalance is due before the interval is over; 18 decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The bound nearest to zero; the ratio itself is inside.
    pub min: U256,
    /// The bound farthest from zero; the ratio itself is inside.
    pub max: U256,
}

impl Bounds {
    /// The product's own.
    pub fn of(methodology: &MethodologySettings) -> Self {
        Self {
            min: methodology.minLeverageRatio.unsigned_abs(),
            max: methodology.maxLeverageRatio.unsigned_abs(),
        }
    }

    /// Whether a ratio of this magnitude lies outside.
    pub fn excludes(self, ratio: U256) -> bool {
        ratio < self.min || ratio > self.max
    }

    /// Whether it lies inside and at neither bound: what `reinvest` asks for.
    pub fn encloses(self, ratio: U256) -> bool {
        self.min < ratio && ratio < self.max
    }
}

impl Policy {
    /// Whether the product's own bounds are replaced.
    pub fn has_bounds(&self) -> bool {
        self.custom_min.is_some() || self.custom_max.is_some()
    }

    /// The bounds in force: the custom ones, and the product's own where there is none.
    pub fn bounds(&self, methodology: &MethodologySettings) -> Bounds {
        let own = Bounds::of(methodology);
        Bounds { min: self.custom_min.unwrap_or(own.min), max: self.custom_max.unwrap_or(own.max) }
    }

    /// Whether the bounds are wider than the product's own as they are now. While they are not, the
    /// extension refuses them, and rebalances are blocked.
    ///
    /// # Errors
    /// [`StrategyError::Misconfigured`] with the bound that is tighter.
    pub fn check_bounds(&self, methodology: &MethodologySettings) -> Result<(), StrategyError> {
        let own = Bounds::of(methodology);
        let tighter = |key: &str, custom: U256, own: U256| {
            Err(StrategyError::Misconfigured(format!(
                "{key} {} is tighter than the product's own {}",
                short(custom),
                short(own)
            )))
        };
        if let Some(custom) = self.custom_min.filter(|custom| *custom > own.min) {
            return tighter("custom_min_leverage_ratio", custom, own.min);
        }
        if let Some(custom) = self.custom_max.filter(|custom| *custom < own.max) {
            return tighter("custom_max_leverage_ratio", custom, own.max);
        }
        Ok(())
    }
}

/// A magnitude as the contract's ratio, for people.
pub(crate) fn short(magnitude: U256) -> String {
    signed(magnitude).map_or_else(|| format!("-{magnitude}"), ratio_text)
}

/// A signed ratio, for people.
pub(crate) fn ratio_text(ratio: I256) -> String {
    fixed18(ratio)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::utils::parse_ether;

    use super::*;

    fn fixed(text: &str) -> U256 {
        parse_ether(text).unwrap()
    }

    fn methodology() -> MethodologySettings {
        let short = |text| signed(fixed(text)).unwrap();
        MethodologySettings {
            targetLeverageRatio: short("1"),
            minLeverageRatio: short("0.95"),
            maxLeverageRatio: short("2"),
            recenteringSpeed: fixed("0.05"),
            rebalanceInterval: U256::MAX,
            reinvestInterval: U256::from(604_800),
            minReinvestUnits: U256::from(10_000),
        }
    }

    #[test]
    fn bounds_may_be_widened_and_not_tightened() {
        let check = |min: Option<&str>, max: Option<&str>| {
            let policy = Policy {
                custom_min: min.map(fixed),
                custom_max: max.map(fixed),
                ..Policy::default()
            };
            policy.check_bounds(&methodology()).map_err(|error| error.to_string())
        };
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(Some("0.95"), Some("2")), Ok(()), "the product's own");
        assert_eq!(check(Some("0.9"), Some("2.1")), Ok(()));
        let tighter = "is tighter than the product's own";
        let said = check(Some("0.950000000000000001"), None).unwrap_err();
        assert_eq!(
            said,
            format!("custom_min_leverage_ratio -0.950000000000000001 {tighter} -0.95")
        );
        let said = check(None, Some("1.9")).unwrap_err();
        assert_eq!(said, format!("custom_max_leverage_ratio -1.9 {tighter} -2"));
    }

    #[test]
    fn a_missing_bound_is_the_products_own() {
        let policy = Policy { custom_max: Some(fixed("2.5")), ..Policy::default() };
        let bounds = policy.bounds(&methodology());
        assert_eq!((bounds.min, bounds.max), (fixed("0.95"), fixed("2.5")));
        assert!(!bounds.excludes(fixed("2.5")) && !bounds.excludes(fixed("0.95")));
        assert!(!bounds.encloses(fixed("2.5")) && !bounds.encloses(fixed("0.95")));
        assert!(bounds.encloses(fixed("2.499999999999999999")));
        assert!(bounds.excludes(fixed("2.500000000000000001")));
        assert!(bounds.excludes(fixed("0.949999999999999999")));
    }
}
