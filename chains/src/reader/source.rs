//! Where the reads of one chain come from, and what has been learnt about asking there.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes},
    providers::bindings::IMulticall3::{self, Call3},
    sol_types::SolCall,
};

use super::{
    Backend, BlockReader, CallError, CallRequest,
    queue::{Ask, Pin, Travel},
};
use crate::{driver, heads::Head, profile::ChainProfile};

/// Blocks for which a call that burned its batch travels alone.
pub const ISOLATION_BLOCKS: u64 = 100;
/// Calls remembered as burning. Past it the one that is free soonest is forgotten.
const MAX_ISOLATED: usize = 4_096;
/// Gas that one batched call is assumed to need. A chunk that holds dearer ones starves its last
/// calls, which are then repeated, and the chunks of this chain get smaller.
const CALL_GAS_SHARE: u64 = 150_000;
/// Most calls in one chunk, whatever the gas.
const MAX_CHUNK_CALLS: usize = 500;
/// Fewest calls that starving may shrink a chunk to.
const MIN_CHUNK_CALLS: usize = 8;
/// Blocks after which a shrunken chunk is tried at full size again.
const SHRUNKEN_BLOCKS: u64 = 1_000;
/// Blocks after which a chain without Multicall3 is asked for it again.
const MISSING_BLOCKS: u64 = 100;
/// Headers kept for [`BlockReader::ancestor`].
const MAX_HEADERS: usize = 256;

/// Reads of one chain; cheap to clone, all clones share what was learnt.
#[derive(Clone)]
pub struct BlockSource {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Arc<dyn Backend>,
    chain: String,
    multicall3: Address,
    chunk_gas: u64,
    native_usd_feed: Option<Address>,
    block_time: Duration,
    warned_slow: AtomicBool,
    learnt: Mutex<Learnt>,
}

/// What blocks have taught about the calls.
#[derive(Default)]
struct Learnt {
    /// Calls that travel alone, up to and including a block.
    isolated: HashMap<CallKey, u64>,
    /// The highest block at which Multicall3 was not there.
    missing_at: Option<u64>,
    /// A smaller chunk, and the block at which starving taught it.
    shrunken: Option<(usize, u64)>,
    headers: HashMap<B256, Head>,
}

/// A call, as far as its behaviour is concerned: who asks for it, contract, selector.
type CallKey = (Address, Address, [u8; 4]);

/// What came of a chunk.
pub(crate) enum ChunkAnswer {
    /// One result for each call, in order.
    Results(Vec<IMulticall3::Result>),
    /// There is no Multicall3 at that block.
    NoMulticall,
    /// The node or the EVM could not do the chunk as a whole.
    Failed(String),
    /// Nobody answered.
    Unavailable(String),
}

impl BlockSource {
    /// A source that asks `backend`.
    pub fn new(backend: impl Backend, profile: &ChainProfile) -> Self {
        let shared = Shared {
            backend: Arc::new(backend),
            chain: profile.name.clone(),
            multicall3: profile.multicall3,
            chunk_gas: profile.chunk_gas,
            native_usd_feed: profile.feeds.native_usd,
            block_time: profile.block_time,
            warned_slow: AtomicBool::new(false),
            learnt: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads one block outside any turn: runs `work` under a driver of its own. Its joined reads
    /// are batched as in a turn, and there is no time limit but the endpoints' own.
    ///
    /// # Panics
    ///
    /// When `work` does, with its message.
    pub async fn read_at<T, F, Fut>(&self, head: Head, caller: Address, work: F) -> T
    where
        F: FnOnce(BlockReader) -> Fut + Send,
        Fut: Future<Output = T> + Send,
        T: Send,
    {
        driver::alone(self, head, caller, work).await
    }

    /// Name of the chain, for logs and metrics.
    pub(crate) fn chain(&self) -> &str {
        &self.shared.chain
    }

    /// The feed of the native currency's price, if the chain has one.
    pub(crate) fn native_usd_feed(&self) -> Option<Address> {
        self.shared.native_usd_feed
    }

    /// How long a block usually takes.
    pub(crate) fn block_time(&self) -> Duration {
        self.shared.block_time
    }

    /// The address of Multicall3: the sender that every shared call sees.
    pub(crate) fn multicall3(&self) -> Address {
        self.shared.multicall3
    }

    /// Asks for several calls at once.
    pub(crate) async fn ask_chunk(&self, at: Pin, calls: Vec<Call3>) -> ChunkAnswer {
        let expected = calls.len();
        let request = CallRequest {
            from: None,
            to: self.shared.multicall3,
            data: IMulticall3::aggregate3Call { calls }.abi_encode().into(),
            gas: self.shared.chunk_gas,
        };
        match self.eth_call(request, at).await {
            Ok(answer) => match IMulticall3::aggregate3Call::abi_decode_returns(&answer) {
                Ok(results) if results.len() == expected => ChunkAnswer::Results(results),
                Ok(_) | Err(_) => ChunkAnswer::NoMulticall,
            },
            Err(CallError::Unavailable(reason)) => ChunkAnswer::Unavailable(reason),
            Err(
                error @ (CallError::Reverted(_) | CallError::Halted(_) | CallError::Refused { .. }),
            ) => ChunkAnswer::Failed(error.to_string()),
        }
    }

    /// Asks for one thing. A shared call is sent by Multicall3, so that the contract sees the same
    /// sender whether it happens to travel with others or not.
    pub(crate) async fn ask_one(
        &self,
        at: Pin,
        ask: &Ask,
        travel: Travel,
        caller: Address,
    ) -> Result<Bytes, CallError> {
        match ask {
            Ask::Call { to, data } => {
                let from = match travel {
                    Travel::Shared => Some(self.shared.multicall3),
                    Travel::Alone => None,
                    Travel::AsCaller => Some(caller),
                };
                let gas = self.shared.chunk_gas;
                let request = CallRequest { from, to: *to, data: data.clone(), gas };
                self.eth_call(request, at).await
            }
            Ask::Balance(of) => {
                let wei = self.shared.backend.get_balance(*of, BlockId::hash(at.hash)).await?;
                Ok(wei.to_be_bytes::<32>().into())
            }
            Ask::Code(of) => self.shared.backend.get_code(*of, BlockId::hash(at.hash)).await,
        }
    }

    async fn eth_call(&self, request: CallRequest, at: Pin) -> Result<Bytes, CallError> {
        self.shared.backend.eth_call(request, BlockId::hash(at.hash)).await
    }

    /// A header by hash, from memory or the node.
    pub(crate) async fn header(&self, hash: B256) -> Result<Head, CallError> {
        if let Some(head) = self.known_header(hash) {
            return Ok(head);
        }
        let head = self.shared.backend.block_by_hash(hash).await?;
        self.remember_header(head);
        Ok(head)
    }

    /// A header by hash, from memory.
    pub(crate) fn known_header(&self, hash: B256) -> Option<Head> {
        self.learnt().headers.get(&hash).copied()
    }

    /// Keeps a header; past the bound the lowest goes.
    pub(crate) fn remember_header(&self, head: Head) {
        let mut learnt = self.learnt();
        learnt.headers.insert(head.hash, head);
        if learnt.headers.len() > MAX_HEADERS {
            let lowest = learnt.headers.values().min_by_key(|head| head.number).map(|h| h.hash);
            if let Some(lowest) = lowest {
                learnt.headers.remove(&lowest);
            }
        }
    }

    /// Whether a read that may be shared has to travel alone at this block.
    pub(crate) fn is_isolated(&self, ask: &Ask, caller: Address, at: Pin) -> bool {
        let learnt = self.learnt();
        key(ask, caller)
            .and_then(|key| learnt.isolated.get(&key))
            .is_some_and(|until| at.number <= *until)
    }

    /// Lets a call that failed without data even when alone travel alone from now on. True if that
    /// is new.
    pub(crate) fn isolate(&self, ask: &Ask, caller: Address, at: Pin) -> bool {
        let Some(key) = key(ask, caller) else { return false };
        let mut learnt = self.learnt();
        let until = at.number.saturating_add(ISOLATION_BLOCKS);
        let before = learnt.isolated.insert(key, until);
        if learnt.isolated.len() > MAX_ISOLATED {
            let soonest =
                learnt.isolated.iter().min_by_key(|(_, until)| **until).map(|(key, _)| *key);
            if let Some(soonest) = soonest {
                learnt.isolated.remove(&soonest);
            }
        }
        before.is_none_or(|until| until < at.number)
    }

    /// Whether reads at this block can be batched.
    pub(crate) fn has_multicall(&self, at: Pin) -> bool {
        self.learnt()
            .missing_at
            .is_none_or(|missing| at.number > missing.saturating_add(MISSING_BLOCKS))
    }

    /// Notes that Multicall3 did not answer at a block; warns the first time.
    pub(crate) fn multicall_missing(&self, at: Pin) {
        let mut learnt = self.learnt();
        learnt.missing_at = learnt.missing_at.max(Some(at.number));
        drop(learnt);
        if !self.shared.warned_slow.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                chain = self.shared.chain,
                block = at.number,
                multicall3 = %self.shared.multicall3,
                "no Multicall3 there: every read travels alone, which is slower"
            );
        }
    }

    /// Most calls in one chunk at a block.
    pub(crate) fn chunk_calls(&self, at: Pin) -> usize {
        let by_gas = usize::try_from(self.shared.chunk_gas.div_ceil(CALL_GAS_SHARE));
        let full = by_gas.unwrap_or(MAX_CHUNK_CALLS).clamp(1, MAX_CHUNK_CALLS);
        match self.learnt().shrunken {
            Some((calls, since)) if at.number <= since.saturating_add(SHRUNKEN_BLOCKS) => {
                calls.min(full)
            }
            Some(_) | None => full,
        }
    }

    /// Halves the chunks: calls starved though none misbehaved.
    pub(crate) fn shrink_chunks(&self, at: Pin) {
        let calls = (self.chunk_calls(at) / 2).max(MIN_CHUNK_CALLS);
        self.learnt().shrunken = Some((calls, at.number));
        tracing::info!(chain = self.shared.chain, block = at.number, calls, "smaller read chunks");
    }

    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.shared.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for BlockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockSource").field("chain", &self.shared.chain).finish_non_exhaustive()
    }
}

fn key(ask: &Ask, caller: Address) -> Option<CallKey> {
    match ask {
        Ask::Call { to, data } => {
            let selector = data.first_chunk::<4>().copied().unwrap_or_default();
            Some((caller, *to, selector))
        }
        Ask::Balance(_) | Ask::Code(_) => None,
    }
}
