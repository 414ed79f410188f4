//! One JSON-RPC exchange over HTTP.
//!
//! In place of alloy's own transport, which has no bound on the answer's size, and which puts the
//! whole address (often with a secret in its path) into errors and log spans.

use std::{error::Error as _, time::Duration};

use alloy::{
    primitives::bytes::Bytes,
    rpc::json_rpc::{ErrorPayload, ResponsePacket},
    transports::{TransportError, TransportErrorKind},
};
use reqwest::{Client, Response, header, redirect};
use thiserror::Error;
use url::Url;

use super::errors::speaks_of_the_request;

/// Longest answer taken from an endpoint, bytes: 1,000 receipts or a full batch of reads.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// How much of an error page is kept, bytes.
const MAX_ERROR_BYTES: usize = 500;
/// Longest wait for a connection; an endpoint that takes longer is down.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept: longer than the slowest chain's block time.
const IDLE_CONNECTION: Duration = Duration::from_secs(60);
/// Longest `Retry-After` that is respected.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Why an exchange gave no JSON-RPC answer.
#[derive(Debug, Clone, Error)]
pub(super) enum Failure {
    #[error("waited {0:?} for the rate limit of the endpoint")]
    Limited(Duration),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("connection failed: {0}")]
    Connection(String),
    #[error("HTTP status {code}: {body}")]
    Status {
        code: u16,
        retry_after: Option<Duration>,
        body: String,
        /// Text of the JSON-RPC error in the body, if that is what it is.
        said: Option<String>,
    },
    /// HTTP 413: the one status that says something about the request and not about the endpoint.
    #[error("the request is too large for the endpoint: {0}")]
    RequestTooLarge(String),
    #[error("not a JSON-RPC answer: {0}")]
    Malformed(String),
    #[error("answer longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    #[error("chain id {found}, expected {expected}")]
    WrongChain { found: u64, expected: u64 },
    #[error("{0}")]
    Refused(String),
    /// It cannot serve this kind of request; nothing is wrong with it otherwise.
    #[error("{0}")]
    Unusable(String),
}

impl Failure {
    /// Fixed word for metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Limited(_) => "limited",
            Self::TimedOut(_) => "timeout",
            Self::Connection(_) => "connection",
            Self::Status { code: 429, .. } => "busy",
            Self::Status { .. } => "status",
            Self::RequestTooLarge(_) => "too_large",
            Self::Malformed(_) | Self::TooLong => "malformed",
            Self::WrongChain { .. } => "wrong_chain",
            Self::Refused(_) | Self::Unusable(_) => "error",
        }
    }

    /// How long the endpoint asked to be left alone.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Limited(_)
            | Self::TimedOut(_)
            | Self::Connection(_)
            | Self::Malformed(_)
            | Self::TooLong
            | Self::RequestTooLarge(_)
            | Self::WrongChain { .. }
            | Self::Refused(_)
            | Self::Unusable(_) => None,
        }
    }
}

impl From<Failure> for TransportError {
    fn from(failure: Failure) -> Self {
        if let Failure::RequestTooLarge(body) = failure {
            // Whoever asked can ask for less, so the status has to reach them.
            return TransportErrorKind::http_error(413, body);
        }
        TransportErrorKind::custom(failure)
    }
}

/// A client for all endpoints of a chain.
pub(super) fn client(timeout: Duration) -> Result<Client, reqwest::Error> {
    // reqwest is built without a TLS provider and panics when there is none.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(timeout.min(MAX_CONNECT_TIMEOUT))
        .pool_idle_timeout(IDLE_CONNECTION)
        .build()
}

/// Parts of an address at least this long are never repeated.
const LEAST_SECRET: usize = 6;

/// Posts a request and reads the answer. Sets no time limit of its own.
pub(super) async fn post(
    client: &Client,
    url: &Url,
    body: Bytes,
) -> Result<ResponsePacket, Failure> {
    let answer = client
        .post(url.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await
        .map_err(broken)?;
    let status = answer.status();
    let retry_after = retry_after(&answer);
    let text = read(answer).await?;
    if status.is_success() {
        return serde_json::from_slice(&text)
            .map_err(|error| Failure::Malformed(format!("{error}: {}", excerpt(&text, url))));
    }
    let code = status.as_u16();
    match serde_json::from_slice::<ResponsePacket>(&text) {
        // Some gateways give JSON-RPC errors a status of their own.
        Ok(packet) if speaks_of_the_request(code, &packet) => Ok(packet),
        Ok(_) | Err(_) if code == 413 => Err(Failure::RequestTooLarge(excerpt(&text, url))),
        Ok(_) | Err(_) => {
            let (body, said) = (excerpt(&text, url), said(&text));
            Err(Failure::Status { code, retry_after, body, said })
        }
    }
}

/// The text of a lone JSON-RPC error; gateways leave out the id of what they did not read.
fn said(text: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        error: ErrorPayload,
    }
    let answer: Answer = serde_json::from_slice(text).ok()?;
    Some(answer.error.message.into_owned())
}

async fn read(mut answer: Response) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        if text.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
            return Err(Failure::TooLong);
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let value = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(value.trim().parse().ok()?).min(MAX_RETRY_AFTER))
}

/// The beginning of an answer, without what it may repeat of the address: gateways like to quote
/// the path that they do not know, and with it the key in it.
fn excerpt(text: &[u8], url: &Url) -> String {
    let text = text.get(..MAX_ERROR_BYTES).unwrap_or(text);
    let mut text = String::from_utf8_lossy(text).into_owned();
    let secrets = url.path_segments().into_iter().flatten().chain(url.query());
    for secret in secrets.filter(|part| part.len() >= LEAST_SECRET) {
        text = text.replace(secret, "…");
    }
    text
}

/// The whole chain of causes, without the address, which may carry a secret.
fn broken(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    Failure::Connection(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_quotes_the_address_is_told_without_its_secrets() {
        let url = Url::parse("https://gw.example/v2/s3cr3t-k3y?apikey=0123456789").unwrap();
        let page = b"Cannot POST /v2/s3cr3t-k3y?apikey=0123456789: no such path";
        let told = excerpt(page, &url);
        assert_eq!(told, "Cannot POST /v2/\u{2026}?\u{2026}: no such path");
    }
}
