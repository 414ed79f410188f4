//! Who is told what is wrong: `[heartbeat]` and `[[notify]]` of `ballast.toml`.

use std::{fmt, time::Duration};

use url::Url;

use super::{
    Secret, Secrets,
    endpoints::{HTTP, SecretSource, UNRESOLVED_HTTP, cause, reference, url},
    form::{self, Parsed, Raw},
    problems::Problem,
    reader::Reader,
    schema,
};
use crate::alerts::Severity;

/// Kinds of receivers.
const KINDS: &[(&str, Kind)] = &[("webhook", Kind::Webhook)];
/// Kinds that are to come.
const LATER_KINDS: &[&str] = &["slack", "telegram", "pagerduty"];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Webhook,
}

/// The dead-man's switch.
#[derive(Clone, PartialEq, Eq)]
pub struct HeartbeatConfig {
    /// Where the heartbeat goes; its path may hold a token.
    pub url: Url,
    /// How often.
    pub every: Duration,
}

impl fmt::Debug for HeartbeatConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeartbeatConfig").field("every", &self.every).finish_non_exhaustive()
    }
}

/// A receiver of alerts.
#[derive(Clone, PartialEq, Eq)]
pub struct NotifyConfig {
    /// Its place in the file, for logs and metrics: `notify[0]`.
    pub name: String,
    /// Where alerts go; its path may hold a token.
    pub url: Url,
    /// What alerts are signed with.
    pub secret: Option<Secret>,
    /// Less severe ones are not sent.
    pub min_severity: Severity,
}

impl fmt::Debug for NotifyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifyConfig")
            .field("name", &self.name)
            .field("secret", &self.secret)
            .field("min_severity", &self.min_severity)
            .finish_non_exhaustive()
    }
}

/// Reads `[heartbeat]`; `None` if there is none or it is wrong, which has then been reported.
pub(super) fn heartbeat(
    reader: &mut Reader<'_>,
    source: SecretSource<'_>,
) -> Option<HeartbeatConfig> {
    if !reader.has("heartbeat") {
        return None;
    }
    let every = reader.get("heartbeat.every", form::duration);
    if reader.value("heartbeat").is_some_and(|value| value.as_dict().is_some())
        && !reader.has("heartbeat.url")
    {
        let takes = reader.takes("heartbeat.url");
        reader.push("heartbeat.url", format!("missing; expected {takes}"));
    }
    let url = reader.get("heartbeat.url", |raw| url(raw, HTTP, UNRESOLVED_HTTP, source));
    Some(HeartbeatConfig { url: url?, every: every? })
}

/// Reads `[[notify]]`; what is wrong has been reported.
pub(super) fn notify(reader: &mut Reader<'_>, source: SecretSource<'_>) -> Vec<NotifyConfig> {
    let Some(value) = reader.value("notify") else { return Vec::new() };
    let tables: Option<Vec<_>> = value.as_array().map(|items| items.iter().collect());
    let Some(items) = tables else {
        reader.wrong("notify", format!("expected {}", reader.takes("notify")));
        return Vec::new();
    };
    let (file, problems) = reader.parts();
    let mut receivers = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let name = format!("notify[{at}]");
        let Some(table) = item.as_dict() else {
            let problem = Problem::new(&file.name, name, "expected a table [[notify]]");
            problems.push(problem.value(item));
            continue;
        };
        let mut entry = Reader::of_table(file, name.clone(), table, &schema::NOTIFY, problems);
        receivers.extend(receiver(name, &mut entry, source));
    }
    receivers
}

fn receiver(
    name: String,
    entry: &mut Reader<'_>,
    source: SecretSource<'_>,
) -> Option<NotifyConfig> {
    let kind = entry.get("kind", form::word(KINDS, LATER_KINDS));
    let url = entry.get("url", |raw| url(raw, HTTP, UNRESOLVED_HTTP, source));
    let min_severity = entry.get("min_severity", form::word(Severity::WORDS, &[]));
    let wants_secret = entry.has("secret");
    let secret = entry.get("secret", |raw| signing_secret(raw, source));
    if wants_secret && secret.is_none() {
        return None;
    }
    match kind? {
        Kind::Webhook => {
            Some(NotifyConfig { name, url: url?, secret, min_severity: min_severity? })
        }
    }
}

fn signing_secret(raw: Raw<'_>, source: SecretSource<'_>) -> Parsed<Secret> {
    let secret = reference(raw, source.dir)?;
    match source.secrets {
        Secrets::Skip => Ok(secret),
        Secrets::Resolve => match secret.resolve(source.environment) {
            Ok(_) => Ok(secret),
            Err(error) => Err(cause(&error)),
        },
    }
}
