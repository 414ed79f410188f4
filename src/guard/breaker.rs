//! What the product's own past says: a cool-down after failures, a breaker after more of them, and
//! the strategy's limit on repeating itself. All of it is read from the journal, so a restart
//! forgets nothing.
//!
//! A failure is an included call that reverted, or one that succeeded and did not move the state
//! as it should. A success ends a run of failures; what is not decided yet, or was given up by a
//! self-transfer, says nothing either way.

use std::time::Duration;

use ballast_strategy_api::{Action, RepeatLimit, decision::Timestamp};

use super::{Circumstances, Finding, Row};

/// Failures in a row after which routine work cools down. One alone is mostly a lost race.
pub const COOL_DOWN_AFTER: u32 = 2;
/// The first cool-down, by the blocks' time; doubles with each further failure.
pub const COOL_DOWN: Duration = Duration::from_mins(10);
/// Failures in a row after which routine work stops until something succeeds or an operator
/// resumes the product.
pub const BREAKER_AFTER: u32 = 5;
/// An action that comes longer than this after the one before it, by the blocks' time, follows
/// nothing: a limit on repeating is there to end a loop, not a product.
pub const REPEAT_WINDOW: Duration = Duration::from_hours(24);

const REPEATED: &str = "repeated too often";

/// One included call of the product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// The action's name.
    pub action: String,
    /// What came of it.
    pub result: CallResult,
    /// Time of its block; `None` while that is not known.
    pub at: Option<Timestamp>,
}

/// What came of an included call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    /// It did what it should.
    Succeeded,
    /// It reverted, or the state did not move as it should.
    Failed,
    /// Its effect has not been looked at yet.
    Undecided,
    /// It only used up the nonce.
    GivenUp,
}

/// Failures since the last success, and the block time of the newest of them.
pub(super) fn streak(recent: &[Recent]) -> (u32, Option<Timestamp>) {
    let (mut failures, mut newest) = (0_u32, None);
    for call in recent {
        match call.result {
            CallResult::Succeeded => break,
            CallResult::Failed => {
                if failures == 0 {
                    newest = call.at;
                }
                failures = failures.saturating_add(1);
            }
            CallResult::Undecided | CallResult::GivenUp => {}
        }
    }
    (failures, newest)
}

/// Seconds of the cool-down after so many failures.
pub(super) fn cool_down_after(failures: u32) -> Option<u64> {
    let doublings = failures.checked_sub(COOL_DOWN_AFTER)?;
    Some(COOL_DOWN.as_secs().saturating_mul(2_u64.saturating_pow(doublings)))
}

pub(super) fn failures(case: &Circumstances<'_>) -> Option<Finding> {
    let (failures, newest) = streak(&case.past.recent);
    if failures >= BREAKER_AFTER {
        let detail = format!(
            "{failures} of the product's transactions failed in a row; a success or an operator's \
             `resume` closes the breaker"
        );
        return Some(Finding::new(Row::Breaker, "circuit breaker is open", detail));
    }
    let seconds = cool_down_after(failures)?;
    // One whose block's time is not known yet is as good as now.
    let until = newest.unwrap_or(case.now).saturating_add(seconds);
    let left = until.checked_sub(case.now).filter(|left| *left > 0)?;
    let detail = format!(
        "{failures} of the product's transactions failed in a row; {left} s of a cool-down of \
         {seconds} s are left"
    );
    Some(Finding::new(Row::CoolDown, "cool-down after failures", detail))
}

/// Past its limit an action goes on at the pace of its cooldown, and people are told.
pub(super) fn repeats(action: &Action, case: &Circumstances<'_>) -> Option<Finding> {
    let RepeatLimit { times, cooldown } = action.repeat_limit?;
    let run = run_of(action.name, &case.past.recent, case.now);
    // One that starts a run follows nothing, so a limit of 0 lets one through and no second.
    if run <= u32::from(times) {
        return None;
    }
    let newest = case.past.recent.iter().find(|call| call.result != CallResult::GivenUp);
    let since = newest.and_then(|call| call.at).map_or(0, |at| case.now.saturating_sub(at));
    let name = action.name;
    let told = format!(
        "{name} was sent {run} times in a row and may follow itself at most {times} times; another \
         action, {} h without it or an operator's `resume` ends the row",
        REPEAT_WINDOW.as_secs() / 3_600
    );
    let left = cooldown.saturating_sub(since);
    Some(if cooldown == u64::MAX {
        Finding::new(Row::RepeatLimit, REPEATED, told)
    } else if left > 0 {
        let detail = format!("{told}; until then one goes out every {cooldown} s, in {left} s");
        Finding::new(Row::RepeatLimit, REPEATED, detail)
    } else {
        let detail = format!("{told}; until then one goes out every {cooldown} s");
        Finding::new(Row::Repeating, REPEATED, detail)
    })
}

/// How many times in a row the action was the product's last.
pub(super) fn run_of(name: &str, recent: &[Recent], now: Timestamp) -> u32 {
    let (mut run, mut after) = (0_u32, now);
    for call in recent {
        let at = call.at.unwrap_or(after);
        if call.result == CallResult::GivenUp {
            continue;
        }
        if call.action != name || after.saturating_sub(at) > REPEAT_WINDOW.as_secs() {
            break;
        }
        (run, after) = (run.saturating_add(1), at);
    }
    run
}
