//! The pools of an index's components, and the market's purse of each.

use alloy::{
    primitives::{
        Address, U256,
        aliases::{I24, U24, U160},
        utils::parse_ether,
    },
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
};
use eyre::{OptionExt as _, Result, ensure};

use super::{CENT, ETHER_DECIMALS, MADE, Site, Token, basket::Way};
use crate::{
    Node, Place,
    accounts::OPERATOR,
    batch::Batch,
    contracts::{
        IToken, IUniswapV2Factory, IUniswapV2Router, IUniswapV3Factory, IUniswapV3Pool,
        IUniswapV3Positions,
    },
    market::{dollars, root_price, through},
};

/// The highest tick that there is.
const MAX_TICK: i32 = 887_272;
/// Ticks to either side that the liquidity near the price serves: 18 % up and down.
const NEAR: i32 = 1_800;

/// A price of a token in another, in base units: so many of the other for so many of the token.
#[derive(Clone, Copy)]
pub(crate) struct Price {
    pub(crate) others: U256,
    pub(crate) tokens: U256,
}

impl Price {
    /// Of a token with these decimals that costs `usd`, in another that costs `other_usd`; prices with
    /// 8 decimals. Reduced, so that reserves can be multiplied by it.
    pub(crate) fn of(usd: u64, decimals: u8, other_usd: u64, other_decimals: u8) -> Self {
        let ten = |exponent: u8| U256::from(10).saturating_pow(U256::from(exponent));
        let others = U256::from(usd).saturating_mul(ten(other_decimals));
        let tokens = U256::from(other_usd).saturating_mul(ten(decimals));
        let divisor = others.gcd(tokens);
        let reduced = |part: U256| part.checked_div(divisor).unwrap_or(part);
        Self { others: reduced(others), tokens: reduced(tokens) }
    }

    /// So many tokens as are worth `others`, cut off.
    pub(crate) fn tokens_for(self, others: U256) -> U256 {
        others.saturating_mul(self.tokens).checked_div(self.others).unwrap_or_default()
    }

    /// The root of the price, token 1 per token 0, as a fixed point with 96 bits.
    pub(crate) fn root(self, token: Address, other: Address) -> Result<U160> {
        if token < other {
            root_price(self.others, self.tokens)
        } else {
            root_price(self.tokens, self.others)
        }
    }
}

/// The pools of an exchange of V2's code: its factory and router.
type Exchange = (Address, Address);

impl Site<'_> {
    /// Makes each pool that is not there yet, without anything in it.
    pub(super) async fn open(&self, batch: &mut Batch<'_>, tokens: &[Token]) -> Result<()> {
        for token in tokens {
            let at = token.at;
            if let Some(((factory, router), other, _)) = self.pair_of(token)? {
                let approve = IToken::approveCall { spender: router, amount: U256::MAX };
                batch.call(at, approve).await?;
                let pair = IUniswapV2Factory::createPairCall { tokenA: at, tokenB: other };
                batch.call(factory, pair).await?;
            } else if let Way::Pool { fee, .. } = token.plan.way {
                let (weth, positions) =
                    (self.deployment.tokens.weth, self.deployment.uniswap.v3_positions);
                let approve = IToken::approveCall { spender: positions, amount: U256::MAX };
                batch.call(at, approve).await?;
                let (token0, token1) = (at.min(weth), at.max(weth));
                let pool = IUniswapV3Positions::createAndInitializePoolIfNecessaryCall {
                    token0,
                    token1,
                    fee: U24::from(fee),
                    sqrtPriceX96: self.in_ether(token).root(at, weth)?,
                };
                batch.call(positions, pool).await?;
            }
        }
        Ok(())
    }

    /// Where each is traded, now that the pools are there.
    pub(super) async fn places(&self, node: &Node, tokens: &[Token]) -> Result<Vec<Place>> {
        let (uniswap, weth) = (&self.deployment.uniswap, self.deployment.tokens.weth);
        let mut places = Vec::with_capacity(tokens.len());
        for token in tokens {
            places.push(match (self.pair_of(token)?, token.plan.way) {
                (Some(((factory, router), other, _)), _) => {
                    let call = IUniswapV2Factory::getPairCall { tokenA: token.at, tokenB: other };
                    let pair = node.read(factory, call).await?;
                    ensure!(!pair.is_zero(), "there is no pair of {}", token.plan.symbol);
                    Place::Pair { router, pair, other }
                }
                (None, Way::Pool { fee, .. }) => {
                    let millionths = U24::from(fee);
                    let call = IUniswapV3Factory::getPoolCall {
                        tokenA: token.at,
                        tokenB: weth,
                        fee: millionths,
                    };
                    let pool = node.read(uniswap.v3_factory, call).await?;
                    ensure!(!pool.is_zero(), "there is no pool of {}", token.plan.symbol);
                    Place::Pool { pool, fee }
                }
                (None, _) => Place::Pool { pool: uniswap.v3_pool, fee: uniswap.v3_fee },
            });
        }
        Ok(places)
    }

    /// Fills the pools, and the market's purse with as much as they could ever take.
    pub(super) async fn fill(
        &self,
        batch: &mut Batch<'_>,
        node: &Node,
        tokens: &[Token],
        places: &[Place],
    ) -> Result<()> {
        for (token, place) in tokens.iter().zip(places) {
            match (token.plan.way, place) {
                (Way::Pool { ether, near, .. }, Place::Pool { pool, fee }) => {
                    let spacing = node.read(*pool, IUniswapV3Pool::tickSpacingCall {}).await?;
                    let slot0 = node.read(*pool, IUniswapV3Pool::slot0Call {}).await?;
                    let (spacing, tick): (i32, i32) = (spacing.try_into()?, slot0.tick.try_into()?);
                    let to_grid = |tick: i32| tick.div_euclid(spacing).saturating_mul(spacing);
                    let whole =
                        MAX_TICK.checked_div(spacing).ok_or_eyre("ticks without spacing")?;
                    let all = whole.saturating_mul(spacing);
                    self.provide(batch, token, *fee, ether, (all.saturating_neg(), all)).await?;
                    let range =
                        (to_grid(tick.saturating_sub(NEAR)), to_grid(tick.saturating_add(NEAR)));
                    self.provide(batch, token, *fee, near, range).await?;
                }
                _ => self.fill_pair(batch, token).await?,
            }
            if token.at != self.deployment.tokens.usdc {
                self.endow(batch, token, place).await?;
            }
        }
        Ok(())
    }

    /// Of a component on an exchange of V2's code: the exchange, the other token, and how many ether
    /// deep the pool is.
    fn pair_of(&self, token: &Token) -> Result<Option<(Exchange, Address, U256)>> {
        let (tokens, uniswap) = (&self.deployment.tokens, &self.deployment.uniswap);
        let v2 = (uniswap.v2_factory, uniswap.v2_router);
        let (exchange, other, ether) = match token.plan.way {
            Way::Direct(ether) => (v2, tokens.weth, ether),
            Way::Sushi(ether) => (self.sushi, tokens.weth, ether),
            Way::ThroughDollars(ether) => (v2, tokens.usdc, ether),
            Way::Pool { .. } | Way::Dollars => return Ok(None),
        };
        Ok(Some((exchange, other, parse_ether(&ether.to_string())?)))
    }

    async fn fill_pair(&self, batch: &mut Batch<'_>, token: &Token) -> Result<()> {
        let Some(((_, router), other, ether)) = self.pair_of(token)? else { return Ok(()) };
        let amount = if other == self.deployment.tokens.weth {
            ether
        } else {
            dollars(ether, self.eth_usd)?
        };
        let call = IUniswapV2Router::addLiquidityCall {
            tokenA: token.at,
            tokenB: other,
            amountADesired: self.in_ether(token).tokens_for(ether),
            amountBDesired: amount,
            amountAMin: U256::ZERO,
            amountBMin: U256::ZERO,
            to: OPERATOR,
            deadline: U256::MAX,
        };
        batch.call(router, call).await
    }

    async fn provide(
        &self,
        batch: &mut Batch<'_>,
        token: &Token,
        fee: u32,
        ether: u64,
        (low, high): (i32, i32),
    ) -> Result<()> {
        let (weth, wei) = (self.deployment.tokens.weth, parse_ether(&ether.to_string())?);
        let worth = self.in_ether(token).tokens_for(wei);
        let mut sides = [(token.at, worth), (weth, wei)];
        sides.sort();
        let [(token0, amount0), (token1, amount1)] = sides;
        let params = IUniswapV3Positions::MintParams {
            token0,
            token1,
            fee: U24::from(fee),
            tickLower: I24::try_from(low)?,
            tickUpper: I24::try_from(high)?,
            amount0Desired: amount0,
            amount1Desired: amount1,
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            recipient: OPERATOR,
            deadline: U256::MAX,
        };
        let positions = self.deployment.uniswap.v3_positions;
        batch.call(positions, IUniswapV3Positions::mintCall { params }).await
    }

    /// Half of what there is goes to the market, which lets the exchange take from it; and ether too,
    /// where the exchange is not one of the devnet's own.
    async fn endow(&self, batch: &mut Batch<'_>, token: &Token, place: &Place) -> Result<()> {
        let half = token.whole().saturating_mul(U256::from(MADE)) >> 1_usize;
        batch.call(token.at, IToken::transferCall { to: MULTICALL3_ADDRESS, amount: half }).await?;
        let spender = match place {
            Place::Pair { router, .. } => *router,
            Place::Pool { .. } => self.deployment.uniswap.v3_router,
        };
        let approve = IToken::approveCall { spender, amount: U256::MAX };
        let calls =
            [token.at, self.deployment.tokens.weth].map(|token| through(token, &approve)).to_vec();
        batch.call(MULTICALL3_ADDRESS, IMulticall3::aggregate3Call { calls }).await
    }

    /// What a component costs in ether.
    fn in_ether(&self, token: &Token) -> Price {
        let usd = token.plan.cents.saturating_mul(CENT);
        Price::of(usd, token.plan.decimals, self.eth_usd, ETHER_DECIMALS)
    }
}
