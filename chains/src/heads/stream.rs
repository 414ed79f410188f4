//! The task that turns hints into heads.

use std::{pin::pin, time::Duration};

use alloy::primitives::B256;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    Head, HeadEvent, HeadsError,
    known::Known,
    link::{self, LinkError, Linked, link_within},
    poll::Cadence,
    reports::{Reports, Verdict},
    vote::{DEPTH, Outcome, Relation, Vote},
    ws,
};
use crate::{
    pool::{Pool, Sighting},
    profile::ChainProfile,
};

/// Follows one chain and tells its heads.
#[derive(Debug)]
pub struct HeadStream {
    pool: Pool,
    block_time: Duration,
    stale_after: Duration,
    ws: ws::Settings,
    known: Known,
    reports: Reports,
    vote: Vote,
    /// Questions of the vote under way, one for an endpoint at most.
    questions: FuturesUnordered<BoxFuture<'static, Told>>,
    /// Links that failed in a row, for a parent that is nowhere to be had.
    lost_parents: u32,
}

/// What to do with a head that leads away further than a reorganisation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Far {
    /// Have the vote ask about it, unless the endpoint is alone.
    Asks,
    /// Follow it: the vote was held.
    Follows,
}

/// An endpoint's answer about its block at a height.
#[derive(Debug)]
struct Told {
    endpoint: usize,
    number: u64,
    hash: Option<B256>,
}

/// Links that may fail in a row before the stream starts over from the newest head.
const MAX_LOST_PARENTS: u32 = 5;
/// Subscriptions' heads in waiting. When it is full they wait in turn.
const PUSHED: usize = 64;

impl HeadStream {
    /// Prepares to follow the chain of a profile; no IO yet.
    pub fn new(pool: Pool, profile: &ChainProfile) -> Self {
        let pool_size = pool.reader_count();
        let reports = Reports::new(pool_size, profile.block_time);
        Self {
            ws: ws::Settings {
                chain_id: profile.chain_id,
                block_time: profile.block_time,
                io: profile.request_timeout,
            },
            pool,
            block_time: profile.block_time,
            stale_after: profile.stale_after,
            known: Known::default(),
            vote: Vote::new(pool_size, reports.patience()),
            questions: FuturesUnordered::new(),
            reports,
            lost_parents: 0,
        }
    }

    /// Follows the chain until stopped.
    ///
    /// A consumer that is slow holds the stream up: it waits for room in the channel, and fills
    /// in afterwards what it did not hear meanwhile. So no head is lost, and the memory in use
    /// stays bounded, but the heads told are as late as the consumer.
    ///
    /// # Errors
    /// When the receiver is dropped.
    pub async fn run(
        mut self,
        out: mpsc::Sender<HeadEvent>,
        stop: CancellationToken,
    ) -> Result<(), HeadsError> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            outcome = self.follow(&out) => outcome,
        }
    }

    async fn follow(&mut self, out: &mpsc::Sender<HeadEvent>) -> Result<(), HeadsError> {
        let mut sightings = self.pool.sightings();
        let (push, mut pushed) = mpsc::channel(PUSHED);
        let live = ws::Live::default();
        // Owned here, so the subscriptions end with the stream.
        let mut tasks = JoinSet::new();
        for (place, url) in self.pool.subscriptions() {
            tasks.spawn(ws::follow(url, place, self.ws.clone(), push.clone(), live.clone()));
        }
        let pool = self.pool.clone();
        let mut cadence = Cadence::new(self.block_time, Instant::now());
        let mut polling = pin!(None);
        let mut last_new = Instant::now();
        let mut stalled = false;
        loop {
            let told = tokio::select! {
                Some((place, head)) = pushed.recv() => {
                    self.pool.pushed_head(place, head);
                    false
                }
                sighting = sightings.recv() => match sighting {
                    Ok(sighting) => self.take(sighting, out).await?,
                    // Something newer is in the channel.
                    Err(broadcast::error::RecvError::Lagged(_)) => false,
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                Some(outcome) = next(polling.as_mut()), if polling.is_some() => {
                    if let Err(error) = outcome {
                        debug!(%error, "polling for a head failed");
                    }
                    polling.set(None);
                    cadence.polled(Instant::now());
                    false
                }
                Some(told) = self.questions.next(), if !self.questions.is_empty() => {
                    self.vote.told(told.endpoint, told.number, told.hash);
                    self.settle(told.endpoint, out).await?
                }
                () = sleep_until(cadence.next(live.any())), if polling.is_none() => {
                    polling.set(Some(pool.poll_head(cadence.turn())));
                    false
                }
                () = live.changed() => {
                    // Whatever was missed while there was no subscription, or from now on.
                    cadence.hurry();
                    false
                }
                () = sleep_until(last_new + self.stale_after), if !stalled => {
                    stalled = true;
                    tell(out, HeadEvent::Stalled(last_new.elapsed())).await?;
                    false
                }
            };
            if told {
                last_new = Instant::now();
                stalled = false;
                if let Some(top) = self.known.top() {
                    cadence.found(top.number, last_new);
                }
            }
        }
    }

    /// Draws the consequences of a sighting. Returns whether there was a new head.
    async fn take(
        &mut self,
        sighting: Sighting,
        out: &mpsc::Sender<HeadEvent>,
    ) -> Result<bool, HeadsError> {
        let (endpoint, now) = (sighting.endpoint, Instant::now());
        let relation = Relation::of(&sighting.head, &self.known);
        self.vote.heard(endpoint, sighting.head, relation, now);
        let told =
            if self.vote.is_apart(endpoint) { false } else { self.judge(sighting, out).await? };
        Ok(self.settle(endpoint, out).await? || told)
    }

    async fn judge(
        &mut self,
        sighting: Sighting,
        out: &mpsc::Sender<HeadEvent>,
    ) -> Result<bool, HeadsError> {
        match self.reports.judge(sighting, &self.known, Instant::now()) {
            Verdict::Nothing => Ok(false),
            Verdict::Link => self.link(sighting.endpoint, sighting.head, Far::Asks, out).await,
            Verdict::RolledBack(to) => {
                warn!(chain_head = to.number, "the chain went back");
                let dropped = self.known.truncate(to.number);
                self.pool.note_head(&to);
                self.reports.follow(sighting.endpoint);
                tell(out, HeadEvent::Reorg { to, dropped }).await?;
                Ok(false)
            }
            Verdict::StartOver => self.start_over(sighting.endpoint, sighting.head, out).await,
        }
    }

    /// Asks what the vote wants to know of an endpoint, and follows another chain if that is what it
    /// comes to. Returns whether there was a new head.
    async fn settle(
        &mut self,
        endpoint: usize,
        out: &mpsc::Sender<HeadEvent>,
    ) -> Result<bool, HeadsError> {
        let now = Instant::now();
        if let Some(number) = self.vote.question(endpoint, &self.known, now) {
            let pool = self.pool.clone();
            let ask = async move {
                let hash = pool.hash_at(endpoint, number).await;
                Told { endpoint, number, hash }
            };
            self.questions.push(ask.boxed());
        }
        let told = match self.vote.outcome(now) {
            Outcome::Stay => false,
            Outcome::Switch { endpoint, head } => {
                let told = self.link(endpoint, head, Far::Follows, out).await?;
                if self.known.top().is_some_and(|top| top.hash == head.hash) {
                    warn!(head = head.number, "the endpoints' vote changed the chain followed");
                    self.vote.switched(endpoint);
                }
                told
            }
        };
        self.pool.judged(&self.vote.apart(), self.vote.dispute(now));
        Ok(told)
    }

    /// Links a head of an endpoint. One that leads further away than a reorganisation does is only
    /// followed if nobody else has a say, or the vote has been held.
    async fn link(
        &mut self,
        endpoint: usize,
        head: Head,
        far: Far,
        out: &mpsc::Sender<HeadEvent>,
    ) -> Result<bool, HeadsError> {
        let source = link::FromEndpoint { pool: &self.pool, place: endpoint };
        let asks = far == Far::Asks && !self.vote.is_alone(endpoint, Instant::now());
        let (patience, depth) = (self.reports.patience(), asks.then_some(DEPTH));
        let linked = link_within(patience, &self.known, head, &source, depth).await;
        let heads = match linked {
            Ok(Linked::Extends(heads)) => heads,
            Ok(Linked::Skips(head)) => {
                warn!(to = head.number, "too far behind: blocks are left out");
                self.known = Known::default();
                vec![head]
            }
            Ok(Linked::Forks { to, .. }) if asks && self.is_far(to) => {
                self.vote.suspect(endpoint);
                return Ok(false);
            }
            Ok(Linked::Forks { to, heads }) => {
                let dropped = self.known.truncate(to.number);
                info!(to = to.number, dropped, "reorganisation");
                tell(out, HeadEvent::Reorg { to, dropped }).await?;
                heads
            }
            Ok(Linked::Unrelated) if asks => {
                self.vote.suspect(endpoint);
                return Ok(false);
            }
            Ok(Linked::Unrelated) => return self.start_over(endpoint, head, out).await,
            Err(error) => {
                debug!(%error, "a head could not be linked yet");
                match error {
                    LinkError::ParentUnknown(_) => self.lost_parents += 1,
                    // The others are to be heard rather than waited for.
                    LinkError::Late(_) if asks => {}
                    LinkError::Late(_) if far == Far::Follows => {
                        return self.start_over(endpoint, head, out).await;
                    }
                    LinkError::Late(_) => self.lost_parents += 1,
                    LinkError::Fetch(_) => {}
                }
                // Where there are others, one of them will have what is missing.
                let most = if asks { 4 * MAX_LOST_PARENTS } else { MAX_LOST_PARENTS };
                if self.lost_parents > most {
                    return self.start_over(endpoint, head, out).await;
                }
                return Ok(false);
            }
        };
        self.lost_parents = 0;
        self.reports.follow(endpoint);
        if far == Far::Asks {
            self.vote.heard(endpoint, head, Relation::Fits, Instant::now());
        }
        for head in heads {
            self.known.push(head);
            self.pool.note_head(&head);
            tell(out, HeadEvent::Head(head)).await?;
        }
        Ok(true)
    }

    fn is_far(&self, ancestor: Head) -> bool {
        let top = self.known.top().map_or(0, |top| top.number);
        top.saturating_sub(ancestor.number) > DEPTH
    }

    /// The chain cannot be linked to what was told: begin again from this head.
    async fn start_over(
        &mut self,
        endpoint: usize,
        head: Head,
        out: &mpsc::Sender<HeadEvent>,
    ) -> Result<bool, HeadsError> {
        warn!(head = head.number, "the chain cannot be linked to the heads told; starting over");
        let oldest = self.known.oldest().copied();
        if let Some(to) = oldest {
            let dropped = self.known.truncate(to.number);
            tell(out, HeadEvent::Reorg { to, dropped }).await?;
        }
        self.lost_parents = 0;
        self.reports.follow(endpoint);
        self.known = Known::default();
        self.known.push(head);
        self.pool.note_head(&head);
        tell(out, HeadEvent::Head(head)).await?;
        Ok(true)
    }
}

async fn tell(out: &mpsc::Sender<HeadEvent>, event: HeadEvent) -> Result<(), HeadsError> {
    out.send(event).await.map_err(|_| HeadsError::ConsumerGone)
}

/// The outcome of a future that may not be there; `None` without one.
async fn next<F: Future>(future: std::pin::Pin<&mut Option<F>>) -> Option<F::Output> {
    Some(future.as_pin_mut()?.await)
}
