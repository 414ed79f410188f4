//! Logs of the past, from endpoints that give them in small pieces or not at all.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use alloy::{primitives::B256, rpc::types::Filter};
use ballast_chains::past::{Past, PastError, Stride};
use ballast_test_support::{MockNode, RpcFailure};
use serde_json::{Value, json};

use crate::chain::{CHAIN_ID, endpoint, profile};

const HEAD: u64 = 1_000;

/// The blocks that were asked for, first and last, and whether they were refused.
type Asked = Arc<Mutex<Vec<(u64, u64, bool)>>>;

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// A node that has a log in each of `logs` and gives those of at most `most` blocks at a time.
async fn node(logs: &'static [u64], most: u64, refusal: (i64, &'static str)) -> (MockNode, Asked) {
    let node = MockNode::start(CHAIN_ID).await.unwrap();
    node.push_blocks(HEAD - node.head().number);
    let asked = Asked::default();
    let heard = Arc::clone(&asked);
    node.on("eth_getLogs", move |params| {
        let (from, to) = (number(&params[0]["fromBlock"]), number(&params[0]["toBlock"]));
        let is_refused = to - from + 1 > most;
        heard.lock().unwrap().push((from, to, is_refused));
        if is_refused {
            return Err(RpcFailure::new(refusal.0, refusal.1));
        }
        let found = logs.iter().filter(|block| (from..=to).contains(*block));
        Ok(found.map(|block| log(*block)).collect())
    });
    (node, asked)
}

fn log(block: u64) -> Value {
    json!({
        "address": "0x1111111111111111111111111111111111111111", "topics": [], "data": "0x",
        "blockNumber": format!("0x{block:x}"), "blockHash": B256::ZERO,
        "transactionHash": B256::ZERO, "transactionIndex": "0x0", "logIndex": "0x0",
        "removed": false,
    })
}

async fn past(node: &MockNode) -> Past {
    Past::open(&profile(vec![endpoint(&node.http_url())])).await.unwrap()
}

const STRIDE: Stride = Stride { blocks: 800, requests: 100 };
const TOO_MANY: (i64, &str) = (-32005, "query returned more than 10000 results");

#[tokio::test]
async fn a_search_goes_back_without_a_gap_in_what_the_endpoint_gives_at_once() {
    let (node, asked) = node(&[40, 234, 999, 1_000], 120, TOO_MANY).await;
    let past = past(&node).await;
    let mut found = Vec::new();
    let lowest = past
        .logs_backwards(&Filter::new(), 100..=HEAD, STRIDE, |logs| {
            found.extend(logs.iter().filter_map(|log| log.block_number));
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    assert_eq!((lowest, found), (100, vec![999, 1_000, 234]));
    let asked = asked.lock().unwrap().clone();
    let refused = asked.iter().filter(|(.., refused)| *refused).count();
    assert_eq!(refused, 3, "800, 400 and 200 at a time, then it was known: {asked:?}");
    let mut next = HEAD;
    for (from, to, _) in asked.iter().filter(|(.., refused)| !refused) {
        assert_eq!(*to, next, "{asked:?}");
        next = from - 1;
    }
    assert_eq!(next, 99);
}

#[tokio::test]
async fn who_has_seen_enough_asks_no_further() {
    let (node, asked) = node(&[40, 900], u64::MAX, TOO_MANY).await;
    let stride = Stride { blocks: 200, requests: 2 };
    let seen = |logs: Vec<_>| {
        if logs.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let past = past(&node).await;
    let lowest = past.logs_backwards(&Filter::new(), 0..=HEAD, stride, seen).await;
    assert_eq!(lowest.unwrap(), 801);
    assert_eq!(asked.lock().unwrap().len(), 1);
    let error = past.logs_backwards(&Filter::new(), 0..=800, stride, seen).await.unwrap_err();
    assert!(matches!(error, PastError::TooLong { reached: 401, requests: 2, .. }), "{error}");
}

#[tokio::test]
async fn an_endpoint_without_logs_is_told_in_its_own_words() {
    let (node, asked) = node(&[], 0, (-32601, "the method eth_getLogs is not available")).await;
    let error = past(&node)
        .await
        .logs_backwards(&Filter::new(), 0..=HEAD, STRIDE, |_| ControlFlow::Continue(()))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the method eth_getLogs is not available"), "{text}");
    assert!(asked.lock().unwrap().len() < 12, "asked again and again");
}
