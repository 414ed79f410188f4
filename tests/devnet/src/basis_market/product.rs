//! What the basis product and Perp say of it.

use alloy::primitives::{I256, U256};
use eyre::{OptionExt as _, Result, bail};

use super::{BasisMarket, value};
use crate::{
    Basis,
    contracts::{
        basis::{IBasisStrategy, IBasisTradingModule, IManagerAdapters, ISetPositions},
        perp::{IAccountBalance, IClearingHouse, IClearingHouseConfig, IVault},
    },
    market::USD,
};

/// 1 in 18-decimal fixed point, and how many millionths are 1.
const ONE: u64 = 1_000_000_000_000_000_000;
const MILLION: u64 = 1_000_000;

/// What the extension says is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasisAction {
    /// Nothing.
    None,
    /// `rebalance`.
    Rebalance,
    /// `iterateRebalance`.
    Iterate,
    /// `ripcord`.
    Ripcord,
    /// `reinvest`.
    Reinvest,
}

/// Both legs of the product, 18 decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortPosition {
    /// Virtual ether on Perp: negative.
    pub base: I256,
    /// What it was sold for: positive.
    pub quote: I256,
    /// Ether that the product holds.
    pub spot: U256,
}

impl ShortPosition {
    /// How much more ether is held than is owed: about 0. 18 decimals.
    #[must_use]
    pub fn drift(&self) -> I256 {
        I256::try_from(self.spot).unwrap_or(I256::MAX).saturating_add(self.base)
    }
}

/// How far the product's account on Perp is from being liquidated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liquidation {
    /// The account by Perp's index price, 18 decimals.
    pub account_value: I256,
    /// Below it Perp lets anybody liquidate, 18 decimals.
    pub margin_requirement: I256,
    /// What could be withdrawn, in dollars of 6 decimals.
    pub free_collateral: U256,
    /// The index price at which the two meet, in US dollars with 8 decimals, rounded down; none without
    /// a short.
    pub price: Option<u64>,
}

impl BasisMarket {
    /// The product's current leverage ratio: 18 decimals, negative for a short. 0 is not engaged, or
    /// worth nothing.
    ///
    /// # Errors
    ///
    /// If the extension refuses to say.
    pub async fn leverage_ratio(&self) -> Result<I256> {
        self.node.read(self.basis.extension, IBasisStrategy::getCurrentLeverageRatioCall {}).await
    }

    /// What the extension says is due, as of the newest block.
    ///
    /// # Errors
    ///
    /// If the extension refuses to say, or says something unknown.
    pub async fn should_rebalance(&self) -> Result<BasisAction> {
        action(self.node.read(self.basis.extension, IBasisStrategy::shouldRebalanceCall {}).await?)
    }

    /// The same with wider bounds, 18 decimals.
    ///
    /// # Errors
    ///
    /// As [`should_rebalance`](Self::should_rebalance), and if the bounds are narrower than the
    /// product's.
    pub async fn should_rebalance_with_bounds(&self, min: I256, max: I256) -> Result<BasisAction> {
        let call = IBasisStrategy::shouldRebalanceWithBoundsCall {
            customMinLeverageRatio: min,
            customMaxLeverageRatio: max,
        };
        action(self.node.read(self.basis.extension, call).await?)
    }

    /// The ratio that an unfinished rebalance is heading for, 18 decimals; 0 if there is none.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn twap_leverage_ratio(&self) -> Result<I256> {
        self.node.read(self.basis.extension, IBasisStrategy::twapLeverageRatioCall {}).await
    }

    /// When the extension last traded, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn last_trade(&self) -> Result<u64> {
        let at = IBasisStrategy::lastTradeTimestampCall {};
        Ok(self.node.read(self.basis.extension, at).await?.try_into()?)
    }

    /// When the extension last reinvested or was deployed, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn last_reinvest(&self) -> Result<u64> {
        let at = IBasisStrategy::lastReinvestTimestampCall {};
        Ok(self.node.read(self.basis.extension, at).await?.try_into()?)
    }

    /// Funding that the module has tracked and nobody has withdrawn: 18 decimals.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn tracked_funding(&self) -> Result<U256> {
        let call = IBasisTradingModule::settledFundingCall { setToken: self.basis.set_token };
        self.node.read(self.basis.basis_module, call).await
    }

    /// Funding since the product's account was last settled: 18 decimals, positive when the product
    /// receives it. Perp's own reads have the opposite sign.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn pending_funding(&self) -> Result<I256> {
        Ok(self.account().await?.pendingFundingPayments)
    }

    /// What the extension computes its leverage with, 18 decimals: positive, or the ratio is 0.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn account_value(&self) -> Result<I256> {
        let account = self.account().await?;
        let position = self.position().await?;
        let index = I256::try_from(self.index_price().await?)?;
        let value = position.base.checked_mul(index).and_then(|v| v.checked_div(usd()));
        let parts = [
            account.owedRealizedPnl,
            account.pendingFundingPayments,
            value.ok_or_eyre("the position is too large")?,
            position.quote,
        ];
        let sum = |sum: I256, part: I256| sum.checked_add(part);
        parts.into_iter().try_fold(account.collateralBalance, sum).ok_or_eyre("too large")
    }

    /// Both legs.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn position(&self) -> Result<ShortPosition> {
        let Basis { perp, set_token, .. } = &self.basis;
        let (trader, base_token) = (*set_token, perp.base_token);
        let base = IAccountBalance::getTakerPositionSizeCall { trader, baseToken: base_token };
        let base = self.node.read(perp.account_balance, base).await?;
        let quote = IAccountBalance::getTakerOpenNotionalCall { trader, baseToken: base_token };
        let quote = self.node.read(perp.account_balance, quote).await?;
        let component = self.deployment.tokens.weth;
        let units = ISetPositions::getDefaultPositionRealUnitCall { component };
        let units = U256::try_from(self.node.read(trader, units).await?)?;
        let supply = self.node.read(trader, ISetPositions::totalSupplyCall {}).await?;
        let spot = units.checked_mul(supply).and_then(|held| held.checked_div(U256::from(ONE)));
        Ok(ShortPosition { base, quote, spot: spot.ok_or_eyre("the position is too large")? })
    }

    /// How far the product's account is from liquidation.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn liquidation(&self) -> Result<Liquidation> {
        let Basis { perp, set_token: trader, .. } = &self.basis;
        let trader = *trader;
        let value = IClearingHouse::getAccountValueCall { trader };
        let account_value = self.node.read(perp.clearing_house, value).await?;
        let required = IAccountBalance::getMarginRequirementForLiquidationCall { trader };
        let margin_requirement = self.node.read(perp.account_balance, required).await?;
        let free_collateral =
            self.node.read(perp.vault, IVault::getFreeCollateralCall { trader }).await?;
        let ratio = self.node.read(perp.config, IClearingHouseConfig::getMmRatioCall {}).await?;
        let short = self.position().await?.base.unsigned_abs();
        let price = liquidation_price(
            self.account_value().await?,
            short,
            self.index_price().await?,
            ratio.to::<u64>(),
        )?;
        Ok(Liquidation { account_value, margin_requirement, free_collateral, price })
    }

    /// Whether the manager lists the extension, that is whether it may be driven at all.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn is_listed(&self) -> Result<bool> {
        let listed = IManagerAdapters::isAdapterCall { adapter: self.basis.extension };
        self.node.read(self.basis.manager, listed).await
    }

    async fn account(&self) -> Result<IBasisTradingModule::AccountInfo> {
        let call = IBasisTradingModule::getAccountInfoCall { setToken: self.basis.set_token };
        self.node.read(self.basis.basis_module, call).await
    }
}

fn action(code: u8) -> Result<BasisAction> {
    Ok(match code {
        0 => BasisAction::None,
        1 => BasisAction::Rebalance,
        2 => BasisAction::Iterate,
        3 => BasisAction::Ripcord,
        4 => BasisAction::Reinvest,
        other => bail!("the extension has the unknown action {other}"),
    })
}

fn usd() -> I256 {
    I256::try_from(USD).unwrap_or(I256::ONE)
}

/// The price at which an account that is short so much is worth just its margin, a ratio in millionths:
/// with `K` the account without the position, `K − s·p = m·s·p`.
fn liquidation_price(account: I256, short: U256, price: u64, ratio: u64) -> Result<Option<u64>> {
    if short.is_zero() {
        return Ok(None);
    }
    let without = account.checked_add(I256::try_from(value(short, price)?)?).ok_or_eyre("large")?;
    let Ok(without) = U256::try_from(without) else { return Ok(Some(0)) };
    let (usd, million) = (U256::from(USD), U256::from(MILLION));
    let scaled = without.checked_mul(usd).and_then(|k| k.checked_mul(million));
    let per = short.checked_mul(million.saturating_add(U256::from(ratio)));
    let price = scaled.and_then(|scaled| scaled.checked_div(per?)).ok_or_eyre("too large")?;
    Ok(Some(price.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At −1 a rise of 88 % liquidates, at −2 one of 41 %: the reference's figures.
    #[test]
    fn a_short_is_liquidated_where_the_reference_says() {
        let ether = U256::from(ONE);
        let account = |dollars: i64| I256::try_from(i128::from(dollars) * i128::from(ONE)).unwrap();
        let at = |account| liquidation_price(account, ether, 2_000 * USD, 62_500).unwrap().unwrap();
        assert_eq!(at(account(2_000)) / USD, 3_764);
        assert_eq!(at(account(1_000)) / USD, 2_823);
        assert_eq!(at(account(-2_001)), 0, "nothing can help any more");
        assert_eq!(liquidation_price(account(1), U256::ZERO, USD, 62_500).unwrap(), None);
    }
}
