//! The simulated chain's nodes, with their faults.

use alloy::{
    consensus::TxEnvelope,
    eips::Decodable2718 as _,
    primitives::{Address, B256, Bytes, U256, keccak256},
};
use ballast_chains::{
    Head,
    fees::{
        FeeError, Quote,
        extra::{ExtraError, ExtraQuote},
        next_base_fee,
    },
    pool::{Answer, Route, SendAnswer, Sending, Wanted},
    profile::FeeModel,
    reader::CallError,
};
use ballast_strategy_api::Call;
use futures::future::{BoxFuture, FutureExt as _, ready};

use super::{Block, Faults, GWEI, Sim, World, reverts, succeeds};
use crate::{
    store::Statement,
    submission::{
        node::{BlockMark, Mined, NextBlock, Node, Place, Receipt},
        together::{Question, Seen},
    },
};

impl Node for Sim {
    fn latest_nonce(&self, _of: Address) -> BoxFuture<'_, Result<u64, CallError>> {
        self.read(|world| Ok(world.tip().nonce))
    }

    fn nonce(&self, _of: Address, at: BlockMark) -> BoxFuture<'_, Result<u64, CallError>> {
        self.world().accounts_asked += 1;
        self.read(|world| Ok(world.at(at.hash)?.nonce))
    }

    fn seen(
        &self,
        questions: Vec<Question>,
    ) -> BoxFuture<'_, Result<Vec<Option<Seen>>, CallError>> {
        Box::pin(async move {
            self.world().batches += 1;
            let hangs = self.world().faults.hanging_batches;
            if hangs {
                self.released.notified().await;
            }
            let mut all = Vec::new();
            for Question { of, at, hashes } in questions {
                let nonce = Node::nonce(self, of, at).await.ok();
                let receipts = self.receipts(hashes).await.ok();
                all.push(nonce.zip(receipts).map(|(nonce, receipts)| Seen { nonce, receipts }));
            }
            if self.world().faults.no_batches {
                return Err(CallError::Unavailable("a batch".into()));
            }
            Ok(all)
        })
    }

    fn balance(&self, _of: Address, at: BlockMark) -> BoxFuture<'_, Result<U256, CallError>> {
        self.world().accounts_asked += 1;
        self.read(|world| world.at(at.hash).map(|_| world.balance))
    }

    fn receipts(
        &self,
        hashes: Vec<B256>,
    ) -> BoxFuture<'_, Result<Vec<Option<Receipt>>, CallError>> {
        self.read(|world| {
            let find = |hash: &B256| {
                let mut found = world.chain.iter().find_map(|block| receipt(world, block, *hash));
                if world.faults.receipts_stale {
                    found = found.or(world.all.values().find_map(|b| receipt(world, b, *hash)));
                }
                found.filter(|_| !world.faults.receipts_lag)
            };
            Ok(hashes.iter().map(find).collect())
        })
    }

    fn receipts_anywhere(&self, hashes: Vec<B256>) -> BoxFuture<'_, Vec<Receipt>> {
        let mut world = self.world();
        world.asked_elsewhere += 1;
        let Faults { receipts_elsewhere, elsewhere_stale, unavailable, .. } = world.faults;
        let fresh = world.chain.iter().filter(|_| receipts_elsewhere);
        let stale = world.all.values().filter(|block| {
            let canonical = world.chain.iter().any(|known| known.head.hash == block.head.hash);
            elsewhere_stale && !canonical
        });
        let found = |block: &Block| {
            let receipts = hashes.iter().filter_map(|hash| receipt(&world, block, *hash));
            receipts.collect::<Vec<_>>()
        };
        let found = fresh.chain(stale).filter(|_| !unavailable).flat_map(found).collect();
        Box::pin(ready(found))
    }

    fn blocks(
        &self,
        places: Vec<Place>,
    ) -> BoxFuture<'_, Result<Vec<Option<BlockMark>>, CallError>> {
        self.world().blocks_asked += places.len();
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

    fn transactions(&self, of: B256) -> BoxFuture<'_, Result<Option<Vec<Mined>>, CallError>> {
        self.read(|world| {
            if world.faults.no_bodies {
                return Err(CallError::Unavailable("pruned".into()));
            }
            let body = |block: &Block| {
                if world.faults.empty_bodies {
                    return Vec::new();
                }
                let first = block.nonce - u64::try_from(block.txs.len()).unwrap();
                let ours = block.txs.iter().map(|(hash, _)| *hash).zip(first..);
                let foreign = block.foreign.map(|hash| (hash, block.nonce - 1));
                let all = ours.chain(foreign);
                all.map(|(hash, nonce)| Mined { hash, from: world.owner, nonce }).collect()
            };
            Ok(world.all.get(&of).map(body))
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
            if world.faults.calls_unanswered {
                return Err(CallError::Unavailable("no answer".into()));
            }
            if reverts(world, &call.data, at) {
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
        at: BlockMark,
        _next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<u64, CallError>> {
        self.read(|world| {
            if reverts(world, &call.data, at) {
                return Err(CallError::Reverted(Bytes::new()));
            }
            Ok(if call.data.is_empty() { 21_000 } else { world.gas })
        })
    }

    fn twice(
        &self,
        _from: Address,
        first: Call,
        then: Call,
        at: BlockMark,
        _next: Option<NextBlock>,
    ) -> BoxFuture<'_, Result<(bool, bool), CallError>> {
        self.read(move |world| {
            if world.faults.no_twice {
                return Err(CallError::Refused { code: 0, message: "no overrides".into() });
            }
            let mut done = world.at(at.hash)?.done.clone();
            let mut run = |data: &Bytes| !reverts(world, data, at) && succeeds(&mut done, data);
            let first = run(&first.data);
            Ok((first, run(&then.data)))
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
        model: FeeModel,
        min_priority_fee: u128,
    ) -> BoxFuture<'_, Result<Quote, FeeError>> {
        let mut world = self.world();
        world.quotes_asked += 1;
        let next = next_base_fee(&head).unwrap();
        let least = next + min_priority_fee;
        let legacy = model == FeeModel::Legacy;
        let quote = if world.faults.unavailable {
            Err(FeeError::Overflow(head.number))
        } else if legacy {
            let priority_fee = least.max(next + world.tip);
            Ok(Quote { legacy, next_base_fee: 0, priority_fee, lowest: None, least })
        } else {
            let priority_fee = min_priority_fee.max(world.tip);
            Ok(Quote { legacy, next_base_fee: next, priority_fee, lowest: None, least })
        };
        Box::pin(ready(quote))
    }

    fn extra(
        &self,
        _at: BlockMark,
        _model: FeeModel,
        unsigned: Bytes,
    ) -> BoxFuture<'_, Result<ExtraQuote, ExtraError>> {
        assert!(!unsigned.is_empty(), "asked for nothing");
        let told = self.world().extra.ok_or(ExtraError::NoOracle("getL1Fee"));
        Box::pin(ready(told))
    }

    fn broadcast(&self, raw: Bytes, route: Route, wanted: Wanted) -> Sending {
        let own = self.clone().take(raw.clone(), route).map(Some).boxed();
        let slow = self.is_slow_beside(&raw);
        let slow = slow.then(|| self.clone().take_slowly(raw.clone()).map(Some).boxed());
        let limited = self.world().faults.limited;
        let limited = limited.then(|| self.clone().take_in_turn(raw, wanted).boxed());
        Sending::of([Some(own), slow, limited].into_iter().flatten())
    }
}

fn receipt(world: &World, block: &Block, hash: B256) -> Option<Receipt> {
    let foreign = (block.foreign == Some(hash)).then_some(true);
    let own = || block.txs.iter().find(|(tx, _)| *tx == hash).map(|(_, succeeded)| *succeeded);
    Some(Receipt {
        hash,
        block: block.head.number,
        block_hash: block.head.hash,
        succeeded: foreign.or_else(own)?,
        gas_used: 100_000,
        effective_gas_price: 11 * GWEI,
        extra: world.paid,
        whole: None,
    })
}

impl Sim {
    /// Whether there is another endpoint for these bytes.
    fn is_slow_beside(&self, raw: &Bytes) -> bool {
        let world = self.world();
        let faults = &world.faults;
        let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        let is_taken = || {
            let answer = world.judge(keccak256(raw), &tx);
            let taken = matches!(answer, SendAnswer::Accepted | SendAnswer::AlreadyKnown);
            taken && faults.answer.is_none() && !faults.swallowed && !faults.hanging
        };
        faults.slow || (faults.slow_beside_taken && is_taken())
    }

    async fn take(self, raw: Bytes, route: Route) -> Answer {
        let hash = keccak256(&raw);
        let journalled = "SELECT 1 FROM attempts WHERE hash = $1";
        let row = Statement::new(journalled).with(hash.to_string());
        let rows = self.store.rows(row).await.unwrap();
        assert_eq!(rows.len(), 1, "broadcast before it was journalled");
        self.reached.notify_one();
        let hangs = self.world().faults.hanging;
        if hangs {
            self.released.notified().await;
        }
        let mut world = self.world();
        world.sent.push(hash);
        world.routes.push(route);
        let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        let faults = world.faults.clone();
        let said = (!faults.swallowed).then(|| world.accept(hash, tx));
        let answer = faults.answer.or(said).unwrap_or(SendAnswer::Ambiguous("time-out".into()));
        Answer { endpoint: "node".into(), answer }
    }

    /// Another endpoint, whose limit lets it be sent when it is released.
    async fn take_in_turn(self, raw: Bytes, wanted: Wanted) -> Option<Answer> {
        self.released.notified().await;
        let mut world = self.world();
        world.turns += 1;
        if !wanted.holds() {
            return None;
        }
        let hash = keccak256(&raw);
        world.sent_in_turn.push(hash);
        let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        let answer = world.accept(hash, tx);
        Some(Answer { endpoint: "limited".into(), answer })
    }

    /// Another endpoint, which answers when it is released.
    async fn take_slowly(self, raw: Bytes) -> Answer {
        self.released.notified().await;
        let mut world = self.world();
        let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        let answer = world.accept(keccak256(&raw), tx);
        Answer { endpoint: "slow".into(), answer }
    }
}
