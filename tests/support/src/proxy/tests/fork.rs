//! An endpoint that seems to be on another fork.

use super::*;
use crate::RpcFailure;

#[tokio::test]
async fn blocks_above_the_fork_have_other_hashes_that_link_and_can_be_asked_for() {
    let scene = Scene::new().await;
    let fork = scene.proxy.inject(Fault::Fork(Fork::above(7)));
    let at = async |number: u64| {
        scene.ask("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await.unwrap()
    };
    let real = |number| json!(scene.node.block(number).unwrap().hash);
    let blocks = [at(7).await, at(8).await, at(9).await, at(10).await];
    assert_eq!(blocks[0]["hash"], real(7), "both sides have it");
    for (below, block) in blocks.iter().zip(&blocks[1..]) {
        assert_eq!(block["parentHash"], below["hash"]);
    }
    assert_ne!(blocks[1]["hash"], real(8));
    assert_eq!(at(9).await, blocks[2], "it says the same each time");

    let forged = &blocks[2]["hash"];
    let by_hash = scene.ask("eth_getBlockByHash", json!([forged, false])).await.unwrap();
    assert_eq!(by_hash, blocks[2]);
    let called = scene.ask("eth_call", call_at(json!({ "blockHash": forged }))).await.unwrap();
    assert_eq!(called, "0x1234");

    // It has never heard of the blocks of the other side.
    let unknown = scene.ask("eth_getBlockByHash", json!([real(9), false])).await.unwrap();
    assert_eq!(unknown, Value::Null);
    let answer = scene.respond("eth_call", call_at(json!({ "blockHash": real(9) }))).await.unwrap();
    assert_eq!(answer["error"]["message"], RpcFailure::header_not_found().message);
    let shared = scene.ask("eth_getBlockByHash", json!([real(7), false])).await.unwrap();
    assert_eq!(shared["hash"], real(7));
    assert!(fork.fired() > 5);
}

#[tokio::test]
async fn pushed_heads_are_of_the_fork_too() {
    let scene = Scene::new().await;
    let fork = scene.proxy.inject(Fault::Fork(Fork::above(7)));
    let mut socket = scene.subscriber().await;
    let real = scene.node.push_block();
    let pushed = socket.next().await.unwrap();
    let header = &pushed["params"]["result"];
    let asked = scene.ask("eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    assert_eq!(header["hash"], asked["hash"]);
    assert_ne!(header["hash"], json!(real.hash));
    assert!(fork.fired() >= 2);
}
