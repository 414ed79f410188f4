//! The files of a plan, understood, and what they make of the index at one block.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use ballast_chains::{BlockReader, amount};
use ballast_strategy_api::Told;
use clap::Args;

use super::inputs::{Place, bytes, refused, unread};
use crate::{
    params::Feed,
    plan::{
        Source,
        input::{self, Entry, Fault, Kind, MAX_BYTES, PRICE_DECIMALS},
        market::Market,
        prices::{self, Asked, Unpriced},
        state::Index,
        units::Component,
        work::{File, Refused, Work, components, work},
    },
    quoter::{Quoter, fill},
    steward::Steward,
    verify::settings::Settings,
};

/// Where prices come from.
#[derive(Debug, Args)]
pub(super) struct Pricing {
    /// What a whole token of each component costs, all in one currency: CSV with `symbol` or
    /// `address` and `price`, or JSON. Without it prices are read from the chain
    #[arg(long, value_name = "FILE")]
    prices: Option<String>,
    /// Oracles of components' prices: CSV with `symbol` or `address` and `feed`, or JSON. Other
    /// components are priced at the average of their pools over the last minutes
    #[arg(long, value_name = "FILE", conflicts_with = "prices")]
    feeds: Option<String>,
    /// The oracle of ether's price in dollars; by default the chain's `native_usd_feed`
    #[arg(long, value_name = "ADDRESS", conflicts_with = "prices")]
    eth_usd_feed: Option<Address>,
    /// How old an oracle's answer may be
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "25h")]
    feed_max_age: Duration,
}

/// What is read at one block.
pub(super) struct Seen {
    pub(super) now: Index,
    pub(super) index: Index,
    pub(super) steward: Steward,
    pub(super) prices: Loaded,
    pub(super) components: Vec<Component>,
    pub(super) market: Market,
    pub(super) work: Work,
}

/// The files.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) weights: Loaded,
    prices: Prices,
}

/// What tells prices.
#[derive(Debug)]
enum Prices {
    File(Loaded),
    Chain { feeds: Loaded<Feed>, eth_usd: Option<Address>, max_age: u64 },
}

impl Files {
    /// Reads them; every fault of all of them is told at once.
    pub(super) fn load(weights: &str, pricing: &Pricing) -> Result<Self, Told> {
        let weights = Loaded::load(weights, |name, bytes| input::read(name, bytes, Kind::Weights));
        let prices = Prices::load(pricing);
        match (weights, prices) {
            (Ok(weights), Ok(prices)) => Ok(Self { weights, prices }),
            (weights, prices) => {
                let faults = [weights.err(), prices.err()].into_iter().flatten().flatten();
                Err(Told::BadInput(faults.collect()))
            }
        }
    }

    /// The index with what the files make of it.
    pub(super) async fn see(
        &self,
        place: &Place,
        haircut: U256,
        settings: &Settings,
        under_way: bool,
        at: &BlockReader,
    ) -> Result<Seen, Told> {
        let named = self.weights.entries.iter().filter_map(|entry| entry.address);
        let named: Vec<Address> = named.collect();
        let (set_token, module) = (place.set_token, place.module);
        let mut now = Index::read(set_token, module, &named, at).await.map_err(unread)?;
        let steward = Steward::find(set_token, module, at).await.map_err(unread)?;
        now.keep(&self.weights.entries, under_way);
        let mut index = now.clone();
        settings.apply(&mut index, at).await.map_err(unread)?;
        // Prices are those of where it is traded now, whatever a batch would change.
        let prices = self.prices.read(&now, at).await?;
        let both = (self.weights.file(), prices.file());
        let components = components(&index, both.0, both.1).map_err(Refused::Files);
        let components = components.map_err(refused)?;
        let worked = |index: &Index| work(index, both.0, both.1, haircut).map_err(refused);
        let quoter = Quoter::find(place.v3_quoter, at).await.map_err(unread)?;
        let first = worked(&index)?;
        let without = fill(&mut index, &first, quoter, at).await.map_err(unread)?;
        settings.quote(&mut index, quoter, at).await.map_err(unread)?;
        let mut work = worked(&index)?;
        work.warnings.extend(without);
        let market = Market::of(&index, &components, both.1);
        Ok(Seen { now, index, steward, prices, components, market, work })
    }
}

impl Prices {
    fn load(pricing: &Pricing) -> Result<Self, Vec<String>> {
        let Pricing { prices, feeds, eth_usd_feed, feed_max_age } = pricing;
        if let Some(name) = prices {
            let prices = Loaded::load(name, |name, bytes| input::read(name, bytes, Kind::Prices));
            return prices.map(Self::File);
        }
        let feeds = match feeds {
            Some(name) => Loaded::load(name, input::read_feeds)?,
            None => Loaded::of("prices from the chain", Vec::new(), Vec::new()),
        };
        Ok(Self::Chain { feeds, eth_usd: *eth_usd_feed, max_age: feed_max_age.as_secs() })
    }

    /// Those of the file, or those that the chain tells at this block, as if a file had them.
    async fn read(&self, index: &Index, at: &BlockReader) -> Result<Loaded, Told> {
        let (feeds, eth_usd, max_age) = match self {
            Self::File(prices) => return Ok(prices.clone()),
            Self::Chain { feeds, eth_usd, max_age } => (feeds, *eth_usd, *max_age),
        };
        let asked = Asked { file: &feeds.source.file, feeds: &feeds.entries, eth_usd, max_age };
        let entries = prices::read(index, asked, at).await.map_err(|cause| match cause {
            Unpriced::Faults(faults) => Told::BadInput(lines(&faults)),
            Unpriced::Read(cause) => unread(cause),
        })?;
        let text: String = entries.iter().map(line).collect();
        let name = format!("chain, block {}", at.header().number);
        Ok(Loaded::of(&name, text.into_bytes(), entries))
    }
}

/// A price as a line of a file of prices would have it.
fn line(entry: &Entry) -> String {
    let price = amount::decimal(&entry.value.to_string(), PRICE_DECIMALS);
    format!("{},{price}\n", entry.name())
}

fn lines(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

/// A file that was read and understood.
#[derive(Debug, Clone)]
pub(super) struct Loaded<V = U256> {
    pub(super) source: Source,
    pub(super) bytes: Vec<u8>,
    entries: Vec<Entry<V>>,
}

impl<V> Loaded<V> {
    pub(super) fn load(
        name: &str,
        read: impl FnOnce(&str, &[u8]) -> Result<Vec<Entry<V>>, Vec<Fault>>,
    ) -> Result<Self, Vec<String>> {
        let bytes = bytes(name, MAX_BYTES).map_err(|cause| vec![cause])?;
        let entries = read(name, &bytes).map_err(|faults| lines(&faults))?;
        Ok(Self::of(name, bytes, entries))
    }

    fn of(name: &str, bytes: Vec<u8>, entries: Vec<Entry<V>>) -> Self {
        Self { source: Source::of(name, &bytes), bytes, entries }
    }
}

impl Loaded {
    pub(super) fn file(&self) -> File<'_> {
        File { name: &self.source.file, entries: &self.entries }
    }
}
