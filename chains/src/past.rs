//! What happened on a chain before: logs, receipts, blocks and their state.
//!
//! For what people ask now and then. A keeper decides by one block and never needs it. Endpoints serve
//! logs of so many blocks at a time and each has a limit of its own, so a search goes in stretches that
//! get shorter where one is refused, from the newest block backwards, and ends after a number of
//! requests that the asker names.

use std::{
    ops::{ControlFlow, RangeInclusive},
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, U64},
    providers::Provider as _,
    rpc::types::{Filter, Log},
    transports::{RpcError, TransportError},
};
use thiserror::Error;

use crate::{
    BlockReader, ChainProfile, Head,
    feeds::history::{self, Dated},
    heads::{self, RawHeader},
    pool::{ChainReceipt, Pool, PoolError},
    reader::BlockSource,
};

/// An endpoint that refuses logs of so few blocks serves none.
const SHORTEST: u64 = 10;

/// Why the past cannot be read.
#[derive(Debug, Error)]
pub enum PastError {
    /// The profile makes no pool.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Nobody answered, or what was said is no answer.
    #[error("{what}")]
    Unavailable {
        /// What was asked for.
        what: &'static str,
        /// What was heard.
        source: TransportError,
    },
    /// A block that the endpoints do not have.
    #[error("there is no block {0}")]
    NoBlock(u64),
    /// Logs are refused, of however few blocks.
    #[error(
        "the endpoints refuse logs (eth_getLogs, blocks {} to {}): {said}; name one in the chain's \
         file that serves them", .blocks.start(), .blocks.end()
    )]
    NoLogs {
        /// Of these blocks.
        blocks: RangeInclusive<u64>,
        /// In the endpoint's words.
        said: String,
    },
    /// The search would take more requests than it may.
    #[error(
        "logs down to block {reached} took {requests} requests, {blocks} blocks at a time at last"
    )]
    TooLong {
        /// The lowest block that was looked at.
        reached: u64,
        /// How many requests that took.
        requests: u32,
        /// How many blocks the endpoints gave in one.
        blocks: u64,
    },
    /// A transaction that has a log and no receipt: its block fell away, or its endpoint is behind.
    #[error(
        "{0} has logs and no receipt there: its block fell away, or an endpoint is behind; ask again"
    )]
    NoReceipt(B256),
}

/// How a search for logs goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stride {
    /// Blocks that are asked for at a time, above 0; fewer where the endpoints refuse so many.
    pub blocks: u64,
    /// Most requests, refused ones included.
    pub requests: u32,
}

/// A chain, and its newest block when it was opened.
#[derive(Debug, Clone)]
pub struct Past {
    pool: Pool,
    now: BlockSource,
    /// Of endpoints that keep old states, where there are any.
    then: BlockSource,
    profile: ChainProfile,
    head: Head,
}

impl Past {
    /// Finds the newest block.
    ///
    /// # Errors
    /// When there is no endpoint, or none answers.
    pub async fn open(profile: &ChainProfile) -> Result<Self, PastError> {
        let pool = Pool::new(profile)?;
        let head = heads::newest(&pool.provider()).await;
        let head = head.map_err(unavailable("the newest block"))?;
        let now = BlockSource::new(pool.provider(), profile);
        let then = pool.archive().map_or_else(|| now.clone(), |old| BlockSource::new(old, profile));
        Ok(Self { pool, now, then, profile: profile.clone(), head })
    }

    /// The newest block.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The chain's id.
    pub fn chain_id(&self) -> u64 {
        self.profile.chain_id
    }

    /// What its native currency is called.
    pub fn native_symbol(&self) -> &str {
        &self.profile.native_symbol
    }

    /// Time between two blocks, about.
    pub fn block_time(&self) -> Duration {
        self.profile.block_time
    }

    /// The block of that number.
    ///
    /// # Errors
    /// [`PastError::NoBlock`], or [`PastError::Unavailable`].
    pub async fn block(&self, number: u64) -> Result<Head, PastError> {
        if number == self.head.number {
            return Ok(self.head);
        }
        let asked = (U64::from(number), false);
        let header = self.pool.provider().raw_request("eth_getBlockByNumber".into(), asked).await;
        let header: Option<RawHeader> = header.map_err(unavailable("a block"))?;
        header.map(Head::from).ok_or(PastError::NoBlock(number))
    }

    /// Runs `work` on a reader of a block. One that is not the newest is read from endpoints with
    /// `archive = true` if there are any; where its state is gone, its reads are unavailable.
    pub async fn read_at<T, F, Fut>(&self, at: Head, caller: Address, work: F) -> T
    where
        F: FnOnce(BlockReader) -> Fut + Send,
        Fut: Future<Output = T> + Send,
        T: Send,
    {
        let source = if at == self.head { &self.now } else { &self.then };
        source.read_at(at, caller, work).await
    }

    /// Looks through the logs of `blocks`, from the last block backwards: `visit` is given those of one
    /// stretch of blocks after the other, each in the order of the chain, and says when it has seen
    /// enough. Gives the lowest block that was looked at.
    ///
    /// # Errors
    /// [`PastError::NoLogs`], [`PastError::TooLong`] or [`PastError::Unavailable`].
    pub async fn logs_backwards(
        &self,
        filter: &Filter,
        blocks: RangeInclusive<u64>,
        stride: Stride,
        mut visit: impl FnMut(Vec<Log>) -> ControlFlow<()> + Send,
    ) -> Result<u64, PastError> {
        let (lowest, mut top) = blocks.into_inner();
        let (mut width, mut requests) = (stride.blocks.max(1), 0_u32);
        loop {
            let from = top.saturating_sub(width.saturating_sub(1)).max(lowest);
            if requests >= stride.requests {
                let reached = top.saturating_add(1);
                return Err(PastError::TooLong { reached, requests, blocks: width });
            }
            requests = requests.saturating_add(1);
            let asked = filter.clone().from_block(from).to_block(top);
            match self.pool.provider().get_logs(&asked).await {
                Ok(mut logs) => {
                    logs.sort_by_key(|log| (log.block_number, log.log_index));
                    if visit(logs).is_break() || from <= lowest {
                        return Ok(from);
                    }
                    top = from.saturating_sub(1);
                }
                Err(refused) => width = shorter(width, from..=top, refused)?,
            }
        }
    }

    /// The receipts of transactions that are in blocks, in the order asked.
    ///
    /// # Errors
    /// [`PastError::NoReceipt`] or [`PastError::Unavailable`].
    pub async fn receipts(&self, hashes: &[B256]) -> Result<Vec<ChainReceipt>, PastError> {
        let receipts = self.pool.receipts(hashes).await.map_err(unavailable("receipts"))?;
        let found = receipts.into_iter().zip(hashes);
        found.map(|(receipt, hash)| receipt.ok_or(PastError::NoReceipt(*hash))).collect()
    }

    /// What a feed said at a block: of the block's state, or of the feed's own rounds.
    ///
    /// # Errors
    /// Why there is no price, in words.
    pub async fn price(&self, feed: Address, at: &Head) -> Result<Dated, String> {
        history::price_at(&self.pool.provider(), feed, at.hash, at.timestamp).await
    }

    /// What the native currency was worth in US dollars at a block; `None` if the chain's file names
    /// no feed.
    ///
    /// # Errors
    /// As [`price`](Self::price).
    pub async fn native_usd(&self, at: &Head) -> Result<Option<Dated>, String> {
        match self.profile.feeds.native_usd {
            Some(feed) => self.price(feed, at).await.map(Some),
            None => Ok(None),
        }
    }
}

/// How many blocks to ask for next, where an endpoint has refused so many. What limit an endpoint has
/// stands in its words, differently at each; halving finds it out.
fn shorter(
    width: u64,
    asked: RangeInclusive<u64>,
    refused: TransportError,
) -> Result<u64, PastError> {
    let RpcError::ErrorResp(said) = &refused else { return Err(unavailable("logs")(refused)) };
    let of = asked.end().saturating_sub(*asked.start()).saturating_add(1);
    if of <= SHORTEST {
        return Err(PastError::NoLogs { blocks: asked, said: said.message.to_string() });
    }
    Ok((width.min(of) / 2).max(SHORTEST))
}

fn unavailable(what: &'static str) -> impl FnOnce(TransportError) -> PastError {
    move |source| PastError::Unavailable { what, source }
}
