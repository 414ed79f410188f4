//! What submission asks of a chain's nodes, behind a trait so that tests can be the chain.
//!
//! Every question that a decision hangs on names its block. Receipts cannot: whoever uses one
//! compares its block's hash with the canonical one.

mod pool;

use std::{fmt::Debug, sync::Arc};

use alloy::primitives::{Address, B256, Bytes, U256};
use ballast_chains::{
    Head,
    fees::{
        FeeError, Quote,
        extra::{ExtraError, ExtraFees, ExtraQuote},
    },
    pool::{ChainReceipt, Route, Sending, Wanted},
    profile::FeeModel,
    reader::CallError,
};
use ballast_strategy_api::Call;
use futures::future::BoxFuture;
use serde::Deserialize;

use super::together::{Question, Seen};

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

/// A transaction in a block as far as submission cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Mined {
    /// The transaction.
    pub hash: B256,
    /// Who sent it.
    pub from: Address,
    /// The nonce it used; zero for a chain's own transactions that have none.
    #[serde(default, with = "alloy::serde::quantity")]
    pub nonce: u64,
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
    /// What was paid beside gas × price.
    pub extra: ExtraFees,
    /// All of it, for the ledger and the strategy.
    pub whole: Option<Arc<ChainReceipt>>,
}

impl Receipt {
    /// All that the transaction has cost, wei; saturates.
    pub fn cost(&self) -> U256 {
        // 64 × 128 bits cannot overflow 256.
        U256::from(self.gas_used)
            .saturating_mul(U256::from(self.effective_gas_price))
            .saturating_add(self.extra.total())
    }
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
    /// What any endpoint has of these, in no order, where there are several; of one transaction perhaps
    /// several that name different blocks.
    fn receipts_anywhere(&self, hashes: Vec<B256>) -> BoxFuture<'_, Vec<Receipt>>;
    /// Both for several wallets in one request, in the order asked: to each question all of it or
    /// nothing.
    fn seen(&self, questions: Vec<Question>)
    -> BoxFuture<'_, Result<Vec<Option<Seen>>, CallError>>;
    /// Blocks by their places, in the order asked; `None` for one that the node does not have.
    fn blocks(
        &self,
        places: Vec<Place>,
    ) -> BoxFuture<'_, Result<Vec<Option<BlockMark>>, CallError>>;
    /// The transactions of the block with this hash; `None` if the node does not have it.
    fn transactions(&self, of: B256) -> BoxFuture<'_, Result<Option<Vec<Mined>>, CallError>>;
    /// The answer of a call on that block's state, in that block or in the pretended next one.
    fn call(
        &self,
        from: Address,
        call: Call,
        at: BlockMark,
        next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<Bytes, CallError>>;
    /// Gas that the call needs on that block's state, in that block or in the pretended next one.
    fn estimate(
        &self,
        from: Address,
        call: Call,
        at: BlockMark,
        next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<u64, CallError>>;
    /// Whether each of two calls would succeed if they ran one after the other on that block's
    /// state, as one account's.
    fn twice(
        &self,
        from: Address,
        first: Call,
        then: Call,
        at: BlockMark,
        next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<(bool, bool), CallError>>;
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
        model: FeeModel,
        min_priority_fee: u128,
    ) -> BoxFuture<'_, Result<Quote, FeeError>>;
    /// The most that the chain takes beside gas × price for a transaction with these unsigned bytes,
    /// as told at that block.
    fn extra(
        &self,
        at: BlockMark,
        model: FeeModel,
        unsigned: Bytes,
    ) -> BoxFuture<'_, Result<ExtraQuote, ExtraError>>;
    /// Hands a signed transaction to all endpoints of a route, once it is polled; what is not wanted
    /// any more when its turn comes does not leave.
    fn broadcast(&self, raw: Bytes, route: Route, wanted: Wanted) -> Sending;
}
