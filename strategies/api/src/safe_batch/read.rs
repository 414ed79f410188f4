//! Reading such a file, whoever wrote it: what it asks a Safe to do, as plain calls.

use alloy::{
    dyn_abi::{DynSolType, DynSolValue},
    primitives::{Address, B256, Bytes, U256, keccak256},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Call, checksum};

/// Most bytes of a file.
pub const MAX_BYTES: usize = 4 << 20;
/// Most calls of a file.
pub const MAX_CALLS: usize = 200;
/// Most bytes of the name of an argument's type; longer ones nest deeper than anybody means.
const MAX_KIND: usize = 64;

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// EIP-155 id of the chain that it is for.
    pub chain_id: u64,
    /// The Safe that it was made for, if it says so.
    pub safe: Option<Address>,
    /// What people see in the app.
    pub name: String,
    /// Why, for those who sign.
    pub description: String,
    /// Whether the checksum is that of the content; `None` if it has none.
    pub checksum_fits: Option<bool>,
    /// The calls, in order.
    pub calls: Vec<Call>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    version: String,
    chain_id: String,
    #[serde(default)]
    meta: Meta,
    transactions: Vec<Transaction>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: Option<String>,
    description: Option<String>,
    created_from_safe_address: Option<String>,
    checksum: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    to: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    contract_method: Option<Method>,
    #[serde(default)]
    contract_inputs_values: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Method {
    name: String,
    #[serde(default)]
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Reads a file of the Transaction Builder. Where a call has raw data this counts, as it does in the
/// app; else the data is made of the method and its values.
///
/// # Errors
/// One line that says what is wrong, and with which transaction.
pub fn read(text: &str) -> Result<Parsed, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes"));
    }
    let whole: Value =
        serde_json::from_str(text).map_err(|cause| format!("is no JSON: {cause}"))?;
    let file: File = serde_json::from_str(text)
        .map_err(|cause| format!("is no file of the Transaction Builder: {cause}"))?;
    if file.version != super::VERSION {
        return Err(format!("has version {}; {} is served", file.version, super::VERSION));
    }
    if file.transactions.is_empty() || file.transactions.len() > MAX_CALLS {
        let count = file.transactions.len();
        return Err(format!("has {count} transactions; 1 to {MAX_CALLS} are served"));
    }
    let chain_id = file.chain_id.parse();
    let chain_id = chain_id.map_err(|_| format!("chainId `{}` is no number", file.chain_id))?;
    let calls = file.transactions.iter().enumerate().map(|(index, transaction)| {
        let place = index.saturating_add(1);
        transaction.call().map_err(|cause| format!("transaction {place}: {cause}"))
    });
    let told = file.meta.checksum.map(|told| told.parse::<B256>().ok());
    let safe = file.meta.created_from_safe_address.filter(|text| !text.is_empty());
    let safe = safe.map(|text| address(&text)).transpose()?;
    Ok(Parsed {
        chain_id,
        safe,
        name: file.meta.name.unwrap_or_default(),
        description: file.meta.description.unwrap_or_default(),
        checksum_fits: told.map(|told| told == Some(checksum(&whole))),
        calls: calls.collect::<Result<_, _>>()?,
    })
}

fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|_| format!("`{text}` is no address"))
}

impl Transaction {
    fn call(&self) -> Result<Call, String> {
        let to = address(&self.to)?;
        let value = self.value.as_deref().unwrap_or("0");
        let value = U256::from_str_radix(value, 10)
            .map_err(|_| format!("value `{value}` is no number of wei"))?;
        let data = match (&self.data, &self.contract_method) {
            (Some(raw), _) => {
                raw.parse::<Bytes>().map_err(|_| "its data is not hexadecimal".to_owned())?
            }
            (None, Some(method)) => method.encode(self.contract_inputs_values.as_ref())?,
            (None, None) => Bytes::new(),
        };
        Ok(Call { to, value, data })
    }
}

impl Method {
    fn encode(&self, values: Option<&Map<String, Value>>) -> Result<Bytes, String> {
        let mut kinds = Vec::new();
        let mut arguments = Vec::new();
        for Input { name, kind } in &self.inputs {
            if kind.len() > MAX_KIND {
                return Err(format!("{}: {name}: a type of more than {MAX_KIND} bytes", self.name));
            }
            let parsed = DynSolType::parse(kind).map_err(|_| format!("`{kind}` is no type"))?;
            let told = values.and_then(|values| values.get(name));
            let told = told.ok_or_else(|| format!("{}: {name} has no value", self.name))?;
            let wrong = |cause: String| format!("{}: {name}: {cause}", self.name);
            arguments.push(argument(&parsed, told).map_err(wrong)?);
            kinds.push(parsed.sol_type_name().into_owned());
        }
        let signature = format!("{}({})", self.name, kinds.join(","));
        let mut data = keccak256(signature).as_slice().get(..4).unwrap_or_default().to_vec();
        data.extend(DynSolValue::Tuple(arguments).abi_encode_params());
        Ok(data.into())
    }
}

/// A value as the app writes it: text, with JSON in it for an array.
fn argument(kind: &DynSolType, told: &Value) -> Result<DynSolValue, String> {
    if let DynSolType::Array(of) | DynSolType::FixedArray(of, _) = kind {
        let parsed = told.as_str().map(|text| {
            serde_json::from_str::<Value>(text).map_err(|_| format!("`{text}` is no array in JSON"))
        });
        let parsed = parsed.transpose()?;
        let items = parsed.as_ref().unwrap_or(told).as_array();
        let items = items.ok_or_else(|| "is no array".to_owned())?;
        let items = items.iter().map(|item| argument(of, item)).collect::<Result<_, _>>()?;
        return Ok(if let DynSolType::FixedArray(..) = kind {
            DynSolValue::FixedArray(items)
        } else {
            DynSolValue::Array(items)
        });
    }
    if let DynSolType::Tuple(_) = kind {
        return Err("tuples are served as raw data only".to_owned());
    }
    if told.is_f64() {
        return Err(format!("{told} is too large to stand without quotes"));
    }
    let text = told.as_str().map_or_else(|| told.to_string(), str::to_owned);
    if *kind == DynSolType::String {
        return Ok(DynSolValue::String(text));
    }
    kind.coerce_str(&text).map_err(|_| format!("`{text}` is no {kind}"))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, hex};
    use serde_json::json;

    use super::*;
    use crate::safe_batch::Batch;

    fn batch() -> Batch {
        Batch {
            chain_id: 1,
            safe: address!("0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6"),
            name: "an index".into(),
            description: "why".into(),
            created_at: 1_700_000_000,
            calls: vec![Call {
                to: address!("0x00000000000000000000000000000000000000AA"),
                value: U256::from(5),
                data: Bytes::from([1, 2]),
            }],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let (batch, text) = (batch(), batch().to_json().unwrap());
        let read = read(&text).unwrap();
        assert_eq!(read.calls, batch.calls);
        assert_eq!((read.chain_id, read.safe), (1, Some(batch.safe)));
        assert_eq!((read.name, read.description), (batch.name, batch.description));
        assert_eq!(read.checksum_fits, Some(true));
    }

    #[test]
    fn a_change_on_the_way_is_seen() {
        let text = batch().to_json().unwrap();
        let changed = text.replace("0x0102", "0x0103");
        assert_ne!(text, changed);
        assert_eq!(read(&changed).unwrap().checksum_fits, Some(false));
        assert_eq!(read(&text.replace("an index", "it")).unwrap().checksum_fits, Some(true));
        let mut bare: Value = serde_json::from_str(&text).unwrap();
        bare["meta"].as_object_mut().unwrap().remove("checksum");
        assert_eq!(read(&bare.to_string()).unwrap().checksum_fits, None);
    }

    fn with_method(method: Value, values: Value) -> Result<Bytes, String> {
        let file = json!({
            "version": "1.0", "chainId": "1", "createdAt": 1, "meta": {},
            "transactions": [{
                "to": "0x00000000000000000000000000000000000000AA", "value": "0", "data": null,
                "contractMethod": method, "contractInputsValues": values,
            }],
        });
        read(&file.to_string()).map(|read| read.calls[0].data.clone())
    }

    #[test]
    fn a_method_and_its_values_are_the_same_as_data() {
        let method = json!({ "name": "setTradeMaximums", "payable": false, "inputs": [
            { "name": "_components", "type": "address[]", "internalType": "address[]" },
            { "name": "_tradeMaximums", "type": "uint256[]", "internalType": "uint256[]" },
        ]});
        let one = "0x00000000000000000000000000000000000000AA";
        let values = |maximum: &str| {
            json!({
                "_components": format!("[\"{one}\"]"), "_tradeMaximums": format!("[{maximum}]"),
            })
        };
        let data = with_method(method.clone(), values("\"1000\"")).unwrap();
        let word = |n: u64| format!("{n:064x}");
        let expected = ["4afdd22f".to_owned(), word(64), word(128), word(1), word(0xaa), word(1)];
        assert_eq!(hex::encode(&data), format!("{}{}", expected.concat(), word(1000)));
        assert_eq!(with_method(method.clone(), values("1000")), Ok(data));
        let large = with_method(method.clone(), values("100000000000000000000000")).unwrap_err();
        assert!(large.contains("too large to stand without quotes"), "{large}");
        let missing = with_method(method, json!({})).unwrap_err();
        assert_eq!(missing, "transaction 1: setTradeMaximums: _components has no value");
    }

    #[test]
    fn texts_and_bytes_are_values_too() {
        let input = |kind: &str| json!({ "name": "x", "type": kind });
        let method = |kind| json!({ "name": "f", "inputs": [input(kind)] });
        let encoded = |kind, value: &str| with_method(method(kind), json!({ "x": value }));
        let names = encoded("string[]", r#"["a", "b"]"#).unwrap();
        let expected = DynSolValue::Array(vec!["a".to_owned().into(), "b".to_owned().into()]);
        assert_eq!(names.get(4..), Some(&*DynSolValue::Tuple(vec![expected]).abi_encode_params()));
        assert!(encoded("bytes[]", r#"["0x", "0x0102"]"#).is_ok());
        assert!(encoded("bool[]", "[true, false]").is_ok());
        let said = encoded("address", "0x12").unwrap_err();
        assert_eq!(said, "transaction 1: f: x: `0x12` is no address");
        assert!(encoded("(uint256)", "1").unwrap_err().contains("raw data"));
        let deep = format!("uint8{}", "[]".repeat(100_000));
        let said = encoded(&deep, "1").unwrap_err();
        assert_eq!(said, "transaction 1: f: x: a type of more than 64 bytes");
    }

    #[test]
    fn what_is_no_such_file_is_told() {
        for (text, expected) in [
            ("", "is no JSON"),
            ("[]", "is no file of the Transaction Builder"),
            (r#"{"version":"2.0","chainId":"1","transactions":[]}"#, "has version 2.0"),
            (r#"{"version":"1.0","chainId":"1","transactions":[]}"#, "has 0 transactions"),
            (
                r#"{"version":"1.0","chainId":"x","transactions":[{"to":"0x00000000000000000000000000000000000000AA"}]}"#,
                "chainId `x` is no number",
            ),
            (
                r#"{"version":"1.0","chainId":"1","transactions":[{"to":"0xAA"}]}"#,
                "transaction 1: `0xAA` is no address",
            ),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
