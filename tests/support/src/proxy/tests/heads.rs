//! Faults of subscriptions.

use super::*;
use crate::ConnectionKind;

#[tokio::test]
async fn heads_pass_in_order() {
    let scene = Scene::new().await;
    let mut socket = scene.subscriber().await;
    scene.node.push_blocks(2);
    assert_eq!((socket.head().await, socket.head().await), (Some(11), Some(12)));
    scene.node.reorg(2);
    assert_eq!((socket.head().await, socket.head().await), (Some(11), Some(12)));
}

#[tokio::test]
async fn duplicates_come_twice() {
    let scene = Scene::new().await;
    let mut socket = scene.subscriber().await;
    let fault = scene.proxy.inject(Fault::DuplicateHeads.times(1));
    scene.node.push_blocks(2);
    let heads = [socket.head().await, socket.head().await, socket.head().await];
    assert_eq!(heads, [Some(11), Some(11), Some(12)]);
    assert_eq!(fault.fired(), 1);
}

#[tokio::test]
async fn swapped_heads_come_in_the_wrong_order() {
    let scene = Scene::new().await;
    let mut socket = scene.subscriber().await;
    let fault = scene.proxy.inject(Fault::SwapHeads.times(1));
    scene.node.push_blocks(3);
    let heads = [socket.head().await, socket.head().await, socket.head().await];
    assert_eq!(heads, [Some(12), Some(11), Some(13)]);
    assert_eq!(fault.fired(), 1);
}

#[tokio::test]
async fn dropped_heads_leave_a_gap_and_nothing_else() {
    let scene = Scene::new().await;
    let mut socket = scene.subscriber().await;
    let fault = scene.proxy.inject(Fault::DropHeads.times(2));
    scene.node.push_blocks(3);
    assert_eq!(socket.head().await, Some(13));
    assert_eq!(fault.fired(), 2);
}

#[tokio::test]
async fn cut_socket_can_be_opened_again() {
    let scene = Scene::new().await;
    let mut socket = scene.subscriber().await;
    let fault = scene.proxy.inject(Fault::CutWs.times(1));
    scene.node.push_block();
    assert_eq!(socket.text().await, None);
    assert_eq!(fault.fired(), 1);

    let mut socket = scene.subscriber().await;
    scene.node.push_block();
    assert_eq!(socket.head().await, Some(12));
    assert_eq!(scene.proxy.count(WS_CONNECT), 2);
}

#[tokio::test]
async fn lagging_heads_catch_up_when_the_lag_ends() {
    let scene = Scene::new().await;
    let mut socket = scene.subscriber().await;
    let fault = scene.proxy.inject(Fault::Lag(2));
    scene.node.push_blocks(3);
    assert_eq!(socket.head().await, Some(11));
    assert!(socket.is_silent().await, "two are held back");
    assert_eq!(fault.fired(), 3);
    fault.remove();
    scene.node.push_block();
    let heads = [socket.head().await, socket.head().await, socket.head().await];
    assert_eq!(heads, [Some(12), Some(13), Some(14)]);
}

#[tokio::test]
async fn named_methods_spare_the_heads() {
    let scene = Scene::new().await;
    let mut socket = scene.subscriber().await;
    let by_method = scene.proxy.inject(Fault::Lag(2).on("eth_blockNumber"));
    let by_kind = scene.proxy.inject(Fault::Lag(2).over(ConnectionKind::Http));
    scene.node.push_block();
    assert_eq!(socket.head().await, Some(11));
    assert_eq!((by_method.fired(), by_kind.fired()), (0, 0));
}

#[tokio::test]
async fn node_that_goes_takes_its_subscribers_with_it() {
    let scene = Scene::new().await;
    let mut socket = scene.subscriber().await;
    scene.node.cut_connections();
    assert_eq!(socket.text().await, None);
    let mut socket = scene.subscriber().await;
    scene.proxy.cut_connections();
    assert_eq!(socket.text().await, None);
    wait_until("the node to notice", SOON, async || scene.node.subscribers() == 0).await.unwrap();
}
