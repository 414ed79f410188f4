//! Reads, while endpoints hang, refuse, belong to another chain or fall behind.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{Address, Bytes},
    providers::Provider as _,
    rpc::types::TransactionRequest,
};
use ballast_chains::pool::{EndpointState, Pool};
use ballast_test_support::{Fault, MockNode, RpcFailure, RpcProxy, wait_until};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::chain::{BLOCK_TIME, CHAIN_ID, DEADLINE, TIMEOUT, endpoint, profile, until_state};

/// A method that only reads use: probes ask for whole blocks and for the chain id.
const READ: &str = "eth_blockNumber";
const HEIGHT: u64 = 30;

async fn node() -> MockNode {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    node.push_blocks(HEIGHT);
    node
}

async fn proxies<const N: usize>(node: &MockNode) -> [RpcProxy; N] {
    let mut proxies = Vec::new();
    for _ in 0..N {
        proxies.push(RpcProxy::start(&node.http_url()).await.unwrap());
    }
    proxies.try_into().unwrap()
}

fn pool(proxies: &[RpcProxy]) -> Pool {
    let endpoints = proxies.iter().map(|proxy| endpoint(&proxy.http_url())).collect();
    Pool::new(&profile(endpoints)).unwrap()
}

/// Runs the pool's probes until the set is dropped.
fn looked_after(pool: &Pool) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(pool.clone().run(CancellationToken::new()));
    tasks
}

#[tokio::test]
async fn first_read_of_all_is_right_within_one_time_out() {
    let node = node().await;
    let proxies: [_; 5] = proxies(&node).await;
    let faults = [
        proxies[0].inject(Fault::Hang),
        proxies[1].inject(Fault::status(429)),
        proxies[2].inject(Fault::status(500)),
        proxies[3].inject(Fault::WrongChainId(5)),
    ];
    let pool = pool(&proxies);

    let start = Instant::now();
    assert_eq!(pool.provider().get_block_number().await.unwrap(), HEIGHT);
    let took = start.elapsed();
    assert!(took < TIMEOUT, "the first read took {took:?}");

    for (place, fault) in faults.iter().enumerate() {
        assert!(fault.fired() > 0, "fault {place} did not fire");
        assert_eq!(proxies[place].count(READ), 0, "endpoint {place} got a read unverified");
    }
    let start = Instant::now();
    assert_eq!(pool.provider().get_block_number().await.unwrap(), HEIGHT);
    assert!(start.elapsed() < TIMEOUT / 8, "the second read should go straight to the good one");
}

#[tokio::test]
async fn endpoints_known_to_be_unfit_get_no_reads_until_they_recover() {
    let node = node().await;
    let proxies: [_; 6] = proxies(&node).await;
    let faults = [
        proxies[0].inject(Fault::Hang),
        proxies[1].inject(Fault::status(429)),
        proxies[2].inject(Fault::status(500)),
        proxies[3].inject(Fault::WrongChainId(5)),
        proxies[4].inject(Fault::Lag(20)),
    ];
    let pool = pool(&proxies);
    let _probes = looked_after(&pool);
    let expected = [
        EndpointState::Cooling,
        EndpointState::Cooling,
        EndpointState::Cooling,
        EndpointState::Quarantined,
        EndpointState::Lagging,
        EndpointState::Fit,
    ];
    for (place, state) in expected.into_iter().enumerate() {
        until_state(&pool, place, state).await;
    }

    // Several cool-downs long: an endpoint that comes back only to fail again would show.
    proxies.iter().for_each(|proxy| proxy.clear());
    let mut reads = 0_u64;
    wait_until("two more cool-downs", DEADLINE, async || {
        assert_eq!(pool.provider().get_block_number().await.unwrap(), HEIGHT);
        reads += 1;
        let probed = |place: usize| proxies[place].requests().len();
        if probed(1) >= 2 && probed(2) >= 2 { Ok(()) } else { Err(format!("{}", probed(1))) }
    })
    .await
    .unwrap();
    for (place, fault) in faults.iter().enumerate() {
        assert!(fault.fired() > 0, "fault {place} did not fire");
        assert_eq!(proxies[place].count(READ), 0, "endpoint {place} got reads while unfit");
    }
    assert_eq!(proxies[5].count(READ), reads);

    // Back in health, the preferred endpoint gets the reads again.
    proxies[0].heal();
    until_state(&pool, 0, EndpointState::Fit).await;
    assert_eq!(pool.provider().get_block_number().await.unwrap(), HEIGHT);
    assert_eq!(proxies[0].count(READ), 1);
}

#[tokio::test]
async fn endpoint_that_begins_to_hang_costs_a_part_of_one_time_out_once() {
    let node = node().await;
    let proxies: [_; 2] = proxies(&node).await;
    let pool = pool(&proxies);
    pool.probe_all().await;
    assert_eq!(pool.provider().get_block_number().await.unwrap(), HEIGHT);
    assert_eq!(proxies[0].count(READ), 1, "the first endpoint is preferred");

    let hang = proxies[0].inject(Fault::Hang);
    let start = Instant::now();
    assert_eq!(pool.provider().get_block_number().await.unwrap(), HEIGHT);
    assert!(start.elapsed() < TIMEOUT, "took {:?}", start.elapsed());
    assert_eq!(hang.fired(), 1);
    assert_eq!(pool.health()[0].state, EndpointState::Cooling);

    for _ in 0..20 {
        assert_eq!(pool.provider().get_block_number().await.unwrap(), HEIGHT);
    }
    assert_eq!(proxies[0].count(READ), 2, "a cooling endpoint got reads");
}

#[tokio::test]
async fn without_a_fit_endpoint_the_least_bad_one_is_asked_but_never_the_wrong_chain() {
    let node = node().await;
    let proxies: [_; 2] = proxies(&node).await;
    let wrong = proxies[0].inject(Fault::WrongChainId(5));
    let pool = pool(&proxies);
    pool.probe_all().await;
    let outage = proxies[1].inject(Fault::status(503).on(READ).times(1));

    pool.provider().get_block_number().await.unwrap_err();
    assert_eq!((wrong.fired(), outage.fired()), (1, 1));
    assert_eq!(pool.health()[1].state, EndpointState::Cooling);
    assert_eq!(pool.provider().get_block_number().await.unwrap(), HEIGHT);
    assert_eq!(pool.health()[1].state, EndpointState::Fit, "an answered read ends the cool-down");
    assert_eq!(proxies[0].count(READ), 0, "the wrong chain was asked");
}

#[tokio::test]
async fn revert_ends_at_the_first_endpoint() {
    let node = node().await;
    let reason = Bytes::from_static(b"\x08\xc3\x79\xa0 no");
    let revert = RpcFailure::revert(&reason);
    node.on_call(move |_| Err(revert.clone()));
    let proxies: [_; 2] = proxies(&node).await;
    let pool = pool(&proxies);

    let call = TransactionRequest::default().to(Address::repeat_byte(1));
    let error = pool.provider().call(call).await.unwrap_err();
    let data = error.as_error_resp().and_then(|error| error.as_revert_data());
    assert_eq!(data, Some(reason));
    assert_eq!((proxies[0].count("eth_call"), proxies[1].count("eth_call")), (1, 0));
    assert_eq!(pool.health()[0].state, EndpointState::Fit, "a revert is no failure");
}

#[tokio::test]
async fn block_that_one_endpoint_lacks_is_read_from_the_next() {
    let node = node().await;
    let proxies: [_; 2] = proxies(&node).await;
    let missing = Fault::RpcError(RpcFailure::header_not_found());
    let missing = proxies[0].inject(missing.on("eth_call"));
    let pool = pool(&proxies);

    let call = TransactionRequest::default().to(Address::repeat_byte(1));
    pool.provider().call(call).hash(node.head().hash).await.unwrap();
    assert_eq!((missing.fired(), proxies[1].count("eth_call")), (1, 1));
    assert_eq!(pool.health()[0].state, EndpointState::Fit, "being a moment late is no failure");
}

#[tokio::test]
async fn block_that_nobody_has_yet_is_asked_for_again() {
    let node = node().await;
    let [proxy] = proxies(&node).await;
    let missing = Fault::RpcError(RpcFailure::header_not_found());
    let missing = proxy.inject(missing.on("eth_call").times(2));
    let pool = pool(std::slice::from_ref(&proxy));

    let call = TransactionRequest::default().to(Address::repeat_byte(1));
    pool.provider().call(call).hash(node.head().hash).await.unwrap();
    assert_eq!((missing.fired(), proxy.count("eth_call")), (2, 3));
}

#[tokio::test]
async fn garbage_and_broken_answers_go_on_to_the_next_endpoint() {
    for fault in [Fault::Garbage, Fault::Truncate, Fault::Drop] {
        let node = node().await;
        let proxies: [_; 2] = proxies(&node).await;
        let pool = pool(&proxies);
        pool.probe_all().await;
        let name = format!("{fault:?}");
        let fault = proxies[0].inject(fault.on(READ));
        assert_eq!(pool.provider().get_block_number().await.unwrap(), HEIGHT, "{name}");
        assert_eq!(fault.fired(), 1, "{name}");
        assert_eq!(pool.health()[0].state, EndpointState::Cooling, "{name}");
    }
}

#[tokio::test]
async fn probes_are_at_most_one_request_per_endpoint_and_block_time() {
    let node = node().await;
    let [proxy] = proxies(&node).await;
    let pool = pool(std::slice::from_ref(&proxy));
    pool.probe_all().await;
    proxy.clear();

    let start = Instant::now();
    let _probes = looked_after(&pool);
    wait_until("several probes", DEADLINE, async || proxy.requests().len() >= 6).await.unwrap();
    let blocks = start.elapsed().as_millis() / BLOCK_TIME.as_millis();
    let probes = proxy.requests().len();
    assert!(probes <= usize::try_from(blocks).unwrap() + 1, "{probes} probes in {blocks} blocks");
}

#[tokio::test]
async fn reads_beyond_the_rate_go_to_the_next_endpoint_without_blame() {
    let node = node().await;
    let proxies: [_; 2] = proxies(&node).await;
    let mut slow = endpoint(&proxies[0].http_url());
    slow.requests_per_second = std::num::NonZeroU32::new(2);
    let pool = Pool::new(&profile(vec![slow, endpoint(&proxies[1].http_url())])).unwrap();
    pool.probe_all().await;

    let start = Instant::now();
    let reads = (0..20).map(|_| async { pool.provider().get_block_number().await });
    let answers = futures::future::try_join_all(reads).await.unwrap();
    assert_eq!(answers, [HEIGHT; 20]);
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    assert!(proxies[1].count(READ) >= 10, "the second endpoint got too little");
    assert_eq!(pool.health()[0].state, EndpointState::Fit, "our own limit is not its fault");
}
