//! Faults of requests over HTTP.

use super::*;
use crate::RpcFailure;
use alloy::primitives::keccak256;

#[tokio::test]
async fn without_faults_answers_are_the_nodes_own() {
    let scene = Scene::new().await;
    assert_eq!(scene.ask("eth_blockNumber", json!([])).await.unwrap(), json!("0xa"));
    let batch =
        json!([request(7, "eth_chainId", &json!([])), request(8, "eth_call", &call_at("latest")),]);
    let answers: Value = scene.post(&batch).await.unwrap().json().await.unwrap();
    assert_eq!(answers[0], json!({ "jsonrpc": "2.0", "id": 7, "result": "0x1" }));
    assert_eq!(answers[1]["result"], "0x1234");
}

#[tokio::test]
async fn hang_never_answers_and_spares_other_methods() {
    let scene = Scene::new().await;
    let hang = scene.proxy.inject(Fault::Hang.on("eth_blockNumber"));
    assert!(scene.times_out(&request(1, "eth_blockNumber", &json!([]))).await);
    scene.ask("eth_chainId", json!([])).await.unwrap();
    assert_eq!(hang.fired(), 1);
    assert_eq!(scene.node.log().count("eth_blockNumber"), 0, "it must not reach the node");
}

#[tokio::test]
async fn delay_is_waited_out_before_the_node_is_asked() {
    let scene = Scene::new().await;
    let wait = SHORT / 3;
    let delay = scene.proxy.inject(Fault::Delay(wait));
    scene.ask("eth_chainId", json!([])).await.unwrap();
    assert_eq!(delay.fired(), 1);
    let asked = |log: &RequestLog| log.requests()[0].at;
    assert!(asked(scene.node.log()) - asked(scene.proxy.log()) >= wait);
}

#[tokio::test]
async fn status_carries_retry_after() {
    let scene = Scene::new().await;
    let after = Some(Duration::from_secs(7));
    let limited = scene.proxy.inject(Fault::Status { code: 429, retry_after: after }.times(1));
    let response = scene.post(&request(1, "eth_chainId", &json!([]))).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "7");
    scene.ask("eth_chainId", json!([])).await.unwrap();
    assert_eq!(limited.fired(), 1, "one time was asked for");

    let broken = scene.proxy.inject(Fault::status(503));
    let response = scene.post(&request(1, "eth_chainId", &json!([]))).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(broken.fired(), 1);
}

#[tokio::test]
async fn rpc_error_hits_one_member_of_a_batch() {
    let scene = Scene::new().await;
    let failure = RpcFailure { data: Some(json!("0xdead")), ..RpcFailure::new(3, "no") };
    let fault = scene.proxy.inject(Fault::RpcError(failure).on("eth_call"));
    let batch =
        json!([request(1, "eth_call", &call_at("latest")), request(2, "eth_chainId", &json!([]))]);
    let answers: Value = scene.post(&batch).await.unwrap().json().await.unwrap();
    assert_eq!(answers[0]["error"], json!({ "code": 3, "message": "no", "data": "0xdead" }));
    assert_eq!(answers[1]["result"], "0x1");
    assert_eq!(fault.fired(), 1);
}

#[tokio::test]
async fn drop_cuts_the_connection_before_the_node_hears() {
    let scene = Scene::new().await;
    let fault = scene.proxy.inject(Fault::Drop.on(RAW_TRANSACTION));
    let error = scene.post(&request(1, RAW_TRANSACTION, &json!(["0x02"]))).await.unwrap_err();
    assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
    assert_eq!(fault.fired(), 1);
    assert!(scene.node.raw_transactions().is_empty());
    assert_eq!(scene.proxy.raw_transactions(), ["0x02"]);
    // A new connection is as good as before.
    scene.ask("eth_chainId", json!([])).await.unwrap();
}

#[tokio::test]
async fn truncate_sends_half_of_a_real_answer() {
    let scene = Scene::new().await;
    let fault = scene.proxy.inject(Fault::Truncate.on(RAW_TRANSACTION));
    let mut response = scene.post(&request(1, RAW_TRANSACTION, &json!(["0x02"]))).await.unwrap();
    let promised = response.content_length().unwrap();
    let mut received = 0;
    let error = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received += u64::try_from(chunk.len()).unwrap(),
            Ok(None) => panic!("the body ended as if it were whole"),
            Err(error) => break error,
        }
    };
    assert!(!error.is_timeout(), "{error:?}");
    assert_eq!(received, promised / 2);
    assert_eq!(fault.fired(), 1);
    assert_eq!(scene.node.raw_transactions(), ["0x02"], "the node has it");
}

#[tokio::test]
async fn garbage_is_not_json() {
    let scene = Scene::new().await;
    let fault = scene.proxy.inject(Fault::Garbage);
    let response = scene.post(&request(1, "eth_chainId", &json!([]))).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().starts_with("<html>"));
    assert_eq!(fault.fired(), 1);
}

#[tokio::test]
async fn wrong_chain_id_until_removed() {
    let scene = Scene::new().await;
    let fault = scene.proxy.inject(Fault::WrongChainId(5));
    assert_eq!(scene.ask("eth_chainId", json!([])).await.unwrap(), "0x5");
    assert_eq!(scene.ask("net_version", json!([])).await.unwrap(), "5");
    scene.ask("eth_blockNumber", json!([])).await.unwrap();
    assert_eq!(fault.fired(), 2);
    fault.remove();
    assert_eq!(scene.ask("eth_chainId", json!([])).await.unwrap(), "0x1");
    assert_eq!(fault.fired(), 2);
}

#[tokio::test]
async fn lag_hides_newer_blocks_everywhere() {
    let scene = Scene::new().await;
    let lag = scene.proxy.inject(Fault::Lag(3));
    let at = |number| scene.node.block(number).unwrap();
    assert_eq!(scene.ask("eth_blockNumber", json!([])).await.unwrap(), "0x7");

    let by_number =
        async |block: &str| scene.ask("eth_getBlockByNumber", json!([block, false])).await.unwrap();
    assert_eq!(by_number("latest").await["hash"], json!(at(7).hash));
    assert_eq!(by_number("0x7").await["hash"], json!(at(7).hash));
    assert_eq!(by_number("0x8").await, Value::Null);

    let by_hash = async |hash| scene.ask("eth_getBlockByHash", json!([hash, false])).await.unwrap();
    assert_eq!(by_hash(at(7).hash).await["number"], "0x7");
    assert_eq!(by_hash(at(8).hash).await, Value::Null);

    let pinned = |number| call_at(json!({ "blockHash": at(number).hash }));
    assert_eq!(scene.ask("eth_call", pinned(7)).await.unwrap(), "0x1234");
    for unseen in [pinned(8), call_at("0x8")] {
        let error = scene.respond("eth_call", unseen).await.unwrap();
        assert_eq!(error["error"]["message"], "header not found");
    }
    scene.node.on_call(|call| Ok(Bytes::from(vec![u8::try_from(call.block.number).unwrap()])));
    assert_eq!(scene.ask("eth_call", call_at("latest")).await.unwrap(), "0x07");
    let without_block = json!([{ "to": alloy::primitives::Address::ZERO }]);
    assert_eq!(scene.ask("eth_call", without_block).await.unwrap(), "0x07");
    assert_eq!(lag.fired(), 11);

    lag.remove();
    assert_eq!(scene.ask("eth_blockNumber", json!([])).await.unwrap(), "0xa");
}

#[tokio::test]
async fn lag_hides_receipts_and_inclusions() {
    let scene = Scene::new().await;
    scene.node.on("eth_getTransactionReceipt", |_| Ok(json!({ "blockNumber": "0x9" })));
    scene.node.on("eth_getTransactionByHash", |_| {
        Ok(json!({ "blockNumber": "0x9", "blockHash": "0x00", "nonce": "0x1" }))
    });
    let lag = scene.proxy.inject(Fault::Lag(2));
    let ask = async |method| scene.ask(method, json!(["0x00"])).await.unwrap();
    assert_eq!(ask("eth_getTransactionReceipt").await, Value::Null);
    let pending = json!({ "blockNumber": null, "blockHash": null, "nonce": "0x1" });
    assert_eq!(ask("eth_getTransactionByHash").await, pending);
    assert_eq!(lag.fired(), 2);
    scene.node.push_block();
    assert_eq!(ask("eth_getTransactionReceipt").await, json!({ "blockNumber": "0x9" }));
}

#[tokio::test]
async fn swallowed_transaction_is_answered_with_its_hash() {
    let scene = Scene::new().await;
    let fault = scene.proxy.inject(Fault::SwallowRaw.times(1));
    let hash = json!(keccak256([2, 3]));
    assert_eq!(scene.ask(RAW_TRANSACTION, json!(["0x0203"])).await.unwrap(), hash);
    assert_eq!(fault.fired(), 1);
    assert!(scene.node.raw_transactions().is_empty());
    assert_eq!(scene.ask(RAW_TRANSACTION, json!(["0x0203"])).await.unwrap(), hash);
    assert_eq!(scene.node.raw_transactions(), ["0x0203"]);
    assert_eq!(scene.proxy.raw_transactions(), ["0x0203", "0x0203"]);
}

#[tokio::test]
async fn forwarded_transaction_whose_answer_is_lost() {
    let scene = Scene::new().await;
    let send = request(1, RAW_TRANSACTION, &json!(["0x04"]));

    let sent = async |count| {
        wait_until("the transaction", SOON, async || scene.node.raw_transactions().len() == count)
            .await
            .unwrap();
    };
    let hang = scene.proxy.inject(Fault::ForwardThenHang.times(1));
    assert!(scene.times_out(&send).await);
    sent(1).await;
    let cut = scene.proxy.inject(Fault::ForwardThenDrop.times(1));
    assert!(!scene.post(&send).await.unwrap_err().is_timeout());
    sent(2).await;
    assert_eq!((hang.fired(), cut.fired()), (1, 1));

    // Without a method named, both are about raw transactions only.
    let hang = scene.proxy.inject(Fault::ForwardThenHang);
    scene.ask("eth_chainId", json!([])).await.unwrap();
    assert_eq!(hang.fired(), 0);
}

#[tokio::test]
async fn answers_are_given_and_altered() {
    let scene = Scene::new().await;
    let fixed = scene.proxy.inject(Fault::Answer(json!("0x99")).on("eth_gasPrice"));
    assert_eq!(scene.ask("eth_gasPrice", json!([])).await.unwrap(), "0x99");
    let with_l1_fee = Fault::rewrite(|_, mut block| {
        block["l1Fee"] = json!("0x5");
        block
    });
    let altered = scene.proxy.inject(with_l1_fee.on("eth_getBlockByNumber"));
    let block = scene.ask("eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    assert_eq!((block["l1Fee"].as_str(), block["number"].as_str()), (Some("0x5"), Some("0xa")));
    assert_eq!((fixed.fired(), altered.fired()), (1, 1));
}

#[tokio::test]
async fn rules_are_narrowed_by_turn_and_by_parameters() {
    let scene = Scene::new().await;
    let third =
        scene.proxy.inject(Fault::rpc_error(-1, "third").on("eth_chainId").after(2).times(1));
    let mut failed = Vec::new();
    for _ in 0..4 {
        failed.push(scene.ask("eth_chainId", json!([])).await.is_err());
    }
    assert_eq!(failed, [false, false, true, false]);
    assert_eq!(third.fired(), 1);

    let only = scene.proxy.inject(
        Fault::rpc_error(-1, "this one").when(|_, params| params[0]["input"] == json!("0x01")),
    );
    assert!(scene.ask("eth_call", json!([{ "to": "0x00", "input": "0x01" }])).await.is_err());
    assert!(scene.ask("eth_call", call_at("latest")).await.is_ok());
    assert_eq!(only.fired(), 1);

    // The first fault that replaces the answer wins; the other one does not count.
    let loser = scene.proxy.inject(Fault::Garbage.on("eth_call"));
    assert!(scene.ask("eth_call", json!([{ "to": "0x00", "input": "0x01" }])).await.is_err());
    assert_eq!((only.fired(), loser.fired()), (2, 0));
    scene.proxy.heal();
    assert!(scene.ask("eth_call", call_at("latest")).await.is_ok());
}

#[tokio::test]
async fn down_is_down_until_up() {
    let scene = Scene::new().await;
    scene.ask("eth_chainId", json!([])).await.unwrap();
    scene.proxy.set_down(true);
    assert!(scene.ask("eth_chainId", json!([])).await.is_err());
    scene.proxy.set_down(false);
    scene.ask("eth_chainId", json!([])).await.unwrap();

    scene.node.set_down(true);
    assert!(scene.ask("eth_chainId", json!([])).await.is_err(), "a dead node has no answers");
    let other = MockNode::start(2).await.unwrap();
    scene.proxy.set_upstream(&other.http_url()).unwrap();
    assert_eq!(scene.ask("eth_chainId", json!([])).await.unwrap(), "0x2");
}
