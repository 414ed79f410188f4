//! Files that people write: what a component shall weigh, what it costs. CSV with a header, or JSON;
//! every problem of a file is told at once, each with the place where it stands.

use std::fmt;

use alloy::primitives::{Address, U256};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::decimal::{self, NotDecimal};

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

impl Kind {
    fn column(self) -> &'static str {
        match self {
            Self::Weights => "weight",
            Self::Prices => "price",
        }
    }

    fn parse(self, text: &str) -> Result<U256, String> {
        let column = self.column();
        let told = |cause: NotDecimal| format!("{column} `{text}` {cause}");
        match self {
            Self::Weights => {
                let weight = decimal::share(text).map_err(|cause| match cause {
                    NotDecimal::Form => {
                        format!("weight `{text}` is no plain number such as 0.25 or 25%")
                    }
                    NotDecimal::TooFine(_) | NotDecimal::TooLarge => told(cause),
                })?;
                if weight > decimal::ONE {
                    return Err(format!("weight `{text}` is above 1 (write 25% or 0.25, not 25)"));
                }
                Ok(weight)
            }
            Self::Prices => {
                let whole = text.split('.').next().unwrap_or(text).trim_start_matches('0');
                if whole.len() > MAX_PRICE_DIGITS && whole.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(format!("price `{text}` is too large"));
                }
                let price = decimal::fixed(text, PRICE_DECIMALS).map_err(told)?;
                if price.is_zero() {
                    return Err(format!("price `{text}` is 0"));
                }
                Ok(price)
            }
        }
    }
}

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands: `line 3`, `entry 2`.
    pub at: String,
    /// The token's address, if the file says it.
    pub address: Option<Address>,
    /// The token's symbol, if the file says it. One of the two is always there.
    pub symbol: Option<String>,
    /// The token's decimals, if the file publishes them.
    pub decimals: Option<u8>,
    /// The number, in the decimals of its [`Kind`].
    pub value: U256,
}

impl Entry {
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
        let Self { file, at, what } = self;
        if at.is_empty() { write!(f, "{file}: {what}") } else { write!(f, "{file}: {at}: {what}") }
    }
}

/// The entries of a file, in its order.
///
/// # Errors
/// Every fault of it.
pub fn read(file: &str, bytes: &[u8], kind: Kind) -> Result<Vec<Entry>, Vec<Fault>> {
    let mut book = Book { file, kind, entries: Vec::new(), faults: Vec::new() };
    book.fill(bytes);
    let Book { entries, faults, .. } = book;
    if faults.is_empty() { Ok(entries) } else { Err(faults) }
}

/// One line as it stands there.
struct Cells<'a> {
    address: Option<&'a str>,
    symbol: Option<&'a str>,
    decimals: Option<&'a str>,
    value: &'a str,
}

struct Book<'a> {
    file: &'a str,
    kind: Kind,
    entries: Vec<Entry>,
    faults: Vec<Fault>,
}

impl Book<'_> {
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
            self.fault("", format!("names no component with a {}", self.kind.column()));
        }
        if self.entries.len() > MAX_ENTRIES {
            self.fault("", format!("has more than {MAX_ENTRIES} entries"));
        }
        self.twice();
    }

    fn fault(&mut self, at: &str, what: String) {
        self.faults.push(Fault { file: self.file.to_owned(), at: at.to_owned(), what });
    }

    fn csv(&mut self, text: &str) {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(cause) => return self.fault("line 1", cause.to_string()),
        };
        let places = |name: &str| {
            let is_it = |title: &str| title.eq_ignore_ascii_case(name);
            header.iter().enumerate().filter(move |(_, t)| is_it(t)).map(|(i, _)| i).collect()
        };
        let value: Vec<usize> = places(self.kind.column());
        let [address, symbol, decimals]: [Vec<usize>; 3] =
            [places("address"), places("symbol"), places("decimals")];
        let one = |columns: &[usize]| columns.first().copied();
        let named = !address.is_empty() || !symbol.is_empty();
        let (Some(value_at), true) = (one(&value), named) else {
            let seen = header.iter().collect::<Vec<_>>().join(", ");
            let column = self.kind.column();
            let what = format!(
                "the header has to name `symbol` or `address`, and `{column}`; it is: {seen}"
            );
            return self.fault("line 1", what);
        };
        if [&value, &address, &symbol, &decimals].iter().any(|columns| columns.len() > 1) {
            return self.fault("line 1", "the header names a column twice".into());
        }
        for record in reader.records() {
            match record {
                Ok(record) => {
                    let at = format!("line {}", record.position().map_or(0, csv::Position::line));
                    let cell = |at: Option<usize>| {
                        at.and_then(|at| record.get(at)).filter(|text| !text.is_empty())
                    };
                    self.enter(
                        at,
                        Cells {
                            address: cell(one(&address)),
                            symbol: cell(one(&symbol)),
                            decimals: cell(one(&decimals)),
                            value: cell(Some(value_at)).unwrap_or_default(),
                        },
                    );
                }
                Err(cause) => {
                    let line = cause.position().map_or(0, csv::Position::line);
                    let uneven =
                        if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } =
                            cause.kind()
                        {
                            Some(format!("has {len} columns, the header {expected_len}"))
                        } else {
                            None
                        };
                    let what = uneven.unwrap_or_else(|| cause.to_string());
                    self.fault(&format!("line {line}"), what);
                }
            }
        }
    }

    fn json(&mut self, text: &str) {
        match serde_json::from_str::<Form<'_>>(text) {
            Ok(Form::Table(table)) => {
                for (index, (name, value)) in table.into_iter().enumerate() {
                    let at = format!("entry {}", index.saturating_add(1));
                    let is_address = name.starts_with("0x");
                    let name = Some(name.as_str());
                    let (address, symbol) = if is_address { (name, None) } else { (None, name) };
                    let value = bare(value.get());
                    self.enter(at, Cells { address, symbol, decimals: None, value });
                }
            }
            Ok(Form::List(list)) => {
                for (index, raw) in list.into_iter().enumerate() {
                    let at = format!("entry {}", index.saturating_add(1));
                    match serde_json::from_str::<Line<'_>>(raw.get()) {
                        Ok(line) => {
                            let value = match self.kind {
                                Kind::Weights => line.weight,
                                Kind::Prices => line.price,
                            };
                            self.enter(
                                at,
                                Cells {
                                    address: line.address.as_deref(),
                                    symbol: line.symbol.as_deref(),
                                    decimals: line.decimals.map(|text| bare(text.get())),
                                    value: value.map_or("", |value| bare(value.get())),
                                },
                            );
                        }
                        Err(cause) => self.fault(&at, without_place(&cause)),
                    }
                }
            }
            Err(cause) => {
                let at = format!("line {}", cause.line());
                self.fault(
                    &at,
                    format!("is no JSON of the expected form: {}", without_place(&cause)),
                );
            }
        }
    }

    fn enter(&mut self, at: String, cells: Cells<'_>) {
        let Cells { address, symbol, decimals, value } = cells;
        if address.is_none() && symbol.is_none() {
            return self.fault(&at, "names neither a symbol nor an address".into());
        }
        if value.is_empty() {
            return self.fault(&at, format!("has no {}", self.kind.column()));
        }
        let parsed = address.map(|text| {
            // Mixed case is a checksum (EIP-55), and a wrong one a typing error.
            let digits = text.strip_prefix("0x").unwrap_or_default();
            let mixed = digits.bytes().any(|b| b.is_ascii_lowercase())
                && digits.bytes().any(|b| b.is_ascii_uppercase());
            match if mixed {
                Address::parse_checksummed(text, None).ok()
            } else {
                text.parse().ok()
            } {
                Some(address) if text.starts_with("0x") && address != Address::ZERO => Ok(address),
                Some(_) | None => Err(format!(
                    "address `{text}` is none: expected 0x and 40 hexadecimal digits, \
                     with a right checksum if it is in mixed case"
                )),
            }
        });
        let address = match parsed.transpose() {
            Ok(address) => address,
            Err(what) => return self.fault(&at, what),
        };
        let decimals = match decimals.map(|text| text.parse::<u8>().map_err(|_| text)).transpose() {
            Ok(decimals) => decimals,
            Err(text) => {
                return self.fault(&at, format!("decimals `{text}` are no number from 0 to 255"));
            }
        };
        match self.kind.parse(value) {
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
            let same = |other: &&Entry| match (entry.address, other.address) {
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

/// A number as it is written, in quotes or not: JSON's numbers never become floats here.
fn bare(raw: &str) -> &str {
    raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw)
}

fn without_place(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// The two forms of a JSON file.
enum Form<'a> {
    /// `{ "UNI": 0.25 }`, every key as often as it is written.
    Table(Vec<(String, &'a RawValue)>),
    /// `[{ "symbol": "UNI", "weight": 0.25 }]`
    List(Vec<&'a RawValue>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    address: Option<String>,
    symbol: Option<String>,
    #[serde(borrow)]
    decimals: Option<&'a RawValue>,
    #[serde(borrow)]
    weight: Option<&'a RawValue>,
    #[serde(borrow)]
    price: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Form<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Form<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{\"SYMBOL\": number} or [{\"symbol\": …}]")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Form<'de>, A::Error> {
                let mut table = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    table.push(pair);
                }
                Ok(Form::Table(table))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Form<'de>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = seq.next_element()? {
                    list.push(entry);
                }
                Ok(Form::List(list))
            }
        }
        from.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests;
