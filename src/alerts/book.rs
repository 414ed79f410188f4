//! What has been told, and what is to be told next. Pure; time comes in as an argument.
//!
//! A condition is told when it has held without a break for as long as it says (`hold`), once more
//! when it gets worse, again every [`REMIND_EVERY`] while it lasts, and a last time when it is over.
//! What is over before it was told is never told. One that was told as over and comes back within
//! [`CALM`] has to last [`FLAP_HOLD`] to be told again, so that what hovers at its line does not tell
//! at every crossing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Notice, Severity, Status, Subject, conditions::Condition};

/// How often people are reminded of what still holds.
const REMIND_EVERY: Duration = Duration::from_hours(6);
/// How long a condition must be gone before it is told as over.
const QUIET: Duration = Duration::from_secs(5);
/// How long a condition that is over is remembered.
const CALM: Duration = Duration::from_mins(10);
/// How long it must last to be told again within that time.
const FLAP_HOLD: Duration = Duration::from_mins(1);

/// The conditions that hold or held a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: BTreeMap<(Subject, &'static str), Entry>,
}

#[derive(Debug)]
struct Entry {
    condition: Condition,
    /// Running time since when it holds without a break; `None` while it does not.
    began: Option<Duration>,
    /// The blocks' time then, where it lasts by that.
    began_at_block: Option<u64>,
    /// Wall clock when it began, seconds.
    since: u64,
    /// Running time when it was last seen.
    seen: Duration,
    /// What people know.
    told: Option<Told>,
    /// Running time when it was told as over.
    over: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    severity: Severity,
    at: Duration,
}

impl Book {
    /// Takes what holds now and gives the news. What is known of a subject in `unread` is not known
    /// to be over. `running` is the time since the start, `now` the wall clock in seconds.
    pub(crate) fn update(
        &mut self,
        (found, unread): (Vec<Condition>, &BTreeSet<Subject>),
        running: Duration,
        now: u64,
    ) -> Vec<Notice> {
        for condition in found {
            let key = (condition.subject.clone(), condition.name);
            let entry = self.entries.entry(key).or_insert_with(|| Entry {
                condition: condition.clone(),
                began: None,
                began_at_block: None,
                since: now,
                seen: running,
                told: None,
                over: None,
            });
            if entry.began.is_none() && entry.told.is_none() {
                (entry.began, entry.since) = (Some(running), now);
                entry.began_at_block = condition.block_time;
            }
            entry.condition = condition;
            entry.seen = running;
        }
        for entry in self.entries.values_mut() {
            if entry.told.is_some() && unread.contains(&entry.condition.subject) {
                entry.seen = running;
            }
        }
        let mut notices = Vec::new();
        self.entries.retain(|_, entry| {
            let (status, keeps) = entry.step(running);
            notices.extend(status.map(|status| entry.notice(status, now)));
            keeps
        });
        notices
    }

    /// How many conditions people know to hold.
    pub(crate) fn open(&self) -> u32 {
        let told = self.entries.values().filter(|entry| entry.told.is_some()).count();
        u32::try_from(told).unwrap_or(u32::MAX)
    }
}

impl Entry {
    /// What is to be told, and whether the entry stays.
    fn step(&mut self, running: Duration) -> (Option<Status>, bool) {
        let holds = self.seen == running;
        let severity = self.condition.severity;
        let is_calm = |over: Duration| running.saturating_sub(over) < CALM;
        match (self.told, holds) {
            (None, false) => {
                self.began = None;
                (None, self.over.is_some_and(is_calm))
            }
            (None, true) if self.lasts(running) < self.hold(running) => (None, true),
            (None, true) => {
                self.told = Some(Told { severity, at: running });
                (Some(Status::Raised), true)
            }
            (Some(told), true) => {
                let is_worse = severity > told.severity;
                if is_worse || running.saturating_sub(told.at) >= REMIND_EVERY {
                    let severity = severity.max(told.severity);
                    self.told = Some(Told { severity, at: running });
                    (Some(Status::Still), true)
                } else {
                    (None, true)
                }
            }
            (Some(_), false) if running.saturating_sub(self.seen) < QUIET => (None, true),
            (Some(told), false) => {
                self.condition.severity = told.severity;
                (self.told, self.began, self.over) = (None, None, Some(running));
                (Some(Status::Recovered), true)
            }
        }
    }

    fn lasts(&self, running: Duration) -> Duration {
        match (self.began_at_block, self.condition.block_time) {
            (Some(began), Some(block)) => Duration::from_secs(block.saturating_sub(began)),
            _ => running.saturating_sub(self.began.unwrap_or(running)),
        }
    }

    /// How long it must last to be told.
    fn hold(&self, running: Duration) -> Duration {
        let flaps = self.over.is_some_and(|over| running.saturating_sub(over) < CALM);
        if flaps { self.condition.hold.max(FLAP_HOLD) } else { self.condition.hold }
    }

    fn notice(&self, status: Status, now: u64) -> Notice {
        let Condition { subject, name, severity, summary, detail, .. } = &self.condition;
        let known = self.told.map_or(*severity, |told| told.severity);
        Notice {
            subject: subject.clone(),
            condition: name,
            status,
            severity: known,
            summary: summary.clone(),
            detail: detail.clone(),
            since: self.since,
            at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn condition(severity: Severity, hold: u64) -> Condition {
        Condition {
            subject: Subject::Chain("mainnet".into()),
            name: "no_head",
            severity,
            hold: Duration::from_secs(hold),
            block_time: None,
            summary: "no new head".into(),
            detail: String::new(),
        }
    }

    /// Plays seconds: at each, whether the condition holds and how badly.
    fn play(book: &mut Book, hold: u64, seconds: &[Option<Severity>]) -> Vec<(u64, Status)> {
        let mut told = Vec::new();
        for (at, severity) in (0_u64..).zip(seconds) {
            let found = severity.map(|severity| condition(severity, hold)).into_iter().collect();
            let unread = BTreeSet::new();
            let notices = book.update((found, &unread), Duration::from_secs(at), 1_000 + at);
            told.extend(notices.into_iter().map(|notice| (at, notice.status)));
        }
        told
    }

    const HELD: Option<Severity> = Some(Severity::Warning);

    #[test]
    fn it_is_told_after_its_hold_and_its_end_after_the_quiet() {
        let mut seconds = vec![HELD; 5];
        seconds.resize(20, None);
        let told = play(&mut Book::default(), 3, &seconds);
        assert_eq!(told, [(3, Status::Raised), (9, Status::Recovered)]);
    }

    #[test]
    fn where_blocks_count_it_lasts_by_their_time() {
        let mut book = Book::default();
        let mut look = |running: u64, block: u64| {
            let found =
                Condition { block_time: Some(block), ..condition(Severity::Warning, 3_600) };
            let running = Duration::from_secs(running);
            let notices = book.update((vec![found], &BTreeSet::new()), running, 50);
            notices.into_iter().map(|notice| notice.status).collect::<Vec<_>>()
        };
        assert_eq!(look(0, 1_000), []);
        // A chain that stands still for a day is another alert.
        assert_eq!(look(86_400, 1_000), []);
        assert_eq!(look(86_401, 4_599), []);
        assert_eq!(look(86_402, 4_600), [Status::Raised]);
    }

    #[test]
    fn what_ends_before_its_hold_is_never_told() {
        let mut seconds = vec![HELD; 3];
        seconds.resize(20, None);
        assert_eq!(play(&mut Book::default(), 3, &seconds), []);
    }

    #[test]
    fn a_break_shorter_than_the_quiet_is_no_recovery() {
        let seconds = [vec![HELD; 2], vec![None; 4], vec![HELD; 2]].concat();
        let mut book = Book::default();
        assert_eq!(play(&mut book, 0, &seconds), [(0, Status::Raised)]);
        assert_eq!(book.open(), 1);
    }

    #[test]
    fn a_turn_for_the_worse_is_told_at_once_and_one_for_the_better_is_not() {
        let worse = Some(Severity::Critical);
        let told = play(&mut Book::default(), 0, &[HELD, HELD, worse, worse, HELD, worse]);
        assert_eq!(told, [(0, Status::Raised), (2, Status::Still)]);
    }

    #[test]
    fn people_are_reminded_and_told_since_when() {
        let mut book = Book::default();
        let look = |book: &mut Book, at: u64| {
            let found = vec![condition(Severity::Critical, 0)];
            book.update((found, &BTreeSet::new()), Duration::from_secs(at), 50 + at)
        };
        assert_eq!(look(&mut book, 0).len(), 1);
        assert_eq!(look(&mut book, 6 * 3_600 - 1), []);
        let reminder = look(&mut book, 6 * 3_600);
        assert_eq!(reminder.len(), 1);
        assert_eq!((reminder[0].status, reminder[0].since), (Status::Still, 50));
    }

    #[test]
    fn what_hovers_at_its_line_is_told_once_and_again_when_it_lasts() {
        let crossing = [vec![HELD; 8], vec![None; 8]].concat();
        let mut book = Book::default();
        let told = play(&mut book, 0, &crossing.repeat(20));
        assert_eq!(told, [(0, Status::Raised), (12, Status::Recovered)]);
        let lasting = [crossing, vec![HELD; 62]].concat();
        let told = play(&mut Book::default(), 0, &lasting);
        assert_eq!(told, [(0, Status::Raised), (12, Status::Recovered), (76, Status::Raised)]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_over() {
        let mut book = Book::default();
        assert_eq!(play(&mut book, 0, &[HELD]), [(0, Status::Raised)]);
        let unread = BTreeSet::from([Subject::Chain("mainnet".into())]);
        let late = |book: &mut Book, unread: &BTreeSet<Subject>, at| {
            book.update((Vec::new(), unread), Duration::from_secs(at), at)
        };
        assert_eq!(late(&mut book, &unread, 60), []);
        assert_eq!(late(&mut book, &BTreeSet::new(), 62), []);
        assert_eq!(late(&mut book, &BTreeSet::new(), 66)[0].status, Status::Recovered);
    }

    proptest! {
        /// Whatever happens, raised and recovered alternate, and nothing is told of what was never
        /// raised.
        #[test]
        fn every_recovery_follows_a_raise(
            hold in 0_u64..8,
            seconds in proptest::collection::vec(
                prop_oneof![Just(None), Just(HELD), Just(Some(Severity::Critical))], 0..200),
        ) {
            let mut is_raised = false;
            for (_, status) in play(&mut Book::default(), hold, &seconds) {
                match status {
                    Status::Raised => prop_assert!(!std::mem::replace(&mut is_raised, true)),
                    Status::Still => prop_assert!(is_raised),
                    Status::Recovered => prop_assert!(std::mem::replace(&mut is_raised, false)),
                    Status::Incident => prop_assert!(false, "a condition is no incident"),
                }
            }
        }
    }
}
