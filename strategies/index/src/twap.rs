//! What a pool's price was on average over the last minutes, from the sums that pools keep.
//!
//! A pool adds up its price (V2) or the logarithm of it (V3) second by second; the difference of two
//! readings over the time between them is the average. The earlier readings are taken from the states
//! of earlier blocks, so they need neither a pool that keeps a history nor a memory here. A price that
//! was only reached in the newest block has no weight in it.
//!
//! A single average can be bent by one block at an extreme price, which costs nothing for whoever moves
//! the pool at the end of one block and back at the beginning of the next. So there are always two,
//! which no single block bends by the same, and a price has to be near both: of a V2 pool the average
//! of the price and that of its inverse; of a V3 pool those of both halves of the time. And a V3 pool
//! without liquidity is moved for nothing and stays where it is, so an average counts only if there was
//! about as much liquidity all the time as there is now.
//!
//! Source: `UniswapV2Pair._update` (`UQ112x112` × seconds, both directions, wrapping), `Oracle.sol` of
//! Uniswap V3 (ticks × seconds; seconds / liquidity, `UQ128`, wrapping at 160 bits, a liquidity of 0
//! counted as 1).

use alloy::primitives::{Address, U256, U512};
use ballast_chains::{BlockReader, ReadError, reader::MAX_ANCESTOR};

use crate::{
    contracts::{
        IPair::{
            getReservesCall, getReservesReturn, price0CumulativeLastCall, price1CumulativeLastCall,
        },
        IPool::{liquidityCall, observeCall, observeReturn},
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
/// Binary places of the seconds per liquidity that a V3 pool adds up …
const Q128: usize = 128;
/// … and bits that it keeps of them.
const KEPT_BITS: usize = 160;
/// The liquidity of now may be so many times that of an average's time, by its harmonic mean.
const MOST_LIQUIDITY_GAIN: U512 = U512::from_limbs([2, 0, 0, 0, 0, 0, 0, 0]);
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
        /// Seconds / liquidity, 128 binary places, 160 bits of it.
        per_liquidity: U256,
        /// What is in range at the block itself.
        liquidity: u128,
    },
}

/// The earlier blocks that an average is taken from.
#[derive(Debug, Clone)]
pub struct Past {
    /// The newest block that is [`WINDOW`] seconds old; the oldest that may be read if none is.
    pub earliest: BlockReader,
    /// The newest block of the older half; `None` if there is no block between.
    pub middle: Option<BlockReader>,
}

/// What a pool's sums were at earlier blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// With the blocks' times, the oldest first.
    pub points: Vec<(u64, Sums)>,
}

/// Why there is no average.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Less than [`SHORTEST`].
    #[error("blocks of the last {0} s are too few for an average")]
    Short(u64),
    /// Readings of an empty pool, or numbers that make no sense.
    #[error("its pools keep no average")]
    Nothing,
    /// A price that nobody could trade at was free to make.
    #[error("its pool had less than half of today's liquidity within the last minutes")]
    Thin,
}

/// An average price of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mean {
    /// V2: over the prices the other way round, what one block of a very high price hardly moves. V3:
    /// the lower of the geometric averages of both halves.
    pub low: Price,
    /// V2: over the prices, what one block of a very low price hardly moves. V3: the higher half's.
    pub high: Price,
}

impl Mean {
    /// The average over two pools, one after the other.
    pub fn times(self, other: Self) -> Option<Self> {
        Some(Self { low: self.low.times(other.low)?, high: self.high.times(other.high)? })
    }
}

/// The blocks that averages are taken from.
///
/// # Errors
/// [`ReadError::Unavailable`] if a header is not to be had, and at the first block of a chain.
pub async fn past(at: &BlockReader) -> Result<Past, ReadError> {
    let now = at.header().timestamp;
    let age = |reader: &BlockReader| now.saturating_sub(reader.header().timestamp);
    let mut found = vec![at.ancestor(1).await?];
    for _ in 1..MAX_ANCESTOR {
        let Some(oldest) = found.last() else { break };
        if age(oldest) >= WINDOW || oldest.header().number == 0 {
            break;
        }
        found.push(oldest.ancestor(1).await?);
    }
    let earliest = found.pop().ok_or_else(|| ReadError::Unavailable("no earlier block".into()))?;
    let half = age(&earliest).div_ceil(2);
    let middle = found.into_iter().find(|reader| age(reader) >= half);
    Ok(Past { earliest, middle })
}

impl Past {
    /// Seconds from the earliest block to `now`.
    pub fn seconds(&self, now: u64) -> u64 {
        now.saturating_sub(self.earliest.header().timestamp)
    }
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

/// The sums of a V3 pool at the reader's block.
///
/// # Errors
/// [`ReadError`], each variant as it says; a pool that was not yet initialised reverts.
pub async fn of_pool(pool: Address, at: &BlockReader) -> Result<Option<Sums>, ReadError> {
    let (observed, liquidity) = futures::try_join!(
        at.call(pool, observeCall { secondsAgos: vec![0] }),
        at.call(pool, liquidityCall {}),
    )?;
    Ok(pool_sums(&observed, liquidity))
}

/// The sums that a V3 pool answers for the present moment.
pub fn pool_sums(observed: &observeReturn, liquidity: u128) -> Option<Sums> {
    let ticks = observed.tickCumulatives.first().and_then(|ticks| i64::try_from(*ticks).ok())?;
    let per_liquidity = U256::from(*observed.secondsPerLiquidityCumulativeX128s.first()?);
    Some(Sums::V3 { ticks, per_liquidity, liquidity })
}

/// The average price of token 0 in token 1 from the first of the earlier readings to the one of `now`,
/// or of token 1 in token 0 where `inverse`.
///
/// # Errors
/// [`Unfit`].
pub fn mean(earlier: &Trail, now: (u64, Sums), inverse: bool) -> Result<Mean, Unfit> {
    let first = earlier.points.first().ok_or(Unfit::Nothing)?;
    let seconds = now.0.saturating_sub(first.0);
    if seconds < SHORTEST {
        return Err(Unfit::Short(seconds));
    }
    match now.1 {
        Sums::V2 { .. } => of_both_means(first.1, now.1, seconds, inverse).ok_or(Unfit::Nothing),
        Sums::V3 { liquidity, .. } => of_all_parts(earlier, now, liquidity, inverse),
    }
}

/// Of a V2 pair.
fn of_both_means(before: Sums, now: Sums, seconds: u64, inverse: bool) -> Option<Mean> {
    let (Sums::V2 { price0: a0, price1: a1 }, Sums::V2 { price0: b0, price1: b1 }) = (before, now)
    else {
        return None;
    };
    let time = U512::from(seconds).checked_shl(Q112)?;
    let average = |from: U256, to: U256| Price::ratio(U512::from(to.wrapping_sub(from)), time);
    let (zero, one) = (average(a0, b0)?, average(a1, b1)?);
    let (along, against) = if inverse { (one, zero) } else { (zero, one) };
    Some(Mean { low: against.inverse()?, high: along })
}

/// Of a V3 pool: the lowest and the highest of the averages between two readings each.
fn of_all_parts(
    earlier: &Trail,
    now: (u64, Sums),
    liquidity: u128,
    inverse: bool,
) -> Result<Mean, Unfit> {
    let ends = earlier.points.iter().skip(1).chain(std::iter::once(&now));
    let mut whole: Option<Mean> = None;
    for (from, to) in earlier.points.iter().zip(ends).filter(|(from, to)| from.0 < to.0) {
        let part = Part::between(*from, *to).ok_or(Unfit::Nothing)?;
        if !part.had(liquidity).ok_or(Unfit::Nothing)? {
            return Err(Unfit::Thin);
        }
        let price = part.price(inverse).ok_or(Unfit::Nothing)?;
        let seen = whole.unwrap_or(Mean { low: price, high: price });
        whole = Some(Mean {
            low: if price.is_below(seen.low) { price } else { seen.low },
            high: if seen.high.is_below(price) { price } else { seen.high },
        });
    }
    whole.ok_or(Unfit::Nothing)
}

/// What a V3 pool has added up between two readings.
struct Part {
    seconds: u64,
    ticks: i64,
    per_liquidity: U256,
}

impl Part {
    fn between((from, before): (u64, Sums), (to, after): (u64, Sums)) -> Option<Self> {
        let (
            Sums::V3 { ticks: a, per_liquidity: before, .. },
            Sums::V3 { ticks: b, per_liquidity: after, .. },
        ) = (before, after)
        else {
            return None;
        };
        let kept = U256::ONE.checked_shl(KEPT_BITS)?.checked_sub(U256::ONE)?;
        let per_liquidity = after.wrapping_sub(before) & kept;
        Some(Self { seconds: to.checked_sub(from)?, ticks: b.checked_sub(a)?, per_liquidity })
    }

    /// The geometric mean of the price.
    fn price(&self, inverse: bool) -> Option<Price> {
        let ticks = self.ticks.checked_div(i64::try_from(self.seconds).ok()?)?;
        let tick = Price::of_units(U256::from(TICK.0), U256::from(TICK.1))?;
        let price = tick.power(i32::try_from(ticks).ok()?)?;
        if inverse { price.inverse() } else { Some(price) }
    }

    /// Whether the harmonic mean of the liquidity, `seconds / Σ (seconds / liquidity)`, was not far below
    /// what is there now: then no time passed with hardly any.
    fn had(&self, now: u128) -> Option<bool> {
        let time = U512::from(self.seconds).checked_shl(Q128)?.checked_mul(MOST_LIQUIDITY_GAIN)?;
        let needed = U512::from(now).checked_mul(U512::from(self.per_liquidity))?;
        Some(now > 0 && needed <= time)
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

    /// The average between two readings, so many seconds apart.
    fn between(before: Sums, now: Sums, seconds: u64, inverse: bool) -> Result<Mean, Unfit> {
        mean(&Trail { points: vec![(0, before)] }, (seconds, now), inverse)
    }

    #[test]
    fn a_steady_pool_has_its_price() {
        let at = pair(4_000, 2_000, 1_000);
        let before = pair_sums(&at, U256::from(7), U256::MAX, 1_100).unwrap();
        let now = pair_sums(&at, U256::from(7), U256::MAX, 1_700).unwrap();
        let along = between(before, now, 600, false).unwrap();
        assert!(off(along.low, (1, 2)) < NOTHING && off(along.high, (1, 2)) < NOTHING);
        let against = between(before, now, 600, true).unwrap();
        assert!(off(against.high, (2, 1)) < NOTHING);
        assert_eq!(between(before, now, 59, false), Err(Unfit::Short(59)));
    }

    #[test]
    fn a_manipulation_in_the_newest_block_has_no_weight() {
        let calm = pair(4_000_000, 2_000_000, 1_000);
        let before = pair_sums(&calm, U256::ZERO, U256::ZERO, 1_000).unwrap();
        let (price0, price1) = touch((U256::ZERO, U256::ZERO), &calm, 1_600);
        let bent = pair(8_000_000, 1_000_000, 1_600);
        let now = pair_sums(&bent, price0, price1, 1_600).unwrap();
        let seen = between(before, now, 600, false).unwrap();
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
            let seen = between(before, now, 600, false).unwrap();
            let (low, high) = (off(seen.low, (1, 1)), off(seen.high, (1, 1)));
            let (steady, moved) = if low_stays { (low, high) } else { (high, low) };
            assert!(steady < PERCENT * 5 / 2 && moved > PERCENT * 60, "{steady} {moved}");
        }
    }

    /// A V3 pool's own bookkeeping, read every 300 s.
    struct Pool {
        now: u64,
        sums: (i64, U256),
        liquidity: u128,
        trail: Vec<(u64, Sums)>,
    }

    const LIQUIDITY: u128 = 1 << 90;
    const HALF: u64 = WINDOW / 2;

    impl Pool {
        /// Sums that are about to overflow.
        fn new() -> Self {
            let last = (U256::ONE << KEPT_BITS) - U256::ONE;
            Self { now: 0, sums: (-7, last), liquidity: 0, trail: Vec::new() }
        }

        fn reading(&self) -> (u64, Sums) {
            let (ticks, per_liquidity) = self.sums;
            (self.now, Sums::V3 { ticks, per_liquidity, liquidity: self.liquidity })
        }

        /// Stands at a tick with so much liquidity for some seconds.
        fn stands(&mut self, seconds: u64, tick: i64, liquidity: u128) {
            for _ in 0..seconds {
                if self.now % HALF == 0 {
                    self.trail.push(self.reading());
                }
                self.now += 1;
                self.sums.0 += tick;
                let more = (U256::ONE << Q128) / U256::from(liquidity.max(1));
                self.sums.1 = (self.sums.1 + more) & ((U256::ONE << KEPT_BITS) - U256::ONE);
            }
            self.liquidity = liquidity;
        }

        fn mean(&self, inverse: bool) -> Result<Mean, Unfit> {
            mean(&Trail { points: self.trail.clone() }, self.reading(), inverse)
        }
    }

    /// How far a price is off an average, as it is held against one.
    fn off_both(seen: Mean, tick: i32) -> u128 {
        let price = Price::of_units(U256::from(TICK.0), U256::from(TICK.1)).unwrap();
        let price = price.power(tick).unwrap();
        price.off(seen.low).max(price.off(seen.high)).to()
    }

    #[test]
    fn a_v3_pool_has_the_price_of_its_mean_tick() {
        let mut pool = Pool::new();
        pool.stands(WINDOW, 6_932, LIQUIDITY);
        let seen = pool.mean(false).unwrap();
        assert!(off(seen.low, (2, 1)) < PERCENT / 100 && off(seen.high, (2, 1)) < PERCENT / 100);
        let seen = pool.mean(true).unwrap();
        assert!(off(seen.low, (1, 2)) < PERCENT / 100 && off(seen.high, (1, 2)) < PERCENT / 100);
        let pair = Sums::V2 { price0: U256::ZERO, price1: U256::ZERO };
        assert_eq!(between(pool.trail[0].1, pair, 600, true), Err(Unfit::Nothing));
        assert_eq!(between(pair, pool.reading().1, 600, true), Err(Unfit::Nothing));
    }

    /// A real move of the price is followed: at the latest when it is as old as the window.
    #[test]
    fn a_v3_average_follows_the_price() {
        let mut pool = Pool::new();
        pool.stands(WINDOW, 0, LIQUIDITY);
        pool.stands(WINDOW, 1_000, LIQUIDITY);
        pool.trail.drain(..2);
        assert!(off_both(pool.mean(false).unwrap(), 1_000) < PERCENT / 100);
    }

    /// At the end of a block the price is made twelve times as high, at the beginning of the next one
    /// 5 % higher than it was: the average of the whole is there, too. That of neither half is near
    /// both, whichever half it was in.
    #[test]
    fn one_extreme_block_moves_one_half_of_a_v3_average_only() {
        for before in [100, 500] {
            for inverse in [false, true] {
                let mut pool = Pool::new();
                pool.stands(before, 0, LIQUIDITY);
                pool.stands(12, 25_000, LIQUIDITY);
                pool.stands(WINDOW - 12 - before, 0, LIQUIDITY);
                let seen = pool.mean(inverse).unwrap();
                let tick = if inverse { -500 } else { 500 };
                assert!(off_both(seen, tick) > PERCENT * 4, "{before} {inverse}");
                assert!(u128::try_from(seen.low.off(seen.high)).unwrap() > PERCENT * 8);
            }
        }
    }

    /// Whoever owns nearly all liquidity takes it out, moves what nobody can trade with to another
    /// price and waits there: that price is an average, and was nobody's.
    #[test]
    fn a_v3_average_of_a_pool_without_liquidity_is_none() {
        for left in [0, 1, LIQUIDITY / 10, LIQUIDITY / 3] {
            let mut pool = Pool::new();
            pool.stands(WINDOW, 4_055, left);
            pool.stands(1, 4_055, LIQUIDITY);
            assert_eq!(pool.mean(false), Err(Unfit::Thin), "{left}");
        }
        // For a part of the time is enough, a block at which nothing is left as well.
        let mut pool = Pool::new();
        pool.stands(100, 0, LIQUIDITY);
        pool.stands(12, 0, LIQUIDITY / 1_000);
        pool.stands(WINDOW - 112, 4_055, LIQUIDITY);
        assert_eq!(pool.mean(false), Err(Unfit::Thin));
        pool.stands(1, 0, 0);
        assert_eq!(pool.mean(false), Err(Unfit::Thin), "nothing is there now");
        // Liquidity comes and goes.
        for now in [LIQUIDITY, LIQUIDITY * 3 / 2, LIQUIDITY / 100] {
            let mut pool = Pool::new();
            pool.stands(WINDOW - 1, 0, LIQUIDITY);
            pool.stands(1, 0, now);
            assert!(pool.mean(false).is_ok(), "{now}");
        }
    }

    #[test]
    fn an_empty_pair_has_no_price() {
        assert_eq!(pair_sums(&pair(0, 5, 0), U256::ZERO, U256::ZERO, 9), None);
    }
}
