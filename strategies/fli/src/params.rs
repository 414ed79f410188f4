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
#[derive(Debug, Clone)]
pub struct Params {
    /// Where the product's extension is found.
    pub source: Source,
    /// A `FLIRebalanceViewer` of the product: a hint which exchange to try first.
    pub viewer: Option<Address>,
    policy: Policy,
}

/// Where the product's leverage strategy extension is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// At this address.
    Extension(Address),
    /// Among the extensions of this token's manager, looked up again at each block.
    SetToken(Address),
}

impl Params {
    /// The operator's choices among them.
    pub fn policy(&self) -> Policy {
        self.policy
    }
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// The product's leverage strategy extension …
    extension: Option<Address>,
    /// … or its token, whose manager lists it.
    set_token: Option<Address>,
    viewer: Option<Address>,
    /// Below this ratio a rebalance is due at once, in place of the product's own lower bound; not
    /// above it. It changes neither the interval nor the ratio that is traded to.
    custom_min_leverage_ratio: Option<Decimal>,
    /// As `custom_min_leverage_ratio`, for the upper bound; not below the product's own. A little
    /// looser keeps a delever that fees left a hair above the bound from being followed by another.
    custom_max_leverage_ratio: Option<Decimal>,
    /// Interval rebalances of less than this, in whole collateral tokens, wait: their gas would
    /// not be worth it. Never holds back anything that is due for another reason.
    min_notional: Option<Decimal>,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(from)?;
        let source = match (table.extension, table.set_token) {
            (Some(extension), None) => Source::Extension(extension),
            (None, Some(set_token)) => Source::SetToken(set_token),
            (None, None) => return Err(D::Error::missing_field("extension or set_token")),
            (Some(_), Some(_)) => {
                return Err(D::Error::custom("both extension and set_token; expected one of them"));
            }
        };
        let policy = Policy {
            custom_min: table.custom_min_leverage_ratio.map(Decimal::fixed18),
            custom_max: table.custom_max_leverage_ratio.map(Decimal::fixed18),
            min_notional: table.min_notional.map(Decimal::fixed18),
        };
        Ok(Self { source, viewer: table.viewer, policy })
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EXTENSION: &str = "0x00000000000000000000000000000000000000e1";

    fn parse(table: Value) -> Result<Params, String> {
        serde_json::from_value(table).map_err(|error| error.to_string())
    }

    #[test]
    fn the_extension_or_the_token_suffices() {
        let address: Address = EXTENSION.parse().unwrap();
        let params = parse(json!({ "extension": EXTENSION })).unwrap();
        assert_eq!((params.source, params.viewer), (Source::Extension(address), None));
        assert_eq!(params.policy(), Policy::default());
        let params = parse(json!({ "set_token": EXTENSION, "viewer": EXTENSION })).unwrap();
        assert_eq!((params.source, params.viewer), (Source::SetToken(address), Some(address)));
    }

    #[test]
    fn one_of_extension_and_token_and_not_both() {
        let both = json!({ "extension": EXTENSION, "set_token": EXTENSION });
        let said = "both extension and set_token; expected one of them";
        assert_eq!(parse(both).unwrap_err(), said);
        let said = "missing field `extension or set_token`";
        assert_eq!(parse(json!({ "viewer": EXTENSION })).unwrap_err(), said);
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
    fn everything_else_is_an_error() {
        let check = |table: Value, words: &str| {
            let error = parse(table).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        check(json!({}), "missing field `extension or set_token`");
        check(json!({ "extension": EXTENSION, "viewer": "0x12" }), "invalid");
        check(json!({ "extension": EXTENSION, "extention": 1 }), "unknown field `extention`");
        check(json!({ "extension": "0x12" }), "invalid");
    }
}
