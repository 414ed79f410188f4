//! Faults of requests over WebSocket, and of its opening.

use super::*;
use crate::ConnectionKind;
use alloy::providers::{Provider, ProviderBuilder, WsConnect};

#[tokio::test]
async fn requests_over_a_socket_meet_the_same_faults() {
    let scene = Scene::new().await;
    let mut socket = scene.socket().await;
    socket.send(3, "eth_blockNumber", json!([])).await;
    let answer = json!({ "jsonrpc": "2.0", "id": 3, "result": "0xa" });
    assert_eq!(socket.next().await, Some(answer));

    let error = scene.proxy.inject(Fault::rpc_error(-5, "busy").times(1));
    socket.send(4, "eth_blockNumber", json!([])).await;
    assert_eq!(socket.next().await.unwrap()["error"]["code"], -5);
    let garbage = scene.proxy.inject(Fault::Garbage.times(1));
    socket.send(5, "eth_blockNumber", json!([])).await;
    assert!(socket.text().await.unwrap().starts_with("<html>"));
    let half = scene.proxy.inject(Fault::Truncate.times(1));
    socket.send(6, "eth_blockNumber", json!([])).await;
    assert!(serde_json::from_str::<Value>(&socket.text().await.unwrap()).is_err());

    // What hangs does not hold up what comes after it.
    let hang = scene.proxy.inject(Fault::Hang.times(1));
    socket.send(7, "eth_blockNumber", json!([])).await;
    wait_until("the hang", SOON, async || hang.fired() == 1).await.unwrap();
    socket.send(8, "eth_chainId", json!([])).await;
    assert_eq!(socket.next().await.unwrap()["id"], 8);

    let cut = scene.proxy.inject(Fault::Drop.times(1));
    socket.send(9, "eth_blockNumber", json!([])).await;
    assert_eq!(socket.text().await, None);
    let fired = [error.fired(), garbage.fired(), half.fired(), hang.fired(), cut.fired()];
    assert_eq!(fired, [1; 5]);
}

#[tokio::test]
async fn faults_can_be_kept_to_one_kind_of_connection() {
    let scene = Scene::new().await;
    let mut socket = scene.socket().await;
    let fault = scene.proxy.inject(Fault::rpc_error(-5, "busy").over(ConnectionKind::Ws));
    scene.ask("eth_chainId", json!([])).await.unwrap();
    socket.send(1, "eth_chainId", json!([])).await;
    assert_eq!(socket.next().await.unwrap()["error"]["code"], -5);
    assert_eq!(fault.fired(), 1);
}

#[tokio::test]
async fn subscription_can_be_refused() {
    let scene = Scene::new().await;
    let mut socket = scene.socket().await;
    let fault =
        scene.proxy.inject(Fault::rpc_error(-32601, "no subscriptions").on("eth_subscribe"));
    socket.send(1, "eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(socket.next().await.unwrap()["error"]["message"], "no subscriptions");
    assert_eq!((fault.fired(), scene.node.subscribers()), (1, 0));
}

#[tokio::test]
async fn opening_can_hang_be_refused_or_be_cut() {
    let scene = Scene::new().await;
    let hang = scene.proxy.inject(Fault::Hang.on(WS_CONNECT).times(1));
    assert!(tokio::time::timeout(SHORT, scene.open()).await.is_err());
    let refusal = scene.proxy.inject(Fault::status(403).on(WS_CONNECT).times(1));
    assert!(scene.open().await.unwrap_err().to_string().contains("403"));
    let cut = scene.proxy.inject(Fault::Drop.on(WS_CONNECT).times(1));
    assert!(!scene.open().await.unwrap_err().to_string().contains("HTTP error"));
    assert_eq!([hang.fired(), refusal.fired(), cut.fired()], [1; 3]);
    scene.open().await.unwrap();
    assert_eq!(scene.proxy.count(WS_CONNECT), 4);
}

#[tokio::test]
async fn alloy_understands_proxy_and_node() {
    let scene = Scene::new().await;
    let http = ProviderBuilder::new().connect_http(scene.proxy.http_url().parse().unwrap());
    assert_eq!(http.get_chain_id().await.unwrap(), 1);
    let block = http.get_block_by_number(4.into()).await.unwrap().unwrap();
    assert_eq!(block.header.hash, scene.node.block(4).unwrap().hash);

    let ws = ProviderBuilder::new().connect_ws(WsConnect::new(scene.proxy.ws_url())).await.unwrap();
    let mut heads = ws.subscribe_blocks().await.unwrap().into_stream();
    let pushed = scene.node.push_block();
    let head = tokio::time::timeout(SOON, heads.next()).await.unwrap().unwrap();
    assert_eq!((head.hash, head.parent_hash), (pushed.hash, pushed.parent));
    assert_eq!(head.hash_slow(), pushed.hash, "the hash is the header's own");
    assert_eq!(ws.get_block_number().await.unwrap(), 11);
}
