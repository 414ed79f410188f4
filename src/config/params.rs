//! A strategy's own keys: untyped until the registry has found the strategy.
//!
//! They stay inside the product file's figment, so that what a strategy's type refuses is told
//! with file, key and value like everything else. One serde error ends an extraction, so the key
//! it names is taken out and the rest is tried again, until nothing new is said.

use std::fmt;

use figment::{
    Figment, Metadata, Profile, Provider,
    error::{Actual, Kind},
    value::{Dict, Map, Value},
};
use serde::de::DeserializeOwned;

use super::{
    file::{find, variable_of},
    form::{Fault, checked_address},
    problems::Problem,
    reader::{one_of, unknown_key},
    schema,
    shown::shown_key,
};

/// Most problems that one `[params]` table is asked for.
const MOST_PROBLEMS: usize = 64;

/// The `[params]` table of one product.
#[derive(Clone)]
pub struct Params {
    file: String,
    figment: Figment,
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.dict().keys()).finish()
    }
}

/// A table on its own; its values keep the tags that tell where they came from.
struct Table(Dict);

impl Provider for Table {
    fn metadata(&self) -> Metadata {
        Metadata::named("params")
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

impl Params {
    pub(super) fn new(file: &str, figment: Figment) -> Self {
        Self { file: file.to_owned(), figment }
    }

    /// The table as a strategy's type.
    ///
    /// # Errors
    ///
    /// Every key that the type refuses.
    pub fn extract<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        let whole = self.dict();
        let mut problems = self.wrong_addresses(&whole);
        let mut removed: Vec<String> = Vec::new();
        let mut left = whole.clone();
        while problems.len() < MOST_PROBLEMS {
            match self.try_extract::<T>(left.clone()) {
                Ok(params) if problems.is_empty() => return Ok(params),
                Ok(_) => break,
                Err(error) => {
                    let path = culprit(&error);
                    let is_new = !removed.contains(&path);
                    let known = problems.iter().any(|p| p.key == full(&path));
                    if is_new && !known {
                        problems.push(self.problem(&whole, &path, &error.kind));
                    }
                    removed.push(path.clone());
                    if !remove(&mut left, &path) {
                        break;
                    }
                }
            }
        }
        Err(problems)
    }

    fn dict(&self) -> Dict {
        let data = self.figment.data().ok().and_then(|mut data| data.remove(&Profile::Default));
        data.unwrap_or_default()
    }

    /// Values of variables are text that stands for any plain value, so they are read leniently;
    /// a file's values are not.
    fn try_extract<T: DeserializeOwned>(&self, table: Dict) -> figment::Result<T> {
        let overridden = has_override(&self.figment, &table);
        let figment = Figment::from(Table(table));
        if overridden { figment.extract_lossy() } else { figment.extract() }
    }

    fn problem(&self, whole: &Dict, path: &str, kind: &Kind) -> Problem {
        let problem = Problem::new(&self.file, full(path), message(kind));
        let is_missing = matches!(kind, Kind::MissingField(_));
        match find_in(whole, path).filter(|_| !is_missing) {
            Some(value) => problem.value(value).set_by(variable_of(&self.figment, value)),
            None => problem,
        }
    }

    /// A mistyped address is still an address; only its checksum tells.
    fn wrong_addresses(&self, whole: &Dict) -> Vec<Problem> {
        let is_address = |text: &str| text.len() == 42 && text.starts_with("0x");
        let mut wrong = Vec::new();
        for (name, value) in whole {
            let Some(text) = value.as_str().filter(|text| is_address(text)) else { continue };
            if let Err(fault @ Fault::Because(_)) = checked_address(text) {
                let key = full(&shown_key(name));
                let problem = Problem::new(&self.file, key, fault.message(schema::ADDRESS));
                let variable = variable_of(&self.figment, value);
                wrong.push(problem.value(value).set_by(variable));
            }
        }
        wrong
    }
}

fn full(path: &str) -> String {
    if path.is_empty() { "params".to_owned() } else { format!("params.{path}") }
}

fn has_override(figment: &Figment, table: &Dict) -> bool {
    table.values().any(|value| match value {
        Value::Dict(_, inner) => has_override(figment, inner),
        Value::String(..)
        | Value::Char(..)
        | Value::Bool(..)
        | Value::Num(..)
        | Value::Empty(..)
        | Value::Array(..) => variable_of(figment, value).is_some(),
    })
}

/// The key that an error is about. Serde names a missing or unknown key beside the path.
fn culprit(error: &figment::Error) -> String {
    let mut path: Vec<String> = error.path.clone();
    let name = match &error.kind {
        Kind::UnknownField(name, _) => Some(name.clone()),
        Kind::MissingField(name) => Some(name.to_string()),
        Kind::DuplicateField(name) => Some((*name).to_owned()),
        Kind::Message(_)
        | Kind::InvalidType(..)
        | Kind::InvalidValue(..)
        | Kind::InvalidLength(..)
        | Kind::UnknownVariant(..)
        | Kind::ISizeOutOfRange(_)
        | Kind::USizeOutOfRange(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(..) => None,
    };
    if let Some(name) = name
        && path.last() != Some(&name)
    {
        path.push(name);
    }
    path.join(".")
}

fn message(kind: &Kind) -> String {
    match kind {
        Kind::UnknownField(name, known) => unknown_key(name, known),
        Kind::MissingField(_) => "missing; expected to be given".to_owned(),
        Kind::InvalidType(actual, expected) => {
            format!("{}expected {}", found(actual), plainly(expected))
        }
        Kind::InvalidValue(_, expected) => format!("expected {}", plainly(expected)),
        Kind::InvalidLength(length, expected) => {
            format!("length {length} does not fit; expected {expected}")
        }
        Kind::UnknownVariant(_, known) => format!("expected {}", one_of(known)),
        Kind::Message(said) if said.contains("expected") => said.clone(),
        Kind::Message(said) if said.contains("not yet supported") => {
            format!("{said}; expected to be left out")
        }
        Kind::Message(said) => format!("{said}; expected {}", schema::PARAM),
        Kind::DuplicateField(_) => "given twice; expected once".to_owned(),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => {
            "expected a smaller number".to_owned()
        }
        Kind::Unsupported(actual) | Kind::UnsupportedKey(actual, _) => {
            format!("{}expected another type", found(actual))
        }
    }
}

/// What serde expects, in the words of a file.
fn plainly(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number from 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// The type of a value, never the value: that is printed beside, shortened if need be.
fn found(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "found true or false, ",
        Actual::Unsigned(_) | Actual::Signed(_) => "found a whole number, ",
        Actual::Float(_) => "found a decimal number, ",
        Actual::Char(_) | Actual::Str(_) => "found text, ",
        Actual::Seq => "found a list, ",
        Actual::Map => "found a table, ",
        Actual::Bytes(_)
        | Actual::Unit
        | Actual::Option
        | Actual::NewtypeStruct
        | Actual::Enum
        | Actual::UnitVariant
        | Actual::NewtypeVariant
        | Actual::TupleVariant
        | Actual::StructVariant
        | Actual::Other(_) => "",
    }
}

/// The value at a path as serde tells it; a number is a place in a list.
fn find_in<'a>(dict: &'a Dict, path: &str) -> Option<&'a Value> {
    // A key may have a dot in it, and then the path is that key.
    if let Some(value) = dict.get(path).or_else(|| find(dict, path)) {
        return Some(value);
    }
    let first = path.split('.').next()?;
    dict.get(first)
}

/// Takes out what stands at a path: the key itself, or the whole list that it is in. False if
/// there is nothing.
fn remove(dict: &mut Dict, path: &str) -> bool {
    if dict.remove(path).is_some() {
        return true;
    }
    let Some((first, rest)) = path.split_once('.') else { return false };
    match dict.get_mut(first) {
        Some(Value::Dict(_, inner)) => remove(inner, rest),
        Some(
            Value::String(..)
            | Value::Char(..)
            | Value::Bool(..)
            | Value::Num(..)
            | Value::Empty(..)
            | Value::Array(..),
        ) => dict.remove(first).is_some(),
        None => false,
    }
}
