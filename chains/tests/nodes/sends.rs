//! Raw transactions and receipts.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::{
    primitives::{B256, Bytes, keccak256},
    providers::Provider as _,
};
use ballast_chains::pool::{Answer, EndpointState, Pool, Route, SendAnswer, Sending, Wanted};
use ballast_test_support::{Fault, MockNode, RAW_TRANSACTION, RpcProxy, wait_until};
use futures::{
    FutureExt as _,
    future::{join_all, join3},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

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
    let told = answers(pool.broadcast(RAW, Route::Public, Wanted::ALWAYS).all().await);
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
async fn who_has_it_is_enough_to_go_on_and_who_hangs_is_asked_a_few_times_at_once() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    let [hanging, good] = <[RpcProxy; 2]>::try_from(proxies(&node, 2).await).unwrap();
    let hangs = hanging.inject(Fault::Hang.on(RAW_TRANSACTION));
    let mut profile = profile(vec![endpoint(&hanging.http_url()), endpoint(&good.http_url())]);
    profile.request_timeout = Duration::from_secs(3_600);
    let pool = Pool::new(&profile).unwrap();
    let asked = || [hanging.raw_transactions().len(), good.raw_transactions().len()];

    // Blocks come, and the endpoint does not answer.
    let mut late = JoinSet::new();
    let mut send = async |raw: Bytes| {
        let mut sending = pool.broadcast(raw, Route::Public, Wanted::ALWAYS);
        assert!(!sending.is_to_nobody());
        let told = sending.until_taken(Duration::from_secs(3_600)).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].answer, SendAnswer::Accepted);
        sending.unanswered().for_each(|unanswered| drop(late.spawn(unanswered)));
    };
    for _ in 0..10 {
        send(RAW).await;
    }
    // Other bytes have a count of their own.
    send(Bytes::from_static(&[0x02, 0xf8, 0x02])).await;
    let expected = async || asked() == [5, 11];
    wait_until("4 and 1, and 10 and 1", DEADLINE, expected).await.unwrap();
    assert_eq!(hangs.fired(), 5);

    drop(hanging);
    assert_eq!(late.len(), 5);
    while let Some(told) = late.join_next().await {
        let answer = told.unwrap().unwrap().answer;
        assert!(matches!(answer, SendAnswer::Ambiguous(_)), "{answer:?}");
    }
    let told = pool.broadcast(RAW, Route::Public, Wanted::ALWAYS).all().await;
    assert_eq!(told.len(), 2, "it has answered, and is asked again");
}

/// Two sends a second: blocks come faster.
async fn limited() -> (MockNode, RpcProxy, Pool) {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let mut limited = endpoint(&proxy.http_url());
    limited.requests_per_second = NonZeroU32::new(10);
    let mut profile = profile(vec![limited]);
    profile.request_timeout = Duration::from_secs(3_600);
    (node, proxy, Pool::new(&profile).unwrap())
}

/// Polled once: it has left, or waits for its turn.
fn begin(mut sending: Sending) -> Sending {
    assert!(sending.until_taken(Duration::ZERO).now_or_never().is_none_or(|told| told.is_empty()));
    sending
}

#[tokio::test]
async fn what_is_new_stands_behind_one_copy_of_the_same_bytes_at_most() {
    let (_node, proxy, pool) = limited().await;
    let send = |raw: &Bytes| begin(pool.broadcast(raw.clone(), Route::Public, Wanted::ALWAYS));
    let blocks: Vec<Sending> = (0..4).map(|_| send(&RAW)).collect();
    let unanswered: Vec<bool> = blocks.iter().map(Sending::is_unanswered).collect();
    assert_eq!(unanswered, [true, true, false, false], "one leaves and one waits");
    assert!(blocks.iter().all(|sending| !sending.is_to_nobody()));
    let urgent = Bytes::from_static(&[0x02, 0xf8, 0x02]);
    let told = join_all(blocks.into_iter().chain([send(&urgent)]).map(Sending::all)).await;
    let counts: Vec<usize> = told.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 1, 0, 0, 1]);
    assert!(told.iter().flatten().all(|answer| answer.answer == SendAnswer::Accepted));
    let expected = [&RAW, &RAW, &urgent].map(ToString::to_string);
    assert_eq!(proxy.raw_transactions(), expected);
    // Nothing waits any more.
    assert_eq!(send(&RAW).all().await.len(), 1);
}

#[tokio::test]
async fn what_is_not_wanted_any_more_when_its_turn_comes_does_not_leave() {
    let (_node, proxy, pool) = limited().await;
    let is_wanted = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&is_wanted);
    let wanted = Wanted::new(move || asked.load(Ordering::Relaxed));
    let left = begin(pool.broadcast(RAW, Route::Public, wanted.clone()));
    let waits = begin(pool.broadcast(RAW, Route::Public, wanted));
    assert!(left.is_unanswered() && waits.is_unanswered());
    is_wanted.store(false, Ordering::Relaxed);
    let urgent = Bytes::from_static(&[0x02, 0xf8, 0x02]);
    let sent = pool.broadcast(urgent.clone(), Route::Public, Wanted::ALWAYS);
    let (left, waits, sent) = join3(left.all(), waits.all(), sent.all()).await;
    // What has left is heard of, wanted or not; of what has not nobody says anything.
    assert_eq!((left.len(), waits.len(), sent.len()), (1, 0, 1));
    assert_eq!(proxy.raw_transactions(), [RAW.to_string(), urgent.to_string()]);
}

#[tokio::test]
async fn where_nobody_has_it_the_wait_is_bounded() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    let proxies = proxies(&node, 2).await;
    let low = Fault::rpc_error(-32000, "nonce too low: next nonce 7");
    let faults = [Fault::Hang.on(RAW_TRANSACTION), low.on(RAW_TRANSACTION)];
    let faults = [0, 1].map(|place| proxies[place].inject(faults[place].clone()));
    let mut profile = profile(proxies.iter().map(|proxy| endpoint(&proxy.http_url())).collect());
    profile.request_timeout = Duration::from_secs(3_600);
    let pool = Pool::new(&profile).unwrap();
    let mut sending = pool.broadcast(RAW, Route::Public, Wanted::ALWAYS);
    // Without the bound this would be an hour.
    let told = sending.until_taken(Duration::from_millis(200)).await;
    let told = answers(told);
    assert!(told.is_empty() || told == [SendAnswer::NonceTooLow], "{told:?}");
    let left: JoinSet<Option<Answer>> = sending.unanswered().collect();
    assert_eq!(left.len(), 2 - told.len());
    let fired = async || faults.iter().all(|fault| fault.fired() == 1);
    wait_until("both to be asked", DEADLINE, fired).await.unwrap();
    assert!(pool.broadcast(RAW, Route::Private, Wanted::ALWAYS).is_to_nobody());
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

    let told = pool.broadcast(RAW, Route::Public, Wanted::ALWAYS).all().await;
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

    assert_eq!(pool.broadcast(RAW, Route::Private, Wanted::ALWAYS).all().await.len(), 2);
    assert_eq!(counts(), [0, 0, 1, 1]);
    assert_eq!(pool.broadcast(RAW, Route::Public, Wanted::ALWAYS).all().await.len(), 2);
    assert_eq!(counts(), [0, 1, 1, 2]);
    assert_eq!(
        pool.broadcast(RAW, Route::Everywhere, Wanted::ALWAYS).all().await.len(),
        3,
        "the shared one once"
    );
    assert_eq!(counts(), [0, 2, 2, 3]);
    assert_eq!(relay.count("eth_blockNumber"), 0, "a relay gets no reads");

    // Without private endpoints a private transaction goes nowhere, rather than public.
    profile.private_send.clear();
    let pool = Pool::new(&profile).unwrap();
    assert!(pool.broadcast(RAW, Route::Private, Wanted::ALWAYS).all().await.is_empty());
    assert_eq!(counts(), [0, 2, 2, 3]);
}

#[tokio::test]
async fn answer_with_another_hash_is_not_taken_for_acceptance() {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    node.on(RAW_TRANSACTION, |_| Ok(json!(B256::repeat_byte(9))));
    let pool = Pool::new(&profile(vec![endpoint(&node.http_url())])).unwrap();
    let told = answers(pool.broadcast(RAW, Route::Public, Wanted::ALWAYS).all().await);
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

/// `null` is an answer: a read goes no further than the first endpoint.
#[tokio::test]
async fn a_receipt_that_the_first_endpoint_has_not_is_found_at_the_others() {
    let hashes = [keccak256([1]), keccak256([2])];
    let nodes = [node_with_receipts(B256::ZERO).await, node_with_receipts(hashes[1]).await];
    let [lost, hanging, good, failing] = <[RpcProxy; 4]>::try_from(
        [proxies(&nodes[0], 2).await, proxies(&nodes[1], 2).await]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>(),
    )
    .unwrap();
    let method = "eth_getTransactionReceipt";
    let nothing = lost.inject(Fault::rewrite(|_, _| Value::Null).on(method));
    let of = |proxies: &[&RpcProxy]| {
        Pool::new(&profile(proxies.iter().map(|p| endpoint(&p.http_url())).collect())).unwrap()
    };
    let alone = of(&[&good]);
    alone.probe_all().await;
    until_state(&alone, 0, EndpointState::Fit).await;
    assert!(alone.receipts_anywhere(&hashes).await.is_empty(), "it was asked before");
    assert_eq!(good.count(method), 0);

    let pool = of(&[&lost, &hanging, &failing, &good]);
    pool.probe_all().await;
    for place in 0..4 {
        until_state(&pool, place, EndpointState::Fit).await;
    }
    assert!(pool.receipts(&hashes[..1]).await.unwrap()[0].is_none(), "the first one's word");
    let faults =
        [hanging.inject(Fault::Hang.on(method)), failing.inject(Fault::status(500).on(method))];
    let told: Vec<B256> =
        pool.receipts_anywhere(&hashes).await.iter().map(|r| r.inner.transaction_hash).collect();
    assert_eq!(told, hashes[..1], "the good one's word, which has no other");
    assert_eq!(nothing.fired(), 3, "one by the read, and both here");
    assert!(faults.iter().all(|fault| fault.fired() > 0), "{faults:?}");
}
