//! Dates of block times. All of it is UTC: there is no daylight saving on a chain.

use crate::Timestamp;

/// Seconds in a day.
pub const DAY: u64 = 86_400;

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// From 1970.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
}

impl Date {
    /// The day that holds this moment.
    pub fn of(at: Timestamp) -> Self {
        Self::of_day(at.checked_div(DAY).unwrap_or_default())
    }

    /// The day that begins so many days after 1970 did, after Howard Hinnant's `civil_from_days`: the
    /// year begins in March, so that the leap day is its last.
    pub fn of_day(day: u64) -> Self {
        let of = |a: u64, b: u64| a.checked_div(b).unwrap_or_default();
        // Far beyond any block: what is cut off has no date anybody would read.
        let days = day.min(u64::from(u32::MAX)).saturating_add(719_468);
        let (era, in_era) = (of(days, 146_097), days.checked_rem(146_097).unwrap_or_default());
        let leaps = of(in_era, 1_460)
            .saturating_add(of(in_era, 146_096))
            .saturating_sub(of(in_era, 36_524));
        let year_of_era = of(in_era.saturating_sub(leaps), 365);
        let before = year_of_era
            .saturating_mul(365)
            .saturating_add(of(year_of_era, 4))
            .saturating_sub(of(year_of_era, 100));
        let in_year = in_era.saturating_sub(before);
        let shifted = of(in_year.saturating_mul(5).saturating_add(2), 153);
        let before_month = of(shifted.saturating_mul(153).saturating_add(2), 5);
        let day = in_year.saturating_sub(before_month).saturating_add(1);
        let month =
            if shifted < 10 { shifted.saturating_add(3) } else { shifted.saturating_sub(9) };
        let year = era.saturating_mul(400).saturating_add(year_of_era);
        Self { year: if month <= 2 { year.saturating_add(1) } else { year }, month, day }
    }
}

/// The day of the week of the day that begins so many days after 1970 did: 0 is Sunday.
pub fn weekday(day: u64) -> u64 {
    // 1970 began on a Thursday.
    day.checked_add(4).and_then(|days| days.checked_rem(7)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (at, date, day_of_week) in [
            (0, (1970, 1, 1), 4),
            (951_782_399, (2000, 2, 28), 1),
            (951_782_400, (2000, 2, 29), 2),
            (951_868_800, (2000, 3, 1), 3),
            (1_604_361_600, (2020, 11, 3), 2),
            (1_709_164_800, (2024, 2, 29), 4),
            (4_107_542_399, (2100, 2, 28), 0),
            (4_107_542_400, (2100, 3, 1), 1),
        ] {
            let Date { year, month, day } = Date::of(at);
            assert_eq!(((year, month, day), weekday(at / DAY)), (date, day_of_week), "{at}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = Date::of_day(0);
        for day in 1..150_000 {
            let Date { year, month, day } = Date::of_day(day);
            let every = |years| before.year.is_multiple_of(years);
            let leap = every(4) && (!every(100) || every(400));
            let last = match before.month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let expected = match (before.day == last, before.month) {
                (false, _) => (before.year, before.month, before.day + 1),
                (true, 12) => (before.year + 1, 1, 1),
                (true, _) => (before.year, before.month + 1, 1),
            };
            assert_eq!((year, month, day), expected);
            before = Date { year, month, day };
        }
    }
}
