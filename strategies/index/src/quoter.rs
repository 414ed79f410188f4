//! What a trade on Uniswap V3 comes to, across ticks: asked of a quoter. Without one a pool counts
//! with the liquidity that is in range, which is exact for trades that stay there.

use alloy::primitives::{
    Address, U256, address,
    aliases::{U24, U160},
};
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::StrategyError;
use futures::future;

use crate::{
    contracts::{
        IQuoter::{quoteExactInputSingleCall, quoteExactOutputSingleCall},
        IRouter::factoryCall,
    },
    cost::amounts,
    market::{Kind, Pool},
    module::Side,
    plan::{
        state::{Index, Token},
        work::Work,
    },
};

/// The first `Quoter`, where Uniswap put it on mainnet, Polygon, Optimism and Arbitrum.
const CANONICAL: Address = address!("0xb27308f9F90D607463bb33eA1BeBb41C27CE5AB6");

/// A quoter that answers for the pools of one factory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoter {
    address: Address,
    factory: Address,
}

impl Quoter {
    /// The one that is `named`, or the canonical one if it is there.
    ///
    /// # Errors
    /// [`StrategyError::Misconfigured`] if the one named is none; [`StrategyError::Read`] if the chain
    /// did not answer.
    pub async fn find(
        named: Option<Address>,
        at: &BlockReader,
    ) -> Result<Option<Self>, StrategyError> {
        let address = named.unwrap_or(CANONICAL);
        match at.call(address, factoryCall {}).await {
            Ok(factory) => Ok(Some(Self { address, factory })),
            Err(silent @ ReadError::Unavailable(_)) => {
                Err(StrategyError::reading("the quoter")(silent))
            }
            Err(_) if named.is_some() => {
                let why = format!("{address} does not answer as a Quoter of Uniswap V3 does");
                Err(StrategyError::Misconfigured(why))
            }
            Err(_) => Ok(None),
        }
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether it answers for the way that a token is traded.
    pub fn serves(&self, token: &Token) -> bool {
        let is_v3 = matches!(token.pools.as_slice(), [pool] if pool.kind == Kind::V3);
        is_v3 && token.factory == self.factory
    }

    /// What a trade of `amount` base units of a component comes to in the intermediate asset; `None`
    /// if the pool does not hold as much.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn quote(
        &self,
        pool: &Pool,
        side: Side,
        amount: U256,
        at: &BlockReader,
    ) -> Result<Option<U256>, StrategyError> {
        match side {
            Side::Sell => self.exact_input(pool.fee, [pool.from, pool.to], amount, at).await,
            Side::Buy => {
                let call = quoteExactOutputSingleCall {
                    tokenIn: pool.to,
                    tokenOut: pool.from,
                    fee: U24::from(pool.fee),
                    amountOut: amount,
                    sqrtPriceLimitX96: U160::ZERO,
                };
                told(at.call_isolated(self.address, call).await)
            }
        }
    }

    /// What `spent` of the intermediate asset buys of a component, base units; `None` as
    /// [`quote`](Self::quote).
    ///
    /// # Errors
    /// As [`quote`](Self::quote).
    pub async fn bought(
        &self,
        pool: &Pool,
        spent: U256,
        at: &BlockReader,
    ) -> Result<Option<U256>, StrategyError> {
        self.exact_input(pool.fee, [pool.to, pool.from], spent, at).await
    }

    async fn exact_input(
        &self,
        fee: u32,
        [token_in, token_out]: [Address; 2],
        amount: U256,
        at: &BlockReader,
    ) -> Result<Option<U256>, StrategyError> {
        let call = quoteExactInputSingleCall {
            tokenIn: token_in,
            tokenOut: token_out,
            fee: U24::from(fee),
            amountIn: amount,
            sqrtPriceLimitX96: U160::ZERO,
        };
        told(at.call_isolated(self.address, call).await)
    }
}

fn told(quoted: Result<U256, ReadError>) -> Result<Option<U256>, StrategyError> {
    match quoted {
        Ok(amount) => Ok(Some(amount)),
        Err(silent @ ReadError::Unavailable(_)) => Err(StrategyError::reading("a quote")(silent)),
        Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(None),
    }
}

/// Gives the index's tokens the quotes that the cost of some work follows from; tells which trades
/// go by the liquidity in range for want of a quoter.
///
/// # Errors
/// [`StrategyError::Read`] if the chain did not answer.
pub async fn fill(
    index: &mut Index,
    work: &Work,
    quoter: Option<Quoter>,
    at: &BlockReader,
) -> Result<Vec<String>, StrategyError> {
    let (mut asked, mut without) = (Vec::new(), Vec::new());
    for (place, (token, row)) in index.tokens.iter().zip(&work.rows).enumerate() {
        let Some(trade) = &row.trade else { continue };
        let [pool @ Pool { kind: Kind::V3, .. }] = token.pools.as_slice() else { continue };
        match quoter.filter(|quoter| quoter.serves(token)) {
            None => without.push(format!(
                "{}: no quoter answers for its pool, which counts with the liquidity in range \
                 (--v3-quoter)",
                token.symbol
            )),
            Some(quoter) => {
                let side = if trade.side == "sell" { Side::Sell } else { Side::Buy };
                let amounts = amounts(trade.amount, token.max_size);
                let amounts = amounts.into_iter().filter(|amount| !amount.is_zero());
                asked.extend(amounts.map(|amount| (place, quoter, *pool, side, amount)));
            }
        }
    }
    let quotes = asked.into_iter().map(|(place, quoter, pool, side, amount)| async move {
        let traded = quoter.quote(&pool, side, amount, at).await?;
        Ok::<_, StrategyError>((place, (side, amount), traded))
    });
    for (place, key, traded) in future::try_join_all(quotes).await? {
        if let Some(token) = index.tokens.get_mut(place) {
            token.quotes.insert(key, traded);
        }
    }
    Ok(without)
}
