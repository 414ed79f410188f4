//! The few questions that reading asks of a node, behind a trait so that tests can answer them.

use alloy::{
    consensus::BlockHeader,
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider},
    rpc::types::TransactionRequest,
    transports::{RpcError, TransportError},
};
use futures::future::BoxFuture;
use thiserror::Error;

use crate::{heads::Head, pool::read_call_error};

/// One `eth_call`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRequest {
    /// The sender; `None` leaves it to the node, which takes the zero address.
    pub from: Option<Address>,
    /// The contract.
    pub to: Address,
    /// Selector and arguments.
    pub data: Bytes,
    /// Gas that the call may use.
    pub gas: u64,
}

/// Why a node gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The contract reverted, with this data.
    #[error("reverted with {} bytes of data", .0.len())]
    Reverted(Bytes),
    /// Execution ended exceptionally: out of gas, an invalid opcode, a bad jump. Carries the
    /// node's words.
    #[error("halted: {0}")]
    Halted(String),
    /// The node refused this request (too large, too much gas, too slow) but might serve others.
    #[error("refused with code {code}: {message}")]
    Refused {
        /// JSON-RPC code, or the HTTP status where the refusal came that way.
        code: i64,
        /// The node's words.
        message: String,
    },
    /// No answer that says anything about the request: no endpoint, rate limits, a block that the
    /// node does not have.
    #[error("{0}")]
    Unavailable(String),
}

/// What reading needs of a node. Every question names its block, by its hash; the pool sees to
/// endpoints that take only numbers.
pub trait Backend: Send + Sync + 'static {
    /// `eth_call`.
    fn eth_call(
        &self,
        request: CallRequest,
        at: BlockId,
    ) -> BoxFuture<'_, Result<Bytes, CallError>>;
    /// `eth_getCode`.
    fn get_code(&self, of: Address, at: BlockId) -> BoxFuture<'_, Result<Bytes, CallError>>;
    /// `eth_getBalance`, wei.
    fn get_balance(&self, of: Address, at: BlockId) -> BoxFuture<'_, Result<U256, CallError>>;
    /// The header with this hash; an unknown one is [`CallError::Unavailable`].
    fn block_by_hash(&self, hash: B256) -> BoxFuture<'_, Result<Head, CallError>>;
}

impl Backend for DynProvider {
    fn eth_call(
        &self,
        request: CallRequest,
        at: BlockId,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        let mut transaction = TransactionRequest::default()
            .with_to(request.to)
            .with_input(request.data)
            .with_gas_limit(request.gas);
        transaction.from = request.from;
        Box::pin(async move { Ok(self.call(transaction).block(at).await?) })
    }

    fn get_code(&self, of: Address, at: BlockId) -> BoxFuture<'_, Result<Bytes, CallError>> {
        Box::pin(async move { Ok(self.get_code_at(of).block_id(at).await?) })
    }

    fn get_balance(&self, of: Address, at: BlockId) -> BoxFuture<'_, Result<U256, CallError>> {
        Box::pin(async move { Ok(Provider::get_balance(self, of).block_id(at).await?) })
    }

    fn block_by_hash(&self, hash: B256) -> BoxFuture<'_, Result<Head, CallError>> {
        Box::pin(async move {
            let block = self
                .get_block_by_hash(hash)
                .await?
                .ok_or_else(|| CallError::Unavailable(format!("block {hash} is not known")))?;
            let header = block.header;
            Ok(Head {
                number: header.number(),
                hash: header.hash,
                parent: header.parent_hash(),
                timestamp: header.timestamp(),
                base_fee_per_gas: header.base_fee_per_gas().map(u128::from),
                gas_limit: header.gas_limit(),
                gas_used: header.gas_used(),
            })
        })
    }
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> Self {
        match error {
            RpcError::ErrorResp(payload) => read_call_error(&payload),
            RpcError::Transport(kind) => match kind.as_http_error() {
                // "Payload too large": the one HTTP status that a smaller request cures.
                Some(http) if http.status == 413 => {
                    Self::Refused { code: 413, message: "payload too large".into() }
                }
                Some(_) | None => Self::Unavailable(kind.to_string()),
            },
            RpcError::NullResp
            | RpcError::UnsupportedFeature(_)
            | RpcError::LocalUsageError(_)
            | RpcError::SerError(_)
            | RpcError::DeserError { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::bytes,
        rpc::json_rpc::ErrorPayload,
        transports::{RpcError, TransportErrorKind},
    };

    use super::CallError;

    fn of(json: &str) -> CallError {
        RpcError::ErrorResp(serde_json::from_str::<ErrorPayload>(json).unwrap()).into()
    }

    #[test]
    fn node_errors_are_told_apart() {
        let reverted = |data| CallError::Reverted(data);
        // geth, anvil
        let said = r#"{"code":3,"message":"execution reverted: no","data":"0xdeadbeef"}"#;
        assert_eq!(of(said), reverted(bytes!("deadbeef")));
        let said = r#"{"code":3,"message":"execution reverted","data":"0x"}"#;
        assert_eq!(of(said), reverted(bytes!()));
        // Nethermind
        let said =
            r#"{"code":-32015,"message":"VM execution error.","data":"Reverted 0xdeadbeef"}"#;
        assert_eq!(of(said), reverted(bytes!("deadbeef")));
        let said = r#"{"code":-32015,"message":"VM execution error.","data":"BadInstruction"}"#;
        assert!(matches!(of(said), CallError::Halted(_)));
        // anvil, geth
        for text in ["EVM error MemoryOOG", "out of gas", "invalid opcode: INVALID"] {
            let said = format!(r#"{{"code":-32603,"message":"{text}"}}"#);
            assert_eq!(of(&said), CallError::Halted(text.into()));
        }
        for text in [
            "header not found",
            "header for hash not found",
            "block hash not found",
            "Resource not found",
            "missing trie node ab",
            "state at block #1 is pruned",
        ] {
            let said = format!(r#"{{"code":-32000,"message":"{text}"}}"#);
            assert!(matches!(of(&said), CallError::Unavailable(_)), "{text}");
        }
        let said = r#"{"code":-32005,"message":"limit exceeded"}"#;
        assert!(matches!(of(said), CallError::Unavailable(_)));
        for text in ["execution aborted (timeout = 5s)", "response too large"] {
            let said = format!(r#"{{"code":-32000,"message":"{text}"}}"#);
            assert_eq!(of(&said), CallError::Refused { code: -32000, message: text.into() });
        }
    }

    #[test]
    fn only_a_payload_too_large_is_a_refusal_by_status() {
        let status = |code| CallError::from(TransportErrorKind::http_error(code, String::new()));
        assert!(matches!(status(413), CallError::Refused { code: 413, .. }));
        assert!(matches!(status(429), CallError::Unavailable(_)));
        assert!(matches!(status(500), CallError::Unavailable(_)));
    }
}
