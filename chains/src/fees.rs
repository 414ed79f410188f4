//! What a block in the near future costs, read at a head.
//!
//! A quote is facts only: the exact base fee of the block after the head, and what the market pays
//! on top of it. What to offer, and what never to exceed, is policy and lives with submission.
//!
//! On a chain without EIP-1559 transactions ([`FeeModel::Legacy`]) all of a gas price is paid, so
//! there is no base fee to leave room for: a quote has the whole price as its `priority_fee`, and
//! the same arithmetic prices both.
//!
//! What a chain takes beside gas × price is in [`extra`].
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

pub mod extra;

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
/// A block with less of its gas limit used than this had room for everybody: what somebody paid
/// in it above the lowest bought nothing.
const SPARSE_BELOW: f64 = 0.05;
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
    if model == FeeModel::Legacy {
        let price = provider.get_gas_price().await.map_err(FeeError::GasPrice)?;
        return legacy(head, price, min_priority_fee);
    }
    let formula = next_base_fee(head).ok_or(match head.base_fee_per_gas {
        Some(_) => FeeError::Overflow(head.number),
        None => FeeError::NoBaseFee(head.number),
    })?;
    let ask = |block| provider.get_fee_history(HISTORY_BLOCKS, block, &TIP_PERCENTILES);
    // At the head itself; an endpoint that has not got it yet can only give slightly older tips.
    let history = match ask(BlockNumberOrTag::Number(head.number)).await {
        Ok(history) => history,
        Err(_) => ask(BlockNumberOrTag::Latest).await.map_err(FeeError::History)?,
    };
    let next_base_fee = told_base_fee(&history, head).unwrap_or(match model {
        FeeModel::Eip1559 | FeeModel::Legacy => formula,
        FeeModel::OpStack => steepest(head).ok_or(FeeError::Overflow(head.number))?,
    });
    let priority_fee = market_tip(&history).max(min_priority_fee);
    let least = next_base_fee.checked_add(min_priority_fee);
    let least = least.ok_or(FeeError::Overflow(head.number))?;
    Ok(Quote { legacy: false, next_base_fee, priority_fee, least })
}

/// The quote of a chain with one gas price. A base fee, where blocks have one all the same, is the
/// floor of it.
fn legacy(head: &Head, price: u128, min_price: u128) -> Result<Quote, FeeError> {
    let base = match head.base_fee_per_gas {
        Some(_) => next_base_fee(head).ok_or(FeeError::Overflow(head.number))?,
        None => 0,
    };
    let least = base.checked_add(min_price).ok_or(FeeError::Overflow(head.number))?;
    Ok(Quote { legacy: true, next_base_fee: 0, priority_fee: price.max(least), least })
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

/// What had to be paid in recent blocks: the median over those that had a tip at all. Of a block
/// that was filled its own median counts. One that had room says that the lowest was enough, and
/// the lowest of all such blocks counts for each of them: else a single generous transaction on a
/// quiet chain would be the market for ten blocks, and what we offer above it would be the next.
fn market_tip(history: &FeeHistory) -> u128 {
    let blocks = history.gas_used_ratio.iter().zip(history.reward.iter().flatten());
    let (mut tips, mut sparse) = (Vec::new(), Vec::new());
    for (ratio, rewards) in blocks {
        let mut some = rewards.iter().copied().filter(|tip| *tip > 0);
        if *ratio < SPARSE_BELOW {
            // The first is the lowest; none was paid by what a chain of the OP stack puts first.
            sparse.extend(some.next());
        } else {
            tips.extend(some.next_back());
        }
    }
    let lowest = sparse.iter().min().copied();
    tips.extend(lowest.into_iter().cycle().take(sparse.len()));
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
        let quote = legacy(&head, 90, 5).unwrap();
        assert_eq!((quote.next_base_fee, quote.priority_fee, quote.least), (0, 117, 117));
        assert_eq!(legacy(&head, 200, 5).unwrap().market(), 200);
        head.base_fee_per_gas = None;
        let quote = legacy(&head, 3, 5).unwrap();
        assert_eq!((quote.legacy, quote.priority_fee, quote.least), (true, 5, 5));
    }

    /// A history of blocks, each with the used part of its gas limit and its lowest and median tip.
    fn blocks(of: &[(f64, u128, u128)]) -> FeeHistory {
        FeeHistory {
            gas_used_ratio: of.iter().map(|(used, ..)| *used).collect(),
            reward: Some(of.iter().map(|(_, lowest, median)| vec![*lowest, *median]).collect()),
            ..FeeHistory::default()
        }
    }

    #[test]
    fn the_market_tip_is_the_median_of_blocks_that_had_one() {
        let tip = |of: &[(f64, u128, u128)]| market_tip(&blocks(of));
        assert_eq!(tip(&[]), 0);
        assert_eq!(tip(&[(0.0, 0, 0), (0.0, 0, 0)]), 0);
        assert_eq!(tip(&[(0.0, 0, 0), (0.50, 1, 5), (0.90, 0, 0)]), 5);
        assert_eq!(tip(&[(0.50, 1, 9), (0.50, 1, 1), (0.50, 1, 5)]), 5);
        assert_eq!(market_tip(&FeeHistory::default()), 0, "a node without rewards");
    }

    #[test]
    fn where_blocks_have_room_the_lowest_tip_is_enough() {
        let tip = |of: &[(f64, u128, u128)]| market_tip(&blocks(of));
        assert_eq!(tip(&[(0.01, 3, 150), (0.01, 7, 7), (0.02, 9, 90)]), 3);
        assert_eq!(
            tip(&[(0.01, 0, 150), (0.01, 7, 7)]),
            7,
            "nothing was paid by the first one's lowest"
        );
        assert_eq!(
            tip(&[(0.01, 2, 2), (0.40, 5, 8), (0.60, 5, 9), (0.70, 5, 7)]),
            8,
            "most were filled"
        );
    }

    proptest! {
        /// Blocks that have room, and one of them with somebody who pays far too much beside what
        /// others pay there: it stays what it was.
        #[test]
        fn a_generous_stranger_on_a_quiet_chain_is_not_the_market(
            at in 0_usize..40, generous in 1_000_u128..1_000_000, floor in 1_u128..100,
        ) {
            let mut known: Vec<(f64, u128, u128)> = vec![(0.01, floor, floor)];
            for block in 0..40 {
                let recent = known.len().saturating_sub(10);
                let tip = market_tip(&blocks(&known[recent..])).max(floor);
                prop_assert_eq!(tip, floor, "at block {}", block);
                known.push(if block == at { (0.01, floor, generous) } else { (0.01, floor, floor) });
            }
        }

        #[test]
        fn the_base_fee_never_moves_by_more_than_an_eighth(
            base in 0_u128..=1_000_000_000_000_000, used in 0_u64..=30_000_000,
        ) {
            let next = next_base_fee(&head(base, used, 30_000_000)).unwrap();
            prop_assert!(next.abs_diff(base) <= (base / 8).max(1));
        }
    }
}
