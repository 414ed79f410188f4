//! One node: how it is asked, and what is known of it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use alloy::{
    primitives::{B256, U64, bytes::Bytes},
    rpc::json_rpc::{Id, Request, ResponsePacket, ResponsePayload, RpcRecv, RpcSend},
};
use metrics::{counter, gauge, histogram};
use reqwest::Client;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tracing::{info, warn};
use url::Url;

use super::{
    fitness::{EndpointState, Fitness},
    http::{self, Failure},
    limiter::{Limiter, Share},
    numbered::Numbered,
    send::Wanted,
};
use crate::profile::EndpointProfile;

/// Body size that costs as much as one request more, bytes: a batch of reads is one request to us
/// and a thousand calls to the node.
const BYTES_PER_COST: usize = 64 << 10;

const REQUESTS: &str = "ballast_rpc_requests_total";
const SENDS: &str = "ballast_rpc_send_answers_total";
const SECONDS: &str = "ballast_rpc_seconds";
const FIT: &str = "ballast_rpc_endpoint_fit";
const DISPUTE: &str = "ballast_rpc_dispute";

/// Shows whether endpoints disagree without a majority.
pub(super) fn show_dispute(chain: &str, open: bool) {
    gauge!(DISPUTE, "chain" => chain.to_owned()).set(u8::from(open));
}

/// What all endpoints of a chain have in common.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) chain: String,
    pub(super) chain_id: u64,
    pub(super) timeout: Duration,
    pub(super) max_lag: u64,
    pub(super) client: Client,
}

/// One request, ready to be sent to any endpoint.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) body: Bytes,
    /// Fixed word for metrics.
    pub(super) class: &'static str,
    pub(super) share: Share,
    /// JSON-RPC requests in it.
    pub(super) requests: usize,
    /// It is a read that is pinned to a block hash.
    pub(super) pinned: bool,
    /// Whether it is still to leave; of reads nobody asks.
    pub(super) wanted: Wanted,
}

impl Call {
    fn cost(&self) -> u32 {
        let cost = self.requests.saturating_add(self.body.len() / BYTES_PER_COST);
        u32::try_from(cost).unwrap_or(u32::MAX)
    }
}

/// When a request left, once it has: waiting for its turn is not the endpoint's fault.
pub(super) type SentAt = OnceLock<Instant>;

pub(super) struct Endpoint {
    pub(super) label: String,
    pub(super) url: Url,
    pub(super) ws: Option<Url>,
    /// Serves reads; otherwise it gets raw transactions only.
    pub(super) reads: bool,
    /// Has the state after every block there ever was.
    pub(super) archive: bool,
    /// Gets public raw transactions.
    pub(super) sends: bool,
    /// Gets private raw transactions.
    pub(super) private: bool,
    /// Something changed that may call for an earlier probe.
    pub(super) changed: Notify,
    common: Common,
    limiter: Limiter,
    fitness: Mutex<Fitness>,
    /// Raw transactions that it was handed and has not answered: when each copy left, if it did.
    pub(super) sending: Mutex<BTreeMap<B256, Vec<Arc<SentAt>>>>,
    /// What is known of it and block hashes.
    pub(super) numbered: Mutex<Numbered>,
    verifying: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Endpoint {
    /// Without the addresses, which may carry a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("label", &self.label)
            .field("ws", &self.ws.is_some())
            .field("reads", &self.reads)
            .field("sends", &self.sends)
            .field("private", &self.private)
            .field("fitness", &self.fitness)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    pub(super) fn new(profile: &EndpointProfile, label: String, common: Common) -> Self {
        Self {
            label,
            url: profile.url.clone(),
            ws: profile.ws.clone(),
            reads: false,
            archive: profile.archive,
            sends: false,
            private: false,
            changed: Notify::new(),
            common,
            limiter: Limiter::new(profile.requests_per_second),
            fitness: Mutex::new(Fitness::new()),
            sending: Mutex::default(),
            numbered: Mutex::default(),
            verifying: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn fitness(&self) -> MutexGuard<'_, Fitness> {
        self.fitness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> EndpointState {
        self.fitness().state(self.common.max_lag)
    }

    /// One exchange, within the rate limit, the number at once and the time limit.
    pub(super) async fn exchange(
        &self,
        call: &Call,
        sent: &SentAt,
    ) -> Result<ResponsePacket, Failure> {
        let limit = self.common.timeout;
        let turn = self.limiter.take(call.share, call.cost(), &call.wanted);
        let outcome = match timeout(limit, turn).await {
            Err(_) => Err(Failure::Limited(limit)),
            Ok(None) => Err(Failure::Recalled),
            Ok(Some(_seat)) => {
                let start = *sent.get_or_init(Instant::now);
                let post = http::post(&self.common.client, &self.url, call.body.clone());
                let outcome = timeout(limit, post).await.unwrap_or(Err(Failure::TimedOut(limit)));
                self.time(call.class, start.elapsed());
                outcome
            }
        };
        let label = match &outcome {
            Ok(packet) if packet.is_error() => "error",
            Ok(_) => "ok",
            Err(failure) => failure.label(),
        };
        self.count(call.class, label);
        outcome
    }

    /// One typed request to this endpoint and no other. Failures count against it.
    pub(super) async fn ask<P: RpcSend, R: RpcRecv>(
        &self,
        class: &'static str,
        method: &'static str,
        params: P,
    ) -> Result<R, Failure> {
        let outcome = self.ask_once(class, method, params, &SentAt::new()).await;
        if let Err(failure) = &outcome {
            self.failed(failure);
        }
        outcome
    }

    async fn ask_once<P: RpcSend, R: RpcRecv>(
        &self,
        class: &'static str,
        method: &'static str,
        params: P,
        sent: &SentAt,
    ) -> Result<R, Failure> {
        let request = Request::new(method, Id::Number(1), params);
        let body = serde_json::to_vec(&request).map_err(|e| Failure::Malformed(e.to_string()))?;
        let call = Call {
            body: body.into(),
            class,
            share: Share::Reads,
            requests: 1,
            pinned: false,
            wanted: Wanted::ALWAYS,
        };
        let packet = self.exchange(&call, sent).await?;
        match packet.first_payload() {
            Some(ResponsePayload::Success(result)) => serde_json::from_str(result.get())
                .map_err(|error| Failure::Malformed(error.to_string())),
            Some(ResponsePayload::Failure(error)) => Err(Failure::Refused(error.to_string())),
            None => Err(Failure::Malformed("empty batch".to_owned())),
        }
    }

    /// Makes sure that the endpoint's chain id is known before it gets a read; asks at most once
    /// at a time, and never one that is known to be wrong.
    pub(super) async fn verify(&self, sent: &SentAt) -> Result<(), Failure> {
        if self.fitness().has_right_chain() {
            return Ok(());
        }
        let (_one_at_a_time, waited) = match self.verifying.try_lock() {
            Ok(turn) => (turn, false),
            Err(_) => (self.verifying.lock().await, true),
        };
        let (right, wrong, cooling) = {
            let fitness = self.fitness();
            let cooling = fitness.is_cooling(Instant::now());
            (fitness.has_right_chain(), fitness.has_wrong_chain(), cooling)
        };
        if right {
            return Ok(());
        }
        if wrong {
            return Err(Failure::Refused("quarantined for its chain id".to_owned()));
        }
        if waited && cooling {
            // The request that this one waited for failed. If each asked anew, a thousand reads
            // would wait a thousand time-outs for an endpoint that hangs.
            return Err(Failure::Refused("could not be asked for its chain id".to_owned()));
        }
        self.check_chain(sent).await
    }

    /// Asks for the chain id and draws the consequences.
    pub(super) async fn check_chain(&self, sent: &SentAt) -> Result<(), Failure> {
        let expected = self.common.chain_id;
        let outcome = self.ask_once::<_, U64>("probe", "eth_chainId", (), sent).await;
        let found = match outcome {
            Ok(id) => id.to::<u64>(),
            Err(failure) => {
                self.failed(&failure);
                return Err(failure);
            }
        };
        let right = found == expected;
        let was_wrong = {
            let mut fitness = self.fitness();
            let was_wrong = fitness.has_wrong_chain();
            fitness.told_chain(right, Instant::now());
            was_wrong
        };
        self.show_state();
        if right {
            if was_wrong {
                info!(chain = %self.common.chain, endpoint = %self.label, "endpoint has the right chain id again");
            }
            return Ok(());
        }
        if !was_wrong {
            warn!(chain = %self.common.chain, endpoint = %self.label, found, expected, "endpoint has the wrong chain id and is quarantined");
        }
        let wrong = Failure::WrongChain { found, expected };
        self.fitness().note_error(wrong.to_string());
        Err(wrong)
    }

    /// A read was answered.
    pub(super) fn answered(&self) {
        let mut fitness = self.fitness();
        // Nearly always there is nothing to forget.
        if fitness.failures() > 0 {
            fitness.answered();
            drop(fitness);
            self.show_state();
        }
    }

    /// A request failed, in a way that speaks about the endpoint.
    pub(super) fn failed(&self, failure: &Failure) {
        if let Failure::Limited(_)
        | Failure::Recalled
        | Failure::WrongChain { .. }
        | Failure::RequestTooLarge(_) = failure
        {
            return;
        }
        self.cool_down(failure.to_string(), failure.retry_after());
    }

    /// Takes reads away for a while.
    pub(super) fn cool_down(&self, why: String, retry_after: Option<Duration>) {
        let began = self.fitness().failed(why.clone(), retry_after, Instant::now());
        if began {
            let failures = self.fitness().failures();
            info!(chain = %self.common.chain, endpoint = %self.label, failures, %why, "endpoint cools down");
            self.show_state();
            self.changed.notify_one();
        }
    }

    fn count(&self, class: &'static str, outcome: &'static str) {
        let (chain, endpoint) = (self.common.chain.clone(), self.label.clone());
        counter!(REQUESTS, "chain" => chain, "endpoint" => endpoint, "class" => class, "outcome" => outcome)
            .increment(1);
    }

    /// Counts what the endpoint made of a raw transaction.
    pub(super) fn count_send(&self, answer: &'static str) {
        let (chain, endpoint) = (self.common.chain.clone(), self.label.clone());
        counter!(SENDS, "chain" => chain, "endpoint" => endpoint, "answer" => answer).increment(1);
    }

    fn time(&self, class: &'static str, took: Duration) {
        let (chain, endpoint) = (self.common.chain.clone(), self.label.clone());
        histogram!(SECONDS, "chain" => chain, "endpoint" => endpoint, "class" => class)
            .record(took);
    }

    /// Tells that the endpoint is on another chain than the one followed, or is back on it.
    pub(super) fn show_fork(&self, forked: bool) {
        if forked {
            warn!(chain = %self.common.chain, endpoint = %self.label, "endpoint is on another fork and gets no reads");
            self.fitness().note_error("on another fork than the chain followed".to_owned());
        } else {
            info!(chain = %self.common.chain, endpoint = %self.label, "endpoint is on the chain followed again");
        }
        self.show_state();
    }

    /// Shows the state as a gauge: 1 for fit, apart for those that are only sent to.
    pub(super) fn show_state(&self) {
        let fit = u8::from(self.state() == EndpointState::Fit);
        let (chain, endpoint) = (self.common.chain.clone(), self.label.clone());
        let role = if self.reads { "read" } else { "send" };
        gauge!(FIT, "chain" => chain, "endpoint" => endpoint, "role" => role).set(fit);
    }
}
