//! The `[params]` table of a product file.

use alloy::primitives::Address;
use serde::{Deserialize, Deserializer, de::Error};

/// What tells one leveraged product from another; everything else is read from the chain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The product's leverage strategy extension.
    pub extension: Address,

    #[serde(default, rename = "set_token")]
    _set_token: Option<NotYet>,
    #[serde(default, rename = "custom_min_leverage_ratio")]
    _custom_min_leverage_ratio: Option<NotYet>,
    #[serde(default, rename = "custom_max_leverage_ratio")]
    _custom_max_leverage_ratio: Option<NotYet>,
    #[serde(default, rename = "viewer")]
    _viewer: Option<NotYet>,
    #[serde(default, rename = "min_notional")]
    _min_notional: Option<NotYet>,
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
    }

    #[test]
    fn keys_of_later_features_are_refused_whatever_their_value() {
        for key in [
            "set_token",
            "custom_min_leverage_ratio",
            "custom_max_leverage_ratio",
            "viewer",
            "min_notional",
        ] {
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
