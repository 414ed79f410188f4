//! A chain node made of headers: blocks, reorgs, calls answered by a closure, and new heads over
//! WebSocket, without an EVM and without a process.
//!
//! For the chain layer's unit tests, where what matters is which node said what and when. Two
//! nodes that are given the same blocks have the same hashes, so they can stand for two endpoints
//! of one chain; a reorg, or another branch, makes them differ. It never misbehaves by itself: put
//! an [`RpcProxy`](crate::RpcProxy) in front of it for that.

mod answers;
mod blocks;
mod serve;

#[cfg(test)]
mod tests;

pub use answers::MockCall;
pub use blocks::MockBlock;

use crate::{
    json_rpc::RpcFailure,
    lock,
    request_log::RequestLog,
    server::{Gate, Server},
};
use alloy::primitives::Bytes;
use answers::Answers;
use axum::{Router, extract::DefaultBodyLimit, routing::get};
use blocks::Blocks;
use eyre::Result;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;

/// Heads that a slow subscriber may be behind before its connection is cut.
const HEADS_BUFFERED: usize = 1024;

/// A running fake node; ends, and cuts its connections, when dropped.
#[derive(Debug)]
pub struct MockNode {
    shared: Arc<Shared>,
    server: Server,
}

#[derive(Debug)]
struct Shared {
    chain_id: Mutex<u64>,
    blocks: Mutex<Blocks>,
    answers: Mutex<Answers>,
    raw: Mutex<Vec<String>>,
    log: RequestLog,
    heads: broadcast::Sender<Value>,
}

impl MockNode {
    /// Starts a node with a genesis block on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(chain_id: u64) -> Result<Self> {
        let shared = Arc::new(Shared {
            chain_id: Mutex::new(chain_id),
            blocks: Mutex::default(),
            answers: Mutex::default(),
            raw: Mutex::default(),
            log: RequestLog::default(),
            heads: broadcast::Sender::new(HEADS_BUFFERED),
        });
        let route = get(serve::upgrade).post(serve::post);
        let router = Router::new()
            .route("/", route.clone())
            .route("/{*path}", route)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { shared, server: Server::start(router).await? })
    }

    /// The address for HTTP clients.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The address for WebSocket clients.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.server.address)
    }

    /// What it was asked.
    #[must_use]
    pub fn log(&self) -> &RequestLog {
        &self.shared.log
    }

    /// The signed transactions it accepted, as hex, in order. It never includes them in a block.
    #[must_use]
    pub fn raw_transactions(&self) -> Vec<String> {
        lock(&self.shared.raw).clone()
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> MockBlock {
        lock(&self.shared.blocks).head()
    }

    /// The canonical block at a height, if there is one.
    #[must_use]
    pub fn block(&self, number: u64) -> Option<MockBlock> {
        lock(&self.shared.blocks).at(number)
    }

    /// Adds a block, [`Self::set_block_time`] seconds after the last one (12 by default).
    pub fn push_block(&self) -> MockBlock {
        self.extend(|blocks| vec![blocks.push(None)]).unwrap_or_else(|| self.head())
    }

    /// Adds a block with a timestamp, in seconds.
    pub fn push_block_at(&self, timestamp: u64) -> MockBlock {
        self.extend(|blocks| vec![blocks.push(Some(timestamp))]).unwrap_or_else(|| self.head())
    }

    /// Adds blocks, and tells subscribers of each.
    pub fn push_blocks(&self, count: u64) -> MockBlock {
        let add = |blocks: &mut Blocks| (0..count).map(|_| blocks.push(None)).collect();
        self.extend(add).unwrap_or_else(|| self.head())
    }

    /// Replaces the newest `depth` blocks by as many others, and tells subscribers of each.
    ///
    /// The old ones can still be asked for by hash, as with geth. Genesis stays.
    pub fn reorg(&self, depth: u64) -> MockBlock {
        let replace = |blocks: &mut Blocks| {
            let removed = blocks.rollback(depth);
            blocks.next_branch();
            (0..removed).map(|_| blocks.push(None)).collect()
        };
        self.extend(replace).unwrap_or_else(|| self.head())
    }

    /// Takes the newest `depth` blocks away, silently. Genesis stays.
    pub fn rollback(&self, depth: u64) -> MockBlock {
        let mut blocks = lock(&self.shared.blocks);
        blocks.rollback(depth);
        blocks.head()
    }

    /// Blocks that come from now on belong to this branch: nodes on different branches disagree
    /// from the next block on.
    pub fn set_branch(&self, branch: u64) {
        lock(&self.shared.blocks).set_branch(branch);
    }

    /// Seconds between the timestamps of blocks that come from now on.
    pub fn set_block_time(&self, seconds: u64) {
        lock(&self.shared.blocks).set_block_time(seconds);
    }

    /// Changes the chain id of a running node.
    pub fn set_chain_id(&self, chain_id: u64) {
        *lock(&self.shared.chain_id) = chain_id;
    }

    /// Answers `eth_call`. Calls to Multicall3's `aggregate3` are taken apart, and each call in
    /// them is put to the closure by itself, with Multicall3 as the sender. An error with data is a
    /// revert; without a closure every call returns nothing, as from an address without code.
    pub fn on_call(
        &self,
        answer: impl Fn(&MockCall) -> Result<Bytes, RpcFailure> + Send + Sync + 'static,
    ) {
        lock(&self.shared.answers).call = Some(Arc::new(answer));
    }

    /// Answers another method, or one of the built-in ones in another way.
    pub fn on(
        &self,
        method: &str,
        answer: impl Fn(&Value) -> Result<Value, RpcFailure> + Send + Sync + 'static,
    ) {
        lock(&self.shared.answers).methods.insert(method.to_owned(), Arc::new(answer));
    }

    /// Down: every connection is cut, and new ones as soon as they are made. Blocks can still be
    /// added; nobody hears of them.
    pub fn set_down(&self, down: bool) {
        self.gate().set_down(down);
    }

    /// Cuts all open connections; the node stays up.
    pub fn cut_connections(&self) {
        self.gate().cut_all();
    }

    /// Open `newHeads` subscriptions, over all connections.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.shared.heads.receiver_count()
    }

    fn gate(&self) -> &Gate {
        &self.server.gate
    }

    /// The last block that was added, if any was.
    fn extend(&self, add: impl FnOnce(&mut Blocks) -> Vec<MockBlock>) -> Option<MockBlock> {
        // The lock is held until all are told, so that heads are pushed in the order of the chain.
        let mut blocks = lock(&self.shared.blocks);
        let added = add(&mut blocks);
        for block in &added {
            if let Some(header) = blocks.header_json(block.hash) {
                // Nobody listens: that is fine.
                drop(self.shared.heads.send(header));
            }
        }
        added.last().copied()
    }
}
