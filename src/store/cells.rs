//! What stands in a row's columns, as types; whatever cannot be read makes the store corrupt, and
//! says of what.

use std::{fmt, str::FromStr};

use sqlx::{Decode, Row as _, Sqlite, Type, sqlite::SqliteRow};

use super::StoreError;

/// The columns of rows of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells {
    what: &'static str,
}

impl Cells {
    /// Of rows that hold `what`, for people.
    pub(crate) const fn of(what: &'static str) -> Self {
        Self { what }
    }

    /// As SQLite gives it.
    pub(crate) fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
        self,
        row: &'r SqliteRow,
        column: &'static str,
    ) -> Result<T, StoreError> {
        row.try_get(column).map_err(|error| self.corrupt(error.to_string()))
    }

    /// A number that is never negative.
    pub(crate) fn unsigned(self, row: &SqliteRow, column: &'static str) -> Result<u64, StoreError> {
        let number: i64 = self.get(row, column)?;
        u64::try_from(number).map_err(|_| self.corrupt(format!("{column} is {number}")))
    }

    /// Something that is kept as text.
    pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(
        self,
        row: &SqliteRow,
        column: &'static str,
    ) -> Result<T, StoreError> {
        let text: &str = self.get(row, column)?;
        self.parse_text(column, text)
    }

    /// The same, or nothing.
    pub(crate) fn parse_known<T: FromStr<Err: fmt::Display>>(
        self,
        row: &SqliteRow,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.get(row, column)?;
        text.map(|text| self.parse_text(column, text)).transpose()
    }

    /// A fixed word.
    pub(crate) fn word<T>(
        self,
        row: &SqliteRow,
        column: &'static str,
        of: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text: &str = self.get(row, column)?;
        of(text).ok_or_else(|| self.corrupt(format!("{column} is {text:?}")))
    }

    fn parse_text<T: FromStr<Err: fmt::Display>>(
        self,
        column: &'static str,
        text: &str,
    ) -> Result<T, StoreError> {
        text.parse().map_err(|error| self.corrupt(format!("{column} is {text:?}: {error}")))
    }

    /// What is wrong with such a row.
    pub(crate) fn corrupt(self, detail: String) -> StoreError {
        StoreError::Corrupt { what: self.what, detail }
    }
}
