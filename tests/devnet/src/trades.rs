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
    BasisMarket, Market, Node, Product,
    contracts::{
        IStrategy::{
            getCurrentLeverageRatioCall, iterateRebalanceCall, rebalanceCall, ripcordCall,
        },
        basis::IBasisStrategy,
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
    /// The leverage ratio by the block before, 18 decimals; of a short its magnitude.
    pub before: U256,
    /// The leverage ratio by its own block, 18 decimals; of a short its magnitude.
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
        trades(self.node(), product.strategy, caller, (from, to), async |block| {
            let call = getCurrentLeverageRatioCall {};
            ratio_at(self.node(), product.strategy, call, block).await
        })
        .await
    }
}

impl BasisMarket {
    /// As [`Market::trades`], of the basis product.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn trades(&self, caller: Address, from: u64, to: u64) -> Result<Vec<Trade>> {
        let extension = self.basis().extension;
        trades(self.node(), extension, caller, (from, to), async |block| {
            let call = IBasisStrategy::getCurrentLeverageRatioCall {};
            Ok(ratio_at(self.node(), extension, call, block).await?.unsigned_abs())
        })
        .await
    }
}

/// What `caller` called of a contract in these blocks; `ratio` tells the leverage ratio by a block.
async fn trades(
    node: &Node,
    of: Address,
    caller: Address,
    (from, to): (u64, u64),
    ratio: impl AsyncFn(u64) -> Result<U256>,
) -> Result<Vec<Trade>> {
    let mut trades = Vec::new();
    for number in from..=to {
        let block = node.provider().get_block_by_number(number.into()).full().await?;
        let block = block.ok_or_eyre("a block is missing")?;
        let parent = number.checked_sub(1).ok_or_eyre("nobody trades in the first block")?;
        for call in block.transactions.into_transactions() {
            if call.from() != caller || to_of(&call) != Some(of) {
                continue;
            }
            let receipt = node.receipt(call.tx_hash()).await?;
            let price = U256::from(receipt.effective_gas_price);
            trades.push(Trade {
                action: action(alloy::consensus::Transaction::input(&call)),
                hash: call.tx_hash(),
                block: number,
                succeeded: receipt.status(),
                gas_cost: U256::from(receipt.gas_used).saturating_mul(price),
                before: ratio(parent).await?,
                after: ratio(number).await?,
            });
        }
    }
    Ok(trades)
}

async fn ratio_at<C: SolCall>(node: &Node, of: Address, call: C, block: u64) -> Result<C::Return> {
    let request =
        TransactionRequest::default().with_to(of).with_input(Bytes::from(call.abi_encode()));
    let answer = node.provider().call(request).block(block.into()).await;
    let answer = answer.wrap_err_with(|| format!("the leverage ratio at block {block}"))?;
    Ok(C::abi_decode_returns(&answer)?)
}

fn to_of(transaction: &Transaction) -> Option<Address> {
    alloy::consensus::Transaction::to(transaction)
}

fn action(input: &[u8]) -> &'static str {
    match input.first_chunk::<4>().copied().unwrap_or_default() {
        rebalanceCall::SELECTOR | IBasisStrategy::rebalanceCall::SELECTOR => "rebalance",
        iterateRebalanceCall::SELECTOR | IBasisStrategy::iterateRebalanceCall::SELECTOR => {
            "iterateRebalance"
        }
        ripcordCall::SELECTOR | IBasisStrategy::ripcordCall::SELECTOR => "ripcord",
        IBasisStrategy::reinvestCall::SELECTOR => "reinvest",
        _ => "other",
    }
}
