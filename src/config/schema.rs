//! Every key that a file may have: what it takes, what it is without being given, what it is for.
//!
//! One table serves the parser (unknown keys, defaults, the expected form in a problem) and the
//! reference in `config/README.md`, so the three cannot drift apart. Each kind of file has its part of
//! it in a file of its own.

mod ballast;
mod chain;
mod product;

pub(super) use self::{
    ballast::{BALLAST, NOTIFY},
    chain::{CHAIN, ENDPOINT},
    product::PRODUCT,
};

/// What a file of one kind may contain.
#[derive(Debug)]
pub(super) struct Schema {
    /// Path in the documentation: `ballast.toml`, `chains/*.toml`, …
    pub(super) file: &'static str,
    /// Keys that work.
    pub(super) keys: &'static [Key],
    /// Keys and tables whose feature does not exist yet.
    pub(super) later: &'static [&'static str],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// Full path inside the file.
    pub(super) path: &'static str,
    /// The expected form, as the object of "expected".
    pub(super) takes: &'static str,
    /// What holds if the key is not given.
    pub(super) default: Fallback,
    /// What a single environment variable can set of it.
    pub(super) shape: Shape,
    /// What it is for.
    pub(super) about: &'static str,
}

/// What holds if a key is not given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fallback {
    /// It has to be given.
    Required,
    /// This value, written as in a file but without quotes.
    Is(&'static str),
    /// Nothing, or something that follows from other keys; for people.
    Follows(&'static str),
}

/// How a key's value is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value; a variable may set it.
    Plain,
    /// `{ env = … }` or `{ file = … }`; a variable may set the place, not the secret.
    Secret,
    /// A list; no variable can set it.
    List,
    /// A table with keys that are not known here; variables may set values in it.
    Open,
}

const fn key(
    path: &'static str,
    takes: &'static str,
    default: Fallback,
    about: &'static str,
) -> Key {
    Key { path, takes, default, shape: Shape::Plain, about }
}

const fn compound(
    shape: Shape,
    path: &'static str,
    takes: &'static str,
    default: Fallback,
    about: &'static str,
) -> Key {
    Key { path, takes, default, shape, about }
}

impl Schema {
    /// The key with this path.
    pub(super) fn key(&self, path: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    /// Whether this is a key or table, or part of a table, that will work one day.
    pub(super) fn is_later(&self, path: &str) -> bool {
        self.later.iter().any(|later| is_within(path, later))
    }

    /// Whether this is a table of the file.
    pub(super) fn is_table(&self, path: &str) -> bool {
        self.names_under(path).next().is_some()
    }

    /// Names of all keys and tables directly in a table; the empty path is the file.
    pub(super) fn names_under(&self, table: &str) -> impl Iterator<Item = &'static str> {
        let prefix = if table.is_empty() { String::new() } else { format!("{table}.") };
        let mut names: Vec<&str> = self
            .keys
            .iter()
            .filter_map(|key| key.path.strip_prefix(&prefix)?.split('.').next())
            .collect();
        names.dedup();
        names.into_iter()
    }
}

fn is_within(path: &str, table: &str) -> bool {
    path.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Expected form of prices.
const GAS_PRICE: &str = "a gas price of at most 1000000 gwei, such as \"30 gwei\"";
/// Expected form of durations that are not about single blocks.
const LONG_DURATION: &str = "a duration from 1s to 30days, such as \"6h\"";
/// Expected form of accounts and cost centres.
const ACCOUNT: &str = "1 to 80 characters on one line, such as \"6100 Gas\"";
/// Expected form of endpoint lists.
const ENDPOINTS: &str = "a list of at least one endpoint: \"https://…\", { env = \"NAME\" }, \
                         or { url = …, ws = …, requests_per_second = 50 }";

/// Expected form of addresses.
pub(super) const ADDRESS: &str =
    "an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case";

/// Expected form of a strategy's key whose type does not tell.
pub(super) const PARAM: &str = "the form in the strategy's README (addresses are 0x and 40 \
                                hexadecimal digits)";

/// All keys of all files as Markdown tables.
pub(super) fn reference() -> String {
    let mut text = String::new();
    for schema in [&BALLAST, &NOTIFY, &CHAIN, &ENDPOINT, &PRODUCT] {
        text.push_str(&format!("### {}\n\n", schema.file));
        text.push_str("| key | takes | default | what it is for |\n| --- | --- | --- | --- |\n");
        for key in schema.keys {
            let default = match key.default {
                Fallback::Required => "**required**".to_owned(),
                Fallback::Is(value) => format!("`{value}`"),
                Fallback::Follows(words) => words.to_owned(),
            };
            let row = format!("| `{}` | {} | {default} | {} |\n", key.path, key.takes, key.about);
            text.push_str(&row);
        }
        let later: Vec<String> = schema.later.iter().map(|key| format!("`{key}`")).collect();
        if later.is_empty() {
            text.push('\n');
        } else {
            text.push_str(&format!("\nNot yet supported, and refused: {}.\n\n", later.join(", ")));
        }
    }
    text
}
