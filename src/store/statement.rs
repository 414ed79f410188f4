//! SQL as plain data, so that it can wait in a queue, be grouped and be tried again.

use sqlx::{AssertSqlSafe, Sqlite, query::Query, sqlite::SqliteArguments};

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
        bind(sqlx::query(self.sql), &self.values)
    }
}

fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    values: impl IntoIterator<Item = &'q Value>,
) -> Query<'q, Sqlite, SqliteArguments> {
    values.into_iter().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(text.as_str()),
        Value::Integer(integer) => query.bind(*integer),
        Value::Null => query.bind(Option::<String>::None),
    })
}

/// Statements that the database runs as one command, one after the other; the first that fails is the
/// last. Each command is a way to the database's thread and back, which costs more than most
/// statements do. The texts are those of [`Statement`]s, so no value is ever in them; the same
/// statements in the same order give the same text, which the connection keeps prepared.
pub(super) fn together<'q>(
    before: Option<&str>,
    statements: &'q [Statement],
) -> Query<'q, Sqlite, SqliteArguments> {
    let mut sql = before.unwrap_or_default().to_owned();
    let mut values = 0_usize;
    for statement in statements {
        if !sql.is_empty() {
            sql.push_str(";\n");
        }
        renumber(statement.sql, values, &mut sql);
        values = values.saturating_add(statement.values.len());
    }
    let query = sqlx::query(AssertSqlSafe(sql));
    bind(query, statements.iter().flat_map(|statement| &statement.values))
}

/// Appends a statement whose values are not the first: `$1` becomes `$4` after three others.
fn renumber(sql: &str, by: usize, out: &mut String) {
    let mut parts = sql.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.len().saturating_sub(part.trim_start_matches(char::is_numeric).len());
        let (number, rest) = part.split_at(digits);
        out.push('$');
        match number.parse::<usize>() {
            Ok(number) => out.push_str(&number.saturating_add(by).to_string()),
            Err(_) => out.push_str(number),
        }
        out.push_str(rest);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_on_from_statement_to_statement() {
        let mut sql = String::from("BEGIN; ");
        renumber("UPDATE t SET a = $3, b = $10 WHERE c = $1 AND d = '$x'", 12, &mut sql);
        assert_eq!(sql, "BEGIN; UPDATE t SET a = $15, b = $22 WHERE c = $13 AND d = '$x'");
    }
}
