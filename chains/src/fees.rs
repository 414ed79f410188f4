//! What a block in the near future costs, read at a head.
//!
//! A quote is facts only: the base fee of the head, the exact one of the block after it, and the
//! tip that the market pays. What to offer, and what never to exceed, is policy and lives with
//! submission.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

use alloy::{
    eips::BlockNumberOrTag,
    providers::{DynProvider, Provider as _},
    transports::TransportError,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::heads::Head;

/// Blocks whose tips are looked at.
const HISTORY_BLOCKS: u64 = 10;
/// The percentile of each block's tips, by gas, that counts as the market's.
const TIP_PERCENTILE: f64 = 50.0;
/// EIP-1559: a block aims at its gas limit divided by this.
const ELASTICITY: u64 = 2;
/// EIP-1559: the base fee moves by at most one part in this many per block.
const MAX_CHANGE_DENOMINATOR: u128 = 8;

/// Prices at one head, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeQuote {
    /// Base fee of the head.
    pub base_fee_per_gas: u128,
    /// Base fee of the next block, which is what an inclusion will pay at the earliest.
    pub next_base_fee: u128,
    /// Tip of the median transaction of recent blocks; at least the chain's minimum.
    pub priority_fee: u128,
}

/// Why there is no quote.
#[derive(Debug, Error)]
pub enum FeeError {
    /// The head has no base fee: the chain does not price by EIP-1559.
    #[error("block {0} has no base fee, so the chain's fee model cannot be eip1559")]
    NoBaseFee(u64),
    /// No endpoint answered.
    #[error("reading the fee history")]
    History(#[source] TransportError),
    /// Prices beyond what a transaction can carry.
    #[error("the base fee of block {0} cannot be raised without overflow")]
    Overflow(u64),
}

/// Reads what blocks cost around `head`. The base fees follow from the head itself, so an endpoint
/// that lags can only give a slightly older tip.
///
/// # Errors
/// When the head has no base fee or no endpoint answered.
pub async fn quote(
    provider: &DynProvider,
    head: &Head,
    min_priority_fee: u128,
) -> Result<FeeQuote, FeeError> {
    let base_fee_per_gas = head.base_fee_per_gas.ok_or(FeeError::NoBaseFee(head.number))?;
    let next_base_fee = next_base_fee(head).ok_or(FeeError::Overflow(head.number))?;
    let history = provider
        .get_fee_history(HISTORY_BLOCKS, BlockNumberOrTag::Latest, &[TIP_PERCENTILE])
        .await
        .map_err(FeeError::History)?;
    let tips: Vec<u128> =
        history.reward.unwrap_or_default().iter().filter_map(|row| row.first().copied()).collect();
    let priority_fee = market_tip(tips).max(min_priority_fee);
    Ok(FeeQuote { base_fee_per_gas, next_base_fee, priority_fee })
}

/// The base fee of the block after `head`, by the formula of EIP-1559; `None` on overflow or for a
/// head without one.
pub fn next_base_fee(head: &Head) -> Option<u128> {
    let base = head.base_fee_per_gas?;
    let target = head.gas_limit.checked_div(ELASTICITY)?;
    if target == 0 {
        return Some(base);
    }
    let (used, target) = (u128::from(head.gas_used), u128::from(target));
    // Both divisions round down, as in the specification.
    let change = |distance: u128| {
        base.checked_mul(distance)?.checked_div(target)?.checked_div(MAX_CHANGE_DENOMINATOR)
    };
    if used > target {
        base.checked_add(change(used.checked_sub(target)?)?.max(1))
    } else {
        base.checked_sub(change(target.checked_sub(used)?)?)
    }
}

/// The median of the blocks' tips. Empty blocks report zero and say nothing about the market.
fn market_tip(mut tips: Vec<u128>) -> u128 {
    tips.retain(|tip| *tip > 0);
    tips.sort_unstable();
    tips.get(tips.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use proptest::prelude::*;

    fn head(base: u128, used: u64, limit: u64) -> Head {
        Head {
            number: 1,
            hash: B256::ZERO,
            parent: B256::ZERO,
            timestamp: 0,
            base_fee_per_gas: Some(base),
            gas_limit: limit,
            gas_used: used,
        }
    }

    #[test]
    fn the_next_base_fee_is_the_one_of_the_specification() {
        // The vectors of go-ethereum's TestCalcBaseFee, and the extremes.
        let gwei = 1_000_000_000;
        let cases = [
            (gwei, 10_000_000, 20_000_000, gwei),
            (gwei, 9_000_000, 20_000_000, 987_500_000),
            (gwei, 11_000_000, 20_000_000, 1_012_500_000),
            (gwei, 20_000_000, 20_000_000, 1_125_000_000),
            (gwei, 0, 20_000_000, 875_000_000),
            (7, 20_000_000, 20_000_000, 8),
            (0, 0, 20_000_000, 0),
            (0, 20_000_000, 20_000_000, 1),
        ];
        for (base, used, limit, expected) in cases {
            assert_eq!(next_base_fee(&head(base, used, limit)), Some(expected));
        }
        assert_eq!(next_base_fee(&head(u128::MAX, 20, 20)), None);
        assert_eq!(next_base_fee(&head(5, 0, 1)), Some(5), "a gas target of zero changes nothing");
    }

    #[test]
    fn the_market_tip_is_the_median_of_blocks_that_had_one() {
        assert_eq!(market_tip(vec![]), 0);
        assert_eq!(market_tip(vec![0, 0, 0]), 0);
        assert_eq!(market_tip(vec![0, 5, 0]), 5);
        assert_eq!(market_tip(vec![9, 1, 5]), 5);
    }

    proptest! {
        #[test]
        fn the_base_fee_never_moves_by_more_than_an_eighth(
            base in 0_u128..=1_000_000_000_000_000, used in 0_u64..=30_000_000,
        ) {
            let next = next_base_fee(&head(base, used, 30_000_000)).unwrap();
            prop_assert!(next.abs_diff(base) <= (base / 8).max(1));
        }
    }
}
