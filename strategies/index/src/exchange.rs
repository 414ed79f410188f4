//! Where a component is traded, by what the module has noted of it. Plan and strategy both ask here.
//!
//! The way is the one that the module itself goes: its Controller's registry gives the adapter of an
//! exchange's name, the adapter its router, the router its factory, the factory the pools. Of the two
//! kinds of adapters that were read, Uniswap V2's (Sushiswap's is the same code) and Uniswap V3's,
//! pools are looked up; of any other only that it is registered.
//!
//! Which pools these are takes several reads, one after another, and hardly ever changes; what they
//! say is one round, and [`market`](crate::market)'s to read.

use alloy::primitives::{Address, Bytes, aliases::U24};
use ballast_chains::{BlockReader, ReadError};
use futures::future;

use crate::{
    contracts::{
        IAdapter::routerCall,
        IFactory::{getPairCall, getPoolCall},
        IRegistry::getIntegrationAdapterCall,
        IRouter::factoryCall,
    },
    market::{Kind, Pool},
};

/// The names under which the adapters are registered.
pub const UNISWAP_V2: &str = "UniswapV2IndexExchangeAdapter";
/// As [`UNISWAP_V2`].
pub const SUSHISWAP: &str = "SushiswapIndexExchangeAdapter";
/// As [`UNISWAP_V2`].
pub const UNISWAP_V3: &str = "UniswapV3IndexExchangeAdapter";
/// What V2 pools take of what goes in, in millionths.
const V2_FEE: u32 = 3_000;

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

/// What the module has noted of how a token is traded.
#[derive(Debug, Clone, Copy)]
pub struct Noted<'a> {
    /// The token.
    pub token: Address,
    /// The exchange's name; empty if nobody has said so.
    pub exchange: &'a str,
    /// How it is traded there.
    pub data: &'a Bytes,
}

/// The way from a component to the intermediate asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Through pools that are there, whatever they hold.
    Pools {
        /// From the component to the intermediate asset; at least one.
        pools: Vec<Pool>,
        /// Whose they are.
        factory: Address,
    },
    /// By an adapter that is registered, and not known here.
    Unknown,
    /// None: every trade would revert.
    Nowhere(String),
}

impl Desk {
    /// The adapter that is registered for the module under an exchange's name; zero if there is none.
    ///
    /// # Errors
    /// [`ReadError`], each variant as it says.
    pub async fn adapter(&self, exchange: &str, at: &BlockReader) -> Result<Address, ReadError> {
        if exchange.is_empty() {
            return Ok(Address::ZERO);
        }
        let (module, name) = (self.module, exchange.to_owned());
        at.call(self.registry, getIntegrationAdapterCall { module, name }).await
    }

    /// Finds the pools that an [`adapter`](Self::adapter) trades a token in. The intermediate asset
    /// itself is not traded: [`Way::Unknown`].
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] if the chain did not answer.
    pub async fn way(
        &self,
        noted: Noted<'_>,
        adapter: Address,
        at: &BlockReader,
    ) -> Result<Way, ReadError> {
        let Noted { token, exchange, data } = noted;
        if token == self.weth {
            return Ok(Way::Unknown);
        }
        if exchange.is_empty() {
            return Ok(Way::Nowhere("no exchange is set".to_owned()));
        }
        if adapter.is_zero() {
            let what = format!("no adapter is registered for the module as {exchange}");
            return Ok(Way::Nowhere(what));
        }
        let found = match exchange {
            UNISWAP_V2 | SUSHISWAP => match self.path(token, data) {
                Some(path) => pairs(&path, adapter, at).await,
                None => Ok(wrong_data(exchange, data, "nothing, or the 20 bytes of a token")),
            },
            UNISWAP_V3 => match <[u8; 3]>::try_from(data.as_ref()) {
                Ok(fee) => self.pool(token, U24::from_be_bytes(fee), adapter, at).await,
                Err(_) => Ok(wrong_data(exchange, data, "the 3 bytes of a pool's fee")),
            },
            _ => Ok(Way::Unknown),
        };
        match found {
            Ok(way) => Ok(way),
            // The adapter has the name, and does not answer as one of that name does.
            Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => Ok(Way::Unknown),
            Err(silent @ ReadError::Unavailable(_)) => Err(silent),
        }
    }

    /// From the token to the intermediate asset, by the data of a V2 adapter.
    fn path(&self, token: Address, data: &Bytes) -> Option<Vec<Address>> {
        if data.is_empty() {
            return Some(vec![token, self.weth]);
        }
        let between = Address::try_from(data.as_ref()).ok()?;
        Some(vec![token, between, self.weth])
    }

    async fn pool(
        &self,
        from: Address,
        fee: U24,
        adapter: Address,
        at: &BlockReader,
    ) -> Result<Way, ReadError> {
        let to = self.weth;
        let factory = factory(adapter, at).await?;
        let address = at.call(factory, getPoolCall { tokenA: from, tokenB: to, fee }).await?;
        if address.is_zero() {
            let what = format!("there is no pool of {from} and {to} with a fee of {fee}");
            return Ok(Way::Nowhere(what));
        }
        let fee = u32::try_from(fee.to::<u64>()).unwrap_or(u32::MAX);
        let pools = vec![Pool { address, kind: Kind::V3, from, to, fee }];
        Ok(Way::Pools { pools, factory })
    }
}

async fn pairs(path: &[Address], adapter: Address, at: &BlockReader) -> Result<Way, ReadError> {
    let factory = factory(adapter, at).await?;
    let pools = path.iter().zip(path.iter().skip(1)).map(|(from, to)| async move {
        let (from, to) = (*from, *to);
        let address = at.call(factory, getPairCall { tokenA: from, tokenB: to }).await?;
        if address.is_zero() {
            return Ok(Err(format!("there is no pool of {from} and {to}")));
        }
        Ok::<_, ReadError>(Ok(Pool { address, kind: Kind::V2, from, to, fee: V2_FEE }))
    });
    let pools: Result<Vec<Pool>, String> = future::try_join_all(pools).await?.into_iter().collect();
    Ok(pools.map_or_else(Way::Nowhere, |pools| Way::Pools { pools, factory }))
}

/// Whose pools an adapter trades in.
///
/// # Errors
/// [`ReadError`], each variant as it says; an adapter of another kind reverts.
pub async fn factory(adapter: Address, at: &BlockReader) -> Result<Address, ReadError> {
    let router = at.call(adapter, routerCall {}).await?;
    at.call(router, factoryCall {}).await
}

fn wrong_data(exchange: &str, data: &Bytes, expected: &str) -> Way {
    Way::Nowhere(format!("{exchange} takes {expected} as exchange data, not {data}"))
}

#[cfg(test)]
mod tests;
