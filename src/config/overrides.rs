//! Environment variables above the files: `BALLAST__CHAINS__MAINNET__CONFIRMATIONS`.
//!
//! A variable sets one plain value of one key that exists. One that does not is an error, because
//! the operator who set it believes that it holds.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use super::{
    Environment,
    directory::{Directory, upper},
    file::{ConfigFile, Override, find},
    problems::{Problem, Problems},
    reader::{closest, one_of},
    schema::{self, Key, Schema, Shape},
    shown::shown,
};

/// How the names of overrides begin.
const PREFIX: &str = "BALLAST__";
/// Where problems of variables that belong to no file are reported.
const NOWHERE: &str = "environment";

/// Merges every override into its file.
pub(super) fn apply(environment: &Environment, files: &mut Directory, problems: &mut Problems) {
    for variable in environment.names_with(PREFIX) {
        let report = |path: &str, text: Option<&str>, message: String| {
            let problem = Problem::new(NOWHERE, variable, message);
            match text {
                Some(text) => problem.text(shown(path, &Value::from(text))),
                None => problem,
            }
        };
        let text = match environment.get(variable) {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => {
                problems.push(report("", None, format!("{error}; expected a plain value")));
                continue;
            }
        };
        match target(variable, files) {
            Ok(Target { file: None, .. }) => {}
            Ok(Target { file: Some(file), path, schema }) => {
                let with = Override {
                    variable: variable.to_owned(),
                    path: path.clone(),
                    text: text.to_owned(),
                };
                match check(variable, &path, file, schema) {
                    Ok(()) => file.override_with(with),
                    Err(message) => problems.push(report(&path, Some(text), message)),
                }
            }
            Err(message) => {
                let path = variable.to_ascii_lowercase().replace("__", ".");
                problems.push(report(&path, Some(text), message));
            }
        }
    }
}

/// What a variable is about.
struct Target<'a> {
    /// The file; `None` if it is broken, which has been reported.
    file: Option<&'a mut ConfigFile>,
    path: String,
    schema: &'static Schema,
}

fn target<'a>(variable: &str, files: &'a mut Directory) -> Result<Target<'a>, String> {
    let rest = variable.strip_prefix(PREFIX).unwrap_or(variable);
    let parts: Vec<&str> = rest.split("__").collect();
    if rest != rest.to_ascii_uppercase() || parts.iter().any(|part| part.is_empty()) {
        return Err(format!(
            "names no key; expected {PREFIX} and the key in upper case, its parts joined by two \
             underscores"
        ));
    }
    match parts.as_slice() {
        ["CHAINS", stem, keys @ ..] => {
            file_of(stem, keys, "chains", &mut files.chains, &schema::CHAIN)
        }
        ["PRODUCTS", stem, keys @ ..] => {
            file_of(stem, keys, "products", &mut files.products, &schema::PRODUCT)
        }
        keys => Ok(Target {
            file: files.ballast.as_mut(),
            path: path_of(keys),
            schema: &schema::BALLAST,
        }),
    }
}

fn file_of<'a>(
    stem: &str,
    keys: &[&str],
    folder: &str,
    files: &'a mut BTreeMap<String, Option<ConfigFile>>,
    schema: &'static Schema,
) -> Result<Target<'a>, String> {
    let known: Vec<String> = files
        .keys()
        .map(|stem| format!("{PREFIX}{}__{}", folder.to_uppercase(), upper(stem)))
        .collect();
    let file = files.iter_mut().find(|(name, _)| upper(name) == stem).map(|(_, file)| file);
    let Some(file) = file else {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let asked = format!("{PREFIX}{}__{stem}", folder.to_uppercase());
        let hint = closest(&asked.to_ascii_lowercase(), &known)
            .map(|close| format!(", did you mean {close}?"))
            .unwrap_or_default();
        return Err(format!("names no file of {folder}/{hint}; expected {}", one_of(&known)));
    };
    Ok(Target { file: file.as_mut(), path: path_of(keys), schema })
}

fn path_of(keys: &[&str]) -> String {
    keys.join(".").to_ascii_lowercase()
}

/// Whether a variable may set the key at `path`.
fn check(variable: &str, path: &str, file: &ConfigFile, schema: &Schema) -> Result<(), String> {
    if schema.is_later(path) {
        return Err(format!("not yet supported: {path}; expected to be left out"));
    }
    let Some(key) = schema.keys.iter().find(|key| reaches(key, path)) else {
        let known: Vec<&str> = schema.keys.iter().map(|key| key.path).collect();
        let hint = closest(path, &known).map(|close| format!(", did you mean {close}?"));
        let hint = hint.unwrap_or_default();
        let expected = one_of(&known);
        return Err(format!("names no known key of {}{hint}; expected {expected}", file.name));
    };
    let sets_compound = match key.shape {
        Shape::Plain => false,
        Shape::Secret if key.path == path => {
            return Err(format!(
                "secrets are named, never contained; expected {variable}__ENV or {variable}__FILE"
            ));
        }
        Shape::Secret | Shape::List | Shape::Open => key.path == path,
    };
    if sets_compound || !is_plain(path, file.dict()) {
        return Err(format!(
            "a variable sets a plain value, which {path} is not; expected a change of {}",
            file.name
        ));
    }
    Ok(())
}

/// Whether `path` is the key, or a part of it that a variable may set.
fn reaches(key: &Key, path: &str) -> bool {
    let inside = path.strip_prefix(key.path).and_then(|rest| rest.strip_prefix('.'));
    match key.shape {
        Shape::Plain | Shape::List => key.path == path,
        Shape::Secret => key.path == path || inside.is_some_and(|p| p == "env" || p == "file"),
        Shape::Open => key.path == path || inside.is_some(),
    }
}

/// Whether the file has a plain value at `path`, or room for one.
fn is_plain(path: &str, dict: &Dict) -> bool {
    match find(dict, path) {
        Some(Value::Dict(..) | Value::Array(..)) => false,
        Some(
            Value::String(..)
            | Value::Char(..)
            | Value::Bool(..)
            | Value::Num(..)
            | Value::Empty(..),
        ) => true,
        None => !passes_through_value(path, dict),
    }
}

/// Whether something above `path` is a plain value.
fn passes_through_value(path: &str, dict: &Dict) -> bool {
    path.match_indices('.').any(|(at, _)| {
        let parent = path.split_at_checked(at).map(|(parent, _)| parent).unwrap_or_default();
        find(dict, parent).is_some_and(|value| value.as_dict().is_none())
    })
}
