//! Looking after the endpoints: chain ids, heads, and the way back from cooling down.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::{B256, U64},
    rpc::json_rpc::RpcSend,
};
use futures::future::join_all;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    EndpointState, Pool, Shared,
    endpoint::{Endpoint, SentAt},
    http::Failure,
};
use crate::heads::{Dispute, Head, RawHeader};

/// Shortest time between two probes of one endpoint, whatever changes.
const MIN_PROBE_GAP: Duration = Duration::from_millis(100);

/// A head that an endpoint reported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    /// The endpoint's place among those that serve reads.
    pub(crate) endpoint: usize,
    pub(crate) head: Head,
    /// Asked for as the newest block; otherwise it was pushed and newer ones may be on the way.
    pub(crate) newest: bool,
}

impl Pool {
    /// One round over all endpoints: chain id where it is due, newest head, all at once.
    /// Takes at most two time-outs.
    pub async fn probe_all(&self) {
        let now = Instant::now();
        let due =
            self.shared.endpoints.iter().filter(|endpoint| self.shared.due(endpoint, now) <= now);
        join_all(due.map(|endpoint| self.shared.probe(endpoint))).await;
    }

    /// Probes for as long as the keeper runs: each endpoint at most once per block time, and not
    /// at all while its subscription or the head stream's polls tell the same.
    pub async fn run(self, stop: CancellationToken) {
        let shared = &self.shared;
        let loops = shared.endpoints.iter().map(|endpoint| shared.look_after(endpoint));
        tokio::select! {
            () = stop.cancelled() => {}
            _ = join_all(loops) => {}
        }
    }

    /// Tells the pool the newest head that is known to be on the chain. It may be lower than
    /// before, after a reorganisation.
    pub fn note_head(&self, head: &Head) {
        *self.shared.noted() = Some(head.number);
    }

    /// The newest block of the endpoint that a read would go to now, or of the one `turn` places
    /// behind it among the fit ones, round and round.
    pub(crate) async fn poll_head(&self, turn: u32) -> Result<Head, String> {
        let shared = &self.shared;
        let states = shared.states();
        let none = vec![false; states.len()];
        let fit = || {
            let fit = |(index, (state, _)): (usize, &(EndpointState, u64))| {
                (*state == EndpointState::Fit).then_some(index)
            };
            states.iter().enumerate().filter_map(fit)
        };
        let turn = usize::try_from(turn).unwrap_or_default().checked_rem(fit().count());
        let picked = match turn {
            Some(turn) => fit().nth(turn),
            None => super::fitness::pick(&states, &none, true),
        };
        let endpoint = picked.and_then(|index| shared.readers().get(index));
        let Some(endpoint) = endpoint else { return Err("no usable endpoint".to_owned()) };
        endpoint.verify(&SentAt::new()).await.map_err(|failure| failure.to_string())?;
        shared.ask_head(endpoint).await.map_err(|failure| failure.to_string())
    }

    /// A subscription of an endpoint delivered a head.
    pub(crate) fn pushed_head(&self, place: usize, head: Head) {
        if let Some(endpoint) = self.shared.readers().get(place) {
            self.shared.pushed(endpoint, head);
        }
    }

    /// The hash of one endpoint's block at a height, if it tells one. It comes right behind a probe
    /// and takes the place of the next.
    pub(crate) async fn hash_at(&self, place: usize, number: u64) -> Option<B256> {
        let block = self.block_by_number(place, number).await.ok()??;
        let endpoint = self.shared.readers().get(place)?;
        endpoint.fitness().was_heard(Instant::now() + self.shared.block_time);
        Some(block.hash)
    }

    /// The head stream's word on who is on another chain than the one it follows, and on the
    /// disagreement that it could not settle.
    pub(crate) fn judged(&self, forked: &[bool], dispute: Option<Dispute>) {
        for (endpoint, forked) in self.shared.readers().iter().zip(forked) {
            let before = endpoint.fitness().is_forked();
            if before != *forked {
                endpoint.fitness().judged(*forked);
                endpoint.show_fork(*forked);
            }
        }
        self.shared.disputed(dispute);
    }

    /// A block of one endpoint, by hash; `None` if it has none such.
    pub(crate) async fn block_by_hash(
        &self,
        place: usize,
        hash: B256,
    ) -> Result<Option<Head>, String> {
        self.block(place, "eth_getBlockByHash", (hash, false)).await
    }

    /// A block of one endpoint, by number; `None` if it has none such.
    pub(crate) async fn block_by_number(
        &self,
        place: usize,
        number: u64,
    ) -> Result<Option<Head>, String> {
        self.block(place, "eth_getBlockByNumber", (U64::from(number), false)).await
    }

    async fn block<P: RpcSend>(
        &self,
        place: usize,
        method: &'static str,
        params: P,
    ) -> Result<Option<Head>, String> {
        let endpoint = self.shared.readers().get(place).ok_or("no such endpoint")?;
        let header: Option<RawHeader> = endpoint
            .ask("block", method, params)
            .await
            .map_err(|failure| format!("{}: {failure}", endpoint.label))?;
        Ok(header.map(Head::from))
    }
}

impl Shared {
    fn due(&self, endpoint: &Endpoint, now: Instant) -> Instant {
        endpoint.fitness().next_probe(endpoint.reads, self.block_time, now)
    }

    async fn look_after(&self, endpoint: &Arc<Endpoint>) {
        let mut earliest = Instant::now();
        loop {
            let at = self.due(endpoint, Instant::now()).max(earliest);
            tokio::select! {
                () = sleep_until(at) => {
                    let now = Instant::now();
                    if self.due(endpoint, now) > now {
                        // Something else told meanwhile what the probe was to ask.
                        continue;
                    }
                    self.probe(endpoint).await;
                    earliest = Instant::now() + MIN_PROBE_GAP;
                }
                () = endpoint.changed.notified() => {}
            }
        }
    }

    async fn probe(&self, endpoint: &Arc<Endpoint>) {
        let now = Instant::now();
        let (chain_due, was_known) = {
            let fitness = endpoint.fitness();
            (fitness.chain_due(now), fitness.has_right_chain())
        };
        if chain_due && endpoint.check_chain(&SentAt::new()).await.is_err() {
            return;
        }
        // The minute's chain id stands in for the head, so that a probe stays one request.
        let needs_head = endpoint.reads && !(chain_due && was_known);
        if needs_head {
            // What went wrong is noted with the endpoint, which is all that a probe is for.
            drop(self.ask_head(endpoint).await);
        } else {
            endpoint.fitness().probed(Instant::now());
            endpoint.show_state();
        }
    }

    async fn ask_head(&self, endpoint: &Arc<Endpoint>) -> Result<Head, Failure> {
        let best = self.best_head();
        let header: Option<RawHeader> =
            endpoint.ask("probe", "eth_getBlockByNumber", ("latest", false)).await?;
        let Some(header) = header else {
            let failure = Failure::Malformed("no latest block".to_owned());
            endpoint.failed(&failure);
            return Err(failure);
        };
        let head = Head::from(header);
        {
            let mut fitness = endpoint.fitness();
            fitness.told_head(head.number, best, Instant::now());
            fitness.probed(Instant::now());
        }
        endpoint.show_state();
        self.sighted(endpoint, head, true);
        Ok(head)
    }

    /// The highest head that a right endpoint or the head stream has told.
    fn best_head(&self) -> Option<u64> {
        let told = |endpoint: &Arc<Endpoint>| {
            let fitness = endpoint.fitness();
            // How far a chain is that is not followed does not make the others lag.
            fitness.head().filter(|_| !fitness.is_forked())
        };
        self.readers().iter().filter_map(told).max().max(*self.noted())
    }

    /// A subscription of an endpoint delivered a head.
    pub(super) fn pushed(&self, endpoint: &Arc<Endpoint>, head: Head) {
        let best = self.best_head();
        endpoint.fitness().pushed_head(head.number, best, Instant::now());
        self.sighted(endpoint, head, false);
    }

    fn sighted(&self, endpoint: &Arc<Endpoint>, head: Head, newest: bool) {
        let place = self.readers().iter().position(|reader| Arc::ptr_eq(reader, endpoint));
        if let Some(endpoint) = place {
            // Without a head stream nobody listens, which is fine.
            drop(self.sightings.send(Sighting { endpoint, head, newest }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant as Clock;

    use alloy::providers::Provider as _;
    use ballast_test_support::{Fault, MockNode, RpcProxy};
    use futures::future::join_all;

    use super::{
        super::{fitness::CHAIN_ID_INTERVAL, tests::profile},
        *,
    };

    #[tokio::test]
    async fn endpoint_that_has_the_right_chain_id_again_is_released_at_the_next_check() {
        let node = MockNode::start(5).await.unwrap();
        let pool = Pool::new(&profile(&[node.http_url()])).unwrap();
        pool.probe_all().await;
        let state = || pool.health()[0].state;
        assert_eq!(state(), EndpointState::Quarantined);

        node.set_chain_id(1);
        pool.probe_all().await;
        assert_eq!(state(), EndpointState::Quarantined, "asked again before its time");
        assert_eq!(node.log().count("eth_chainId"), 1);

        let long_ago = Instant::now() - CHAIN_ID_INTERVAL;
        pool.shared.endpoints[0].fitness().told_chain(false, long_ago);
        pool.probe_all().await;
        assert_eq!(state(), EndpointState::Fit);
    }

    #[tokio::test]
    async fn many_first_reads_share_one_check_of_an_endpoint_that_hangs() {
        let node = MockNode::start(1).await.unwrap();
        let proxy = RpcProxy::start(&node.http_url()).await.unwrap();
        let hang = proxy.inject(Fault::Hang);
        let profile = profile(&[proxy.http_url()]);
        let pool = Pool::new(&profile).unwrap();

        let start = Clock::now();
        let reads = (0..100).map(|_| async { pool.provider().get_block_number().await.is_err() });
        assert!(join_all(reads).await.into_iter().all(|failed| failed));
        assert!(start.elapsed() < profile.request_timeout * 2, "took {:?}", start.elapsed());
        assert_eq!(hang.fired(), 1);
    }
}
