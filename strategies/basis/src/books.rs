//! What a product owns and owes: its Perp account, its spot leg, and the funding it has collected.

use alloy::primitives::{I256, U256, uint};
use ballast_chains::{BlockReader, ReadError};

use crate::{
    contracts::{
        IBasisModule::{self, AccountInfo},
        IPerpAccountBalance, IPriceFeed, ISetToken,
    },
    deployment::Deployment,
    ratio::{ONE, Reinvestment, precise_mul, signed_mul},
};

/// What the extension divides by to have the funding in the collateral's six decimals.
const FUNDING_UNIT: U256 = uint!(1_000_000_000_000_U256);

/// The books of a product at one block. Dollars have 18 decimals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// The size of the short, base asset with 18 decimals; negative.
    pub size: I256,
    /// What the short was sold for; positive.
    pub notional: I256,
    /// The rest of the Perp account. Its pending funding is positive when the product will receive.
    pub account: AccountInfo,
    /// The extension's price of the base asset: an index, not Perp's market.
    pub price: U256,
    /// Funding that the module has tracked and not withdrawn.
    pub tracked: U256,
    /// The manager's share of funding that is withdrawn.
    pub performance_fee: U256,
    /// Tokens of the product, 18 decimals.
    pub supply: U256,
    /// Spot that each token holds, base units per 10¹⁸ of it.
    pub spot_unit: I256,
    /// Collateral that each token holds outside Perp, likewise.
    pub collateral_unit: I256,
}

impl Books {
    /// Reads them; one round.
    ///
    /// # Errors
    /// The first read that failed: books with a hole are no books.
    pub async fn read(product: &Deployment, at: &BlockReader) -> Result<Self, ReadError> {
        let settings = &product.settings;
        let (set, module) = (settings.setToken, settings.basisTradingModule);
        let base = settings.virtualBaseAddress;
        let perp = settings.perpV2AccountBalance;
        let price = IPriceFeed::getPriceCall { interval: settings.twapInterval };
        let unit = |component| ISetToken::getDefaultPositionRealUnitCall { component };
        let (size, notional, account, price, tracked, fees, supply, spot_unit, collateral_unit) = futures::try_join!(
            at.call(
                perp,
                IPerpAccountBalance::getTakerPositionSizeCall { trader: set, baseToken: base }
            ),
            at.call(
                perp,
                IPerpAccountBalance::getTakerOpenNotionalCall { trader: set, baseToken: base }
            ),
            at.call(module, IBasisModule::getAccountInfoCall { setToken: set }),
            at.call(settings.baseUSDPriceOracle, price),
            at.call(module, IBasisModule::settledFundingCall { setToken: set }),
            at.call(module, IBasisModule::feeSettingsCall { setToken: set }),
            at.call(set, ISetToken::totalSupplyCall {}),
            at.call(set, unit(product.spot.token)),
            at.call(set, unit(product.collateral.token)),
        )?;
        let price = price.checked_mul(product.price_scale).ok_or_else(|| ReadError::Malformed {
            target: settings.baseUSDPriceOracle,
            detail: format!("a price of {price}"),
        })?;
        Ok(Self {
            size,
            notional,
            account,
            price,
            tracked,
            performance_fee: fees.performanceFeePercentage,
            supply,
            spot_unit,
            collateral_unit,
        })
    }

    /// What the short is worth at the extension's price; `None` on overflow.
    pub fn short_value(&self) -> Option<U256> {
        precise_mul(self.size.unsigned_abs(), self.price)
    }

    /// What the Perp account is worth by the extension's rule, which goes by the index and not by
    /// Perp's market; `None` on overflow.
    pub fn account_value(&self) -> Option<I256> {
        let AccountInfo { collateralBalance, owedRealizedPnl, pendingFundingPayments, .. } =
            self.account;
        [owedRealizedPnl, pendingFundingPayments, signed_mul(self.size, self.price)?, self.notional]
            .into_iter()
            .try_fold(collateralBalance, I256::checked_add)
    }

    /// Funding that can be reinvested: tracked plus pending, never negative. It is what the module's
    /// `getUpdatedSettledFunding` answers, where it has one. `None` on overflow.
    pub fn funding(&self) -> Option<U256> {
        let pending = self.account.pendingFundingPayments;
        if pending.is_negative() {
            Some(self.tracked.saturating_sub(pending.unsigned_abs()))
        } else {
            self.tracked.checked_add(pending.unsigned_abs())
        }
    }

    /// The funding per token, in the unit of `minReinvestUnits`; `None` without tokens.
    pub fn reinvest_units(&self) -> Option<U256> {
        self.funding()?.checked_div(FUNDING_UNIT)?.checked_mul(ONE)?.checked_div(self.supply)
    }

    /// What a reinvestment would do at a ratio of this magnitude; `None` if the account is worth
    /// nothing, or on overflow. Whatever collateral the product holds outside Perp is spent too.
    pub fn reinvestment(&self, product: &Deployment, ratio: U256) -> Option<Reinvestment> {
        let funding = self.funding()?;
        let kept = ONE.checked_sub(self.performance_fee)?;
        let held = self.held(self.collateral_unit, product.collateral.decimals)?;
        let held = U256::try_from(held).unwrap_or_default();
        Some(Reinvestment {
            ratio,
            account_value: U256::try_from(self.account_value()?).ok()?,
            funding,
            spent: precise_mul(funding, kept)?.checked_add(held)?,
        })
    }

    /// Spot that the product holds, whole tokens with 18 decimals; `None` on overflow.
    pub fn spot(&self, product: &Deployment) -> Option<I256> {
        self.held(self.spot_unit, product.spot.decimals)
    }

    /// How far the spot leg and the short are apart, whole tokens with 18 decimals: above 0 the
    /// product is long. About 0 after every action.
    pub fn drift(&self, product: &Deployment) -> Option<I256> {
        self.spot(product)?.checked_add(self.size)
    }

    /// What all tokens hold together of a component, with 18 decimals; rounded towards zero.
    fn held(&self, unit: I256, decimals: u8) -> Option<I256> {
        let base_units = signed_mul(unit, self.supply)?;
        let ten = U256::from(10);
        let scaled = match 18_u8.checked_sub(decimals) {
            Some(missing) => {
                let scale = ten.checked_pow(U256::from(missing))?;
                base_units.unsigned_abs().checked_mul(scale)?
            }
            None => {
                let scale = ten.checked_pow(U256::from(decimals.checked_sub(18)?))?;
                base_units.unsigned_abs().checked_div(scale)?
            }
        };
        let magnitude = I256::try_from(scaled).ok()?;
        if unit.is_negative() { magnitude.checked_neg() } else { Some(magnitude) }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::utils::parse_ether;

    use super::*;
    use crate::decide::tests::{books, product};

    fn fixed(text: &str) -> I256 {
        I256::try_from(parse_ether(text).unwrap()).unwrap()
    }

    #[test]
    fn pending_funding_that_is_owed_eats_what_was_tracked_and_no_more() {
        let funding = |pending: I256| {
            let mut books = books("1");
            books.tracked = parse_ether("100").unwrap();
            books.account.pendingFundingPayments = pending;
            books.funding().unwrap()
        };
        assert_eq!(funding(fixed("5")), parse_ether("105").unwrap());
        assert_eq!(funding(-fixed("5")), parse_ether("95").unwrap());
        assert_eq!(funding(-fixed("100")), U256::ZERO);
        assert_eq!(funding(-fixed("1004.7")), U256::ZERO, "a loss is hidden");
    }

    #[test]
    fn units_are_rounded_as_the_extension_rounds_them() {
        let mut books = books("1");
        books.account.pendingFundingPayments = I256::ZERO;
        books.supply = parse_ether("3").unwrap();
        // 1.000001999… dollars are 1,000,001 base units, a third of which each.
        books.tracked = parse_ether("1.000001999999999999").unwrap();
        assert_eq!(books.reinvest_units(), Some(U256::from(333_333)));
        books.supply = U256::ZERO;
        assert_eq!(books.reinvest_units(), None);
    }

    #[test]
    fn the_account_is_worth_what_the_extension_says() {
        let books = books("1");
        let value = books.account_value().unwrap();
        let ratio = books.short_value().unwrap() * ONE / value.unsigned_abs();
        assert!(ratio.abs_diff(ONE) < U256::from(1_000), "{ratio}");
    }

    #[test]
    fn what_is_held_has_18_decimals_whatever_the_token_has() {
        let mut books = books("1");
        books.supply = parse_ether("1000").unwrap();
        books.spot_unit = fixed("0.05");
        assert_eq!(books.spot(&product()), Some(fixed("50")));
        books.size = -fixed("49.5");
        assert_eq!(books.drift(&product()), Some(fixed("0.5")));
        // 2 USDC a token, of which the fee does not eat anything.
        books.collateral_unit = I256::try_from(2_000_000).unwrap();
        (books.tracked, books.account.pendingFundingPayments) = (U256::ZERO, I256::ZERO);
        let one = books.reinvestment(&product(), ONE).unwrap();
        assert_eq!((one.funding, one.spent), (U256::ZERO, parse_ether("2000").unwrap()));
    }
}
