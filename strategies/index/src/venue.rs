//! Where a component is traded for the intermediate asset, and what a trade there costs.
//!
//! The way is the one that the module itself goes: its Controller's registry gives the adapter of an
//! exchange's name, the adapter its router, the router its factory, the factory the pools. Of the two
//! kinds of adapters that were read, Uniswap V2's (Sushiswap's is the same code) and Uniswap V3's,
//! pools are looked up; of any other only that it is registered.

use alloy::primitives::{Address, Bytes, U256, U512, aliases::U24};
use ballast_chains::{BlockReader, ReadError};
use ballast_strategy_api::StrategyError;
use futures::future;

use crate::{
    contracts::{
        IAdapter::routerCall,
        IFactory::{getPairCall, getPoolCall},
        IPair::{getReservesCall, token0Call},
        IPool::{liquidityCall, slot0Call},
        IRegistry::getIntegrationAdapterCall,
        IRouter::factoryCall,
    },
    decimal::ONE,
    market::{Kind, Pool},
    module::Side,
    quote::{Hop, WHOLE, amount_in, amount_out},
};

/// The names under which the adapters are registered.
pub const UNISWAP_V2: &str = "UniswapV2IndexExchangeAdapter";
/// As [`UNISWAP_V2`].
pub const SUSHISWAP: &str = "SushiswapIndexExchangeAdapter";
/// As [`UNISWAP_V2`].
pub const UNISWAP_V3: &str = "UniswapV3IndexExchangeAdapter";
/// What V2 pools take of what goes in, in millionths.
const V2_FEE: u32 = 3_000;
/// 2^96: a V3 pool's root of the price is in such parts.
const Q96: U512 = U512::from_limbs([0, 1 << 32, 0, 0, 0, 0, 0, 0]);

/// Where a component is traded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Venue {
    /// Through these pools, seen from the component to the intermediate asset. A V3 pool counts as one
    /// of constant product with the reserves that its liquidity in range stands for: exact as long as
    /// a trade stays in that range.
    Pools(Vec<Hop>),
    /// By an adapter that is registered, and not known here.
    Unknown,
    /// Nowhere: every trade would revert.
    Nowhere(String),
}

/// A venue with the pools behind it; none where the venue is not [`Venue::Pools`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What a trade costs there.
    pub venue: Venue,
    /// Through what …
    pub pools: Vec<Pool>,
    /// … and whose pools these are; zero where there are none.
    pub factory: Address,
}

impl From<Venue> for Route {
    fn from(venue: Venue) -> Self {
        Self { venue, pools: Vec::new(), factory: Address::ZERO }
    }
}

/// Who gives adapters: the registry, for the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Desk {
    /// The Controller's registry.
    pub registry: Address,
    /// The module.
    pub module: Address,
    /// What every trade has on one side.
    pub weth: Address,
}

impl Desk {
    /// Where a token is traded by an exchange's name and data, and through what.
    ///
    /// # Errors
    /// [`StrategyError::Read`] if the chain did not answer.
    pub async fn route(
        &self,
        token: Address,
        exchange: &str,
        data: &Bytes,
        at: &BlockReader,
    ) -> Result<Route, StrategyError> {
        if token == self.weth {
            return Ok(Venue::Unknown.into());
        }
        if exchange.is_empty() {
            return Ok(Venue::Nowhere("no exchange is set".to_owned()).into());
        }
        let (module, name) = (self.module, exchange.to_owned());
        let adapter = getIntegrationAdapterCall { module, name };
        let adapter = at.call(self.registry, adapter).await;
        let adapter = adapter.map_err(StrategyError::reading("an exchange's adapter"))?;
        if adapter.is_zero() {
            let what = format!("no adapter is registered for the module as {exchange}");
            return Ok(Venue::Nowhere(what).into());
        }
        let found = match exchange {
            UNISWAP_V2 | SUSHISWAP => match path(token, data, self.weth) {
                Some(path) => self.pairs(adapter, &path, at).await,
                None => {
                    Ok(wrong_data(exchange, data, "nothing, or the 20 bytes of a token").into())
                }
            },
            UNISWAP_V3 => match <[u8; 3]>::try_from(data.as_ref()) {
                Ok(fee) => self.pool(adapter, token, U24::from_be_bytes(fee), at).await,
                Err(_) => Ok(wrong_data(exchange, data, "the 3 bytes of a pool's fee").into()),
            },
            _ => Ok(Venue::Unknown.into()),
        };
        match found {
            Ok(route) => Ok(route),
            // The adapter has the name, and does not answer as one of that name does.
            Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(Venue::Unknown.into()),
            Err(silent @ ReadError::Unavailable(_)) => {
                Err(StrategyError::reading("an exchange's pools")(silent))
            }
        }
    }

    async fn pairs(
        &self,
        adapter: Address,
        path: &[Address],
        at: &BlockReader,
    ) -> Result<Route, ReadError> {
        let router = at.call(adapter, routerCall {}).await?;
        let factory = at.call(router, factoryCall {}).await?;
        let hops = path.iter().zip(path.iter().skip(1)).map(|(from, to)| async move {
            let pair = getPairCall { tokenA: *from, tokenB: *to };
            let pair = at.call(factory, pair).await?;
            if pair.is_zero() {
                return Ok(Err(format!("there is no pool of {from} and {to}")));
            }
            let (reserves, token0) = futures::try_join!(
                at.call(pair, getReservesCall {}),
                at.call(pair, token0Call {})
            )?;
            let (first, second) = (U256::from(reserves.reserve0), U256::from(reserves.reserve1));
            let (reserve_in, reserve_out) =
                if token0 == *from { (first, second) } else { (second, first) };
            let (from, to, fee) = (*from, *to, V2_FEE);
            let pool = Pool { address: pair, kind: Kind::V2, from, to, fee };
            Ok::<_, ReadError>(Ok((Hop { reserve_in, reserve_out, fee }, pool)))
        });
        let hops: Result<Vec<(Hop, Pool)>, String> =
            future::try_join_all(hops).await?.into_iter().collect();
        Ok(match hops {
            Ok(hops) => {
                let (hops, pools) = hops.into_iter().unzip();
                Route { venue: Venue::Pools(hops), pools, factory }
            }
            Err(why) => Venue::Nowhere(why).into(),
        })
    }

    async fn pool(
        &self,
        adapter: Address,
        token: Address,
        fee: U24,
        at: &BlockReader,
    ) -> Result<Route, ReadError> {
        let weth = self.weth;
        let router = at.call(adapter, routerCall {}).await?;
        let factory = at.call(router, factoryCall {}).await?;
        let pool = at.call(factory, getPoolCall { tokenA: token, tokenB: weth, fee }).await?;
        if pool.is_zero() {
            let what = format!("there is no pool of {token} and {weth} with a fee of {fee}");
            return Ok(Venue::Nowhere(what).into());
        }
        let (slot0, liquidity) =
            futures::try_join!(at.call(pool, slot0Call {}), at.call(pool, liquidityCall {}))?;
        let (root, liquidity) = (U512::from(slot0.sqrtPriceX96), U512::from(liquidity));
        let reserve0 = liquidity.checked_mul(Q96).and_then(|x| x.checked_div(root));
        let reserve1 = liquidity.checked_mul(root).and_then(|x| x.checked_div(Q96));
        let reserves = reserve0.and_then(narrow).zip(reserve1.and_then(narrow));
        let Some((first, second)) = reserves.filter(|(a, b)| !a.is_zero() && !b.is_zero()) else {
            let what = format!("the pool {pool} has no liquidity at its price");
            return Ok(Venue::Nowhere(what).into());
        };
        // Token 0 is the lower address.
        let (reserve_in, reserve_out) =
            if token < weth { (first, second) } else { (second, first) };
        let fee = u32::try_from(fee.to::<u64>()).unwrap_or(u32::MAX);
        let pool = Pool { address: pool, kind: Kind::V3, from: token, to: weth, fee };
        let venue = Venue::Pools(vec![Hop { reserve_in, reserve_out, fee }]);
        Ok(Route { venue, pools: vec![pool], factory })
    }
}

/// From the token to the intermediate asset, by the data of a V2 adapter.
fn path(token: Address, data: &Bytes, weth: Address) -> Option<Vec<Address>> {
    if data.is_empty() {
        return Some(vec![token, weth]);
    }
    let between = Address::try_from(data.as_ref()).ok()?;
    Some(vec![token, between, weth])
}

/// The token between two pools that a way leads through, by an adapter that knows such ways.
pub(crate) fn between(exchange: &str, data: &Bytes) -> Option<Address> {
    let two = matches!(exchange, UNISWAP_V2 | SUSHISWAP);
    Address::try_from(data.as_ref()).ok().filter(|_| two)
}

fn wrong_data(exchange: &str, data: &Bytes, expected: &str) -> Venue {
    Venue::Nowhere(format!("{exchange} takes {expected} as exchange data, not {data}"))
}

impl Venue {
    /// The share that a trade of `amount` base units costs against the price of the pools, fees
    /// included, 18 decimals; `None` if they are not known, or do not hold that much.
    pub fn cost(&self, side: Side, amount: U256) -> Option<U256> {
        self.lost(side, amount, self.traded(side, amount)?)
    }

    /// The intermediate asset for a trade of `amount` base units, by the pools' formula.
    pub fn traded(&self, side: Side, amount: U256) -> Option<U256> {
        let Self::Pools(hops) = self else { return None };
        match side {
            Side::Sell => amount_out(hops, amount),
            Side::Buy => {
                let back: Vec<Hop> = hops.iter().rev().map(Hop::reversed).collect();
                amount_in(&back, amount)
            }
        }
    }

    /// The share that is lost against the price of the pools where `amount` base units are traded
    /// for `traded` of the intermediate asset, 18 decimals.
    pub fn lost(&self, side: Side, amount: U256, traded: U256) -> Option<U256> {
        // Of the intermediate asset for the amount, both over `into`.
        let (into, out) = self.price()?;
        let at_price = U512::from(amount).checked_mul(out)?;
        let traded = U512::from(traded).checked_mul(into)?;
        let lost = match side {
            Side::Sell => at_price.saturating_sub(traded),
            Side::Buy => traded.saturating_sub(at_price),
        };
        narrow(lost.checked_mul(U512::from(ONE))?.checked_div(at_price)?)
    }

    /// What the pools say a component is worth, as a fraction: so many of its base units, for so many
    /// of the intermediate asset's.
    pub fn price(&self) -> Option<(U512, U512)> {
        let Self::Pools(hops) = self else { return None };
        let product = |of: fn(&Hop) -> U256| {
            hops.iter().try_fold(U512::ONE, |product, hop| product.checked_mul(U512::from(of(hop))))
        };
        let price = (product(|hop| hop.reserve_in)?, product(|hop| hop.reserve_out)?);
        (!price.0.is_zero() && !price.1.is_zero()).then_some(price)
    }

    /// What of the fees of all pools on the way, taken one after another, is left of 1; 18 decimals.
    pub fn kept(&self) -> Option<U256> {
        let Self::Pools(hops) = self else { return None };
        let whole = U256::from(WHOLE);
        hops.iter().try_fold(ONE, |kept, hop| {
            kept.checked_mul(whole.checked_sub(U256::from(hop.fee))?)?.checked_div(whole)
        })
    }
}

fn narrow(wide: U512) -> Option<U256> {
    U256::checked_from_limbs_slice(wide.as_limbs())
}

#[cfg(test)]
mod tests;
