//! The keys of a file, one by one, each wrong one reported.

use figment::value::{Dict, Value};

use super::{
    file::{ConfigFile, find},
    form::{Parsed, Raw},
    problems::{Problem, Problems},
    schema::{self, Schema},
    shown::shown_key,
};

/// Reads the keys of one table (a whole file, or an endpoint in a list) by its schema. Unknown keys
/// are reported when it is made, wrong and missing values as they are read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    file: &'a ConfigFile,
    prefix: String,
    dict: &'a Dict,
    schema: &'static Schema,
    problems: &'a mut Problems,
}

impl<'a> Reader<'a> {
    /// A reader of the whole file.
    pub(super) fn new(
        file: &'a ConfigFile,
        schema: &'static Schema,
        problems: &'a mut Problems,
    ) -> Self {
        Self::of_table(file, String::new(), file.dict(), schema, problems)
    }

    /// A reader of the table that stands at `prefix`.
    pub(super) fn of_table(
        file: &'a ConfigFile,
        prefix: String,
        dict: &'a Dict,
        schema: &'static Schema,
        problems: &'a mut Problems,
    ) -> Self {
        let mut reader = Self { file, prefix, dict, schema, problems };
        reader.report_unknown(dict, "");
        reader
    }

    /// Whether the key has a value.
    pub(super) fn has(&self, path: &str) -> bool {
        find(self.dict, path).is_some()
    }

    /// The value of a key, if any.
    pub(super) fn value(&self, path: &str) -> Option<&'a Value> {
        find(self.dict, path)
    }

    /// The typed value; its default if it is not given. `None` if there is neither, or the value is
    /// wrong, which has then been reported.
    pub(super) fn get<T>(
        &mut self,
        path: &'static str,
        form: impl FnOnce(Raw<'_>) -> Parsed<T>,
    ) -> Option<T> {
        let key = self.schema.key(path)?;
        let Some(value) = self.value(path) else {
            return match key.default {
                schema::Fallback::Is(text) => {
                    form(Raw { value: &Value::from(text), untyped: true }).ok()
                }
                schema::Fallback::Follows(_) => None,
                schema::Fallback::Required => {
                    if !self.parent_is_wrong(path) {
                        self.push(path, format!("missing; expected {}", key.takes));
                    }
                    None
                }
            };
        };
        let untyped = self.file.variable_of(value).is_some();
        match form(Raw { value, untyped }) {
            Ok(parsed) => Some(parsed),
            Err(fault) => {
                self.wrong(path, fault.message(key.takes));
                None
            }
        }
    }

    /// The expected form of a key's value.
    pub(super) fn takes(&self, path: &str) -> &'static str {
        self.schema.key(path).map_or("", |key| key.takes)
    }

    /// Reports a value.
    pub(super) fn wrong(&mut self, path: &str, message: impl Into<String>) {
        let problem = Problem::new(&self.file.name, self.full(path), message);
        let problem = match self.value(path) {
            Some(value) => problem.value(value).set_by(self.file.variable_of(value)),
            None => problem,
        };
        self.problems.push(problem);
    }

    /// Reports something that has no value.
    pub(super) fn push(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(&self.file.name, self.full(path), message));
    }

    /// For parts that are read by others.
    pub(super) fn parts(&mut self) -> (&'a ConfigFile, &mut Problems) {
        (self.file, self.problems)
    }

    /// The path of a key as people are told it.
    pub(super) fn full(&self, path: &str) -> String {
        match (self.prefix.as_str(), path) {
            (prefix, "") => prefix.to_owned(),
            ("", path) => path.to_owned(),
            (prefix, path) => format!("{prefix}.{path}"),
        }
    }

    /// Whether something above the key is no table, which has been reported.
    fn parent_is_wrong(&self, path: &str) -> bool {
        let Some((parent, _)) = path.rsplit_once('.') else { return false };
        self.value(parent).is_some_and(|value| value.as_dict().is_none())
            || self.parent_is_wrong(parent)
    }

    fn report_unknown(&mut self, dict: &Dict, table: &str) {
        for (name, value) in dict {
            let bare = !name.is_empty() && !name.contains('.');
            let path = if table.is_empty() { name.clone() } else { format!("{table}.{name}") };
            if bare && self.schema.key(&path).is_some() {
                continue;
            }
            let (mut into, mut message) = (None, String::new());
            if bare && self.schema.is_later(&path) {
                "not yet supported; expected to be left out".clone_into(&mut message);
            } else if bare && self.schema.is_table(&path) {
                match value.as_dict() {
                    Some(inner) => into = Some(inner),
                    None => message = format!("expected a table [{path}]"),
                }
            } else {
                message = unknown_key(name, &self.schema.names_under(table).collect::<Vec<_>>());
            }
            if let Some(inner) = into {
                self.report_unknown(inner, &path);
            } else {
                let shown = if table.is_empty() {
                    shown_key(name)
                } else {
                    format!("{table}.{}", shown_key(name))
                };
                let problem = Problem::new(&self.file.name, self.full(&shown), message);
                let variable = self.file.variable_of(value);
                self.problems.push(problem.value(value).set_by(variable));
            }
        }
    }
}

/// What people are told about a key that does not exist.
pub(super) fn unknown_key(name: &str, known: &[&str]) -> String {
    let expected = one_of(known);
    match closest(name, known) {
        Some(close) => format!("unknown key, did you mean {close}? expected {expected}"),
        None => format!("unknown key; expected {expected}"),
    }
}

/// "one of: a, b, c".
pub(super) fn one_of(words: &[&str]) -> String {
    if words.is_empty() {
        "none, there are none".to_owned()
    } else {
        format!("one of: {}", words.join(", "))
    }
}

/// The known word that `word` is most likely meant to be, if any is close.
pub(super) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let most = word.chars().count().div_euclid(3).clamp(1, 3);
    let near = known.iter().map(|name| (distance(&word, &name.to_ascii_lowercase()), *name));
    near.filter(|(far, _)| *far <= most).min().map(|(_, name)| name)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for ((y, above_left), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            let replaced = above_left.saturating_add(usize::from(x != *y));
            next.push(replaced.min(above.saturating_add(1)).min(left.saturating_add(1)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_found() {
        let known = ["chain_id", "block_time", "rpc"];
        assert_eq!(closest("blok_time", &known), Some("block_time"));
        assert_eq!(closest("chain-id", &known), Some("chain_id"));
        assert_eq!(closest("rcp", &known), None, "two edits of three letters are another word");
        assert_eq!(closest("rp", &known), Some("rpc"));
        assert_eq!(closest("heartbeat", &known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
