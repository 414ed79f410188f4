//! Endpoints that take no block hashes: read by number, and believed only if the block is the one
//! that was meant.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alloy::{
    primitives::{Address, B256, Bytes},
    providers::Provider as _,
    rpc::types::TransactionRequest,
};
use ballast_chains::{
    pool::{EndpointState, Pool},
    reader::CallError,
};
use ballast_test_support::{BlockRef, Fault, FaultHandle, MockNode, RpcProxy};

use crate::chain::{CHAIN_ID, endpoint, profile};

/// What geth says to an object where it expects a number or a tag.
const NO_HASHES: &str =
    "invalid argument 1: json: cannot unmarshal object into Go value of type string";

async fn node() -> MockNode {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    node.push_blocks(30);
    node.on_call(|call| Ok(Bytes::copy_from_slice(call.block.hash.as_slice())));
    node
}

/// The block of a call is a hash in plain text.
fn is_plain(params: &serde_json::Value) -> bool {
    params.get(1).and_then(serde_json::Value::as_str).is_some_and(|block| block.len() == 66)
}

/// Refuses block hashes, in plain text and in an object.
fn old(proxy: &RpcProxy) -> FaultHandle {
    let pinned = |_: &str, params: &serde_json::Value| is_plain(params) || params[1].is_object();
    proxy.inject(Fault::rpc_error(-32602, NO_HASHES).on("eth_call").when(pinned))
}

async fn call(pool: &Pool, at: B256) -> Result<Bytes, CallError> {
    let call = TransactionRequest::default().to(Address::repeat_byte(1));
    Ok(pool.provider().call(call).hash(at).await?)
}

fn numbers(proxy: &RpcProxy) -> usize {
    proxy.calls().iter().filter(|call| matches!(call.block, BlockRef::Number(_))).count()
}

#[tokio::test]
async fn an_endpoint_without_hashes_is_read_by_number_and_asked_again_only_later() {
    let node = node().await;
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let refused = old(&proxy);
    let pool = Pool::new(&profile(vec![endpoint(&proxy.http_url())])).unwrap();
    for block in [20, 20, 25] {
        let hash = node.block(block).unwrap().hash;
        assert_eq!(call(&pool, hash).await, Ok(Bytes::copy_from_slice(hash.as_slice())));
    }
    assert_eq!((refused.fired(), numbers(&proxy)), (2, 3), "the lesson was not learnt");
    assert_eq!(pool.health()[0].state, EndpointState::Fit);
    // Each read travels with two looks at the block's hash, in one packet.
    let packets: std::collections::BTreeMap<u64, usize> =
        proxy.requests().iter().fold(Default::default(), |mut packets, request| {
            *packets.entry(request.packet).or_default() += 1;
            packets
        });
    assert_eq!(packets.values().filter(|requests| **requests == 3).count(), 3);
}

#[tokio::test]
async fn an_endpoint_that_wants_the_standards_form_gets_it() {
    let node = node().await;
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let strict = Fault::rpc_error(-32602, "Invalid block number params");
    let strict = proxy.inject(strict.on("eth_call").when(|_, params| is_plain(params)));
    let pool = Pool::new(&profile(vec![endpoint(&proxy.http_url())])).unwrap();
    let hash = node.block(20).unwrap().hash;
    for _ in 0..3 {
        assert_eq!(call(&pool, hash).await, Ok(Bytes::copy_from_slice(hash.as_slice())));
    }
    assert_eq!((strict.fired(), proxy.calls().len(), numbers(&proxy)), (1, 4, 0));
}

#[tokio::test]
async fn an_error_that_says_nothing_about_the_call_teaches_no_form() {
    let node = node().await;
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let strict = Fault::rpc_error(-32602, NO_HASHES).on("eth_call");
    let plain = proxy.inject(strict.when(|_, params| is_plain(params)));
    // Another code for the same.
    let object = Fault::rpc_error(-32000, NO_HASHES).on("eth_call");
    let object = proxy.inject(object.when(|_, params| params[1].is_object()));
    let pool = Pool::new(&profile(vec![endpoint(&proxy.http_url())])).unwrap();
    let hash = node.block(20).unwrap().hash;
    for _ in 0..3 {
        assert_eq!(call(&pool, hash).await, Ok(Bytes::copy_from_slice(hash.as_slice())));
    }
    assert_eq!((plain.fired(), object.fired(), numbers(&proxy)), (1, 1, 3));
}

#[tokio::test]
async fn one_endpoint_without_hashes_is_no_reason_to_doubt_the_next() {
    let node = node().await;
    let proxies =
        [RpcProxy::start(&node.http_url()).await, RpcProxy::start(&node.http_url()).await];
    let [first, second] = proxies.map(Result::unwrap);
    let refused = old(&first);
    let endpoints = [&first, &second].map(|proxy| endpoint(&proxy.http_url()));
    let pool = Pool::new(&profile(endpoints.to_vec())).unwrap();
    pool.probe_all().await;
    let hash = node.head().hash;
    assert!(call(&pool, hash).await.is_ok());
    assert_eq!((refused.fired(), numbers(&first)), (2, 1));
    first.set_down(true);
    assert!(call(&pool, hash).await.is_ok());
    assert_eq!((numbers(&second), second.calls().len()), (0, 1));
}

#[tokio::test]
async fn a_block_that_was_replaced_is_not_read_in_place_of_the_one_meant() {
    let node = node().await;
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let _refused = old(&proxy);
    let pool = Pool::new(&profile(vec![endpoint(&proxy.http_url())])).unwrap();
    let meant = node.head().hash;
    node.reorg(2);
    // The node still knows the header, but by its number there is another block.
    let answer = call(&pool, meant).await;
    assert!(matches!(answer, Err(CallError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn a_reorganisation_in_the_middle_of_a_read_is_noticed() {
    let node = Arc::new(node().await);
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let _refused = old(&proxy);
    let pool = Pool::new(&profile(vec![endpoint(&proxy.http_url())])).unwrap();
    let done = AtomicBool::new(false);
    // Between the look before and the look after, the block is replaced.
    let chain = Arc::downgrade(&node);
    node.on_call(move |call| {
        if !done.swap(true, Ordering::SeqCst)
            && let Some(node) = chain.upgrade()
        {
            node.reorg(1);
        }
        Ok(Bytes::copy_from_slice(call.block.hash.as_slice()))
    });
    let answer = call(&pool, node.head().hash).await;
    assert!(matches!(answer, Err(CallError::Unavailable(_))), "{answer:?}");
    assert!(call(&pool, node.head().hash).await.is_ok());
}

#[tokio::test]
async fn parameters_that_are_wrong_in_another_way_are_the_callers_affair() {
    let node = node().await;
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let wrong = proxy.inject(Fault::rpc_error(-32602, "invalid address").on("eth_call"));
    let pool = Pool::new(&profile(vec![endpoint(&proxy.http_url())])).unwrap();
    let answer = call(&pool, node.head().hash).await;
    assert!(matches!(answer, Err(CallError::Refused { code: -32602, .. })), "{answer:?}");
    wrong.remove();
    assert!(call(&pool, node.head().hash).await.is_ok());
    assert_eq!(numbers(&proxy), 1, "one try by number, and no lesson from it");
}
