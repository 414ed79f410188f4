//! What the proxy says of the traffic.

use super::*;
use crate::{BlockRef, ConnectionKind};

#[tokio::test]
async fn every_request_is_recorded_as_it_came() {
    let scene = Scene::new().await;
    scene.ask("eth_chainId", json!([])).await.unwrap();
    let batch =
        json!([request(1, "eth_call", &call_at("0x2")), request(2, "eth_blockNumber", &json!([]))]);
    scene.post(&batch).await.unwrap();
    let mut socket = scene.socket().await;
    socket.send(1, "eth_chainId", json!([])).await;
    socket.next().await.unwrap();

    let seen = scene.proxy.requests();
    let methods: Vec<_> = seen.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["eth_chainId", "eth_call", "eth_blockNumber", WS_CONNECT, "eth_chainId"]);
    assert_eq!(seen[1].packet, seen[2].packet);
    assert_ne!(seen[0].packet, seen[1].packet);
    assert_eq!((seen[2].kind, seen[4].kind), (ConnectionKind::Http, ConnectionKind::Ws));
    assert!(seen.iter().all(|request| request.took.is_some()));
    assert_eq!(scene.proxy.count("eth_chainId"), 2);
    assert_eq!(scene.proxy.calls()[0].block, BlockRef::Number(2));

    scene.proxy.clear();
    assert!(scene.proxy.requests().is_empty());
    assert_eq!(scene.proxy.count("eth_chainId"), 0);
}

#[tokio::test]
async fn rounds_tell_together_from_in_turn() {
    let scene = Scene::new().await;
    let delay = scene.proxy.inject(Fault::Delay(SHORT).on("eth_call"));
    let pinned = |number| {
        let hash = scene.node.block(number).unwrap().hash;
        (BlockRef::from(hash), call_at(json!({ "blockHash": hash })))
    };
    let read = async |params: &Value| {
        scene.ask("eth_call", params.clone()).await.unwrap();
    };
    let (one, two) = (pinned(1), pinned(2));
    tokio::join!(read(&one.1), read(&one.1), read(&one.1), read(&two.1));
    read(&one.1).await;

    let rounds = scene.proxy.rounds_per_block();
    assert_eq!((rounds[&one.0], rounds[&two.0]), (2, 1));
    assert_eq!(scene.proxy.max_concurrency(Some("eth_call")), 4);
    assert_eq!(delay.fired(), 5);
}
