//! What the fake node says.

use super::{MockBlock, Shared, blocks::Blocks};
use crate::{
    json_rpc::{BlockRef, Request, RpcFailure, hex},
    lock,
    proxy::RAW_TRANSACTION,
};
use alloy::{
    primitives::{Address, Bytes, keccak256},
    providers::{MULTICALL3_ADDRESS, bindings::IMulticall3},
    sol_types::SolCall,
};
use serde_json::{Value, json};
use std::{collections::HashMap, fmt, sync::Arc};

/// Blocks by which `safe` and `finalized` trail the head, as anvil has them.
const SAFE_DEPTH: u64 = 32;
const FINALIZED_DEPTH: u64 = 64;

pub(super) type CallAnswer = Arc<dyn Fn(&MockCall) -> Result<Bytes, RpcFailure> + Send + Sync>;
pub(super) type MethodAnswer = Arc<dyn Fn(&Value) -> Result<Value, RpcFailure> + Send + Sync>;

/// A call that a test's closure answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockCall {
    /// The sender, if one is given; Multicall3 for a call out of a batch.
    pub from: Option<Address>,
    /// The contract.
    pub to: Address,
    /// The call data.
    pub data: Bytes,
    /// The block it reads.
    pub block: MockBlock,
}

/// What a test has taught the node.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) call: Option<CallAnswer>,
    pub(super) methods: HashMap<String, MethodAnswer>,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("methods", &self.methods.keys()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn answer(&self, request: &Request) -> Value {
        match self.result(request) {
            Ok(result) => request.answer(result),
            Err(failure) => request.fail(&failure),
        }
    }

    fn result(&self, request: &Request) -> Result<Value, RpcFailure> {
        let taught = lock(&self.answers).methods.get(&request.method).cloned();
        if let Some(taught) = taught {
            return taught(&request.params);
        }
        let params = &request.params;
        match request.method.as_str() {
            "eth_chainId" => Ok(hex(*lock(&self.chain_id))),
            "net_version" => Ok(json!(lock(&self.chain_id).to_string())),
            "eth_blockNumber" => Ok(hex(lock(&self.blocks).head().number)),
            "eth_getBlockByNumber" => Ok(self.block_json(request)),
            "eth_getBlockByHash" => {
                let hash = params.get(0).and_then(Value::as_str).and_then(|hash| hash.parse().ok());
                Ok(hash.and_then(|hash| lock(&self.blocks).block_json(hash)).into())
            }
            "eth_call" => self.call(request),
            RAW_TRANSACTION => self.accept(params),
            other => Err(RpcFailure::new(-32601, format!("the method {other} does not exist"))),
        }
    }

    fn block_json(&self, request: &Request) -> Value {
        let blocks = lock(&self.blocks);
        resolve(&blocks, request).and_then(|block| blocks.block_json(block.hash)).into()
    }

    fn call(&self, request: &Request) -> Result<Value, RpcFailure> {
        let block = resolve(&lock(&self.blocks), request);
        let block = block.ok_or_else(RpcFailure::header_not_found)?;
        let call = request.params.get(0);
        let text = |name| call.and_then(|call| call.get(name)).and_then(Value::as_str);
        let to = text("to").and_then(|to| to.parse().ok());
        let call = MockCall {
            from: text("from").and_then(|from| from.parse().ok()),
            to: to.ok_or_else(|| RpcFailure::new(-32602, "a call needs `to`"))?,
            data: text("input")
                .or_else(|| text("data"))
                .and_then(|data| data.parse().ok())
                .unwrap_or_default(),
            block,
        };
        let answer = lock(&self.answers).call.clone();
        let Some(answer) = answer else { return Ok(json!("0x")) };
        if call.to == MULTICALL3_ADDRESS
            && let Ok(batch) = IMulticall3::aggregate3Call::abi_decode(&call.data)
        {
            return aggregate(&batch, &call, &answer).map(|data| json!(data));
        }
        answer(&call).map(|data| json!(data))
    }

    fn accept(&self, params: &Value) -> Result<Value, RpcFailure> {
        let text = params.get(0).and_then(Value::as_str);
        match text.map(|text| (text, text.parse::<Bytes>())) {
            Some((text, Ok(raw))) => {
                lock(&self.raw).push(text.to_owned());
                Ok(json!(keccak256(raw)))
            }
            _ => Err(RpcFailure::new(-32602, "invalid raw transaction")),
        }
    }
}

/// The block a request means, if the node has it.
fn resolve(blocks: &Blocks, request: &Request) -> Option<MockBlock> {
    let head = blocks.head().number;
    match BlockRef::of(&request.method, &request.params)? {
        BlockRef::Hash(hash) => blocks.by_hash(hash),
        BlockRef::Number(number) => blocks.at(number),
        BlockRef::Tag(tag) => match tag.as_str() {
            "latest" | "pending" => blocks.at(head),
            "safe" => blocks.at(head.saturating_sub(SAFE_DEPTH)),
            "finalized" => blocks.at(head.saturating_sub(FINALIZED_DEPTH)),
            "earliest" => blocks.at(0),
            _ => None,
        },
    }
}

/// As Multicall3 does it: a failure is an entry, unless its call does not allow one.
fn aggregate(
    batch: &IMulticall3::aggregate3Call,
    outer: &MockCall,
    answer: &CallAnswer,
) -> Result<Bytes, RpcFailure> {
    let mut results = Vec::with_capacity(batch.calls.len());
    for inner in &batch.calls {
        let call = MockCall {
            from: Some(MULTICALL3_ADDRESS),
            to: inner.target,
            data: inner.callData.clone(),
            block: outer.block,
        };
        let result = match answer(&call) {
            Ok(data) => IMulticall3::Result { success: true, returnData: data },
            Err(failure) if inner.allowFailure => {
                let data = failure.data.as_ref().and_then(Value::as_str);
                let data = data.and_then(|data| data.parse().ok()).unwrap_or_default();
                IMulticall3::Result { success: false, returnData: data }
            }
            Err(_) => {
                return Err(RpcFailure::new(3, "execution reverted: Multicall3: call failed"));
            }
        };
        results.push(result);
    }
    Ok(IMulticall3::aggregate3Call::abi_encode_returns(&results).into())
}
