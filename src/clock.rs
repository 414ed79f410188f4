//! The wall clock, in the one place that may look at it.
//!
//! Decisions use block time. The wall clock only tells how old a head is, and dates what people
//! read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970 by the wall clock; zero if it stands before that.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// How far a block's timestamp lies behind the wall clock; zero if it lies ahead.
pub(crate) fn age_of(block_timestamp: u64) -> Duration {
    Duration::from_secs(now().saturating_sub(block_timestamp))
}

/// A moment as RFC 3339 text in UTC, to the second.
pub(crate) fn text(timestamp: u64) -> String {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(timestamp))
        .map_or_else(|| timestamp.to_string(), |t| humantime::format_rfc3339_seconds(t).to_string())
}
