//! A chain for tests, with nothing in its file that a test would have to look at.

use std::time::Duration;

use crate::{
    ChainProfile,
    profile::{CANONICAL_MULTICALL3, FeeModel, FeeProfile, FeedsProfile, Finality},
};

/// Wei.
const GWEI: u128 = 1_000_000_000;

/// Ethereum without endpoints. Tests name what they depend on: `ChainProfile { max_lag: 2, ..profile() }`.
pub fn profile() -> ChainProfile {
    ChainProfile {
        name: "test".to_owned(),
        chain_id: 1,
        fee_model: FeeModel::Eip1559,
        block_time: Duration::from_secs(12),
        finality: Finality::Confirmations(3),
        native_symbol: "ETH".to_owned(),
        explorer: None,
        rpc: Vec::new(),
        send: Vec::new(),
        private_send: Vec::new(),
        public_after: None,
        request_timeout: Duration::from_secs(3),
        stale_after: Duration::from_secs(60),
        min_turn_interval: Duration::ZERO,
        assess_timeout: Duration::from_secs(3),
        chunk_gas: 30_000_000,
        max_lag: 3,
        fees: FeeProfile {
            max_fee_per_gas: 100 * GWEI,
            emergency_max_fee_per_gas: 1_000 * GWEI,
            min_priority_fee_per_gas: 1,
            relative_cap: 5,
            replacement_bump_bps: 1_250,
        },
        multicall3: CANONICAL_MULTICALL3,
        feeds: FeedsProfile::default(),
    }
}
