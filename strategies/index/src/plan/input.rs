//! Files that people write: what a component shall weigh, what it costs. CSV with a header, or JSON;
//! every problem of a file is told at once, each with the place where it stands.

mod csv;
mod json;

use std::fmt;

use alloy::primitives::{Address, U256};
use ballast_chains::text::one_line;

use crate::{
    decimal::{self, NotDecimal},
    params::{Currency, Feed},
};

/// Most bytes of a file.
pub const MAX_BYTES: usize = 1 << 20;
/// Most lines or entries of a file.
pub const MAX_ENTRIES: usize = 500;
/// Decimals of a price.
pub const PRICE_DECIMALS: usize = 36;
/// Most that one whole token may cost, in whole units of the currency.
const MAX_PRICE_DIGITS: usize = 18;

/// What the numbers of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Shares of the index, from 0 to 1; 18 decimals.
    Weights,
    /// What a whole token costs, above 0; 36 decimals.
    Prices,
}

fn weight(text: &str) -> Result<U256, String> {
    let weight = decimal::share(text).map_err(|cause| match cause {
        NotDecimal::Form => format!("weight `{text}` is no plain number such as 0.25 or 25%"),
        NotDecimal::TooFine(_) | NotDecimal::TooLarge => format!("weight `{text}` {cause}"),
    })?;
    if weight > decimal::ONE {
        return Err(format!("weight `{text}` is above 1 (write 25% or 0.25, not 25)"));
    }
    Ok(weight)
}

fn price(text: &str) -> Result<U256, String> {
    let whole = text.split('.').next().unwrap_or(text).trim_start_matches('0');
    if whole.len() > MAX_PRICE_DIGITS && whole.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("price `{text}` is too large"));
    }
    let price = decimal::fixed(text, PRICE_DECIMALS);
    let price = price.map_err(|cause| format!("price `{text}` {cause}"))?;
    if price.is_zero() {
        return Err(format!("price `{text}` is 0"));
    }
    Ok(price)
}

fn feed(text: &str) -> Result<Feed, String> {
    let (aggregator, currency) = match text.split_once(char::is_whitespace) {
        Some((aggregator, currency)) => (aggregator, Some(currency.trim())),
        None => (text, None),
    };
    let aggregator = address(aggregator).map_err(|what| format!("feed: {what}"))?;
    let currency = match currency.map(str::to_ascii_uppercase).as_deref() {
        None => None,
        Some("USD") => Some(Currency::Usd),
        Some("ETH") => Some(Currency::Eth),
        Some(other) => return Err(format!("feed `{text}` answers in USD or ETH, not in {other}")),
    };
    Ok(Feed { aggregator, currency })
}

/// Mixed case is a checksum (EIP-55), and a wrong one a typing error.
fn address(text: &str) -> Result<Address, String> {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    let mixed = digits.bytes().any(|b| b.is_ascii_lowercase())
        && digits.bytes().any(|b| b.is_ascii_uppercase());
    let parsed =
        if mixed { Address::parse_checksummed(text, None).ok() } else { text.parse().ok() };
    let parsed = parsed.filter(|address| text.starts_with("0x") && *address != Address::ZERO);
    parsed.ok_or_else(|| {
        format!(
            "address `{text}` is none: expected 0x and 40 hexadecimal digits, \
             with a right checksum if it is in mixed case"
        )
    })
}

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<V = U256> {
    /// Where it stands: `line 3`, `entry 2`.
    pub at: String,
    /// The token's address, if the file says it.
    pub address: Option<Address>,
    /// The token's symbol, if the file says it. One of the two is always there.
    pub symbol: Option<String>,
    /// The token's decimals, if the file publishes them.
    pub decimals: Option<u8>,
    /// The number, in the decimals of its [`Kind`]; or the oracle that gives it.
    pub value: V,
}

impl<V> Entry<V> {
    /// What the file calls the token.
    pub fn name(&self) -> String {
        match (&self.symbol, &self.address) {
            (Some(symbol), _) => symbol.clone(),
            (None, Some(address)) => address.to_string(),
            (None, None) => String::new(),
        }
    }
}

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: String,
    /// Where in it; empty if it is the whole.
    pub at: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands in the file is part of it, and a fault is one line.
        let (file, what) = (one_line(&self.file), one_line(&self.what));
        let at = &self.at;
        if at.is_empty() { write!(f, "{file}: {what}") } else { write!(f, "{file}: {at}: {what}") }
    }
}

/// The entries of a file, in its order.
///
/// # Errors
/// Every fault of it.
pub fn read(file: &str, bytes: &[u8], kind: Kind) -> Result<Vec<Entry>, Vec<Fault>> {
    match kind {
        Kind::Weights => Book::read(file, bytes, "weight", weight),
        Kind::Prices => Book::read(file, bytes, "price", price),
    }
}

/// The oracles that a file names, in its order.
///
/// # Errors
/// Every fault of it.
pub fn read_feeds(file: &str, bytes: &[u8]) -> Result<Vec<Entry<Feed>>, Vec<Fault>> {
    Book::read(file, bytes, "feed", feed)
}

/// One line as it stands there.
struct Cells<'a> {
    address: Option<&'a str>,
    symbol: Option<&'a str>,
    decimals: Option<&'a str>,
    value: &'a str,
}

struct Book<'a, V> {
    file: &'a str,
    column: &'static str,
    parse: fn(&str) -> Result<V, String>,
    entries: Vec<Entry<V>>,
    faults: Vec<Fault>,
}

impl<'a, V> Book<'a, V> {
    fn read(
        file: &'a str,
        bytes: &[u8],
        column: &'static str,
        parse: fn(&str) -> Result<V, String>,
    ) -> Result<Vec<Entry<V>>, Vec<Fault>> {
        let mut book = Self { file, column, parse, entries: Vec::new(), faults: Vec::new() };
        book.fill(bytes);
        let Self { entries, faults, .. } = book;
        if faults.is_empty() { Ok(entries) } else { Err(faults) }
    }

    fn fill(&mut self, bytes: &[u8]) {
        if bytes.len() > MAX_BYTES {
            return self.fault("", format!("is larger than {MAX_BYTES} bytes"));
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.fault("", "is no text in UTF-8".into());
        };
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return self.fault("", "is empty".into());
        }
        match text.trim_start().chars().next() {
            Some('{' | '[') => self.json(text),
            Some(_) | None => self.csv(text),
        }
        if self.entries.is_empty() && self.faults.is_empty() {
            self.fault("", format!("names no component with a {}", self.column));
        }
        if self.entries.len() > MAX_ENTRIES {
            self.fault("", format!("has more than {MAX_ENTRIES} entries"));
        }
        self.twice();
    }

    fn fault(&mut self, at: &str, what: String) {
        self.faults.push(Fault { file: self.file.to_owned(), at: at.to_owned(), what });
    }

    fn enter(&mut self, at: String, cells: Cells<'_>) {
        let Cells { address, symbol, decimals, value } = cells;
        if address.is_none() && symbol.is_none() {
            return self.fault(&at, "names neither a symbol nor an address".into());
        }
        if value.is_empty() {
            return self.fault(&at, format!("has no {}", self.column));
        }
        let address = match address.map(self::address).transpose() {
            Ok(address) => address,
            Err(what) => return self.fault(&at, what),
        };
        let decimals = match decimals.map(|text| text.parse::<u8>().map_err(|_| text)).transpose() {
            Ok(decimals) => decimals,
            Err(text) => {
                return self.fault(&at, format!("decimals `{text}` are no number from 0 to 255"));
            }
        };
        match (self.parse)(value) {
            Ok(value) => {
                let symbol = symbol.map(str::to_owned);
                self.entries.push(Entry { at, address, symbol, decimals, value });
            }
            Err(what) => self.fault(&at, what),
        }
    }

    /// A component that stands there twice: one of the two would be lost, or both would count.
    fn twice(&mut self) {
        let mut faults = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let same = |other: &&Entry<V>| match (entry.address, other.address) {
                (Some(a), Some(b)) => a == b,
                (None, _) | (_, None) => entry.symbol.is_some() && entry.symbol == other.symbol,
            };
            if let Some(first) = self.entries.iter().take(index).find(same) {
                faults.push((
                    entry.at.clone(),
                    format!("{} stands at {} too", entry.name(), first.at),
                ));
            }
        }
        for (at, what) in faults {
            self.fault(&at, what);
        }
    }
}

#[cfg(test)]
mod tests;
