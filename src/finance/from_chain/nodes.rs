//! The past of a chain, from its endpoints, by plain requests.

use alloy::{
    eips::{BlockId, RpcBlockHash},
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, U64, U128, U256},
    providers::{DynProvider, Provider as _},
    rpc::types::TransactionRequest,
    sol_types::SolCall as _,
};
use ballast_chains::feeds::{IAggregator, Price};
use futures::future::BoxFuture;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{FromChainError, Paid, Past, Sent};
use crate::ledger::{BlockRef, Fees, PricedAt};

/// Endpoints, and the feed that says what the native currency is worth.
#[derive(Debug, Clone)]
pub struct Nodes {
    provider: DynProvider,
    feed: Option<Address>,
}

impl Nodes {
    /// Those behind this provider.
    pub fn new(provider: DynProvider, feed: Option<Address>) -> Self {
        Self { provider, feed }
    }

    async fn ask<T: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static>(
        &self,
        what: String,
        method: &'static str,
        params: Value,
    ) -> Result<T, FromChainError> {
        let answer: Result<Option<T>, _> = self.provider.raw_request(method.into(), params).await;
        match answer {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(FromChainError::Missing(what)),
            Err(cause) => Err(FromChainError::Read { what, cause: cause.to_string() }),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Header {
    number: U64,
    hash: B256,
    timestamp: U64,
}

#[derive(Debug, Deserialize)]
struct Body {
    transactions: Vec<Transaction>,
}

#[derive(Debug, Deserialize)]
struct Transaction {
    hash: B256,
    from: Address,
    to: Option<Address>,
    #[serde(default)]
    nonce: U64,
    #[serde(default)]
    value: U256,
    input: Bytes,
}

/// A receipt's figures; what a layer 2 adds is zero elsewhere.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    status: U64,
    gas_used: U64,
    effective_gas_price: U128,
    #[serde(default)]
    l1_fee: U256,
    #[serde(default)]
    operator_fee_scalar: U256,
    #[serde(default)]
    operator_fee_constant: U256,
    da_footprint_gas_scalar: Option<U256>,
    #[serde(default)]
    blob_gas_used: U256,
    #[serde(default)]
    blob_gas_price: U256,
}

impl Figures {
    /// As the chain took them: the operator's part by the rule of Isthmus (gas times a scalar, in
    /// millionths), or of Jovian, which the scalar of the data's footprint marks (times a hundred).
    fn fees(&self) -> Fees {
        let gas = self.gas_used.to::<U256>();
        let scaled = gas.saturating_mul(self.operator_fee_scalar);
        let scaled = match self.da_footprint_gas_scalar {
            Some(_) => scaled.saturating_mul(U256::from(100)),
            None => scaled.checked_div(U256::from(1_000_000)).unwrap_or_default(),
        };
        Fees {
            execution: gas.saturating_mul(self.effective_gas_price.to::<U256>()),
            l1: self.l1_fee,
            operator: scaled.saturating_add(self.operator_fee_constant),
            blob: self.blob_gas_used.saturating_mul(self.blob_gas_price),
        }
    }
}

impl Past for Nodes {
    fn block(&self, number: u64) -> BoxFuture<'_, Result<BlockRef, FromChainError>> {
        Box::pin(async move {
            let params = serde_json::json!([format!("{number:#x}"), false]);
            let what = format!("block {number}");
            let found: Header = self.ask(what, "eth_getBlockByNumber", params).await?;
            let Header { number, hash, timestamp } = found;
            Ok(BlockRef { number: number.to(), hash, timestamp: timestamp.to() })
        })
    }

    fn nonce(&self, of: Address, at: BlockRef) -> BoxFuture<'_, Result<u64, FromChainError>> {
        Box::pin(async move {
            let asked = self.provider.get_transaction_count(of).block_id(pinned(at)).await;
            asked.map_err(|cause| FromChainError::Read {
                what: format!("the nonce of {of} after block {}", at.number),
                cause: cause.to_string(),
            })
        })
    }

    fn body(&self, of: BlockRef) -> BoxFuture<'_, Result<Vec<Sent>, FromChainError>> {
        Box::pin(async move {
            let what = format!("body of block {}", of.number);
            let params = serde_json::json!([of.hash, true]);
            let found: Body = self.ask(what, "eth_getBlockByHash", params).await?;
            let sent = found.transactions.into_iter().map(|of| Sent {
                hash: of.hash,
                from: of.from,
                to: of.to,
                nonce: of.nonce.to(),
                value: of.value,
                input: of.input,
            });
            Ok(sent.collect())
        })
    }

    fn paid(&self, of: B256) -> BoxFuture<'_, Result<Paid, FromChainError>> {
        Box::pin(async move {
            let what = format!("receipt of {of}");
            let params = serde_json::json!([of]);
            let receipt: Value =
                self.ask(what.clone(), "eth_getTransactionReceipt", params).await?;
            let figures = Figures::deserialize(&receipt);
            let figures =
                figures.map_err(|cause| FromChainError::Read { what, cause: cause.to_string() })?;
            Ok(Paid {
                succeeded: figures.status == U64::from(1),
                gas_used: figures.gas_used.to(),
                effective_gas_price: figures.effective_gas_price.to(),
                fees: figures.fees(),
                whole: serde_json::from_value(receipt).ok(),
            })
        })
    }

    fn price(&self, at: BlockRef) -> BoxFuture<'_, Result<PricedAt, String>> {
        Box::pin(async move {
            let feed = self.feed.ok_or("the chain file names no price feed")?;
            let call = |data: Vec<u8>| {
                let request = TransactionRequest::default().with_to(feed).with_input(data);
                self.provider.call(request).block(pinned(at))
            };
            let round = call(IAggregator::latestRoundDataCall {}.abi_encode());
            let decimals = call(IAggregator::decimalsCall {}.abi_encode());
            let (round, decimals) = (round.await, decimals.await);
            let why = |cause: &dyn std::fmt::Display| format!("the price feed {feed}: {cause}");
            let round = round.map_err(|cause| why(&cause))?;
            let decimals = decimals.map_err(|cause| why(&cause))?;
            let round = IAggregator::latestRoundDataCall::abi_decode_returns(&round)
                .map_err(|cause| why(&cause))?;
            let decimals = IAggregator::decimalsCall::abi_decode_returns(&decimals)
                .map_err(|cause| why(&cause))?;
            let price = Price::of(round.answer, decimals);
            let price = price.ok_or_else(|| why(&format!("answers {}", round.answer)))?;
            let updated_at = round.updatedAt.saturating_to();
            Ok(PricedAt { price, round: round.roundId.to(), updated_at })
        })
    }
}

fn pinned(at: BlockRef) -> BlockId {
    BlockId::Hash(RpcBlockHash::from(at.hash))
}
