//! The market: one price everywhere, moved at once.
//!
//! A strategy computes with the Chainlink feed, Compound with its own oracle, and the trade happens
//! in a pool. If they moved in different blocks, a keeper that looks in between would see trades
//! fail on slippage. So one transaction moves all four, through Multicall3, which therefore holds
//! the market's purse: this works in every mining mode, and no keeper's nonce is involved.

mod moves;

use alloy::{
    primitives::{Address, U256, utils::parse_ether},
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
    sol_types::SolCall,
};
use eyre::{OptionExt as _, Result, bail, ensure};

pub(crate) use self::moves::{
    dollars, ether_price, next_round, root_price, sqrt_price, through, v2_input, v2_output,
    v2_swap, v3_swap, v3_way,
};
use crate::{
    Deployment, Node, Product, Tokens, Uniswap, V2_EXCHANGE, V3_EXCHANGE,
    accounts::{MARKET, OPERATOR},
    batch::Batch,
    contracts::{IFeed, IStrategy, IToken},
};

/// The purse: a million ether and a hundred thousand million dollars, far more than a move from
/// two thousand dollars to a hundred and back takes.
const PURSE_WETH: &str = "1000000";
const PURSE_USDC: u64 = 100_000_000_000_000_000;
/// A dollar, as a price: prices have 8 decimals, so $1,750 is `1_750 * USD`.
pub const USD: u64 = 100_000_000;
/// Keeps every intermediate product of the price formulas within 256 bits: a million dollars.
pub(crate) const MAX_PRICE: u64 = 1_000_000 * USD;

/// What a strategy says is due on an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// `rebalance`.
    Rebalance,
    /// `iterateRebalance`.
    Iterate,
    /// `ripcord`.
    Ripcord,
}

/// Moves prices and reads strategies.
#[derive(Debug, Clone)]
pub struct Market {
    node: Node,
    deployment: Deployment,
}

impl Market {
    /// The market of a deployment, on the node that has it.
    #[must_use]
    pub fn new(node: Node, deployment: Deployment) -> Self {
        Self { node, deployment }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// The price of the Chainlink feed, in US dollars per ether with 8 decimals.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn price(&self) -> Result<u64> {
        let answer = self.node.read(self.deployment.feeds.eth_usd, IFeed::latestAnswerCall {});
        Ok(answer.await?.try_into()?)
    }

    /// Moves feed, Compound oracle and both pools to a price (US dollars per ether, 8 decimals) in
    /// one block and waits for it; returns the block's number. With manual mining it mines that
    /// block, otherwise it leaves that to the node.
    ///
    /// # Errors
    ///
    /// If the price is zero or above a million dollars, or a pool was traded in the same moment so
    /// that its move fails.
    pub async fn set_price(&self, eth_usd: u64) -> Result<u64> {
        ensure!((1..=MAX_PRICE).contains(&eth_usd), "no price between 0 and a million dollars");
        let mut calls = self.oracle_calls(eth_usd).await?;
        calls.extend(self.v3_call(eth_usd).await?);
        calls.extend(self.v2_call(eth_usd).await?);
        let all = IMulticall3::aggregate3Call { calls };
        let receipt = self.node.transact(MARKET, MULTICALL3_ADDRESS, all).await?;
        receipt.block_number.ok_or_eyre("a receipt without a block")
    }

    /// Moves the feed alone (US dollars per ether, 8 decimals): what a keeper meets when pools have
    /// not followed.
    ///
    /// # Errors
    ///
    /// As [`set_price`](Self::set_price).
    pub async fn set_feed_only(&self, eth_usd: u64) -> Result<u64> {
        let calls = self.oracle_calls(eth_usd).await?;
        let all = IMulticall3::aggregate3Call { calls };
        let receipt = self.node.transact(MARKET, MULTICALL3_ADDRESS, all).await?;
        receipt.block_number.ok_or_eyre("a receipt without a block")
    }

    /// Moves the pools of these exchanges alone (US dollars per ether, 8 decimals): trades there meet
    /// more or less slippage than the feed lets a strategy expect.
    ///
    /// # Errors
    ///
    /// As [`set_price`](Self::set_price), and if an exchange is unknown.
    pub async fn set_pools_only(&self, exchanges: &[&str], eth_usd: u64) -> Result<u64> {
        ensure!((1..=MAX_PRICE).contains(&eth_usd), "no price between 0 and a million dollars");
        let mut calls = Vec::new();
        for exchange in exchanges {
            calls.extend(match *exchange {
                V3_EXCHANGE => self.v3_call(eth_usd).await?,
                V2_EXCHANGE => self.v2_call(eth_usd).await?,
                other => bail!("no exchange is called {other}"),
            });
        }
        let all = IMulticall3::aggregate3Call { calls };
        let receipt = self.node.transact(MARKET, MULTICALL3_ADDRESS, all).await?;
        receipt.block_number.ok_or_eyre("a receipt without a block")
    }

    /// The product's current leverage ratio, 18 decimals.
    ///
    /// # Errors
    ///
    /// If the strategy refuses to say.
    pub async fn leverage_ratio(&self, product: &Product) -> Result<U256> {
        self.node.read(product.strategy, IStrategy::getCurrentLeverageRatioCall {}).await
    }

    /// What the strategy says is due, per exchange in its order.
    ///
    /// # Errors
    ///
    /// If the strategy refuses to say, or says something unknown.
    pub async fn should_rebalance(&self, product: &Product) -> Result<Vec<(String, Action)>> {
        let call = IStrategy::shouldRebalanceCall {};
        let answer = self.node.read(product.strategy, call).await?;
        let actions = answer.names.into_iter().zip(answer.actions).map(|(name, action)| {
            let action = match action {
                0 => Action::None,
                1 => Action::Rebalance,
                2 => Action::Iterate,
                3 => Action::Ripcord,
                other => bail!("{name} has the unknown action {other}"),
            };
            Ok((name, action))
        });
        actions.collect()
    }

    /// The ratio that an unfinished rebalance is heading for, 18 decimals; 0 if there is none.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn twap_leverage_ratio(&self, product: &Product) -> Result<U256> {
        self.node.read(product.strategy, IStrategy::twapLeverageRatioCall {}).await
    }

    /// When the strategy last traded on any exchange, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn last_trade(&self, product: &Product) -> Result<u64> {
        let at = self.node.read(product.strategy, IStrategy::globalLastTradeTimestampCall {});
        Ok(at.await?.try_into()?)
    }

    /// Puts callers on the product's allow list or takes them off.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn set_caller_status(
        &self,
        product: &Product,
        callers: &[Address],
        allowed: bool,
    ) -> Result<()> {
        let statuses = vec![allowed; callers.len()];
        let call = IStrategy::updateCallerStatusCall { callers: callers.to_vec(), statuses };
        self.operate(product, call).await
    }

    /// Sets the largest chunks of an exchange, in wei of collateral: of a rebalance and of a ripcord,
    /// where 0 switches the ripcord off.
    ///
    /// # Errors
    ///
    /// If the product does not trade there, or the transaction fails.
    pub async fn set_exchange_sizes(
        &self,
        product: &Product,
        exchange: &str,
        rebalance: U256,
        ripcord: U256,
    ) -> Result<()> {
        let call = IStrategy::getExchangeSettingsCall { name: exchange.to_owned() };
        let mut settings = self.node.read(product.strategy, call).await?;
        settings.twapMaxTradeSize = rebalance;
        settings.incentivizedTwapMaxTradeSize = ripcord;
        let exchange = exchange.to_owned();
        let call = IStrategy::updateEnabledExchangeCall { exchangeName: exchange, settings };
        self.operate(product, call).await
    }

    /// Any call of the product's strategy by its operator.
    ///
    /// # Errors
    ///
    /// If the transaction fails.
    pub async fn operate<C: SolCall>(&self, product: &Product, call: C) -> Result<()> {
        self.node.transact(OPERATOR, product.strategy, call).await?;
        Ok(())
    }
}

/// Fills the market's purse, and lets both routers take from it.
pub(crate) async fn endow(batch: &mut Batch<'_>, tokens: &Tokens, uniswap: &Uniswap) -> Result<()> {
    let mut calls = Vec::new();
    for token in [tokens.weth, tokens.usdc] {
        let amount = purse(tokens, token)?;
        batch.call(token, IToken::transferCall { to: MULTICALL3_ADDRESS, amount }).await?;
        for spender in [uniswap.v2_router, uniswap.v3_router] {
            calls.push(through(token, &IToken::approveCall { spender, amount: U256::MAX }));
        }
    }
    batch.call(MULTICALL3_ADDRESS, IMulticall3::aggregate3Call { calls }).await
}

fn purse(tokens: &Tokens, token: Address) -> Result<U256> {
    Ok(if token == tokens.weth { parse_ether(PURSE_WETH)? } else { U256::from(PURSE_USDC) })
}
