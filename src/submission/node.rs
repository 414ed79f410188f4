//! What submission asks of a chain's nodes, behind a trait so that tests can be the chain.
//!
//! Every question that a decision hangs on names its block. Receipts cannot: whoever uses one
//! compares its block's hash with the canonical one.

use std::{fmt::Debug, sync::Arc};

use alloy::{
    eips::{BlockId, BlockNumberOrTag, RpcBlockHash},
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, U256},
    providers::Provider as _,
    rpc::types::{BlockOverrides, TransactionRequest},
};
use ballast_chains::{
    Head,
    fees::{self, FeeError, FeeQuote},
    pool::{Answer, ChainReceipt, Pool, Route},
    reader::CallError,
};
use ballast_strategy_api::Call;
use futures::future::{BoxFuture, try_join_all};

/// A block as far as submission cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockMark {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its parent's hash.
    pub parent: B256,
}

impl From<&Head> for BlockMark {
    fn from(head: &Head) -> Self {
        Self { number: head.number, hash: head.hash, parent: head.parent }
    }
}

/// Where a question about a block's place in the chain points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The canonical block at this height.
    Number(u64),
    /// The block with this hash, canonical or not.
    Hash(B256),
    /// The block that the node tags `safe`.
    Safe,
    /// The block that the node tags `finalized`.
    Finalized,
}

/// The block that a simulation pretends to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextBlock {
    /// Its number.
    pub number: u64,
    /// Its time, seconds since 1970.
    pub timestamp: u64,
}

/// A receipt as far as submission cares.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The transaction.
    pub hash: B256,
    /// The block's number.
    pub block: u64,
    /// The block's hash; perhaps not canonical any more.
    pub block_hash: B256,
    /// Its status.
    pub succeeded: bool,
    /// Gas used.
    pub gas_used: u64,
    /// Wei per gas paid.
    pub effective_gas_price: u128,
    /// All of it, for the ledger and the strategy.
    pub whole: Option<Arc<ChainReceipt>>,
}

/// The nodes of one chain.
pub trait Node: Debug + Send + Sync + 'static {
    /// The account's nonce as of the newest block of whichever node answers.
    fn latest_nonce(&self, of: Address) -> BoxFuture<'_, Result<u64, CallError>>;
    /// The account's nonce after that block.
    fn nonce(&self, of: Address, at: BlockMark) -> BoxFuture<'_, Result<u64, CallError>>;
    /// The account's balance after that block, wei.
    fn balance(&self, of: Address, at: BlockMark) -> BoxFuture<'_, Result<U256, CallError>>;
    /// Receipts by hash, in the order asked, in one request where the node allows it.
    fn receipts(&self, hashes: Vec<B256>)
    -> BoxFuture<'_, Result<Vec<Option<Receipt>>, CallError>>;
    /// Blocks by their places, in the order asked; `None` for one that the node does not have.
    fn blocks(
        &self,
        places: Vec<Place>,
    ) -> BoxFuture<'_, Result<Vec<Option<BlockMark>>, CallError>>;
    /// The transactions of the block with this hash; `None` if the node does not have it.
    fn transactions(&self, of: B256) -> BoxFuture<'_, Result<Option<Vec<B256>>, CallError>>;
    /// The answer of a call on that block's state, in that block or in the pretended next one.
    fn call(
        &self,
        from: Address,
        call: Call,
        at: BlockMark,
        next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<Bytes, CallError>>;
    /// Gas that the call needs on that block's state.
    fn estimate(
        &self,
        from: Address,
        call: Call,
        at: BlockMark,
    ) -> BoxFuture<'_, Result<u64, CallError>>;
    /// What runs as the code of a new contract returns, in the pretended next block.
    fn probe(
        &self,
        code: Bytes,
        at: BlockMark,
        next: NextBlock,
    ) -> BoxFuture<'_, Result<Bytes, CallError>>;
    /// Prices at the head.
    fn quote(
        &self,
        head: Head,
        min_priority_fee: u128,
    ) -> BoxFuture<'_, Result<FeeQuote, FeeError>>;
    /// Hands a signed transaction to all endpoints of a route.
    fn broadcast(&self, raw: Bytes, route: Route) -> BoxFuture<'_, Vec<Answer>>;
}

impl Node for Pool {
    fn latest_nonce(&self, of: Address) -> BoxFuture<'_, Result<u64, CallError>> {
        Box::pin(async move { Ok(self.provider().get_transaction_count(of).latest().await?) })
    }

    fn nonce(&self, of: Address, at: BlockMark) -> BoxFuture<'_, Result<u64, CallError>> {
        let provider = self.provider();
        Box::pin(pinned(at, move |block| {
            let asked = provider.get_transaction_count(of).block_id(block).into_future();
            Box::pin(async move { Ok(asked.await?) })
        }))
    }

    fn balance(&self, of: Address, at: BlockMark) -> BoxFuture<'_, Result<U256, CallError>> {
        let provider = self.provider();
        Box::pin(pinned(at, move |block| {
            let asked = provider.get_balance(of).block_id(block).into_future();
            Box::pin(async move { Ok(asked.await?) })
        }))
    }

    fn receipts(
        &self,
        hashes: Vec<B256>,
    ) -> BoxFuture<'_, Result<Vec<Option<Receipt>>, CallError>> {
        Box::pin(async move {
            let receipts = Self::receipts(self, &hashes).await?;
            Ok(receipts.into_iter().map(|receipt| receipt.and_then(included)).collect())
        })
    }

    fn blocks(
        &self,
        places: Vec<Place>,
    ) -> BoxFuture<'_, Result<Vec<Option<BlockMark>>, CallError>> {
        Box::pin(async move {
            let provider = self.provider();
            try_join_all(places.into_iter().map(|place| block(&provider, place))).await
        })
    }

    fn transactions(&self, of: B256) -> BoxFuture<'_, Result<Option<Vec<B256>>, CallError>> {
        Box::pin(async move {
            let block = self.provider().get_block_by_hash(of).await?;
            Ok(block.map(|block| block.transactions.hashes().collect()))
        })
    }

    fn call(
        &self,
        from: Address,
        call: Call,
        at: BlockMark,
        next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        let (provider, transaction) = (self.provider(), request(from, call));
        Box::pin(pinned(at, move |block| {
            let call = provider.call(transaction.clone()).block(block);
            let asked = call.with_block_overrides_opt(next.map(overrides)).into_future();
            Box::pin(async move { Ok(asked.await?) })
        }))
    }

    fn estimate(
        &self,
        from: Address,
        call: Call,
        at: BlockMark,
    ) -> BoxFuture<'_, Result<u64, CallError>> {
        let (provider, transaction) = (self.provider(), request(from, call));
        Box::pin(pinned(at, move |block| {
            let asked = provider.estimate_gas(transaction.clone()).block(block).into_future();
            Box::pin(async move { Ok(asked.await?) })
        }))
    }

    fn probe(
        &self,
        code: Bytes,
        at: BlockMark,
        next: NextBlock,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        let provider = self.provider();
        let transaction = TransactionRequest::default().with_deploy_code(code);
        Box::pin(pinned(at, move |block| {
            let call = provider.call(transaction.clone()).block(block);
            let asked = call.with_block_overrides(overrides(next)).into_future();
            Box::pin(async move { Ok(asked.await?) })
        }))
    }

    fn quote(
        &self,
        head: Head,
        min_priority_fee: u128,
    ) -> BoxFuture<'_, Result<FeeQuote, FeeError>> {
        Box::pin(async move { fees::quote(&self.provider(), &head, min_priority_fee).await })
    }

    fn broadcast(&self, raw: Bytes, route: Route) -> BoxFuture<'_, Vec<Answer>> {
        Box::pin(Self::broadcast(self, raw, route))
    }
}

/// Asks by hash; the pool sees to endpoints that take only numbers.
async fn pinned<T>(
    at: BlockMark,
    ask: impl FnOnce(BlockId) -> BoxFuture<'static, Result<T, CallError>>,
) -> Result<T, CallError> {
    ask(BlockId::Hash(RpcBlockHash::from(at.hash))).await
}

async fn block(
    provider: &alloy::providers::DynProvider,
    place: Place,
) -> Result<Option<BlockMark>, CallError> {
    let block = match place {
        Place::Hash(hash) => provider.get_block_by_hash(hash).await?,
        Place::Number(number) => provider.get_block_by_number(number.into()).await?,
        Place::Safe => provider.get_block_by_number(BlockNumberOrTag::Safe).await?,
        Place::Finalized => provider.get_block_by_number(BlockNumberOrTag::Finalized).await?,
    };
    Ok(block.map(|block| {
        let header = &block.header;
        BlockMark { number: header.number, hash: header.hash, parent: header.parent_hash }
    }))
}

fn request(from: Address, call: Call) -> TransactionRequest {
    TransactionRequest::default()
        .with_from(from)
        .with_to(call.to)
        .with_input(call.data)
        .with_value(call.value)
}

fn overrides(next: NextBlock) -> BlockOverrides {
    BlockOverrides {
        number: Some(U256::from(next.number)),
        time: Some(next.timestamp),
        ..BlockOverrides::default()
    }
}

/// `None` for a receipt that names no block: the transaction is not included.
fn included(receipt: ChainReceipt) -> Option<Receipt> {
    Some(Receipt {
        hash: receipt.transaction_hash,
        block: receipt.block_number?,
        block_hash: receipt.block_hash?,
        succeeded: receipt.status(),
        gas_used: receipt.gas_used,
        effective_gas_price: receipt.effective_gas_price,
        whole: Some(Arc::new(receipt)),
    })
}
