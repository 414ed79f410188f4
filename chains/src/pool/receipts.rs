//! Receipts of several transactions in one request.

use alloy::{
    primitives::B256,
    providers::Provider as _,
    rpc::{client::BatchRequest, types::TransactionReceipt},
    serde::WithOtherFields,
    transports::TransportError,
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
        self.provider.raw_request("eth_getTransactionReceipt".into(), (hash,)).await
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
