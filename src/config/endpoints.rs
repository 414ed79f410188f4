//! Lists of endpoints, in chain and product files alike.

use std::path::Path;

use ballast_chains::profile::EndpointProfile;
use figment::value::{Dict, Value};
use secrecy::ExposeSecret as _;
use url::Url;

use super::{
    Environment, Secret, Secrets,
    file::ConfigFile,
    form::{self, Fault, Parsed, Raw},
    problems::{Problem, Problems},
    reader::Reader,
    schema,
    shown::is_variable_name,
};

/// Schemes of request URLs.
pub(super) const HTTP: [&str; 2] = ["http", "https"];
/// Schemes of subscription URLs.
const WS: [&str; 2] = ["ws", "wss"];
/// Stands in for a URL that is a secret nobody resolved; `.invalid` never resolves (RFC 6761).
pub(super) const UNRESOLVED_HTTP: &str = "http://unresolved.invalid/";
/// As well, for subscriptions.
const UNRESOLVED_WS: &str = "ws://unresolved.invalid/";

/// Where secrets come from, if they may be looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecretSource<'a> {
    /// The configuration directory, which secret files are relative to.
    pub(super) dir: &'a Path,
    /// The variables.
    pub(super) environment: &'a Environment,
    /// Whether to look.
    pub(super) secrets: Secrets,
}

/// Which endpoints a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// `rpc`.
    Read,
    /// `send` or `private_send`, which have no use for subscriptions.
    Send,
}

/// Reads the list at `key`; empty if there is none, and a list that is wrong has been reported.
pub(super) fn read(
    reader: &mut Reader<'_>,
    key: &'static str,
    purpose: Use,
    source: SecretSource<'_>,
) -> Vec<EndpointProfile> {
    let least = usize::from(purpose == Use::Read);
    let Some(value) = reader.value(key) else {
        return Vec::new();
    };
    let takes = reader.takes(key);
    let Some(items) = value.as_array().filter(|items| items.len() >= least) else {
        reader.wrong(key, format!("expected {takes}"));
        return Vec::new();
    };
    let (file, problems) = reader.parts();
    let mut endpoints: Vec<EndpointProfile> = Vec::with_capacity(items.len());
    let mut resolved: Vec<(Url, String)> = Vec::new();
    let mut seen: Vec<(&Value, String)> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let place = format!("{key}[{at}]");
        let url = item.as_dict().and_then(|dict| dict.get("url")).unwrap_or(item);
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == url) {
            let message = format!(
                "the same as {first}, and its answers would count twice; expected another endpoint"
            );
            problems.push(Problem::new(&file.name, place, message).value(item));
            continue;
        }
        seen.push((url, place.clone()));
        let read = endpoint(file, place.clone(), item, purpose, source, problems);
        let Some(endpoint) = read else { continue };
        // Two secrets may hold one URL.
        let known = endpoint.url.as_str() != UNRESOLVED_HTTP;
        if let Some((_, first)) = resolved.iter().find(|(url, _)| known && *url == endpoint.url) {
            let message = format!(
                "its URL is that of {first}, and its answers would count twice; expected another \
                 endpoint"
            );
            problems.push(Problem::new(&file.name, place, message).value(item));
            continue;
        }
        resolved.push((endpoint.url.clone(), place));
        endpoints.push(endpoint);
    }
    endpoints
}

/// One endpoint: a URL, the place of one, or a table.
fn endpoint(
    file: &ConfigFile,
    place: String,
    item: &Value,
    purpose: Use,
    source: SecretSource<'_>,
    problems: &mut Problems,
) -> Option<EndpointProfile> {
    let table = match item.as_dict() {
        Some(table) if !is_reference(table) => table,
        Some(_) | None => {
            let takes = schema::ENDPOINT.key("url").map_or("a URL", |key| key.takes);
            return match url(Raw::typed(item), HTTP, UNRESOLVED_HTTP, source) {
                Ok(url) => Some(EndpointProfile {
                    url,
                    ws: None,
                    requests_per_second: None,
                    archive: false,
                }),
                Err(fault) => {
                    let problem = Problem::new(&file.name, place, fault.message(takes));
                    problems.push(problem.value(item));
                    None
                }
            };
        }
    };
    let mut reader = Reader::of_table(file, place, table, &schema::ENDPOINT, problems);
    let url_read = reader.get("url", |raw| url(raw, HTTP, UNRESOLVED_HTTP, source));
    let ws = match purpose {
        Use::Read => reader.get("ws", |raw| url(raw, WS, UNRESOLVED_WS, source)),
        Use::Send => {
            if reader.has("ws") {
                reader.wrong("ws", "send endpoints get no subscriptions; expected to be left out");
            }
            None
        }
    };
    let requests_per_second = reader.get("requests_per_second", form::rate);
    let archive = match purpose {
        Use::Read => reader.get("archive", form::flag),
        Use::Send => {
            if reader.has("archive") {
                reader.wrong("archive", "send endpoints are not read; expected to be left out");
            }
            Some(false)
        }
    };
    Some(EndpointProfile { url: url_read?, ws, requests_per_second, archive: archive? })
}

/// Whether a table is `{ env = … }` or `{ file = … }` rather than an endpoint.
fn is_reference(table: &Dict) -> bool {
    !table.contains_key("url") && (table.contains_key("env") || table.contains_key("file"))
}

/// A URL, or the place of a secret one.
pub(super) fn url(
    raw: Raw<'_>,
    schemes: [&'static str; 2],
    unresolved: &str,
    source: SecretSource<'_>,
) -> Parsed<Url> {
    if raw.value.as_dict().is_none() {
        return form::url(schemes)(raw);
    }
    let secret = reference(raw, source.dir)?;
    match source.secrets {
        Secrets::Skip => Url::parse(unresolved).map_err(|_| Fault::Form),
        Secrets::Resolve => {
            let text = secret.resolve(source.environment).map_err(|error| cause(&error))?;
            form::url_of(text.expose_secret(), schemes).map_err(|fault| match fault {
                Fault::Form | Fault::Later | Fault::NoneOf { .. } => {
                    Fault::because(format!("{secret} holds no such URL"))
                }
                Fault::Because(why) => Fault::because(format!("{secret}: {why}")),
            })
        }
    }
}

/// `{ env = "NAME" }` or `{ file = "PATH" }`. What looks like the secret itself is refused.
pub(super) fn reference(raw: Raw<'_>, dir: &Path) -> Parsed<Secret> {
    let Some(table) = raw.value.as_dict() else {
        return Err(Fault::because("secrets are named, never contained"));
    };
    let text =
        |key: &str| table.get(key).map(|value| value.as_str().ok_or(Fault::Form)).transpose();
    let only = table.keys().all(|key| key == "env" || key == "file");
    match (text("env")?, text("file")?) {
        (Some(name), None) if only && is_variable_name(name) => Ok(Secret::Env(name.to_owned())),
        (None, Some(path)) if only && !path.is_empty() && !path.contains('\0') => {
            Ok(Secret::File(dir.join(path)))
        }
        (Some(_), Some(_)) => Err(Fault::because("both env and file")),
        (Some(_), None) if only => {
            Err(Fault::because("env takes the name of a variable, not its value"))
        }
        (Some(_) | None, Some(_) | None) => Err(Fault::Form),
    }
}

/// A secret that could not be had, with its reason.
pub(super) fn cause(error: &dyn std::error::Error) -> Fault {
    Fault::because(crate::error_chain(error))
}
