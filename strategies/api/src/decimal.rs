//! Exact decimal numbers in product files.

use std::fmt;

use alloy::primitives::{U256, uint};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// Digits after the point of a decimal number.
const DECIMALS: usize = 18;
/// One in 18-decimal fixed point.
const ONE: U256 = uint!(1_000_000_000_000_000_000_U256);

/// A decimal number, exact: written in quotes, because a bare `2.3` is a binary float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(U256);

impl Decimal {
    /// The number in 18-decimal fixed point.
    pub fn fixed18(self) -> U256 {
        self.0
    }

    /// Digits, and at most 18 more after a point; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || fraction.len() > DECIMALS {
            return None;
        }
        let whole: U256 = whole.parse().ok()?;
        let fraction: U256 = format!("{fraction:0<DECIMALS$}").parse().ok()?;
        whole.checked_mul(ONE)?.checked_add(fraction).map(Self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number in quotes with at most 18 decimals, like \"2.35\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Decimal, E> {
                let refused = || E::invalid_value(Unexpected::Str(text), &self);
                Decimal::parse(text).ok_or_else(refused)
            }
        }
        from.deserialize_str(Text)
    }
}
