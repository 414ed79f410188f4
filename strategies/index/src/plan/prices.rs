//! Prices from the chain, for whoever has no file of them: an oracle's where one is named for a
//! component, else the average of its own pools over the last minutes. All of one block, all in one
//! currency: US dollars if the chain tells what ether costs in them, else ether.

use alloy::primitives::{Address, U256, U512};
use ballast_chains::{
    BlockReader, ReadError,
    feeds::{self, PriceRound, Said},
};
use ballast_strategy_api::StrategyError;
use futures::future;

use super::{
    input::{Entry, Fault},
    show::span,
    state::{Index, Token},
    work::assign,
};
use crate::{
    contracts::IDescribed::descriptionCall,
    decimal::{ONE, narrow},
    params::{Currency, Feed},
    price::Price,
    twap::{self, Mean, Past, Sums, Trail, Unfit},
};

/// How far the two averages of a pool may be from each other: 2 %. Beyond that it was moved, and
/// neither is believed.
const FAR: U256 = U256::from_limbs([20_000_000_000_000_000, 0, 0, 0]);
/// Of ether with 18 decimals and of its price with 36.
const FINER: U256 = ONE;

/// What is asked of the chain.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What the file of oracles is called.
    pub file: &'a str,
    /// The oracles that it names.
    pub feeds: &'a [Entry<Feed>],
    /// The oracle of ether's price in dollars; `None`: the chain's own, if it has one.
    pub eth_usd: Option<Address>,
    /// How old an oracle's answer may be, seconds.
    pub max_age: u64,
}

/// Why there are no prices.
#[derive(Debug)]
pub enum Unpriced {
    /// What an operator has to change, line by line.
    Faults(Vec<Fault>),
    /// The chain did not answer.
    Read(StrategyError),
}

/// A price of a whole token.
struct Quoted {
    /// 36 decimals.
    price: U256,
    currency: Currency,
    source: String,
}

/// The price of every token of the index, and of the intermediate asset, with where it comes from in
/// place of a line of a file.
///
/// # Errors
/// [`Unpriced`]: an oracle that is stale or silent, a component without pools and oracle.
pub async fn read(
    index: &Index,
    asked: Asked<'_>,
    at: &BlockReader,
) -> Result<Vec<Entry>, Unpriced> {
    let mut faults = Vec::new();
    let named = assign(index, asked.file, asked.feeds, &mut faults, false);
    let desk = Desk { asked, at };
    let dollars = desk.dollars(index, &mut faults).await;
    let wants_average = index.tokens.iter().zip(&named).any(|(token, feed)| {
        feed.is_none() && token.address != index.weth && !token.pools.is_empty()
    });
    let earlier = if wants_average { Some(twap::past(at).await) } else { None };
    let earlier = earlier.transpose().map_err(|cause| cause.to_string());
    let quoted = index.tokens.iter().zip(&named).map(|(token, feed)| async {
        if token.address == index.weth {
            return Ok(Quoted {
                price: whole_ether(),
                currency: Currency::Eth,
                source: "ether".into(),
            });
        }
        match feed {
            Some((feed, _)) => desk.oracle(*feed).await,
            None => desk.average(token, earlier.as_ref()).await,
        }
    });
    let mut entries = Vec::new();
    for (token, quoted) in index.tokens.iter().zip(future::join_all(quoted).await) {
        match quoted.and_then(|quoted| in_one(quoted, dollars.as_ref())) {
            Ok((price, at)) => entries.push(entry(token.address, price, at)),
            Err(what) => {
                let (file, at) = (asked.file.to_owned(), token.symbol.clone());
                faults.push(Fault { file, at, what });
            }
        }
    }
    if !faults.is_empty() {
        return Err(Unpriced::Faults(faults));
    }
    if !index.tokens.iter().any(|token| token.address == index.weth) {
        let price = dollars.map_or_else(whole_ether, |(price, _)| price);
        entries.push(entry(index.weth, price, "ether".to_owned()));
    }
    Ok(entries)
}

fn whole_ether() -> U256 {
    ONE.saturating_mul(FINER)
}

fn entry(address: Address, value: U256, at: String) -> Entry {
    Entry { at, address: Some(address), symbol: None, decimals: None, value }
}

/// Into dollars if there is a price of ether in them, else everything has to be in ether.
fn in_one(quoted: Quoted, dollars: Option<&(U256, String)>) -> Result<(U256, String), String> {
    let Quoted { price, currency, source } = quoted;
    match (currency, dollars) {
        (Currency::Usd, Some(_)) | (Currency::Eth, None) => Ok((price, source)),
        (Currency::Usd, None) => Err(format!(
            "{source} answers in dollars, and nothing tells what ether costs: --eth-usd-feed"
        )),
        (Currency::Eth, Some((dollars, of_ether))) => {
            let product = U512::from(price).checked_mul(U512::from(*dollars));
            let price = product.and_then(|p| p.checked_div(U512::from(whole_ether())));
            let price = price.and_then(narrow);
            let price = price.filter(|price| !price.is_zero());
            let price =
                price.ok_or_else(|| format!("{source} is beyond what can be reckoned with"))?;
            Ok((price, format!("{source} × {of_ether}")))
        }
    }
}

struct Desk<'a> {
    asked: Asked<'a>,
    at: &'a BlockReader,
}

impl Desk<'_> {
    /// What ether costs in dollars, 36 decimals, and who says so.
    async fn dollars(&self, index: &Index, faults: &mut Vec<Fault>) -> Option<(U256, String)> {
        let is_ether = |entry: &&Entry<Feed>| match entry.address {
            Some(address) => address == index.weth,
            None => entry.symbol.as_deref() == Some("WETH"),
        };
        let in_file = self.asked.feeds.iter().find(is_ether).map(|entry| entry.value.aggregator);
        let named = self.asked.eth_usd.or(in_file);
        let said = match named {
            Some(feed) => feeds::latest(self.at, feed).await,
            None => feeds::native_usd(self.at).await,
        };
        let name = named
            .map_or_else(|| "the chain's feed of ether".to_owned(), |feed| format!("feed {feed}"));
        if matches!(said, Said::NoFeed) {
            return None;
        }
        match self.fresh(said) {
            Ok((price, age)) => Some((price, format!("{name}, {} old", span(age)))),
            Err(why) => {
                let (file, at) = (self.asked.file.to_owned(), name);
                faults.push(Fault { file, at, what: why });
                None
            }
        }
    }

    /// The answer with 36 decimals, and its age.
    fn fresh(&self, said: Said<PriceRound>) -> Result<(U256, u64), String> {
        let round = match said {
            Said::Answer(round) => round,
            Said::Nothing(why) => return Err(why),
            Said::NoFeed => return Err("there is no such feed".to_owned()),
        };
        let age = self.at.header().timestamp.saturating_sub(round.updated_at);
        if age > self.asked.max_age {
            let (age, most) = (span(age), span(self.asked.max_age));
            return Err(format!(
                "last wrote {age} ago, which is more than {most} (--feed-max-age)"
            ));
        }
        let price = round.price.fixed18().checked_mul(FINER);
        Ok((price.ok_or_else(|| "answers more than can be reckoned with".to_owned())?, age))
    }

    async fn oracle(&self, feed: Feed) -> Result<Quoted, String> {
        let Feed { aggregator, currency } = feed;
        let (price, age) = self
            .fresh(feeds::latest(self.at, aggregator).await)
            .map_err(|why| format!("feed {aggregator}: {why}"))?;
        let currency = match currency {
            Some(currency) => currency,
            None => self.described(aggregator).await?,
        };
        let source = format!("feed {aggregator}, {} old", span(age));
        Ok(Quoted { price, currency, source })
    }

    /// What a feed says that it answers in: `UNI / ETH`.
    async fn described(&self, feed: Address) -> Result<Currency, String> {
        let unclear = || {
            format!("feed {feed} does not tell its currency: write USD or ETH behind its address")
        };
        let description = match self.at.call(feed, descriptionCall {}).await {
            Ok(description) => description,
            Err(ReadError::Unavailable(why)) => return Err(format!("feed {feed}: {why}")),
            Err(ReadError::Reverted(_) | ReadError::Malformed { .. }) => return Err(unclear()),
        };
        match description.rsplit('/').next().map(str::trim) {
            Some("USD") => Ok(Currency::Usd),
            Some("ETH") => Ok(Currency::Eth),
            Some(_) | None => Err(unclear()),
        }
    }

    /// The average of a token's pools, in ether.
    async fn average(
        &self,
        token: &Token,
        earlier: Result<&Option<Past>, &String>,
    ) -> Result<Quoted, String> {
        let nothing = "has no pools that are known: name a feed for it, or give a file of prices";
        let earlier = earlier.map_err(|why| format!("no earlier block can be read: {why}"))?;
        let (Some(earlier), false) = (earlier, token.pools.is_empty()) else {
            return Err(nothing.to_owned());
        };
        let pools = &token.pools;
        let unread = |cause: ReadError| format!("its pools' averages cannot be read: {cause}");
        let now = future::try_join_all(pools.iter().map(|pool| pool.sums(self.at)));
        let before = future::try_join_all(pools.iter().map(|pool| pool.trail(earlier)));
        let (now, before) = futures::try_join!(now, before).map_err(unread)?;
        let (now, before): (Option<Vec<Sums>>, Option<Vec<Trail>>) =
            (now.into_iter().collect(), before.into_iter().collect());
        let (now, before) = now.zip(before).ok_or_else(|| Unfit::Nothing.to_string())?;
        let at = self.at.header().timestamp;
        let whole = Mean { low: Price::ONE, high: Price::ONE };
        let sums = now.into_iter().zip(&before);
        let mean = pools.iter().zip(sums).try_fold(whole, |mean, (pool, (now, before))| {
            mean.times(pool.mean(before, now, at)?).ok_or(Unfit::Nothing)
        });
        let mean = mean.map_err(|unfit| unfit.to_string())?;
        if mean.low.off(mean.high) > FAR {
            let what = "its pools were moved within the last minutes: give a price, or wait";
            return Err(what.to_owned());
        }
        let price = middle(mean, token.decimals);
        let price = price.ok_or_else(|| "its average cannot be reckoned with".to_owned())?;
        let source = format!("average of its pools over {}", span(earlier.seconds(at)));
        Ok(Quoted { price, currency: Currency::Eth, source })
    }
}

/// Of a whole token in ether, 36 decimals: what lies between the two averages. They are of base units.
fn middle(mean: Mean, decimals: u8) -> Option<U256> {
    let whole = U256::from(10).checked_pow(U256::from(decimals))?.checked_mul(FINER)?;
    let (low, high) = (mean.low.value(whole)?, mean.high.value(whole)?);
    let price = low.checked_add(high)?.checked_div(U256::from(2))?;
    (!price.is_zero()).then_some(price)
}

#[cfg(test)]
mod tests;
