//! Files for the Safe web app's Transaction Builder: calls that a multisig is asked to make.
//!
//! The keeper prepares such a file and never signs it; whoever holds the Safe imports it, looks at
//! it and collects signatures. All calls of a file become one transaction of the Safe, so either
//! all of them happen or none. Nothing here knows what the calls are for.
//!
//! The format is schema 1.0 of the app: numbers as text, `createdAt` as a number of milliseconds,
//! and a checksum over a canonical text of everything but the name. A file whose checksum does not
//! fit is imported with a warning, so a change on the way is seen. [`read()`](read::read) takes files of
//! others too.

pub mod read;

use std::fmt::Write as _;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use serde::Serialize;
use serde_json::Value;

/// Version of the format.
const VERSION: &str = "1.0";
/// Version of the Transaction Builder whose files look like these.
const TX_BUILDER_VERSION: &str = "1.18.0";
/// Milliseconds in a second.
const MILLIS: u64 = 1_000;

/// Calls that a Safe is asked to make, in order, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// EIP-155 id of the chain that the Safe is on.
    pub chain_id: u64,
    /// The Safe that is to make the calls.
    pub safe: Address,
    /// What people see in the app.
    pub name: String,
    /// Why, for those who sign.
    pub description: String,
    /// When it was written, seconds since 1970.
    pub created_at: u64,
    /// The calls.
    pub calls: Vec<Call>,
}

/// One call of a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Whom.
    pub to: Address,
    /// Native value, wei.
    pub value: U256,
    /// Calldata; empty for a plain transfer.
    pub data: Bytes,
}

impl Call {
    /// A plain transfer of the native currency.
    pub fn transfer(to: Address, value: U256) -> Self {
        Self { to, value, data: Bytes::new() }
    }
}

impl Batch {
    /// The file, as indented JSON with its checksum.
    ///
    /// # Errors
    /// Never for what this type can hold; serde's signature wants it said.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut file = self.file();
        file.meta.checksum = Some(checksum(&serde_json::to_value(&file)?).to_string());
        serde_json::to_string_pretty(&file)
    }

    fn file(&self) -> File<'_> {
        let transactions = self.calls.iter().map(|call| Transaction {
            to: call.to.to_checksum(None),
            value: call.value.to_string(),
            data: call.data.to_string(),
            contract_method: None,
            contract_inputs_values: None,
        });
        File {
            version: VERSION,
            chain_id: self.chain_id.to_string(),
            created_at: self.created_at.saturating_mul(MILLIS),
            meta: Meta {
                name: &self.name,
                description: &self.description,
                tx_builder_version: TX_BUILDER_VERSION,
                created_from_safe_address: self.safe.to_checksum(None),
                created_from_owner_address: "",
                checksum: None,
            },
            transactions: transactions.collect(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    version: &'static str,
    chain_id: String,
    created_at: u64,
    meta: Meta<'a>,
    transactions: Vec<Transaction>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    name: &'a str,
    description: &'a str,
    tx_builder_version: &'static str,
    created_from_safe_address: String,
    created_from_owner_address: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

/// Raw data is given, so the app needs no ABI, and what is signed is what stands here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    to: String,
    value: String,
    data: String,
    contract_method: Option<()>,
    contract_inputs_values: Option<()>,
}

/// The checksum of a file of the Transaction Builder, whoever wrote it: keccak-256 of its canonical
/// text without the checksum and with `null` for its name, which a person may change.
pub fn checksum(file: &Value) -> B256 {
    let mut file = file.clone();
    if let Some(meta) = file.get_mut("meta").and_then(Value::as_object_mut) {
        meta.insert("name".to_owned(), Value::Null);
        meta.remove("checksum");
    }
    let mut text = String::new();
    canonical(&file, &mut text);
    keccak256(text)
}

/// Arrays `[a,b]`; objects `{`, their sorted keys as an array, then each value and a comma, `}`;
/// all else as JSON.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                canonical(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            let keys: Vec<Value> =
                sorted.iter().map(|(key, _)| Value::from(key.as_str())).collect();
            _ = write!(text, "{{{}", Value::Array(keys));
            for (_, field) in sorted {
                canonical(field, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            _ = write!(text, "{value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, bytes};
    use serde_json::json;

    use super::*;

    /// A file that the Transaction Builder wrote, with the checksum that it gave it.
    #[test]
    fn the_checksum_is_the_one_that_the_app_computes() {
        let file = json!({
            "version": "1.0", "chainId": "1", "createdAt": 1_761_326_849_944_u64,
            "meta": {
                "name": "Transactions Batch", "description": "", "txBuilderVersion": "1.18.2",
                "createdFromSafeAddress": "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6",
                "createdFromOwnerAddress": "",
                "checksum": "0x8b5032f716845c8b08bab3d63dbd9ba92e056f3557793cd041e59b84e16aa989",
            },
            "transactions": [{
                "to": "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "value": "0", "data": null,
                "contractMethod": {
                    "inputs": [
                        { "internalType": "address", "name": "spender", "type": "address" },
                        { "internalType": "uint256", "name": "value", "type": "uint256" },
                    ],
                    "name": "approve", "payable": false,
                },
                "contractInputsValues": {
                    "spender": "0x474e5Ded6b5D078163BFB8F6dBa355C3aA5478C8",
                    "value": "100000000000",
                },
            }],
        });
        assert_eq!(checksum(&file).to_string(), file["meta"]["checksum"].as_str().unwrap());
        let mut renamed = file.clone();
        renamed["meta"]["name"] = "another".into();
        assert_eq!(checksum(&renamed), checksum(&file), "a person may rename it");
        for (pointer, value) in [
            ("/chainId", json!("10")),
            ("/meta/description", json!("x")),
            ("/transactions/0/value", json!("1")),
            ("/transactions/0/contractMethod/payable", json!(true)),
        ] {
            let mut changed = file.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert_ne!(checksum(&changed), checksum(&file), "{pointer}");
        }
    }

    #[test]
    fn the_canonical_text_is_the_rule_of_the_app() {
        let cases = [
            (json!({ "a": 1 }), r#"{["a"]1,}"#),
            (json!([]), "[]"),
            (json!({}), "{[]}"),
            (json!({ "b": [1, "x\"y"], "a": null }), r#"{["a","b"]null,[1,"x\"y"],}"#),
        ];
        for (value, expected) in cases {
            let mut text = String::new();
            canonical(&value, &mut text);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_batch_is_a_file_that_the_app_takes() {
        let to = address!("0x00000000000000000000000000000000000000AA");
        let batch = Batch {
            chain_id: 137,
            safe: address!("0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6"),
            name: "top up".into(),
            description: "two wallets".into(),
            created_at: 1_700_000_000,
            calls: vec![
                Call::transfer(to, U256::from(5)),
                Call { to, value: U256::ZERO, data: bytes!("0xabcd") },
            ],
        };
        let text = batch.to_json().unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let mut expected = json!({
            "version": "1.0", "chainId": "137", "createdAt": 1_700_000_000_000_u64,
            "meta": {
                "name": "top up", "description": "two wallets", "txBuilderVersion": "1.18.0",
                "createdFromSafeAddress": "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6",
                "createdFromOwnerAddress": "",
            },
            "transactions": [
                { "to": "0x00000000000000000000000000000000000000AA", "value": "5", "data": "0x",
                  "contractMethod": null, "contractInputsValues": null },
                { "to": "0x00000000000000000000000000000000000000AA", "value": "0",
                  "data": "0xabcd", "contractMethod": null, "contractInputsValues": null },
            ],
        });
        expected["meta"]["checksum"] = checksum(&expected).to_string().into();
        assert_eq!(file, expected);
        // In the order in which the app writes it, for those who read it.
        assert!(text.find("version") < text.find("chainId"));
    }
}
