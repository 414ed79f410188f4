//! The facts about one chain, checked: what a file of `chains/` becomes once it is known to be
//! right. The file format itself lives in the deployment's configuration code.

use std::{fmt, num::NonZeroU32, time::Duration};

use alloy::primitives::{Address, address};
use url::Url;

use crate::feeds;

/// Where Multicall3 stands on nearly every EVM chain.
pub const CANONICAL_MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");

/// Everything the runtime needs to know about one chain.
#[derive(Debug, Clone)]
pub struct ChainProfile {
    /// Stem of the chain file; the name in product files, logs and metrics.
    pub name: String,
    /// EIP-155 chain id that every endpoint must report.
    pub chain_id: u64,
    /// How transactions are priced.
    pub fee_model: FeeModel,
    /// Expected time between blocks. Only time-outs and poll intervals follow from it.
    pub block_time: Duration,
    /// When an included transaction can no longer be reorganised away.
    pub finality: Finality,
    /// Symbol of the native currency, for people.
    pub native_symbol: String,
    /// Base address of a block explorer, for links in output.
    pub explorer: Option<Url>,
    /// Read endpoints in order of preference; never empty.
    pub rpc: Vec<EndpointProfile>,
    /// Endpoints that get raw transactions; empty: all of `rpc`.
    pub send: Vec<EndpointProfile>,
    /// Endpoints that get the raw transactions of private products; empty: there are none.
    pub private_send: Vec<EndpointProfile>,
    /// Blocks after which a private transaction may go public, counted from the head at which the
    /// first attempt at its nonce was signed; `None`: never.
    pub public_after: Option<u64>,
    /// Longest wait for one answer of one endpoint.
    pub request_timeout: Duration,
    /// A head older than this by the wall clock is stale, and nothing is sent on it.
    pub stale_after: Duration,
    /// Shortest time between two turns of one product.
    pub min_turn_interval: Duration,
    /// Longest time that one assessment may take.
    pub assess_timeout: Duration,
    /// Most gas that one batched `eth_call` asks for.
    pub chunk_gas: u64,
    /// Blocks that an endpoint may lag behind the best one and still be read from.
    pub max_lag: u64,
    /// Price caps and the replacement rule.
    pub fees: FeeProfile,
    /// Where Multicall3 is expected.
    pub multicall3: Address,
    /// Feeds that say what the chain costs and whether it runs.
    pub feeds: FeedsProfile,
}

/// How transactions of a chain are priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeModel {
    /// Base fee and priority fee, EIP-1559.
    Eip1559,
    /// One gas price, all of which is paid: chains without EIP-1559 transactions.
    Legacy,
    /// As EIP-1559, and a fee for publishing on Ethereum on top: chains of the OP stack.
    OpStack,
}

/// When an included transaction counts as final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// This many blocks on top of, and counting, the one that holds it.
    Confirmations(u64),
    /// At or below the block that the node tags `safe`.
    Safe,
    /// At or below the block that the node tags `finalized`.
    Finalized,
}

/// One node that can be asked.
#[derive(Clone)]
pub struct EndpointProfile {
    /// HTTP address; may carry a secret in path or query, so it is never printed whole.
    pub url: Url,
    /// WebSocket address for new heads.
    pub ws: Option<Url>,
    /// Most requests per second; `None`: unlimited.
    pub requests_per_second: Option<NonZeroU32>,
    /// Whether it has the state after every block there ever was.
    pub archive: bool,
}

impl EndpointProfile {
    /// Scheme, host and port: what may be shown of the address.
    pub fn label(&self) -> String {
        let host = self.url.host_str().unwrap_or("unknown-host");
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

impl fmt::Debug for EndpointProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointProfile")
            .field("url", &self.label())
            .field("ws", &self.ws.is_some())
            .field("requests_per_second", &self.requests_per_second)
            .field("archive", &self.archive)
            .finish()
    }
}

/// Price caps and the replacement rule of a chain. Prices are wei per gas.
#[derive(Debug, Clone)]
pub struct FeeProfile {
    /// Most that routine and prompt transactions may offer.
    pub max_fee_per_gas: u128,
    /// Most that an emergency transaction may offer; at least `max_fee_per_gas`.
    pub emergency_max_fee_per_gas: u128,
    /// Least tip offered.
    pub min_priority_fee_per_gas: u128,
    /// Most times the market's current price that may be offered; at least 1.
    pub relative_cap: u32,
    /// Raise of both fee fields by a replacement, in hundredths of a percent; at least 1000 (10 %).
    pub replacement_bump_bps: u32,
}

/// The feeds of a chain, in Chainlink's interface, and what their answers are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedsProfile {
    /// US dollars per native coin.
    pub native_usd: Option<Address>,
    /// Age of a price, by the block's time, beyond which it is not used.
    pub native_usd_heartbeat: Duration,
    /// Whether the sequencer of a layer 2 is up.
    pub sequencer_uptime: Option<Address>,
    /// How long after an outage of the sequencer the chain is still left alone.
    pub sequencer_grace: Duration,
}

impl FeedsProfile {
    /// Whether there is anything to read.
    pub fn any(&self) -> bool {
        self.native_usd.is_some() || self.sequencer_uptime.is_some()
    }
}

impl Default for FeedsProfile {
    /// No feed.
    fn default() -> Self {
        Self {
            native_usd: None,
            native_usd_heartbeat: feeds::DEFAULT_HEARTBEAT,
            sequencer_uptime: None,
            sequencer_grace: feeds::DEFAULT_SEQUENCER_GRACE,
        }
    }
}
