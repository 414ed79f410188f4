//! The head stream over scripted nodes: what no real node does on demand.

use std::time::Duration;

use ballast_chains::{ChainProfile, pool::EndpointState};
use ballast_test_support::{Fault, MockBlock, MockNode, RpcProxy, WS_CONNECT, wait_until};

use crate::{
    chain::{BLOCK_TIME, CHAIN_ID, DEADLINE, endpoint, endpoint_with_ws, profile, until_state},
    follower::Follower,
};

async fn node(blocks: u64) -> MockNode {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    node.push_blocks(blocks);
    node
}

fn by_poll(node: &MockNode) -> ChainProfile {
    profile(vec![endpoint(&node.http_url())])
}

fn by_ws(node: &MockNode) -> ChainProfile {
    profile(vec![endpoint_with_ws(&node.http_url(), &node.ws_url())])
}

async fn reach(follower: &mut Follower, head: MockBlock) {
    let what = format!("head {}", head.number);
    follower.until(&what, |follower| follower.top() == Some((head.number, head.hash))).await;
}

async fn subscribed(node: &MockNode, count: usize) {
    let what = format!("{count} subscribers");
    wait_until(&what, DEADLINE, async || node.subscribers() == count).await.unwrap();
}

#[tokio::test]
async fn polled_heads_come_in_order_and_none_twice() {
    let node = node(5).await;
    let mut follower = Follower::start(&by_poll(&node), 8);
    reach(&mut follower, node.head()).await;
    for burst in [1, 1, 40, 2] {
        reach(&mut follower, node.push_blocks(burst)).await;
    }
    assert_eq!(follower.heads.len(), 45, "heads 5 to 49");
    assert!(follower.reorgs.is_empty());
}

#[tokio::test]
async fn duplicated_swapped_and_lost_announcements_change_nothing() {
    for fault in [Fault::DuplicateHeads, Fault::SwapHeads, Fault::DropHeads] {
        let node = node(5).await;
        let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
        let name = format!("{fault:?}");
        let fault = proxy.inject(fault);
        let ws = endpoint_with_ws(&proxy.http_url(), &proxy.ws_url());
        let mut follower = Follower::start(&profile(vec![ws]), 8);
        reach(&mut follower, node.head()).await;
        subscribed(&node, 1).await;
        for _ in 0..3 {
            reach(&mut follower, node.push_blocks(4)).await;
        }
        assert!(fault.fired() > 0, "{name} did not fire");
        assert_eq!((follower.heads.len(), follower.reorgs.len()), (13, 0), "{name}");
    }
}

#[tokio::test]
async fn subscription_that_is_cut_is_made_again_and_the_gap_filled() {
    let node = node(5).await;
    let mut follower = Follower::start(&by_ws(&node), 8);
    subscribed(&node, 1).await;
    reach(&mut follower, node.head()).await;

    node.set_down(true);
    subscribed(&node, 0).await;
    let missed = node.push_blocks(7);
    node.set_down(false);
    reach(&mut follower, missed).await;
    subscribed(&node, 1).await;
    reach(&mut follower, node.push_block()).await;
    assert_eq!((follower.heads.len(), follower.reorgs.len()), (9, 0));
}

#[tokio::test]
async fn subscription_that_is_silent_while_blocks_come_is_made_anew() {
    let node = node(5).await;
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let ws = endpoint_with_ws(&proxy.http_url(), &proxy.ws_url());
    let mut follower = Follower::start(&profile(vec![ws]), 8);
    subscribed(&node, 1).await;
    reach(&mut follower, node.push_block()).await;
    assert_eq!(proxy.count(WS_CONNECT), 1);

    // The connection lives and answers; only the heads do not come.
    let silent = proxy.inject(Fault::DropHeads);
    let mut head = node.push_block();
    wait_until("a new subscription", DEADLINE, async || {
        head = node.push_block();
        reach(&mut follower, head).await;
        proxy.count(WS_CONNECT) > 1
    })
    .await
    .unwrap();
    assert!(silent.fired() > 0);
    assert!(follower.reorgs.is_empty());
}

#[tokio::test]
async fn polls_take_over_while_the_subscription_cannot_be_had() {
    let node = node(5).await;
    let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
    let hang = proxy.inject(Fault::Hang.on(WS_CONNECT));
    let ws = endpoint_with_ws(&proxy.http_url(), &proxy.ws_url());
    let mut follower = Follower::start(&profile(vec![ws]), 8);
    reach(&mut follower, node.head()).await;
    reach(&mut follower, node.push_blocks(3)).await;
    wait_until("the handshake to hang", DEADLINE, async || hang.fired() > 0).await.unwrap();
}

#[tokio::test]
async fn reorganisation_names_the_common_ancestor_and_tells_the_new_heads() {
    for profile_of in [by_poll, by_ws] {
        let node = node(10).await;
        let mut follower = Follower::start(&profile_of(&node), 8);
        reach(&mut follower, node.head()).await;
        reach(&mut follower, node.push_blocks(5)).await;
        reach(&mut follower, node.reorg(3)).await;
        assert_eq!(follower.reorgs.first(), Some(&(12, 3)));
        reach(&mut follower, node.push_block()).await;
        assert_eq!(follower.reorgs.len(), 1, "told once");
    }
}

#[tokio::test]
async fn chain_that_goes_back_is_believed_after_some_block_times() {
    let node = node(10).await;
    let mut follower = Follower::start(&by_poll(&node), 8);
    reach(&mut follower, node.head()).await;
    reach(&mut follower, node.push_blocks(5)).await;
    let back = node.rollback(4);
    reach(&mut follower, back).await;
    assert_eq!(follower.reorgs, [(11, 4)]);
    reach(&mut follower, node.push_blocks(6)).await;
}

#[tokio::test]
async fn lagging_endpoint_causes_no_reorganisation_even_when_it_is_the_only_one_left() {
    let node = node(30).await;
    let lagging = RpcProxy::start(&node.http_url()).await.unwrap();
    let best = RpcProxy::start(&node.http_url()).await.unwrap();
    let lag = lagging.inject(Fault::Lag(5));
    let endpoints = vec![endpoint(&lagging.http_url()), endpoint(&best.http_url())];
    let mut follower = Follower::start(&profile(endpoints), 8);
    reach(&mut follower, node.head()).await;
    until_state(&follower.pool, 0, EndpointState::Lagging).await;

    best.set_down(true);
    until_state(&follower.pool, 1, EndpointState::Cooling).await;
    // Longer than the stream waits before it believes that a chain went back.
    let events = follower.listen(BLOCK_TIME * 3 + Duration::from_secs(3)).await;
    assert_eq!((events, follower.reorgs.len()), (0, 0), "a lagging endpoint was believed");
    assert!(lag.fired() > 10);

    // As it moves on it leads the stream on from where it was.
    node.push_blocks(6);
    reach(&mut follower, node.block(31).unwrap()).await;
    assert!(follower.reorgs.is_empty());
}

#[tokio::test]
async fn slow_consumer_holds_the_stream_up_and_misses_nothing() {
    let node = node(5).await;
    let mut follower = Follower::start(&by_ws(&node), 1);
    subscribed(&node, 1).await;
    // Far more than the channel and the subscription's buffers hold.
    let top = node.push_blocks(200);
    let reorged = node.reorg(3);
    assert_ne!(top, reorged);
    reach(&mut follower, reorged).await;
    reach(&mut follower, node.push_block()).await;
}

#[tokio::test]
async fn stall_is_told_once_and_again_after_the_next_head() {
    let node = node(5).await;
    let mut profile = by_poll(&node);
    profile.stale_after = BLOCK_TIME * 2;
    let mut follower = Follower::start(&profile, 8);
    reach(&mut follower, node.head()).await;
    follower.until("the stall", |follower| follower.stalls.len() == 1).await;
    assert_eq!(follower.listen(profile.stale_after * 3).await, 0, "told more than once");
    reach(&mut follower, node.push_block()).await;
    follower.until("the next stall", |follower| follower.stalls.len() == 2).await;
    assert!(follower.stalls.iter().all(|age| *age >= profile.stale_after));
}

#[tokio::test]
async fn subscription_to_another_chain_is_not_listened_to() {
    let node = node(5).await;
    let other = MockNode::start(99).await.unwrap();
    other.push_blocks(500);
    let mut follower =
        Follower::start(&profile(vec![endpoint_with_ws(&node.http_url(), &other.ws_url())]), 8);
    reach(&mut follower, node.head()).await;
    wait_until("the chain id to be asked", DEADLINE, async || other.log().count("eth_chainId") > 0)
        .await
        .unwrap();
    other.push_block();
    reach(&mut follower, node.push_blocks(2)).await;
    assert_eq!(other.subscribers(), 0);
}
