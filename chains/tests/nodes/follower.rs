//! A consumer of the head stream that keeps a copy of the chain, and trusts nothing: every event
//! must fit the copy.

use std::time::Duration;

use ballast_chains::{
    ChainProfile, Head,
    heads::{HeadEvent, HeadStream},
    pool::Pool,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::chain::DEADLINE;

pub(crate) struct Follower {
    pub(crate) pool: Pool,
    /// The chain as told so far.
    pub(crate) heads: Vec<Head>,
    pub(crate) reorgs: Vec<(u64, u64)>,
    pub(crate) stalls: Vec<Duration>,
    /// The chain may be replaced as a whole: the head after a reorganisation need not fit.
    replaceable: bool,
    events: mpsc::Receiver<HeadEvent>,
    _tasks: JoinSet<()>,
}

impl Follower {
    /// Follows a chain with a channel of some capacity, probes running beside.
    pub(crate) fn start(profile: &ChainProfile, capacity: usize) -> Self {
        let pool = Pool::new(profile).unwrap();
        let (out, events) = mpsc::channel(capacity);
        let stop = CancellationToken::new();
        let stream = HeadStream::new(pool.clone(), profile);
        let mut tasks = JoinSet::new();
        tasks.spawn(pool.clone().run(stop.clone()));
        tasks.spawn(async move { drop(stream.run(out, stop).await) });
        let (heads, reorgs, stalls) = (Vec::new(), Vec::new(), Vec::new());
        Self { pool, heads, reorgs, stalls, replaceable: false, events, _tasks: tasks }
    }

    /// The number and hash of the newest head told.
    pub(crate) fn top(&self) -> Option<(u64, alloy::primitives::B256)> {
        self.heads.last().map(|head| (head.number, head.hash))
    }

    /// From now on the chain may be replaced as a whole.
    pub(crate) fn restart_allowed(&mut self) {
        self.replaceable = true;
    }

    /// Takes events until the copy satisfies a condition.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !holds(self) {
            let event = timeout_at(end, self.events.recv()).await.unwrap_or_else(|_| {
                let (top, reorgs) = (self.top(), &self.reorgs);
                panic!("waited {DEADLINE:?} for {what}; at {top:?}, reorgs {reorgs:?}")
            });
            self.apply(event.expect("the stream ended"));
        }
    }

    /// Takes whatever is told within a span; returns how many events that were.
    pub(crate) async fn listen(&mut self, span: Duration) -> usize {
        let end = Instant::now() + span;
        let mut count = 0;
        while let Ok(event) = timeout_at(end, self.events.recv()).await {
            self.apply(event.expect("the stream ended"));
            count += 1;
        }
        count
    }

    fn apply(&mut self, event: HeadEvent) {
        match event {
            HeadEvent::Head(head) => {
                if self.replaceable && self.reorgs.len() == 1 {
                    self.replaceable = false;
                    self.heads.clear();
                }
                if let Some(top) = self.heads.last() {
                    assert_eq!(head.parent, top.hash, "{} told after {}", head.number, top.number);
                    assert_eq!(head.number, top.number + 1);
                }
                self.heads.push(head);
            }
            HeadEvent::Reorg { to, dropped } => {
                let place = self.heads.iter().position(|head| *head == to);
                let place = place.unwrap_or_else(|| panic!("{} was never told", to.number));
                let above = self.heads.len() - place - 1;
                assert_eq!(u64::try_from(above).unwrap(), dropped);
                self.heads.truncate(place + 1);
                self.reorgs.push((to.number, dropped));
            }
            HeadEvent::Stalled(age) => self.stalls.push(age),
        }
    }
}
