//! What was traded, by the module's own events.

use alloy::{
    primitives::{Address, TxHash, U256},
    providers::Provider as _,
    rpc::types::Filter,
    sol_types::SolEvent as _,
};
use eyre::{OptionExt as _, Result};

use super::IndexMarket;
use crate::contracts::index::IIndexModule::TradeExecuted;

/// One trade of the index that is in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexTrade {
    /// The transaction.
    pub hash: TxHash,
    /// The block that holds it.
    pub block: u64,
    /// Who sent it.
    pub executor: Address,
    /// What the index gave.
    pub sold: Address,
    /// What it got.
    pub bought: Address,
    /// How much it gave, base units.
    pub amount_sold: U256,
    /// How much it got after the protocol's fee, base units.
    pub amount_bought: U256,
    /// The protocol's fee, base units of what it got.
    pub protocol_fee: U256,
    /// Gas used.
    pub gas: u64,
}

impl IndexMarket {
    /// The trades in the blocks `from..=to`, oldest first.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn trades(&self, from: u64, to: u64) -> Result<Vec<IndexTrade>> {
        let filter = Filter::new()
            .address(self.index.module)
            .event_signature(TradeExecuted::SIGNATURE_HASH)
            .topic1(self.index.set_token)
            .from_block(from)
            .to_block(to);
        let mut trades = Vec::new();
        for log in self.node.provider().get_logs(&filter).await? {
            let hash = log.transaction_hash.ok_or_eyre("an event outside a block")?;
            let event = TradeExecuted::decode_log(&log.inner)?.data;
            trades.push(IndexTrade {
                hash,
                block: log.block_number.ok_or_eyre("an event outside a block")?,
                executor: event.executor,
                sold: event.sellComponent,
                bought: event.buyComponent,
                amount_sold: event.netAmountSold,
                amount_bought: event.netAmountReceived,
                protocol_fee: event.protocolFee,
                gas: self.node.receipt(hash).await?.gas_used,
            });
        }
        Ok(trades)
    }
}
