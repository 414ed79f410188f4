//! Text of others where people read it: what a contract, a token, a node or a file says reaches a
//! terminal, a log line or a message only through here.

use std::{borrow::Cow, fmt::Write as _};

/// The text as one line that a terminal does nothing with but print it: what would end the line, move
/// about, change its direction or not be seen stands there escaped, such as `\n` or `\u{1b}`.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |c, into| into.extend(c.escape_default()))
}

/// JSON that was written already, with what its writer leaves as it is in strings escaped in its own
/// way. Line ends between values stay.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |c, into| match u32::from(c) {
        // The writer escapes these in strings: here they are its own.
        0..0x20 => into.push(c),
        // All others are below 2^16, so that one escape is enough.
        code => drop(write!(into, "\\u{code:04x}")),
    })
}

/// Whether a character is printed where it stands.
pub fn is_plain(c: char) -> bool {
    let moves_or_hides = matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !c.is_control() && !moves_or_hides
}

fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) { plain.push(c) } else { escape(c, &mut plain) }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        for (text, expected) in [
            ("größer, 5 % 🎉", "größer, 5 % 🎉"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2JAll passed.", "\\u{1b}[2JAll passed."),
            ("\u{9b}2J\u{7f}\u{0}", "\\u{9b}2J\\u{7f}\\u{0}"),
            ("\u{202e}dessap\u{2028}\u{200b}", "\\u{202e}dessap\\u{2028}\\u{200b}"),
        ] {
            assert_eq!(one_line(text), expected);
        }
        assert!(matches!(one_line("as it is"), Cow::Borrowed(_)));
    }

    #[test]
    fn every_control_character_is_escaped() {
        for c in (0..=0x2100).filter_map(char::from_u32).filter(|c| c.is_control()) {
            let text = one_line(&c.to_string()).into_owned();
            assert!(text.starts_with('\\') && text.chars().all(is_plain), "{text:?}");
        }
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({ "a": "\u{1b}[2J\n\u{9b}2J\u{202e}" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        assert!(!text.chars().all(|c| c == '\n' || is_plain(c)));
        let safe = json(&text);
        assert!(safe.chars().all(|c| c == '\n' || is_plain(c)), "{safe:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
