//! What `ballast index report` says of a rebalance, against the node's own receipts and states.

use std::collections::BTreeSet;

use alloy::{
    eips::BlockNumberOrTag,
    network::TransactionResponse as _,
    primitives::{Address, B256, U256},
    providers::Provider as _,
};
use eyre::{OptionExt as _, Result, ensure};
use serde_json::Value;

use super::{books::Books, stage::Stage};
use crate::harness::{finish, json};

/// How far what a component's trades cost may be off the loss by the plan's prices, basis points: pools
/// are not exactly back at their prices before each trade.
const OFF: f64 = 15.0;

impl Stage {
    /// What the command says of the index.
    pub(super) async fn report(&self, more: &[&str]) -> Result<Value> {
        let args = [&["index", "report", super::stage::NAME, "--json"], more].concat();
        let (code, out, err) = finish(self.world.ballast(&args)).await?;
        ensure!(code == 0, "{code}: {out:?} {err:?}");
        Ok(json(&out))
    }

    /// The same beside the plan that was made before it.
    pub(super) async fn report_beside(&self, plan: &Value) -> Result<Value> {
        let file = self.world.dir.write("plan.json", plan.to_string())?.display().to_string();
        self.report(&["--plan", &file]).await
    }

    /// Gas and fees of all transactions since the start that an account sent, from the blocks.
    async fn spent(&self, by: Address) -> Result<(u64, U256, usize)> {
        let provider = self.node().provider();
        let (mut gas, mut fee, mut count) = (0, U256::ZERO, 0);
        for number in self.first_block..=self.node().block_number().await? {
            let block =
                provider.get_block_by_number(BlockNumberOrTag::Number(number)).full().await?;
            let block = block.ok_or_eyre("a block is missing")?;
            for transaction in block.transactions.into_transactions() {
                if transaction.from() != by {
                    continue;
                }
                let receipt = self.node().receipt(transaction.tx_hash()).await?;
                ensure!(receipt.status(), "{} reverted", transaction.tx_hash());
                gas += receipt.gas_used;
                fee += U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
                count += 1;
            }
        }
        Ok((gas, fee, count))
    }

    async fn time_of(&self, block: u64) -> Result<u64> {
        let block = self.node().provider().get_block_by_number(block.into()).await?;
        Ok(block.ok_or_eyre("a block is missing")?.header.timestamp)
    }

    /// A report of a finished rebalance is right to the unit, the wei and the second.
    pub(super) async fn assert_told(
        &self,
        report: &Value,
        plan: &Value,
        books: &Books,
    ) -> Result<()> {
        ensure!(report["status"] == "finished", "{report:#}");
        ensure!(report["started"]["block"] == self.first_block, "{report:#}");
        let trades = self.trades().await?;
        let totals = &report["totals"];
        ensure!(totals["trades"] == trades.len(), "{} and {totals:#}", trades.len());
        let (gas, fee, count) = self.spent(self.wallet()).await?;
        let own = &totals["gas_own"];
        ensure!(own["gas_used"] == gas && own["fee_wei"] == fee.to_string(), "{gas}, {fee}: {own}");
        ensure!(own["transactions"] == count, "{count}: {own}");
        let others: BTreeSet<B256> = (trades.iter())
            .filter(|trade| trade.executor != self.wallet())
            .map(|trade| trade.hash)
            .collect();
        let of_others: u64 = (trades.iter())
            .filter(|trade| trade.executor != self.wallet())
            .map(|trade| trade.gas)
            .sum();
        ensure!(totals["trades_of_others"] == others.len(), "{others:?}: {totals:#}");
        ensure!(totals["gas_others"]["gas_used"] == of_others, "{of_others}: {totals:#}");
        let marked = list(&report["trades"]).iter().filter(|trade| trade["is_own"] == false);
        let marked = marked.map(|trade| text(&trade["hash"])?.parse().map_err(eyre::Report::from));
        ensure!(marked.collect::<Result<BTreeSet<B256>>>()? == others, "{report:#}");

        let ends = trades.last().map(|trade| trade.block).ok_or_eyre("no trades")?;
        let raised = list(&report["raises"]).iter().filter_map(|raise| raise["block"].as_u64());
        let ends = raised.chain([ends]).max().unwrap_or(ends);
        let took = self.time_of(ends).await? - self.time_of(self.first_block).await?;
        ensure!(report["seconds"] == took, "{took} s: {report:#}");

        for row in list(&report["components"]) {
            self.assert_row(row, plan, books).await?;
        }
        // The node has every state since the start, so each trade was held against something.
        ensure!(totals["against_reference"]["trades"] == trades.len(), "{totals:#}");
        ensure!(report["books"].is_object() && list(&report["warnings"]).is_empty(), "{report:#}");
        Ok(())
    }

    async fn assert_row(&self, row: &Value, plan: &Value, books: &Books) -> Result<()> {
        let token: Address = text(&row["address"])?.parse()?;
        let symbol = self.symbol(token).to_owned();
        ensure!(row["unit"] == self.market.unit(token).await?.to_string(), "{symbol}: {row:#}");
        let planned =
            list(&plan["rows"]).iter().find(|planned| planned["address"] == row["address"]);
        let planned = planned.ok_or_eyre("a component that was not planned")?;
        ensure!(
            row["unit_before"] == planned["unit"] && row["unit_before_by"] == "chain",
            "{row:#}"
        );
        ensure!(row["submitted_unit"] == planned["target_unit"], "{symbol}: {row:#}");
        let made = self.trades().await?;
        let made: Vec<_> =
            made.into_iter().filter(|trade| trade.sold == token || trade.bought == token).collect();
        if token == self.weth() {
            return Ok(());
        }
        let holding = self.market.holding(token).await?;
        ensure!((row["state"] == "met") == holding.is_met(), "{symbol}: {row:#}");
        ensure!(row["trades"] == made.len(), "{symbol}: {row:#}");
        ensure!(row["gas_used"] == made.iter().map(|trade| trade.gas).sum::<u64>(), "{row:#}");
        if !made.is_empty() {
            let (by_plan, told) =
                (books.cost(&made, self) * 1e4, text(&row["cost_bp"])?.parse::<f64>()?);
            ensure!(
                (by_plan - told).abs() <= OFF,
                "{symbol}: {told} bp, {by_plan} by the plan's prices"
            );
        }
        Ok(())
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Symbols of the components in this state.
pub(super) fn in_state(report: &Value, state: &str) -> Vec<String> {
    let rows = list(&report["components"]).iter().filter(|row| row["state"] == state);
    rows.filter_map(|row| row["symbol"].as_str().map(str::to_owned)).collect()
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_eyre("a text is missing")
}
