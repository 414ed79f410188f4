//! A chain profile for tests: short times, so that bounds are reached soon.

use std::time::Duration;

use ballast_chains::{
    ChainProfile,
    pool::{EndpointHealth, EndpointState, Pool},
    profile::{EndpointProfile, Finality},
    testkit,
};
use ballast_test_support::wait_until;

/// Longest wait for anything in these tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// The profiles' time-out per request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
/// The profiles' block time.
pub(crate) const BLOCK_TIME: Duration = Duration::from_millis(400);
/// The chain of every right node here.
pub(crate) const CHAIN_ID: u64 = 1;

pub(crate) fn endpoint(http: &str) -> EndpointProfile {
    EndpointProfile {
        url: http.parse().unwrap(),
        ws: None,
        requests_per_second: None,
        archive: false,
    }
}

pub(crate) fn endpoint_with_ws(http: &str, ws: &str) -> EndpointProfile {
    EndpointProfile { ws: Some(ws.parse().unwrap()), ..endpoint(http) }
}

pub(crate) fn profile(rpc: Vec<EndpointProfile>) -> ChainProfile {
    ChainProfile {
        chain_id: CHAIN_ID,
        block_time: BLOCK_TIME,
        finality: Finality::Confirmations(2),
        rpc,
        request_timeout: TIMEOUT,
        stale_after: Duration::from_secs(30),
        assess_timeout: TIMEOUT,
        ..testkit::profile()
    }
}

/// Waits until the endpoint at a place has a state.
pub(crate) async fn until_state(pool: &Pool, place: usize, state: EndpointState) -> EndpointHealth {
    wait_until(&format!("endpoint {place} to be {}", state.as_str()), DEADLINE, async || {
        let health = pool.health().swap_remove(place);
        if health.state == state { Ok(health) } else { Err(format!("{health:?}")) }
    })
    .await
    .unwrap()
}
