//! What is wrong with the files, one line each.
//!
//! A line always has the same parts in the same order (file, key, value, what is expected), so
//! that people can find the place and programs can cut the line. Whatever could be a secret is
//! shortened on its way in: a problem never holds more than may be printed.

use std::{collections::BTreeSet, fmt};

use ballast_chains::text::one_line;
use figment::value::Value;
use serde::Serialize;

use super::shown::shown;

/// Everything that is wrong, sorted by file; displays as one line per problem.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(BTreeSet<Problem>);

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file, relative to the configuration directory; `environment` for a variable that
    /// belongs to no file.
    pub file: String,
    /// Line, from 1, of a syntax error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column, from 1, of a syntax error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Full path of the key, such as `limits.max_fee_per_gas` or `rpc[0].url`; empty if the file
    /// as a whole is meant.
    pub key: String,
    /// The offending value, secrets shortened; `None` if it is missing.
    pub value: Option<String>,
    /// What is wrong and what is expected.
    pub message: String,
    /// The environment variable that the value came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
}

impl Problem {
    /// A problem of a key of a file.
    pub(super) fn new(file: &str, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            key: key.into(),
            value: None,
            message: message.into(),
            variable: None,
        }
    }

    /// Adds the offending value, shortened where it may be secret.
    pub(super) fn value(mut self, value: &Value) -> Self {
        self.value = Some(shown(&self.key, value));
        self
    }

    /// Adds text that is known to hold no secret.
    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.value = Some(text.into());
        self
    }

    /// Names the variable that the value came from.
    pub(super) fn set_by(mut self, variable: Option<&str>) -> Self {
        self.variable = variable.map(str::to_owned);
        self
    }

    /// Points at a place of the file.
    pub(super) fn at(mut self, line: usize, column: usize) -> Self {
        (self.line, self.column) = (Some(line), Some(column));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.file))?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", one_line(&self.key))?;
        }
        if let Some(value) = &self.value {
            let joint = if self.key.is_empty() { ": " } else { " = " };
            write!(f, "{joint}{}", one_line(value))?;
        }
        if let Some(variable) = &self.variable {
            write!(f, " (from {})", one_line(variable))?;
        }
        write!(f, ": {}", one_line(&self.message))
    }
}

impl Problems {
    /// Adds a problem; the same one twice counts once.
    pub(super) fn push(&mut self, problem: Problem) {
        self.0.insert(problem);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many things are wrong.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All problems, sorted by file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.0.extend(problems);
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_whatever_it_holds() {
        let problem = Problem::new("products/a\nb.toml", "x\r", "bad\nworse").text("1\n2");
        assert_eq!(problem.to_string().lines().count(), 1);
    }
}
