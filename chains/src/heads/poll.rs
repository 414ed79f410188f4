//! When to ask for the newest block.
//!
//! After a new head the next one is due in a block time, and until then asking is useless; from
//! then on an eighth of a block time is the most by which a head is found late. On a chain that
//! keeps its pace this is one request per block. A chain that is faster than its profile says is
//! polled at its own pace.

use std::time::Duration;

use tokio::time::Instant;

/// Bounds of the wait between two polls that find nothing.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// Block times between two polls that only check on a live subscription.
const CHECK_BLOCKS: u32 = 2;

#[derive(Debug)]
pub(super) struct Cadence {
    block_time: Duration,
    /// Time between blocks lately, at most the profile's.
    pace: Duration,
    found: Option<(u64, Instant)>,
    polled: Option<Instant>,
    hurried: bool,
    start: Instant,
}

impl Cadence {
    pub(super) const fn new(block_time: Duration, now: Instant) -> Self {
        Self { block_time, pace: block_time, found: None, polled: None, hurried: false, start: now }
    }

    /// When to poll next, given whether a subscription delivers heads.
    pub(super) fn next(&self, subscribed: bool) -> Instant {
        let retry = (self.block_time / 8).clamp(RETRY.0, RETRY.1);
        let (after_found, after_polled) = match (subscribed, self.hurried) {
            (_, true) => (Duration::ZERO, retry),
            (true, false) => (self.block_time * CHECK_BLOCKS, self.block_time * CHECK_BLOCKS),
            (false, false) => (self.pace, retry),
        };
        let found = self.found.map_or(self.start, |(_, at)| at + after_found);
        self.polled.map_or(found, |at| found.max(at + after_polled))
    }

    pub(super) const fn polled(&mut self, now: Instant) {
        self.polled = Some(now);
        self.hurried = false;
    }

    /// There is a new newest head.
    pub(super) fn found(&mut self, number: u64, now: Instant) {
        if let Some((last, at)) = self.found {
            let blocks = u32::try_from(number.saturating_sub(last)).unwrap_or(u32::MAX).max(1);
            self.pace = (now.duration_since(at) / blocks).min(self.block_time);
        }
        self.found = Some((number, now));
    }

    /// Something may have been missed: poll as soon as is decent.
    pub(super) const fn hurry(&mut self) {
        self.hurried = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Duration = Duration::from_secs(2);

    #[test]
    fn chain_that_keeps_its_pace_costs_one_poll_per_block() {
        let start = Instant::now();
        let mut cadence = Cadence::new(BLOCK, start);
        let (mut polls, mut seen, mut now) = (0, 0, start);
        while now < start + BLOCK * 100 {
            now = cadence.next(false).max(now);
            polls += 1;
            cadence.polled(now);
            let height = u64::try_from((now - start).as_millis() / BLOCK.as_millis()).unwrap();
            if height > seen {
                seen = height;
                cadence.found(height, now);
            }
        }
        assert!(seen >= 99 && polls <= 110, "{polls} polls for {seen} blocks");
    }

    #[test]
    fn late_block_is_found_within_an_eighth() {
        let now = Instant::now();
        let mut cadence = Cadence::new(BLOCK, now);
        cadence.found(1, now);
        cadence.polled(now + BLOCK);
        assert_eq!(cadence.next(false), now + BLOCK + BLOCK / 8);
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
}
