//! `ballast index plan`

use alloy::primitives::{Address, U256};
use ballast_chains::amount;
use ballast_strategy_api::{Host, Told, safe_batch::Call};
use clap::Args;

use super::{
    inputs::{Inputs, Prepared, json, put},
    signers::{Asked, Signers, base},
};
use crate::{
    plan::{Plan, StartCall, html, show},
    verify::settings::Settings,
};

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// Writes the call that starts the rebalance as a file for the Safe's Transaction Builder
    #[arg(long, value_name = "FILE")]
    batch: Option<String>,
    /// The Safe of the batch; by default the operator of the index's manager
    #[arg(long, value_name = "ADDRESS", requires = "batch")]
    safe: Option<Address>,
    /// Writes the plan as one HTML page with charts that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<String>,
}

pub(super) async fn plan(args: PlanArgs, host: &dyn Host) -> Result<Told, Told> {
    let PlanArgs { inputs, batch, safe, html } = args;
    let prepared = inputs.prepare(&Settings::default(), false, host).await?;
    let signers = Signers::of(&prepared.steward, safe);
    let created_at = prepared.head.timestamp;
    let as_json = inputs.place.json;
    let plan = made(inputs, prepared);
    if let Some(name) = batch {
        put(&name, &signers.and_then(|signers| signers.batch(of(&plan, created_at)))?)?;
    }
    if let Some(name) = html {
        put(&name, &html::page(&plan))?;
    }
    Ok(Told::Done(if as_json { json(&plan)? } else { show::text(&plan) }))
}

fn made(inputs: Inputs, prepared: Prepared) -> Plan {
    let Prepared { chain_id, head, index, steward, weights, prices, work, .. } = prepared;
    Plan {
        chain: inputs.place.chain,
        chain_id,
        block: head.number,
        block_hash: head.hash.to_string(),
        block_timestamp: head.timestamp,
        symbol: index.symbol,
        set_token: inputs.place.set_token,
        module: inputs.place.module,
        extensions: steward.extensions,
        operator: steward.operator,
        supply: amount::ether(index.supply),
        haircut: amount::decimal(&inputs.haircut.to_string(), 16),
        weights: weights.source,
        prices: prices.source,
        call: StartCall::of(&work),
        work,
    }
}

/// What starts the rebalance, without those who sign it.
fn of(plan: &Plan, created_at: u64) -> Asked {
    let description = format!(
        "Weights {} sha256 {}. Prices {} sha256 {}. Block {}, haircut {} %.",
        base(&plan.weights.file),
        plan.weights.sha256,
        base(&plan.prices.file),
        plan.prices.sha256,
        plan.block,
        plan.haircut
    );
    let data = plan.call.data.clone();
    Asked {
        chain_id: plan.chain_id,
        name: format!("{} rebalance", plan.symbol),
        description,
        created_at,
        calls: Box::new(move |to| vec![Call { to, value: U256::ZERO, data }]),
    }
}
