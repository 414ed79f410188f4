//! How far away the ceiling is: the ratio beyond which no action of the extension can delever any
//! more, with liquidation next.
//!
//! A delever may sell only what leaves the debt within `borrow limit = collateral value · factor ·
//! (1 − held back)`. Once the debt exceeds that, its size computation underflows, and everything
//! reverts. `factor` is what the lending market says, per variant:
//!
//! | variant | factor | held back |
//! |---|---|---|
//! | Compound | the market's collateral factor | the unutilized leverage percentage |
//! | Aave V2 | the asset's liquidation threshold | the unutilized leverage percentage |
//! | Aave V3 | the liquidation threshold of the e-mode, or the asset's without one | nothing |
//! | Morpho | the market's LLTV | the percentage for delevering |

use alloy::primitives::{U256, uint};
use ballast_chains::BlockReader;

use crate::{
    contracts::{
        IAaveDataProvider::getReserveConfigurationDataCall, IAavePool::getEModeCategoryDataCall,
        ICompoundComptroller::marketsCall, ILeverageStrategyExtension::currentEModeCategoryIdCall,
        IMorphoLeverageModule::marketParamsCall,
    },
    ratio::{ONE, precise_mul},
    variant::{Deployment, Variant},
};

/// One of Aave's 10,000 parts in 18-decimal fixed point.
const BASIS_POINT: U256 = uint!(100_000_000_000_000_U256);

/// The lending market's share of the collateral's value that may be owed, 18 decimals; two rounds of
/// reads at most. `None` if it is not told: nothing that is sent depends on it.
pub async fn factor(product: &Deployment, at: &BlockReader) -> Option<U256> {
    match product.variant {
        Variant::Compound => {
            let call = marketsCall { market: product.collateral.market? };
            Some(at.call(product.authority, call).await.ok()?.collateralFactor)
        }
        Variant::AaveV2 => of_reserve(product, at).await,
        Variant::AaveV3 => {
            let call = currentEModeCategoryIdCall {};
            let category = at.call(product.extension, call).await.ok()?;
            if category == 0 {
                return of_reserve(product, at).await;
            }
            let call = getEModeCategoryDataCall { category };
            let settings = at.call(product.e_mode_pool?, call).await.ok()?;
            U256::from(settings.liquidationThreshold).checked_mul(BASIS_POINT)
        }
        Variant::Morpho => {
            let call = marketParamsCall { setToken: product.set_token };
            Some(at.call(product.authority, call).await.ok()?.lltv)
        }
    }
}

async fn of_reserve(product: &Deployment, at: &BlockReader) -> Option<U256> {
    let call = getReserveConfigurationDataCall { asset: product.collateral.token };
    let reserve = at.call(product.authority, call).await.ok()?;
    reserve.liquidationThreshold.checked_mul(BASIS_POINT)
}

/// The share that the extension lets be owed, rounded down as it does; `None` for settings that it
/// could not compute with.
pub fn borrow_limit(factor: U256, held_back: U256) -> Option<U256> {
    precise_mul(factor, ONE.checked_sub(held_back)?)
}

/// By how much the price of the collateral can fall, as a share of it, until a product at `ratio`
/// is at the ceiling: 1 without debt, 0 at the ceiling and beyond. Rounded down.
///
/// A share `1 − 1 / ratio` of the collateral's value is owed. It reaches `limit` when the price has
/// fallen to `(1 − 1 / ratio) / limit` of what it is, and so
///
/// ```text
/// distance = 1 − (ratio − 1) / (ratio · limit)
/// ```
///
/// `None` on overflow, or for a limit of zero with debt.
pub fn distance(ratio: U256, limit: U256) -> Option<U256> {
    let debt = ratio.saturating_sub(ONE);
    if debt.is_zero() {
        return Some(ONE);
    }
    let scaled = debt.checked_mul(ONE)?.checked_mul(ONE)?;
    let whole = ratio.checked_mul(limit)?;
    // What is used up is rounded up, so that what is left is rounded down.
    let used = scaled
        .checked_div(whole)?
        .checked_add(U256::from(!(scaled.checked_rem(whole)?).is_zero()))?;
    Some(ONE.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::utils::parse_ether;
    use proptest::prelude::*;

    use super::*;

    fn fixed(text: &str) -> U256 {
        parse_ether(text).unwrap()
    }

    #[test]
    fn the_distance_is_the_fall_in_price_that_is_left() {
        // 75 % of which 1 % is held back, as on the devnet: from 2 × at $2,000 the ceiling is where
        // half of the value is 74.25 % of what is left of it, at $1,346.80.
        let limit = borrow_limit(fixed("0.75"), fixed("0.01")).unwrap();
        assert_eq!(limit, fixed("0.7425"));
        let left = distance(fixed("2"), limit).unwrap();
        assert_eq!(left, fixed("0.326599326599326599"));
        assert_eq!(distance(fixed("1"), limit), Some(ONE), "no debt, no risk");
        assert_eq!(distance(fixed("0.5"), limit), Some(ONE));
        // 1 / (1 − 0.7425) = 3.8835…
        assert!(distance(fixed("3.883"), limit).unwrap() > U256::ZERO);
        assert_eq!(distance(fixed("3.884"), limit), Some(U256::ZERO));
        assert_eq!(distance(fixed("100"), limit), Some(U256::ZERO), "beyond it");
        assert_eq!(distance(fixed("2"), U256::ZERO), None);
        assert_eq!(borrow_limit(ONE, ONE + U256::ONE), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// By the position itself: after a fall by the distance the debt is within the limit, after
        /// one by a little more it is not.
        #[test]
        fn a_fall_by_the_distance_leads_to_the_ceiling(
            ratio in 1_001_u64..4_000,
            limit in 100_u64..1_000,
        ) {
            let milli = |n: u64| U256::from(n) * uint!(1_000_000_000_000_000_U256);
            let (ratio, limit) = (milli(ratio), milli(limit));
            let left = distance(ratio, limit).unwrap();
            let value = fixed("1000000");
            let debt = value - value * ONE / ratio;
            let owed_after = |fall: U256| {
                let price = ONE - fall;
                (debt, value * price / ONE * limit / ONE)
            };
            if left.is_zero() {
                let (debt, limit) = owed_after(U256::ZERO);
                prop_assert!(debt + U256::from(1_000_000_000) >= limit);
            } else {
                let dust = U256::from(1_000_000_000);
                let (debt, limit) = owed_after(left - left.min(dust));
                prop_assert!(debt <= limit);
                let (debt, limit) = owed_after(left + dust);
                prop_assert!(debt > limit);
            }
        }
    }
}
