//! What was asked of a node, in the order it came in.
//!
//! Time here is a counter that moves by one at every start and every end of a request, so "this
//! one started after that one had ended" has an exact answer that no clock resolution blurs.

mod rounds;

use crate::{
    json_rpc::{BlockRef, Request},
    lock,
};
use alloy::primitives::{Address, Bytes};
use rounds::{Interval, depth, overlap};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Requests kept with their parameters; a long run forgets its oldest.
const MAX_RECORDS: usize = 50_000;
/// Bytes of request bodies kept: batched reads of many products are large.
const MAX_BYTES: usize = 64 << 20;

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionKind {
    /// In the body of a POST.
    Http,
    /// In a WebSocket frame, or as the upgrade itself.
    Ws,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Arrival order, from 0 since the start of the log.
    pub seq: u64,
    /// The JSON-RPC method, or [`WS_CONNECT`](crate::WS_CONNECT).
    pub method: String,
    /// Its parameters, usually an array.
    pub params: Arc<Value>,
    /// HTTP or WebSocket.
    pub kind: ConnectionKind,
    /// Which connection it came over, counted from 0 for each server.
    pub connection: u64,
    /// Which body or frame it came in; the members of a batch share it.
    pub packet: u64,
    /// When it arrived.
    pub at: Instant,
    /// How long until the answer was ready, or the caller gone; `None` while it is open.
    pub took: Option<Duration>,
    ticks: Interval,
    bytes: usize,
}

impl Recorded {
    /// The block that it asks about, for methods that name one.
    #[must_use]
    pub fn block(&self) -> Option<BlockRef> {
        BlockRef::of(&self.method, &self.params)
    }

    /// Its parts, if it is an `eth_call`.
    #[must_use]
    pub fn call(&self) -> Option<CallRecord> {
        let block = (self.method == "eth_call").then(|| self.block()).flatten()?;
        let call = self.params.get(0)?;
        let text = |field| call.get(field).and_then(Value::as_str);
        Some(CallRecord {
            seq: self.seq,
            packet: self.packet,
            block,
            from: text("from").and_then(|from| from.parse().ok()),
            to: text("to").and_then(|to| to.parse().ok()),
            data: text("input").or_else(|| text("data")).and_then(|data| data.parse().ok()),
        })
    }
}

/// The parts of an `eth_call` that tests look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// See [`Recorded::seq`].
    pub seq: u64,
    /// See [`Recorded::packet`].
    pub packet: u64,
    /// The block it is pinned to.
    pub block: BlockRef,
    /// The sender, if one is given.
    pub from: Option<Address>,
    /// The contract.
    pub to: Option<Address>,
    /// The call data, if it is well-formed.
    pub data: Option<Bytes>,
}

/// A shared, bounded record of requests; clones share it.
///
/// Counts are exact. The requests themselves are kept up to 50,000 of them or 64 MiB, the newest;
/// [`Self::forgotten`] says how many fell out.
#[derive(Debug, Clone, Default)]
pub struct RequestLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: VecDeque<Recorded>,
    counts: BTreeMap<String, u64>,
    bytes: usize,
    next_seq: u64,
    next_packet: u64,
    tick: u64,
    forgotten: u64,
}

impl RequestLog {
    /// How often a method was asked for.
    #[must_use]
    pub fn count(&self, method: &str) -> u64 {
        lock(&self.inner).counts.get(method).copied().unwrap_or(0)
    }

    /// How often each method was asked for.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        lock(&self.inner).counts.clone()
    }

    /// Every request that is kept, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.inner).records.iter().cloned().collect()
    }

    /// Every `eth_call` that is kept, in order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        lock(&self.inner).records.iter().filter_map(Recorded::call).collect()
    }

    /// Requests that were counted but fell out of the record.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        lock(&self.inner).forgotten
    }

    /// Starts over. Requests under way are forgotten too.
    pub fn clear(&self) {
        let mut inner = lock(&self.inner);
        inner.records.clear();
        inner.counts.clear();
        inner.bytes = 0;
        inner.forgotten = 0;
    }

    /// Sequential rounds of `eth_call`s per block: the longest chain of calls of which each
    /// started after the one before had ended.
    ///
    /// Calls sent together can only be told from calls sent in turn if they overlap here: give
    /// `eth_call` a [`Fault::Delay`](crate::Fault::Delay) of some tens of milliseconds, which
    /// makes the figure independent of how fast the node answers.
    #[must_use]
    pub fn rounds_per_block(&self) -> BTreeMap<BlockRef, usize> {
        let mut calls: BTreeMap<BlockRef, Vec<Interval>> = BTreeMap::new();
        for record in lock(&self.inner).records.iter().filter(|r| r.method == "eth_call") {
            if let Some(block) = record.block() {
                calls.entry(block).or_default().push(record.ticks);
            }
        }
        calls.into_iter().map(|(block, intervals)| (block, depth(intervals))).collect()
    }

    /// The most requests of a method (or of any, for `None`) that were open at one time.
    #[must_use]
    pub fn max_concurrency(&self, method: Option<&str>) -> usize {
        let inner = lock(&self.inner);
        let wanted = |record: &&Recorded| method.is_none_or(|method| record.method == method);
        overlap(inner.records.iter().filter(wanted).map(|record| record.ticks))
    }

    /// Records the arrival of a packet; its requests end when the guard is dropped.
    pub(crate) fn begin(
        &self,
        kind: ConnectionKind,
        connection: u64,
        requests: &[Request],
        bytes: usize,
    ) -> InFlight {
        let mut inner = lock(&self.inner);
        let packet = inner.next_packet;
        inner.next_packet += 1;
        let first = inner.next_seq;
        let share = bytes / requests.len().max(1);
        for request in requests {
            inner.push(kind, connection, packet, request, share);
        }
        InFlight { log: self.clone(), seqs: first..inner.next_seq }
    }
}

impl Inner {
    fn push(
        &mut self,
        kind: ConnectionKind,
        connection: u64,
        packet: u64,
        request: &Request,
        bytes: usize,
    ) {
        self.records.push_back(Recorded {
            seq: self.next_seq,
            method: request.method.clone(),
            params: Arc::new(request.params.clone()),
            kind,
            connection,
            packet,
            at: Instant::now(),
            took: None,
            ticks: Interval { start: self.tick, end: None },
            bytes,
        });
        self.tick += 1;
        self.next_seq += 1;
        self.bytes += bytes;
        *self.counts.entry(request.method.clone()).or_default() += 1;
        while self.records.len() > MAX_RECORDS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= oldest.bytes;
            self.forgotten += 1;
        }
    }

    fn end(&mut self, seq: u64) {
        let tick = self.tick;
        self.tick += 1;
        if let Ok(index) = self.records.binary_search_by_key(&seq, |record| record.seq)
            && let Some(record) = self.records.get_mut(index)
        {
            record.took = Some(record.at.elapsed());
            record.ticks.end = Some(tick);
        }
    }
}

/// Requests under way.
#[derive(Debug)]
pub(crate) struct InFlight {
    log: RequestLog,
    seqs: std::ops::Range<u64>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut inner = lock(&self.log.inner);
        for seq in self.seqs.clone() {
            inner.end(seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use serde_json::json;

    fn read(block: B256) -> Request {
        Request::new("eth_call", json!([{ "to": Address::ZERO, "input": "0x01" }, block]))
    }

    #[test]
    fn rounds_are_counted_for_each_block_by_itself() {
        let log = RequestLog::default();
        let begin = |block| log.begin(ConnectionKind::Http, 0, &[read(block)], 10);
        let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));

        let together = (begin(one), begin(one), begin(two));
        drop(together);
        drop(begin(one));

        let rounds = log.rounds_per_block();
        assert_eq!(rounds[&BlockRef::from(one)], 2);
        assert_eq!(rounds[&BlockRef::from(two)], 1);
        assert_eq!(log.max_concurrency(None), 3);
        assert_eq!(log.max_concurrency(Some("eth_chainId")), 0);
        assert_eq!(log.count("eth_call"), 4);
        let first = log.calls().swap_remove(0);
        assert_eq!((first.to, first.data), (Some(Address::ZERO), Some(Bytes::from([1]))));
    }

    #[test]
    fn clearing_forgets_what_is_under_way() {
        let log = RequestLog::default();
        let open = log.begin(ConnectionKind::Ws, 0, &[read(B256::ZERO)], 10);
        log.clear();
        drop(open);
        drop(log.begin(ConnectionKind::Ws, 0, &[read(B256::ZERO)], 10));
        assert_eq!(log.requests().len(), 1);
        assert!(log.requests()[0].took.is_some());
    }

    #[test]
    fn large_bodies_push_the_oldest_out_but_stay_counted() {
        let log = RequestLog::default();
        for _ in 0..3 {
            drop(log.begin(ConnectionKind::Http, 0, &[read(B256::ZERO)], MAX_BYTES / 2));
        }
        assert_eq!((log.requests().len(), log.forgotten(), log.count("eth_call")), (2, 1, 3));
    }
}
