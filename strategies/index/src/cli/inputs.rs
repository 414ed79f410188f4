//! What every command starts from: two files, and the index at one block.

use std::{fs, io, path::Path};

use alloy::primitives::{Address, U256};
use ballast_chains::{BlockReader, heads::Head, text};
use ballast_strategy_api::{Host, StrategyError, Told, tool::BlockWork};
use clap::Args;
use futures::{FutureExt as _, channel::oneshot, future::BoxFuture};
use serde::Serialize;

use super::files::{Files, Loaded, Pricing, Seen};
use crate::{
    decimal,
    plan::{
        market::Market,
        state::Index,
        units::Component,
        work::{Refused, Work},
    },
    steward::Steward,
    verify::settings::Settings,
};

/// Which index, and how to answer: what every command takes.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// Chain of the index, by the name of its file
    #[arg(long, value_name = "NAME")]
    pub(super) chain: String,
    /// The index's token
    #[arg(long, value_name = "ADDRESS")]
    pub(super) set_token: Address,
    /// The `GeneralIndexModule` that trades it
    #[arg(long, value_name = "ADDRESS")]
    pub(super) module: Address,
    /// Uniswap V3's first Quoter, for trades across ticks; by default the one at its usual address
    #[arg(long, value_name = "ADDRESS")]
    pub(super) v3_quoter: Option<Address>,
    /// Machine-readable output
    #[arg(long)]
    pub(super) json: bool,
}

impl Place {
    /// Reads something of one block of the chain; gives the chain's id and the block, too.
    pub(super) async fn at_block<'a, T, F>(
        &'a self,
        host: &'a dyn Host,
        work: F,
    ) -> Result<(T, u64, Head), Told>
    where
        T: Send + 'a,
        F: FnOnce(BlockReader) -> BoxFuture<'a, Result<T, Told>> + Send + 'a,
    {
        let (found, seen) = oneshot::channel();
        let job: BlockWork<'a> = Box::new(move |reader| {
            async move {
                let head = *reader.header();
                // Whoever asked waits for it.
                let _unread = found.send((work(reader).await, head));
            }
            .boxed()
        });
        let chain_id = host.read(&self.chain, Address::ZERO, job).await?;
        let (read, head) =
            seen.await.map_err(|_| Told::Failed("the chain's block was not read".to_owned()))?;
        Ok((read?, chain_id, head))
    }
}

/// What is planned from.
#[derive(Debug, Args)]
pub(super) struct Inputs {
    #[command(flatten)]
    pub(super) place: Place,
    /// The published weights: CSV with `symbol` or `address` and `weight`, or JSON
    #[arg(long, value_name = "FILE")]
    pub(super) weights: String,
    #[command(flatten)]
    pub(super) pricing: Pricing,
    /// What is left out for the cost of trading: 0.003 or 0.3%
    #[arg(long, default_value = "0", value_parser = haircut, value_name = "SHARE")]
    pub(super) haircut: U256,
}

/// A share that leaves something.
pub(super) fn haircut(text: &str) -> Result<U256, String> {
    let share = share(text)?;
    if share < decimal::ONE { Ok(share) } else { Err("has to be below 1 (100%)".to_owned()) }
}

/// A share on the command line.
pub(super) fn share(text: &str) -> Result<U256, String> {
    decimal::share(text).map_err(|cause| cause.to_string())
}

/// The files and the index, understood, with what follows from them.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) chain_id: u64,
    pub(super) head: Head,
    /// As the chain has it …
    pub(super) now: Index,
    /// … and with what a batch sets.
    pub(super) index: Index,
    pub(super) steward: Steward,
    pub(super) weights: Loaded,
    pub(super) prices: Loaded,
    pub(super) components: Vec<Component>,
    pub(super) market: Market,
    pub(super) work: Work,
}

impl Inputs {
    /// Reads the files, then the index with the tokens that the weights name, and with what `settings`
    /// change of it.
    pub(super) async fn prepare(
        &self,
        settings: &Settings,
        under_way: bool,
        host: &dyn Host,
    ) -> Result<Prepared, Told> {
        let files = Files::load(&self.weights, &self.pricing)?;
        let (both, haircut) = (&files, self.haircut);
        let read = self.place.at_block(host, move |at| {
            async move { both.see(&self.place, haircut, settings, under_way, &at).await }.boxed()
        });
        let (seen, chain_id, head) = read.await?;
        let Seen { now, index, steward, prices, components, market, work } = seen;
        let weights = files.weights;
        Ok(Prepared {
            chain_id,
            head,
            now,
            index,
            steward,
            weights,
            prices,
            components,
            market,
            work,
        })
    }
}

/// What stopped a read, as it is told.
pub(super) fn unread(cause: StrategyError) -> Told {
    match cause {
        StrategyError::Misconfigured(why) => Told::BadInput(vec![why]),
        StrategyError::Read { what, source } => Told::Failed(format!("reading {what}: {source}")),
        StrategyError::Arithmetic(_) => Told::Failed(cause.to_string()),
    }
}

/// What stopped a plan, as it is told.
pub(super) fn refused(cause: Refused) -> Told {
    match cause {
        Refused::Files(faults) => Told::BadInput(faults.iter().map(ToString::to_string).collect()),
        Refused::Overflow(overflow) => Told::Failed(overflow.to_string()),
    }
}

/// The file's bytes, at most one more than is allowed; a line that names it if there are none.
pub(super) fn bytes(name: &str, most: usize) -> Result<Vec<u8>, String> {
    use io::Read as _;
    let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = || {
        let mut bytes = Vec::new();
        fs::File::open(Path::new(name))?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|cause: io::Error| format!("{name}: {cause}"))
}

/// Writes a file; a line that names it if that fails.
pub(super) fn put(name: &str, text: &str) -> Result<(), Told> {
    fs::write(name, text).map_err(|cause| Told::Failed(format!("{name}: {cause}")))
}

/// A value as indented JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String, Told> {
    let json = serde_json::to_string_pretty(value);
    // The writer leaves some of what a terminal acts on as it is.
    json.map(|json| text::json(&json).into_owned() + "\n")
        .map_err(|cause| Told::Failed(cause.to_string()))
}
