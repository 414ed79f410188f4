//! `ballast index plan`

use alloy::primitives::{Address, U256};
use ballast_chains::amount;
use ballast_strategy_api::{
    Host, Told,
    safe_batch::{Batch, Call},
};
use clap::Args;

use super::inputs::{Inputs, Prepared, json, put};
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
    let prepared = inputs.prepare(&Settings::default(), host).await?;
    let (signers, created_at) = (Signers::of(&prepared, safe), prepared.head.timestamp);
    let as_json = inputs.json;
    let plan = made(inputs, prepared);
    if let Some(name) = batch {
        let batch = signers.and_then(|signers| signers.batch(&plan, created_at));
        let text = batch.map_err(|cause| Told::BadInput(vec![format!("--batch: {cause}")]))?;
        put(&name, &text)?;
    }
    if let Some(name) = html {
        put(&name, &html::page(&plan))?;
    }
    Ok(Told::Done(if as_json { json(&plan)? } else { show::text(&plan) }))
}

fn made(inputs: Inputs, prepared: Prepared) -> Plan {
    let Prepared { chain_id, head, index, steward, weights, prices, work, .. } = prepared;
    Plan {
        chain: inputs.chain,
        chain_id,
        block: head.number,
        block_hash: head.hash.to_string(),
        block_timestamp: head.timestamp,
        symbol: index.symbol,
        set_token: inputs.set_token,
        module: inputs.module,
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

/// Who is asked to sign, and through what.
struct Signers {
    extension: Address,
    safe: Address,
}

impl Signers {
    fn of(prepared: &Prepared, safe: Option<Address>) -> Result<Self, String> {
        let steward = &prepared.steward;
        let manager = steward.manager;
        let [extension] = *steward.extensions else {
            let count = steward.extensions.len();
            return Err(format!(
                "the index's manager {manager} lists {count} extensions for this module; one is needed"
            ));
        };
        let safe = safe.or(steward.operator);
        let safe = safe.ok_or_else(|| format!("{manager} names no operator: say --safe"))?;
        Ok(Self { extension, safe })
    }

    fn batch(&self, plan: &Plan, created_at: u64) -> Result<String, String> {
        let description = format!(
            "Weights {} sha256 {}. Prices {} sha256 {}. Block {}, haircut {} %.",
            base(&plan.weights.file),
            plan.weights.sha256,
            base(&plan.prices.file),
            plan.prices.sha256,
            plan.block,
            plan.haircut
        );
        let batch = Batch {
            chain_id: plan.chain_id,
            safe: self.safe,
            name: format!("{} rebalance", plan.symbol),
            description,
            created_at,
            calls: vec![Call {
                to: self.extension,
                value: U256::ZERO,
                data: plan.call.data.clone(),
            }],
        };
        batch.to_json().map(|text| text + "\n").map_err(|cause| cause.to_string())
    }
}

/// A file's name without the folders of whoever ran this.
fn base(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}
