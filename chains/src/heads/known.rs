//! The heads told so far: a chain without gaps, its newest part remembered.

use std::collections::VecDeque;

use super::{Head, MAX_GAP};

/// Consecutive heads, oldest first; each is the parent of the next.
#[derive(Debug, Default)]
pub(super) struct Known {
    heads: VecDeque<Head>,
}

impl Known {
    pub(super) fn top(&self) -> Option<&Head> {
        self.heads.back()
    }

    pub(super) fn oldest(&self) -> Option<&Head> {
        self.heads.front()
    }

    pub(super) fn at(&self, number: u64) -> Option<&Head> {
        let offset = number.checked_sub(self.oldest()?.number)?;
        self.heads.get(usize::try_from(offset).ok()?)
    }

    /// Whether this very block is among the heads told.
    pub(super) fn has(&self, head: &Head) -> bool {
        self.at(head.number).is_some_and(|known| known.hash == head.hash)
    }

    /// Adds the child of the newest head.
    pub(super) fn push(&mut self, head: Head) {
        if self.heads.len() >= MAX_GAP {
            self.heads.pop_front();
        }
        self.heads.push_back(head);
    }

    /// Forgets the heads above a number and returns how many.
    pub(super) fn truncate(&mut self, number: u64) -> u64 {
        let mut dropped = 0;
        while self.top().is_some_and(|top| top.number > number) {
            self.heads.pop_back();
            dropped += 1;
        }
        dropped
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use alloy::primitives::{B256, U256};

    /// The block of a branch at a height; branches share what is at or below `fork`.
    pub(in crate::heads) fn block(branch: u8, fork: u64, number: u64) -> Head {
        let hash = |number: u64| {
            let branch = if number > fork { branch } else { 0 };
            B256::from(U256::from(number) + (U256::from(branch) << 64) + (U256::from(1) << 128))
        };
        Head {
            number,
            hash: hash(number),
            parent: number.checked_sub(1).map(hash).unwrap_or_default(),
            timestamp: 1_700_000_000 + number,
            base_fee_per_gas: None,
            gas_limit: 30_000_000,
            gas_used: 0,
        }
    }

    pub(in crate::heads) fn main(number: u64) -> Head {
        block(0, 0, number)
    }

    pub(in crate::heads) fn known(numbers: std::ops::RangeInclusive<u64>) -> Known {
        let mut known = Known::default();
        numbers.for_each(|number| known.push(main(number)));
        known
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_newest() {
        let known = known(1..=600);
        assert_eq!(known.top(), Some(&main(600)));
        assert_eq!(known.oldest().map(|head| head.number), Some(600 - 512 + 1));
        assert_eq!((known.at(600), known.at(601), known.at(88)), (Some(&main(600)), None, None));
    }

    #[test]
    fn truncation_counts_what_it_forgets() {
        let mut known = known(5..=10);
        assert_eq!(known.truncate(7), 3);
        assert_eq!(known.top(), Some(&main(7)));
        assert_eq!(known.truncate(7), 0);
    }
}
