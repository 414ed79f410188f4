//! What a pool's price was on average over the last minutes, from the sums that pools keep.
//!
//! A pool adds up its price (V2) or the logarithm of it (V3) second by second; the difference of two
//! readings over the time between them is the average. The earlier reading is taken from the state of
//! an earlier block, so it needs neither a pool that keeps a history nor a memory here. A price that
//! was only reached in the newest block has no weight in it.
//!
//! Source: `UniswapV2Pair._update` (`UQ112x112` × seconds, both directions, wrapping), `Oracle.sol` of
//! Uniswap V3 (ticks × seconds).

use alloy::primitives::{Address, U256, U512};
use ballast_chains::{BlockReader, ReadError, reader::MAX_ANCESTOR};

use crate::{
    contracts::{
        IPair::{
            getReservesCall, getReservesReturn, price0CumulativeLastCall, price1CumulativeLastCall,
        },
        IPool::{observeCall, observeReturn},
    },
    price::Price,
};

/// Seconds that an average reaches back, at the least; what [`MAX_ANCESTOR`] blocks last where that
/// is less.
pub const WINDOW: u64 = 600;
/// Seconds below which an average says nothing.
pub const SHORTEST: u64 = 60;
/// Binary places of the prices that a V2 pool adds up.
const Q112: usize = 112;
/// What a tick is a power of.
const TICK: (u32, u32) = (10_001, 10_000);

/// A pool's sums at one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// Of the price of token 0 in token 1 and of token 1 in token 0, `UQ112x112` × seconds.
    V2 {
        /// Of token 0 in token 1.
        price0: U256,
        /// Of token 1 in token 0.
        price1: U256,
    },
    /// Of the tick, that is of log₁.₀₀₀₁ of the price of token 0 in token 1.
    V3 {
        /// × seconds.
        ticks: i64,
    },
}

/// An average price of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mean {
    /// Over the prices the other way round: what one block of a very high price hardly moves …
    pub low: Price,
    /// … and over the prices: what one block of a very low price hardly moves. V3 keeps one average,
    /// the geometric.
    pub high: Price,
}

impl Mean {
    /// The average over two pools, one after the other.
    pub fn times(self, other: Self) -> Option<Self> {
        Some(Self { low: self.low.times(other.low)?, high: self.high.times(other.high)? })
    }
}

/// The reader of the newest block that is [`WINDOW`] seconds older than `at`; of the oldest that may
/// be read if none is.
///
/// # Errors
/// [`ReadError::Unavailable`] if a header is not to be had, and at the first block of a chain.
pub async fn earlier(at: &BlockReader) -> Result<BlockReader, ReadError> {
    let now = at.header().timestamp;
    let mut found = at.ancestor(1).await?;
    for _ in 1..MAX_ANCESTOR {
        if now.saturating_sub(found.header().timestamp) >= WINDOW || found.header().number == 0 {
            break;
        }
        found = found.ancestor(1).await?;
    }
    Ok(found)
}

/// The sums of a V2 pair at the reader's block, by what it said there.
///
/// # Errors
/// [`ReadError`], each variant as it says.
pub async fn of_pair(pair: Address, at: &BlockReader) -> Result<Option<Sums>, ReadError> {
    let (reserves, price0, price1) = futures::try_join!(
        at.call(pair, getReservesCall {}),
        at.call(pair, price0CumulativeLastCall {}),
        at.call(pair, price1CumulativeLastCall {}),
    )?;
    Ok(pair_sums(&reserves, price0, price1, at.header().timestamp))
}

/// A pair adds to its sums when it is traded with; what it would add now is worked out here. `None`
/// for a pair that is empty.
pub fn pair_sums(
    reserves: &getReservesReturn,
    price0: U256,
    price1: U256,
    now: u64,
) -> Option<Sums> {
    let (first, second) = (U256::from(reserves.reserve0), U256::from(reserves.reserve1));
    // A pair keeps 32 bits of the time.
    let elapsed = u32::try_from(now & u64::from(u32::MAX)).ok()?.wrapping_sub(reserves.at);
    let since = |paid: U256, of: U256| {
        let price = paid.checked_shl(Q112)?.checked_div(of)?;
        Some(price.wrapping_mul(U256::from(elapsed)))
    };
    // The pair lets its sums overflow, so they do here.
    Some(Sums::V2 {
        price0: price0.wrapping_add(since(second, first)?),
        price1: price1.wrapping_add(since(first, second)?),
    })
}

/// The sum of a V3 pool at the reader's block.
///
/// # Errors
/// [`ReadError`], each variant as it says; a pool that was not yet initialised reverts.
pub async fn of_pool(pool: Address, at: &BlockReader) -> Result<Option<Sums>, ReadError> {
    Ok(pool_sums(&at.call(pool, observeCall { secondsAgos: vec![0] }).await?))
}

/// The sum that a V3 pool answers for the present moment.
pub fn pool_sums(observed: &observeReturn) -> Option<Sums> {
    let ticks = observed.tickCumulatives.first().and_then(|ticks| i64::try_from(*ticks).ok());
    ticks.map(|ticks| Sums::V3 { ticks })
}

/// The average price of token 0 in token 1 over `seconds` between two readings, or of token 1 in
/// token 0 where `inverse`. `None` for less than [`SHORTEST`], and for readings of an empty pool.
pub fn mean(before: Sums, now: Sums, seconds: u64, inverse: bool) -> Option<Mean> {
    if seconds < SHORTEST {
        return None;
    }
    match (before, now) {
        (Sums::V2 { price0: a0, price1: a1 }, Sums::V2 { price0: b0, price1: b1 }) => {
            let time = U512::from(seconds).checked_shl(Q112)?;
            let average =
                |from: U256, to: U256| Price::ratio(U512::from(to.wrapping_sub(from)), time);
            let (zero, one) = (average(a0, b0)?, average(a1, b1)?);
            let (along, against) = if inverse { (one, zero) } else { (zero, one) };
            Some(Mean { low: against.inverse()?, high: along })
        }
        (Sums::V3 { ticks: before }, Sums::V3 { ticks: now }) => {
            let ticks = now.checked_sub(before)?.checked_div(i64::try_from(seconds).ok()?)?;
            let tick = Price::of_units(U256::from(TICK.0), U256::from(TICK.1))?;
            let price = tick.power(i32::try_from(ticks).ok()?)?;
            let price = if inverse { price.inverse()? } else { price };
            Some(Mean { low: price, high: price })
        }
        (Sums::V2 { .. } | Sums::V3 { .. }, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::aliases::U112;

    use super::*;

    fn pair(reserve0: u128, reserve1: u128, at: u32) -> getReservesReturn {
        getReservesReturn { reserve0: U112::from(reserve0), reserve1: U112::from(reserve1), at }
    }

    /// A pair's own bookkeeping: what it adds when it is touched.
    fn touch(sums: (U256, U256), reserves: &getReservesReturn, now: u64) -> (U256, U256) {
        match pair_sums(reserves, sums.0, sums.1, now) {
            Some(Sums::V2 { price0, price1 }) => (price0, price1),
            _ => panic!("an empty pair"),
        }
    }

    /// A percent, 18 decimals.
    const PERCENT: u128 = 10_000_000_000_000_000;
    /// What rounding may do.
    const NOTHING: u128 = 1_000;

    fn off(price: Price, of: (u128, u128)) -> u128 {
        let expected = Price::of_units(U256::from(of.0), U256::from(of.1)).unwrap();
        price.off(expected).to()
    }

    #[test]
    fn a_steady_pool_has_its_price() {
        let at = pair(4_000, 2_000, 1_000);
        let before = pair_sums(&at, U256::from(7), U256::MAX, 1_100).unwrap();
        let now = pair_sums(&at, U256::from(7), U256::MAX, 1_700).unwrap();
        let along = mean(before, now, 600, false).unwrap();
        assert!(off(along.low, (1, 2)) < NOTHING && off(along.high, (1, 2)) < NOTHING);
        let against = mean(before, now, 600, true).unwrap();
        assert!(off(against.high, (2, 1)) < NOTHING);
        assert_eq!(mean(before, now, 59, false), None);
    }

    #[test]
    fn a_manipulation_in_the_newest_block_has_no_weight() {
        let calm = pair(4_000_000, 2_000_000, 1_000);
        let before = pair_sums(&calm, U256::ZERO, U256::ZERO, 1_000).unwrap();
        let (price0, price1) = touch((U256::ZERO, U256::ZERO), &calm, 1_600);
        let bent = pair(8_000_000, 1_000_000, 1_600);
        let now = pair_sums(&bent, price0, price1, 1_600).unwrap();
        let seen = mean(before, now, 600, false).unwrap();
        assert!(off(seen.low, (1, 2)) < NOTHING && off(seen.high, (1, 2)) < NOTHING);
    }

    /// One block of 12 s at a 100th of the price, or at 100 times it: of the two averages one hardly
    /// moves, and a price has to be near both.
    #[test]
    fn one_extreme_block_moves_one_average_only() {
        let calm = pair(1_000_000, 1_000_000, 0);
        for (bent, low_stays) in
            [(pair(100_000, 10_000_000, 300), true), (pair(10_000_000, 100_000, 300), false)]
        {
            let zero = (U256::ZERO, U256::ZERO);
            let before = pair_sums(&calm, zero.0, zero.1, 0).unwrap();
            let sums = touch(zero, &calm, 300);
            let sums = touch(sums, &bent, 312);
            let back = pair(1_000_000, 1_000_000, 312);
            let now = pair_sums(&back, sums.0, sums.1, 600).unwrap();
            let seen = mean(before, now, 600, false).unwrap();
            let (low, high) = (off(seen.low, (1, 1)), off(seen.high, (1, 1)));
            let (steady, moved) = if low_stays { (low, high) } else { (high, low) };
            assert!(steady < PERCENT * 5 / 2 && moved > PERCENT * 60, "{steady} {moved}");
        }
    }

    #[test]
    fn a_v3_pool_has_the_price_of_its_mean_tick() {
        let sums = |ticks| Sums::V3 { ticks };
        let seen = mean(sums(-5), sums(-5 + 600 * 6_932), 600, false).unwrap();
        assert!(off(seen.low, (2, 1)) < PERCENT / 100);
        let seen = mean(sums(0), sums(600 * 6_932), 600, true).unwrap();
        assert!(off(seen.high, (1, 2)) < PERCENT / 100);
        assert_eq!(
            mean(sums(0), Sums::V2 { price0: U256::ZERO, price1: U256::ZERO }, 600, true),
            None
        );
    }

    #[test]
    fn an_empty_pair_has_no_price() {
        assert_eq!(pair_sums(&pair(0, 5, 0), U256::ZERO, U256::ZERO, 9), None);
    }
}
