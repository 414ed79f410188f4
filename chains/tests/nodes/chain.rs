//! A chain profile for tests: short times, so that bounds are reached soon.

use std::time::Duration;

use ballast_chains::{
    ChainProfile,
    pool::{EndpointHealth, EndpointState, Pool},
    profile::{CANONICAL_MULTICALL3, EndpointProfile, FeeModel, FeeProfile, Finality},
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
        name: "test".to_owned(),
        chain_id: CHAIN_ID,
        fee_model: FeeModel::Eip1559,
        block_time: BLOCK_TIME,
        finality: Finality::Confirmations(2),
        native_symbol: "ETH".to_owned(),
        explorer: None,
        rpc,
        send: Vec::new(),
        private_send: Vec::new(),
        public_after: None,
        request_timeout: TIMEOUT,
        stale_after: Duration::from_secs(30),
        min_turn_interval: Duration::ZERO,
        assess_timeout: TIMEOUT,
        chunk_gas: 30_000_000,
        max_lag: 3,
        fees: FeeProfile {
            max_fee_per_gas: 100_000_000_000,
            emergency_max_fee_per_gas: 200_000_000_000,
            min_priority_fee_per_gas: 1,
            relative_cap: 5,
            replacement_bump_bps: 1_250,
        },
        multicall3: CANONICAL_MULTICALL3,
        feeds: Default::default(),
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
