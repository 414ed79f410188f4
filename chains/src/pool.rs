//! How the nodes of a chain are reached.
//!
//! A chain has several endpoints, in order of preference, and each of them will some day hang,
//! answer nonsense, fall behind or belong to another chain. The pool hides that from reads: they
//! go through [`Pool::provider`] to the first endpoint that is known to be right, near the head and
//! answering, and on to the next while one is not. It does not hide it from sends:
//! [`Pool::broadcast`] asks everyone once and reports every answer.
//!
//! Which endpoint answered does not matter for a read that is pinned to a block hash; one that is
//! not pinned may see a head up to the profile's `max_lag` blocks old.

mod endpoint;
mod errors;
mod fitness;
mod http;
mod limiter;
mod numbered;
mod probe;
mod receipts;
mod send;
mod service;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::{
    primitives::B256,
    providers::{DynProvider, Provider as _, ProviderBuilder},
    rpc::client::RpcClient,
};
use thiserror::Error;
use tokio::sync::broadcast;
use tracing::{info, warn};
use url::Url;

pub use errors::SendAnswer;
pub(crate) use errors::read_call_error;
pub use fitness::EndpointState;
pub(crate) use probe::Sighting;
pub use receipts::ChainReceipt;
pub use send::{Answer, Privacy, Route, Sending, Wanted};

use crate::{
    heads::Dispute,
    profile::{ChainProfile, EndpointProfile},
};
use endpoint::{Common, Endpoint};
use service::ReadService;

/// Heads on their way to the head stream; if it is slower, the oldest are dropped, which is
/// harmless since the newest one leads to all.
const SIGHTINGS: usize = 64;
/// Shortest and longest wait before asking again for a block that nobody has yet.
const MISSING_BLOCK_WAIT: (Duration, Duration) =
    (Duration::from_millis(25), Duration::from_millis(250));

/// Why a pool cannot be built.
#[derive(Debug, Error)]
pub enum PoolError {
    /// The profile names no read endpoint.
    #[error("chain {0} has no RPC endpoint")]
    NoEndpoint(String),
    /// The HTTP client could not be made: no usable TLS set-up.
    #[error("building the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// All endpoints of one chain. Clones share everything.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    provider: DynProvider,
    archive: Option<DynProvider>,
}

/// What is known of one endpoint, for status output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointHealth {
    /// Host and port, with a number where several endpoints share them.
    pub label: String,
    /// Whether it gets reads, and why not.
    pub state: EndpointState,
    /// Newest block it told.
    pub head: Option<u64>,
    /// Failures since its last answered read; those that came together count as one.
    pub failures: u32,
    /// What went wrong last, however long ago. Never holds the endpoint's address.
    pub last_error: Option<String>,
}

#[derive(Debug)]
struct Shared {
    /// Those that serve reads first, in the configured order.
    endpoints: Vec<Arc<Endpoint>>,
    readers: usize,
    timeout: Duration,
    block_time: Duration,
    max_lag: u64,
    missing_block_wait: Duration,
    noted: Mutex<Option<u64>>,
    sightings: broadcast::Sender<Sighting>,
    chain: String,
    dispute: Mutex<Option<String>>,
}

impl Shared {
    /// Notes a disagreement, or its end, and tells people when that changes.
    fn disputed(&self, dispute: Option<Dispute>) {
        let text = dispute.map(|dispute| {
            let side = |(hash, places): &(B256, Vec<usize>)| {
                let readers = places.iter().filter_map(|place| self.readers().get(*place));
                let labels: Vec<&str> = readers.map(|reader| reader.label.as_str()).collect();
                format!("{hash} by {}", labels.join(", "))
            };
            let sides: Vec<String> = dispute.sides.iter().map(side).collect();
            format!("block {}: {}", dispute.number, sides.join("; "))
        });
        let mut shown = self.dispute.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*shown, &text) {
            (None, Some(dispute)) => {
                warn!(chain = %self.chain, %dispute, "endpoints disagree without a majority");
            }
            (Some(_), None) => info!(chain = %self.chain, "endpoints agree again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        if shown.is_some() != text.is_some() {
            endpoint::show_dispute(&self.chain, text.is_some());
        }
        *shown = text;
    }

    fn readers(&self) -> &[Arc<Endpoint>] {
        self.endpoints.get(..self.readers).unwrap_or_default()
    }

    fn noted(&self) -> MutexGuard<'_, Option<u64>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Builds the pool of a chain, without any IO: every endpoint is unverified at first, and is
    /// asked for its chain id before its first read.
    ///
    /// # Errors
    /// When the profile has no endpoint or the HTTP client cannot be made.
    pub fn new(profile: &ChainProfile) -> Result<Self, PoolError> {
        if profile.rpc.is_empty() {
            return Err(PoolError::NoEndpoint(profile.name.clone()));
        }
        let common = Common {
            chain: profile.name.clone(),
            chain_id: profile.chain_id,
            timeout: profile.request_timeout,
            max_lag: profile.max_lag,
            client: http::client(profile.request_timeout).map_err(PoolError::Client)?,
        };
        let endpoints = endpoints(profile, &common);
        let (shortest, longest) = MISSING_BLOCK_WAIT;
        let shared = Arc::new(Shared {
            readers: profile.rpc.len(),
            endpoints,
            timeout: profile.request_timeout,
            block_time: profile.block_time,
            max_lag: profile.max_lag,
            missing_block_wait: (profile.block_time / 8).clamp(shortest, longest),
            noted: Mutex::new(None),
            sightings: broadcast::Sender::new(SIGHTINGS),
            chain: profile.name.clone(),
            dispute: Mutex::new(None),
        });
        endpoint::show_dispute(&shared.chain, false);
        // "Not local" only sets poll intervals of alloy's own, which nothing here uses.
        let reader = |archive| {
            let service = ReadService { shared: Arc::clone(&shared), archive };
            let client = RpcClient::new(service, false);
            ProviderBuilder::new().disable_recommended_fillers().connect_client(client).erased()
        };
        let provider = reader(false);
        let archive = profile.rpc.iter().any(|rpc| rpc.archive).then(|| reader(true));
        Ok(Self { shared, provider, archive })
    }

    /// A provider that reads with ordered fail-over. It refuses to send or sign.
    ///
    /// A request takes at most one time-out for its endpoint's rate limit and one and a half for
    /// the answers of all fit endpoints; one that hangs costs less than one time-out in all.
    pub fn provider(&self) -> DynProvider {
        self.provider.clone()
    }

    /// As [`provider`](Self::provider), over the endpoints alone that have the state after every
    /// block there ever was; `None` if none is said to.
    pub fn archive(&self) -> Option<DynProvider> {
        self.archive.clone()
    }

    /// Which block the endpoints disagree about, with its hashes and who has which, while they have
    /// done so for some block times without a majority. The side that comes first is followed: that
    /// of the first endpoint in the configured order. Always `None` without a running head stream.
    pub fn dispute(&self) -> Option<String> {
        self.shared.dispute.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every endpoint's state, read endpoints first, in the configured order.
    pub fn health(&self) -> Vec<EndpointHealth> {
        let of = |endpoint: &Arc<Endpoint>| {
            let fitness = endpoint.fitness();
            EndpointHealth {
                label: endpoint.label.clone(),
                state: fitness.state(self.shared.max_lag),
                head: fitness.head(),
                failures: fitness.failures(),
                last_error: fitness.last_error(),
            }
        };
        self.shared.endpoints.iter().map(of).collect()
    }

    /// Heads that endpoints report from now on.
    pub(crate) fn sightings(&self) -> broadcast::Receiver<Sighting> {
        self.shared.sightings.subscribe()
    }

    /// How many endpoints serve reads: sightings name them by their place.
    pub(crate) fn reader_count(&self) -> usize {
        self.shared.readers
    }

    /// Where subscriptions are to be had: the endpoint's place and its WebSocket address.
    pub(crate) fn subscriptions(&self) -> Vec<(usize, Url)> {
        let readers = self.shared.readers().iter().enumerate();
        readers.filter_map(|(place, endpoint)| Some((place, endpoint.ws.clone()?))).collect()
    }
}

/// Read endpoints first; a send endpoint, public or private, with the same address is the same
/// endpoint, so that it keeps one rate limit and one chain-id check.
fn endpoints(profile: &ChainProfile, common: &Common) -> Vec<Arc<Endpoint>> {
    let mut labels = BTreeMap::new();
    let mut make = |endpoint: &EndpointProfile| {
        let label = unique(&mut labels, endpoint.label());
        Endpoint::new(endpoint, label, common.clone())
    };
    let mut endpoints: Vec<Endpoint> = profile.rpc.iter().map(&mut make).collect();
    for endpoint in &mut endpoints {
        endpoint.reads = true;
        endpoint.sends = profile.send.is_empty();
    }
    let public = profile.send.iter().map(|send| (send, false));
    for (send, private) in public.chain(profile.private_send.iter().map(|send| (send, true))) {
        let place = match endpoints.iter().position(|known| known.url == send.url) {
            Some(place) => place,
            None => {
                endpoints.push(make(send));
                endpoints.len().saturating_sub(1)
            }
        };
        if let Some(endpoint) = endpoints.get_mut(place) {
            endpoint.sends |= !private;
            endpoint.private |= private;
        }
    }
    endpoints.into_iter().map(Arc::new).collect()
}

fn unique(labels: &mut BTreeMap<String, u32>, label: String) -> String {
    let count = labels.entry(label.clone()).and_modify(|count| *count += 1).or_insert(1);
    if *count == 1 { label } else { format!("{label}#{count}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    /// Chain 1 over these addresses, with a time-out of half a second.
    pub(super) fn profile(urls: &[String]) -> ChainProfile {
        let endpoint = |url: &String| EndpointProfile {
            url: url.parse().unwrap(),
            ws: None,
            requests_per_second: None,
            archive: false,
        };
        ChainProfile {
            rpc: urls.iter().map(endpoint).collect(),
            request_timeout: Duration::from_millis(500),
            block_time: Duration::from_secs(1),
            stale_after: Duration::from_secs(30),
            ..testkit::profile()
        }
    }

    #[tokio::test]
    async fn endpoints_of_one_host_have_labels_of_their_own() {
        let urls = ["https://node.example/key-1", "https://node.example/key-2"];
        let mut profile = profile(&urls.map(str::to_owned));
        profile.send = vec![profile.rpc[1].clone()];
        let pool = Pool::new(&profile).unwrap();
        let labels: Vec<_> = pool.health().into_iter().map(|health| health.label).collect();
        assert_eq!(labels, ["node.example", "node.example#2"], "the send endpoint is the second");
    }

    #[tokio::test]
    async fn errors_and_debug_output_do_not_show_the_address() {
        // Nothing listens on the discard port.
        let url = "http://127.0.0.1:9/very-secret-key".to_owned();
        let pool = Pool::new(&profile(&[url])).unwrap();
        let error = pool.provider().get_block_number().await.unwrap_err();
        let health = pool.health();
        let shown = format!("{error} {error:?} {health:?} {pool:?}");
        assert!(!shown.contains("very-secret"), "{shown}");
    }

    #[test]
    fn chain_without_an_endpoint_is_refused() {
        assert!(matches!(Pool::new(&profile(&[])), Err(PoolError::NoEndpoint(_))));
    }
}
