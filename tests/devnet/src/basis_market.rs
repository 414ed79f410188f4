//! The market of the basis product: index, perpetual and spot price, funding, and what the product says.
//!
//! Three prices of ether matter and drift apart: the index, by which the extension computes and Perp
//! pays funding; Perp's own, in a pool of virtual tokens; and that of the spot pool. Each is moved by
//! itself or all together, in one transaction through Multicall3, which holds the market's purse and
//! an account on Perp: no keeper's nonce is involved, and every mining mode will do.

mod operator;

use alloy::{
    primitives::{B256, I256, U256, aliases::U160},
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
};
use eyre::{OptionExt as _, Result, bail, ensure};

use crate::{
    Basis, Deployment, Market, Node,
    accounts::{MARKET, OPERATOR},
    contracts::{
        IUniswapV3Pool,
        basis::{
            IBasisStrategy, IBasisTradingModule, IManagerAdapters, IPriceFeedDouble, ISetPositions,
        },
        perp::{IAccountBalance, IClearingHouse, IClearingHouseConfig, IVault},
    },
    market::{MAX_PRICE, USD, through},
};

/// More virtual tokens than a move to any price takes. A trade that is stopped by the price takes what
/// it needs.
const MUCH: u128 = 1_000_000_000_000_000_000_000_000_000;
/// 1 in 18-decimal fixed point, and how many millionths are 1.
const ONE: u64 = 1_000_000_000_000_000_000;
const MILLION: u64 = 1_000_000;
/// After so long a premium is all that Perp's averages know of, in seconds.
const AVERAGED: u64 = 900;
/// A premium is in hundredths of a percent.
const WHOLE: u64 = 10_000;

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

/// Moves prices and funding, and reads the basis product. Prices are US dollars per ether with 8
/// decimals.
#[derive(Debug, Clone)]
pub struct BasisMarket {
    node: Node,
    market: Market,
    deployment: Deployment,
    basis: Basis,
}

impl BasisMarket {
    /// The market of a deployment's basis product, on the node that has it.
    ///
    /// # Errors
    ///
    /// If the deployment has none.
    pub fn new(node: Node, deployment: Deployment) -> Result<Self> {
        let basis = deployment.basis.clone().ok_or_eyre("no basis product was asked for")?;
        let market = Market::new(node.clone(), deployment.clone());
        Ok(Self { node, market, deployment, basis })
    }

    /// The node.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The addresses.
    #[must_use]
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Moves everything to a price: the spot pool, Perp's market and the index, and what the other
    /// products of the chain go by. Returns the block's number.
    ///
    /// # Errors
    ///
    /// If the price is zero or above a million dollars, or a pool was traded in the same moment.
    pub async fn set_price(&self, eth_usd: u64) -> Result<u64> {
        in_range(eth_usd)?;
        let mut calls = self.market.oracle_calls(eth_usd).await?;
        calls.extend(self.market.v3_call(eth_usd).await?);
        calls.extend(self.market.v2_call(eth_usd).await?);
        calls.extend(self.mark_call(eth_usd).await?);
        calls.push(self.index_call(eth_usd).await?);
        self.move_by(calls).await
    }

    /// Moves the index alone: what Chainlink says. Leverage follows at once, both markets stay.
    ///
    /// # Errors
    ///
    /// As [`set_price`](Self::set_price).
    pub async fn set_index_price(&self, eth_usd: u64) -> Result<u64> {
        in_range(eth_usd)?;
        self.move_by(vec![self.index_call(eth_usd).await?]).await
    }

    /// Moves the spot pool alone, by a trade. It is the pool that other products of the chain trade on.
    ///
    /// # Errors
    ///
    /// As [`set_price`](Self::set_price).
    pub async fn set_spot_price(&self, eth_usd: u64) -> Result<u64> {
        in_range(eth_usd)?;
        self.move_by(self.market.v3_call(eth_usd).await?.into_iter().collect()).await
    }

    /// Moves Perp's market alone, by a trade.
    ///
    /// # Errors
    ///
    /// As [`set_price`](Self::set_price).
    pub async fn set_mark_price(&self, eth_usd: u64) -> Result<u64> {
        in_range(eth_usd)?;
        self.move_by(self.mark_call(eth_usd).await?.into_iter().collect()).await
    }

    /// The index price.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn index_price(&self) -> Result<u64> {
        let answer = IPriceFeedDouble::latestAnswerCall {};
        Ok(self.node.read(self.basis.index_feed, answer).await?.try_into()?)
    }

    /// The price in Perp's market, rounded down.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn mark_price(&self) -> Result<u64> {
        let pool = self.node.read(self.basis.perp.pool, IUniswapV3Pool::slot0Call {}).await?;
        price_of_root(pool.sqrtPriceX96)
    }

    /// Lets Perp's market stand a premium above the index (negative: below it) for a time, in hundredths
    /// of a percent and seconds, and lets Perp see it after a quarter of an hour and at the end. Longs pay
    /// shorts for a premium, so the product receives when it is positive. The market is left there.
    ///
    /// # Errors
    ///
    /// As [`set_price`](Self::set_price).
    pub async fn accrue_funding(&self, premium: i32, seconds: u64) -> Result<()> {
        let index = self.index_price().await?;
        let factor = WHOLE.checked_add_signed(i64::from(premium)).ok_or_eyre("below zero")?;
        let mark = index.checked_mul(factor).and_then(|scaled| scaled.checked_div(WHOLE));
        self.set_mark_price(mark.ok_or_eyre("the index is too high")?).await?;
        let settled = seconds.min(AVERAGED);
        self.node.warp(settled).await?;
        self.sample_funding().await?;
        if seconds > settled {
            self.node.warp(seconds.saturating_sub(settled)).await?;
            self.sample_funding().await?;
        }
        Ok(())
    }

    /// Lets Perp take note of the present premium, as any trade does, by settling the market maker's
    /// funding. The product's stays pending.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn sample_funding(&self) -> Result<()> {
        let settle = IClearingHouse::settleAllFundingCall { trader: OPERATOR };
        self.node.transact(MARKET, self.basis.perp.clearing_house, settle).await?;
        Ok(())
    }

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

    /// A new answer, from before the newest block: Perp divides by zero in the second of an answer.
    async fn index_call(&self, eth_usd: u64) -> Result<IMulticall3::Call3> {
        let at = U256::from(self.node.head().await?.timestamp.saturating_sub(1));
        let answer = IPriceFeedDouble::setAnswerCall { answer: I256::try_from(eth_usd)?, at };
        Ok(through(self.basis.index_feed, &answer))
    }

    /// A trade of as much as it takes to reach the price, or none if it is there.
    async fn mark_call(&self, eth_usd: u64) -> Result<Option<IMulticall3::Call3>> {
        let perp = &self.basis.perp;
        let target = sqrt_price(eth_usd)?;
        let pool = self.node.read(perp.pool, IUniswapV3Pool::slot0Call {}).await?;
        if pool.sqrtPriceX96 == target {
            return Ok(None);
        }
        let params = IClearingHouse::OpenPositionParams {
            baseToken: perp.base_token,
            isBaseToQuote: target < pool.sqrtPriceX96,
            isExactInput: true,
            amount: U256::from(MUCH),
            oppositeAmountBound: U256::ZERO,
            deadline: U256::MAX,
            sqrtPriceLimitX96: target,
            referralCode: B256::ZERO,
        };
        let trade = IClearingHouse::openPositionCall { params };
        Ok(Some(through(perp.clearing_house, &trade)))
    }

    /// All in one block; what comes first moves first.
    async fn move_by(&self, calls: Vec<IMulticall3::Call3>) -> Result<u64> {
        let all = IMulticall3::aggregate3Call { calls };
        let receipt = self.node.transact(MARKET, MULTICALL3_ADDRESS, all).await?;
        receipt.block_number.ok_or_eyre("a receipt without a block")
    }
}

fn in_range(eth_usd: u64) -> Result<()> {
    ensure!((1..=MAX_PRICE).contains(&eth_usd), "no price between 0 and a million dollars");
    Ok(())
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

/// The root of a price as a fixed point with 96 bits: both virtual tokens have 18 decimals.
pub(crate) fn sqrt_price(eth_usd: u64) -> Result<U160> {
    let price = U256::from(eth_usd).checked_shl(192).and_then(|p| p.checked_div(U256::from(USD)));
    Ok(U160::from(price.ok_or_eyre("no such price")?.root(2)))
}

/// The price of such a root, rounded down.
fn price_of_root(root: U160) -> Result<u64> {
    // Half the fixed point's bits are enough for 8 decimals, and the square of the rest fits.
    let root = U256::from(root) >> 32_usize;
    let square = root.checked_mul(root).and_then(|price| price.checked_mul(U256::from(USD)));
    Ok((square.ok_or_eyre("no such price")? >> 128_usize).try_into()?)
}

/// What `wei` are worth, with 18 decimals, rounded down.
pub(crate) fn value(wei: U256, eth_usd: u64) -> Result<U256> {
    let value = wei.checked_mul(U256::from(eth_usd)).ok_or_eyre("amount too large")?;
    Ok(value.checked_div(U256::from(USD)).unwrap_or_default())
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

    #[test]
    fn a_price_survives_its_root() {
        for price in [1, USD, 2_000 * USD, 199_999_999_999, MAX_PRICE] {
            let back = price_of_root(sqrt_price(price).unwrap()).unwrap();
            assert!(back <= price && price - back <= 1, "{price}: {back}");
        }
    }

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
