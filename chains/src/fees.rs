//! What a block in the near future costs, read at a head.
//!
//! A quote is facts only: the exact base fee of the block after the head, and what the market pays
//! on top of it. What to offer, and what never to exceed, is policy and lives with submission.
//!
//! On a chain without EIP-1559 transactions ([`FeeModel::Legacy`]) all of a gas price is paid, so
//! there is no base fee to leave room for: a quote has the whole price as its `priority_fee`, and
//! the same arithmetic prices both.
//!
//! What a history of blocks says of the market is in `market`; what a chain takes beside gas ×
//! price in [`extra`].
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

pub mod extra;
mod market;

use alloy::{
    eips::BlockNumberOrTag,
    providers::{DynProvider, Provider as _},
    rpc::types::FeeHistory,
    transports::TransportError,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{heads::Head, profile::FeeModel};

/// Blocks whose tips are looked at.
const HISTORY_BLOCKS: u64 = 10;
/// What is asked for of each block's tips, by gas: the lowest, and the median.
const TIP_PERCENTILES: [f64; 2] = [0.0, 50.0];
/// EIP-1559: a block aims at its gas limit divided by this.
const ELASTICITY: u64 = 2;
/// EIP-1559: the base fee moves by at most one part in this many per block.
pub const MAX_CHANGE_DENOMINATOR: u128 = 8;

/// Prices at one head, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Whether transactions carry one gas price in place of two fees.
    pub legacy: bool,
    /// Base fee of the next block, which is what an inclusion will pay at the earliest. Zero for
    /// legacy transactions, whose price contains it.
    pub next_base_fee: u128,
    /// What the market pays on top of it (the median transaction of recent blocks, the lowest
    /// where they had room); for legacy transactions the whole price. At least the chain's minimum.
    pub priority_fee: u128,
    /// The least that anybody paid on top of it (for legacy transactions the least price), where
    /// every recent block had room for more: what is offered above it buys nothing there. `None`
    /// where blocks fill up, where nobody sent anything, and where that is not known.
    pub lowest: Option<u128>,
    /// The least price that can be included in the next block: its base fee and the chain's
    /// minimum on top.
    pub least: u128,
}

impl Quote {
    /// What the market pays in all; saturates.
    pub fn market(&self) -> u128 {
        self.next_base_fee.saturating_add(self.priority_fee)
    }
}

/// Why there is no quote.
#[derive(Debug, Error)]
pub enum FeeError {
    /// The head has no base fee: the chain does not price by EIP-1559.
    #[error("block {0} has no base fee, so the chain's fee_model must be \"legacy\"")]
    NoBaseFee(u64),
    /// No endpoint answered.
    #[error("reading the fee history")]
    History(#[source] TransportError),
    /// No endpoint answered.
    #[error("reading the gas price")]
    GasPrice(#[source] TransportError),
    /// Prices beyond what a transaction can carry.
    #[error("the base fee of block {0} cannot be raised without overflow")]
    Overflow(u64),
}

/// Reads what blocks cost around `head`.
///
/// # Errors
/// When no endpoint answered, or a head has no base fee where the model needs one.
pub async fn quote(
    provider: &DynProvider,
    head: &Head,
    model: FeeModel,
    min_priority_fee: u128,
) -> Result<Quote, FeeError> {
    let ask = |block| provider.get_fee_history(HISTORY_BLOCKS, block, &TIP_PERCENTILES);
    // At the head itself; an endpoint that has not got it yet can only give slightly older tips.
    let history = async {
        match ask(BlockNumberOrTag::Number(head.number)).await {
            Ok(history) => Ok(history),
            Err(_) => ask(BlockNumberOrTag::Latest).await,
        }
    };
    if model == FeeModel::Legacy {
        let (price, history) = futures::join!(provider.get_gas_price(), history);
        // Only nodes that are old do without, and the price alone will do.
        return legacy(
            head,
            price.map_err(FeeError::GasPrice)?,
            &history.unwrap_or_default(),
            min_priority_fee,
        );
    }
    if head.base_fee_per_gas.is_none() {
        return Err(FeeError::NoBaseFee(head.number));
    }
    of_history(&history.await.map_err(FeeError::History)?, head, model, min_priority_fee)
}

/// The quote of a chain with base fees, by what `eth_feeHistory` told of `HISTORY_BLOCKS` with
/// `TIP_PERCENTILES`.
///
/// # Errors
/// When the head has no base fee, or it cannot be raised without overflow.
pub fn of_history(
    history: &FeeHistory,
    head: &Head,
    model: FeeModel,
    min_priority_fee: u128,
) -> Result<Quote, FeeError> {
    let formula = next_base_fee(head).ok_or(match head.base_fee_per_gas {
        Some(_) => FeeError::Overflow(head.number),
        None => FeeError::NoBaseFee(head.number),
    })?;
    let next_base_fee = told_base_fee(history, head).unwrap_or(match model {
        FeeModel::Eip1559 | FeeModel::Legacy => formula,
        FeeModel::OpStack => steepest(head).ok_or(FeeError::Overflow(head.number))?,
    });
    let priority_fee = market::tip(history).max(min_priority_fee);
    let lowest = market::lowest(history, model).map(|lowest| lowest.max(min_priority_fee));
    let least = next_base_fee.checked_add(min_priority_fee);
    let least = least.ok_or(FeeError::Overflow(head.number))?;
    Ok(Quote { legacy: false, next_base_fee, priority_fee, lowest, least })
}

/// The quote of a chain with one gas price. A base fee, where blocks have one all the same, is the
/// floor of it.
fn legacy(
    head: &Head,
    price: u128,
    history: &FeeHistory,
    min_price: u128,
) -> Result<Quote, FeeError> {
    let base = match head.base_fee_per_gas {
        Some(_) => next_base_fee(head).ok_or(FeeError::Overflow(head.number))?,
        None => 0,
    };
    let least = base.checked_add(min_price).ok_or(FeeError::Overflow(head.number))?;
    // What was paid on top of a base fee that blocks have all the same.
    let lowest = market::lowest(history, FeeModel::Legacy).and_then(|tip| base.checked_add(tip));
    let lowest = lowest.map(|lowest| lowest.min(price).max(least));
    Ok(Quote { legacy: true, next_base_fee: 0, priority_fee: price.max(least), lowest, least })
}

/// The base fee of the block after `head` as the node reckons it, which knows its chain's own
/// parameters (OP stack chains have others than mainnet). `None` if the history is not of this
/// head, or says what no chain's rule allows: more than an eighth above or below the head's. Some
/// nodes answer zero for a block that is not there yet, and an offer by that would buy nothing.
fn told_base_fee(history: &FeeHistory, head: &Head) -> Option<u128> {
    let base = head.base_fee_per_gas?;
    let (next, rest) = history.base_fee_per_gas.split_last()?;
    let blocks = u64::try_from(rest.len()).ok()?;
    let newest = history.oldest_block.checked_add(blocks)?.checked_sub(1)?;
    let least = base.checked_sub(base.div_ceil(MAX_CHANGE_DENOMINATOR))?;
    let is_allowed = (least..=steepest(head)?).contains(next);
    (newest == head.number && rest.last() == Some(&base) && is_allowed).then_some(*next)
}

/// The most that the base fee of the block after `head` may be where the chain sets the rule's
/// parameters itself, as those of the OP stack do: an eighth above the head's. `None` on overflow or
/// for a head without one.
fn steepest(head: &Head) -> Option<u128> {
    let base = head.base_fee_per_gas?;
    base.checked_add(base.div_ceil(MAX_CHANGE_DENOMINATOR).max(1))
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
    fn the_nodes_own_next_base_fee_is_taken_only_for_this_very_head() {
        let head = head(100, 20, 20);
        let of = |oldest_block, fees: &[u128]| {
            let base_fee_per_gas = fees.to_vec();
            told_base_fee(
                &FeeHistory { oldest_block, base_fee_per_gas, ..FeeHistory::default() },
                &head,
            )
        };
        assert_eq!(of(0, &[90, 100, 102]), Some(102), "blocks 0 and 1, and the one after");
        assert_eq!(of(0, &[90, 100, 113]), Some(113), "an eighth, rounded up");
        assert_eq!(of(0, &[90, 100, 114]), None, "no rule allows it");
        assert_eq!(of(0, &[90, 100, 87]), Some(87), "an eighth, rounded up");
        assert_eq!(of(0, &[90, 100, 86]), None, "no rule allows it");
        assert_eq!(of(0, &[90, 100, 0]), None, "a block that the node does not know yet");
        assert_eq!(of(1, &[90, 100, 102]), None, "of another height");
        assert_eq!(of(0, &[90, 99, 102]), None, "of another block");
        assert_eq!(of(0, &[]), None);
    }

    #[test]
    fn a_legacy_price_is_all_in_one_and_never_below_the_base_fee() {
        let mut head = head(100, 20, 20);
        let unknown = FeeHistory::default();
        let legacy = |head: &Head, price, min| legacy(head, price, &unknown, min);
        let quote = legacy(&head, 90, 5).unwrap();
        assert_eq!((quote.next_base_fee, quote.priority_fee, quote.least), (0, 117, 117));
        assert_eq!(legacy(&head, 200, 5).unwrap().market(), 200);
        head.base_fee_per_gas = None;
        let quote = legacy(&head, 3, 5).unwrap();
        assert_eq!((quote.legacy, quote.priority_fee, quote.least), (true, 5, 5));
        assert_eq!(quote.lowest, None, "a node that does not tell what blocks took");
    }

    #[test]
    fn the_lowest_legacy_price_is_never_above_the_nodes_nor_below_the_least() {
        let mut head = head(0, 0, 0);
        head.base_fee_per_gas = None;
        let paid = |tip: u128| FeeHistory {
            gas_used_ratio: vec![0.01, 0.0],
            reward: Some(vec![vec![tip, tip], vec![0, 0]]),
            ..FeeHistory::default()
        };
        let lowest = |price, tip| legacy(&head, price, &paid(tip), 5).unwrap().lowest;
        assert_eq!(lowest(90, 40), Some(40), "by what was paid, not by what is advised");
        assert_eq!(lowest(90, 120), Some(90));
        assert_eq!(lowest(90, 2), Some(5));
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
