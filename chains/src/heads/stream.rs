//! The task that turns hints into heads.

use std::{pin::pin, time::Duration};

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
    link::{self, LinkError, Linked, link},
    poll::Cadence,
    reports::{Reports, Verdict},
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
    /// Links that failed in a row, for a parent that is nowhere to be had.
    lost_parents: u32,
}

/// Links that may fail in a row before the stream starts over from the newest head.
const MAX_LOST_PARENTS: u32 = 5;
/// Subscriptions' heads in waiting. When it is full they wait in turn.
const PUSHED: usize = 64;

impl HeadStream {
    /// Prepares to follow the chain of a profile; no IO yet.
    pub fn new(pool: Pool, profile: &ChainProfile) -> Self {
        let reports = Reports::new(pool.reader_count(), profile.block_time);
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
                () = sleep_until(cadence.next(live.any())), if polling.is_none() => {
                    polling.set(Some(pool.poll_head()));
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
        match self.reports.judge(sighting, &self.known, Instant::now()) {
            Verdict::Nothing => Ok(false),
            Verdict::Link => self.link(sighting, out).await,
            Verdict::RolledBack(to) => {
                warn!(chain_head = to.number, "the chain went back");
                let dropped = self.known.truncate(to.number);
                self.pool.note_head(&to);
                self.reports.follow(sighting.endpoint);
                tell(out, HeadEvent::Reorg { to, dropped }).await?;
                Ok(false)
            }
            Verdict::StartOver => self.start_over(sighting.head, out).await,
        }
    }

    async fn link(
        &mut self,
        sighting: Sighting,
        out: &mpsc::Sender<HeadEvent>,
    ) -> Result<bool, HeadsError> {
        let source = link::FromEndpoint { pool: &self.pool, place: sighting.endpoint };
        let linked = link(&self.known, sighting.head, &source).await;
        let heads = match linked {
            Ok(Linked::Extends(heads)) => heads,
            Ok(Linked::Skips(head)) => {
                warn!(to = head.number, "too far behind: blocks are left out");
                self.known = Known::default();
                vec![head]
            }
            Ok(Linked::Forks { to, heads }) => {
                let dropped = self.known.truncate(to.number);
                info!(to = to.number, dropped, "reorganisation");
                tell(out, HeadEvent::Reorg { to, dropped }).await?;
                heads
            }
            Ok(Linked::Unrelated) => return self.start_over(sighting.head, out).await,
            Err(error) => {
                debug!(%error, "a head could not be linked yet");
                if let LinkError::ParentUnknown(_) = error {
                    self.lost_parents += 1;
                }
                if self.lost_parents > MAX_LOST_PARENTS {
                    return self.start_over(sighting.head, out).await;
                }
                return Ok(false);
            }
        };
        self.lost_parents = 0;
        self.reports.follow(sighting.endpoint);
        self.reports.confirmed();
        for head in heads {
            self.known.push(head);
            self.pool.note_head(&head);
            tell(out, HeadEvent::Head(head)).await?;
        }
        Ok(true)
    }

    /// The chain cannot be linked to what was told: begin again from this head.
    async fn start_over(
        &mut self,
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
        self.reports.confirmed();
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
