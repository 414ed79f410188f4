//! When to ask for the newest block, and whom.
//!
//! Head polls and probes are to cost an endpoint one request per block. Asking once, when the next
//! block is due, is enough on a chain that keeps its pace: a block time after the last one was found,
//! or sooner if blocks have come faster than the profile says. Blocks that are late cost more asks,
//! so there is a bound: the waits between them double, from an eighth of a block time to a whole one.
//! A block that is late by some time is found at most as late again, or an eighth of a block time,
//! and one that does not come for a block time costs [`MAX_EXTRA`] asks more, then one per block
//! time. The further asks of one block go to one fit endpoint after the other, in place of the
//! probes that those would get.
//!
//! While a subscription lives, a poll every other block only checks on it.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Shortest wait between two polls, whatever the block time.
const LEAST_WAIT: Duration = Duration::from_millis(100);
/// Asks beyond the first within the block time after a block was due.
pub(super) const MAX_EXTRA: u32 = 3;
/// Share of a block time that is waited after the first ask in vain; each further wait is twice the
/// one before, up to a block time.
const FIRST_WAIT: u32 = 1 << MAX_EXTRA;
/// Intervals between blocks that the pace is taken from: the longest of them counts.
const INTERVALS: usize = 4;
/// Block times between two polls that only check on a live subscription.
const CHECK_BLOCKS: u32 = 2;

#[derive(Debug)]
pub(super) struct Cadence {
    block_time: Duration,
    /// Time between blocks lately.
    intervals: VecDeque<Duration>,
    found: Option<(u64, Instant)>,
    polled: Option<Instant>,
    /// Polls in vain since a head was found.
    vain: u32,
    hurried: bool,
    start: Instant,
}

impl Cadence {
    pub(super) const fn new(block_time: Duration, now: Instant) -> Self {
        Self {
            block_time,
            intervals: VecDeque::new(),
            found: None,
            polled: None,
            vain: 0,
            hurried: false,
            start: now,
        }
    }

    /// When to poll next, given whether a subscription delivers heads.
    pub(super) fn next(&self, subscribed: bool) -> Instant {
        let (after_found, after_polled) = match (subscribed, self.hurried) {
            (_, true) => (Duration::ZERO, LEAST_WAIT),
            (true, false) => (self.block_time * CHECK_BLOCKS, self.block_time * CHECK_BLOCKS),
            (false, false) => (self.pace(), self.wait()),
        };
        let found = self.found.map_or(self.start, |(_, at)| at + after_found);
        self.polled.map_or(found, |at| found.max(at + after_polled))
    }

    /// Which of the fit endpoints to ask, counted from the most preferred.
    pub(super) const fn turn(&self) -> u32 {
        self.vain
    }

    pub(super) const fn polled(&mut self, now: Instant) {
        self.polled = Some(now);
        self.vain = self.vain.saturating_add(1);
        self.hurried = false;
    }

    /// There is a new newest head.
    pub(super) fn found(&mut self, number: u64, now: Instant) {
        if let Some((last, at)) = self.found {
            let blocks = u32::try_from(number.saturating_sub(last)).unwrap_or(u32::MAX).max(1);
            self.intervals.push_back(now.duration_since(at) / blocks);
            if self.intervals.len() > INTERVALS {
                self.intervals.pop_front();
            }
        }
        self.found = Some((number, now));
        self.vain = 0;
    }

    /// Something may have been missed: poll as soon as is decent.
    pub(super) const fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Time between blocks: the longest of the last few, which an early block does not shorten, but
    /// never longer than the profile says.
    fn pace(&self) -> Duration {
        self.intervals.iter().max().map_or(self.block_time, |pace| (*pace).min(self.block_time))
    }

    fn wait(&self) -> Duration {
        let doublings = self.vain.saturating_sub(1).min(MAX_EXTRA);
        (self.block_time * (1 << doublings) / FIRST_WAIT).max(LEAST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: Duration = Duration::from_secs(2);

    /// Polls a chain whose blocks appear at these times; gives the asks and how late each was found.
    fn follow(appear: &[Duration]) -> (u32, Vec<Duration>) {
        let start = Instant::now();
        let mut cadence = Cadence::new(BLOCK, start);
        let (mut asks, mut late) = (0, Vec::new());
        while late.len() < appear.len() {
            let now = cadence.next(false);
            cadence.polled(now);
            asks += 1;
            let height = appear.iter().filter(|at| start + **at <= now).count();
            if height > late.len() {
                for at in &appear[late.len()..height] {
                    late.push(now - (start + *at));
                }
                cadence.found(u64::try_from(height).unwrap(), now);
            }
        }
        (asks, late)
    }

    #[test]
    fn chain_that_keeps_its_pace_costs_one_poll_per_block() {
        let appear: Vec<_> = (0..100).map(|block| BLOCK * block).collect();
        let (asks, late) = follow(&appear);
        assert!(asks <= 101, "{asks} polls for 100 blocks");
        assert!(late.iter().all(|late| *late <= BLOCK / 8), "{late:?}");
    }

    #[test]
    fn chain_with_missed_slots_costs_a_bounded_number_more() {
        // Every tenth block is missing, as on mainnet on a bad day.
        let appear: Vec<_> = (0..100).filter(|slot| slot % 10 != 9).map(|s| BLOCK * s).collect();
        let (asks, late) = follow(&appear);
        let slots_missed = 10;
        let most = 101 + slots_missed * (1 + MAX_EXTRA);
        assert!(asks <= most, "{asks} polls for {} blocks", appear.len());
        assert!(late.iter().all(|late| *late < BLOCK), "{late:?}");
    }

    #[test]
    fn waits_double_up_to_a_block_time() {
        let now = Instant::now();
        let mut cadence = Cadence::new(BLOCK, now);
        cadence.found(1, now);
        let mut at = now;
        for (ask, wait) in [BLOCK, BLOCK / 8, BLOCK / 4, BLOCK / 2, BLOCK, BLOCK].iter().enumerate()
        {
            assert_eq!(cadence.next(false), at + *wait, "ask {ask}");
            assert_eq!(cadence.turn(), u32::try_from(ask).unwrap(), "each asks the next endpoint");
            at = cadence.next(false);
            cadence.polled(at);
        }
    }

    #[test]
    fn faster_chain_is_polled_at_its_own_pace() {
        let now = Instant::now();
        let mut cadence = Cadence::new(Duration::from_secs(12), now);
        cadence.found(1, now);
        cadence.polled(now);
        cadence.found(13, now + Duration::from_secs(12));
        assert_eq!(cadence.next(false), now + Duration::from_secs(13));
    }

    #[test]
    fn live_subscription_is_only_checked_on_and_its_end_brings_a_poll() {
        let now = Instant::now();
        let mut cadence = Cadence::new(BLOCK, now);
        cadence.found(1, now);
        cadence.polled(now);
        assert_eq!(cadence.next(true), now + BLOCK * 2);
        cadence.hurry();
        assert!(cadence.next(false) <= now + BLOCK / 8);
    }

    proptest! {
        /// However blocks come, the asks are bounded, and lateness is no more than doubled.
        #[test]
        fn asks_and_lateness_are_bounded(
            gaps in proptest::collection::vec(100_u64..9_000, 2..80),
        ) {
            let mut appear = vec![Duration::ZERO];
            for gap in gaps {
                appear.push(*appear.last().unwrap() + Duration::from_millis(gap));
            }
            let (asks, late) = follow(&appear);
            let blocks = u32::try_from(appear.len()).unwrap();
            let span = *appear.last().unwrap() + BLOCK;
            let by_time = u32::try_from(span.as_millis() / BLOCK.as_millis()).unwrap();
            let most = blocks * (1 + MAX_EXTRA) + by_time + 1;
            prop_assert!(asks <= most, "{} asks for {} blocks in {:?}", asks, blocks, span);
            prop_assert!(late.iter().all(|late| *late <= BLOCK));
        }
    }
}
