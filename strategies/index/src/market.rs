//! What the pools that a component is traded in say at one block. Which pools these are is
//! [`exchange`](crate::exchange)'s to find.

use alloy::primitives::{Address, U256, U512};
use ballast_chains::{BlockReader, ReadError};
use futures::future;

use crate::{
    contracts::{
        IPair::{getReservesCall, price0CumulativeLastCall, price1CumulativeLastCall},
        IPool::{liquidityCall, observeCall, slot0Call},
    },
    decimal::narrow,
    price::Price,
    quote::Hop,
    twap::{self, Past, Sums, Trail, Unfit},
};

/// Binary places of the root of a V3 pool's price.
const Q96: usize = 96;

/// Whose pool it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Uniswap V2's, or of who has its code.
    V2,
    /// Uniswap V3's.
    V3,
}

/// One of the pools on the way from a component to the intermediate asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The pool.
    pub address: Address,
    /// Whose.
    pub kind: Kind,
    /// The token nearer to the component …
    pub from: Address,
    /// … and the one nearer to the intermediate asset.
    pub to: Address,
    /// What it takes of what goes in, in millionths.
    pub fee: u32,
}

/// What a pool says at one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Its reserves, seen from the component to the intermediate asset. A V3 pool counts with those
    /// that its liquidity in range stands for.
    pub hop: Hop,
    /// Its price: of `from` in `to`, base units, without fee.
    pub spot: Price,
    /// Its sums, for the average.
    pub sums: Option<Sums>,
}

/// What all pools of a way say. The inner error is about the pools: why nothing can be traded there.
///
/// # Errors
/// [`ReadError::Unavailable`] if the chain did not answer.
pub async fn read(
    pools: &[Pool],
    at: &BlockReader,
) -> Result<Result<Vec<Reading>, String>, ReadError> {
    let all = future::join_all(pools.iter().map(|pool| pool.read(at))).await;
    let mut readings = Vec::with_capacity(all.len());
    for (pool, reading) in pools.iter().zip(all) {
        match reading {
            Ok(Some(reading)) => readings.push(reading),
            Ok(None) => {
                return Ok(Err(format!("the pool {} has no liquidity at its price", pool.address)));
            }
            Err(silent @ ReadError::Unavailable(_)) => return Err(silent),
            Err(odd) => return Ok(Err(format!("the pool {}: {odd}", pool.address))),
        }
    }
    Ok(Ok(readings))
}

impl Pool {
    /// Whether its sums and prices are of `to` in `from`: pools count the token with the lower
    /// address as the first.
    fn is_inverse(&self) -> bool {
        self.to < self.from
    }

    /// What it says at the reader's block; `None` for a pool that is empty at its price.
    ///
    /// # Errors
    /// [`ReadError`], each variant as it says.
    pub async fn read(&self, at: &BlockReader) -> Result<Option<Reading>, ReadError> {
        match self.kind {
            Kind::V2 => {
                let (reserves, price0, price1) = futures::try_join!(
                    at.call(self.address, getReservesCall {}),
                    at.call(self.address, price0CumulativeLastCall {}),
                    at.call(self.address, price1CumulativeLastCall {}),
                )?;
                let sums = twap::pair_sums(&reserves, price0, price1, at.header().timestamp);
                let pair = (U256::from(reserves.reserve0), U256::from(reserves.reserve1));
                let hop = self.hop(pair);
                let spot = Price::of_units(hop.reserve_out, hop.reserve_in);
                Ok(spot.map(|spot| Reading { hop, spot, sums }))
            }
            Kind::V3 => {
                let (slot0, liquidity, observed) = futures::join!(
                    at.call(self.address, slot0Call {}),
                    at.call(self.address, liquidityCall {}),
                    at.call(self.address, observeCall { secondsAgos: vec![0] }),
                );
                let (root, liquidity) = (U512::from(slot0?.sqrtPriceX96), liquidity?);
                let sums = match observed {
                    Ok(observed) => twap::pool_sums(&observed, liquidity),
                    Err(silent @ ReadError::Unavailable(_)) => return Err(silent),
                    Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => None,
                };
                let liquidity = U512::from(liquidity);
                Ok(self.in_range(root, liquidity).map(|(hop, spot)| Reading { hop, spot, sums }))
            }
        }
    }

    /// What the liquidity in range of a V3 pool stands for, and its price.
    fn in_range(&self, root: U512, liquidity: U512) -> Option<(Hop, Price)> {
        let first = liquidity.checked_shl(Q96)?.checked_div(root)?;
        let second = liquidity.checked_mul(root)?.wrapping_shr(Q96);
        let hop = self.hop((narrow(first)?, narrow(second)?));
        if hop.reserve_in.is_zero() || hop.reserve_out.is_zero() {
            return None;
        }
        let root = Price::ratio(root, U512::ONE.checked_shl(Q96)?)?;
        let price = root.times(root)?;
        Some((hop, if self.is_inverse() { price.inverse()? } else { price }))
    }

    fn hop(&self, (first, second): (U256, U256)) -> Hop {
        let (reserve_in, reserve_out) =
            if self.is_inverse() { (second, first) } else { (first, second) };
        Hop { reserve_in, reserve_out, fee: self.fee }
    }

    /// Its sums at the reader's block alone.
    ///
    /// # Errors
    /// [`ReadError`], each variant as it says; a pool that was not there reverts or says nothing.
    pub async fn sums(&self, at: &BlockReader) -> Result<Option<Sums>, ReadError> {
        match self.kind {
            Kind::V2 => twap::of_pair(self.address, at).await,
            Kind::V3 => twap::of_pool(self.address, at).await,
        }
    }

    /// Its sums at earlier blocks, as many of them as its average takes.
    ///
    /// # Errors
    /// As [`sums`](Self::sums).
    pub async fn trail(&self, past: &Past) -> Result<Option<Trail>, ReadError> {
        let middle = past.middle.as_ref().filter(|_| self.kind == Kind::V3);
        let blocks = std::iter::once(&past.earliest).chain(middle);
        let points = blocks.map(async |block| {
            let sums = self.sums(block).await?;
            Ok(sums.map(|sums| (block.header().timestamp, sums)))
        });
        let points: Option<Vec<_>> = future::try_join_all(points).await?.into_iter().collect();
        Ok(points.map(|points| Trail { points }))
    }

    /// Its average price of `from` in `to`, up to a reading at the time `now`.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn mean(&self, earlier: &Trail, sums: Sums, now: u64) -> Result<twap::Mean, Unfit> {
        twap::mean(earlier, (now, sums), self.is_inverse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(from: u8, to: u8) -> Pool {
        let [from, to] = [from, to].map(Address::repeat_byte);
        Pool { address: Address::repeat_byte(9), kind: Kind::V3, from, to, fee: 3_000 }
    }

    #[test]
    fn a_pool_is_seen_from_the_component() {
        // A price of 4 of token 1 for token 0: its root is 2.
        let (root, liquidity) = (U512::from(2) << Q96, U512::from(1_000_000));
        let (along, price) = pool(1, 2).in_range(root, liquidity).unwrap();
        assert_eq!(
            (along.reserve_in, along.reserve_out),
            (U256::from(500_000), U256::from(2_000_000))
        );
        assert_eq!(price.value(U256::from(10)), Some(U256::from(40)));
        let (against, price) = pool(2, 1).in_range(root, liquidity).unwrap();
        assert_eq!(against.reversed(), along);
        assert_eq!(price.value(U256::from(40)), Some(U256::from(10)));
        assert_eq!(pool(1, 2).in_range(root, U512::ZERO), None);
        // Whatever the last digits are.
        let odd = root + U512::ONE;
        assert!(pool(1, 2).in_range(odd, liquidity).is_some());
        assert_eq!(pool(1, 2).in_range(U512::ZERO, liquidity), None);
    }
}
