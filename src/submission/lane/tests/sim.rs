//! A chain in memory: blocks with hashes, an account with a nonce, a pool that follows geth's
//! replacement rule, and the faults that nodes have. It refuses to take bytes that are not in the
//! journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::Decodable2718 as _,
    primitives::{Address, B256, Bytes, U256, keccak256},
};
use ballast_chains::{
    Head,
    fees::{FeeError, FeeQuote, next_base_fee},
    pool::{Answer, Route, SendAnswer},
    reader::CallError,
};
use ballast_strategy_api::Call;
use futures::future::{BoxFuture, pending, ready};
use tokio::sync::Notify;

use crate::{
    store::{Statement, Store},
    submission::node::{BlockMark, NextBlock, Node, Place, Receipt},
};

/// Calldata of a call that reverts while [`Faults::reverting`] is set.
pub(super) const FRAGILE: Bytes = Bytes::from_static(&[0xf0]);
/// Calldata of a call that always reverts.
pub(super) const HOPELESS: Bytes = Bytes::from_static(&[0xff]);
/// Calldata of a call that succeeds in simulation and fails when it is mined.
pub(super) const FAILS_WHEN_MINED: Bytes = Bytes::from_static(&[0xfe]);
pub(super) const GWEI: u128 = 1_000_000_000;

/// What is wrong with the nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// Every read fails.
    pub(super) unavailable: bool,
    /// No receipt is known yet.
    pub(super) receipts_lag: bool,
    /// Bodies of blocks are not served.
    pub(super) no_bodies: bool,
    /// Receipts of blocks that fell away are still told.
    pub(super) receipts_stale: bool,
    /// Calls with [`FRAGILE`] calldata revert.
    pub(super) reverting: bool,
    /// Raw transactions are answered with this …
    pub(super) answer: Option<SendAnswer>,
    /// … and are lost on the way.
    pub(super) swallowed: bool,
    /// A broadcast never returns; [`Sim::reached`] tells that it began.
    pub(super) hanging: bool,
    /// The node ignores block overrides.
    pub(super) no_overrides: bool,
    /// The node answers block tags with an error.
    pub(super) no_tags: bool,
}

#[derive(Debug, Clone)]
struct Block {
    head: Head,
    /// The account's nonce after it.
    nonce: u64,
    /// Transactions in it: ours by hash, and whether they succeeded.
    txs: Vec<(B256, bool)>,
}

#[derive(Debug)]
pub(super) struct World {
    chain: Vec<Block>,
    /// Blocks that fell away are still found by their hash.
    all: BTreeMap<B256, Block>,
    /// Every transaction that reached a node.
    pub(super) known: BTreeMap<B256, TxEnvelope>,
    /// Those in the pool, by nonce.
    pub(super) pool: BTreeMap<u64, B256>,
    /// Every broadcast, in order.
    pub(super) sent: Vec<B256>,
    /// Who was told of each of them.
    pub(super) routes: Vec<Route>,
    pub(super) faults: Faults,
    pub(super) base_fee: u128,
    pub(super) balance: U256,
    /// The word that views answer, by block hash; else zero.
    pub(super) words: BTreeMap<B256, U256>,
    pub(super) safe: u64,
    salt: u64,
}

/// A handle on the world, and the nodes of it.
#[derive(Debug, Clone)]
pub(super) struct Sim {
    world: Arc<Mutex<World>>,
    store: Store,
    pub(super) reached: Arc<Notify>,
}

impl Sim {
    pub(super) fn new(store: &Store) -> Self {
        let mut world = World {
            chain: Vec::new(),
            all: BTreeMap::new(),
            known: BTreeMap::new(),
            pool: BTreeMap::new(),
            sent: Vec::new(),
            routes: Vec::new(),
            faults: Faults::default(),
            base_fee: 10 * GWEI,
            balance: U256::from(10).pow(U256::from(20)),
            words: BTreeMap::new(),
            safe: 0,
            salt: 0,
        };
        for _ in 0..5 {
            world.push(Vec::new(), 0);
        }
        let world = Arc::new(Mutex::new(world));
        Self { world, store: store.clone(), reached: Arc::new(Notify::new()) }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(super) fn head(&self) -> Head {
        self.world().tip().head
    }

    /// A block without transactions.
    pub(super) fn mine_empty(&self) -> Head {
        self.world().push(Vec::new(), 0)
    }

    /// A block with this attempt, whether or not another one replaced it in the pool.
    pub(super) fn mine(&self, hash: B256) -> Head {
        let mut world = self.world();
        let nonce = world.known[&hash].nonce();
        assert_eq!(nonce, world.tip().nonce, "a block takes nonces in order");
        let failed = *world.known[&hash].input() == FAILS_WHEN_MINED;
        world.push(vec![(hash, !failed)], 1)
    }

    /// A block with whatever is in the pool and fits.
    pub(super) fn mine_pool(&self) -> Head {
        let mut world = self.world();
        let mut next = world.tip().nonce;
        let mut txs = Vec::new();
        while let Some(hash) = world.pool.get(&next).copied() {
            let failed = *world.known[&hash].input() == FAILS_WHEN_MINED;
            txs.push((hash, !failed));
            next += 1;
        }
        let count = u64::try_from(txs.len()).unwrap();
        world.push(txs, count)
    }

    /// A block with a transaction of the same key that we never saw.
    pub(super) fn mine_foreign(&self) -> Head {
        self.world().push(Vec::new(), 1)
    }

    /// Drops `depth` blocks and puts one more than that in their place. What was in them goes back
    /// to the pool, unless it is to be forgotten.
    pub(super) fn reorg(&self, depth: usize, forget: bool) -> Head {
        let mut world = self.world();
        let keep = world.chain.len() - depth;
        let dropped: Vec<Block> = world.chain.drain(keep..).collect();
        for (hash, _) in dropped.iter().flat_map(|block| &block.txs) {
            if !forget {
                let nonce = world.known[hash].nonce();
                world.pool.insert(nonce, *hash);
            }
        }
        for _ in 0..=depth {
            world.push(Vec::new(), 0);
        }
        world.tip().head
    }

    pub(super) fn drop_pool(&self) {
        self.world().pool.clear();
    }

    /// Whatever ever reached a node for the next nonce, in the pool or not.
    pub(super) fn attempts_at_next_nonce(&self) -> Vec<B256> {
        let world = self.world();
        let next = world.tip().nonce;
        let fits = world.known.keys().filter(|hash| world.known[*hash].nonce() == next);
        fits.copied().collect()
    }

    /// The account's nonce after the head.
    pub(super) fn nonce(&self) -> u64 {
        self.world().tip().nonce
    }

    /// Which of our transactions are in canonical blocks, and where.
    pub(super) fn canonical(&self) -> BTreeMap<B256, u64> {
        let world = self.world();
        let blocks = world.chain.iter();
        blocks.flat_map(|b| b.txs.iter().map(|(hash, _)| (*hash, b.head.number))).collect()
    }

    /// The account's nonce after a canonical block.
    pub(super) fn nonce_after(&self, number: u64) -> u64 {
        let world = self.world();
        world.chain.iter().find(|b| b.head.number == number).map_or(0, |b| b.nonce)
    }

    pub(super) fn sent(&self) -> Vec<B256> {
        self.world().sent.clone()
    }

    fn read<T: Send + 'static>(
        &self,
        answer: impl FnOnce(&World) -> Result<T, CallError>,
    ) -> BoxFuture<'_, Result<T, CallError>> {
        let world = self.world();
        let answer = if world.faults.unavailable {
            Err(CallError::Unavailable("cut off".into()))
        } else {
            answer(&world)
        };
        Box::pin(ready(answer))
    }
}

impl World {
    fn tip(&self) -> &Block {
        self.chain.last().unwrap()
    }

    /// Appends a block; `used` nonces are spent in it.
    fn push(&mut self, txs: Vec<(B256, bool)>, used: u64) -> Head {
        self.salt += 1;
        let parent = self.chain.last();
        let number = parent.map_or(0, |p| p.head.number + 1);
        let nonce = parent.map_or(0, |p| p.nonce) + used;
        let head = Head {
            number,
            hash: keccak256(self.salt.to_be_bytes()),
            parent: parent.map_or(B256::ZERO, |p| p.head.hash),
            timestamp: 1_700_000_000 + number * 12,
            base_fee_per_gas: Some(self.base_fee),
            gas_limit: 30_000_000,
            gas_used: 15_000_000,
        };
        let block = Block { head, nonce, txs };
        self.all.insert(head.hash, block.clone());
        self.chain.push(block);
        self.pool.retain(|pooled, _| *pooled >= nonce);
        head
    }

    fn at(&self, hash: B256) -> Result<&Block, CallError> {
        self.all.get(&hash).ok_or_else(|| CallError::Unavailable("unknown block".into()))
    }

    fn place(&self, place: Place) -> Option<BlockMark> {
        let head = |block: &Block| BlockMark::from(&block.head);
        match place {
            Place::Hash(hash) => self.all.get(&hash).map(head),
            Place::Number(number) => self.chain.iter().find(|b| b.head.number == number).map(head),
            Place::Safe | Place::Finalized => {
                self.chain.iter().find(|b| b.head.number == self.safe).map(head)
            }
        }
    }

    /// What a geth of this chain would say.
    fn accept(&mut self, hash: B256, tx: TxEnvelope) -> SendAnswer {
        let nonce = tx.nonce();
        if nonce < self.tip().nonce {
            return SendAnswer::NonceTooLow;
        }
        match self.pool.get(&nonce).copied() {
            Some(known) if known == hash => return SendAnswer::AlreadyKnown,
            Some(known) => {
                let old = &self.known[&known];
                let tip = |tx: &TxEnvelope| tx.max_priority_fee_per_gas().unwrap();
                let fields = [(old.max_fee_per_gas(), tx.max_fee_per_gas()), (tip(old), tip(&tx))];
                if fields.iter().any(|(old, new)| *new <= *old || *new < old * 110 / 100) {
                    return SendAnswer::ReplacementUnderpriced;
                }
            }
            None => {}
        }
        self.known.insert(hash, tx);
        self.pool.insert(nonce, hash);
        SendAnswer::Accepted
    }
}

fn reverts(world: &World, data: &Bytes) -> bool {
    *data == HOPELESS || (*data == FRAGILE && world.faults.reverting)
}

impl Node for Sim {
    fn latest_nonce(&self, _of: Address) -> BoxFuture<'_, Result<u64, CallError>> {
        self.read(|world| Ok(world.tip().nonce))
    }

    fn nonce(&self, _of: Address, at: BlockMark) -> BoxFuture<'_, Result<u64, CallError>> {
        self.read(|world| Ok(world.at(at.hash)?.nonce))
    }

    fn balance(&self, _of: Address, at: BlockMark) -> BoxFuture<'_, Result<U256, CallError>> {
        self.read(|world| world.at(at.hash).map(|_| world.balance))
    }

    fn receipts(
        &self,
        hashes: Vec<B256>,
    ) -> BoxFuture<'_, Result<Vec<Option<Receipt>>, CallError>> {
        self.read(|world| {
            let find = |hash: &B256| {
                let holds = |block: &Block| {
                    let (_, ok) = block.txs.iter().find(|(tx, _)| tx == hash)?;
                    Some((block.head, *ok))
                };
                let mut found = world.chain.iter().find_map(holds);
                if world.faults.receipts_stale {
                    found = found.or(world.all.values().find_map(holds));
                }
                let (head, succeeded) = found.filter(|_| !world.faults.receipts_lag)?;
                Some(Receipt {
                    hash: *hash,
                    block: head.number,
                    block_hash: head.hash,
                    succeeded,
                    gas_used: 100_000,
                    effective_gas_price: 11 * GWEI,
                    whole: None,
                })
            };
            Ok(hashes.iter().map(find).collect())
        })
    }

    fn blocks(
        &self,
        places: Vec<Place>,
    ) -> BoxFuture<'_, Result<Vec<Option<BlockMark>>, CallError>> {
        self.read(move |world| {
            let tagged = places.iter().any(|p| matches!(p, Place::Safe | Place::Finalized));
            if world.faults.no_tags && tagged {
                return Err(CallError::Refused {
                    code: -32000,
                    message: "finalized block not found".into(),
                });
            }
            Ok(places.iter().map(|place| world.place(*place)).collect())
        })
    }

    fn transactions(&self, of: B256) -> BoxFuture<'_, Result<Option<Vec<B256>>, CallError>> {
        self.read(|world| {
            if world.faults.no_bodies {
                return Err(CallError::Unavailable("pruned".into()));
            }
            let hashes = |block: &Block| block.txs.iter().map(|(hash, _)| *hash).collect();
            Ok(world.all.get(&of).map(hashes))
        })
    }

    fn call(
        &self,
        _from: Address,
        call: Call,
        at: BlockMark,
        _next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        self.read(|world| {
            if reverts(world, &call.data) {
                return Err(CallError::Reverted(Bytes::new()));
            }
            let word = world.words.get(&at.hash).copied().unwrap_or_default();
            Ok(Bytes::from(word.to_be_bytes_vec()))
        })
    }

    fn estimate(
        &self,
        _from: Address,
        call: Call,
        _at: BlockMark,
    ) -> BoxFuture<'_, Result<u64, CallError>> {
        self.read(|world| {
            if reverts(world, &call.data) {
                return Err(CallError::Reverted(Bytes::new()));
            }
            Ok(if call.data.is_empty() { 21_000 } else { 100_000 })
        })
    }

    fn probe(
        &self,
        _code: Bytes,
        at: BlockMark,
        next: NextBlock,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        self.read(|world| {
            let number = if world.faults.no_overrides { at.number } else { next.number };
            Ok(Bytes::from(U256::from(number).to_be_bytes_vec()))
        })
    }

    fn quote(
        &self,
        head: Head,
        min_priority_fee: u128,
    ) -> BoxFuture<'_, Result<FeeQuote, FeeError>> {
        let quote = if self.world().faults.unavailable {
            Err(FeeError::Overflow(head.number))
        } else {
            Ok(FeeQuote {
                base_fee_per_gas: head.base_fee_per_gas.unwrap(),
                next_base_fee: next_base_fee(&head).unwrap(),
                priority_fee: min_priority_fee.max(GWEI),
            })
        };
        Box::pin(ready(quote))
    }

    fn broadcast(&self, raw: Bytes, route: Route) -> BoxFuture<'_, Vec<Answer>> {
        Box::pin(async move {
            let hash = keccak256(&raw);
            let journalled = "SELECT 1 FROM attempts WHERE hash = $1";
            let row = Statement::new(journalled).with(hash.to_string());
            let rows = self.store.rows(row).await.unwrap();
            assert_eq!(rows.len(), 1, "broadcast before it was journalled");
            self.reached.notify_one();
            if self.world().faults.hanging {
                return pending().await;
            }
            let mut world = self.world();
            world.sent.push(hash);
            world.routes.push(route);
            let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
            let faults = world.faults.clone();
            let said = (!faults.swallowed).then(|| world.accept(hash, tx));
            let answer = faults.answer.or(said).unwrap_or(SendAnswer::Ambiguous("time-out".into()));
            vec![Answer { endpoint: "node".into(), answer }]
        })
    }
}

/// All hashes of attempts that the journal holds.
pub(super) async fn journalled(store: &Store) -> BTreeSet<String> {
    use sqlx::Row as _;
    let rows = store.rows(Statement::new("SELECT hash FROM attempts")).await.unwrap();
    rows.iter().map(|row| row.get("hash")).collect()
}
