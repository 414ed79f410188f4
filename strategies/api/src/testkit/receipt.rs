//! Receipts for tests of `settle`.

use alloy::{
    consensus::{Eip658Value, Receipt, ReceiptEnvelope, ReceiptWithBloom},
    primitives::{Address, B256, LogData},
    rpc::types::{Log, TransactionReceipt},
};

/// An event as `by` emits it; where it stands in its block is not told.
pub fn log(by: Address, data: LogData) -> Log {
    Log { inner: alloy::primitives::Log { address: by, data }, ..Log::default() }
}

/// A successful call of `to` with these events; one gas at one wei.
pub fn receipt(to: Address, logs: Vec<Log>) -> TransactionReceipt {
    let receipt = Receipt { status: Eip658Value::Eip658(true), cumulative_gas_used: 1, logs };
    TransactionReceipt {
        inner: ReceiptEnvelope::Eip1559(ReceiptWithBloom::new(receipt, Default::default())),
        transaction_hash: B256::ZERO,
        transaction_index: None,
        block_hash: None,
        block_number: None,
        gas_used: 1,
        effective_gas_price: 1,
        blob_gas_used: None,
        blob_gas_price: None,
        from: Address::ZERO,
        to: Some(to),
        contract_address: None,
    }
}
