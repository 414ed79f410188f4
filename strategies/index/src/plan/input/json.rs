//! The two forms of JSON. Its numbers never become floats here: they are read as they are written.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Book, Cells};

impl<V> Book<'_, V> {
    pub(super) fn json(&mut self, text: &str) {
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
                            let value = match self.column {
                                "weight" => line.weight,
                                "price" => line.price,
                                _ => line.feed,
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
    #[serde(borrow)]
    feed: Option<&'a RawValue>,
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
