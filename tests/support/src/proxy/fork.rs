//! How a node answers that is on another fork of the same chain.
//!
//! Blocks above a height get other hashes, each linked to the one before, as if the node had taken
//! another side there; their contents are the real ones. What was told under a forged hash can be
//! asked for by it, and the real hashes above the fork are unknown, as they would be.

use super::upstream::Upstream;
use crate::{
    json_rpc::{BlockRef, Request, RpcFailure, block_index, quantity},
    lock,
};
use alloy::primitives::{B256, keccak256};
use eyre::Result;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// Forged hashes remembered; a long run forgets them all at once, which is a node that was pruned.
const MAX_FORGED: usize = 50_000;

/// A fork that a proxy pretends to be on.
#[derive(Debug, Clone)]
pub struct Fork {
    /// The newest block that both sides have.
    above: u64,
    /// Real hashes by the forged ones that were told.
    real: Arc<Mutex<HashMap<B256, B256>>>,
}

impl Fork {
    /// Another side of a fork above a height.
    #[must_use]
    pub fn above(number: u64) -> Self {
        Self { above: number, real: Arc::default() }
    }

    /// Whether the answer to a method depends on the fork.
    pub(super) fn concerns(method: &str) -> bool {
        block_index(method).is_some() || matches!(method, "eth_getBlockByHash")
    }

    pub(super) async fn answer(&self, node: &Upstream, request: &Request) -> Result<Value> {
        let by_hash = request.method == "eth_getBlockByHash";
        let index = if by_hash { Some(0) } else { block_index(&request.method) };
        let named = match (by_hash, index) {
            (true, _) => request.params.get(0).and_then(Value::as_str).and_then(|h| h.parse().ok()),
            (false, _) => match BlockRef::of(&request.method, &request.params) {
                Some(BlockRef::Hash(hash)) => Some(hash),
                Some(BlockRef::Number(_) | BlockRef::Tag(_)) | None => None,
            },
        };
        let mut translated = request.clone();
        if let (Some(hash), Some(index)) = (named, index) {
            let real = lock(&self.real).get(&hash).copied();
            if real.is_none() && self.is_real_above(node, hash).await? {
                return Ok(match request.method.as_str() {
                    "eth_getBlockByHash" | "eth_getBlockReceipts" => request.answer(Value::Null),
                    _ => request.fail(&RpcFailure::header_not_found()),
                });
            }
            if let (Some(real), Some(param)) = (real, translated.params.get_mut(index)) {
                *param = if by_hash { json!(real) } else { json!({ "blockHash": real }) };
            }
        }
        let mut answer = node.ask(&translated).await?;
        if matches!(request.method.as_str(), "eth_getBlockByHash" | "eth_getBlockByNumber")
            && let Some(result) = answer.get_mut("result")
        {
            self.forge(result);
        }
        Ok(answer)
    }

    /// Gives a header its hashes on this side.
    pub(super) fn forge(&self, header: &mut Value) {
        let Some(number) = header.get("number").and_then(Value::as_str).and_then(quantity) else {
            return;
        };
        if number > self.above {
            self.forge_field(header, "hash");
        }
        if number > self.above.saturating_add(1) {
            self.forge_field(header, "parentHash");
        }
    }

    fn forge_field(&self, header: &mut Value, field: &str) {
        let Some(value) = header.get_mut(field) else { return };
        let Some(real) = value.as_str().and_then(|hash| hash.parse::<B256>().ok()) else { return };
        let forged = keccak256([real.as_slice(), &self.above.to_be_bytes()].concat());
        let mut known = lock(&self.real);
        if known.len() >= MAX_FORGED {
            known.clear();
        }
        known.insert(forged, real);
        *value = json!(forged);
    }

    async fn is_real_above(&self, node: &Upstream, hash: B256) -> Result<bool> {
        let answer = node.ask(&Request::new("eth_getBlockByHash", json!([hash, false]))).await?;
        let number = answer.get("result").and_then(|block| block.get("number"));
        Ok(number.and_then(Value::as_str).and_then(quantity).is_some_and(|n| n > self.above))
    }
}
