//! A UTC month, by the blocks' time.

use std::{fmt, str::FromStr};

use ballast_strategy_api::decision::Timestamp;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::guard::budget::{month_name, month_start};

/// Seconds in a day.
pub const DAY: u64 = 86_400;
/// More days than any month has, and fewer than any two.
const BEYOND_A_MONTH: u64 = 32;
/// Years that can be asked for: the first with an EVM chain, and the last of four digits.
const YEARS: std::ops::RangeInclusive<u64> = 2015..=9999;

/// A month. Sorted by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    start: Timestamp,
}

/// What is no month.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no month; expected one such as 2026-10")]
pub struct NoMonth(String);

impl Month {
    /// The month that holds this moment.
    pub fn of(at: Timestamp) -> Self {
        Self { start: month_start(at) }
    }

    /// Its first second.
    pub fn start(self) -> Timestamp {
        self.start
    }

    /// The first second after it.
    pub fn end(self) -> Timestamp {
        self.next().start
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self::of(self.start.saturating_add(BEYOND_A_MONTH.saturating_mul(DAY)))
    }

    /// The one before it.
    #[must_use]
    pub fn previous(self) -> Self {
        Self::of(self.start.saturating_sub(1))
    }

    /// So many months that end with this one, the oldest first.
    pub fn back(self, months: usize) -> Vec<Self> {
        let mut all: Vec<Self> = std::iter::successors(Some(self), |month| Some(month.previous()))
            .take(months)
            .collect();
        all.reverse();
        all
    }

    /// Whether it holds this moment.
    pub fn holds(self, at: Timestamp) -> bool {
        (self.start..self.end()).contains(&at)
    }
}

/// `2026-10`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&month_name(self.start))
    }
}

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Self, NoMonth> {
        let parse = || {
            let (year, month) = text.split_once('-')?;
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
                return None;
            }
            let (year, month): (u64, u64) = (year.parse().ok()?, month.parse().ok()?);
            if !YEARS.contains(&year) || !(1..=12).contains(&month) {
                return None;
            }
            // The middle of the month, give or take two days: no leap day moves it out of it.
            let months =
                year.checked_sub(1970)?.checked_mul(12)?.checked_add(month.checked_sub(1)?)?;
            let days = months.checked_mul(146_097)?.checked_div(4_800)?.checked_add(14)?;
            let found = Self::of(days.checked_mul(DAY)?);
            (found.to_string() == text).then_some(found)
        };
        parse().ok_or_else(|| NoMonth(text.to_owned()))
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_month_of_a_thousand_years_is_read_back() {
        let mut month: Month = "2015-01".parse().unwrap();
        assert_eq!(month.start(), 1_420_070_400);
        for year in 2015..3015 {
            for number in 1..=12 {
                let text = format!("{year}-{number:02}");
                assert_eq!(month.to_string(), text);
                assert_eq!(text.parse(), Ok(month));
                assert_eq!(month.next().previous(), month);
                month = month.next();
            }
        }
    }

    #[test]
    fn months_have_their_bounds() {
        let october: Month = "2026-10".parse().unwrap();
        assert_eq!((october.start(), october.end()), (1_790_812_800, 1_793_491_200));
        assert!(october.holds(1_790_812_800) && !october.holds(1_793_491_200));
        let back: Vec<String> = october.back(3).iter().map(ToString::to_string).collect();
        assert_eq!(back, ["2026-08", "2026-09", "2026-10"]);
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-1",
            "26-10",
            "2026-10-01",
            "1970-01",
            "+026-10",
            "2026/10",
            "2026-1O",
            "october",
            " 2026-10",
            "10000-01",
        ] {
            assert_eq!(text.parse::<Month>(), Err(NoMonth(text.into())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_is_in_its_month_alone(at in 0_u64..253_402_300_800) {
            let month = Month::of(at);
            prop_assert!(month.holds(at));
            prop_assert!(!month.next().holds(at));
            let days = (month.end() - month.start()) / DAY;
            prop_assert!((28..=31).contains(&days));
        }
    }
}
