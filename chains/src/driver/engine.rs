//! The network side of a driver: sends what is queued, and decides what an answer means and which
//! reads must be asked again.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::{Context, Poll},
};

use alloy::primitives::{Address, B256, Bytes};
use futures::{Stream, channel::oneshot, future::BoxFuture, stream::FuturesUnordered};

use super::{
    RoundStats,
    chunk::{self, Chunk, MAX_SPLITS, REPEAT_ALONE_MAX, Verdict},
};
use crate::{
    heads::Head,
    reader::{
        CallError, ReadError, Revert,
        queue::{Ask, HeaderRead, Pin, Queue, Read, Travel},
        source::{BlockSource, ChunkAnswer},
    },
};

/// Requests with one read each that may be under way at once.
const MAX_LONE: usize = 128;
/// Those of one product: one whose calls hang leaves room for the others.
const MAX_LONE_OF_ONE: usize = 16;
/// Most calls that one turn isolates because the node refused them even alone. A node that refuses
/// everything says nothing about the calls.
const MAX_REFUSED: usize = 8;

/// Sends and receives for one driver.
pub(crate) struct Engine {
    source: BlockSource,
    head: Pin,
    queue: Arc<Queue>,
    flights: FuturesUnordered<BoxFuture<'static, Landed>>,
    /// Chunks under way that the next round waits for.
    holding: usize,
    lone_waiting: VecDeque<Lone>,
    lone_flying: usize,
    lone_of: HashMap<Address, usize>,
    headers: HashMap<B256, Vec<oneshot::Sender<Result<Head, ReadError>>>>,
    stats: RoundStats,
    /// Repeats that succeeded, and reads that failed without data when alone.
    starved: u64,
    guilty: u64,
    /// Shared reads that the node refused even alone, and whether it served any other.
    refused: Vec<(Ask, Address, Pin)>,
    served: bool,
}

/// A read that travels by itself.
struct Lone {
    read: Read,
    repeats: bool,
    /// The next round waits for it: it is a chunk of one.
    holds_round: bool,
}

/// An answer.
enum Landed {
    Chunk(Chunk, ChunkAnswer),
    Lone(Lone, Result<Bytes, CallError>),
    Header(B256, Result<Head, CallError>),
}

impl Engine {
    pub(crate) fn new(source: BlockSource, head: Pin, queue: Arc<Queue>) -> Self {
        Self {
            source,
            head,
            queue,
            flights: FuturesUnordered::new(),
            holding: 0,
            lone_waiting: VecDeque::new(),
            lone_flying: 0,
            lone_of: HashMap::new(),
            headers: HashMap::new(),
            stats: RoundStats::default(),
            starved: 0,
            guilty: 0,
            refused: Vec::new(),
            served: false,
        }
    }

    pub(crate) fn stats(&self) -> RoundStats {
        self.stats
    }

    /// Takes in every answer that has come. True if there was one.
    pub(crate) fn deliver(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(landed)) = std::pin::Pin::new(&mut self.flights).poll_next(cx) {
            any = true;
            match landed {
                Landed::Chunk(chunk, answer) => self.chunk_landed(chunk, answer),
                Landed::Lone(lone, answer) => self.lone_landed(lone, answer),
                Landed::Header(hash, answer) => self.header_landed(hash, answer),
            }
        }
        self.launch_lone();
        any
    }

    /// Sends what is queued: lone calls at once, shared ones as a round unless one is under way.
    /// True if something went out.
    pub(crate) fn send(&mut self) -> bool {
        let (shared, alone, headers) = {
            let mut inbox = self.queue.lock();
            let free = self.holding == 0;
            let shared = if free { std::mem::take(&mut inbox.shared) } else { Vec::new() };
            (shared, std::mem::take(&mut inbox.alone), std::mem::take(&mut inbox.headers))
        };
        let asked_headers = self.send_headers(headers);
        let before = self.stats.calls;
        for read in alone.into_iter().filter(|read| !read.is_forsaken()) {
            self.stats.calls = self.stats.calls.saturating_add(1);
            self.lone_waiting.push_back(Lone { read, repeats: false, holds_round: false });
        }
        self.send_round(shared);
        self.launch_lone();
        asked_headers || self.stats.calls != before
    }

    fn send_round(&mut self, mut reads: Vec<Read>) {
        reads.retain(|read| !read.is_forsaken());
        if reads.is_empty() {
            return;
        }
        count(&mut self.stats.rounds, 1);
        count(&mut self.stats.calls, reads.len());
        let (alone, together): (Vec<_>, Vec<_>) = reads.into_iter().partition(|read| {
            !self.source.has_multicall(read.at)
                || self.source.is_isolated(&read.ask, read.caller, read.at)
        });
        for read in alone {
            self.lone_waiting.push_back(Lone { read, repeats: false, holds_round: false });
        }
        for chunk in chunk::cut(together, |at| self.source.chunk_calls(at)) {
            self.holding = self.holding.saturating_add(1);
            self.launch(chunk);
        }
    }

    /// Sends a chunk; one of a single read needs no Multicall3.
    fn launch(&mut self, mut chunk: Chunk) {
        if chunk.reads.len() < 2 {
            let Chunk { repeats, holds_round, .. } = chunk;
            let waiting = chunk.reads.drain(..).map(|read| Lone { read, repeats, holds_round });
            // It stands for a chunk, so it does not queue behind lone calls.
            return waiting.for_each(|lone| self.launch_one(lone));
        }
        count(&mut self.stats.chunks, 1);
        let source = self.source.clone();
        let calls = chunk.calls(source.multicall3());
        self.flights.push(Box::pin(async move {
            let answer = source.ask_chunk(chunk.at, calls).await;
            Landed::Chunk(chunk, answer)
        }));
    }

    /// Sends waiting lone calls as far as the limits allow; a product at its own limit is passed
    /// over.
    fn launch_lone(&mut self) {
        let mut passed = VecDeque::new();
        while self.lone_flying < MAX_LONE
            && let Some(lone) = self.lone_waiting.pop_front()
        {
            if lone.read.is_forsaken() {
                continue;
            }
            if self.lone_of.get(&lone.read.caller).is_some_and(|n| *n >= MAX_LONE_OF_ONE) {
                passed.push_back(lone);
            } else {
                self.launch_one(lone);
            }
        }
        passed.append(&mut self.lone_waiting);
        self.lone_waiting = passed;
    }

    fn launch_one(&mut self, lone: Lone) {
        count(&mut self.stats.lone, 1);
        self.lone_flying = self.lone_flying.saturating_add(1);
        let of_one = self.lone_of.entry(lone.read.caller).or_default();
        *of_one = of_one.saturating_add(1);
        let source = self.source.clone();
        self.flights.push(Box::pin(async move {
            let Read { at, travel, caller, .. } = lone.read;
            let answer = source.ask_one(at, &lone.read.ask, travel, caller).await;
            Landed::Lone(lone, answer)
        }));
    }

    fn send_headers(&mut self, reads: Vec<HeaderRead>) -> bool {
        let mut any = false;
        for HeaderRead { hash, answer } in reads {
            let waiting = self.headers.entry(hash).or_default();
            waiting.push(answer);
            if waiting.len() == 1 {
                any = true;
                let source = self.source.clone();
                self.flights.push(Box::pin(async move {
                    let answer = source.header(hash).await;
                    Landed::Header(hash, answer)
                }));
            }
        }
        any
    }

    fn chunk_landed(&mut self, chunk: Chunk, answer: ChunkAnswer) {
        if chunk.holds_round {
            self.holding = self.holding.saturating_sub(1);
        }
        match answer {
            ChunkAnswer::Results(results) => self.settle(chunk, chunk::judge(results)),
            ChunkAnswer::Unavailable(reason) => {
                for read in chunk.reads {
                    read.answer(Err(ReadError::Unavailable(reason.clone())));
                }
            }
            ChunkAnswer::NoMulticall => {
                self.source.multicall_missing(chunk.at);
                self.all_alone(chunk.reads, chunk.repeats);
            }
            ChunkAnswer::Failed(reason) => self.split(chunk, &reason),
        }
    }

    /// Answers what can be believed and asks again for the rest: a few alone, many together except
    /// for the first, which is the likeliest to have burned the gas, and then whatever fails again
    /// alone. So innocents cost one further round of few requests, the guilty is always heard alone.
    fn settle(&mut self, chunk: Chunk, verdicts: Vec<Verdict>) {
        let mut doubtful = VecDeque::new();
        for (read, verdict) in chunk.reads.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Answer(data) => {
                    self.served = true;
                    self.starved = self.starved.saturating_add(chunk.repeats.into());
                    read.answer(Ok(data));
                }
                Verdict::Refusal(revert) => read.answer(Err(ReadError::Reverted(revert))),
                Verdict::Doubtful => doubtful.push_back(read),
            }
        }
        doubtful.retain(|read| !read.is_forsaken());
        count(&mut self.stats.repeats, doubtful.len());
        if !chunk.repeats && doubtful.len() > REPEAT_ALONE_MAX {
            self.all_alone(doubtful.pop_front(), true);
            let (at, reads) = (chunk.at, doubtful.into());
            self.launch(Chunk { at, reads, holds_round: false, splits: 0, repeats: true });
        } else {
            self.all_alone(doubtful, true);
        }
    }

    /// Halves a chunk that the node or the EVM could not do; the halves go out together and hold
    /// up nobody else.
    fn split(&mut self, mut chunk: Chunk, reason: &str) {
        let Chunk { at, repeats, splits, .. } = chunk;
        tracing::debug!(
            chain = self.source.chain(),
            calls = chunk.reads.len(),
            splits,
            reason,
            "a batched read failed as a whole; asking in smaller parts"
        );
        chunk.reads.retain(|read| !read.is_forsaken());
        if splits >= MAX_SPLITS {
            return self.all_alone(chunk.reads, repeats);
        }
        let right = chunk.reads.split_off(chunk.reads.len().div_ceil(2));
        for reads in [chunk.reads, right] {
            let splits = splits.saturating_add(1);
            self.launch(Chunk { at, reads, holds_round: false, splits, repeats });
        }
    }

    fn all_alone(&mut self, reads: impl IntoIterator<Item = Read>, repeats: bool) {
        let lone = reads.into_iter().map(|read| Lone { read, repeats, holds_round: false });
        self.lone_waiting.extend(lone);
    }

    fn lone_landed(&mut self, lone: Lone, answer: Result<Bytes, CallError>) {
        let Lone { read, repeats, holds_round } = lone;
        if holds_round {
            self.holding = self.holding.saturating_sub(1);
        }
        self.lone_flying = self.lone_flying.saturating_sub(1);
        if let Some(of_one) = self.lone_of.get_mut(&read.caller) {
            *of_one = of_one.saturating_sub(1);
        }
        self.served |= answer.is_ok();
        if matches!(answer, Err(CallError::Refused { .. }))
            && read.travel == Travel::Shared
            && self.refused.len() < MAX_REFUSED
        {
            self.refused.push((read.ask.clone(), read.caller, read.at));
        }
        let answer = answer.map_err(|error| match error {
            CallError::Reverted(data) => ReadError::Reverted(Revert::decode(data)),
            CallError::Halted(_) => ReadError::Reverted(Revert::Empty),
            CallError::Refused { .. } => ReadError::Unavailable(error.to_string()),
            CallError::Unavailable(reason) => ReadError::Unavailable(reason),
        });
        if answer == Err(ReadError::Reverted(Revert::Empty)) && read.travel == Travel::Shared {
            self.guilty = self.guilty.saturating_add(1);
            self.convict(&read.ask, read.caller, read.at);
        } else if repeats && answer.is_ok() {
            self.starved = self.starved.saturating_add(1);
        }
        read.answer(answer);
    }

    /// A shared call failed without data when alone: it burns gas, or nobody can tell that it does
    /// not. Either way it would have to be repeated at every block, so it goes alone from the start.
    fn convict(&self, ask: &Ask, caller: Address, at: Pin) {
        if self.source.isolate(ask, caller, at) {
            let (chain, block) = (self.source.chain(), at.number);
            tracing::warn!(
                chain, block, %caller, call = ?ask,
                "a read spoils its batch and travels alone from now on"
            );
        }
    }

    fn header_landed(&mut self, hash: B256, answer: Result<Head, CallError>) {
        let answer = answer.map_err(|error| ReadError::Unavailable(error.to_string()));
        for waiting in self.headers.remove(&hash).unwrap_or_default() {
            drop(waiting.send(answer.clone()));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue.close();
        if self.served {
            for (ask, caller, at) in &self.refused {
                self.convict(ask, *caller, *at);
            }
        }
        if self.starved > 0 && self.guilty == 0 {
            self.source.shrink_chunks(self.head);
        }
    }
}

fn count(counter: &mut u64, by: usize) {
    *counter = counter.saturating_add(u64::try_from(by).unwrap_or(u64::MAX));
}
