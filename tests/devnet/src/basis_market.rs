//! The market of the basis product: index, perpetual and spot price, funding, and what the product says.
//!
//! Three prices of ether matter and drift apart: the index, by which the extension computes and Perp
//! pays funding; Perp's own, in a pool of virtual tokens; and that of the spot pool. Each is moved by
//! itself or all together, in one transaction through Multicall3, which holds the market's purse and
//! an account on Perp: no keeper's nonce is involved, and every mining mode will do.

mod operator;
mod product;

use alloy::{
    primitives::{B256, I256, U256, aliases::U160},
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
};
use eyre::{OptionExt as _, Result, ensure};

pub use self::product::{BasisAction, Liquidation, ShortPosition};
use crate::{
    Basis, Deployment, Market, Node,
    accounts::{MARKET, OPERATOR},
    contracts::{IUniswapV3Pool, basis::IPriceFeedDouble, perp::IClearingHouse},
    market::{MAX_PRICE, USD, through},
};

/// More virtual tokens than a move to any price takes. A trade that is stopped by the price takes what
/// it needs.
const MUCH: u128 = 1_000_000_000_000_000_000_000_000_000;
/// After so long a premium is all that Perp's averages know of, in seconds.
const AVERAGED: u64 = 900;
/// A premium is in hundredths of a percent.
const WHOLE: u64 = 10_000;

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
}
