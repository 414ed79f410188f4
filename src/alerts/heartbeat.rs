//! The dead-man's switch: a request to somewhere else as long as all is well, so that silence alarms
//! there. It stays silent also while the keeper runs but cannot do its work (a chain without a fresh
//! head, a store that fails), because from outside that is the same.

use std::time::Duration;

use eyre::{Result, WrapErr};
use reqwest::Client;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    config::HeartbeatConfig,
    runtime::{Board, readiness::Readiness},
    store::Store,
};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the heartbeat.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    client: Client,
    config: HeartbeatConfig,
}

impl Heartbeat {
    pub(crate) fn new(config: &HeartbeatConfig) -> Result<Self> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .wrap_err("building the heartbeat's client")?;
        Ok(Self { client, config: config.clone() })
    }

    /// Runs until stopped.
    pub(crate) async fn run(
        self,
        (readiness, board, store): (Readiness, Board, Store),
        stop: CancellationToken,
    ) {
        let mut tick = interval(self.config.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_well = true;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let problems = readiness.problems(&board, &store).await;
            let result = if problems.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    sent = self.beat() => sent,
                }
            } else {
                Err(format!("withheld: {}", problems.join("; ")))
            };
            let outcome = if result.is_ok() { "sent" } else { "missed" };
            metrics::counter!("ballast_heartbeats_total", "outcome" => outcome).increment(1);
            match &result {
                Ok(()) => debug!("heartbeat"),
                // Once per episode; the receiver is the one that alarms.
                Err(why) if was_well => warn!(why, "no heartbeat is sent"),
                Err(_) => {}
            }
            was_well = result.is_ok();
        }
    }

    async fn beat(&self) -> Result<(), String> {
        let sent = self.client.post(self.config.url.clone()).send().await;
        // Addresses of heartbeats hold a token: errors are told without them.
        let response = sent.map_err(|error| error.without_url().to_string())?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("the receiver answered {status}")),
        }
    }
}
