//! Notices to a URL, signed.
//!
//! Each notice is one POST of JSON. With a `secret`, the header `X-Ballast-Signature` holds
//! `t=<seconds>,v1=<hex>`: HMAC-SHA256 under the secret over `<seconds>.<body>`, so that a receiver
//! can tell forged and replayed notices (compare in constant time, refuse old times). A retry has
//! the same `X-Ballast-Delivery`, so that a receiver can tell a repeat.
//!
//! Bounds: [`QUEUE`] notices wait per receiver, then new ones are dropped and counted;
//! [`MAX_TRIES`] per notice with doubling waits, about four minutes in all; [`TIMEOUT`] per try.
//! Order is kept. What a stop leaves in the queue is not delivered: conditions that still hold are
//! told again after the start.

use std::time::Duration;

use eyre::{Result, WrapErr};
use hmac::{Hmac, Mac as _};
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::Sha256;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Notice, Severity};
use crate::{
    clock,
    config::{Environment, NotifyConfig},
};

/// Notices that wait for one receiver.
const QUEUE: usize = 256;
/// Tries per notice.
const MAX_TRIES: u32 = 8;
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Wait before the second try; doubles.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// The end that takes notices.
#[derive(Debug)]
pub(crate) struct Receiver {
    name: String,
    least: Severity,
    queue: mpsc::Sender<Delivery>,
}

/// The task that delivers them.
#[derive(Debug)]
pub(crate) struct Courier {
    name: String,
    client: Client,
    config: NotifyConfig,
    secret: Option<SecretString>,
    first_wait: Duration,
    queue: mpsc::Receiver<Delivery>,
}

/// One notice on its way.
#[derive(Debug, Serialize)]
struct Delivery {
    /// The same for every try.
    delivery: String,
    #[serde(flatten)]
    notice: Notice,
}

impl Receiver {
    /// A receiver and the task that serves it.
    pub(crate) fn new(config: &NotifyConfig, environment: &Environment) -> Result<(Self, Courier)> {
        let secret =
            config.secret.as_ref().map(|secret| secret.resolve(environment)).transpose()?;
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("ballast/", env!("CARGO_PKG_VERSION")))
            .build()
            .wrap_err("building the client")?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let name = config.name.clone();
        let courier = Courier {
            name: name.clone(),
            client,
            config: config.clone(),
            secret,
            first_wait: FIRST_WAIT,
            queue,
        };
        Ok((Self { name, least: config.min_severity, queue: sender }, courier))
    }

    /// Queues a notice, if it is severe enough for this receiver. Never waits.
    pub(crate) fn offer(&self, notice: &Notice) {
        if notice.severity < self.least {
            return;
        }
        let Notice { subject, condition, status, at, .. } = notice;
        let delivery = format!("{subject}/{condition}/{}/{at}", status.as_str());
        let queued = self.queue.try_send(Delivery { delivery, notice: notice.clone() });
        if queued.is_err() {
            count(&self.name, "dropped");
            warn!(receiver = self.name, condition, "alert dropped: too many wait for the receiver");
        }
    }
}

impl Courier {
    /// Delivers until stopped.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                next = self.queue.recv() => match next {
                    Some(delivery) => delivery,
                    None => return,
                },
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.deliver(&delivery) => {}
            }
        }
    }

    async fn deliver(&self, delivery: &Delivery) {
        let body = match serde_json::to_vec(delivery) {
            Ok(body) => body,
            Err(error) => {
                warn!(%error, "an alert cannot be written as JSON");
                return;
            }
        };
        let mut wait = self.first_wait;
        for number in 1..=MAX_TRIES {
            match self.try_once(&delivery.delivery, body.clone()).await {
                Ok(()) => {
                    count(&self.name, "delivered");
                    debug!(receiver = self.name, delivery = delivery.delivery, "alert delivered");
                    return;
                }
                Err(Failed { why, is_final }) => {
                    let gives_up = is_final || number == MAX_TRIES;
                    count(&self.name, if gives_up { "failed" } else { "retried" });
                    warn!(receiver = self.name, why, number, gives_up, "alert not delivered");
                    if gives_up {
                        return;
                    }
                }
            }
            sleep(wait).await;
            wait = wait.saturating_mul(2);
        }
    }

    async fn try_once(&self, delivery: &str, body: Vec<u8>) -> Result<(), Failed> {
        let mut request = self
            .client
            .post(self.config.url.clone())
            .header("content-type", "application/json")
            .header("x-ballast-delivery", delivery);
        if let Some(secret) = &self.secret {
            request = request.header("x-ballast-signature", signature(secret, clock::now(), &body));
        }
        let sent = request.body(body).send().await;
        // Addresses of webhooks hold a token: errors are told without them.
        let response =
            sent.map_err(|error| Failed { why: error.without_url().to_string(), is_final: false })?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => {
                let is_final = status.is_client_error()
                    && status != StatusCode::TOO_MANY_REQUESTS
                    && status != StatusCode::REQUEST_TIMEOUT;
                Err(Failed { why: format!("the receiver answered {status}"), is_final })
            }
        }
    }
}

/// Why a try failed, and whether another would too.
struct Failed {
    why: String,
    is_final: bool,
}

/// `t=<seconds>,v1=<hex>` over `<seconds>.<body>`.
fn signature(secret: &SecretString, at: u64, body: &[u8]) -> String {
    let key = secret.expose_secret().as_bytes();
    // HMAC takes a key of any length, so this cannot fail; an empty signature verifies nowhere.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    format!("t={at},v1={}", alloy::hex::encode(mac.finalize().into_bytes()))
}

fn count(receiver: &str, outcome: &'static str) {
    let receiver = receiver.to_owned();
    metrics::counter!("ballast_notifications_total", "receiver" => receiver, "outcome" => outcome)
        .increment(1);
}

#[cfg(test)]
mod tests;
