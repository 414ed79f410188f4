//! Liquidity of V3 pools: whoever provided it may take it out, and a price without any costs nothing.

use alloy::primitives::{
    Address, U256,
    aliases::{I24, U24},
    utils::parse_ether,
};
use eyre::{OptionExt as _, Result, bail};

use super::IndexMarket;
use crate::{
    Place,
    accounts::OPERATOR,
    contracts::{
        IToken, IUniswapV3Pool,
        IUniswapV3Positions::{
            CollectParams, DecreaseLiquidityParams, IncreaseLiquidityParams, MintParams,
            balanceOfCall, collectCall, decreaseLiquidityCall, increaseLiquidityCall, mintCall,
            positionsCall, positionsReturn, tokenOfOwnerByIndexCall,
        },
    },
    deploy::index::{ETHER_DECIMALS, pools::Price},
};

/// What stays of liquidity that is taken out: one part of so many.
const LEFT: u128 = 1_000_000;
/// Ticks to either side of the price that other liquidity serves: 20 % up and down.
const BAIT: i32 = 1_800;

/// Liquidity that was taken out of a component's pool.
#[derive(Debug, Clone)]
pub struct Withdrawn {
    symbol: String,
    /// Each position with what it gave of token 0 and of token 1.
    positions: Vec<(U256, [U256; 2])>,
}

/// A V3 pool of a component and ether.
struct Pool {
    address: Address,
    fee: U24,
    tokens: [Address; 2],
}

impl IndexMarket {
    /// The operator, who provides all of it, takes the liquidity out of a component's V3 pool, but for a
    /// millionth: enough for a price, and next to nothing moves that.
    ///
    /// # Errors
    ///
    /// If it has no V3 pool of its own, or a transaction fails.
    pub async fn withdraw(&self, symbol: &str) -> Result<Withdrawn> {
        let pool = self.v3_pool(symbol)?;
        let mut positions = Vec::new();
        for (id, liquidity) in self.positions(&pool).await? {
            let left = liquidity.checked_div(LEFT).unwrap_or_default();
            let before = self.holdings(&pool).await?;
            self.take(id, liquidity.saturating_sub(left)).await?;
            let [first, second] = self.holdings(&pool).await?;
            let gave = [first.saturating_sub(before[0]), second.saturating_sub(before[1])];
            positions.push((id, gave));
        }
        Ok(Withdrawn { symbol: symbol.to_owned(), positions })
    }

    /// Somebody provides liquidity at the price that a component's V3 pool has, so many ether a side.
    ///
    /// # Errors
    ///
    /// As [`withdraw`](Self::withdraw).
    pub async fn bait(&self, symbol: &str, ether: u64) -> Result<()> {
        let (pool, component) = (self.v3_pool(symbol)?, self.component(symbol)?);
        let slot0 = self.node.read(pool.address, IUniswapV3Pool::slot0Call {}).await?;
        let spacing = self.node.read(pool.address, IUniswapV3Pool::tickSpacingCall {}).await?;
        let (tick, spacing): (i32, i32) = (slot0.tick.try_into()?, spacing.try_into()?);
        let near = |tick: i32| tick.div_euclid(spacing).saturating_mul(spacing);
        let (low, high) = (near(tick.saturating_sub(BAIT)), near(tick.saturating_add(BAIT)));
        let wei = parse_ether(&ether.to_string())?;
        // As many as would do at a tenth of the pool's price; the pool takes what it needs.
        let usd = self.price(component).await?;
        let dollars =
            crate::Market::new(self.node.clone(), self.deployment.clone()).price().await?;
        let tenth = usd.checked_div(10).ok_or_eyre("no price")?;
        let worth = Price::of(tenth, component.decimals, dollars, ETHER_DECIMALS).tokens_for(wei);
        let amount = |token: &Address| if *token == component.token { worth } else { wei };
        let params = MintParams {
            token0: pool.tokens[0],
            token1: pool.tokens[1],
            fee: pool.fee,
            tickLower: I24::try_from(low)?,
            tickUpper: I24::try_from(high)?,
            amount0Desired: amount(&pool.tokens[0]),
            amount1Desired: amount(&pool.tokens[1]),
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            recipient: OPERATOR,
            deadline: U256::MAX,
        };
        let positions = self.deployment.uniswap.v3_positions;
        self.node.transact(OPERATOR, positions, mintCall { params }).await.map(drop)
    }

    /// The pool is as it was before [`withdraw`](Self::withdraw): liquidity that came since is gone, the
    /// price is the feed's, and what was taken out is back. All other pools are at their prices as well.
    ///
    /// # Errors
    ///
    /// If a transaction fails.
    pub async fn restore(&self, withdrawn: &Withdrawn) -> Result<()> {
        let pool = self.v3_pool(&withdrawn.symbol)?;
        for (id, liquidity) in self.positions(&pool).await? {
            if withdrawn.positions.iter().all(|(known, _)| *known != id) {
                self.take(id, liquidity).await?;
            }
        }
        self.arbitrage().await?;
        for (id, [first, second]) in &withdrawn.positions {
            let params = IncreaseLiquidityParams {
                tokenId: *id,
                amount0Desired: *first,
                amount1Desired: *second,
                amount0Min: U256::ZERO,
                amount1Min: U256::ZERO,
                deadline: U256::MAX,
            };
            let positions = self.deployment.uniswap.v3_positions;
            self.node.transact(OPERATOR, positions, increaseLiquidityCall { params }).await?;
        }
        Ok(())
    }

    fn v3_pool(&self, symbol: &str) -> Result<Pool> {
        let component = self.component(symbol)?;
        let Place::Pool { pool, fee } = component.place else { bail!("{symbol} has no V3 pool") };
        let mut tokens = [component.token, self.deployment.tokens.weth];
        tokens.sort();
        Ok(Pool { address: pool, fee: U24::from(fee), tokens })
    }

    /// The operator's positions in a pool that have any liquidity.
    async fn positions(&self, pool: &Pool) -> Result<Vec<(U256, u128)>> {
        let (node, positions) = (&self.node, self.deployment.uniswap.v3_positions);
        let count = node.read(positions, balanceOfCall { owner: OPERATOR }).await?;
        let mut found = Vec::new();
        for index in 0..count.try_into()? {
            let nth = tokenOfOwnerByIndexCall { owner: OPERATOR, index: U256::from::<u64>(index) };
            let id = node.read(positions, nth).await?;
            let positionsReturn { token0, token1, fee, liquidity, .. } =
                node.read(positions, positionsCall { tokenId: id }).await?;
            if ([token0, token1], fee) == (pool.tokens, pool.fee) && liquidity > 0 {
                found.push((id, liquidity));
            }
        }
        Ok(found)
    }

    async fn take(&self, id: U256, liquidity: u128) -> Result<()> {
        let positions = self.deployment.uniswap.v3_positions;
        let params = DecreaseLiquidityParams {
            tokenId: id,
            liquidity,
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            deadline: U256::MAX,
        };
        self.node.transact(OPERATOR, positions, decreaseLiquidityCall { params }).await?;
        let params = CollectParams {
            tokenId: id,
            recipient: OPERATOR,
            amount0Max: u128::MAX,
            amount1Max: u128::MAX,
        };
        self.node.transact(OPERATOR, positions, collectCall { params }).await.map(drop)
    }

    /// What the operator has of a pool's tokens.
    async fn holdings(&self, pool: &Pool) -> Result<[U256; 2]> {
        let held = async |token: Address| {
            self.node.read(token, IToken::balanceOfCall { owner: OPERATOR }).await
        };
        Ok([held(pool.tokens[0]).await?, held(pool.tokens[1]).await?])
    }
}
