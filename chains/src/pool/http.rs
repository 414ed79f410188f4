//! One JSON-RPC exchange over HTTP.
//!
//! In place of alloy's own transport, which has no bound on the answer's size, and which puts the
//! whole address (often with a secret in its path) into errors and log spans.

use std::{error::Error as _, time::Duration};

use alloy::{
    primitives::bytes::Bytes,
    rpc::json_rpc::{ErrorPayload, Response as Answer, ResponsePacket, ResponsePayload},
    transports::{TransportError, TransportErrorKind},
};
use reqwest::{Client, Response, header, redirect};
use thiserror::Error;
use url::Url;

use super::errors::{is_told_by, speaks_of_the_request};

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
    #[error(
        "waited {0:?} for a turn at the endpoint: its rate limit, or too many requests at once"
    )]
    Limited(Duration),
    /// The asker took it back before it had its turn.
    #[error("taken back before it had its turn at the endpoint")]
    Recalled,
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
            Self::Recalled => "recalled",
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
            | Self::Recalled
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
    let packet = serde_json::from_slice(&text).map(|packet| discreet(packet, url));
    if status.is_success() {
        return packet
            .map_err(|error| Failure::Malformed(format!("{error}: {}", excerpt(&text, url))));
    }
    let code = status.as_u16();
    match packet {
        // Some gateways give JSON-RPC errors a status of their own.
        Ok(packet) if speaks_of_the_request(code, &packet) => Ok(packet),
        Ok(_) | Err(_) if code == 413 => Err(Failure::RequestTooLarge(excerpt(&text, url))),
        Ok(_) | Err(_) => {
            let (body, said) = (excerpt(&text, url), said(&text, url));
            Err(Failure::Status { code, retry_after, body, said })
        }
    }
}

/// The text of a lone JSON-RPC error; gateways leave out the id of what they did not read.
fn said(text: &[u8], url: &Url) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Lone {
        error: ErrorPayload,
    }
    let lone: Lone = serde_json::from_slice(text).ok()?;
    Some(redact(&lone.error.message, url))
}

/// An answer whose errors do not repeat the address: they go to logs, journal and page.
fn discreet(mut packet: ResponsePacket, url: &Url) -> ResponsePacket {
    let answers: &mut [Answer] = match &mut packet {
        ResponsePacket::Single(answer) => std::slice::from_mut(answer),
        ResponsePacket::Batch(answers) => answers,
    };
    for answer in answers {
        let ResponsePayload::Failure(error) = &mut answer.payload else { continue };
        let told = redact(&error.message, url);
        if told != error.message {
            error.message = told.into();
        }
        // What a revert returns holds no address; what a gateway adds is of no use otherwise.
        error.data.take_if(|data| redact(data.get(), url) != data.get());
    }
    packet
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

/// The beginning of an answer, without what it may repeat of the address.
fn excerpt(text: &[u8], url: &Url) -> String {
    // Cut afterwards: half a key is one that is not recognised.
    let mut told = redact(&String::from_utf8_lossy(text), url);
    told.truncate(told.floor_char_boundary(MAX_ERROR_BYTES));
    told
}

/// A text without what it may repeat of the address: gateways like to quote the path that they do
/// not know, and with it the key in it. Words that refusals are told by stay, or a path that holds
/// one would change what an answer means.
pub(super) fn redact(text: &str, url: &Url) -> String {
    let whole = url.query().into_iter().chain(url.password()).map(str::to_owned);
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    let segments = url.path_segments().into_iter().flatten().map(str::to_owned);
    let mut told = text.to_owned();
    for secret in whole.chain(values).chain(segments) {
        if secret.len() >= LEAST_SECRET && !is_told_by(&secret) {
            told = told.replace(&secret, "…");
        }
    }
    told
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
        assert_eq!(excerpt(b"key 0123456789 is unknown", &url), "key \u{2026} is unknown");
        let long = format!("{}s3cr3t-k3y", "x".repeat(MAX_ERROR_BYTES - 4));
        let told = excerpt(long.as_bytes(), &url);
        assert!(told.len() <= MAX_ERROR_BYTES && !told.contains("s3cr"), "{told}");
    }

    #[test]
    fn errors_of_a_packet_and_a_lone_one_are_told_without_the_secrets_too() {
        let url = Url::parse("https://gw.example/execution/s3cr3t-k3y").unwrap();
        let error =
            r#"{"code":-32000,"message":"execution aborted at /s3cr3t-k3y","data":"s3cr3t-k3y"}"#;
        let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#);
        for text in [answer.clone(), format!("[{answer}]")] {
            let packet = discreet(serde_json::from_str(&text).unwrap(), &url);
            let told = packet.as_error().unwrap();
            assert_eq!(told.message, "execution aborted at /\u{2026}");
            assert!(told.data.is_none());
        }
        let lone = format!(r#"{{"error":{error}}}"#);
        assert_eq!(said(lone.as_bytes(), &url).unwrap(), "execution aborted at /\u{2026}");
    }
}
