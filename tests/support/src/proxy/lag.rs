//! How a node answers that has not yet seen the newest blocks.

use super::upstream::Upstream;
use crate::json_rpc::{BlockRef, Request, RpcFailure, block_index, hex, quantity};
use alloy::primitives::B256;
use eyre::Result;
use serde_json::{Value, json};

/// Whether the answer to a method depends on the head. `safe` and `finalized` are left alone.
pub(super) fn concerns(method: &str) -> bool {
    block_index(method).is_some()
        || matches!(
            method,
            "eth_blockNumber"
                | "eth_getBlockByHash"
                | "eth_getTransactionReceipt"
                | "eth_getTransactionByHash"
        )
}

/// Answers as if the head were `behind` blocks older, but never before the first block.
pub(super) async fn answer(node: &Upstream, request: &Request, behind: u64) -> Result<Value> {
    let seen = node.head().await?.saturating_sub(behind);
    if request.method == "eth_blockNumber" {
        return Ok(request.answer(hex(seen)));
    }
    if let Some(index) = block_index(&request.method) {
        return answer_at(node, request, index, seen).await;
    }
    let mut answer = node.ask(request).await?;
    let Some(result) = answer.get_mut("result") else { return Ok(answer) };
    match request.method.as_str() {
        "eth_getBlockByHash" if field(result, "number") > Some(seen) => *result = Value::Null,
        "eth_getTransactionReceipt" if field(result, "blockNumber") > Some(seen) => {
            *result = Value::Null;
        }
        "eth_getTransactionByHash" if field(result, "blockNumber") > Some(seen) => {
            for unknown in ["blockNumber", "blockHash", "transactionIndex"] {
                if let Some(value) = result.get_mut(unknown) {
                    *value = Value::Null;
                }
            }
        }
        _ => {}
    }
    Ok(answer)
}

/// A method that names its block.
async fn answer_at(node: &Upstream, request: &Request, index: usize, seen: u64) -> Result<Value> {
    let block = BlockRef::of(&request.method, &request.params);
    let known = match &block {
        Some(BlockRef::Number(number)) => *number <= seen,
        Some(BlockRef::Hash(hash)) => {
            number_of(node, *hash).await?.is_none_or(|number| number <= seen)
        }
        Some(BlockRef::Tag(_)) | None => true,
    };
    if !known {
        return Ok(match request.method.as_str() {
            "eth_getBlockByNumber" | "eth_getBlockReceipts" => request.answer(Value::Null),
            _ => request.fail(&RpcFailure::header_not_found()),
        });
    }
    if !block.is_some_and(|block| block.is_newest()) {
        return node.ask(request).await;
    }
    let mut older = request.clone();
    if let Value::Array(params) = &mut older.params {
        params.resize(params.len().max(index + 1), Value::Null);
        if let Some(param) = params.get_mut(index) {
            *param = hex(seen);
        }
    }
    node.ask(&older).await
}

/// The height of a block that the node knows; it answers for itself about one that it does not.
async fn number_of(node: &Upstream, hash: B256) -> Result<Option<u64>> {
    let answer = node.ask(&Request::new("eth_getBlockByHash", json!([hash, false]))).await?;
    Ok(answer.get("result").and_then(|block| field(block, "number")))
}

fn field(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_str().and_then(quantity)
}
