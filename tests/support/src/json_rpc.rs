//! The little of JSON-RPC that a proxy and a fake node need.

use alloy::primitives::{B256, Bytes};
use serde_json::{Value, json};
use std::fmt;

/// A JSON-RPC error object, as a node answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct RpcFailure {
    /// The numeric code; its meaning differs between nodes.
    pub code: i64,
    /// The text, which clients classify by.
    pub message: String,
    /// Extra data: the return data of a revert, as a hex string.
    pub data: Option<Value>,
}

impl RpcFailure {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// What geth answers to a call that reverts with `data`.
    #[must_use]
    pub fn revert(data: &Bytes) -> Self {
        Self { data: Some(json!(data)), ..Self::new(3, "execution reverted") }
    }

    /// What geth answers about a block that it does not have.
    #[must_use]
    pub fn header_not_found() -> Self {
        Self::new(-32000, "header not found")
    }
}

impl fmt::Display for RpcFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RpcFailure {}

/// The block that a request speaks about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockRef {
    /// Pinned by hash.
    Hash(B256),
    /// Pinned by height.
    Number(u64),
    /// `latest`, `pending`, `safe`, `finalized` or `earliest`; a missing parameter is `latest`.
    Tag(String),
}

impl BlockRef {
    /// The block parameter of a method that has one, `None` for any other method.
    pub(crate) fn of(method: &str, params: &Value) -> Option<Self> {
        let index = block_index(method)?;
        Some(params.get(index).map_or_else(|| Self::Tag("latest".to_owned()), Self::parse))
    }

    fn parse(value: &Value) -> Self {
        let field = |name| value.get(name).and_then(Value::as_str);
        let text = value.as_str().or_else(|| field("blockHash")).or_else(|| field("blockNumber"));
        let text = text.unwrap_or("latest");
        match (text.parse(), quantity(text)) {
            (Ok(hash), _) if text.len() == 66 => Self::Hash(hash),
            (_, Some(number)) => Self::Number(number),
            (_, None) => Self::Tag(text.to_owned()),
        }
    }

    /// Whether the node itself picks the newest block it has.
    pub(crate) fn is_newest(&self) -> bool {
        matches!(self, Self::Tag(tag) if tag == "latest" || tag == "pending")
    }
}

impl From<B256> for BlockRef {
    fn from(hash: B256) -> Self {
        Self::Hash(hash)
    }
}

/// Where a method takes its block.
pub(crate) fn block_index(method: &str) -> Option<usize> {
    match method {
        "eth_getBlockByNumber" | "eth_getBlockReceipts" => Some(0),
        "eth_call"
        | "eth_estimateGas"
        | "eth_createAccessList"
        | "eth_simulateV1"
        | "eth_getBalance"
        | "eth_getTransactionCount"
        | "eth_getCode"
        | "eth_feeHistory" => Some(1),
        "eth_getStorageAt" | "eth_getProof" => Some(2),
        _ => None,
    }
}

/// One request out of a body or a frame.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) params: Value,
}

impl Request {
    pub(crate) fn new(method: impl Into<String>, params: Value) -> Self {
        Self { id: json!(1), method: method.into(), params }
    }

    fn parse(value: Value) -> Option<Self> {
        let Value::Object(mut fields) = value else { return None };
        let Some(Value::String(method)) = fields.remove("method") else { return None };
        let params = fields.remove("params").unwrap_or(Value::Array(Vec::new()));
        Some(Self { id: fields.remove("id").unwrap_or(Value::Null), method, params })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "jsonrpc": "2.0", "id": self.id, "method": self.method, "params": self.params })
    }

    /// A response carrying `result`.
    pub(crate) fn answer(&self, result: impl Into<Value>) -> Value {
        json!({ "jsonrpc": "2.0", "id": self.id, "result": result.into() })
    }

    /// A response carrying an error.
    pub(crate) fn fail(&self, failure: &RpcFailure) -> Value {
        let mut error = json!({ "code": failure.code, "message": failure.message });
        if let (Some(data), Value::Object(fields)) = (&failure.data, &mut error) {
            fields.insert("data".to_owned(), data.clone());
        }
        json!({ "jsonrpc": "2.0", "id": self.id, "error": error })
    }
}

/// The requests of one HTTP body or WebSocket frame.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) requests: Vec<Request>,
    /// Answered with an array, even when it holds a single request.
    pub(crate) batch: bool,
}

impl Packet {
    /// `None` when the bytes are not JSON-RPC.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        if let Value::Array(items) = value {
            let requests = items.into_iter().map(Request::parse).collect::<Option<_>>()?;
            return Some(Self { requests, batch: true });
        }
        Some(Self { requests: vec![Request::parse(value)?], batch: false })
    }

    /// Joins the answers as the caller expects them.
    pub(crate) fn join(&self, mut answers: Vec<Value>) -> Value {
        match answers.pop() {
            Some(only) if !self.batch => only,
            Some(last) => {
                answers.push(last);
                Value::Array(answers)
            }
            None => Value::Array(answers),
        }
    }
}

/// A hex quantity such as `0x1f`.
pub(crate) fn quantity(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// A number as JSON-RPC writes it.
pub(crate) fn hex(number: u64) -> Value {
    Value::String(format!("{number:#x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_is_read_in_every_form_it_is_written() {
        let hash = B256::repeat_byte(7);
        let block = |param: Value| BlockRef::of("eth_call", &json!([{}, param])).unwrap();
        assert_eq!(block(json!({ "blockHash": hash })), BlockRef::Hash(hash));
        assert_eq!(block(json!(hash)), BlockRef::Hash(hash));
        assert_eq!(block(json!({ "blockNumber": "0x10" })), BlockRef::Number(16));
        assert_eq!(block(json!("0x10")), BlockRef::Number(16));
        assert_eq!(block(json!("safe")), BlockRef::Tag("safe".to_owned()));
        let missing = BlockRef::of("eth_call", &json!([{}])).unwrap();
        assert!(missing.is_newest(), "a call without a block reads the newest one");
        assert_eq!(BlockRef::of("eth_chainId", &json!([])), None);
    }

    #[test]
    fn batch_of_one_is_answered_as_a_batch() {
        let packet = Packet::parse(br#"[{"id":1,"method":"eth_chainId"}]"#).unwrap();
        assert_eq!(packet.join(vec![json!("a")]), json!(["a"]));
        let packet = Packet::parse(br#"{"id":1,"method":"eth_chainId"}"#).unwrap();
        assert_eq!(packet.join(vec![json!("a")]), json!("a"));
        assert!(Packet::parse(b"<html>").is_none());
    }
}
