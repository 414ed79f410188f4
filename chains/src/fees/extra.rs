//! What a chain takes for a transaction beside gas × price.
//!
//! On a chain of the OP stack that is the L1 data fee, for publishing the transaction on Ethereum,
//! and where the chain sets one the operator fee. Neither is in an estimate of gas or in any field of
//! a transaction, so nothing but the sender's balance caps them. Before sending, the
//! `GasPriceOracle` says what they may be at most ([`ExtraQuote`]); afterwards the receipt says what
//! they were ([`ExtraFees`]), to the wei.
//!
//! What the oracle knows depends on the chain's fork, which is found by asking: since Fjord an upper
//! bound by size, before it the fee of given bytes; since Isthmus the operator fee. On Arbitrum none
//! of this applies: its gas contains the share of Ethereum, and its receipts have no further fee.

use alloy::{
    eips::{BlockId, RpcBlockHash},
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, U256, address},
    providers::{DynProvider, Provider as _},
    rpc::types::TransactionRequest,
    sol,
    sol_types::SolCall,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{pool::ChainReceipt, profile::FeeModel, reader::CallError};

/// Where every chain of the OP stack has its `GasPriceOracle`.
pub const GAS_PRICE_ORACLE: Address = address!("420000000000000000000000000000000000000F");

/// What the L1 data fee may grow to before the transaction is in a block, in percent: its base fees
/// grow by at most an eighth in each block of Ethereum, and 1.125³ is below 1.5. A transaction that
/// waits longer is priced anew with each further attempt.
const L1_GROWTH_PERCENT: U256 = U256::from_limbs([150, 0, 0, 0]);
const HUNDRED: U256 = U256::from_limbs([100, 0, 0, 0]);
/// The gas at which the operator fee is asked for. It is linear in gas, by 10⁻⁶ of an integer since
/// Isthmus and by hundreds of one since Jovian, so at this amount both are exact.
const OPERATOR_GAS: U256 = U256::from_limbs([1_000_000_000, 0, 0, 0]);
/// Isthmus: the operator fee per gas is the scalar divided by this.
const ISTHMUS_DIVISOR: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);

sol! {
    /// The predeploy, as far as it is used.
    interface IGasPriceOracle {
        function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256);
        function getL1Fee(bytes unsignedTx) external view returns (uint256);
        function getOperatorFee(uint256 gasUsed) external view returns (uint256);
    }
}

/// The most that a transaction may cost beside gas × price, as told at one block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtraQuote {
    /// The L1 data fee at that block, wei.
    l1_fee: U256,
    /// The operator fee without any gas, wei.
    operator_constant: U256,
    /// What [`OPERATOR_GAS`] adds to it, wei.
    operator_part: U256,
}

/// Why there is no quote. What is urgent goes on without one.
#[derive(Debug, Error)]
pub enum ExtraError {
    /// The chain is not what its file says, or has another oracle.
    #[error(
        "the GasPriceOracle at {GAS_PRICE_ORACLE} does not answer {0}: is this a chain of the OP \
         stack?"
    )]
    NoOracle(&'static str),
    /// No endpoint answered.
    #[error("the GasPriceOracle was not to be asked for {0}")]
    Unavailable(&'static str, #[source] CallError),
}

impl ExtraQuote {
    /// Nothing: chains on which gas × price is all.
    pub const NONE: Self =
        Self { l1_fee: U256::ZERO, operator_constant: U256::ZERO, operator_part: U256::ZERO };

    /// A quote of these figures: the L1 data fee, and the operator fee of no gas and of 10⁹ gas.
    pub fn new(l1_fee: U256, operator_constant: U256, operator_at_giga_gas: U256) -> Self {
        let operator_part = operator_at_giga_gas.saturating_sub(operator_constant);
        Self { l1_fee, operator_constant, operator_part }
    }

    /// A quote of an L1 data fee alone, wei.
    pub fn of_l1_fee(l1_fee: U256) -> Self {
        Self { l1_fee, ..Self::NONE }
    }

    /// The most that a transaction of that gas limit costs beside gas × price, wei, rounded up, with
    /// room for the growth of the L1 data fee; saturates.
    pub fn most(&self, gas_limit: u64) -> U256 {
        let l1_fee = self.l1_fee.saturating_mul(L1_GROWTH_PERCENT).div_ceil(HUNDRED);
        let by_gas = self.operator_part.saturating_mul(U256::from(gas_limit));
        l1_fee.saturating_add(self.operator_constant).saturating_add(by_gas.div_ceil(OPERATOR_GAS))
    }
}

/// What a transaction has cost beside gas × price, by its receipt, wei.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraFees {
    /// The L1 data fee; `None` where the receipt names none.
    pub l1_fee: Option<U256>,
    /// The operator fee; `None` where the receipt names none.
    pub operator_fee: Option<U256>,
}

impl ExtraFees {
    /// From the fields that a receipt of the OP stack has beside Ethereum's. The operator fee itself
    /// is not among them, so it is worked out as the chain does, rounded down: by the rule of Jovian
    /// where the receipt has that fork's own field, else by that of Isthmus.
    pub fn of(receipt: &ChainReceipt) -> Self {
        let field = |name: &str| receipt.other.get_deserialized::<U256>(name)?.ok();
        Self::by(U256::from(receipt.inner.gas_used), field)
    }

    /// From a receipt as it is kept, in JSON; nothing of what is none.
    pub fn of_text(receipt: &str) -> Self {
        let receipt: serde_json::Value = serde_json::from_str(receipt).unwrap_or_default();
        let field = |name: &str| U256::deserialize(receipt.get(name)?).ok();
        Self::by(field("gasUsed").unwrap_or_default(), field)
    }

    fn by(gas_used: U256, field: impl Fn(&str) -> Option<U256>) -> Self {
        let (scalar, constant) = (field("operatorFeeScalar"), field("operatorFeeConstant"));
        let operator_fee = (scalar.is_some() || constant.is_some()).then(|| {
            let by_gas = gas_used.saturating_mul(scalar.unwrap_or_default());
            let by_gas = match field("daFootprintGasScalar") {
                Some(_) => by_gas.saturating_mul(HUNDRED),
                None => by_gas.checked_div(ISTHMUS_DIVISOR).unwrap_or_default(),
            };
            by_gas.saturating_add(constant.unwrap_or_default())
        });
        Self { l1_fee: field("l1Fee"), operator_fee }
    }

    /// Both, wei; saturates.
    pub fn total(&self) -> U256 {
        let known = |fee: Option<U256>| fee.unwrap_or_default();
        known(self.l1_fee).saturating_add(known(self.operator_fee))
    }
}

/// What the chain may take at that block for a transaction with these unsigned bytes, or fewer.
/// Nothing is asked on chains on which gas × price is all.
///
/// # Errors
/// When the oracle is missing or not to be asked.
pub async fn quote(
    provider: &DynProvider,
    at: B256,
    model: FeeModel,
    unsigned: &Bytes,
) -> Result<ExtraQuote, ExtraError> {
    match model {
        FeeModel::Eip1559 | FeeModel::Legacy => return Ok(ExtraQuote::NONE),
        FeeModel::OpStack => {}
    }
    let (l1_fee, constant, operator) = futures::try_join!(
        l1_fee(provider, at, unsigned),
        operator_fee(provider, at, U256::ZERO),
        operator_fee(provider, at, OPERATOR_GAS),
    )?;
    Ok(ExtraQuote::new(l1_fee, constant, operator))
}

async fn l1_fee(provider: &DynProvider, at: B256, unsigned: &Bytes) -> Result<U256, ExtraError> {
    let size = U256::from(unsigned.len());
    let bound = IGasPriceOracle::getL1FeeUpperBoundCall { unsignedTxSize: size };
    if let Some(fee) = ask(provider, at, bound, "getL1FeeUpperBound").await? {
        return Ok(fee);
    }
    // Before Fjord.
    let exact = IGasPriceOracle::getL1FeeCall { unsignedTx: unsigned.clone() };
    ask(provider, at, exact, "getL1Fee").await?.ok_or(ExtraError::NoOracle("getL1Fee"))
}

/// Zero before Isthmus, where nothing answers. That there is an oracle at all, the other fee shows.
async fn operator_fee(provider: &DynProvider, at: B256, gas: U256) -> Result<U256, ExtraError> {
    let call = IGasPriceOracle::getOperatorFeeCall { gasUsed: gas };
    Ok(ask(provider, at, call, "getOperatorFee").await?.unwrap_or_default())
}

/// `None` where the contract has no such function, or there is none.
async fn ask<C: SolCall<Return = U256>>(
    provider: &DynProvider,
    at: B256,
    call: C,
    name: &'static str,
) -> Result<Option<U256>, ExtraError> {
    let request = TransactionRequest::default()
        .with_to(GAS_PRICE_ORACLE)
        .with_input(Bytes::from(call.abi_encode()));
    let block = BlockId::Hash(RpcBlockHash::from(at));
    match provider.call(request).block(block).await.map_err(CallError::from) {
        Ok(answer) => Ok(C::abi_decode_returns(&answer).ok()),
        Err(CallError::Reverted(_) | CallError::Halted(_)) => Ok(None),
        Err(cause @ (CallError::Refused { .. } | CallError::Unavailable(_))) => {
            Err(ExtraError::Unavailable(name, cause))
        }
    }
}

#[cfg(test)]
mod tests;
