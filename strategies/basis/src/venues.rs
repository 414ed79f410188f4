//! What observations alone are made of: prices at both venues, and Perp's own view of the account.
//! Nothing that is sent depends on it, so what cannot be read is left out.

use alloy::primitives::{I256, U256, U512};
use ballast_chains::BlockReader;

use crate::{
    contracts::{IPerpAccountBalance, IPerpClearingHouse, IUniswapV3},
    deployment::{Deployment, SpotPool},
    ratio::ONE,
};

/// Bits after the point of twice Uniswap's square root of a price.
const PRICE_BITS: usize = 192;

/// Perp's view and both markets' prices; dollars with 18 decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Venues {
    /// What Perp says the account is worth: by its own price, which is not the extension's.
    pub account_value: Option<I256>,
    /// Below this value Perp liquidates.
    pub margin_requirement: Option<I256>,
    /// What Perp says the short is worth.
    pub position_value: Option<U256>,
    /// What Perp's market pays for the base asset now.
    pub mark: Option<U256>,
    /// What the pool of the spot leg pays now, with its path.
    pub spot: Option<U256>,
}

impl Venues {
    /// Reads what there is; one round.
    pub async fn read(product: &Deployment, at: &BlockReader) -> Self {
        let trader = product.settings.setToken;
        let perp = product.settings.perpV2AccountBalance;
        let (account_value, margin, position_value, mark, spot) = futures::join!(
            at.call(product.clearing_house, IPerpClearingHouse::getAccountValueCall { trader }),
            at.call(perp, IPerpAccountBalance::getMarginRequirementForLiquidationCall { trader }),
            at.call(perp, IPerpAccountBalance::getTotalAbsPositionValueCall { trader }),
            async {
                // Both virtual tokens have 18 decimals, and the base one always comes first.
                let sqrt = square_root(product.perp_pool?, at).await?;
                price(sqrt, true, 18, 18)
            },
            async {
                let SpotPool { pool, spot_is_token0, .. } = product.spot_pool.as_ref()?;
                let sqrt = square_root(*pool, at).await?;
                price(sqrt, *spot_is_token0, product.spot.decimals, product.collateral.decimals)
            },
        );
        Self {
            account_value: account_value.ok(),
            margin_requirement: margin.ok(),
            position_value: position_value.ok(),
            mark,
            spot,
        }
    }

    /// By how much of its present value the short's price can rise until Perp liquidates, 18
    /// decimals: 0 there and beyond. Rounded down. `None` if Perp does not tell, or there is no short.
    ///
    /// With `N` what the short is worth, `V` the account and `M` the margin that is required, which
    /// grows as `N` does, a rise by `x` leaves `V − N·x` against `M·(1 + x)`, so that
    ///
    /// ```text
    /// x = (V − M) / (N + M)
    /// ```
    pub fn room(&self) -> Option<U256> {
        let (value, margin, short) = self.figures()?;
        let spare = value.saturating_sub(margin);
        let Ok(spare) = U256::try_from(spare) else { return Some(U256::ZERO) };
        let margin = U256::try_from(margin).ok()?;
        spare.checked_mul(ONE)?.checked_div(short.checked_add(margin)?)
    }

    /// How far away liquidation is, as a share of the price at which it comes: 1 without a short, 0
    /// there and beyond. Rounded down; `None` if Perp does not tell.
    pub fn distance(&self) -> Option<U256> {
        if self.position_value? == U256::ZERO {
            return Some(ONE);
        }
        let room = self.room()?;
        room.checked_mul(ONE)?.checked_div(ONE.checked_add(room)?)
    }

    fn figures(&self) -> Option<(I256, I256, U256)> {
        let short = self.position_value.filter(|short| !short.is_zero())?;
        Some((self.account_value?, self.margin_requirement?, short))
    }
}

async fn square_root(pool: alloy::primitives::Address, at: &BlockReader) -> Option<U256> {
    let slot = at.call(pool, IUniswapV3::slot0Call {}).await.ok()?;
    let sqrt = U256::from(slot.sqrtPriceX96);
    (!sqrt.is_zero()).then_some(sqrt)
}

/// A pool's price of the base token in whole quote tokens, 18 decimals; rounded down. The square
/// root is of token 1 per token 0, both in base units, with 96 bits after the point. `None` beyond
/// 256 bits.
fn price(sqrt: U256, base_is_token0: bool, base_decimals: u8, quote_decimals: u8) -> Option<U256> {
    let wide = |value: U256| U512::from(value);
    let square = wide(sqrt).checked_mul(wide(sqrt))?;
    let unit = |decimals: u8| U512::from(10).checked_pow(U512::from(decimals));
    let whole = U512::ONE.checked_shl(PRICE_BITS)?;
    let (above, below) = if base_is_token0 { (square, whole) } else { (whole, square) };
    let above = above.checked_mul(unit(base_decimals)?)?.checked_mul(wide(ONE))?;
    let price = above.checked_div(below.checked_mul(unit(quote_decimals)?)?)?;
    U256::checked_from_limbs_slice(price.as_limbs())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::utils::parse_ether;
    use proptest::prelude::*;

    use super::*;

    fn fixed(text: &str) -> U256 {
        parse_ether(text).unwrap()
    }

    fn dollars(text: &str) -> I256 {
        I256::try_from(fixed(text)).unwrap()
    }

    /// A short of 50,000 dollars at a magnitude of the ratio; 6.25 % of it is required.
    fn at(ratio: u64) -> Venues {
        Venues {
            account_value: Some(dollars("50000") / I256::try_from(ratio).unwrap()),
            margin_requirement: Some(dollars("3125")),
            position_value: Some(fixed("50000")),
            ..Venues::default()
        }
    }

    #[test]
    fn the_room_is_that_of_the_reference() {
        // (1 + 1/L) / 1.0625: +88 % at 1, +41 % at 2, +25 % at 3, +13 % at 5.
        for (ratio, percent) in [(1, 88), (2, 41), (3, 25), (5, 13)] {
            let room = at(ratio).room().unwrap();
            let near = fixed("0.01") * U256::from(percent);
            assert!(room.abs_diff(near) < fixed("0.006"), "{ratio}: {room}");
        }
        let near = at(16).room().unwrap();
        assert_eq!(near, U256::ZERO, "1/16 is what is required");
        assert_eq!(at(17).room(), Some(U256::ZERO), "beyond it");
        let insolvent = Venues { account_value: Some(-dollars("1")), ..at(1) };
        assert_eq!((insolvent.room(), insolvent.distance()), (Some(U256::ZERO), Some(U256::ZERO)));
    }

    #[test]
    fn without_a_short_nothing_can_be_liquidated() {
        let flat = Venues {
            position_value: Some(U256::ZERO),
            margin_requirement: Some(I256::ZERO),
            ..at(1)
        };
        assert_eq!((flat.room(), flat.distance()), (None, Some(ONE)));
        assert_eq!(Venues::default().distance(), None);
    }

    #[test]
    fn a_price_comes_out_whole_whichever_token_is_first() {
        // 2^96 · sqrt(2,000) for a pair of 18 decimals.
        let sqrt = U256::from(3_543_191_142_285_914_205_922_034_323_214_u128);
        let perp = price(sqrt, true, 18, 18).unwrap();
        assert!(perp.abs_diff(fixed("2000")) < U256::from(1_000_000), "{perp}");
        // USDC (6) first: 2^96 · sqrt(1e18 / (2,000 · 1e6)) = 2^96 · sqrt(5e8).
        let sqrt = U256::from(1_771_595_571_142_957_102_961_017_161_607_260_u128);
        let spot = price(sqrt, false, 18, 6).unwrap();
        assert!(spot.abs_diff(fixed("2000")) < U256::from(1_000_000), "{spot}");
        assert_eq!(price(U256::MAX, true, 18, 18), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// By the account itself: after a rise by the room it is at the margin, after a little less
        /// above it, after a little more below.
        #[test]
        fn a_rise_by_the_room_leads_to_liquidation(
            short in 1_000_u64..10_000_000,
            account in 100_u64..10_000_000,
        ) {
            let unit = |n: u64| fixed("1") * U256::from(n);
            let margin = unit(short) / U256::from(16);
            let venues = Venues {
                account_value: Some(I256::try_from(unit(account)).unwrap()),
                margin_requirement: Some(I256::try_from(margin).unwrap()),
                position_value: Some(unit(short)),
                ..Venues::default()
            };
            let room = venues.room().unwrap();
            let spare = |rise: U256| {
                let lost = I256::try_from(unit(short) * rise / ONE).unwrap();
                let required = I256::try_from(margin * (ONE + rise) / ONE).unwrap();
                I256::try_from(unit(account)).unwrap() - lost - required
            };
            let hair = fixed("0.000001");
            if room.is_zero() {
                prop_assert!(spare(hair) < I256::ZERO);
            } else {
                prop_assert!(spare(room.saturating_sub(hair)) >= I256::ZERO);
                prop_assert!(spare(room + hair) < I256::ZERO);
            }
            let distance = venues.distance().unwrap();
            prop_assert!(distance <= room && distance < ONE);
        }
    }
}
