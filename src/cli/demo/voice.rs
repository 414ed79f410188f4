//! One line of the show: which chain and product, at which block, what. Columns, and a colour a
//! chain on a terminal, so that two stories told at once stay two.

use std::io::IsTerminal as _;

use ballast_chains::text::one_line;

use super::super::out;
use crate::config::Environment;

/// Hexadecimal digits of a hash that are shown at its beginning and at its end.
const SHOWN_DIGITS: (usize, usize) = (8, 4);
/// Length of a hash as text.
const HASH_LENGTH: usize = 66;

/// Who is speaking.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    label: String,
    /// SGR code of the label, where colours are wanted.
    colour: Option<u8>,
}

impl Voice {
    pub(super) fn new(chain: &str, product: &str, colour: u8, environment: &Environment) -> Self {
        let plain = environment.get("NO_COLOR").ok().flatten().is_some_and(|v| !v.is_empty());
        let colour = (!plain && std::io::stdout().is_terminal()).then_some(colour);
        Self { label: format!("{chain:<8} {product:<11}"), colour }
    }

    /// One line; `verb` is a fixed word of at most eight letters.
    pub(super) fn say(&self, block: u64, verb: &str, text: &str) {
        let (on, off) = match self.colour {
            Some(code) => (format!("\u{1b}[{code}m"), "\u{1b}[0m"),
            None => (String::new(), ""),
        };
        let text = short_hashes(text);
        out::painted(&format!("{on}{}{off} {block:>5}  {verb:<8} {}", self.label, one_line(&text)));
    }
}

/// The text with every transaction hash cut to its ends.
fn short_hashes(text: &str) -> String {
    text.split(' ').map(short_hash).collect::<Vec<_>>().join(" ")
}

/// A word that is a hash, perhaps in brackets or before a comma, cut to its ends.
fn short_hash(word: &str) -> String {
    let (head, tail) = SHOWN_DIGITS;
    let cut = || {
        let start = word.find("0x")?;
        let hash = word.get(start..start.checked_add(HASH_LENGTH)?)?;
        hash.get(2..)?.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
        let (begin, end) = (hash.get(..head.checked_add(2)?)?, hash.get(HASH_LENGTH - tail..)?);
        Some(word.replace(hash, &format!("{begin}…{end}")))
    };
    cut().unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_cut_and_addresses_are_not() {
        let hash = format!("0x{}{}", "ab".repeat(31), "cd");
        assert_eq!(
            short_hashes(&format!("sent as {hash}, then ({hash})")),
            "sent as 0xabababab…abcd, then (0xabababab…abcd)"
        );
        let address = "0x00000000000000000000000000000000000000aa";
        assert_eq!(short_hashes(address), address);
    }
}
