//! From a value of a file or variable to a typed value, one function per form.

use std::{net::SocketAddr, num::NonZeroU32, ops::RangeInclusive, path::PathBuf, time::Duration};

use alloy::primitives::{Address, U256};
use figment::value::{Num, Value};
use url::Url;

use super::units;
use crate::money::Usd;

/// Longest duration of a chain's settings.
const LONGEST_DURATION: Duration = Duration::from_hours(24);
/// Shortest duration where zero makes no sense.
const SHORTEST_DURATION: Duration = Duration::from_millis(1);
/// Longest duration of settings that are not about single blocks.
const LONGEST_LONG_DURATION: Duration = Duration::from_hours(30 * 24);
/// Shortest of those.
const SHORTEST_LONG_DURATION: Duration = Duration::from_secs(1);
/// Highest price per gas that is not a mistake of units, wei.
const HIGHEST_GAS_PRICE: u128 = 1_000_000_000_000_000;
/// Longest symbol of a currency.
const LONGEST_SYMBOL: usize = 12;

/// Longest name of an account.
const LONGEST_ACCOUNT: usize = 80;
/// Seconds in a day.
const DAY: u64 = 86_400;

/// A value as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    /// The value.
    pub(super) value: &'a Value,
    /// Whether it is text that stands for any plain value: from a variable or a default.
    pub(super) untyped: bool,
}

/// Why a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not have the expected form.
    Form,
    /// As well, and this is why.
    Because(String),
    /// It is none of the things that there are.
    NoneOf {
        /// What is wrong, with a hint if there is one.
        why: String,
        /// Those that there are.
        expected: String,
    },
    /// It names a feature that does not exist yet.
    Later,
}

impl Fault {
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self::Because(why.into())
    }

    /// What a person is told, given the expected form.
    pub(super) fn message(&self, takes: &str) -> String {
        match self {
            Self::Form => format!("expected {takes}"),
            Self::Because(why) => format!("{why}; expected {takes}"),
            Self::NoneOf { why, expected } => format!("{why}; expected {expected}"),
            Self::Later => format!("not yet supported; expected {takes}"),
        }
    }
}

/// What every form gives.
pub(super) type Parsed<T> = Result<T, Fault>;

impl<'a> Raw<'a> {
    /// A value that stands in a file.
    pub(super) fn typed(value: &'a Value) -> Self {
        Self { value, untyped: false }
    }

    fn text(&self) -> Parsed<&'a str> {
        self.value.as_str().ok_or(Fault::Form)
    }
}

/// Any text that is not empty.
pub(super) fn text(raw: Raw<'_>) -> Parsed<String> {
    let text = raw.text()?;
    if text.is_empty() { Err(Fault::Form) } else { Ok(text.to_owned()) }
}

/// `true` or `false`.
pub(super) fn flag(raw: Raw<'_>) -> Parsed<bool> {
    match (raw.value.to_bool(), raw.value.as_str()) {
        (Some(flag), _) => Ok(flag),
        (None, Some("true")) if raw.untyped => Ok(true),
        (None, Some("false")) if raw.untyped => Ok(false),
        (None, _) => Err(Fault::Form),
    }
}

/// A whole number in a range.
pub(super) fn whole(range: RangeInclusive<u64>) -> impl Fn(Raw<'_>) -> Parsed<u64> {
    move |raw| {
        let number = match raw.value.as_str() {
            Some(text) if raw.untyped && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok()
            }
            Some(_) => None,
            None => raw.value.to_num().and_then(natural).and_then(|n| u64::try_from(n).ok()),
        };
        number.filter(|n| range.contains(n)).ok_or(Fault::Form)
    }
}

/// A whole number in a range that fits 32 bits.
pub(super) fn whole_u32(range: RangeInclusive<u32>) -> impl Fn(Raw<'_>) -> Parsed<u32> {
    let wide = whole(u64::from(*range.start())..=u64::from(*range.end()));
    move |raw| u32::try_from(wide(raw)?).map_err(|_| Fault::Form)
}

/// A number of blocks, or "never".
pub(super) fn blocks_or_never(
    range: RangeInclusive<u64>,
) -> impl Fn(Raw<'_>) -> Parsed<Option<u64>> {
    let blocks = whole(range);
    move |raw| match raw.value.as_str() {
        Some("never") => Ok(None),
        Some(_) | None => blocks(raw).map(Some),
    }
}

/// Requests per second.
pub(super) fn rate(raw: Raw<'_>) -> Parsed<NonZeroU32> {
    NonZeroU32::new(whole_u32(1..=1_000_000)(raw)?).ok_or(Fault::Form)
}

/// A duration above zero.
pub(super) fn duration(raw: Raw<'_>) -> Parsed<Duration> {
    let duration = duration_or_zero(raw)?;
    if duration < SHORTEST_DURATION { Err(Fault::Form) } else { Ok(duration) }
}

/// A duration that may be zero.
pub(super) fn duration_or_zero(raw: Raw<'_>) -> Parsed<Duration> {
    let duration = units::duration(raw.text()?).ok_or(Fault::Form)?;
    if duration > LONGEST_DURATION { Err(Fault::Form) } else { Ok(duration) }
}

/// A duration of at least a second that is not about single blocks.
pub(super) fn long_duration(raw: Raw<'_>) -> Parsed<Duration> {
    let duration = long_duration_or_zero(raw)?;
    if duration < SHORTEST_LONG_DURATION { Err(Fault::Form) } else { Ok(duration) }
}

/// As [`long_duration`], zero included. Block time counts in whole seconds, so no parts of one.
pub(super) fn long_duration_or_zero(raw: Raw<'_>) -> Parsed<Duration> {
    let duration = units::duration(raw.text()?).ok_or(Fault::Form)?;
    let fits = duration <= LONGEST_LONG_DURATION && duration.subsec_nanos() == 0;
    if fits { Ok(duration) } else { Err(Fault::Form) }
}

/// A duration of whole days, as their number.
pub(super) fn days(raw: Raw<'_>) -> Parsed<u64> {
    let seconds = long_duration(raw)?.as_secs();
    if seconds.is_multiple_of(DAY) {
        seconds.checked_div(DAY).ok_or(Fault::Form)
    } else {
        Err(Fault::Form)
    }
}

/// An amount of US dollars above zero. A float of the file is taken by its shortest decimal text,
/// which is what was written.
pub(super) fn usd(raw: Raw<'_>) -> Parsed<Usd> {
    let text = match (raw.value.as_str(), raw.value.to_num()) {
        (Some(text), _) if raw.untyped => text.to_owned(),
        (None, Some(number)) => plain(number).ok_or(Fault::Form)?,
        (Some(_), _) | (None, None) => return Err(Fault::Form),
    };
    match units::micro_usd(&text).ok_or(Fault::Form)? {
        0 => Err(Fault::because("zero would forbid everything")),
        micro => Ok(Usd::from_micro(micro)),
    }
}

/// A price per gas above zero, wei.
pub(super) fn gas_price(raw: Raw<'_>) -> Parsed<u128> {
    let price = gas_price_or_zero(raw)?;
    if price == 0 { Err(Fault::Form) } else { Ok(price) }
}

/// A price per gas, wei.
pub(super) fn gas_price_or_zero(raw: Raw<'_>) -> Parsed<u128> {
    let price = units::gas_price(with_unit(raw)?).ok_or(Fault::Form)?;
    if price > HIGHEST_GAS_PRICE { Err(Fault::Form) } else { Ok(price) }
}

/// An amount above zero, wei.
pub(super) fn ether(raw: Raw<'_>) -> Parsed<U256> {
    let amount = ether_or_zero(raw)?;
    if amount.is_zero() { Err(Fault::because("zero would forbid everything")) } else { Ok(amount) }
}

/// An amount, wei.
pub(super) fn ether_or_zero(raw: Raw<'_>) -> Parsed<U256> {
    units::amount(with_unit(raw)?).ok_or(Fault::Form)
}

fn with_unit<'a>(raw: Raw<'a>) -> Parsed<&'a str> {
    let is_number =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match raw.value.as_str() {
        Some(text) if is_number(text.trim()) => Err(Fault::because("the unit is missing")),
        Some(text) => Ok(text),
        None if raw.value.to_num().is_some() => Err(Fault::because("the unit is missing")),
        None => Err(Fault::Form),
    }
}

/// A percentage, in hundredths of a percent. A float of the file is taken by its shortest decimal
/// text, which is what was written.
pub(super) fn percent(range: RangeInclusive<u32>) -> impl Fn(Raw<'_>) -> Parsed<u32> {
    move |raw| {
        let text = match (raw.value.as_str(), raw.value.to_num()) {
            (Some(text), _) if raw.untyped => text.to_owned(),
            (None, Some(number)) => plain(number).ok_or(Fault::Form)?,
            (Some(_), _) | (None, None) => return Err(Fault::Form),
        };
        units::percent_bps(&text).filter(|bps| range.contains(bps)).ok_or(Fault::Form)
    }
}

fn plain(number: Num) -> Option<String> {
    match (natural(number), number.to_f64()) {
        (Some(whole), _) => Some(whole.to_string()),
        (None, Some(float)) => Some(float.to_string()),
        (None, None) => None,
    }
}

/// A whole number that is not negative, whatever type holds it.
fn natural(number: Num) -> Option<u128> {
    number.to_u128().or_else(|| u128::try_from(number.to_i128()?).ok())
}

/// An address with a right checksum, or without one.
pub(super) fn address(raw: Raw<'_>) -> Parsed<Address> {
    let text = raw.text()?;
    checked_address(text)
}

/// See [`address`].
pub(super) fn checked_address(text: &str) -> Parsed<Address> {
    let digits = text.strip_prefix("0x").ok_or(Fault::Form)?;
    let address: Address = text.parse().map_err(|_| Fault::Form)?;
    let has_case = digits.bytes().any(|b| b.is_ascii_uppercase());
    if has_case && address.to_checksum(None) != text {
        return Err(Fault::because("the EIP-55 checksum is wrong, so a digit may be too"));
    }
    Ok(address)
}

/// An address other than the zero address.
pub(super) fn account(raw: Raw<'_>) -> Parsed<Address> {
    let address = address(raw)?;
    if address.is_zero() {
        return Err(Fault::because("the zero address is nobody's"));
    }
    Ok(address)
}

/// A URL of one of these schemes, with a host and without user or password.
pub(super) fn url(schemes: [&'static str; 2]) -> impl Fn(Raw<'_>) -> Parsed<Url> {
    move |raw| url_of(raw.text()?, schemes)
}

/// See [`url()`].
pub(super) fn url_of(text: &str, schemes: [&'static str; 2]) -> Parsed<Url> {
    let url = Url::parse(text.trim()).map_err(|_| Fault::Form)?;
    if !schemes.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return Err(Fault::Form);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::because("user and password do not belong into a URL"));
    }
    Ok(url)
}

/// An IP address with a port.
pub(super) fn socket(raw: Raw<'_>) -> Parsed<SocketAddr> {
    raw.text()?.parse().map_err(|_| Fault::Form)
}

/// The path of a SQLite file.
pub(super) fn sqlite_path(raw: Raw<'_>) -> Parsed<PathBuf> {
    let text = raw.text()?;
    if ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Err(Fault::Later);
    }
    match text.strip_prefix("sqlite://") {
        Some(":memory:") => Err(Fault::because("the journal must survive a restart")),
        Some(path) if path.contains(['?', '#', '\0']) => {
            Err(Fault::because("options are not taken"))
        }
        Some(path) if path.is_empty() || path.ends_with('/') => Err(Fault::Form),
        Some(path) => Ok(PathBuf::from(path)),
        None => Err(Fault::Form),
    }
}

/// Name or number of an account or cost centre in somebody's books.
pub(super) fn book_name(raw: Raw<'_>) -> Parsed<String> {
    let text = match (raw.value.as_str(), raw.value.to_num()) {
        (Some(text), _) => text.to_owned(),
        // A number of an account, written as one.
        (None, Some(number)) => natural(number).ok_or(Fault::Form)?.to_string(),
        (None, None) => return Err(Fault::Form),
    };
    let fits = (1..=LONGEST_ACCOUNT).contains(&text.chars().count());
    let is_line = !text.chars().any(char::is_control) && text.trim() == text;
    if fits && is_line { Ok(text) } else { Err(Fault::Form) }
}

/// A currency symbol.
pub(super) fn symbol(raw: Raw<'_>) -> Parsed<String> {
    let text = text(raw)?;
    let fits = text.len() <= LONGEST_SYMBOL && text.chars().all(|c| c.is_ascii_alphanumeric());
    if fits { Ok(text) } else { Err(Fault::Form) }
}

/// One of these words; `later` are words of features that do not exist yet.
pub(super) fn word<T: Copy>(
    words: &'static [(&'static str, T)],
    later: &'static [&'static str],
) -> impl Fn(Raw<'_>) -> Parsed<T> {
    move |raw| {
        let text = raw.text()?;
        if later.contains(&text) {
            return Err(Fault::Later);
        }
        words.iter().find(|(word, _)| *word == text).map(|(_, what)| *what).ok_or(Fault::Form)
    }
}
