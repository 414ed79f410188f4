//! What a keeper did to a product, by the chain's own record rather than the keeper's.

use alloy::{
    network::{TransactionBuilder as _, TransactionResponse as _},
    primitives::{Address, Bytes, TxHash, U256},
    providers::Provider as _,
    rpc::types::{Transaction, TransactionRequest},
    sol_types::SolCall,
};
use eyre::{Context as _, OptionExt as _, Result};

use crate::{
    Market, Product,
    contracts::IStrategy::{
        getCurrentLeverageRatioCall, iterateRebalanceCall, rebalanceCall, ripcordCall,
    },
};

/// One call of a product's strategy that is in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    /// The function that was called, by its own name; `other` for one that does not trade.
    pub action: &'static str,
    /// The transaction.
    pub hash: TxHash,
    /// The block that holds it.
    pub block: u64,
    /// Whether it did not revert.
    pub succeeded: bool,
    /// Gas used times the price paid, in wei.
    pub gas_cost: U256,
    /// The leverage ratio by the block before, 18 decimals.
    pub before: U256,
    /// The leverage ratio by its own block, 18 decimals.
    pub after: U256,
}

impl Market {
    /// The calls of a product by `caller` in the blocks `from..=to`, oldest first. A state that was
    /// loaded has no blocks before the first of this chain, so `from` must come after that.
    ///
    /// # Errors
    ///
    /// If the node does not have one of the blocks or the state before it.
    pub async fn trades(
        &self,
        product: &Product,
        caller: Address,
        from: u64,
        to: u64,
    ) -> Result<Vec<Trade>> {
        let mut trades = Vec::new();
        for number in from..=to {
            let block = self.node().provider().get_block_by_number(number.into()).full().await?;
            let block = block.ok_or_eyre("a block is missing")?;
            for transaction in block.transactions.into_transactions() {
                if transaction.from() == caller && to_of(&transaction) == Some(product.strategy) {
                    trades.push(self.trade(product, &transaction, number).await?);
                }
            }
        }
        Ok(trades)
    }

    async fn trade(&self, product: &Product, call: &Transaction, block: u64) -> Result<Trade> {
        let receipt = self.node().receipt(call.tx_hash()).await?;
        let parent = block.checked_sub(1).ok_or_eyre("nobody trades in the first block")?;
        let price = U256::from(receipt.effective_gas_price);
        Ok(Trade {
            action: action(alloy::consensus::Transaction::input(call)),
            hash: call.tx_hash(),
            block,
            succeeded: receipt.status(),
            gas_cost: U256::from(receipt.gas_used).saturating_mul(price),
            before: self.ratio_at(product, parent).await?,
            after: self.ratio_at(product, block).await?,
        })
    }

    async fn ratio_at(&self, product: &Product, block: u64) -> Result<U256> {
        let request = TransactionRequest::default()
            .with_to(product.strategy)
            .with_input(Bytes::from(getCurrentLeverageRatioCall {}.abi_encode()));
        let answer = self.node().provider().call(request).block(block.into()).await;
        let answer = answer.wrap_err_with(|| format!("the leverage ratio at block {block}"))?;
        Ok(getCurrentLeverageRatioCall::abi_decode_returns(&answer)?)
    }
}

fn to_of(transaction: &Transaction) -> Option<Address> {
    alloy::consensus::Transaction::to(transaction)
}

fn action(input: &[u8]) -> &'static str {
    match input.first_chunk::<4>().copied().unwrap_or_default() {
        rebalanceCall::SELECTOR => "rebalance",
        iterateRebalanceCall::SELECTOR => "iterateRebalance",
        ripcordCall::SELECTOR => "ripcord",
        _ => "other",
    }
}
