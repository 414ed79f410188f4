//! The ways in which an endpoint can misbehave, and which requests they befall.

use super::{Fork, Mempool, NOTIFICATION, RAW_TRANSACTION, WS_CONNECT, lag};
use crate::{json_rpc::RpcFailure, request_log::ConnectionKind};
use serde_json::Value;
use std::{fmt, sync::Arc, time::Duration};

/// One way to misbehave.
///
/// Several may hit one request: delays add up, then the first fault that replaces the answer
/// wins, otherwise all that alter it apply in turn. On a batch, faults of the transport (those
/// that name a connection, a body or a status) befall the whole batch.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Never answers; the request does not reach the node.
    Hang,
    /// Waits before passing the request on. A caller that gives up earlier never reached the node.
    Delay(Duration),
    /// Answers an HTTP status without a JSON-RPC body. HTTP requests and WebSocket upgrades only.
    Status {
        /// Such as 429 or 503; an invalid one becomes 500.
        code: u16,
        /// Sent as `Retry-After`, in whole seconds.
        retry_after: Option<Duration>,
    },
    /// Answers a JSON-RPC error; the request does not reach the node.
    RpcError(RpcFailure),
    /// Answers a JSON-RPC error with an HTTP status of its own, as some gateways do. HTTP only; the
    /// request does not reach the node.
    StatusError {
        /// Such as 429 or 400.
        code: u16,
        /// The error in the body; one for a whole batch.
        failure: RpcFailure,
    },
    /// Answers this result; the request does not reach the node.
    Answer(Value),
    /// Cuts the connection instead of answering; the request does not reach the node.
    Drop,
    /// Passes the request on, sends half of the answer and cuts the connection (on a WebSocket:
    /// sends half a frame's text and stays).
    Truncate,
    /// Answers a page of HTML with status 200; the request does not reach the node.
    Garbage,
    /// Passes the request on, then never answers. Raw transactions, unless methods are named.
    ForwardThenHang,
    /// Passes the request on, then cuts the connection. Raw transactions, unless methods are named.
    ForwardThenDrop,
    /// Answers a raw transaction with its hash and does not pass it on.
    SwallowRaw,
    /// Answers `eth_chainId` and `net_version` with this chain id.
    WrongChainId(u64),
    /// Answers as if the head were this many blocks older, requests and subscriptions alike.
    Lag(u64),
    /// Answers as a node on another fork, requests and subscriptions alike: see [`Fork`].
    Fork(Fork),
    /// Keeps raw transactions in a mempool with geth's rules, which answers look-ups; see
    /// [`Mempool`], and [`ProxyHandle::release`](super::ProxyHandle::release). With a fault of kind
    /// `ForwardThen…` the mempool takes the transaction before the answer is lost.
    Hold(Mempool),
    /// Alters the result of what the node answered; errors pass unchanged.
    Rewrite(Rewriter),
    /// Sends each notification of a subscription twice.
    DuplicateHeads,
    /// Holds each notification back and sends it after the next one.
    SwapHeads,
    /// Sends no notifications.
    DropHeads,
    /// Cuts the WebSocket instead of sending the next notification.
    CutWs,
}

impl Fault {
    /// An HTTP status without `Retry-After`.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None }
    }

    /// A JSON-RPC error without data.
    pub fn rpc_error(code: i64, message: impl Into<String>) -> Self {
        Self::RpcError(RpcFailure::new(code, message))
    }

    /// Alters results: `Fault::rewrite(|_params, result| …)`.
    pub fn rewrite(rewrite: impl Fn(&Value, Value) -> Value + Send + Sync + 'static) -> Self {
        Self::Rewrite(Rewriter(Arc::new(rewrite)))
    }

    /// Limits it to a method; may be repeated on the rule to name several.
    #[must_use]
    pub fn on(self, method: &str) -> Rule {
        Rule::from(self).on(method)
    }

    /// See [`Rule::times`].
    #[must_use]
    pub fn times(self, limit: u64) -> Rule {
        Rule::from(self).times(limit)
    }

    /// See [`Rule::after`].
    #[must_use]
    pub fn after(self, skip: u64) -> Rule {
        Rule::from(self).after(skip)
    }

    /// See [`Rule::over`].
    #[must_use]
    pub fn over(self, kind: ConnectionKind) -> Rule {
        Rule::from(self).over(kind)
    }

    /// See [`Rule::when`].
    #[must_use]
    pub fn when(self, test: impl Fn(&str, &Value) -> bool + Send + Sync + 'static) -> Rule {
        Rule::from(self).when(test)
    }

    /// Whether it is about notifications rather than requests.
    pub(super) fn befalls_heads(&self) -> bool {
        match self {
            Self::DuplicateHeads
            | Self::SwapHeads
            | Self::DropHeads
            | Self::CutWs
            | Self::Fork(_)
            | Self::Lag(_) => true,
            Self::Hang
            | Self::Delay(_)
            | Self::Status { .. }
            | Self::RpcError(_)
            | Self::StatusError { .. }
            | Self::Answer(_)
            | Self::Drop
            | Self::Truncate
            | Self::Garbage
            | Self::ForwardThenHang
            | Self::ForwardThenDrop
            | Self::SwallowRaw
            | Self::WrongChainId(_)
            | Self::Hold(_)
            | Self::Rewrite(_) => false,
        }
    }

    /// Whether it changes the node's answer rather than taking its place.
    pub(super) fn alters(&self) -> bool {
        matches!(
            self,
            Self::Lag(_) | Self::WrongChainId(_) | Self::Fork(_) | Self::Hold(_) | Self::Rewrite(_)
        )
    }

    /// Whether it makes sense for a method, given whether the rule names methods.
    fn can_befall(&self, kind: ConnectionKind, method: &str, named: bool) -> bool {
        match self {
            Self::Hang | Self::Delay(_) | Self::Drop => true,
            Self::Status { .. } => kind == ConnectionKind::Http || method == WS_CONNECT,
            Self::StatusError { .. } => kind == ConnectionKind::Http && method != WS_CONNECT,
            Self::RpcError(_)
            | Self::Answer(_)
            | Self::Truncate
            | Self::Garbage
            | Self::Rewrite(_) => method != WS_CONNECT,
            Self::ForwardThenHang | Self::ForwardThenDrop => {
                method == RAW_TRANSACTION || (named && method != WS_CONNECT)
            }
            Self::SwallowRaw => method == RAW_TRANSACTION,
            Self::WrongChainId(_) => matches!(method, "eth_chainId" | "net_version"),
            Self::Lag(_) => lag::concerns(method),
            Self::Fork(_) => Fork::concerns(method),
            Self::Hold(_) => matches!(
                method,
                RAW_TRANSACTION | "eth_getTransactionByHash" | "eth_getTransactionCount"
            ),
            Self::DuplicateHeads | Self::SwapHeads | Self::DropHeads | Self::CutWs => false,
        }
    }
}

type Rewrite = Arc<dyn Fn(&Value, Value) -> Value + Send + Sync>;

/// Turns the parameters and the result into another result.
#[derive(Clone)]
pub struct Rewriter(pub(super) Rewrite);

impl fmt::Debug for Rewriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rewriter")
    }
}

type Test = Arc<dyn Fn(&str, &Value) -> bool + Send + Sync>;

/// A fault and the requests that it befalls: all that it makes sense for, unless narrowed.
#[derive(Clone)]
pub struct Rule {
    pub(super) fault: Fault,
    methods: Vec<String>,
    kind: Option<ConnectionKind>,
    test: Option<Test>,
    pub(super) skip: u64,
    pub(super) limit: Option<u64>,
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Self { fault, methods: Vec::new(), kind: None, test: None, skip: 0, limit: None }
    }
}

impl Rule {
    /// Limits it to a method; repeat it to name several.
    #[must_use]
    pub fn on(mut self, method: &str) -> Self {
        self.methods.push(method.to_owned());
        self
    }

    /// Fires at most so often, then lets everything pass.
    #[must_use]
    pub fn times(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Lets so many matching requests pass first.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Limits it to requests over HTTP, or over WebSocket.
    #[must_use]
    pub fn over(mut self, kind: ConnectionKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Limits it to requests whose method and parameters pass a test.
    #[must_use]
    pub fn when(mut self, test: impl Fn(&str, &Value) -> bool + Send + Sync + 'static) -> Self {
        self.test = Some(Arc::new(test));
        self
    }

    pub(super) fn matches(&self, kind: ConnectionKind, method: &str, params: &Value) -> bool {
        let named = !self.methods.is_empty();
        self.fault.can_befall(kind, method, named)
            && (!named || self.methods.iter().any(|name| name == method))
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self.test.as_ref().is_none_or(|test| test(method, params))
    }
}

impl Rule {
    /// Whether it befalls notifications; a rule that names methods has to name theirs.
    pub(super) fn matches_heads(&self) -> bool {
        self.fault.befalls_heads()
            && self.kind != Some(ConnectionKind::Http)
            && (self.methods.is_empty() || self.methods.iter().any(|name| name == NOTIFICATION))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("fault", &self.fault)
            .field("methods", &self.methods)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
