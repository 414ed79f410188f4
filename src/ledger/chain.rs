//! What the ledger asks of a chain, behind a trait so that tests can be the chain.
//!
//! Everything here is about blocks that are final, and pinned to one by its hash where it can be.
//! State that is old may be gone from ordinary nodes; an endpoint marked as an archive is asked for
//! all of it where there is one.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use alloy::{
    consensus::Transaction as _,
    eips::{BlockId, BlockNumberOrTag, RpcBlockHash},
    network::TransactionBuilder as _,
    primitives::{Address, B256, U256},
    providers::{DynProvider, Provider as _, bindings::IMulticall3},
    rpc::types::TransactionRequest,
    sol_types::SolCall as _,
};
use ballast_chains::{
    ChainProfile,
    feeds::history,
    pool::{ChainReceipt, Pool},
    reader::CallError,
};
use futures::{
    StreamExt as _, TryStreamExt as _,
    future::{BoxFuture, try_join},
    stream,
};
use serde::Deserialize;

use super::{
    entry::{BlockRef, Fees, PricedAt},
    fees,
};

/// Wallets from which on their balances are asked for in one call, by Multicall3; below, each is a
/// request of its own, and no read of a block's state is made that somebody might take for a turn's.
const MANY_WALLETS: usize = 200;
/// Balances of one such call.
const MAX_BALANCES: usize = 500;
/// Requests under way at once.
const MAX_AT_ONCE: usize = 8;

/// A block to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The canonical one at this height.
    Number(u64),
    /// The newest that the nodes tag `safe`.
    Safe,
    /// The newest that the nodes tag `finalized`.
    Finalized,
}

/// An account after a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Wei.
    pub balance: U256,
    /// How many transactions ever left it.
    pub nonce: u64,
}

/// A transaction as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sent {
    /// Its hash.
    pub hash: B256,
    /// Who sent it.
    pub from: Address,
    /// To whom; `None`: it makes a contract.
    #[serde(default)]
    pub to: Option<Address>,
    /// Its nonce; zero for a chain's own transactions that have none.
    #[serde(default, with = "alloy::serde::quantity")]
    pub nonce: u64,
    /// Native currency that it carries, wei.
    #[serde(default)]
    pub value: U256,
}

/// A receipt as far as the ledger cares.
#[derive(Debug, Clone)]
pub struct Paid {
    /// The transaction.
    pub hash: B256,
    /// Who sent it.
    pub from: Address,
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
    /// What it paid.
    pub fees: Fees,
    /// All of it, for the strategy.
    pub whole: Option<Arc<ChainReceipt>>,
}

impl Paid {
    /// From a receipt as the node gave it; `None` for one that names no block.
    pub fn of(receipt: ChainReceipt) -> Option<Self> {
        Some(Self {
            hash: receipt.transaction_hash,
            from: receipt.from,
            block: receipt.block_number?,
            block_hash: receipt.block_hash?,
            succeeded: receipt.status(),
            gas_used: receipt.gas_used,
            effective_gas_price: receipt.effective_gas_price,
            fees: fees::of(&receipt),
            whole: Some(Arc::new(receipt)),
        })
    }
}

/// A chain whose past can be read.
pub trait Chain: Debug + Send + Sync + 'static {
    /// A canonical block; `None` if the node does not have it.
    fn block(&self, place: Place) -> BoxFuture<'_, Result<Option<BlockRef>, CallError>>;
    /// An account after that block.
    fn account(&self, of: Address, at: BlockRef) -> BoxFuture<'_, Result<Account, CallError>>;
    /// Balances after that block, in the order asked, wei.
    fn balances(
        &self,
        of: Vec<Address>,
        at: BlockRef,
    ) -> BoxFuture<'_, Result<Vec<U256>, CallError>>;
    /// The transactions of the block with this hash.
    fn body(&self, of: B256) -> BoxFuture<'_, Result<Option<Vec<Sent>>, CallError>>;
    /// Transactions by hash, in the order asked.
    fn transactions(
        &self,
        hashes: Vec<B256>,
    ) -> BoxFuture<'_, Result<Vec<Option<Sent>>, CallError>>;
    /// Receipts by hash, in the order asked.
    fn receipts(&self, hashes: Vec<B256>) -> BoxFuture<'_, Result<Vec<Option<Paid>>, CallError>>;
    /// What the native currency was worth after that block; or why that is not known.
    fn price(&self, at: BlockRef) -> BoxFuture<'_, Result<PricedAt, Unpriced>>;
}

/// Why there is no price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpriced {
    /// The chain file names no feed.
    NoFeed,
    /// The feed gives none at present; it may be had later.
    NotNow(String),
}

impl std::fmt::Display for Unpriced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoFeed => f.write_str("the chain file names no price feed"),
            Self::NotNow(why) => f.write_str(why),
        }
    }
}

/// A chain's endpoints.
#[derive(Debug, Clone)]
pub struct Endpoints {
    pool: Pool,
    /// For state, which may be old.
    state: DynProvider,
    multicall3: Address,
    feed: Option<Address>,
}

impl Endpoints {
    /// Those of this pool.
    pub fn new(pool: Pool, profile: &ChainProfile) -> Self {
        let state = pool.archive().unwrap_or_else(|| pool.provider());
        Self { pool, state, multicall3: profile.multicall3, feed: profile.feeds.native_usd }
    }

    async fn balances_together(&self, of: &[Address], at: BlockId) -> Result<Vec<U256>, CallError> {
        let mut all = Vec::with_capacity(of.len());
        for chunk in of.chunks(MAX_BALANCES) {
            let ask = |wallet: &Address| IMulticall3::Call3 {
                target: self.multicall3,
                allowFailure: false,
                callData: IMulticall3::getEthBalanceCall { addr: *wallet }.abi_encode().into(),
            };
            let calls = chunk.iter().map(ask).collect();
            let data = IMulticall3::aggregate3Call { calls }.abi_encode();
            let request = TransactionRequest::default().with_to(self.multicall3).with_input(data);
            let answer = self.state.call(request).block(at).await?;
            let results = IMulticall3::aggregate3Call::abi_decode_returns(&answer)
                .ok()
                .filter(|results| results.len() == chunk.len());
            let words = results.into_iter().flatten().map(|result| result.returnData);
            let balances: Vec<U256> =
                words.filter_map(|word| U256::try_from_be_slice(&word)).collect();
            if balances.len() != chunk.len() {
                return Err(CallError::Unavailable("Multicall3 does not answer".to_owned()));
            }
            all.extend(balances);
        }
        Ok(all)
    }
}

/// A block's transactions: whatever else a chain puts into them is left alone.
#[derive(Debug, Deserialize)]
struct Body {
    transactions: Vec<Sent>,
}

impl Chain for Endpoints {
    fn block(&self, place: Place) -> BoxFuture<'_, Result<Option<BlockRef>, CallError>> {
        let tag = match place {
            Place::Number(number) => BlockNumberOrTag::Number(number),
            Place::Safe => BlockNumberOrTag::Safe,
            Place::Finalized => BlockNumberOrTag::Finalized,
        };
        let provider = self.pool.provider();
        Box::pin(async move {
            let block = provider.get_block_by_number(tag).await?;
            Ok(block.map(|block| {
                let header = &block.header;
                let (number, hash, timestamp) = (header.number, header.hash, header.timestamp);
                BlockRef { number, hash, timestamp }
            }))
        })
    }

    fn account(&self, of: Address, at: BlockRef) -> BoxFuture<'_, Result<Account, CallError>> {
        let state = self.state.clone();
        Box::pin(async move {
            let at = pinned(at);
            let balance = state.get_balance(of).block_id(at).into_future();
            let nonce = state.get_transaction_count(of).block_id(at).into_future();
            let (balance, nonce) = try_join(balance, nonce).await?;
            Ok(Account { balance, nonce })
        })
    }

    fn balances(
        &self,
        of: Vec<Address>,
        at: BlockRef,
    ) -> BoxFuture<'_, Result<Vec<U256>, CallError>> {
        Box::pin(async move {
            let at = pinned(at);
            if of.len() >= MANY_WALLETS
                && let Ok(balances) = self.balances_together(&of, at).await
            {
                return Ok(balances);
            }
            stream::iter(of)
                .map(|wallet| self.state.get_balance(wallet).block_id(at).into_future())
                .buffered(MAX_AT_ONCE)
                .map_err(CallError::from)
                .try_collect()
                .await
        })
    }

    fn body(&self, of: B256) -> BoxFuture<'_, Result<Option<Vec<Sent>>, CallError>> {
        let provider = self.pool.provider();
        Box::pin(async move {
            let asked = provider.raw_request("eth_getBlockByHash".into(), (of, true));
            let block: Option<Body> = asked.await?;
            Ok(block.map(|block| block.transactions))
        })
    }

    fn transactions(
        &self,
        hashes: Vec<B256>,
    ) -> BoxFuture<'_, Result<Vec<Option<Sent>>, CallError>> {
        let provider = self.pool.provider();
        Box::pin(async move {
            stream::iter(hashes)
                .map(|hash| {
                    let provider = provider.clone();
                    async move {
                        let asked = provider.get_transaction_by_hash(hash).await?;
                        Ok(asked.map(|sent| Sent {
                            hash,
                            from: sent.inner.signer(),
                            to: sent.to(),
                            nonce: sent.nonce(),
                            value: sent.value(),
                        }))
                    }
                })
                .buffered(MAX_AT_ONCE)
                .try_collect()
                .await
        })
    }

    fn receipts(&self, hashes: Vec<B256>) -> BoxFuture<'_, Result<Vec<Option<Paid>>, CallError>> {
        Box::pin(async move {
            let receipts = self.pool.receipts(&hashes).await?;
            Ok(receipts.into_iter().map(|receipt| receipt.and_then(Paid::of)).collect())
        })
    }

    fn price(&self, at: BlockRef) -> BoxFuture<'_, Result<PricedAt, Unpriced>> {
        Box::pin(async move {
            let feed = self.feed.ok_or(Unpriced::NoFeed)?;
            let found = history::price_at(&self.state, feed, at.hash, at.timestamp).await;
            let history::Dated { price, round, updated_at } = found.map_err(Unpriced::NotNow)?;
            Ok(PricedAt { price, round, updated_at })
        })
    }
}

fn pinned(at: BlockRef) -> BlockId {
    BlockId::Hash(RpcBlockHash::from(at.hash))
}

/// Receipts by hash; those that nobody has are left out.
pub(super) async fn receipts_of(
    chain: &dyn Chain,
    hashes: Vec<B256>,
) -> Result<BTreeMap<B256, Paid>, CallError> {
    if hashes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let receipts = chain.receipts(hashes).await?;
    Ok(receipts.into_iter().flatten().map(|receipt| (receipt.hash, receipt)).collect())
}
