//! The headers of a chain and of the branches it left.

use alloy::{
    consensus,
    primitives::{B256, Bytes, U256},
    rpc::types::{Block, Header},
};
use serde_json::Value;
use std::collections::HashMap;

/// Timestamp of genesis, in seconds: recent enough to look real, and always the same.
const GENESIS_TIMESTAMP: u64 = 1_750_000_000;
const BLOCK_TIME: u64 = 12;
const GAS_LIMIT: u64 = 30_000_000;
/// One gwei.
const BASE_FEE: u64 = 1_000_000_000;

/// What identifies a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MockBlock {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before it.
    pub parent: B256,
    /// In seconds.
    pub timestamp: u64,
}

impl From<&Header> for MockBlock {
    fn from(header: &Header) -> Self {
        Self {
            number: header.number,
            hash: header.hash,
            parent: header.parent_hash,
            timestamp: header.timestamp,
        }
    }
}

#[derive(Debug)]
pub(super) struct Blocks {
    /// By height; genesis is never removed.
    canonical: Vec<MockBlock>,
    /// Every block there ever was.
    known: HashMap<B256, Header>,
    branch: u64,
    block_time: u64,
}

impl Default for Blocks {
    fn default() -> Self {
        let mut blocks = Self {
            canonical: Vec::new(),
            known: HashMap::new(),
            branch: 0,
            block_time: BLOCK_TIME,
        };
        blocks.push(None);
        blocks
    }
}

impl Blocks {
    pub(super) fn head(&self) -> MockBlock {
        // Genesis is there from the start, so the default is never seen.
        self.canonical.last().copied().unwrap_or(MockBlock {
            number: 0,
            hash: B256::ZERO,
            parent: B256::ZERO,
            timestamp: 0,
        })
    }

    pub(super) fn at(&self, number: u64) -> Option<MockBlock> {
        self.canonical.get(usize::try_from(number).ok()?).copied()
    }

    pub(super) fn by_hash(&self, hash: B256) -> Option<MockBlock> {
        self.known.get(&hash).map(MockBlock::from)
    }

    pub(super) fn push(&mut self, timestamp: Option<u64>) -> MockBlock {
        let last = self.canonical.last().copied();
        let inner = consensus::Header {
            parent_hash: last.map_or(B256::ZERO, |last| last.hash),
            number: last.map_or(0, |last| last.number + 1),
            timestamp: timestamp
                .unwrap_or(last.map_or(GENESIS_TIMESTAMP, |last| last.timestamp + self.block_time)),
            gas_limit: GAS_LIMIT,
            base_fee_per_gas: Some(BASE_FEE),
            extra_data: Bytes::copy_from_slice(&self.branch.to_be_bytes()),
            difficulty: U256::ZERO,
            ..consensus::Header::default()
        };
        let header = Header::new(inner);
        let block = MockBlock::from(&header);
        self.known.insert(block.hash, header);
        self.canonical.push(block);
        block
    }

    /// How many blocks were in fact removed.
    pub(super) fn rollback(&mut self, depth: u64) -> u64 {
        let removed = depth.min(self.head().number);
        let keep = self.head().number - removed + 1;
        self.canonical.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        removed
    }

    pub(super) fn next_branch(&mut self) {
        self.branch += 1;
    }

    pub(super) fn set_branch(&mut self, branch: u64) {
        self.branch = branch;
    }

    pub(super) fn set_block_time(&mut self, seconds: u64) {
        self.block_time = seconds;
    }

    /// As `newHeads` pushes it.
    pub(super) fn header_json(&self, hash: B256) -> Option<Value> {
        serde_json::to_value(self.known.get(&hash)?).ok()
    }

    /// As `eth_getBlockBy…` answers it, without transactions.
    pub(super) fn block_json(&self, hash: B256) -> Option<Value> {
        serde_json::to_value(Block::<B256>::empty(self.known.get(&hash)?.clone())).ok()
    }
}
