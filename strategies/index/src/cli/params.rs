//! `ballast index params`

use std::time::Duration;

use alloy::primitives::{Address, U256};
use ballast_chains::{BlockReader, amount};
use ballast_strategy_api::{Host, StrategyError, Told};
use clap::Args;
use futures::{FutureExt as _, future};

use super::{
    files::{Files, Pricing},
    inputs::{Place, haircut, json, put, share, unread},
    signers::{Asked, Signers, base},
};
use crate::{
    contracts::IGeneralIndexModule::getIsAllowedTraderCall,
    decimal,
    module::Side,
    plan::{
        show::short,
        state::{Index, Token},
        work::{Row, percent},
    },
    quoter::Quoter,
    steward::Steward,
    tune::{
        Advice, Task, Terms,
        batch::{Wanted, calls},
        judge::Reckoned,
        show::{self, Report},
        survey::Surveyor,
    },
    verify::settings::Settings,
};

/// Most tokens that ways may go through.
const MAX_VIA: usize = 8;

#[derive(Debug, Args)]
pub(super) struct ParamsArgs {
    #[command(flatten)]
    place: Place,
    /// The published weights: what they make to be traded is what is reckoned with
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    weights: Option<String>,
    #[command(flatten)]
    pricing: Pricing,
    /// What is left out for the cost of trading, as for a plan
    #[arg(long, default_value = "0", value_parser = haircut, value_name = "SHARE")]
    haircut: U256,
    /// Without weights: what is to be moved of each component that the index holds, in ether
    #[arg(long, value_name = "ETHER", value_parser = ether, required_unless_present = "weights")]
    value: Option<U256>,
    /// Largest price impact of one trade, fees excluded
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0.5%")]
    impact: U256,
    /// Gas price such as 30gwei; by default the base fee of the block
    #[arg(long, value_name = "PRICE", value_parser = gwei)]
    gas_price: Option<U256>,
    /// How long all trades of a component may take
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "24h")]
    within: Duration,
    /// A token that a way over two V2 pools may go through; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    via: Vec<Address>,
    #[command(flatten)]
    asked: BatchArgs,
}

#[derive(Debug, Args)]
struct BatchArgs {
    /// Writes what differs from the chain as a file for the Safe's Transaction Builder
    #[arg(long, value_name = "FILE")]
    batch: Option<String>,
    /// The Safe of the batch; by default the operator of the index's manager
    #[arg(long, value_name = "ADDRESS", requires = "batch")]
    safe: Option<Address>,
    /// Also sets by how much `raiseAssetTargets` raises all targets: 0.25%
    #[arg(long, value_name = "SHARE", value_parser = raise, requires = "batch")]
    raise_target: Option<U256>,
    /// Also lets this account trade; may be given several times
    #[arg(long = "trader", value_name = "ADDRESS", requires = "batch")]
    traders: Vec<Address>,
}

fn ether(text: &str) -> Result<U256, String> {
    let wei = decimal::fixed(text, 18).map_err(|cause| cause.to_string())?;
    if wei.is_zero() { Err("has to be above 0".to_owned()) } else { Ok(wei) }
}

fn gwei(text: &str) -> Result<U256, String> {
    let number = text.strip_suffix("gwei").map(str::trim_end);
    let number = number.ok_or_else(|| "expected a price such as 30gwei".to_owned())?;
    let wei = decimal::fixed(number, 9).map_err(|cause| cause.to_string())?;
    if wei.is_zero() { Err("has to be above 0".to_owned()) } else { Ok(wei) }
}

fn raise(text: &str) -> Result<U256, String> {
    let share = share(text)?;
    if share.is_zero() {
        Err("has to be above 0: the module refuses it".to_owned())
    } else {
        Ok(share)
    }
}

/// What was found at one block.
struct Found {
    symbol: String,
    steward: Steward,
    advice: Vec<Advice>,
    wanted: Wanted,
    gas_price: U256,
}

pub(super) async fn params(args: ParamsArgs, host: &dyn Host) -> Result<Told, Told> {
    if args.impact.is_zero() || args.impact >= decimal::ONE {
        return Err(Told::BadInput(vec!["--impact: has to be between 0 and 1 (100%)".to_owned()]));
    }
    if args.via.len() > MAX_VIA {
        return Err(Told::BadInput(vec![format!("--via: at most {MAX_VIA} tokens")]));
    }
    let files = args.weights.as_ref().map(|weights| Files::load(weights, &args.pricing));
    let files = files.transpose()?;
    let (asked, from) = (&args, files.as_ref());
    let read =
        asked.place.at_block(host, move |at| async move { asked.look(from, at).await }.boxed());
    let (found, chain_id, head) = read.await?;
    let Found { symbol, steward, advice, wanted, gas_price } = found;
    let mut warnings = Vec::new();
    if let Some(name) = &args.asked.batch {
        let signers = Signers::of(&steward, args.asked.safe)?;
        let calls = calls(signers.extension, &advice, &wanted);
        if calls.is_empty() {
            warnings.push(format!("the chain has all of it: {name} was not written"));
        } else {
            let description = args.description(files.as_ref(), head.number, gas_price);
            let name_of = format!("{symbol} execution parameters");
            put(
                name,
                &signers.batch(Asked {
                    chain_id,
                    name: name_of,
                    description,
                    created_at: head.timestamp,
                    calls: Box::new(move |_| calls),
                })?,
            )?;
        }
    }
    let report = Report {
        chain: args.place.chain.clone(),
        block: head.number,
        set_token: args.place.set_token,
        module: args.place.module,
        weights: files.map(|files| files.weights.source),
        gas_price: amount::decimal(&gas_price.to_string(), 9),
        impact: short(&percent(Some(args.impact))),
        within: args.within.as_secs(),
        components: advice,
        warnings,
    };
    Ok(Told::Done(if args.place.json { json(&report)? } else { show::text(&report) }))
}

impl ParamsArgs {
    fn description(&self, files: Option<&Files>, block: u64, gas_price: U256) -> String {
        let gwei = amount::decimal(&gas_price.to_string(), 9);
        let impact = short(&percent(Some(self.impact)));
        let from = files.map(|files| {
            let source = &files.weights.source;
            format!("Weights {} sha256 {}. ", base(&source.file), source.sha256)
        });
        let from = from.unwrap_or_default();
        format!(
            "{from}Execution parameters of block {block}: impact at most {impact} %, {gwei} gwei."
        )
    }

    async fn look(&self, files: Option<&Files>, at: BlockReader) -> Result<Found, Told> {
        let place = &self.place;
        let base_fee = at.header().base_fee_per_gas.map(U256::from).filter(|fee| !fee.is_zero());
        let gas_price = self.gas_price.or(base_fee).ok_or_else(|| {
            Told::BadInput(vec!["--gas-price: the block has no base fee to go by".to_owned()])
        })?;
        let (index, steward, tasks, reckoned) = match files {
            Some(files) => {
                let settings = Settings::default();
                let seen = files.see(place, self.haircut, &settings, false, &at).await?;
                let tasks = seen.work.rows.iter().map(task).collect();
                (seen.index, seen.steward, tasks, Some((seen.components, seen.market)))
            }
            None => {
                let (set_token, module) = (place.set_token, place.module);
                let index = Index::read(set_token, module, &[], &at).await.map_err(unread)?;
                let steward = Steward::find(set_token, module, &at).await.map_err(unread)?;
                let tasks = vec![Task::Value(self.value.unwrap_or_default()); index.tokens.len()];
                (index, steward, tasks, None)
            }
        };
        let quoter = Quoter::find(place.v3_quoter, &at).await.map_err(unread)?;
        let terms = Terms {
            gas_price,
            impact: self.impact,
            within: self.within.as_secs(),
            protocol_fee: index.protocol_fee,
        };
        let surveyor = Surveyor { desk: index.desk, quoter, via: &self.via, terms, at: &at };
        let all = index.tokens.iter().zip(&tasks).enumerate();
        let all = all.filter(|(_, (token, _)): &(_, (&Token, _))| token.address != index.weth);
        let advice = future::try_join_all(all.map(|(place, (token, task))| {
            let reckoned = reckoned.as_ref().and_then(|(components, market)| {
                components.get(place).map(|component| Reckoned { component, market: *market })
            });
            surveyor.advise(token, *task, reckoned)
        }));
        let advice = advice.await.map_err(unread)?;
        let wanted = self.asked.wanted(place, &index, &at).await.map_err(unread)?;
        let symbol = index.symbol;
        Ok(Found { symbol, steward, advice, wanted, gas_price })
    }
}

impl BatchArgs {
    /// What the chain does not have yet.
    async fn wanted(
        &self,
        place: &Place,
        index: &Index,
        at: &BlockReader,
    ) -> Result<Wanted, StrategyError> {
        let may = self.traders.iter().map(|trader| {
            let call = getIsAllowedTraderCall { setToken: place.set_token, trader: *trader };
            at.call(place.module, call)
        });
        let may = future::try_join_all(may).await;
        let may = may.map_err(StrategyError::reading("who may trade"))?;
        let traders = self.traders.iter().zip(may).filter(|(_, may)| !may);
        let mut traders: Vec<Address> = traders.map(|(trader, _)| *trader).collect();
        traders.sort_unstable();
        traders.dedup();
        let raise = self.raise_target.filter(|raise| *raise != index.raise);
        Ok(Wanted { raise, traders })
    }
}

/// What a plan moves of a component; nothing, in either way, where it moves nothing.
fn task(row: &Row) -> Task {
    match &row.trade {
        Some(trade) if trade.side == "sell" => Task::Amount(Side::Sell, trade.amount),
        Some(trade) => Task::Amount(Side::Buy, trade.amount),
        None => Task::Value(U256::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_exact_numbers() {
        assert_eq!(gwei("30gwei"), gwei("30 gwei"));
        assert_eq!(gwei("0.5gwei"), Ok(U256::from(500_000_000)));
        assert!(gwei("30").is_err() && gwei("0gwei").is_err() && gwei("1e3gwei").is_err());
        assert_eq!(ether("1.5"), Ok(U256::from(1_500_000_000_000_000_000_u64)));
        assert!(ether("0").is_err() && raise("0").is_err());
    }
}
