//! Values as they may be printed: secrets and long texts shortened.
//!
//! A problem has to show what is wrong, and what is wrong may be a private key in the wrong place.
//! So nothing that looks like key material is shown anywhere, nothing at all is shown where secrets
//! belong, and of a URL only what cannot carry a token.

use figment::value::{Num, Value};
use url::Url;

/// Longest text of a value that is shown whole, in characters.
const LONGEST_VALUE: usize = 80;
/// Longest host without a dot that is shown.
const LONGEST_BARE_HOST: usize = 24;
/// Longest scheme of a URL that is shown.
const LONGEST_SCHEME: usize = 12;
/// Hexadecimal digits from which on a text may be key material. Addresses (40) are shorter.
const KEY_DIGITS: usize = 48;
/// Longest name of a variable, bytes.
const LONGEST_VARIABLE: usize = 128;
/// Words from which on a text may be a mnemonic.
const MNEMONIC_WORDS: usize = 12;

/// A value as it may be printed: as TOML would write it, secrets and long texts shortened.
pub(super) fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::String(_, text) => shown_text(key, text),
        Value::Char(_, letter) => shown_text(key, &letter.to_string()),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, number) => shown_number(*number),
        Value::Empty(..) => "nothing".to_owned(),
        Value::Array(_, items) if items.is_empty() => "[]".to_owned(),
        Value::Array(..) => "[…]".to_owned(),
        Value::Dict(_, entries) if entries.keys().any(|k| k.contains("toml_private_datetime")) => {
            "a date".to_owned()
        }
        Value::Dict(_, entries) if entries.is_empty() => "{}".to_owned(),
        Value::Dict(_, entries) => {
            let inner: Vec<String> = entries
                .iter()
                .map(|(k, v)| match v {
                    Value::Dict(..) | Value::Array(..) => format!("{} = …", shown_key(k)),
                    Value::String(..)
                    | Value::Char(..)
                    | Value::Bool(..)
                    | Value::Num(..)
                    | Value::Empty(..) => {
                        format!("{} = {}", shown_key(k), shown(&format!("{key}.{k}"), v))
                    }
                })
                .collect();
            format!("{{ {} }}", inner.join(", "))
        }
    }
}

/// A key as TOML writes it: bare where it can be, else quoted; secrets shortened.
pub(super) fn shown_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if looks_secret(key) || key.chars().count() > LONGEST_VALUE {
        "(a key too long to show)".to_owned()
    } else if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

fn shown_text(key: &str, text: &str) -> String {
    let length = text.chars().count();
    let misplaced = last_name(key) == "env" && !text.is_empty() && !is_variable_name(text);
    if looks_secret(text) || misplaced || (holds_secret(key) && !is_address(text)) {
        format!("\"…\" ({length} characters, not shown)")
    } else if key == "store.url" && !text.contains('@') {
        format!("{text:?}")
    } else if holds_url(key) || text.contains("://") {
        format!("\"{}\"", shown_url(text))
    } else if length > LONGEST_VALUE {
        let start: String = text.chars().take(LONGEST_VALUE).collect();
        format!("{start:?}… ({length} characters)")
    } else {
        format!("{text:?}")
    }
}

/// Scheme, host and port of an address; nothing that may carry a token.
fn shown_url(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || " .-:[]_".contains(c);
    // A host has a dot or is short; a token on its own is long and has none.
    let looks_like_host = host.contains('.') || host.len() <= LONGEST_BARE_HOST;
    let shows = host.chars().all(plain) && looks_like_host && !looks_secret(host);
    if !shows || scheme.len() > LONGEST_SCHEME || !scheme.chars().all(plain) {
        return "…".to_owned();
    }
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    let user = if rest.contains('@') { "…@" } else { "" };
    let whole = format!("{scheme}{host}");
    let ends_here = text == whole || Url::parse(text).is_ok_and(|url| url.as_str() == whole);
    format!("{scheme}{user}{host}{}", if ends_here { "" } else { "/…" })
}

fn shown_number(number: Num) -> String {
    let whole = number.to_u128().map(|n| n.to_string());
    let whole = whole.or_else(|| number.to_i128().map(|n| n.to_string()));
    whole.unwrap_or_else(|| {
        number.to_f64().map_or_else(|| "a number".to_owned(), |n| format!("{n:?}"))
    })
}

/// Whether the text could be a private key or a mnemonic, wherever it stands.
fn looks_secret(text: &str) -> bool {
    let digits = text.trim().trim_start_matches("0x");
    let hex = digits.len() >= KEY_DIGITS && digits.chars().all(|c| c.is_ascii_hexdigit());
    hex || text.split_whitespace().count() >= MNEMONIC_WORDS
}

/// Whether the text could name an environment variable: letters, digits and underscores, and not a
/// private key in disguise.
pub(super) fn is_variable_name(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let starts_well = text.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    plain && starts_well && !looks_secret(text) && text.len() <= LONGEST_VARIABLE
}

/// Whether texts under this key are secrets, whatever they look like: everything in `wallet` but
/// names of places.
fn holds_secret(key: &str) -> bool {
    let last = last_name(key);
    let names_a_place = matches!(last, "address" | "env" | "file" | "keystore" | "aws_kms");
    let in_wallet = key == "wallet" || key.starts_with("wallet.");
    let sounds_secret =
        ["token", "passw", "secret", "mnemonic", "private_key", "passphrase", "seed"]
            .iter()
            .any(|word| last.contains(word));
    (in_wallet || sounds_secret || last == "key") && !names_a_place
}

fn holds_url(key: &str) -> bool {
    let last = last_name(key);
    matches!(last, "url" | "ws" | "rpc" | "send" | "private_send" | "explorer")
}

fn last_name(key: &str) -> &str {
    let last = key.rsplit('.').next().unwrap_or(key);
    last.split('[').next().unwrap_or(last)
}

fn is_address(text: &str) -> bool {
    let digits = text.trim_start_matches("0x");
    digits.len() == 40 && digits.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(key: &str, text: &str) -> String {
        shown(key, &Value::from(text))
    }

    #[test]
    fn secrets_are_never_shown() {
        let key = format!("0x{}", "4f".repeat(32));
        for place in ["wallet.key", "params.extension", "chain", "rpc[0].url", "x"] {
            assert!(!show(place, &key).contains("4f4f"), "{place}");
        }
        let words = "test test test test test test test test test test test junk";
        assert!(!show("params.note", words).contains("junk"));
        assert!(!show("wallet.kye", "hunter2").contains("hunter2"));
        assert!(!shown_key(&key).contains("4f4f"));
    }

    #[test]
    fn addresses_of_nodes_lose_what_may_be_a_token() {
        for (text, expected) in [
            ("https://node.example/v3/s3cret", "\"https://node.example/…\""),
            ("https://user:s3cret@node.example", "\"https://…@node.example/…\""),
            ("https://node.example?key=s3cret", "\"https://node.example/…\""),
            ("http://127.0.0.1:8545", "\"http://127.0.0.1:8545\""),
            ("node.example/v3/s3cret", "\"node.example/…\""),
            ("localhost:8545", "\"localhost:8545\""),
            ("0123456789abcdef0123456789abcdef", "\"…\""),
            ("not a url", "\"not a url\""),
            ("", "\"\""),
        ] {
            assert_eq!(show("rpc[0].url", text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_look_as_in_the_file() {
        assert_eq!(shown("x", &Value::from(-3)), "-3");
        assert_eq!(shown("x", &Value::from(12.5)), "12.5");
        assert_eq!(shown("x", &Value::from(5.0)), "5.0");
        assert_eq!(shown("x", &Value::from(f64::NAN)), "NaN");
    }
}
