//! The schedule in a product file: a word, a cron expression, or a table with both and durations.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use super::{DEFAULT_EARLY, DEFAULT_GRACE, DEFAULT_STILL_AFTER, Schedule, cron::Cron};

/// The first of every month, at the beginning of the day.
const MONTHLY: &str = "0 0 1 * *";
/// The first of January, April, July and October.
const QUARTERLY: &str = "0 0 1 1,4,7,10 *";
/// Longest duration that makes sense here.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// When: a word or a cron expression.
#[derive(Debug, Clone, Default)]
struct Moments(Option<Cron>);

/// Seconds, from a duration such as `"3days"`.
#[derive(Debug, Clone, Copy)]
struct Seconds(u64);

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    due: Moments,
    early: Option<Seconds>,
    grace: Option<Seconds>,
    still_after: Option<Seconds>,
}

impl From<Table> for Schedule {
    fn from(table: Table) -> Self {
        let or = |given: Option<Seconds>, usual| given.map_or(usual, |Seconds(seconds)| seconds);
        Self {
            due: table.due.0,
            early: or(table.early, DEFAULT_EARLY),
            grace: or(table.grace, DEFAULT_GRACE),
            still_after: or(table.still_after, DEFAULT_STILL_AFTER),
        }
    }
}

impl Moments {
    fn read<E: Error>(text: &str) -> Result<Self, E> {
        let expression = match text {
            "none" => return Ok(Self(None)),
            "monthly" => MONTHLY,
            "quarterly" => QUARTERLY,
            other => other,
        };
        let cron = expression.parse().map_err(|cause| {
            E::custom(format_args!(
                "{cause}; expected \"monthly\", \"quarterly\", \"none\" or a cron \
                 expression such as \"0 12 1 * *\""
            ))
        })?;
        Ok(Self(Some(cron)))
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = Schedule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "\"monthly\", \"quarterly\", \"none\", a cron expression such as \
                     \"0 12 1 * *\", or a table with due, early, grace and still_after",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Schedule, E> {
                Moments::read(text).map(|Moments(due)| Schedule { due, ..Schedule::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Schedule, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(map)).map(Schedule::from)
            }
        }
        from.deserialize_any(TextOrTable)
    }
}

impl<'de> Deserialize<'de> for Moments {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Moments;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "\"monthly\", \"quarterly\", \"none\" or a cron expression such as \
                     \"0 12 1 * *\"",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Moments, E> {
                Moments::read(text)
            }
        }
        from.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("whole seconds up to 366days, such as \"3days\" or \"12h\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Seconds, E> {
                let span = humantime::parse_duration(text).ok();
                let span = span.filter(|span| *span <= LONGEST && span.subsec_nanos() == 0);
                let refused = || E::invalid_value(Unexpected::Str(text), &self);
                span.map(|span| Seconds(span.as_secs())).ok_or_else(refused)
            }
        }
        from.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Schedule, String> {
        serde_json::from_value(value).map_err(|cause| cause.to_string())
    }

    fn due(value: Value) -> Option<String> {
        read(value).unwrap().due.map(|cron| cron.to_string())
    }

    #[test]
    fn words_expressions_and_tables() {
        assert_eq!(due(json!("monthly")).as_deref(), Some("0 0 1 * *"));
        assert_eq!(due(json!("quarterly")).as_deref(), Some("0 0 1 1,4,7,10 *"));
        assert_eq!(due(json!(" 0  12 1 * * ")).as_deref(), Some("0 12 1 * *"));
        assert_eq!(read(json!("none")).unwrap(), Schedule::default());
        assert_eq!(read(json!({})).unwrap(), Schedule::default());
        let whole =
            json!({ "due": "monthly", "early": "1day", "grace": "36h", "still_after": "90m" });
        let whole = read(whole).unwrap();
        assert_eq!((whole.early, whole.grace, whole.still_after), (86_400, 129_600, 5_400));
        assert_eq!(whole.due.unwrap().to_string(), "0 0 1 * *");
        assert_eq!(read(json!({ "still_after": "1h" })).unwrap().due, None);
    }

    #[test]
    fn what_is_wrong_says_what_was_expected() {
        let check = |value: Value, words: &str| {
            let told = read(value.clone()).unwrap_err();
            assert!(told.contains(words), "{value}: {told}");
        };
        check(json!("weekly"), "1 fields; a cron expression has five");
        check(
            json!("weekly"),
            "expected \"monthly\", \"quarterly\", \"none\" or a cron expression",
        );
        check(json!("0 25 1 * *"), "\"25\" is no hour from 0 to 23");
        check(json!("0 0 31 2 *"), "no such day comes");
        check(json!(3), "or a table with due, early, grace and still_after");
        check(json!({ "due": 3 }), "expected \"monthly\"");
        check(json!({ "cron": "monthly" }), "unknown field `cron`");
        check(json!({ "grace": "3" }), "expected whole seconds up to 366days, such as \"3days\"");
        for wrong in ["-1s", "500ms", "400days", ""] {
            check(json!({ "early": wrong }), "expected whole seconds");
        }
    }
}
