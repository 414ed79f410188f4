//! Where prices and limits come from: the quoter, the feeds, and what is too little to trade.

use std::{collections::BTreeMap, time::Duration};

use alloy::primitives::{Address, U256};
use ballast_chains::{
    BlockReader,
    amount::ether,
    feeds::{self, Said},
};
use ballast_strategy_api::Doubt;
use futures::future;

use super::parts::{Parts, shown};
use crate::{
    contracts::IDescribed::descriptionCall,
    decimal::ONE,
    exchange::UNISWAP_V3,
    params::{Currency, Feed, Policy},
};

/// Share of an index that is too much to be called dust: 1 %.
const MUCH: U256 = U256::from_limbs([10_000_000_000_000_000, 0, 0, 0]);

/// Uniswap V3's quoter in the product's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoter {
    /// The file names none, and the usual one is not there.
    Unnamed,
    /// It asks the pools that the module trades on, as far as could be told.
    Fits,
    /// Nothing there answers as a quoter.
    Dead(Address),
    /// It asks other pools than those that the module trades on.
    Elsewhere {
        /// The quoter.
        quoter: Address,
        /// The factory of its pools.
        asks: Address,
        /// The factory of the module's pools.
        trades: Address,
    },
}

/// What a feed said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A price above zero.
    Price {
        /// Seconds since it was written, by the block.
        age: u64,
        /// What it calls itself.
        description: String,
    },
    /// Nothing that could be used, and why.
    Dead(String),
}

/// What all feeds of a file said, by their addresses.
pub type Seen = BTreeMap<Address, Answer>;

/// Asks every feed of the file.
pub async fn read(policy: &Policy, at: &BlockReader) -> Seen {
    let named = policy.feeds.values().map(|feed| feed.aggregator).chain(policy.eth_usd_feed);
    let asked = named.map(|feed| async move { (feed, ask(feed, at).await) });
    future::join_all(asked).await.into_iter().collect()
}

async fn ask(feed: Address, at: &BlockReader) -> Answer {
    let (said, description) =
        futures::join!(feeds::latest(at, feed), at.call(feed, descriptionCall {}));
    match said {
        Said::Answer(round) => {
            let age = at.header().timestamp.saturating_sub(round.updated_at);
            Answer::Price { age, description: description.unwrap_or_default() }
        }
        Said::Nothing(why) => Answer::Dead(why),
        Said::NoFeed => Answer::Dead("it is not there".to_owned()),
    }
}

/// What a person should look at in how V3 pools are asked.
pub fn of_quoter(quoter: &Quoter, parts: &Parts) -> Vec<Doubt> {
    let on_v3: Vec<&str> = parts
        .tokens
        .iter()
        .filter(|token| token.exchange == UNISWAP_V3 && token.address != parts.weth)
        .map(|token| token.symbol.as_str())
        .collect();
    let doubt = match (quoter, on_v3.is_empty()) {
        (Quoter::Unnamed, false) => Doubt::warning(format!(
            "there is no v3_quoter, and {} trade on Uniswap V3: limits come from the liquidity in \
             range, and a trade that leaves it is quoted too well and is not made",
            on_v3.join(", ")
        )),
        (Quoter::Dead(quoter), _) => {
            Doubt::error(format!("v3_quoter {quoter} does not answer as a quoter of Uniswap V3"))
        }
        (Quoter::Elsewhere { quoter, asks, trades }, _) => Doubt::error(format!(
            "v3_quoter {quoter} asks pools of the factory {asks}, the module trades on those of \
             {trades}"
        )),
        (Quoter::Unnamed | Quoter::Fits, _) => return Vec::new(),
    };
    vec![doubt]
}

/// What a person should look at in the feeds.
pub fn of_feeds(policy: &Policy, seen: &Seen, parts: &Parts) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for (token, feed) in &policy.feeds {
        let known = parts.tokens.iter().find(|known| known.address == *token);
        let Some(known) = known else {
            let text = format!("feeds has {token}, which is no component: it is not asked");
            doubts.push(Doubt::warning(text));
            continue;
        };
        let what = format!("the feed {} of {}", feed.aggregator, known.symbol);
        doubts.extend(of_feed(&what, feed, seen, policy.feed_max_age));
    }
    if let Some(aggregator) = policy.eth_usd_feed {
        let feed = Feed { aggregator, currency: Some(Currency::Usd) };
        let what = format!("eth_usd_feed {aggregator}");
        doubts.extend(of_feed(&what, &feed, seen, policy.feed_max_age));
    }
    doubts
}

fn of_feed(what: &str, feed: &Feed, seen: &Seen, most: Duration) -> Option<Doubt> {
    let why = match seen.get(&feed.aggregator)? {
        Answer::Dead(why) => format!("{what} gives no price: {why}"),
        Answer::Price { age, .. } if *age > most.as_secs() => format!(
            "{what} was written {} ago, feed_max_age is {}",
            span(*age),
            span(most.as_secs())
        ),
        Answer::Price { description, .. } => {
            let says = says(description);
            match (feed.currency, says) {
                (None, None) => format!(
                    "{what} calls itself {description:?}: say ETH or USD behind its address"
                ),
                (Some(named), Some(says)) if named != says => {
                    format!("{what} calls itself {description:?}, which is not what the file says")
                }
                (Some(_), _) | (None, Some(_)) => return None,
            }
        }
    };
    Some(Doubt::error(why))
}

/// The currency in what a feed calls itself: `UNI / ETH`.
fn says(description: &str) -> Option<Currency> {
    match description.rsplit('/').next().map(str::trim) {
        Some("ETH") if description.contains('/') => Some(Currency::Eth),
        Some("USD") if description.contains('/') => Some(Currency::Usd),
        Some(_) | None => None,
    }
}

/// What a person should look at in what counts as too little to trade.
pub fn of_dust(dust: Option<U256>, parts: &Parts) -> Vec<Doubt> {
    let Some(dust) = dust else { return Vec::new() };
    let mut doubts = Vec::new();
    if let Some(trade) = parts.gas_of_a_trade().filter(|trade| dust < *trade) {
        doubts.push(Doubt::warning(format!(
            "dust is {} ETH, and the gas of one trade costs {} in this block",
            ether(dust),
            ether(trade)
        )));
    }
    let share = parts.worth().filter(|worth| !worth.is_zero());
    let share = share.and_then(|worth| dust.checked_mul(ONE)?.checked_div(worth));
    if let Some(share) = share.filter(|share| *share > MUCH) {
        doubts.push(Doubt::warning(format!(
            "dust is {} ETH, {} % of what the index is worth: so much may stay untraded",
            ether(dust),
            shown(share)
        )));
    }
    doubts
}

fn span(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}
