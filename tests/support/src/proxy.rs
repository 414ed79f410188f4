//! A JSON-RPC reverse proxy that counts what passes and misbehaves on demand.
//!
//! It stands between the code under test and a node (anvil, or a [`MockNode`](crate::MockNode)),
//! speaks HTTP and WebSocket on one port, and is steered while it runs through a handle. Only
//! subscriptions use the node's WebSocket; other requests that come in over one are answered over
//! the node's HTTP, so that every fault is written once and works on both.

mod exchange;
mod fault;
mod fork;
mod http;
mod lag;
mod mempool;
mod rules;
mod upstream;
mod ws;

#[cfg(test)]
mod tests;

pub use fault::{Fault, Rewriter, Rule};
pub use fork::Fork;
pub use mempool::{HeldTransaction, Mempool, MempoolCounts};
pub use rules::FaultHandle;

use crate::{
    json_rpc::{BlockRef, Request},
    lock,
    request_log::{CallRecord, Recorded, RequestLog},
    server::{Gate, Server},
};
use alloy::primitives::B256;
use axum::{Router, extract::DefaultBodyLimit, routing::get};
use eyre::Result;
use rules::Rules;
use serde_json::json;
use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, Mutex},
};
use upstream::Upstream;
use url::Url;

/// The method that carries a signed transaction.
pub const RAW_TRANSACTION: &str = "eth_sendRawTransaction";

/// The name under which the opening of a WebSocket is recorded and can be made to fail.
pub const WS_CONNECT: &str = "ws_connect";

/// The method of what a subscription pushes.
const NOTIFICATION: &str = "eth_subscription";

/// A running proxy; ends, and cuts its connections, when dropped.
#[derive(Debug)]
pub struct RpcProxy {
    handle: ProxyHandle,
    server: Server,
}

impl RpcProxy {
    /// Starts a proxy on a free port of 127.0.0.1. The node must speak HTTP and WebSocket on the
    /// same address, as anvil does.
    ///
    /// # Errors
    /// When no port can be opened or the URL is not an `http` one.
    pub async fn start(upstream: &str) -> Result<Self> {
        let shared = Arc::new(Shared {
            rules: Rules::default(),
            log: RequestLog::default(),
            raw: Mutex::default(),
            upstream: Upstream::new(upstream)?,
        });
        let route = get(ws::upgrade).post(http::post);
        let router = Router::new()
            .route("/", route.clone())
            .route("/{*path}", route)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let server = Server::start(router).await?;
        let handle = ProxyHandle { shared, gate: server.gate.clone() };
        Ok(Self { handle, server })
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

    /// A handle that may be moved elsewhere; it does not keep the proxy alive.
    #[must_use]
    pub fn handle(&self) -> ProxyHandle {
        self.handle.clone()
    }
}

impl Deref for RpcProxy {
    type Target = ProxyHandle;

    fn deref(&self) -> &ProxyHandle {
        &self.handle
    }
}

/// Steers a proxy and says what passed it; cheap to clone.
#[derive(Debug, Clone)]
pub struct ProxyHandle {
    shared: Arc<Shared>,
    gate: Gate,
}

/// What handlers and handles share.
#[derive(Debug)]
struct Shared {
    rules: Rules,
    log: RequestLog,
    raw: Mutex<Vec<String>>,
    upstream: Upstream,
}

impl ProxyHandle {
    /// Adds a fault: `proxy.inject(Fault::Hang.on("eth_call").times(1))`. It stays until its
    /// limit is reached or the returned handle removes it, not until the handle is dropped.
    pub fn inject(&self, rule: impl Into<Rule>) -> FaultHandle {
        self.shared.rules.add(rule.into())
    }

    /// Removes every fault.
    pub fn heal(&self) {
        self.shared.rules.clear();
    }

    /// Cuts all open connections, HTTP and WebSocket, in the middle of whatever they do.
    pub fn cut_connections(&self) {
        self.gate.cut_all();
    }

    /// Down: every connection is cut, and new ones as soon as they are made.
    pub fn set_down(&self, down: bool) {
        self.gate.set_down(down);
    }

    /// Points the proxy at another node, for requests and subscriptions that come from now on.
    ///
    /// # Errors
    /// When the URL is not an `http` one.
    pub fn set_upstream(&self, upstream: &str) -> Result<()> {
        self.shared.upstream.set(upstream)
    }

    /// Hands a transaction of a mempool, replaced or not, to the node. It stays in the pool until
    /// the chain's nonce has passed it.
    ///
    /// # Errors
    /// When the pool never took it, or the node refuses it.
    pub async fn release(&self, pool: &Mempool, hash: B256) -> Result<()> {
        let raw = pool.take(hash)?;
        let answer = self.shared.upstream.ask(&Request::new(RAW_TRANSACTION, json!([raw]))).await?;
        eyre::ensure!(answer.get("error").is_none(), "the node refuses {hash}: {answer}");
        Ok(())
    }

    /// How often a method was asked for.
    #[must_use]
    pub fn count(&self, method: &str) -> u64 {
        self.shared.log.count(method)
    }

    /// Every request seen, in order; see [`RequestLog::requests`].
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.log.requests()
    }

    /// Every `eth_call` seen, in order; see [`RequestLog::calls`].
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.shared.log.calls()
    }

    /// Sequential rounds of reads per block; see [`RequestLog::rounds_per_block`].
    #[must_use]
    pub fn rounds_per_block(&self) -> BTreeMap<BlockRef, usize> {
        self.shared.log.rounds_per_block()
    }

    /// The most requests that were open at one time; see [`RequestLog::max_concurrency`].
    #[must_use]
    pub fn max_concurrency(&self, method: Option<&str>) -> usize {
        self.shared.log.max_concurrency(method)
    }

    /// The whole record.
    #[must_use]
    pub fn log(&self) -> &RequestLog {
        &self.shared.log
    }

    /// The signed transactions seen, as hex, in order, repeats included; also those that a fault
    /// kept from the node.
    #[must_use]
    pub fn raw_transactions(&self) -> Vec<String> {
        lock(&self.shared.raw).clone()
    }

    /// Forgets requests and raw transactions; faults stay.
    pub fn clear(&self) {
        self.shared.log.clear();
        lock(&self.shared.raw).clear();
    }
}

fn parse_http(url: &str) -> Result<Url> {
    let url: Url = url.parse()?;
    eyre::ensure!(url.scheme() == "http", "the proxy speaks plain http, not {}", url.scheme());
    Ok(url)
}
