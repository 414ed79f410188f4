//! Errors as gateways deliver them: with an HTTP status, which says less than it seems to.

use alloy::{
    primitives::{Address, Bytes},
    providers::Provider as _,
    rpc::types::TransactionRequest,
};
use ballast_chains::{
    pool::{EndpointState, Pool, Route, SendAnswer, Wanted},
    reader::CallError,
};
use ballast_test_support::{Fault, MockNode, RAW_TRANSACTION, RpcFailure, RpcProxy};

use crate::chain::{CHAIN_ID, endpoint, profile};

struct Scene {
    _node: MockNode,
    gateway: RpcProxy,
    other: RpcProxy,
    pool: Pool,
}

impl Scene {
    async fn new() -> Self {
        let node = MockNode::start(CHAIN_ID).await.unwrap();
        node.on_call(|_| Ok(Bytes::from([7])));
        let gateway = RpcProxy::start(&node.http_url()).await.unwrap();
        let other = RpcProxy::start(&node.http_url()).await.unwrap();
        let endpoints = [&gateway, &other].map(|proxy| endpoint(&proxy.http_url()));
        let pool = Pool::new(&profile(endpoints.to_vec())).unwrap();
        pool.probe_all().await;
        Self { _node: node, gateway, other, pool }
    }

    async fn call(&self) -> Result<Bytes, CallError> {
        let call = TransactionRequest::default().to(Address::repeat_byte(1));
        Ok(self.pool.provider().call(call).await?)
    }

    fn state(&self, place: usize) -> EndpointState {
        self.pool.health()[place].state
    }
}

fn error(status: u16, code: i64, message: &str) -> Fault {
    Fault::StatusError { code: status, failure: RpcFailure::new(code, message) }
}

#[tokio::test]
async fn a_gateway_that_wants_to_be_left_alone_is_and_the_next_one_answers() {
    for (status, code, message) in [
        (429, 429, "Your app has exceeded its compute units per second capacity."),
        (403, -32600, "Monthly capacity limit exceeded. Visit the dashboard."),
        (429, -32005, "daily request count exceeded, request rate limited"),
        (429, -32007, "100/second request limit reached - reduce calls per second"),
        (500, -32603, "Internal error"),
        (503, -32603, "upstream connect error"),
        (401, -32000, "project ID is required"),
    ] {
        let scene = Scene::new().await;
        let fault = scene.gateway.inject(error(status, code, message).on("eth_call"));
        assert_eq!(scene.call().await, Ok(Bytes::from([7])), "{status} {message}");
        assert_eq!(scene.state(0), EndpointState::Cooling, "{status} {message}");
        assert_eq!((fault.fired(), scene.other.count("eth_call")), (1, 1));
    }
}

#[tokio::test]
async fn an_error_of_the_call_is_an_answer_whatever_its_status() {
    for (status, code, message) in [
        (400, 3, "execution reverted"),
        (500, 3, "execution reverted"),
        (500, -32000, "execution reverted"),
        (400, -32602, "missing value for required argument 1"),
    ] {
        let scene = Scene::new().await;
        let fault = scene.gateway.inject(error(status, code, message).on("eth_call"));
        let answer = scene.call().await;
        let expected = match code {
            -32602 => CallError::Refused { code, message: message.into() },
            _ => CallError::Reverted(Bytes::new()),
        };
        assert_eq!(answer, Err(expected), "{status} {message}");
        assert_eq!((fault.fired(), scene.other.count("eth_call")), (1, 0), "{message}");
        assert_eq!(scene.state(0), EndpointState::Fit, "{status} {message}");
    }
}

#[tokio::test]
async fn what_another_endpoint_can_do_is_asked_there_without_blame() {
    for fault in [
        error(400, -32000, "header not found"),
        error(500, -32000, "header not found"),
        error(404, -32601, "Method not found"),
        error(413, -32600, "batch too large"),
        error(500, -32000, "execution aborted (timeout = 5s)"),
        Fault::status(413),
    ] {
        let scene = Scene::new().await;
        let name = format!("{fault:?}");
        let fault = scene.gateway.inject(fault.on("eth_call"));
        assert_eq!(scene.call().await, Ok(Bytes::from([7])), "{name}");
        assert_eq!((fault.fired(), scene.other.count("eth_call")), (1, 1), "{name}");
        assert_eq!(scene.state(0), EndpointState::Fit, "{name}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_for_everyone_is_a_refusal_that_can_be_split() {
    let scene = Scene::new().await;
    let large = [&scene.gateway, &scene.other].map(|proxy| {
        // nginx answers with a page, geth with a line of text.
        proxy.inject(Fault::status(413).on("eth_call"))
    });
    let answer = scene.call().await;
    assert!(matches!(answer, Err(CallError::Refused { code: 413, .. })), "{answer:?}");
    assert!(large.iter().all(|fault| fault.fired() == 1));
    for place in [0, 1] {
        assert_eq!(scene.state(place), EndpointState::Fit, "endpoint {place} was blamed");
    }
    // One of them down: the other one's word still counts.
    let down = scene.other.inject(Fault::Drop.on("eth_call"));
    large[1].remove();
    let answer = scene.call().await;
    assert!(matches!(answer, Err(CallError::Refused { code: 413, .. })), "{answer:?}");
    assert_eq!(down.fired(), 1);
}

#[tokio::test]
async fn refusals_of_transactions_are_read_from_errors_and_never_from_pages() {
    let scene = Scene::new().await;
    let raw = Bytes::from_static(&[2]);
    let low = scene.gateway.inject(error(400, -32000, "nonce too low").on(RAW_TRANSACTION));
    let known = scene.other.inject(error(500, -32000, "already known").on(RAW_TRANSACTION));
    let told = scene.pool.broadcast(raw.clone(), Route::Public, Wanted::ALWAYS).all().await;
    assert_eq!(told[0].answer, SendAnswer::NonceTooLow);
    assert_eq!(told[1].answer, SendAnswer::AlreadyKnown);
    assert_eq!((low.fired(), known.fired()), (1, 1));

    scene.gateway.heal();
    scene.other.heal();
    let busy = scene.gateway.inject(error(429, -32005, "limit exceeded").on(RAW_TRANSACTION));
    let page = scene.other.inject(Fault::Garbage.on(RAW_TRANSACTION));
    let told = scene.pool.broadcast(raw, Route::Public, Wanted::ALWAYS).all().await;
    assert!(told.iter().all(|t| matches!(t.answer, SendAnswer::Ambiguous(_))), "{told:?}");
    assert_eq!((busy.fired(), page.fired()), (1, 1));
}
