//! What recent blocks say of the market: what was paid in them, and whether anybody had to compete.
//!
//! A tip buys a place before somebody else's transaction. Where every block had room for more, nobody
//! was kept out by somebody who paid more, and the lowest that was paid was enough: by whoever paid
//! it, ourselves included, which is what keeps a keeper that is alone on its chain from outbidding
//! itself.
//!
//! When a block had room is judged with care, since too little offered costs an emergency blocks:
//!
//! * It used less than [`ROOM_BELOW`] of its gas limit. Below the limit there is room for any tip
//!   that its builder takes at all; but builders leave out what came to them late, and fill up with
//!   what was paid for elsewhere, so that the lowest tip of a half-full block is not a price that
//!   others can have. The target of EIP-1559 is a half: blocks below half of that are ones that
//!   the protocol itself calls too empty.
//! * The base fee did not rise after it. Chains of the OP stack have their target at a sixth or a
//!   tenth of the limit: there a block with four fifths of the limit free may be a busy one, and
//!   says so by the base fee.
//!
//! And all of the recent blocks must have had room: a single one that fills up is competition.

use alloy::rpc::types::FeeHistory;

use super::HISTORY_BLOCKS;
use crate::profile::FeeModel;

/// The used part of the gas limit below which a block counts with the lowest tip of all such blocks,
/// among others that filled up: one that was all but empty says nothing else.
const SPARSE_BELOW: f64 = 0.05;
/// The used part of the gas limit below which a block had room: half of the target of EIP-1559.
const ROOM_BELOW: f64 = 0.25;

/// What had to be paid in recent blocks: the median over those that had a tip at all. Of a block
/// that was filled its own median counts. One that was all but empty says that the lowest was
/// enough, and the lowest of all such blocks counts for each of them: else a single generous
/// transaction on a quiet chain would be the market for ten blocks.
pub(super) fn tip(history: &FeeHistory) -> u128 {
    let (mut tips, mut sparse) = (Vec::new(), Vec::new());
    for (ratio, rewards) in blocks(history) {
        let mut some = rewards.iter().copied().filter(|tip| *tip > 0);
        if ratio < SPARSE_BELOW {
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

/// The lowest tip that was paid, if every recent block had room for more; see above.
pub(super) fn lowest(history: &FeeHistory, model: FeeModel) -> Option<u128> {
    let known = u64::try_from(history.gas_used_ratio.len()).ok()?;
    // Fewer than asked for prove less, unless there are no more.
    if known < HISTORY_BLOCKS && history.oldest_block != 0 {
        return None;
    }
    // What is no number is not below anything.
    let had_room = history.gas_used_ratio.iter().all(|used| *used < ROOM_BELOW);
    let fees = &history.base_fee_per_gas;
    let told = model == FeeModel::Legacy || fees.len() > history.gas_used_ratio.len();
    let rose = fees.iter().zip(fees.iter().skip(1)).any(|(base, next)| next > base);
    if !had_room || !told || rose {
        return None;
    }
    // The first is the block's lowest; none was paid by what a chain of the OP stack puts first.
    let lowest = blocks(history).filter_map(|(_, tips)| tips.iter().copied().find(|tip| *tip > 0));
    lowest.min()
}

/// Each block's used part of the gas limit, and its tips by [`super::TIP_PERCENTILES`].
fn blocks(history: &FeeHistory) -> impl Iterator<Item = (f64, &Vec<u128>)> {
    history.gas_used_ratio.iter().copied().zip(history.reward.iter().flatten())
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A history of blocks, each with the used part of its gas limit and its lowest and median tip.
    fn blocks(of: &[(f64, u128, u128)]) -> FeeHistory {
        FeeHistory {
            gas_used_ratio: of.iter().map(|(used, ..)| *used).collect(),
            reward: Some(of.iter().map(|(_, lowest, median)| vec![*lowest, *median]).collect()),
            base_fee_per_gas: vec![100; of.len() + 1],
            ..FeeHistory::default()
        }
    }

    #[test]
    fn the_market_tip_is_the_median_of_blocks_that_had_one() {
        let tip = |of: &[(f64, u128, u128)]| tip(&blocks(of));
        assert_eq!(tip(&[]), 0);
        assert_eq!(tip(&[(0.0, 0, 0), (0.0, 0, 0)]), 0);
        assert_eq!(tip(&[(0.0, 0, 0), (0.50, 1, 5), (0.90, 0, 0)]), 5);
        assert_eq!(tip(&[(0.50, 1, 9), (0.50, 1, 1), (0.50, 1, 5)]), 5);
        assert_eq!(super::tip(&FeeHistory::default()), 0, "a node without rewards");
    }

    #[test]
    fn among_others_a_block_that_is_all_but_empty_counts_with_the_lowest_tip() {
        let tip = |of: &[(f64, u128, u128)]| tip(&blocks(of));
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

    #[test]
    fn the_lowest_is_enough_only_where_every_block_had_room() {
        let lowest = |of: &[(f64, u128, u128)]| lowest(&blocks(of), FeeModel::Eip1559);
        let mut quiet = [(0.24, 4, 90); 10];
        assert_eq!(lowest(&quiet), Some(4));
        quiet[3] = (0.01, 0, 3);
        assert_eq!(lowest(&quiet), Some(3), "nothing was paid by what comes first there");
        quiet[5] = (0.0, 0, 0);
        assert_eq!(lowest(&quiet), Some(3), "an empty block says nothing");
        assert_eq!(lowest(&[(0.0, 0, 0); 10]), None, "nor do ten of them");
        for used in [0.25, 0.5, 1.0, f64::NAN] {
            quiet[9].0 = used;
            assert_eq!(lowest(&quiet), None, "{used}");
        }
    }

    #[test]
    fn a_base_fee_that_rose_tells_a_busy_chain_whatever_its_limit() {
        // A chain of the OP stack with its target at a tenth of the limit.
        let mut busy = blocks(&[(0.12, 4, 9); 10]);
        assert_eq!(lowest(&busy, FeeModel::OpStack), Some(4));
        busy.base_fee_per_gas[7] = 101;
        assert_eq!(lowest(&busy, FeeModel::OpStack), None);
        busy.base_fee_per_gas = vec![100, 90, 80, 70, 60, 50, 50, 50, 40, 30, 31];
        assert_eq!(lowest(&busy, FeeModel::OpStack), None, "after the newest of them");
    }

    #[test]
    fn what_was_not_told_is_not_taken_for_room() {
        let quiet = blocks(&[(0.1, 4, 9); 10]);
        let silent = FeeHistory { base_fee_per_gas: Vec::new(), ..quiet.clone() };
        assert_eq!(lowest(&silent, FeeModel::Eip1559), None, "whether it rose");
        assert_eq!(lowest(&silent, FeeModel::Legacy), Some(4), "there is none to rise");
        assert_eq!(lowest(&FeeHistory::default(), FeeModel::Legacy), None);
        let few = FeeHistory { oldest_block: 7, ..blocks(&[(0.1, 4, 9); 9]) };
        assert_eq!(lowest(&few, FeeModel::Eip1559), None, "nine of ten blocks");
        let young = FeeHistory { oldest_block: 0, ..few };
        assert_eq!(lowest(&young, FeeModel::Eip1559), Some(4), "there are no more");
    }

    proptest! {
        /// Blocks that are all but empty, and one of them with somebody who pays far too much beside
        /// what others pay there: it stays what it was.
        #[test]
        fn a_generous_stranger_on_a_quiet_chain_is_not_the_market(
            at in 0_usize..40, generous in 1_000_u128..1_000_000, floor in 1_u128..100,
        ) {
            let mut known: Vec<(f64, u128, u128)> = vec![(0.01, floor, floor)];
            for block in 0..40 {
                let recent = known.len().saturating_sub(10);
                let history = blocks(&known[recent..]);
                prop_assert_eq!(tip(&history).max(floor), floor, "at block {}", block);
                prop_assert!(lowest(&history, FeeModel::Eip1559).is_none_or(|tip| tip == floor));
                known.push(if block == at { (0.01, floor, generous) } else { (0.01, floor, floor) });
            }
        }

        #[test]
        fn the_lowest_is_never_above_the_market(
            of in proptest::collection::vec((0.0..0.3_f64, 0_u128..50, 0_u128..50), 10),
        ) {
            // Percentiles of one block ascend.
            let of: Vec<_> = of.iter().map(|(used, a, b)| (*used, *a.min(b), *a.max(b))).collect();
            let history = blocks(&of);
            if let Some(lowest) = lowest(&history, FeeModel::Eip1559) {
                prop_assert!(lowest <= tip(&history));
                prop_assert!(of.iter().all(|(_, low, high)| [*low, *high].iter().all(|t| *t == 0 || *t >= lowest)));
            }
        }
    }
}
