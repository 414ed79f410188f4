//! The mempool: geth's rules, look-ups, and what is handed on.

use super::*;
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::Encodable2718,
    network::TxSignerSync,
    primitives::{B256, TxKind},
    signers::local::PrivateKeySigner,
};

const GWEI: u128 = 1_000_000_000;

struct Held {
    scene: Scene,
    pool: Mempool,
    fault: FaultHandle,
    signer: PrivateKeySigner,
}

impl Held {
    /// The chain has seen seven transactions of the signer.
    async fn new() -> Self {
        let scene = Scene::new().await;
        scene.node.on("eth_getTransactionCount", |_| Ok(json!("0x7")));
        scene.node.on("eth_getTransactionByHash", |_| Ok(Value::Null));
        let pool = Mempool::new();
        let fault = scene.proxy.inject(Fault::Hold(pool.clone()));
        Self { scene, pool, fault, signer: PrivateKeySigner::random() }
    }

    fn sign(&self, nonce: u64, fee: u128, tip: u128) -> (B256, Value) {
        let mut transaction = TxEip1559 {
            chain_id: 1,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: tip,
            to: TxKind::Call(self.signer.address()),
            ..TxEip1559::default()
        };
        let signature = self.signer.sign_transaction_sync(&mut transaction).unwrap();
        let envelope: TxEnvelope = transaction.into_signed(signature).into();
        (*envelope.tx_hash(), json!([Bytes::from(envelope.encoded_2718())]))
    }

    /// The error's text, empty if it was taken.
    async fn send(&self, (hash, raw): &(B256, Value)) -> String {
        let answer = self.scene.respond(RAW_TRANSACTION, raw.clone()).await.unwrap();
        if let Some(told) = answer.get("result") {
            assert_eq!(*told, json!(hash));
        }
        answer["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn replacements_follow_geths_rule_on_both_fields() {
    let held = Held::new().await;
    let first = held.sign(7, 100 * GWEI, 10 * GWEI);
    assert_eq!(held.send(&first).await, "");
    assert_eq!(held.send(&first).await, "already known");
    for (fee, tip) in [(110, 10), (100, 11), (109, 11), (110, 9), (100, 10)] {
        let cheap = held.sign(7, fee * GWEI, tip * GWEI + u128::from(fee == 100));
        assert_eq!(held.send(&cheap).await, "replacement transaction underpriced", "{fee}, {tip}");
    }
    let second = held.sign(7, 110 * GWEI, 11 * GWEI);
    assert_eq!(held.send(&second).await, "");
    // What was replaced is gone: it may come back only if it outbids in turn.
    assert_eq!(held.send(&first).await, "replacement transaction underpriced");
    assert_eq!(
        held.send(&held.sign(6, 900 * GWEI, 90 * GWEI)).await,
        "nonce too low: next nonce 7, tx nonce 6"
    );
    let current: Vec<_> = held.pool.transactions().iter().map(|t| (t.hash, t.current)).collect();
    assert_eq!(current, [(first.0, false), (second.0, true)]);
    let counts = held.pool.counts();
    assert_eq!((counts.accepted, counts.replaced, counts.already_known), (2, 1, 1));
    assert_eq!((counts.underpriced, counts.nonce_too_low, counts.released), (6, 1, 0));
    assert!(held.fault.fired() > 0);
    assert!(held.scene.node.raw_transactions().is_empty(), "held means held");
}

#[tokio::test]
async fn look_ups_find_what_is_held_and_not_what_was_replaced() {
    let held = Held::new().await;
    let (first, second) = (held.sign(7, 100, 10), held.sign(7, 200, 20));
    held.send(&first).await;
    held.send(&second).await;
    held.send(&held.sign(8, 100, 10)).await;
    held.send(&held.sign(10, 100, 10)).await;
    let found = held.scene.ask("eth_getTransactionByHash", json!([second.0])).await.unwrap();
    assert_eq!((&found["hash"], &found["blockNumber"]), (&json!(second.0), &Value::Null));
    assert_eq!(found["nonce"], "0x7");
    let gone = held.scene.ask("eth_getTransactionByHash", json!([first.0])).await.unwrap();
    assert_eq!(gone, Value::Null);

    let nonce = |tag: &str| {
        let params = json!([held.signer.address(), tag]);
        held.scene.ask("eth_getTransactionCount", params)
    };
    assert_eq!(nonce("latest").await.unwrap(), "0x7");
    assert_eq!(nonce("pending").await.unwrap(), "0x9", "10 is behind a gap");
    let counts = held.pool.counts();
    assert_eq!((counts.found, counts.pending_nonces), (1, 1));
}

#[tokio::test]
async fn the_chosen_attempt_is_handed_on_though_it_was_replaced() {
    let held = Held::new().await;
    let (first, second) = (held.sign(7, 100, 10), held.sign(7, 200, 20));
    held.send(&first).await;
    held.send(&second).await;
    held.scene.proxy.release(&held.pool, first.0).await.unwrap();
    assert_eq!(held.scene.node.raw_transactions(), [first.1[0].as_str().unwrap()]);
    assert_eq!(held.pool.counts().released, 1);
    assert!(held.scene.proxy.release(&held.pool, B256::ZERO).await.is_err(), "it was never held");
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_transaction_in_the_pool() {
    let held = Held::new().await;
    let lost = held.scene.proxy.inject(Fault::ForwardThenHang.times(1));
    let (hash, raw) = held.sign(7, 100, 10);
    assert!(held.scene.times_out(&request(1, RAW_TRANSACTION, &raw)).await);
    assert_eq!(lost.fired(), 1);
    assert_eq!(held.pool.transactions()[0].hash, hash);
    assert!(held.scene.node.raw_transactions().is_empty());
    assert_eq!(held.send(&(hash, raw)).await, "already known");
}

#[tokio::test]
async fn one_pool_behind_two_proxies_is_one_network() {
    let held = Held::new().await;
    let other = RpcProxy::start(&held.scene.node.http_url()).await.unwrap();
    let fault = other.inject(Fault::Hold(held.pool.clone()));
    let first = held.sign(7, 100, 10);
    held.send(&first).await;
    let body = request(1, RAW_TRANSACTION, &first.1);
    let answer = held.scene.client.post(other.http_url()).json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error"]["message"], "already known");
    assert_eq!(fault.fired(), 1);
}
