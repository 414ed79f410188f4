//! Writing to the terminal. A closed pipe is the reader's choice, not a failure.
//!
//! What contracts, nodes and files say is part of what is written: all of it goes through
//! [`one_line`], so that nobody's text moves the cursor, clears the screen or looks like another line.

use std::io::Write as _;

use alloy::primitives::U256;
use ballast_chains::{
    amount,
    text::{self, one_line},
};
use serde::Serialize;

use super::table::Table;
use crate::config::Problems;

/// One line of output.
pub(crate) fn line(text: &str) {
    painted(&one_line(text));
}

/// One line of output with colours, whose text is plain already.
pub(crate) fn painted(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Output that has its lines' ends already, and whose lines are of one who knows where they end.
pub(crate) fn text(text: &str) {
    text.split_terminator('\n').for_each(line);
}

/// A table, in colours if they are wanted.
pub(crate) fn table(table: &Table, colours: bool) {
    table.lines(colours).iter().for_each(|line| painted(line));
}

/// Several lines of output.
pub(crate) fn lines(lines: &[String]) {
    for text in lines {
        line(text);
    }
}

/// One line beside the output, such as where it comes from.
pub(crate) fn note(text: &str) {
    error(text);
}

/// Clears a terminal and goes to its first line; nothing elsewhere.
pub(crate) fn clear(terminal: bool) {
    if terminal {
        drop(write!(std::io::stdout().lock(), "\u{1b}[2J\u{1b}[H"));
    }
}

/// Wei, as decimal text, in whole coins; what is no number is shown as it is.
pub(crate) fn coins(wei: &str, symbol: &str) -> String {
    let text = wei.parse::<U256>().map_or_else(|_| wei.to_owned(), amount::ether);
    format!("{text} {symbol}").trim_end().to_owned()
}

/// A value as one line of JSON.
pub(crate) fn json_line<T: Serialize>(value: &T) {
    match serde_json::to_string(value) {
        Ok(json) => painted(&text::json(&json)),
        Err(cause) => error(&format!("writing JSON: {cause}")),
    }
}

/// One line about what went wrong.
pub(crate) fn error(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "ballast: {}", one_line(text)));
}

/// A value as indented JSON.
pub(crate) fn json<T: Serialize>(value: &T) {
    match serde_json::to_string_pretty(value) {
        Ok(json) => painted(&text::json(&json)),
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
