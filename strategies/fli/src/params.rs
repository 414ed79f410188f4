//! The `[params]` table of a product file.

use std::fmt;

use alloy::primitives::{Address, U256};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

use crate::{policy::Policy, ratio::ONE};

/// Digits after the point of a decimal number.
const DECIMALS: usize = 18;

/// What tells one leveraged product from another; everything else is read from the chain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The product's leverage strategy extension.
    pub extension: Address,
    /// Below this ratio a rebalance is due at once, in place of the product's own lower bound; not
    /// above it. It changes neither the interval nor the ratio that is traded to.
    pub custom_min_leverage_ratio: Option<Decimal>,
    /// As `custom_min_leverage_ratio`, for the upper bound; not below the product's own. A little
    /// looser keeps a delever that fees left a hair above the bound from being followed by another.
    pub custom_max_leverage_ratio: Option<Decimal>,
    /// Interval rebalances of less than this, in whole collateral tokens, wait: their gas would
    /// not be worth it. Never holds back anything that is due for another reason.
    pub min_notional: Option<Decimal>,

    #[serde(default, rename = "set_token")]
    _set_token: Option<NotYet>,
    #[serde(default, rename = "viewer")]
    _viewer: Option<NotYet>,
}

impl Params {
    /// The operator's choices among them.
    pub fn policy(&self) -> Policy {
        Policy {
            custom_min: self.custom_min_leverage_ratio.map(Decimal::fixed18),
            custom_max: self.custom_max_leverage_ratio.map(Decimal::fixed18),
            min_notional: self.min_notional.map(Decimal::fixed18),
        }
    }
}

/// A decimal number, exact: written in quotes, because a bare `2.3` is a binary float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(U256);

impl Decimal {
    /// The number in 18-decimal fixed point.
    pub fn fixed18(self) -> U256 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
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

/// A key that is known but not served: refused whatever its value, and by the deserializer, so
/// that the error carries the path of the key.
#[derive(Debug, Clone)]
enum NotYet {}

impl<'de> Deserialize<'de> for NotYet {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("not yet supported"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EXTENSION: &str = "0x00000000000000000000000000000000000000e1";

    fn parse(table: Value) -> Result<Params, String> {
        serde_json::from_value(table).map_err(|error| error.to_string())
    }

    #[test]
    fn the_extension_suffices() {
        let params = parse(json!({ "extension": EXTENSION })).unwrap();
        assert_eq!(params.extension.to_string().to_lowercase(), EXTENSION);
        assert_eq!(params.policy(), Policy::default());
    }

    #[test]
    fn choices_are_exact_decimals() {
        let table = json!({
            "extension": EXTENSION,
            "custom_min_leverage_ratio": "1.65",
            "custom_max_leverage_ratio": "2.350000000000000001",
            "min_notional": "3",
        });
        let exact = |text: &str| Some(text.parse::<U256>().unwrap());
        let expected = Policy {
            custom_min: exact("1650000000000000000"),
            custom_max: exact("2350000000000000001"),
            min_notional: exact("3000000000000000000"),
        };
        assert_eq!(parse(table).unwrap().policy(), expected);
    }

    #[test]
    fn what_is_no_exact_decimal_is_refused() {
        let huge = "9".repeat(78);
        let words = ["", ".", "1.", ".5", "-1", "+1", "1e3", "1_000", "1,5", " 1", "0x1", &huge];
        for text in words.into_iter().chain(["1.0000000000000000001", "two"]) {
            let error = parse(json!({ "extension": EXTENSION, "min_notional": text })).unwrap_err();
            assert!(error.contains("expected a decimal number in quotes"), "{text:?}: {error}");
        }
        for value in [json!(2.3), json!(2), json!(true)] {
            let table = json!({ "extension": EXTENSION, "custom_max_leverage_ratio": value });
            let error = parse(table).unwrap_err();
            assert!(error.contains("expected a decimal number in quotes"), "{value}: {error}");
        }
    }

    #[test]
    fn keys_of_later_features_are_refused_whatever_their_value() {
        for key in ["set_token", "viewer"] {
            for value in [json!("1.5"), json!(2), json!(true), json!({})] {
                let error = parse(json!({ "extension": EXTENSION, key: value })).unwrap_err();
                assert_eq!(error, "not yet supported", "{key}");
            }
        }
    }

    #[test]
    fn everything_else_is_an_error() {
        let check = |table: Value, words: &str| {
            let error = parse(table).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        check(json!({}), "missing field `extension`");
        check(json!({ "extension": EXTENSION, "extention": 1 }), "unknown field `extention`");
        check(json!({ "extension": "0x12" }), "invalid");
    }
}
