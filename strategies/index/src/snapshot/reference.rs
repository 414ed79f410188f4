//! What a component's price is held against: an oracle's word, or the average of its own pools.

use alloy::primitives::{Address, U512};
use ballast_chains::{
    ReadError,
    feeds::{self, PriceRound, Said},
};
use ballast_strategy_api::StrategyError;
use futures::future;

use super::{look::Look, read::Hint};
use crate::{
    decimal::ONE,
    exchange::Way,
    market::{self, Pool, Reading},
    params::Currency,
    price::Price,
    twap::{Mean, Trail, Unfit},
};

/// What a base unit of a component is worth in wei of the intermediate asset, by somebody else than
/// its pool at this block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The lower of two averages …
    pub low: Price,
    /// … and the higher; an oracle has one price. A pool's has to be near both.
    pub high: Price,
    /// Who says so.
    pub source: Source,
}

/// Who says what a component is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An oracle, so many seconds ago.
    Feed {
        /// How old its answer is.
        age: u64,
    },
    /// Its pools, on average over so many seconds.
    Pools {
        /// What the average reaches back.
        seconds: u64,
    },
}

/// Why there is no reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoReference(pub String);

impl NoReference {
    fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// What the pools say now and what they are held against.
pub(super) type MarketNow = (Option<Result<Vec<Reading>, String>>, Result<Reference, NoReference>);

impl Look<'_> {
    /// Reads a component's pools and its reference.
    pub(super) async fn market(
        &self,
        token: Address,
        hint: &Hint,
    ) -> Result<MarketNow, StrategyError> {
        let pools = match &hint.way {
            Way::Pools { pools, .. } => Some(pools.as_slice()),
            Way::Unknown | Way::Nowhere(_) => None,
        };
        let feed = self.index.feeds.get(&token);
        let (readings, before, oracle) = futures::join!(
            async {
                match pools {
                    Some(pools) => Some(market::read(pools, self.at).await),
                    None => None,
                }
            },
            async {
                match (pools, feed) {
                    (Some(pools), None) => Some(self.before(pools).await),
                    _ => None,
                }
            },
            async {
                match feed {
                    Some((feed, currency)) => Some(self.oracle(*feed, *currency).await),
                    None => None,
                }
            },
        );
        let readings = readings.transpose().map_err(StrategyError::reading("a pool"))?;
        let reference = match (oracle, &readings, before) {
            (Some(oracle), ..) => {
                oracle.and_then(|(price, age)| by_oracle(price, age, hint.decimals))
            }
            (None, Some(Ok(readings)), Some(before)) => before.and_then(|(trails, seconds)| {
                let now = self.at.header().timestamp;
                by_pools(pools.unwrap_or_default(), readings, &trails, now, seconds)
            }),
            (None, Some(Err(why)), _) => Err(NoReference::because(why.clone())),
            (None, Some(Ok(_)), None) | (None, None, _) => {
                Err(NoReference::because("where it is traded has no average: name a feed for it"))
            }
        };
        Ok((readings, reference))
    }

    /// The sums of all pools some minutes ago, and how many seconds that is.
    async fn before(&self, pools: &[Pool]) -> Result<(Vec<Trail>, u64), NoReference> {
        let unread = |error: ReadError| {
            NoReference(format!("its pools' state some minutes ago cannot be read: {error}"))
        };
        let earlier = self.earlier.clone().await.map_err(unread)?;
        let all = pools.iter().map(|pool| pool.trail(&earlier));
        let trails = future::try_join_all(all).await.map_err(unread)?;
        let trails: Option<Vec<_>> = trails.into_iter().collect();
        let trails = trails.ok_or(NoReference::because("a pool was empty some minutes ago"))?;
        Ok((trails, earlier.seconds(self.at.header().timestamp)))
    }

    /// Of a whole component in the intermediate asset, 18 decimals, and how old that is.
    async fn oracle(&self, feed: Address, currency: Currency) -> Result<(Price, u64), NoReference> {
        let (answer, dollars) = futures::join!(feeds::latest(self.at, feed), async {
            match currency {
                Currency::Eth => Said::NoFeed,
                Currency::Usd => self.dollars.clone().await,
            }
        });
        let (round, age) = self.fresh(answer)?;
        let price = Price::of_units(round.price.fixed18(), ONE)
            .ok_or(NoReference::because("its feed answers 0"))?;
        if currency == Currency::Eth {
            return Ok((price, age));
        }
        let (dollars, of_dollars) = self
            .fresh(dollars)
            .map_err(|NoReference(why)| NoReference(format!("the price of ether: {why}")))?;
        let price = Price::of_units(dollars.price.fixed18(), ONE).and_then(|d| price.over(d));
        let price = price.ok_or(NoReference::because("its feeds cannot be reckoned with"))?;
        Ok((price, age.max(of_dollars)))
    }

    fn fresh(&self, said: Said<PriceRound>) -> Result<(PriceRound, u64), NoReference> {
        let round = match said {
            Said::Answer(round) => round,
            Said::Nothing(why) => return Err(NoReference(why)),
            Said::NoFeed => {
                return Err(NoReference::because(
                    "neither eth_usd_feed nor the chain's native_usd_feed is set",
                ));
            }
        };
        let age = self.at.header().timestamp.saturating_sub(round.updated_at);
        if age > self.index.policy.feed_max_age.as_secs() {
            return Err(NoReference(format!("its feed last wrote {age} s ago")));
        }
        Ok((round, age))
    }
}

/// An oracle's price of a whole token as one of a base unit in wei.
pub(crate) fn by_oracle(
    price: Price,
    age: u64,
    decimals: Option<u8>,
) -> Result<Reference, NoReference> {
    let decimals =
        decimals.ok_or(NoReference::because("it has a feed and does not tell its decimals"))?;
    let whole = U512::from(10).checked_pow(U512::from(decimals));
    let scale = whole.and_then(|whole| Price::ratio(U512::from(ONE), whole));
    let price = scale.and_then(|scale| price.times(scale));
    let price = price.ok_or(NoReference::because("its feed cannot be reckoned with"))?;
    Ok(Reference { low: price, high: price, source: Source::Feed { age } })
}

fn by_pools(
    pools: &[Pool],
    readings: &[Reading],
    before: &[Trail],
    now: u64,
    seconds: u64,
) -> Result<Reference, NoReference> {
    let whole = Mean { low: Price::ONE, high: Price::ONE };
    let mean = pools.iter().zip(readings).zip(before).try_fold(whole, |mean, (seen, before)| {
        let (pool, reading) = seen;
        let sums = reading.sums.ok_or(Unfit::Nothing)?;
        mean.times(pool.mean(before, sums, now)?).ok_or(Unfit::Nothing)
    });
    let Mean { low, high } = mean.map_err(|unfit| NoReference(unfit.to_string()))?;
    Ok(Reference { low, high, source: Source::Pools { seconds } })
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Feed { age } => write!(f, "an oracle {age} s ago"),
            Self::Pools { seconds } => write!(f, "its pools' average of {seconds} s"),
        }
    }
}
