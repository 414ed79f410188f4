//! `ballast index report`

use alloy::primitives::Address;
use ballast_strategy_api::{Host, ProductFile, Strategy as _, Told};
use clap::Args;

use super::inputs::{bytes, json, put, unread};
use crate::{
    Params,
    report::{
        Report, html,
        planned::Planned,
        read::{Desk, Unread, Which},
        show,
    },
    strategy::CompositeIndex,
};

/// Largest plan that is read.
const MAX_PLAN: usize = 4 << 20;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The index, by the name of its product file
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// So many rebalances before the latest one
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    earlier: usize,
    /// As of this block instead of the newest
    #[arg(long, value_name = "BLOCK")]
    at: Option<u64>,
    /// Where the search for its start ends; by default half a year back
    #[arg(long, value_name = "BLOCK")]
    from_block: Option<u64>,
    /// Blocks whose logs are asked for at a time; fewer where an endpoint refuses so many
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    log_blocks: u64,
    /// What `index plan --json` wrote before it: told beside what came of it
    #[arg(long, value_name = "FILE")]
    plan: Option<String>,
    /// Writes the report as one HTML page that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<String>,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

pub(super) async fn report(args: ReportArgs, host: &dyn Host) -> Result<Told, Told> {
    let name = &args.product;
    let ProductFile { kind, chain, wallet, params } = host.product(name)?;
    if kind != CompositeIndex::KIND {
        let what = format!("product {name} is no index: its strategy is \"{kind}\"");
        return Err(Told::BadInput(vec![what]));
    }
    let params: Params = serde_json::from_value(params)
        .map_err(|cause| Told::BadInput(vec![format!("product {name}: {cause}")]))?;
    let plan = args.plan.as_deref().map(|file| Ok((file, read(file)?))).transpose()?;
    let past = host.past(name).await?;
    let planned = plan.map(|(file, text)| planned(file, &text, past.chain_id(), params.set_token));
    let planned = planned.transpose()?;
    let which = Which {
        at: args.at,
        earlier: args.earlier,
        from_block: args.from_block,
        log_blocks: args.log_blocks,
    };
    let desk = Desk { past: &past, product: name, chain: &chain, wallet };
    let mut facts =
        desk.facts(params, which, planned).await.map_err(|cause| failed(&chain, cause))?;
    let until = facts.at.timestamp.saturating_add(1);
    match host.booked(name, facts.start.deed.at.timestamp, until).await {
        Ok(booked) => facts.booked = booked,
        Err(Told::Failed(why)) => facts.unknown.push(format!("the keeper's books: {why}")),
        Err(other) => return Err(other),
    }
    let report = Report::of(facts);
    if let Some(file) = &args.html {
        put(file, &html::page(&report))?;
    }
    Ok(Told::Done(if args.json { json(&report)? } else { show::text(&report) }))
}

fn read(file: &str) -> Result<Vec<u8>, Told> {
    let text = bytes(file, MAX_PLAN).map_err(|cause| Told::BadInput(vec![cause]))?;
    if text.len() > MAX_PLAN {
        let what = format!("{file}: is larger than {MAX_PLAN} bytes");
        return Err(Told::BadInput(vec![what]));
    }
    Ok(text)
}

fn planned(file: &str, text: &[u8], chain_id: u64, set_token: Address) -> Result<Planned, Told> {
    let plan = Planned::read(text, chain_id, set_token);
    plan.map_err(|cause| Told::BadInput(vec![format!("{file}: {cause}")]))
}

fn failed(chain: &str, cause: Unread) -> Told {
    match cause {
        Unread::Strategy(cause) => unread(cause),
        Unread::Asked(why) => Told::BadInput(vec![why]),
        Unread::Nothing(why) => Told::Failed(why),
        Unread::Past(cause) => {
            let mut text = format!("chain {chain}: {cause}");
            let mut below = std::error::Error::source(&cause);
            while let Some(source) = below {
                text.push_str(&format!(": {source}"));
                below = source.source();
            }
            Told::Failed(text)
        }
    }
}
