//! SQL as plain data, so that it can wait in a queue, be grouped and be tried again.

use sqlx::{Sqlite, query::Query, sqlite::SqliteArguments};

/// One statement with its values, for `$1`, `$2`, …
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    sql: &'static str,
    values: Vec<Value>,
}

/// A value that both dialects store alike. Amounts are decimal text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// `TEXT`.
    Text(String),
    /// `BIGINT`.
    Integer(i64),
    /// `NULL`.
    Null,
}

impl Statement {
    /// A statement without values.
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    /// Adds the next value.
    #[must_use]
    pub(crate) fn with(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(super) fn query(&self) -> Query<'_, Sqlite, SqliteArguments> {
        let mut query = sqlx::query(self.sql);
        for value in &self.values {
            query = match value {
                Value::Text(text) => query.bind(text.as_str()),
                Value::Integer(integer) => query.bind(*integer),
                Value::Null => query.bind(Option::<String>::None),
            };
        }
        query
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Block numbers, nonces, gas, seconds. Above `i64::MAX`, which none of them reaches, it is cut
/// off at that.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
