//! Writing to the terminal. A closed pipe is the reader's choice, not a failure.

use std::io::Write as _;

use serde::Serialize;

use crate::config::Problems;

/// One line of output.
pub(crate) fn line(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// One line about what went wrong.
pub(crate) fn error(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "ballast: {text}"));
}

/// A value as indented JSON.
pub(crate) fn json<T: Serialize>(value: &T) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(&text),
        Err(cause) => error(&format!("writing JSON: {cause}")),
    }
}

/// Problems of the files: lines for people on standard error, JSON on standard output.
pub(crate) fn problems(problems: &Problems, as_json: bool) {
    if as_json {
        json(&serde_json::json!({ "ok": false, "problems": problems }));
    } else {
        drop(writeln!(std::io::stderr().lock(), "{problems}"));
    }
}
