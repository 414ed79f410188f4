//! Endpoints with the right chain id on different forks.

use ballast_chains::{ChainProfile, pool::EndpointState};
use ballast_test_support::{Fault, MockNode, RpcProxy, wait_until};

use crate::{
    chain::{BLOCK_TIME, CHAIN_ID, DEADLINE, endpoint, endpoint_with_ws, profile, until_state},
    follower::Follower,
};

/// Nodes of one chain, so far.
async fn nodes<const N: usize>(blocks: u64) -> [MockNode; N] {
    let mut nodes = Vec::new();
    for _ in 0..N {
        let node = MockNode::start(CHAIN_ID).await.unwrap();
        node.push_blocks(blocks);
        nodes.push(node);
    }
    nodes.try_into().unwrap()
}

fn over(nodes: &[&MockNode]) -> ChainProfile {
    profile(nodes.iter().map(|node| endpoint(&node.http_url())).collect())
}

async fn reach(follower: &mut Follower, node: &MockNode) {
    let head = node.head();
    let what = format!("head {} {}", head.number, head.hash);
    follower.until(&what, |follower| follower.top() == Some((head.number, head.hash))).await;
}

/// Waits until the pool tells of a dispute, or of none, while events are taken.
async fn until_disputed(follower: &mut Follower, disputed: bool) -> Option<String> {
    let end = tokio::time::Instant::now() + DEADLINE;
    loop {
        let dispute = follower.pool.dispute();
        if dispute.is_some() == disputed {
            return dispute;
        }
        assert!(tokio::time::Instant::now() < end, "the dispute is {dispute:?}");
        follower.listen(BLOCK_TIME / 4).await;
    }
}

fn label(node: &MockNode) -> String {
    node.http_url().trim_start_matches("http://").to_owned()
}

#[tokio::test]
async fn the_majority_is_followed_although_the_preferred_endpoint_names_higher_heads() {
    let [odd, right, also_right] = nodes(20).await;
    let mut follower = Follower::start(&over(&[&odd, &right, &also_right]), 64);
    reach(&mut follower, &odd).await;

    odd.set_branch(7);
    odd.push_blocks(9);
    right.push_blocks(6);
    also_right.push_blocks(6);
    reach(&mut follower, &right).await;
    until_state(&follower.pool, 0, EndpointState::Forked).await;
    // The odd one goes on being ahead and is followed by nobody.
    let reorgs = follower.reorgs.len();
    for _ in 0..3 {
        odd.push_blocks(2);
        right.push_blocks(1);
        also_right.push_blocks(1);
        reach(&mut follower, &right).await;
    }
    assert_eq!(follower.reorgs.len(), reorgs, "the stream swung to and fro");
    assert_eq!(follower.pool.dispute(), None, "two of three are a majority");
    assert_eq!(follower.pool.health()[1].state, EndpointState::Fit);

    // Back on the chain, the preferred endpoint gets its reads again.
    odd.rollback(odd.head().number - 20);
    odd.set_branch(0);
    odd.push_blocks(9);
    until_state(&follower.pool, 0, EndpointState::Fit).await;
    right.push_block();
    odd.push_block();
    reach(&mut follower, &right).await;
}

#[tokio::test]
async fn a_chain_that_nobody_else_knows_does_not_capture_the_stream() {
    let [right, also_right, odd] = nodes(20).await;
    // A chain that shares nothing with the others', and is far ahead.
    odd.rollback(20);
    odd.set_branch(9);
    odd.push_blocks(900);
    let ws = endpoint_with_ws(&odd.http_url(), &odd.ws_url());
    let mut profile = over(&[&right, &also_right]);
    profile.rpc.push(ws);
    let mut follower = Follower::start(&profile, 64);
    reach(&mut follower, &right).await;
    for _ in 0..5 {
        odd.push_block();
        right.push_block();
        also_right.push_block();
        reach(&mut follower, &right).await;
    }
    assert!(follower.reorgs.is_empty(), "{:?}", follower.reorgs);
    assert_eq!(follower.heads.len(), 6);
}

#[tokio::test]
async fn one_against_one_is_a_dispute_that_follows_the_preferred_and_ends_by_itself() {
    let [preferred, other] = nodes(20).await;
    let mut follower = Follower::start(&over(&[&preferred, &other]), 64);
    reach(&mut follower, &preferred).await;

    preferred.push_blocks(6);
    other.set_branch(3);
    other.push_blocks(8);
    let dispute = until_disputed(&mut follower, true).await.unwrap();
    reach(&mut follower, &preferred).await;
    let number: u64 =
        dispute.strip_prefix("block ").and_then(|t| t.split_once(':')).unwrap().0.parse().unwrap();
    let (ours, theirs) = (preferred.block(number).unwrap(), other.block(number).unwrap());
    let expected = format!(
        "block {number}: {} by {}; {} by {}",
        ours.hash,
        label(&preferred),
        theirs.hash,
        label(&other)
    );
    assert_eq!(dispute, expected);

    // Neither more blocks nor the other's lead change anything.
    for _ in 0..3 {
        preferred.push_block();
        other.push_blocks(3);
        reach(&mut follower, &preferred).await;
    }
    assert!(follower.pool.dispute().is_some());

    other.rollback(other.head().number - 20);
    other.set_branch(0);
    other.push_blocks(preferred.head().number - 20);
    until_disputed(&mut follower, false).await;
    until_state(&follower.pool, 1, EndpointState::Fit).await;
    preferred.push_block();
    other.push_block();
    reach(&mut follower, &preferred).await;
}

#[tokio::test]
async fn the_other_chain_is_followed_when_the_preferred_endpoint_is_gone() {
    let [preferred, other] = nodes(20).await;
    let mut follower = Follower::start(&over(&[&preferred, &other]), 64);
    reach(&mut follower, &preferred).await;
    preferred.push_blocks(6);
    other.set_branch(3);
    other.push_blocks(6);
    until_disputed(&mut follower, true).await;
    preferred.set_down(true);
    until_disputed(&mut follower, false).await;
    reach(&mut follower, &other).await;
}

#[tokio::test]
async fn lag_and_short_reorganisations_are_no_dispute() {
    let [first, second] = nodes(30).await;
    let lagging = RpcProxy::start(&second.http_url()).await.unwrap();
    let lag = lagging.inject(Fault::Lag(2));
    let endpoints = vec![endpoint(&first.http_url()), endpoint(&lagging.http_url())];
    let mut follower = Follower::start(&profile(endpoints), 64);
    reach(&mut follower, &first).await;
    for depth in [1, 2, 1, 2] {
        first.push_blocks(2);
        second.push_blocks(2);
        reach(&mut follower, &first).await;
        // The preferred endpoint reorganises, the other one a block later; then both go on.
        first.reorg(depth);
        reach(&mut follower, &first).await;
        assert_eq!(follower.pool.dispute(), None);
        second.reorg(depth);
        follower.listen(BLOCK_TIME).await;
        assert_eq!(follower.pool.dispute(), None);
    }
    assert!(lag.fired() > 0);
    let second = || follower.pool.health()[1].state;
    wait_until("the second endpoint to be fit", DEADLINE, async || {
        if second() == EndpointState::Fit { Ok(()) } else { Err(format!("{:?}", second())) }
    })
    .await
    .unwrap();
    assert_eq!(follower.reorgs.len(), 4, "{:?}", follower.reorgs);
}

#[tokio::test]
async fn a_deep_reorganisation_of_everyone_is_followed() {
    let [first, second, third] = nodes(40).await;
    let mut follower = Follower::start(&over(&[&first, &second, &third]), 64);
    reach(&mut follower, &first).await;
    for node in [&first, &second, &third] {
        node.push_blocks(12);
    }
    reach(&mut follower, &first).await;
    for node in [&third, &second, &first] {
        node.reorg(10);
        node.push_block();
    }
    reach(&mut follower, &first).await;
    assert_eq!(follower.reorgs.last(), Some(&(42, 10)));
    assert_eq!(follower.pool.dispute(), None);
}

#[tokio::test]
async fn forks_cost_no_more_than_one_question_per_endpoint_and_block() {
    let [preferred, other] = nodes(20).await;
    let proxy = RpcProxy::start(&other.http_url()).await.unwrap();
    let endpoints = vec![endpoint(&preferred.http_url()), endpoint(&proxy.http_url())];
    let mut follower = Follower::start(&profile(endpoints), 64);
    reach(&mut follower, &preferred).await;
    preferred.push_blocks(6);
    other.set_branch(3);
    other.push_blocks(6);
    until_disputed(&mut follower, true).await;

    proxy.clear();
    let start = std::time::Instant::now();
    follower.listen(BLOCK_TIME * 12).await;
    let blocks = start.elapsed().as_millis() / BLOCK_TIME.as_millis();
    let asked = proxy.requests().len();
    assert!(asked <= usize::try_from(blocks).unwrap() + 1, "{asked} in {blocks} blocks");
}
