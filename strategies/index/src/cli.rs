//! `ballast index …`

use std::{fs, io, path::Path};

use alloy::primitives::{Address, U256};
use ballast_chains::amount;
use ballast_strategy_api::{Host, StrategyError, Told, Tool, tool::BlockWork};
use clap::{ArgMatches, Args, Command, FromArgMatches as _, Subcommand};
use futures::{FutureExt as _, future::BoxFuture};

use crate::{
    decimal,
    plan::{
        Plan, Source, StartCall,
        input::{self, Entry, Kind, MAX_BYTES},
        show,
        state::Index,
        work::{File, Refused, work},
    },
};

/// The subcommand.
pub fn tool() -> Tool {
    Tool { command, run }
}

#[derive(Debug, Subcommand)]
enum IndexCommand {
    /// Turns published weights into target units, with the trades that they make
    Plan(PlanArgs),
}

#[derive(Debug, Args)]
struct PlanArgs {
    /// Chain of the index, by the name of its file
    #[arg(long, value_name = "NAME")]
    chain: String,
    /// The index's token
    #[arg(long, value_name = "ADDRESS")]
    set_token: Address,
    /// The `GeneralIndexModule` that trades it
    #[arg(long, value_name = "ADDRESS")]
    module: Address,
    /// The published weights: CSV with `symbol` or `address` and `weight`, or JSON
    #[arg(long, value_name = "FILE")]
    weights: String,
    /// What a whole token of each component costs, all in one currency: CSV with `symbol` or
    /// `address` and `price`, or JSON
    #[arg(long, value_name = "FILE")]
    prices: String,
    /// What is left out for the cost of trading: 0.003 or 0.3%
    #[arg(long, default_value = "0", value_parser = haircut, value_name = "SHARE")]
    haircut: U256,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

fn haircut(text: &str) -> Result<U256, String> {
    let share = decimal::share(text).map_err(|cause| cause.to_string())?;
    if share < decimal::ONE { Ok(share) } else { Err("has to be below 1 (100%)".to_owned()) }
}

fn command() -> Command {
    let about = "Simple indices: from published weights to units";
    let command = Command::new("index").about(about).subcommand_required(true);
    IndexCommand::augment_subcommands(command.arg_required_else_help(true))
}

fn run<'a>(matches: &'a ArgMatches, host: &'a dyn Host) -> BoxFuture<'a, Told> {
    async move {
        match IndexCommand::from_arg_matches(matches) {
            Ok(IndexCommand::Plan(args)) => plan(args, host).await.unwrap_or_else(|told| told),
            Err(cause) => Told::BadInput(vec![cause.to_string()]),
        }
    }
    .boxed()
}

async fn plan(args: PlanArgs, host: &dyn Host) -> Result<Told, Told> {
    let weights = Loaded::load(&args.weights, Kind::Weights);
    let prices = Loaded::load(&args.prices, Kind::Prices);
    let (weights, prices) = match (weights, prices) {
        (Ok(weights), Ok(prices)) => (weights, prices),
        (weights, prices) => {
            let faults = [weights.err(), prices.err()].into_iter().flatten().flatten();
            return Err(Told::BadInput(faults.collect()));
        }
    };
    let wanted: Vec<Address> = weights.entries.iter().filter_map(|entry| entry.address).collect();
    let mut read = None;
    let slot = &mut read;
    let PlanArgs { set_token, module, .. } = args;
    let job: BlockWork<'_> = Box::new(move |reader| {
        async move {
            let index = Index::read(set_token, module, &wanted, &reader).await;
            *slot = Some((index, *reader.header()));
        }
        .boxed()
    });
    let chain_id = host.read(&args.chain, Address::ZERO, job).await?;
    let Some((index, head)) = read else {
        return Err(Told::Failed("the chain's block was not read".to_owned()));
    };
    let index = index.map_err(unread)?;
    let work = work(&index, weights.file(), prices.file(), args.haircut).map_err(refused)?;
    let plan = Plan {
        chain: args.chain,
        chain_id,
        block: head.number,
        block_hash: head.hash.to_string(),
        set_token,
        module,
        supply: amount::ether(index.supply),
        haircut: amount::decimal(&args.haircut.to_string(), 16),
        weights: weights.source,
        prices: prices.source,
        call: StartCall::of(&work),
        work,
    };
    if args.json {
        let json = serde_json::to_string_pretty(&plan);
        return json.map(|text| Told::Done(text + "\n")).map_err(|e| Told::Failed(e.to_string()));
    }
    Ok(Told::Done(show::text(&plan)))
}

fn unread(cause: StrategyError) -> Told {
    match cause {
        StrategyError::Misconfigured(why) => Told::BadInput(vec![why]),
        StrategyError::Read { what, source } => Told::Failed(format!("reading {what}: {source}")),
        StrategyError::Arithmetic(_) => Told::Failed(cause.to_string()),
    }
}

fn refused(cause: Refused) -> Told {
    match cause {
        Refused::Files(faults) => Told::BadInput(faults.iter().map(ToString::to_string).collect()),
        Refused::Overflow(overflow) => Told::Failed(overflow.to_string()),
    }
}

/// A file that was read and understood.
struct Loaded {
    source: Source,
    entries: Vec<Entry>,
}

impl Loaded {
    fn load(name: &str, kind: Kind) -> Result<Self, Vec<String>> {
        let bytes = bytes(name).map_err(|cause| vec![format!("{name}: {cause}")])?;
        let told =
            |faults: Vec<input::Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
        let entries = input::read(name, &bytes, kind).map_err(told)?;
        Ok(Self { source: Source::of(name, &bytes), entries })
    }

    fn file(&self) -> File<'_> {
        File { name: &self.source.file, entries: &self.entries }
    }
}

/// The file's bytes, at most one more than is allowed.
fn bytes(name: &str) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    fs::File::open(Path::new(name))?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
