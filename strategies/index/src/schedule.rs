//! When a rebalance is due: the keeper trades one, but people start it, and they forget.
//!
//! Everything is a function of the block's time and of what the chain remembers; nothing is kept. What
//! is late is told as two observations that the runtime knows, whatever the strategy:
//! [`START_DUE`] and [`STANDING_STILL`].

pub mod cron;
mod params;

use alloy::primitives::I256;
use ballast_strategy_api::{
    Observation, Timestamp, Unit,
    decision::{STANDING_STILL, START_DUE},
};

use self::cron::Cron;
use crate::decimal::ONE;

/// How late a start may be before people are told again: 3 days.
pub const DEFAULT_GRACE: u64 = 3 * 86_400;
/// How long before it is due a start counts as this one: 3 days.
pub const DEFAULT_EARLY: u64 = 3 * 86_400;
/// How long a rebalance may stand still: 12 hours. Routine work may wait for a cheap block for 6
/// (`limits.routine_patience`).
pub const DEFAULT_STILL_AFTER: u64 = 12 * 3_600;

/// Moment of the next start, [`Unit::Time`].
pub const NEXT_START: &str = "next_start";

/// When an index is re-weighted, and what counts as late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The moments at which a rebalance is due; `None`: at no set time.
    pub due: Option<Cron>,
    /// Seconds before such a moment from which on what is started is the one that was due. Never more
    /// than half of the time since the moment before.
    pub early: u64,
    /// Seconds after such a moment from which on a start is overdue.
    pub grace: u64,
    /// Seconds for which a rebalance may stand still that could go on.
    pub still_after: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            due: None,
            early: DEFAULT_EARLY,
            grace: DEFAULT_GRACE,
            still_after: DEFAULT_STILL_AFTER,
        }
    }
}

/// What the chain remembers of a rebalance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The last sign of life: when it was started or, where that is not known, when it last traded.
    pub last: Option<Timestamp>,
    /// Whether something is left to be traded. While it is, nobody has to start anything.
    pub is_open: bool,
    /// Since when something could have been traded and nothing was, see [`idle_since`].
    pub idle_since: Option<Timestamp>,
}

/// Since when something could have been traded and nothing was: the earliest moment from which one of
/// the components that wait had rested enough, but not before the newest trade or the start. `None`
/// where all of them rest.
///
/// `ready` are the moments at which the components' rests end, of those that something could be done
/// about: what is met does not count, nor does a buy that nothing is there to pay for.
pub fn idle_since(
    ready: impl IntoIterator<Item = Timestamp>,
    newest: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let ready = ready.into_iter().filter(|end| *end <= now).min()?;
    // A clock of the chain's that is ahead of the block is none.
    Some(newest.map_or(ready, |newest| newest.max(ready)).min(now))
}

impl Schedule {
    /// The moment since when a rebalance should have been started; `None` if none is due.
    ///
    /// It is the first one that the last sign of life does not count for; without any the latest.
    pub fn due_since(&self, last: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let due = self.due.as_ref()?;
        let Some(last) = last else { return due.until(now) };
        let next = due.after(last)?;
        let before = due.until(last).unwrap_or_default();
        let half = next.saturating_sub(before).checked_div(2).unwrap_or_default();
        let from = next.saturating_sub(self.early.min(half));
        let open = if last >= from { due.after(next)? } else { next };
        (open <= now).then_some(open)
    }

    /// What is due, and what stands still, for people.
    pub fn observations(&self, progress: &Progress, now: Timestamp) -> Vec<Observation> {
        let mut seen = Vec::new();
        if let Some(due) = &self.due {
            let since = self.due_since(progress.last, now).filter(|_| !progress.is_open);
            seen.push(lasting(START_DUE, since, self.grace, now));
            let next = due.after(now).and_then(fixed);
            seen.push(next.map(|next| Observation::new(NEXT_START, next, Unit::Time)));
        }
        let idle = progress.idle_since.filter(|_| progress.is_open);
        seen.push(lasting(STANDING_STILL, idle, self.still_after, now));
        seen.into_iter().flatten().collect()
    }
}

/// How long something lasts: 0 while it does not, and more than 0 from its first second on.
fn lasting(
    name: &'static str,
    since: Option<Timestamp>,
    most: u64,
    now: Timestamp,
) -> Option<Observation> {
    let lasts = since.map_or(0, |since| now.saturating_sub(since).max(1));
    let seen = Observation::new(name, fixed(lasts)?, Unit::Seconds);
    Some(Observation { max: Some(fixed(most)?), ..seen })
}

fn fixed(whole: u64) -> Option<I256> {
    ONE.checked_mul(alloy::primitives::U256::from(whole)).and_then(|x| I256::try_from(x).ok())
}

#[cfg(test)]
mod tests;
