//! The `[params]` table of a product file.

use alloy::primitives::Address;
use ballast_strategy_api::Decimal;
pub use ballast_strategy_api::Source;
use serde::{Deserialize, Deserializer, de::Error};

use crate::policy::Policy;

/// What tells one leveraged product from another; everything else is read from the chain.
#[derive(Debug, Clone)]
pub struct Params {
    /// Where the product's extension is found.
    pub source: Source,
    /// A `FLIRebalanceViewer` of the product: a hint which exchange to try first.
    pub viewer: Option<Address>,
    policy: Policy,
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

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;
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
