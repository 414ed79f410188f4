//! The faults in force, and what they mean for a request.

use super::{
    Fork, Mempool,
    fault::{Fault, Rewriter, Rule},
};
use crate::{
    json_rpc::{Request, RpcFailure},
    lock,
    request_log::ConnectionKind,
};
use serde_json::Value;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The faults in force, in the order they were added.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    active: Arc<Mutex<Vec<Active>>>,
}

#[derive(Debug)]
struct Active {
    rule: Rule,
    /// Matching requests so far, those that were let pass included.
    seen: u64,
    fired: Arc<AtomicU64>,
}

impl Active {
    /// Whether it takes effect this time; counts it if so.
    fn fire(&mut self) -> bool {
        let turn = self.seen;
        let last = self.rule.limit.map_or(u64::MAX, |limit| self.rule.skip.saturating_add(limit));
        self.seen = self.seen.saturating_add(1);
        let fires = turn >= self.rule.skip && turn < last;
        if fires {
            self.fired.fetch_add(1, Ordering::SeqCst);
        }
        fires
    }
}

/// An injected fault. Dropping the handle leaves the fault in force.
#[derive(Debug, Clone)]
#[must_use = "a fault that is not seen to fire proves nothing"]
pub struct FaultHandle {
    fired: Arc<AtomicU64>,
    rules: Rules,
}

impl FaultHandle {
    /// How many requests or notifications it befell.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::SeqCst)
    }

    /// Takes the fault out of force; what hangs keeps hanging.
    pub fn remove(&self) {
        lock(&self.rules.active).retain(|active| !Arc::ptr_eq(&active.fired, &self.fired));
    }
}

impl Rules {
    pub(super) fn add(&self, rule: Rule) -> FaultHandle {
        let fired = Arc::new(AtomicU64::new(0));
        lock(&self.active).push(Active { rule, seen: 0, fired: Arc::clone(&fired) });
        FaultHandle { fired, rules: self.clone() }
    }

    pub(super) fn clear(&self) {
        lock(&self.active).clear();
    }

    /// What befalls a request that has just arrived.
    pub(super) fn plan(&self, kind: ConnectionKind, request: &Request) -> Plan {
        let mut plan = Plan::default();
        let mut rules = lock(&self.active);
        // What is replaced is not altered as well, and a fault without effect must not fire.
        for altering in [false, true] {
            for active in rules.iter_mut().filter(|a| a.rule.fault.alters() == altering) {
                if active.rule.matches(kind, &request.method, &request.params)
                    && plan.has_room_for(&active.rule.fault)
                    && active.fire()
                {
                    plan.add(&active.rule.fault);
                }
            }
        }
        plan
    }

    /// What befalls the next notification.
    pub(super) fn plan_head(&self) -> HeadPlan {
        let mut plan = HeadPlan::default();
        for active in lock(&self.active).iter_mut() {
            if active.rule.matches_heads() && active.fire() {
                plan.add(&active.rule.fault);
            }
        }
        plan
    }
}

/// What befalls one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) delay: Duration,
    pub(super) instead: Option<Instead>,
    /// Blocks that the head seems older.
    pub(super) lag: Option<u64>,
    pub(super) chain_id: Option<u64>,
    pub(super) fork: Option<Fork>,
    /// Who keeps raw transactions in place of the node.
    pub(super) hold: Option<Mempool>,
    pub(super) rewrites: Vec<Rewriter>,
}

/// What happens in place of a plain answer.
#[derive(Debug, Clone)]
pub(super) enum Instead {
    Hang,
    Drop,
    Status { code: u16, retry_after: Option<Duration> },
    Garbage,
    Truncate,
    ForwardThenHang,
    ForwardThenDrop,
    Error(RpcFailure),
    StatusError { code: u16, failure: RpcFailure },
    Answer(Value),
    SwallowRaw,
}

impl Plan {
    /// Whether the node's own answer reaches the caller unchanged.
    pub(super) fn is_plain(&self) -> bool {
        self.instead.is_none() && !self.alters()
    }

    pub(super) fn alters(&self) -> bool {
        self.lag.is_some()
            || self.chain_id.is_some()
            || self.fork.is_some()
            || self.hold.is_some()
            || !self.rewrites.is_empty()
    }

    /// A fault that another one has already pre-empted does not fire.
    fn has_room_for(&self, fault: &Fault) -> bool {
        match self.instead {
            None => true,
            // Forwarded to the mempool.
            Some(Instead::ForwardThenHang | Instead::ForwardThenDrop) => {
                matches!(fault, Fault::Delay(_) | Fault::Hold(_))
            }
            Some(_) => matches!(fault, Fault::Delay(_)),
        }
    }

    fn add(&mut self, fault: &Fault) {
        let instead = match fault {
            Fault::Delay(more) => {
                self.delay = self.delay.saturating_add(*more);
                return;
            }
            Fault::Lag(behind) => {
                self.lag = self.lag.max(Some(*behind));
                return;
            }
            Fault::WrongChainId(id) => {
                self.chain_id = Some(*id);
                return;
            }
            Fault::Fork(fork) => {
                self.fork = Some(fork.clone());
                return;
            }
            Fault::Hold(pool) => {
                self.hold = Some(pool.clone());
                return;
            }
            Fault::Rewrite(rewriter) => {
                self.rewrites.push(rewriter.clone());
                return;
            }
            Fault::DuplicateHeads | Fault::SwapHeads | Fault::DropHeads | Fault::CutWs => return,
            Fault::Hang => Instead::Hang,
            Fault::Drop => Instead::Drop,
            Fault::Status { code, retry_after } => {
                Instead::Status { code: *code, retry_after: *retry_after }
            }
            Fault::Garbage => Instead::Garbage,
            Fault::Truncate => Instead::Truncate,
            Fault::ForwardThenHang => Instead::ForwardThenHang,
            Fault::ForwardThenDrop => Instead::ForwardThenDrop,
            Fault::RpcError(failure) => Instead::Error(failure.clone()),
            Fault::StatusError { code, failure } => {
                Instead::StatusError { code: *code, failure: failure.clone() }
            }
            Fault::Answer(result) => Instead::Answer(result.clone()),
            Fault::SwallowRaw => Instead::SwallowRaw,
        };
        self.instead = Some(instead);
    }
}

/// What befalls one notification.
#[derive(Debug, Default)]
pub(super) struct HeadPlan {
    pub(super) lag: u64,
    pub(super) fork: Option<Fork>,
    pub(super) duplicate: bool,
    pub(super) swap: bool,
    pub(super) discard: bool,
    pub(super) cut: bool,
}

impl HeadPlan {
    fn add(&mut self, fault: &Fault) {
        match fault {
            Fault::Lag(behind) => self.lag = self.lag.max(*behind),
            Fault::Fork(fork) => self.fork = Some(fork.clone()),
            Fault::DuplicateHeads => self.duplicate = true,
            Fault::SwapHeads => self.swap = true,
            Fault::DropHeads => self.discard = true,
            Fault::CutWs => self.cut = true,
            Fault::Hang
            | Fault::Delay(_)
            | Fault::Status { .. }
            | Fault::RpcError(_)
            | Fault::StatusError { .. }
            | Fault::Answer(_)
            | Fault::Drop
            | Fault::Truncate
            | Fault::Garbage
            | Fault::ForwardThenHang
            | Fault::ForwardThenDrop
            | Fault::SwallowRaw
            | Fault::WrongChainId(_)
            | Fault::Hold(_)
            | Fault::Rewrite(_) => {}
        }
    }
}
