//! Receipts of several transactions in one request.

use alloy::{
    primitives::B256,
    providers::Provider as _,
    rpc::{client::BatchRequest, types::TransactionReceipt},
    serde::WithOtherFields,
    transports::{RpcError, TransportError},
};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};

use super::Pool;

/// Receipts asked for in one batch; nodes refuse larger ones.
const MAX_BATCH: usize = 100;
/// Single requests under way at once, where an endpoint refuses batches.
const MAX_SINGLES: usize = 8;

/// A receipt and the fields that only some chains have (L1 data fee and the like).
pub type ChainReceipt = WithOtherFields<TransactionReceipt>;

impl Pool {
    /// Receipts by transaction hash, in the order asked; `None` where the endpoint knows none.
    /// One JSON-RPC batch per 100 hashes, or single requests if batches are refused.
    ///
    /// # Errors
    /// When no endpoint answered, or answered something else than receipts.
    pub async fn receipts(
        &self,
        hashes: &[B256],
    ) -> Result<Vec<Option<ChainReceipt>>, TransportError> {
        let mut receipts = Vec::with_capacity(hashes.len());
        for chunk in hashes.chunks(MAX_BATCH) {
            let answers = match chunk {
                [hash] => vec![self.receipt(*hash).await?],
                several => match self.receipt_batch(several).await {
                    Ok(answers) => answers,
                    Err(_) => self.receipts_one_by_one(several).await?,
                },
            };
            receipts.extend(answers);
        }
        Ok(receipts)
    }

    async fn receipt(&self, hash: B256) -> Result<Option<ChainReceipt>, TransportError> {
        let asked = self.provider.raw_request("eth_getTransactionReceipt".into(), (hash,)).await;
        match asked {
            Err(RpcError::DeserError { err, text }) => {
                deposited(&text).map(Some).ok_or(RpcError::DeserError { err, text })
            }
            answered => answered,
        }
    }

    async fn receipt_batch(
        &self,
        hashes: &[B256],
    ) -> Result<Vec<Option<ChainReceipt>>, TransportError> {
        let client = self.provider.client();
        let mut batch = BatchRequest::new(client);
        let waiters = hashes
            .iter()
            .map(|hash| batch.add_call("eth_getTransactionReceipt", &(*hash,)))
            .collect::<Result<Vec<_>, _>>()?;
        batch.send().await?;
        // An endpoint that refuses the batch answers none of its members.
        try_join_all(waiters).await
    }

    async fn receipts_one_by_one(
        &self,
        hashes: &[B256],
    ) -> Result<Vec<Option<ChainReceipt>>, TransportError> {
        // Owned hashes: a closure over references would make this future unfit for other threads.
        stream::iter(hashes.to_vec())
            .map(|hash| self.receipt(hash))
            .buffered(MAX_SINGLES)
            .try_collect()
            .await
    }
}

/// The type of a deposit: a transaction that a chain of the OP stack takes from Ethereum, and the
/// only other way in which an account can use a nonce there.
const DEPOSIT: &str = "0x7e";
/// The type whose receipts have the same fields.
const LIKE: &str = "0x2";

/// The receipt of a deposit, which is of no type of Ethereum: read as of one that has its fields, its
/// own ones kept beside. `None` for any other answer.
fn deposited(text: &str) -> Option<ChainReceipt> {
    let mut receipt: serde_json::Value = serde_json::from_str(text).ok()?;
    let kind = receipt.get_mut("type")?;
    if kind.as_str()? != DEPOSIT {
        return None;
    }
    *kind = LIKE.into();
    serde_json::from_value(receipt).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As op-geth answers, shortened: no log, an empty bloom.
    fn text(kind: &str) -> String {
        let (hash, bloom) = (format!("0x{}", "11".repeat(32)), format!("0x{}", "00".repeat(256)));
        let account = format!("0x{}", "22".repeat(20));
        serde_json::json!({
            "type": kind, "transactionHash": hash, "blockHash": hash, "blockNumber": "0x10",
            "transactionIndex": "0x1", "from": account, "to": account, "contractAddress": null,
            "gasUsed": "0x5208", "cumulativeGasUsed": "0xffff", "effectiveGasPrice": "0x0",
            "status": "0x1", "logs": [], "logsBloom": bloom,
            "depositNonce": "0x7", "depositReceiptVersion": "0x1",
        })
        .to_string()
    }

    #[test]
    fn a_deposits_receipt_is_read_and_no_other_strange_one() {
        assert!(serde_json::from_str::<ChainReceipt>(&text(DEPOSIT)).is_err(), "else not needed");
        let receipt = deposited(&text(DEPOSIT)).unwrap();
        assert!(receipt.inner.status());
        assert_eq!((receipt.inner.gas_used, receipt.inner.effective_gas_price), (21_000, 0));
        assert_eq!(receipt.other.get("depositNonce").and_then(|v| v.as_str()), Some("0x7"));
        assert!(deposited(&text("0x6a")).is_none());
        assert!(deposited("[]").is_none());
    }
}
