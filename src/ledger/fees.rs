//! What a transaction paid, by its receipt.

use alloy::primitives::U256;
use ballast_chains::pool::ChainReceipt;

use super::entry::Fees;

/// The operator's part is gas times a scalar, divided by this, on a chain of the OP stack since
/// Isthmus …
const OPERATOR_DIVISOR: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);
/// … and multiplied by this since Jovian, whose receipts have a field of their own.
const OPERATOR_FACTOR: U256 = U256::from_limbs([100, 0, 0, 0]);

/// What it paid. Amounts that do not fit saturate: they are no amounts, and no sum closes on them.
pub(super) fn of(receipt: &ChainReceipt) -> Fees {
    let field = |name: &str| {
        let value = receipt.other.get_deserialized::<U256>(name)?;
        value.ok()
    };
    let gas = U256::from(receipt.gas_used);
    let scalar = field("operatorFeeScalar").unwrap_or_default();
    let by_gas = gas.saturating_mul(scalar);
    let by_gas = match field("daFootprintGasScalar") {
        Some(_) => by_gas.saturating_mul(OPERATOR_FACTOR),
        // Rounded down, as the chain does.
        None => by_gas.checked_div(OPERATOR_DIVISOR).unwrap_or_default(),
    };
    let constant = field("operatorFeeConstant").unwrap_or_default();
    let blob_gas = U256::from(receipt.blob_gas_used.unwrap_or_default());
    let blob_price = U256::from(receipt.blob_gas_price.unwrap_or_default());
    Fees {
        execution: gas.saturating_mul(U256::from(receipt.effective_gas_price)),
        l1: field("l1Fee").unwrap_or_default(),
        operator: by_gas.saturating_add(constant),
        blob: blob_gas.saturating_mul(blob_price),
    }
}
