//! Whom to believe when endpoints name different heads: pure, with the time passed in.
//!
//! A longer chain is always worth following. At a height already told, another block counts if the
//! endpoint being followed names it, or if that one has gone silent: two endpoints on two sides of
//! a short fork would otherwise make the stream swing to and fro. A lower head of the same chain
//! means that the endpoint lags, unless for some block times nobody confirms the newest head and
//! the majority of endpoints name lower ones: then the chain itself went back.

use std::time::Duration;

use tokio::time::Instant;

use super::{Head, known::Known};
use crate::pool::Sighting;

/// Block times without a word after which an endpoint is silent, and after which a lower head is
/// believed.
const PATIENCE_BLOCKS: u32 = 3;
/// The same on fast chains, where a request takes longer than a few blocks.
const MIN_PATIENCE: Duration = Duration::from_secs(2);

/// What a sighting calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Nothing,
    /// To be linked to the heads told.
    Link,
    /// The chain ends at this known head now.
    RolledBack(Head),
    /// The chain is another one than the one told.
    StartOver,
}

#[derive(Debug, Clone, Copy)]
struct Lower {
    head: Head,
    at: Instant,
}

#[derive(Debug, Default, Clone)]
struct Report {
    heard: Option<Instant>,
    lower: Option<Lower>,
}

/// Who said what lately.
#[derive(Debug)]
pub(super) struct Reports {
    endpoints: Vec<Report>,
    leader: usize,
    /// Since when nobody has confirmed the newest head while somebody named a lower one.
    lower_since: Option<Instant>,
    patience: Duration,
}

impl Reports {
    pub(super) fn new(endpoints: usize, block_time: Duration) -> Self {
        Self {
            endpoints: vec![Report::default(); endpoints],
            leader: 0,
            lower_since: None,
            patience: (block_time * PATIENCE_BLOCKS).max(MIN_PATIENCE),
        }
    }

    /// How long a disagreement has to last before it means something.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// The endpoint whose head was told last.
    pub(super) fn follow(&mut self, endpoint: usize) {
        self.leader = endpoint;
        self.confirmed();
    }

    /// The newest head told is the newest head.
    pub(super) fn confirmed(&mut self) {
        self.lower_since = None;
        for report in &mut self.endpoints {
            report.lower = None;
        }
    }

    pub(super) fn judge(&mut self, sighting: Sighting, known: &Known, now: Instant) -> Verdict {
        let trusted = sighting.endpoint == self.leader || self.leader_is_silent(now);
        if let Some(report) = self.endpoints.get_mut(sighting.endpoint) {
            report.heard = Some(now);
        }
        let head = sighting.head;
        let Some(top) = known.top() else { return Verdict::Link };
        if head.hash == top.hash {
            self.confirmed();
            return Verdict::Nothing;
        }
        if head.number > top.number {
            return Verdict::Link;
        }
        if known.at(head.number).is_some() && !known.has(&head) {
            return if trusted { Verdict::Link } else { Verdict::Nothing };
        }
        // An old head of this chain, or one from before what is remembered.
        if sighting.newest { self.judge_lower(sighting, known, now) } else { Verdict::Nothing }
    }

    fn judge_lower(&mut self, sighting: Sighting, known: &Known, now: Instant) -> Verdict {
        let since = *self.lower_since.get_or_insert(now);
        if let Some(report) = self.endpoints.get_mut(sighting.endpoint) {
            report.lower = Some(Lower { head: sighting.head, at: now });
        }
        if now.duration_since(since) < self.patience {
            return Verdict::Nothing;
        }
        let recent = |lower: &&Lower| now.duration_since(lower.at) <= self.patience;
        let lowers = || self.endpoints.iter().filter_map(|r| r.lower.as_ref()).filter(recent);
        if lowers().count() * 2 <= self.endpoints.len() {
            return Verdict::Nothing;
        }
        let highest = lowers().filter(|lower| known.has(&lower.head)).max_by_key(|l| l.head.number);
        highest.map_or(Verdict::StartOver, |lower| Verdict::RolledBack(lower.head))
    }

    fn leader_is_silent(&self, now: Instant) -> bool {
        let heard = self.endpoints.get(self.leader).and_then(|report| report.heard);
        heard.is_none_or(|heard| now.duration_since(heard) > self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::known::tests::{block, known, main},
        *,
    };

    const BLOCK: Duration = Duration::from_secs(2);

    fn newest(endpoint: usize, head: Head) -> Sighting {
        Sighting { endpoint, head, newest: true }
    }

    fn pushed(endpoint: usize, head: Head) -> Sighting {
        Sighting { endpoint, head, newest: false }
    }

    #[test]
    fn higher_head_of_anyone_is_linked_and_a_known_one_is_not() {
        let (known, now) = (known(1..=10), Instant::now());
        let mut reports = Reports::new(2, BLOCK);
        assert_eq!(reports.judge(newest(1, main(11)), &known, now), Verdict::Link);
        assert_eq!(reports.judge(newest(0, main(10)), &known, now), Verdict::Nothing);
        assert_eq!(reports.judge(pushed(0, main(4)), &known, now), Verdict::Nothing);
    }

    #[test]
    fn fork_at_a_known_height_is_believed_of_the_leader_only() {
        let (known, now) = (known(1..=10), Instant::now());
        let mut reports = Reports::new(2, BLOCK);
        reports.judge(newest(0, main(10)), &known, now);
        let other = block(1, 8, 10);
        assert_eq!(reports.judge(newest(1, other), &known, now), Verdict::Nothing);
        assert_eq!(reports.judge(newest(0, other), &known, now), Verdict::Link);
    }

    #[test]
    fn another_endpoint_is_believed_when_the_leader_is_silent() {
        let (known, now) = (known(1..=10), Instant::now());
        let mut reports = Reports::new(2, BLOCK);
        reports.judge(newest(0, main(10)), &known, now);
        let later = now + BLOCK * PATIENCE_BLOCKS + Duration::from_millis(1);
        assert_eq!(reports.judge(newest(1, block(1, 8, 10)), &known, later), Verdict::Link);
    }

    #[test]
    fn only_endpoint_that_stays_lower_means_that_the_chain_went_back() {
        let (known, now) = (known(1..=10), Instant::now());
        let mut reports = Reports::new(1, BLOCK);
        let lower = newest(0, main(8));
        assert_eq!(reports.judge(lower, &known, now), Verdict::Nothing);
        assert_eq!(reports.judge(lower, &known, now + BLOCK), Verdict::Nothing);
        assert_eq!(reports.judge(lower, &known, now + BLOCK * 3), Verdict::RolledBack(main(8)));
    }

    #[test]
    fn one_lagging_endpoint_among_two_never_rolls_back() {
        let (known, now) = (known(1..=10), Instant::now());
        let mut reports = Reports::new(2, BLOCK);
        for round in 0..20 {
            let verdict = reports.judge(newest(1, main(4)), &known, now + BLOCK * round);
            assert_eq!(verdict, Verdict::Nothing);
        }
        // The other one agrees in the end, and the higher of the two is where the chain ends.
        let verdict = reports.judge(newest(0, main(6)), &known, now + BLOCK * 20);
        assert_eq!(verdict, Verdict::RolledBack(main(6)));
    }

    #[test]
    fn confirmation_of_the_newest_head_starts_the_wait_again() {
        let (known, now) = (known(1..=10), Instant::now());
        let mut reports = Reports::new(1, BLOCK);
        reports.judge(newest(0, main(8)), &known, now);
        reports.judge(newest(0, main(10)), &known, now + BLOCK);
        let verdict = reports.judge(newest(0, main(8)), &known, now + BLOCK * 4);
        assert_eq!(verdict, Verdict::Nothing);
    }

    #[test]
    fn chain_that_ends_below_what_is_remembered_starts_over() {
        let (known, now) = (known(100..=110), Instant::now());
        let mut reports = Reports::new(1, BLOCK);
        reports.judge(newest(0, main(3)), &known, now);
        let verdict = reports.judge(newest(0, main(3)), &known, now + BLOCK * 3);
        assert_eq!(verdict, Verdict::StartOver);
    }
}
