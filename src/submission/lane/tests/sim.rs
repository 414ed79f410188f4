//! A chain in memory: blocks with hashes, an account with a nonce, a pool that follows geth's
//! replacement rule, and the faults that nodes have. It refuses to take bytes that are not in the
//! journal.

mod nodes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    primitives::{Address, B256, Bytes, U256, keccak256},
};
use ballast_chains::{
    Head,
    fees::extra::{ExtraFees, ExtraQuote},
    pool::{Route, SendAnswer},
    reader::CallError,
};
use futures::future::{BoxFuture, ready};
use tokio::sync::Notify;

use crate::{
    store::{Statement, Store},
    submission::node::{BlockMark, Place},
};

/// Calldata of a call that reverts while [`Faults::reverting`] is set.
pub(super) const FRAGILE: Bytes = Bytes::from_static(&[0xf0]);
/// Calldata of a call that always reverts.
pub(super) const HOPELESS: Bytes = Bytes::from_static(&[0xff]);
/// Calldata of a call that succeeds in simulation and fails when it is mined.
pub(super) const FAILS_WHEN_MINED: Bytes = Bytes::from_static(&[0xfe]);
/// First byte of calldata of a call that fails when it is mined in every second block.
pub(super) const FLAKY: u8 = 0xfd;
/// Second byte of calldata that its contract lets take effect once in a chain, by all that follows.
pub(super) const ONCE: u8 = 0xa1;
/// The same, but each candidate has its own guard: the first byte counts as well.
pub(super) const ONCE_EACH: u8 = 0xa2;
pub(super) const GWEI: u128 = 1_000_000_000;

/// What is wrong with the nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// Every read fails.
    pub(super) unavailable: bool,
    /// Calls are not answered.
    pub(super) calls_unanswered: bool,
    /// No receipt is known yet.
    pub(super) receipts_lag: bool,
    /// Another endpoint has those that this one has not.
    pub(super) receipts_elsewhere: bool,
    /// And one has those of blocks that fell away.
    pub(super) elsewhere_stale: bool,
    /// Bodies of blocks are not served.
    pub(super) no_bodies: bool,
    /// Bodies of blocks are served without any transaction.
    pub(super) empty_bodies: bool,
    /// Receipts of blocks that fell away are still told.
    pub(super) receipts_stale: bool,
    /// Calls with [`FRAGILE`] calldata revert, in simulation and when they are mined.
    pub(super) reverting: bool,
    /// Raw transactions are answered with this …
    pub(super) answer: Option<SendAnswer>,
    /// … and are lost on the way.
    pub(super) swallowed: bool,
    /// An endpoint has no answer before it is [`released`](Sim::released); [`Sim::reached`] tells
    /// that it was asked.
    pub(super) hanging: bool,
    /// There is another endpoint, which has no answer before it is released.
    pub(super) slow: bool,
    /// The same, for what the first endpoint takes.
    pub(super) slow_beside_taken: bool,
    /// There is another endpoint, at which a turn comes when it is [`released`](Sim::released).
    pub(super) limited: bool,
    /// The node ignores block overrides.
    pub(super) no_overrides: bool,
    /// The node answers block tags with an error.
    pub(super) no_tags: bool,
    /// The node takes no batches.
    pub(super) no_batches: bool,
    /// The node does not answer batches before it is [`released`](Sim::released).
    pub(super) hanging_batches: bool,
    /// The node does not put code in place for a call.
    pub(super) no_twice: bool,
}

#[derive(Debug, Clone)]
struct Block {
    head: Head,
    /// The account's nonce after it.
    nonce: u64,
    /// Transactions in it: ours by hash, and whether they succeeded.
    txs: Vec<(B256, bool)>,
    /// A transaction in it that is not ours.
    foreign: Option<B256>,
    /// What took effect for good in this chain up to it, of calls that may only once.
    done: BTreeSet<Bytes>,
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
    /// Turns that came at the endpoint with a limit, and what was sent there.
    pub(super) turns: usize,
    pub(super) sent_in_turn: Vec<B256>,
    /// Who was told of each of them.
    pub(super) routes: Vec<Route>,
    pub(super) faults: Faults,
    pub(super) base_fee: u128,
    pub(super) balance: U256,
    /// What the market pays on top of the base fee.
    pub(super) tip: u128,
    pub(super) owner: Address,
    /// Gas that a call needs.
    pub(super) gas: u64,
    /// The word that views answer, by block hash; else zero.
    pub(super) words: BTreeMap<B256, U256>,
    pub(super) safe: u64,
    /// Times that a nonce or a balance was asked for.
    pub(super) accounts_asked: usize,
    /// Times that prices were asked for.
    pub(super) quotes_asked: usize,
    /// Times that other endpoints were asked for receipts.
    pub(super) asked_elsewhere: usize,
    /// Batches that were asked.
    pub(super) batches: usize,
    /// Blocks that were asked for by their places.
    pub(super) blocks_asked: usize,
    /// What a transaction costs beside gas × price: as the oracle tells it, if it does …
    pub(super) extra: Option<ExtraQuote>,
    /// … and as receipts do.
    pub(super) paid: ExtraFees,
    salt: u64,
}

/// A handle on the world, and the nodes of it.
#[derive(Debug, Clone)]
pub(super) struct Sim {
    world: Arc<Mutex<World>>,
    store: Store,
    pub(super) reached: Arc<Notify>,
    pub(super) released: Arc<Notify>,
}

impl Sim {
    pub(super) fn new(store: &Store, owner: Address) -> Self {
        let mut world = World {
            chain: Vec::new(),
            all: BTreeMap::new(),
            known: BTreeMap::new(),
            pool: BTreeMap::new(),
            sent: Vec::new(),
            turns: 0,
            sent_in_turn: Vec::new(),
            routes: Vec::new(),
            faults: Faults::default(),
            base_fee: 10 * GWEI,
            balance: U256::from(10).pow(U256::from(20)),
            tip: GWEI,
            owner,
            gas: 100_000,
            words: BTreeMap::new(),
            safe: 0,
            accounts_asked: 0,
            quotes_asked: 0,
            asked_elsewhere: 0,
            batches: 0,
            blocks_asked: 0,
            extra: Some(ExtraQuote::NONE),
            paid: ExtraFees::default(),
            salt: 0,
        };
        for _ in 0..5 {
            world.push(Vec::new(), 0);
        }
        let world = Arc::new(Mutex::new(world));
        let (reached, released) = (Arc::default(), Arc::default());
        Self { world, store: store.clone(), reached, released }
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
        world.push(vec![hash], 1)
    }

    /// A block with whatever is in the pool and fits.
    pub(super) fn mine_pool(&self) -> Head {
        let mut world = self.world();
        let mut next = world.tip().nonce;
        let mut txs = Vec::new();
        while let Some(hash) = world.pool.get(&next).copied() {
            txs.push(hash);
            next += 1;
        }
        let count = u64::try_from(txs.len()).unwrap();
        world.push(txs, count)
    }

    /// A block with a transaction of the same key that we never saw.
    pub(super) fn mine_foreign(&self) -> Head {
        self.world().push(Vec::new(), 1)
    }

    /// How often each calldata but its first byte took effect in the chain of the head.
    pub(super) fn effects(&self) -> BTreeMap<Bytes, usize> {
        let world = self.world();
        let mut effects = BTreeMap::new();
        for (hash, succeeded) in world.chain.iter().flat_map(|block| &block.txs) {
            if *succeeded {
                let data = world.known[hash].input();
                *effects.entry(data.slice(data.len().min(1)..)).or_default() += 1;
            }
        }
        effects
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

    /// The nonce of a transaction that reached a node.
    pub(super) fn nonce_of(&self, hash: B256) -> u64 {
        self.world().known[&hash].nonce()
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
    /// Whether a flaky call succeeds in the next block.
    pub(super) fn next_block_is_kind(&self) -> bool {
        self.salt % 2 == 1
    }

    fn tip(&self) -> &Block {
        self.chain.last().unwrap()
    }

    /// Appends a block; `used` nonces are spent in it.
    fn push(&mut self, txs: Vec<B256>, used: u64) -> Head {
        self.salt += 1;
        let parent = self.chain.last();
        let number = parent.map_or(0, |p| p.head.number + 1);
        let nonce = parent.map_or(0, |p| p.nonce) + used;
        let foreign = (txs.is_empty() && used > 0)
            .then(|| keccak256([&self.salt.to_be_bytes()[..], &[0xff]].concat()));
        let mut done = parent.map(|p| p.done.clone()).unwrap_or_default();
        let flaky = self.salt % 2 == 1;
        let run = |hash: B256| {
            let data = self.known[&hash].input();
            let fails = is(data, &FAILS_WHEN_MINED)
                || (data.first() == Some(&FLAKY) && flaky)
                || (is(data, &FRAGILE) && self.faults.reverting);
            (hash, !fails && succeeds(&mut done, data))
        };
        let txs: Vec<(B256, bool)> = txs.into_iter().map(run).collect();
        let head = Head {
            number,
            hash: keccak256(self.salt.to_be_bytes()),
            parent: parent.map_or(B256::ZERO, |p| p.head.hash),
            timestamp: 1_700_000_000 + number * 12,
            base_fee_per_gas: Some(self.base_fee),
            gas_limit: 30_000_000,
            gas_used: 15_000_000,
        };
        let block = Block { head, nonce, txs, foreign, done };
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

    /// What a geth of this chain says, which has the transaction then.
    fn accept(&mut self, hash: B256, tx: TxEnvelope) -> SendAnswer {
        let answer = self.judge(hash, &tx);
        if answer == SendAnswer::Accepted {
            self.pool.insert(tx.nonce(), hash);
            self.known.insert(hash, tx);
        }
        answer
    }

    /// What it would say.
    fn judge(&self, hash: B256, tx: &TxEnvelope) -> SendAnswer {
        let nonce = tx.nonce();
        if nonce < self.tip().nonce {
            return SendAnswer::NonceTooLow;
        }
        match self.pool.get(&nonce).copied() {
            Some(known) if known == hash => return SendAnswer::AlreadyKnown,
            Some(known) => {
                let old = &self.known[&known];
                let tip = |tx: &TxEnvelope| {
                    tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas())
                };
                let fields = [(old.max_fee_per_gas(), tx.max_fee_per_gas()), (tip(old), tip(tx))];
                if fields.iter().any(|(old, new)| *new <= *old || *new < old * 110 / 100) {
                    return SendAnswer::ReplacementUnderpriced;
                }
            }
            None => {}
        }
        SendAnswer::Accepted
    }
}

/// Whether a call succeeds where this took effect before, and its effect.
fn succeeds(done: &mut BTreeSet<Bytes>, data: &Bytes) -> bool {
    match data.get(1) {
        Some(&ONCE) => done.insert(data.slice(1..)),
        Some(&ONCE_EACH) => done.insert(data.clone()),
        Some(_) | None => true,
    }
}

/// Whether calldata is of this kind: the first byte tells.
fn is(data: &Bytes, kind: &Bytes) -> bool {
    data.first() == kind.first()
}

fn reverts(world: &World, data: &Bytes, at: BlockMark) -> bool {
    let mut done = world.all.get(&at.hash).map(|block| block.done.clone()).unwrap_or_default();
    is(data, &HOPELESS)
        || (is(data, &FRAGILE) && world.faults.reverting)
        || !succeeds(&mut done, data)
}

/// All hashes of attempts that the journal holds.
pub(super) async fn journalled(store: &Store) -> BTreeSet<String> {
    use sqlx::Row as _;
    let rows = store.rows(Statement::new("SELECT hash FROM attempts")).await.unwrap();
    rows.iter().map(|row| row.get("hash")).collect()
}
