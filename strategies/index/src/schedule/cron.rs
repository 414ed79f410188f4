//! Moments that come again, as cron writes them: `0 12 1 * *` is noon of every first, in UTC.
//!
//! Five fields (minute, hour, day, month, day of the week), each `*`, a number, a range `1-5`, a list
//! `1,15`, or one of the first three with a step `*/2`; months and days of the week also by the first
//! three letters of their English names, and Sunday is 0 or 7. Where both days are given, not as `*`,
//! either will do, as in every cron.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use ballast_strategy_api::{
    Timestamp,
    calendar::{DAY, Date, weekday},
};
use thiserror::Error;

/// Longest text that is looked at.
const LONGEST: usize = 128;
/// Days that are looked through for a moment: a 29th of February that has to be one day of the week
/// comes again within 40 years.
const FAR: u64 = 41 * 366;
const MINUTE: u64 = 60;
const MINUTES_IN_HOUR: u64 = 60;
const MINUTES_IN_DAY: u64 = 24 * MINUTES_IN_HOUR;
/// The days that each month has at the most.
const LENGTHS: [u64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Moments that come again, to the minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
    /// Whether a day has to satisfy both fields of days, since one of them begins with a star.
    is_both: bool,
}

/// What is no such text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoCron {
    /// Not five fields.
    #[error("{0} fields; a cron expression has five: minute, hour, day, month, day of the week")]
    Fields(usize),
    /// A field that says nothing.
    #[error("{part:?} is no {field} from {least} to {most}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it has.
        part: String,
        /// Least number in it.
        least: u64,
        /// Greatest number in it.
        most: u64,
    },
    /// Days that no month has.
    #[error("no such day comes: none of its months has one of its days")]
    Never,
}

/// Numbers from 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Set(u64);

impl Set {
    fn has(self, number: u64) -> bool {
        let bit = u32::try_from(number).ok().and_then(|number| self.0.checked_shr(number));
        bit.unwrap_or_default() & 1 == 1
    }

    fn add(&mut self, number: u64) {
        let bit = u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number));
        self.0 |= bit.unwrap_or_default();
    }
}

/// What a field may have.
struct Field {
    name: &'static str,
    range: RangeInclusive<u64>,
    /// Names of the numbers from the least on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", range: 0..=59, names: &[] },
    Field { name: "hour", range: 0..=23, names: &[] },
    Field { name: "day", range: 1..=31, names: &[] },
    Field { name: "month", range: 1..=12, names: &MONTHS },
    Field { name: "day of the week", range: 0..=7, names: &WEEKDAYS },
];

impl Field {
    fn read(&self, text: &str) -> Result<Set, NoCron> {
        let mut set = Set::default();
        for part in text.split(',') {
            let wrong = || NoCron::Field {
                field: self.name,
                part: part.to_owned(),
                least: *self.range.start(),
                most: *self.range.end(),
            };
            let (range, step) = self.part(part).ok_or_else(wrong)?;
            range.step_by(step).for_each(|number| set.add(number));
        }
        Ok(set)
    }

    /// `*`, `1`, `1-5`, `*/2`, `1-5/2`. A number with a step goes on to the end in some crons and is
    /// refused in others; here it is refused.
    fn part(&self, part: &str) -> Option<(RangeInclusive<u64>, usize)> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(plain(step).filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let range = match range.split_once('-') {
            Some((first, last)) => self.number(first)?..=self.number(last)?,
            None if range == "*" => self.range.clone(),
            None if step.is_none() => self.number(range).map(|one| one..=one)?,
            None => return None,
        };
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        (!range.is_empty()).then_some((range, step))
    }

    fn number(&self, text: &str) -> Option<u64> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(place) => u64::try_from(place).ok()?.checked_add(*self.names_from())?,
            None => plain(text)?,
        };
        self.range.contains(&number).then_some(number)
    }

    fn names_from(&self) -> &u64 {
        self.range.start()
    }
}

/// Digits alone: a sign or a blank is none.
fn plain(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl FromStr for Cron {
    type Err = NoCron;

    fn from_str(text: &str) -> Result<Self, NoCron> {
        let texts: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, day_of_week] = *texts.as_slice() else {
            return Err(NoCron::Fields(texts.len()));
        };
        if text.len() > LONGEST {
            return Err(NoCron::Fields(texts.len()));
        }
        let [of_minute, of_hour, of_day, of_month, of_weekday] = &FIELDS;
        let mut weekdays = of_weekday.read(day_of_week)?;
        if weekdays.has(7) {
            weekdays.add(0);
        }
        let cron = Self {
            text: texts.join(" "),
            minutes: of_minute.read(minute)?,
            hours: of_hour.read(hour)?,
            days: of_day.read(day)?,
            months: of_month.read(month)?,
            weekdays,
            is_both: day.starts_with('*') || day_of_week.starts_with('*'),
        };
        if cron.is_both && !cron.has_a_day() {
            return Err(NoCron::Never);
        }
        Ok(cron)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cron {
    /// The first moment after this one; `None` beyond all calendars.
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let from = minutes(at).checked_add(1)?;
        let (today, minute) = split(from);
        let days = (today..=today.checked_add(FAR)?).filter(|day| self.comes_on(*day));
        let mut moments = days.filter_map(|day| {
            let least = if day == today { minute } else { 0 };
            let minute = (least..MINUTES_IN_DAY).find(|minute| self.comes_at(*minute))?;
            moment(day, minute)
        });
        moments.next()
    }

    /// The last moment up to this one, itself included; `None` if there was none since 1970.
    pub fn until(&self, at: Timestamp) -> Option<Timestamp> {
        let (today, minute) = split(minutes(at));
        let days = (today.saturating_sub(FAR)..=today).rev().filter(|day| self.comes_on(*day));
        let mut moments = days.filter_map(|day| {
            let most = if day == today { minute } else { MINUTES_IN_DAY };
            let minute = (0..=most).rev().find(|minute| self.comes_at(*minute))?;
            moment(day, minute)
        });
        moments.next()
    }

    fn comes_at(&self, minute: u64) -> bool {
        let hour = minute.checked_div(MINUTES_IN_HOUR).unwrap_or_default();
        let minute = minute.checked_rem(MINUTES_IN_HOUR).unwrap_or_default();
        self.hours.has(hour) && self.minutes.has(minute)
    }

    fn comes_on(&self, day: u64) -> bool {
        let date = Date::of_day(day);
        let (by_date, by_weekday) = (self.days.has(date.day), self.weekdays.has(weekday(day)));
        let fits = if self.is_both { by_date && by_weekday } else { by_date || by_weekday };
        self.months.has(date.month) && fits
    }

    /// Whether one of the months has one of the days, in a leap year.
    fn has_a_day(&self) -> bool {
        (1..).zip(LENGTHS).any(|(month, length)| {
            self.months.has(month) && (1..=length).any(|day| self.days.has(day))
        })
    }
}

fn minutes(at: Timestamp) -> u64 {
    at.checked_div(MINUTE).unwrap_or_default()
}

/// Days since 1970, and the minute of that day.
fn split(minutes: u64) -> (u64, u64) {
    let day = minutes.checked_div(MINUTES_IN_DAY).unwrap_or_default();
    (day, minutes.checked_rem(MINUTES_IN_DAY).unwrap_or_default())
}

fn moment(day: u64, minute: u64) -> Option<Timestamp> {
    day.checked_mul(DAY)?.checked_add(minute.checked_mul(MINUTE)?)
}
