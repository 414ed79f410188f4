//! The `[params]` table of a product file.

use std::fmt;

use alloy::primitives::{Address, U256};
use ballast_strategy_api::{Decimal, Source};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

use crate::policy::{DEFAULT_GAS_MULTIPLE, GasMultiple, Policy};

/// What tells one basis product from another; everything else is read from the chain.
#[derive(Debug, Clone)]
pub struct Params {
    /// Where the product's extension is found.
    pub source: Source,
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
    /// The product's basis trading extension …
    extension: Option<Address>,
    /// … or its token, whose manager lists it.
    set_token: Option<Address>,
    #[serde(default)]
    extension_kind: Kind,
    /// Nearer to zero than this a rebalance is due at once, in place of the product's own lower
    /// bound; not farther from zero. It changes neither the interval nor where is traded to.
    custom_min_leverage_ratio: Option<Bound>,
    /// As `custom_min_leverage_ratio`, for the bound farthest from zero; not nearer than the
    /// product's own.
    custom_max_leverage_ratio: Option<Bound>,
    /// Funding is reinvested only if it is worth this many times the gas.
    min_reinvest_gas_multiple: Option<Decimal>,
}

/// What stands at the extension's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    /// `DeltaNeutralBasisTradingStrategyExtension`.
    #[default]
    Basis,
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
        let Kind::Basis = table.extension_kind;
        let gas_multiple = match table.min_reinvest_gas_multiple {
            Some(chosen) => GasMultiple { times: chosen.fixed18(), is_chosen: true },
            None => GasMultiple { times: DEFAULT_GAS_MULTIPLE, is_chosen: false },
        };
        let policy = Policy {
            custom_min: table.custom_min_leverage_ratio.map(|Bound(magnitude)| magnitude),
            custom_max: table.custom_max_leverage_ratio.map(|Bound(magnitude)| magnitude),
            gas_multiple,
        };
        Ok(Self { source, policy })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"basis\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Kind, E> {
                match text {
                    "basis" => Ok(Kind::Basis),
                    "leverage" => Err(E::custom(
                        "extension_kind \"leverage\" is not yet supported; expected \"basis\"",
                    )),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }
        from.deserialize_str(Word)
    }
}

/// The magnitude of a bound, which may be written with the sign that the contract gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bound(U256);

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Bound;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number in quotes with at most 18 decimals, like \"-2.1\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bound, E> {
                let magnitude = Decimal::parse(text.strip_prefix('-').unwrap_or(text));
                let refused = || E::invalid_value(Unexpected::Str(text), &self);
                magnitude.map(|m| Bound(m.fixed18())).ok_or_else(refused)
            }
        }
        from.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::utils::parse_ether;
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
        assert_eq!(
            (params.source, params.policy()),
            (Source::Extension(address), Policy::default())
        );
        let table = json!({ "set_token": EXTENSION, "extension_kind": "basis" });
        assert_eq!(parse(table).unwrap().source, Source::SetToken(address));
    }

    #[test]
    fn choices_are_exact_and_bounds_may_have_the_contracts_sign() {
        let table = json!({
            "extension": EXTENSION,
            "custom_min_leverage_ratio": "-0.9",
            "custom_max_leverage_ratio": "2.100000000000000001",
            "min_reinvest_gas_multiple": "2.5",
        });
        let exact = |text: &str| parse_ether(text).unwrap();
        let expected = Policy {
            custom_min: Some(exact("0.9")),
            custom_max: Some(exact("2.100000000000000001")),
            gas_multiple: GasMultiple { times: exact("2.5"), is_chosen: true },
        };
        assert_eq!(parse(table).unwrap().policy(), expected);
        let same = json!({ "extension": EXTENSION, "min_reinvest_gas_multiple": "3" });
        let chosen = parse(same).unwrap().policy().gas_multiple;
        assert!(chosen.is_chosen && chosen.times == DEFAULT_GAS_MULTIPLE);
    }

    #[test]
    fn the_leverage_sibling_is_refused_by_name() {
        let check = |kind: Value, words: &str| {
            let error =
                parse(json!({ "extension": EXTENSION, "extension_kind": kind })).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        check(json!("leverage"), "\"leverage\" is not yet supported; expected \"basis\"");
        check(json!("fli"), "invalid value: string \"fli\", expected \"basis\"");
        check(json!(1), "expected \"basis\"");
    }

    #[test]
    fn everything_else_is_an_error() {
        let check = |table: Value, words: &str| {
            let error = parse(table).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        check(json!({}), "missing field `extension or set_token`");
        let both = json!({ "extension": EXTENSION, "set_token": EXTENSION });
        check(both, "both extension and set_token; expected one of them");
        check(json!({ "extension": "0x12" }), "invalid");
        check(json!({ "extension": EXTENSION, "viewer": EXTENSION }), "unknown field `viewer`");
        let bound =
            |value: Value| json!({ "extension": EXTENSION, "custom_max_leverage_ratio": value });
        for value in [json!("--2"), json!("-"), json!("2,1"), json!("+2"), json!(-2.1), json!(2)] {
            check(bound(value), "expected a decimal number in quotes");
        }
        let multiple =
            |value: Value| json!({ "extension": EXTENSION, "min_reinvest_gas_multiple": value });
        for value in [json!("-1"), json!("x"), json!(3)] {
            check(multiple(value), "expected a decimal number in quotes");
        }
    }
}
