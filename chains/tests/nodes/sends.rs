//! Raw transactions and receipts.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{B256, Bytes, keccak256},
    providers::Provider as _,
};
use ballast_chains::pool::{Answer, EndpointState, Pool, Route, SendAnswer};
use ballast_test_support::{Fault, MockNode, RAW_TRANSACTION, RpcProxy, wait_until};
use serde_json::{Value, json};

use crate::chain::{CHAIN_ID, DEADLINE, TIMEOUT, endpoint, profile, until_state};

const RAW: Bytes = Bytes::from_static(&[0x02, 0xf8, 0x01]);

async fn proxies(node: &MockNode, count: usize) -> Vec<RpcProxy> {
    let mut proxies = Vec::new();
    for _ in 0..count {
        proxies.push(RpcProxy::start(&node.http_url()).await.unwrap());
    }
    proxies
}

fn answers(answers: Vec<Answer>) -> Vec<SendAnswer> {
    answers.into_iter().map(|answer| answer.answer).collect()
}

#[tokio::test]
async fn every_endpoint_gets_the_same_bytes_once_and_answers_for_itself() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    let proxies = proxies(&node, 6).await;
    let faults = [
        proxies[1].inject(Fault::rpc_error(-32000, "already known").on(RAW_TRANSACTION)),
        proxies[2].inject(Fault::Hang.on(RAW_TRANSACTION)),
        proxies[3].inject(Fault::Drop.on(RAW_TRANSACTION)),
        proxies[4]
            .inject(Fault::rpc_error(-32000, "nonce too low: next nonce 7").on(RAW_TRANSACTION)),
        proxies[5].inject(Fault::status(503).on(RAW_TRANSACTION)),
    ];
    let endpoints = proxies.iter().map(|proxy| endpoint(&proxy.http_url())).collect();
    let pool = Pool::new(&profile(endpoints)).unwrap();

    let start = Instant::now();
    let told = answers(pool.broadcast(RAW, Route::Public).all().await);
    assert!(start.elapsed() < TIMEOUT * 3 / 2, "the answers took {:?}", start.elapsed());

    assert_eq!(told[0], SendAnswer::Accepted);
    assert_eq!(told[1], SendAnswer::AlreadyKnown);
    assert!(matches!(told[2], SendAnswer::Ambiguous(_)), "{:?}", told[2]);
    assert!(matches!(told[3], SendAnswer::Ambiguous(_)), "{:?}", told[3]);
    assert_eq!(told[4], SendAnswer::NonceTooLow);
    assert!(matches!(told[5], SendAnswer::Ambiguous(_)), "{:?}", told[5]);
    for (place, proxy) in proxies.iter().enumerate() {
        assert_eq!(proxy.raw_transactions(), [RAW.to_string()], "endpoint {place}");
    }
    assert!(faults.iter().all(|fault| fault.fired() == 1), "{faults:?}");
}

#[tokio::test]
async fn who_has_it_is_enough_to_go_on_and_who_hangs_is_not_asked_twice_at_once() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    let [hanging, good] = <[RpcProxy; 2]>::try_from(proxies(&node, 2).await).unwrap();
    hanging.inject(Fault::Hang.on(RAW_TRANSACTION));
    let mut profile = profile(vec![endpoint(&hanging.http_url()), endpoint(&good.http_url())]);
    profile.request_timeout = Duration::from_secs(3_600);
    let pool = Pool::new(&profile).unwrap();
    let asked = || [hanging.raw_transactions().len(), good.raw_transactions().len()];
    let long = Duration::from_secs(3_600);

    let mut sending = pool.broadcast(RAW, Route::Public);
    let told = sending.until_taken(long).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].answer, SendAnswer::Accepted);
    let late: Vec<_> = sending.unanswered().map(tokio::spawn).collect();
    wait_until("the one that hangs was asked", DEADLINE, async || asked() == [1, 1]).await.unwrap();

    // The next block comes, and the endpoint has not answered yet.
    let mut again = pool.broadcast(RAW, Route::Public);
    assert!(!again.is_to_nobody());
    assert_eq!(again.until_taken(long).await.len(), 1);
    assert_eq!(asked(), [1, 2], "the same bytes were handed to an endpoint that is busy with them");
    let mut other = pool.broadcast(Bytes::from_static(&[0x02, 0xf8, 0x02]), Route::Public);
    other.until_taken(long).await;
    assert_eq!(other.unanswered().count(), 1, "other bytes are");

    drop(hanging);
    let told = futures::future::join_all(late).await.remove(0).unwrap();
    assert!(matches!(told.answer, SendAnswer::Ambiguous(_)), "{told:?}");
    let told = pool.broadcast(RAW, Route::Public).all().await;
    assert_eq!(told.len(), 2, "it has answered, and is asked again");
}

#[tokio::test]
async fn where_nobody_has_it_the_wait_is_bounded() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    let proxies = proxies(&node, 2).await;
    proxies[0].inject(Fault::Hang.on(RAW_TRANSACTION));
    proxies[1].inject(Fault::rpc_error(-32000, "nonce too low: next nonce 7").on(RAW_TRANSACTION));
    let mut profile = profile(proxies.iter().map(|proxy| endpoint(&proxy.http_url())).collect());
    profile.request_timeout = Duration::from_secs(3_600);
    let pool = Pool::new(&profile).unwrap();
    let mut sending = pool.broadcast(RAW, Route::Public);
    // Without the bound this would be an hour.
    let told = sending.until_taken(Duration::from_millis(200)).await;
    let told = answers(told);
    assert!(told.is_empty() || told == [SendAnswer::NonceTooLow], "{told:?}");
    assert_eq!(sending.unanswered().count(), 2 - told.len());
    assert!(pool.broadcast(RAW, Route::Private).is_to_nobody());
}

#[tokio::test]
async fn only_send_endpoints_are_asked_and_never_one_of_another_chain() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    let proxies = proxies(&node, 3).await;
    let wrong = proxies[2].inject(Fault::WrongChainId(10));
    let mut profile = profile(vec![endpoint(&proxies[0].http_url())]);
    profile.send = vec![endpoint(&proxies[1].http_url()), endpoint(&proxies[2].http_url())];
    let pool = Pool::new(&profile).unwrap();
    pool.probe_all().await;
    until_state(&pool, 2, EndpointState::Quarantined).await;

    let told = pool.broadcast(RAW, Route::Public).all().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].answer, SendAnswer::Accepted);
    assert_eq!(told[0].endpoint, proxies[1].http_url().trim_start_matches("http://"));
    assert!(wrong.fired() > 0);
    let counts: Vec<_> = proxies.iter().map(|proxy| proxy.raw_transactions().len()).collect();
    assert_eq!(counts, [0, 1, 0]);
}

#[tokio::test]
async fn private_bytes_reach_private_endpoints_and_nobody_else() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    let proxies = proxies(&node, 4).await;
    let [read, public, relay, both] = &proxies[..] else { unreachable!() };
    let mut profile = profile(vec![endpoint(&read.http_url())]);
    profile.send = vec![endpoint(&public.http_url()), endpoint(&both.http_url())];
    profile.private_send = vec![endpoint(&relay.http_url()), endpoint(&both.http_url())];
    let pool = Pool::new(&profile).unwrap();
    let counts = || -> Vec<_> { proxies.iter().map(|p| p.raw_transactions().len()).collect() };

    assert_eq!(pool.broadcast(RAW, Route::Private).all().await.len(), 2);
    assert_eq!(counts(), [0, 0, 1, 1]);
    assert_eq!(pool.broadcast(RAW, Route::Public).all().await.len(), 2);
    assert_eq!(counts(), [0, 1, 1, 2]);
    assert_eq!(pool.broadcast(RAW, Route::Everywhere).all().await.len(), 3, "the shared one once");
    assert_eq!(counts(), [0, 2, 2, 3]);
    assert_eq!(relay.count("eth_blockNumber"), 0, "a relay gets no reads");

    // Without private endpoints a private transaction goes nowhere, rather than public.
    profile.private_send.clear();
    let pool = Pool::new(&profile).unwrap();
    assert!(pool.broadcast(RAW, Route::Private).all().await.is_empty());
    assert_eq!(counts(), [0, 2, 2, 3]);
}

#[tokio::test]
async fn answer_with_another_hash_is_not_taken_for_acceptance() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    node.on(RAW_TRANSACTION, |_| Ok(json!(B256::repeat_byte(9))));
    let pool = Pool::new(&profile(vec![endpoint(&node.http_url())])).unwrap();
    let told = answers(pool.broadcast(RAW, Route::Public).all().await);
    assert!(matches!(told[..], [SendAnswer::Ambiguous(_)]), "{told:?}");
}

#[tokio::test]
async fn provider_for_reads_cannot_send() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    let pool = Pool::new(&profile(vec![endpoint(&node.http_url())])).unwrap();
    let error = pool.provider().send_raw_transaction(&RAW).await.unwrap_err();
    assert!(error.to_string().contains("only reads"), "{error}");
    assert!(node.raw_transactions().is_empty());
}

fn receipt(hash: &Value) -> Value {
    json!({
        "transactionHash": hash, "transactionIndex": "0x0", "blockHash": B256::repeat_byte(1),
        "blockNumber": "0x5", "from": "0x0000000000000000000000000000000000000001",
        "to": "0x0000000000000000000000000000000000000002", "cumulativeGasUsed": "0x5208",
        "gasUsed": "0x5208", "effectiveGasPrice": "0x3b9aca00", "contractAddress": null,
        "logs": [], "logsBloom": format!("0x{}", "00".repeat(256)), "status": "0x1",
        "type": "0x2", "l1Fee": "0x2a"
    })
}

async fn node_with_receipts(unknown: B256) -> MockNode {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    node.on("eth_getTransactionReceipt", move |params| {
        let hash = &params[0];
        Ok(if *hash == json!(unknown) { Value::Null } else { receipt(hash) })
    });
    node
}

#[tokio::test]
async fn receipts_come_in_one_request_in_order_and_with_the_chains_own_fields() {
    let hashes = [keccak256([1]), keccak256([2]), keccak256([3])];
    let node = node_with_receipts(hashes[1]).await;
    let pool = Pool::new(&profile(vec![endpoint(&node.http_url())])).unwrap();

    let receipts = pool.receipts(&hashes).await.unwrap();
    let told: Vec<_> =
        receipts.iter().map(|r| r.as_ref().map(|r| r.inner.transaction_hash)).collect();
    assert_eq!(told, [Some(hashes[0]), None, Some(hashes[2])]);
    let l1_fee = receipts[0].as_ref().and_then(|receipt| receipt.other.get("l1Fee"));
    assert_eq!(l1_fee, Some(&json!("0x2a")));

    let asked = node.log().requests();
    let packets: Vec<_> = asked
        .iter()
        .filter(|request| request.method == "eth_getTransactionReceipt")
        .map(|request| request.packet)
        .collect();
    assert!(packets.len() == 3 && packets.iter().all(|p| *p == packets[0]), "{packets:?}");
}

#[tokio::test]
async fn receipts_come_one_by_one_where_batches_are_refused() {
    let hashes = [keccak256([1]), keccak256([2]), keccak256([3])];
    let node = node_with_receipts(B256::ZERO).await;
    let proxies = proxies(&node, 1).await;
    let refused = proxies[0].inject(Fault::status(400).on("eth_getTransactionReceipt").times(3));
    let pool = Pool::new(&profile(vec![endpoint(&proxies[0].http_url())])).unwrap();

    let receipts = pool.receipts(&hashes).await.unwrap();
    assert!(receipts.iter().all(Option::is_some), "{receipts:?}");
    assert!(refused.fired() > 0);
}
