//! Receipts of several transactions in one request, or from several endpoints.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::B256,
    providers::Provider as _,
    rpc::{client::BatchRequest, types::TransactionReceipt},
    serde::WithOtherFields,
    transports::{RpcError, TransportError},
};
use futures::{
    StreamExt as _, TryStreamExt as _,
    future::{join_all, try_join_all},
    stream,
};
use tokio::time::timeout;

use super::{Pool, endpoint::Endpoint, fitness::EndpointState};

/// Receipts asked for in one batch; nodes refuse larger ones.
const MAX_BATCH: usize = 100;
/// Single requests under way at once at an endpoint, where it refuses batches or several are asked.
const MAX_SINGLES: usize = 8;
/// Receipts asked for at several endpoints at once; who misses more misses the rest a little longer.
const MAX_EVERYWHERE: usize = 32;
/// How long one of several endpoints is waited for: a quarter of a block, within this.
const EVERYWHERE_WAIT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

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

    /// The receipts that any fit endpoint has of the first 32 of these, in no order: that there is none is
    /// an answer, so a read never goes past an endpoint whose index lags or is lost. Endpoints may
    /// tell of different blocks; the asker finds out which of them are canonical. Who fails or is
    /// slow is left out; with a single fit endpoint nobody is asked again.
    pub async fn receipts_anywhere(&self, hashes: &[B256]) -> Vec<ChainReceipt> {
        let readers = self.shared.readers().iter();
        let fit: Vec<Arc<Endpoint>> = readers
            .filter(|reader| reader.fitness().state(self.shared.max_lag) == EndpointState::Fit)
            .map(Arc::clone)
            .collect();
        if fit.len() < 2 {
            return Vec::new();
        }
        let (shortest, longest) = EVERYWHERE_WAIT;
        let wait = (self.shared.block_time / 4).clamp(shortest, longest).min(self.shared.timeout);
        let hashes: Vec<B256> = hashes.iter().copied().take(MAX_EVERYWHERE).collect();
        let asked =
            fit.into_iter().map(|endpoint| timeout(wait, endpoint.known_of(hashes.clone())));
        join_all(asked).await.into_iter().filter_map(Result::ok).flatten().collect()
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

impl Endpoint {
    /// The receipts that it has of these.
    async fn known_of(self: Arc<Self>, hashes: Vec<B256>) -> Vec<ChainReceipt> {
        let method = "eth_getTransactionReceipt";
        let ask = |hash| {
            let endpoint = Arc::clone(&self);
            async move { endpoint.ask::<_, Option<ChainReceipt>>("transaction", method, (hash,)).await }
        };
        let answers = stream::iter(hashes).map(ask).buffer_unordered(MAX_SINGLES);
        answers.filter_map(async |answer| answer.ok().flatten()).collect().await
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
