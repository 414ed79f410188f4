//! A chain's endpoints as the nodes of submission.

use std::sync::Arc;

use alloy::{
    eips::{BlockId, BlockNumberOrTag, RpcBlockHash},
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, U64, U256},
    providers::Provider as _,
    rpc::{
        client::BatchRequest,
        types::{BlockOverrides, TransactionRequest, state::AccountOverride},
    },
};
use ballast_chains::{
    Head,
    fees::{
        self, FeeError, Quote,
        extra::{self, ExtraError, ExtraFees, ExtraQuote},
    },
    pool::{ChainReceipt, Pool, Route, Sending, Wanted},
    profile::FeeModel,
    reader::CallError,
};
use ballast_strategy_api::Call;
use futures::future::{BoxFuture, try_join_all};
use serde::Deserialize;

use super::{
    super::{
        together::{Question, Seen},
        twice,
    },
    BlockMark, Mined, NextBlock, Node, Place, Receipt,
};

/// A block's transactions: whatever else a chain puts into them is left alone.
#[derive(Debug, Deserialize)]
struct Body {
    transactions: Vec<Mined>,
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

    fn receipts_anywhere(&self, hashes: Vec<B256>) -> BoxFuture<'_, Vec<Receipt>> {
        Box::pin(async move {
            let receipts = Self::receipts_anywhere(self, &hashes).await;
            receipts.into_iter().filter_map(included).collect()
        })
    }

    fn seen(
        &self,
        questions: Vec<Question>,
    ) -> BoxFuture<'_, Result<Vec<Option<Seen>>, CallError>> {
        Box::pin(async move {
            let provider = self.provider();
            let mut batch = BatchRequest::new(provider.client());
            let mut waiting = Vec::with_capacity(questions.len());
            for Question { of, at, hashes } in questions {
                let at = BlockId::Hash(RpcBlockHash::from(at.hash));
                let nonce = batch.add_call::<_, U64>("eth_getTransactionCount", &(of, at))?;
                let receipts = hashes.iter().map(|hash| {
                    let method = "eth_getTransactionReceipt";
                    batch.add_call::<_, Option<ChainReceipt>>(method, &(*hash,))
                });
                waiting.push((nonce, receipts.collect::<Result<Vec<_>, _>>()?));
            }
            batch.send().await?;
            let mut seen = Vec::with_capacity(waiting.len());
            for (nonce, receipts) in waiting {
                let (Ok(nonce), Ok(receipts)) = (nonce.await, try_join_all(receipts).await) else {
                    seen.push(None);
                    continue;
                };
                let receipts = receipts.into_iter().map(|receipt| receipt.and_then(included));
                seen.push(Some(Seen { nonce: nonce.to::<u64>(), receipts: receipts.collect() }));
            }
            Ok(seen)
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

    fn transactions(&self, of: B256) -> BoxFuture<'_, Result<Option<Vec<Mined>>, CallError>> {
        Box::pin(async move {
            let provider = self.provider();
            let asked = provider.raw_request("eth_getBlockByHash".into(), (of, true));
            let block: Option<Body> = asked.await?;
            Ok(block.map(|block| block.transactions))
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
        next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<u64, CallError>> {
        let (provider, transaction) = (self.provider(), request(from, call));
        Box::pin(pinned(at, move |block| {
            let call = provider.estimate_gas(transaction.clone()).block(block);
            let asked = call.with_block_overrides_opt(next.map(overrides)).into_future();
            Box::pin(async move { Ok(asked.await?) })
        }))
    }

    fn twice(
        &self,
        from: Address,
        first: Call,
        then: Call,
        at: BlockMark,
        next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<(bool, bool), CallError>> {
        let provider = self.provider();
        let transaction = TransactionRequest::default().with_from(from).with_to(from);
        let code = twice::code(&first, &then);
        Box::pin(async move {
            let answer = pinned(at, move |block| {
                let call = provider.call(transaction.clone()).block(block);
                let call = call.with_block_overrides_opt(next.map(overrides));
                let asked = call.account_override(
                    from,
                    AccountOverride { code: Some(code), ..AccountOverride::default() },
                );
                let asked = asked.into_future();
                Box::pin(async move { Ok(asked.await?) })
            });
            twice::read(&answer.await?)
        })
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
        model: FeeModel,
        min_priority_fee: u128,
    ) -> BoxFuture<'_, Result<Quote, FeeError>> {
        Box::pin(async move { fees::quote(&self.provider(), &head, model, min_priority_fee).await })
    }

    fn extra(
        &self,
        at: BlockMark,
        model: FeeModel,
        unsigned: Bytes,
    ) -> BoxFuture<'_, Result<ExtraQuote, ExtraError>> {
        Box::pin(async move { extra::quote(&self.provider(), at.hash, model, &unsigned).await })
    }

    fn broadcast(&self, raw: Bytes, route: Route, wanted: Wanted) -> Sending {
        Self::broadcast(self, raw, route, wanted)
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
        extra: ExtraFees::of(&receipt),
        whole: Some(Arc::new(receipt)),
    })
}
