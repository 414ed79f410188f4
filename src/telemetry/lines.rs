//! One log line for one event, whatever contracts, nodes and files say in it.

use std::io::{self, Write};

use ballast_chains::text::{json, one_line};
use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;

/// What begins a colour.
const ESCAPE: char = '\u{1b}';
/// The formatter's colours; it leaves the character as it is in values that tell their text.
const COLOURS: [&str; 10] =
    ["[0m", "[1m", "[2m", "[3m", "[31m", "[32m", "[33m", "[34m", "[35m", "[36m"];

/// Standard error, a line at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    pub(super) format: LogFormat,
    /// Whether the formatter colours text.
    pub(super) colours: bool,
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

impl Write for Lines {
    /// Takes what the formatter made of one event: it is given all of it at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let told = self.told(&String::from_utf8_lossy(line));
        io::stderr().lock().write_all(told.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

impl Lines {
    /// An event as one line with its end.
    fn told(self, event: &str) -> String {
        let line = event.strip_suffix('\n').unwrap_or(event);
        let mut told = match (self.format, self.colours) {
            (LogFormat::Json, _) => json(line).into_owned(),
            (LogFormat::Text, false) => one_line(line).into_owned(),
            (LogFormat::Text, true) => painted(line),
        };
        told.push('\n');
        told
    }
}

/// A line of which nothing is left but its colours.
fn painted(line: &str) -> String {
    let mut parts = line.split(ESCAPE);
    let mut told = one_line(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        if COLOURS.iter().any(|colour| part.starts_with(colour)) {
            told.push(ESCAPE);
        } else {
            told.extend(ESCAPE.escape_default());
        }
        told.push_str(&one_line(part));
    }
    told
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects what the formatter wrote.
    #[derive(Debug, Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn told(&self, format: LogFormat, colours: bool) -> String {
            let lines = Lines { format, colours };
            lines.told(&String::from_utf8(self.0.lock().unwrap().clone()).unwrap())
        }
    }

    fn log() {
        let said = "refused\nINFO all is well\r\u{1b}[2J\u{1b}[8m\u{9b}2J\u{202e}";
        tracing::warn!(detail = said, cause = %said, "{said}");
    }

    #[test]
    fn an_event_is_one_line_whatever_is_said_in_it() {
        for colours in [false, true] {
            let sink = Sink::default();
            let to = sink.clone();
            let logs = tracing_subscriber::fmt().with_ansi(colours);
            tracing::subscriber::with_default(logs.with_writer(move || to.clone()).finish(), log);
            let line = sink.told(LogFormat::Text, colours);
            assert!(line.contains("all is well"), "{line:?}");
            assert_eq!(line.lines().count(), 1, "{line:?}");
            // Nothing is left of it but colours.
            assert!(!line.contains(['\r', '\u{9b}', '\u{202e}']), "{line:?}");
            assert!(!line.contains("\u{1b}[2J") && !line.contains("\u{1b}[8m"), "{line:?}");
            assert_eq!(line.contains('\u{1b}'), colours, "{line:?}");
        }
        let sink = Sink::default();
        let to = sink.clone();
        let logs = tracing_subscriber::fmt().json().with_writer(move || to.clone()).finish();
        tracing::subscriber::with_default(logs, log);
        let line = sink.told(LogFormat::Json, false);
        assert!(line.trim_end().chars().all(ballast_chains::text::is_plain), "{line:?}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(value["fields"]["detail"].as_str().unwrap().ends_with('\u{202e}'), "{line}");
    }
}
