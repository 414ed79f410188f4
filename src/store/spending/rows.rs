//! From rows to what the guard knows of a product's past.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use ballast_chains::{feeds::Price, fees::extra::ExtraFees};
use sqlx::sqlite::SqliteRow;

use super::{Cost, FirstDue, RecentCall};
use crate::{
    guard::{CallResult, Recent, Reservation},
    store::{StoreError, cells::Cells},
};

const CELLS: Cells = Cells::of("a product's past");

pub(super) fn first_due(row: &SqliteRow) -> Result<FirstDue, StoreError> {
    let block: Option<i64> = CELLS.get(row, "since_block")?;
    let block = block.and_then(|block| u64::try_from(block).ok());
    Ok(FirstDue { at: CELLS.unsigned(row, "since")?, block })
}

pub(super) fn cost(row: &SqliteRow) -> Result<Cost, StoreError> {
    let at: Option<i64> = CELLS.get(row, "block_timestamp")?;
    let booked: Option<String> = CELLS.get(row, "wei")?;
    let wei = match booked {
        Some(_) => CELLS.parse(row, "wei")?,
        None => cost_of_receipt(row)?,
    };
    let price: Option<String> = CELLS.get(row, "native_usd")?;
    let price = price.map(|_| CELLS.parse(row, "native_usd")).transpose()?;
    Ok(Cost {
        wallet: CELLS.get(row, "wallet")?,
        nonce: CELLS.unsigned(row, "nonce")?,
        block: CELLS.unsigned(row, "included_block")?,
        block_hash: CELLS.parse(row, "block_hash")?,
        is_final: CELLS.unsigned(row, "is_final")? == 1,
        gas: CELLS.unsigned(row, "gas_used")?,
        wei,
        at: at.and_then(|at| u64::try_from(at).ok()),
        price: price.and_then(Price::from_fixed18),
        is_new: false,
    })
}

/// Gas at its price, and what the chain took beside it; an older version left that in the receipt.
/// Saturates: what does not fit is beyond any budget.
fn cost_of_receipt(row: &SqliteRow) -> Result<U256, StoreError> {
    let price: U256 = CELLS.parse(row, "effective_gas_price")?;
    let execution = U256::from(CELLS.unsigned(row, "gas_used")?).saturating_mul(price);
    let noted = ExtraFees {
        l1_fee: CELLS.parse_known(row, "l1_fee")?,
        operator_fee: CELLS.parse_known(row, "operator_fee")?,
    };
    let extra = if noted == ExtraFees::default() {
        let receipt: Option<String> = CELLS.get(row, "receipt")?;
        receipt.as_deref().map(ExtraFees::of_text).unwrap_or_default()
    } else {
        noted
    };
    Ok(execution.saturating_add(extra.total()))
}

/// The most that each nonce may cost.
pub(super) fn reserved(rows: &[SqliteRow]) -> Result<Vec<Reservation>, StoreError> {
    let mut dearest: BTreeMap<(Address, u64), U256> = BTreeMap::new();
    for row in rows {
        let place = (CELLS.parse(row, "wallet")?, CELLS.unsigned(row, "nonce")?);
        let wei = U256::from(CELLS.unsigned(row, "gas_limit")?)
            .saturating_mul(CELLS.parse(row, "max_fee_per_gas")?)
            .saturating_add(CELLS.parse_known(row, "extra_fee")?.unwrap_or_default());
        let most = dearest.entry(place).or_default();
        *most = (*most).max(wei);
    }
    let reserved = dearest.into_iter();
    Ok(reserved.map(|((wallet, nonce), wei)| Reservation { wallet, nonce, wei }).collect())
}

pub(super) fn recent_call(row: &SqliteRow) -> Result<RecentCall, StoreError> {
    let (wallet, nonce) = (CELLS.get(row, "wallet")?, CELLS.unsigned(row, "nonce")?);
    let block = CELLS.unsigned(row, "included_block")?;
    Ok(RecentCall { wallet, nonce, block, call: recent(row)? })
}

fn recent(row: &SqliteRow) -> Result<Recent, StoreError> {
    let at: Option<i64> = CELLS.get(row, "block_timestamp")?;
    let (kind, postcondition): (String, String) =
        (CELLS.get(row, "kind")?, CELLS.get(row, "postcondition")?);
    let result = match (kind.as_str(), CELLS.unsigned(row, "succeeded")?, postcondition.as_str()) {
        ("cancellation", _, _) => CallResult::GivenUp,
        (_, 0, _) | (_, _, "missed") => CallResult::Failed,
        (_, _, "due") => CallResult::Undecided,
        _ => CallResult::Succeeded,
    };
    Ok(Recent {
        action: CELLS.get(row, "action")?,
        result,
        at: at.and_then(|at| u64::try_from(at).ok()),
    })
}
