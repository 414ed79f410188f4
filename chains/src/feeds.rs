//! The feeds of a chain that say whether it may be acted on and what it costs: the price of its
//! native currency in US dollars, and whether the sequencer of a layer 2 is up.
//!
//! Both speak Chainlink's `AggregatorV3Interface`. Reading them is one more job of the block's
//! driver, one round and no step after another, so they add nothing to what a block takes. What
//! follows from an answer (how old is too old, how long to wait after an outage) is policy and
//! lives with whoever acts.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

pub mod history;

use std::time::Duration;

use alloy::{
    primitives::{Address, I256, U256},
    sol,
};

use crate::{Head, amount, profile::FeedsProfile, reader::BlockReader};

sol! {
    /// Chainlink's `AggregatorV3Interface`, as far as it is used.
    #[derive(Debug)]
    interface IAggregator {
        function decimals() external view returns (uint8);
        function latestRoundData() external view returns (
            uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt,
            uint80 answeredInRound
        );
    }
}

/// Decimals of a [`Price`].
pub const PRICE_DECIMALS: u8 = 18;
/// What an uptime feed answers while the sequencer is up, and while it is down.
const UP: I256 = I256::ZERO;
const DOWN: I256 = I256::ONE;

/// US dollars per whole coin, 18 decimals; above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(U256);

impl Price {
    /// A price from an aggregator's answer. An answer with more than 18 decimals is rounded up, so
    /// that what is priced is never told too cheap. `None` for one that is not above zero or that
    /// does not fit.
    pub fn of(answer: I256, decimals: u8) -> Option<Self> {
        let answer = U256::try_from(answer).ok().filter(|answer| !answer.is_zero())?;
        let ten = U256::from(10);
        let scaled = match PRICE_DECIMALS.checked_sub(decimals) {
            Some(missing) => answer.checked_mul(ten.checked_pow(U256::from(missing))?)?,
            None => {
                let surplus = decimals.checked_sub(PRICE_DECIMALS)?;
                answer.div_ceil(ten.checked_pow(U256::from(surplus))?)
            }
        };
        Some(Self(scaled))
    }

    /// A price of that many 10⁻¹⁸ dollars; `None` for zero.
    pub fn from_fixed18(fixed: U256) -> Option<Self> {
        (!fixed.is_zero()).then_some(Self(fixed))
    }

    /// In 10⁻¹⁸ dollars.
    pub fn fixed18(self) -> U256 {
        self.0
    }
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&amount::ether(self.0))
    }
}

/// What one feed said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Said<T> {
    /// The chain has no such feed.
    #[default]
    NoFeed,
    /// This.
    Answer(T),
    /// Nothing that can be used, and why.
    Nothing(String),
}

/// A price and when the feed last wrote one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceRound {
    /// US dollars per whole coin.
    pub price: Price,
    /// Seconds since 1970 by the chain's clock.
    pub updated_at: u64,
}

/// Whether the sequencer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uptime {
    /// Whether it is up.
    pub up: bool,
    /// Since when, seconds since 1970 by the chain's clock.
    pub since: u64,
}

/// What the feeds of a chain said at one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedReading {
    /// The price of the native currency.
    pub native_usd: Said<PriceRound>,
    /// The state of the sequencer.
    pub sequencer: Said<Uptime>,
}

impl FeedReading {
    /// What is known of these feeds before any of them was asked.
    pub fn unread(feeds: &FeedsProfile) -> Self {
        let nothing = "not read yet";
        Self {
            native_usd: unread(feeds.native_usd, nothing),
            sequencer: unread(feeds.sequencer_uptime, nothing),
        }
    }

    /// As [`unread`](Self::unread), after the attempt to read failed as a whole.
    pub fn failed(feeds: &FeedsProfile, why: &str) -> Self {
        Self {
            native_usd: unread(feeds.native_usd, why),
            sequencer: unread(feeds.sequencer_uptime, why),
        }
    }
}

fn unread<T>(feed: Option<Address>, why: &str) -> Said<T> {
    feed.map_or(Said::NoFeed, |_| Said::Nothing(why.to_owned()))
}

/// Reads all feeds of a chain at the reader's block, in one round. One that fails takes nothing
/// from the other.
pub async fn read(reader: &BlockReader, feeds: &FeedsProfile) -> FeedReading {
    let (native_usd, sequencer) = futures::join!(
        async {
            match feeds.native_usd {
                Some(feed) => said(price(reader, feed).await),
                None => Said::NoFeed,
            }
        },
        async {
            match feeds.sequencer_uptime {
                Some(feed) => said(uptime(reader, feed).await),
                None => Said::NoFeed,
            }
        },
    );
    FeedReading { native_usd, sequencer }
}

/// The price of the chain's native currency at the reader's block, in one round: for a strategy that
/// weighs what an action is worth against its gas. How old it is, the round tells.
pub async fn native_usd(reader: &BlockReader) -> Said<PriceRound> {
    match reader.native_usd_feed() {
        Some(feed) => said(price(reader, feed).await),
        None => Said::NoFeed,
    }
}

/// What a price feed of any pair says at the reader's block, in one round: of whole units, whatever
/// it is priced in.
pub async fn latest(reader: &BlockReader, feed: Address) -> Said<PriceRound> {
    said(price(reader, feed).await)
}

fn said<T>(answer: Result<T, String>) -> Said<T> {
    match answer {
        Ok(answer) => Said::Answer(answer),
        Err(why) => Said::Nothing(why),
    }
}

async fn price(reader: &BlockReader, feed: Address) -> Result<PriceRound, String> {
    let (round, decimals) = futures::join!(
        reader.call(feed, IAggregator::latestRoundDataCall {}),
        reader.call(feed, IAggregator::decimalsCall {}),
    );
    let round = round.map_err(|error| format!("the price feed {feed}: {error}"))?;
    let decimals = decimals.map_err(|error| format!("the price feed {feed}: {error}"))?;
    price_of(&round, decimals, reader.header())
        .ok_or_else(|| format!("the price feed {feed} answers {}", round.answer))
}

/// `None` for an answer that is no price, or a round that was never written.
fn price_of(
    round: &IAggregator::latestRoundDataReturn,
    decimals: u8,
    head: &Head,
) -> Option<PriceRound> {
    let updated_at = moment(round.updatedAt, head)?;
    Some(PriceRound { price: Price::of(round.answer, decimals)?, updated_at })
}

async fn uptime(reader: &BlockReader, feed: Address) -> Result<Uptime, String> {
    let round = reader.call(feed, IAggregator::latestRoundDataCall {}).await;
    let round = round.map_err(|error| format!("the sequencer uptime feed {feed}: {error}"))?;
    uptime_of(&round, reader.header()).ok_or_else(|| {
        let (answer, since) = (round.answer, round.startedAt);
        format!("the sequencer uptime feed {feed} answers {answer} since {since}")
    })
}

/// `None` for an answer that is neither up nor down, or a round that was never started.
fn uptime_of(round: &IAggregator::latestRoundDataReturn, head: &Head) -> Option<Uptime> {
    let up = match round.answer {
        UP => true,
        DOWN => false,
        _ => return None,
    };
    Some(Uptime { up, since: moment(round.startedAt, head)? })
}

/// A moment that lies in the past of this block; one in its future counts as now. `None` for zero,
/// which is what storage holds before anything is written.
fn moment(word: U256, head: &Head) -> Option<u64> {
    let at = u64::try_from(word).unwrap_or(u64::MAX);
    (at > 0).then_some(at.min(head.timestamp))
}

/// The oldest age of a price that still counts, and the wait after an outage, where a chain file
/// does not say: feeds are written at least once a day, with some slack; an hour is what Chainlink
/// and the lending protocols use.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_hours(25);
/// See [`DEFAULT_HEARTBEAT`].
pub const DEFAULT_SEQUENCER_GRACE: Duration = Duration::from_hours(1);

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests;
