//! One chain's loop: heads in, assessments out.
//!
//! It owns what the products of a chain share (pool, head stream, read batcher) and nothing else.
//! A newer head never cancels a running assessment: heads that arrive meanwhile collapse to the
//! newest, which is assessed next. A product whose assessment hangs keeps only its own seat busy.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ballast_chains::{
    ChainProfile, Head,
    driver::{Job, Outcome, drive},
    heads::{HeadEvent, HeadStream},
    pool::Pool,
    reader::BlockSource,
};
use eyre::{Result, bail};
use metrics::Histogram;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    feeds::{Brought, CALLER, FeedDesk},
    seat::Seat,
    status::Board,
    wiring::Group,
};

/// Heads waiting between the stream and this loop; the stream waits when it is full.
const HEADS_BUFFERED: usize = 256;

/// A chain and the products that live on it.
pub(crate) struct ChainUnit {
    profile: Arc<ChainProfile>,
    pool: Pool,
    source: BlockSource,
    seats: Vec<Seat>,
    feeds: FeedDesk,
    wake: Arc<Notify>,
    board: Board,
    /// The newest head, for whoever follows the chain beside the products.
    heads: watch::Sender<Option<Head>>,
    begun: bool,
    newest: Option<(Head, Instant)>,
    last_turn: Option<Instant>,
    assess_seconds: Histogram,
}

/// A seat and the number of its assessment.
type SeatTurn = (usize, u64);

/// What a job of a driver is for: a seat's turn, or the feeds of the chain (`None`).
type JobKey = Option<SeatTurn>;

/// Which assessments each running driver has, so that one that dies frees just those.
type Drivers = HashMap<tokio::task::Id, Vec<SeatTurn>>;

/// The end of one job.
struct Done {
    key: JobKey,
    head: Head,
    seen: Instant,
    outcome: Outcome<Brought>,
}

impl ChainUnit {
    pub(crate) fn new(group: Group, board: Board) -> Self {
        let Group { profile, pool, source, seats, feeds, wake, specs: _, clients: _ } = group;
        board.enter_chain(&profile.name);
        let chain = profile.name.clone();
        let assess_seconds = metrics::histogram!("ballast_assess_seconds", "chain" => chain);
        Self {
            profile,
            pool,
            source,
            seats,
            feeds,
            wake,
            board,
            heads: watch::Sender::new(None),
            begun: false,
            newest: None,
            last_turn: None,
            assess_seconds,
        }
    }

    /// The newest head, from the first on.
    pub(crate) fn heads(&self) -> watch::Receiver<Option<Head>> {
        self.heads.subscribe()
    }

    /// Runs until stopped. Ends early only when a part that must not end did.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<()> {
        let (heads_in, mut heads) = mpsc::channel(HEADS_BUFFERED);
        // A seat has at most one assessment under way, and one of a driver that died meanwhile. Each
        // driver may have one reading of the feeds besides.
        let room = self.seats.len().saturating_mul(4).max(1);
        let (done_in, mut done) = mpsc::channel(room);
        let mut parts: JoinSet<&'static str> = JoinSet::new();
        self.start_parts(&mut parts, heads_in, &stop);
        let mut drivers = JoinSet::new();
        let mut driven = Drivers::new();
        loop {
            let wake = self.start_turns(&mut drivers, &mut driven, &done_in);
            tokio::select! {
                // First: the parts end at a stop too, and then that is no failure.
                biased;
                () = stop.cancelled() => break,
                Some(first) = done.recv() => {
                    self.on_done(first);
                    // What has come meanwhile, before the seats are looked through again.
                    while let Ok(next) = done.try_recv() {
                        self.on_done(next);
                    }
                }
                Some(event) = heads.recv() => {
                    self.on_head_event(event);
                    // Only the newest matters from here on.
                    while let Ok(event) = heads.try_recv() {
                        self.on_head_event(event);
                    }
                }
                Some(ended) = drivers.join_next_with_id() => {
                    let (id, panic) = match ended {
                        Ok((id, ())) => (id, None),
                        Err(join) => (join.id(), Some(join.to_string())),
                    };
                    self.on_driver_end(driven.remove(&id).unwrap_or_default(), panic);
                }
                Some(part) = parts.join_next() => {
                    bail!("chain {}: {} ended", self.profile.name, part.unwrap_or("a part (by a panic)"))
                }
                // An operator's order: the seat knows which.
                () = self.wake.notified() => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        drivers.shutdown().await;
        parts.shutdown().await;
        Ok(())
    }

    fn start_parts(
        &self,
        parts: &mut JoinSet<&'static str>,
        heads: mpsc::Sender<HeadEvent>,
        stop: &CancellationToken,
    ) {
        let (pool, token) = (self.pool.clone(), stop.clone());
        parts.spawn(async move {
            pool.run(token).await;
            "the endpoint probe"
        });
        let stream = HeadStream::new(self.pool.clone(), &self.profile);
        let token = stop.clone();
        parts.spawn(async move {
            if let Err(cause) = stream.run(heads, token).await {
                error!(%cause, "head stream failed");
            }
            "the head stream"
        });
    }

    fn on_head_event(&mut self, event: HeadEvent) {
        let chain = &self.profile.name;
        match event {
            HeadEvent::Head(head) => self.adopt(head),
            HeadEvent::Reorg { to, dropped } => {
                warn!(chain, dropped, to = to.number, "reorganisation");
                metrics::counter!("ballast_reorgs_total", "chain" => chain.clone()).increment(1);
                for seat in &mut self.seats {
                    seat.reorganised(to.number);
                }
                self.adopt(to);
                // Known to the lanes, but too old to act at: the branch's own heads follow.
                self.newest = None;
            }
            HeadEvent::Stalled(age) => {
                warn!(chain, seconds = age.as_secs(), "no new head");
                self.board.stalled(chain, age.as_secs());
            }
        }
    }

    fn adopt(&mut self, head: Head) {
        let chain = &self.profile.name;
        if !std::mem::replace(&mut self.begun, true) {
            info!(chain, number = head.number, "first head");
        }
        self.newest = Some((head, Instant::now()));
        self.board.head(chain, head);
        gauge("ballast_head_number", chain, head.number);
        gauge("ballast_head_timestamp", chain, head.timestamp);
        for seat in &self.seats {
            seat.announce(head);
        }
        self.heads.send_replace(Some(head));
    }

    /// Starts one driver for all seats that are due; gives the moment to look again if they may
    /// not start yet.
    fn start_turns(
        &mut self,
        drivers: &mut JoinSet<()>,
        driven: &mut Drivers,
        done: &mpsc::Sender<Done>,
    ) -> Option<Instant> {
        let (head, seen) = self.newest?;
        if !self.seats.iter().any(|seat| seat.is_due(&head)) {
            return None;
        }
        if let Some(allowed) = self.last_turn.and_then(|t| t.checked_add(self.interval()))
            && allowed > Instant::now()
        {
            return Some(allowed);
        }
        self.last_turn = Some(Instant::now());
        let timeout = self.profile.assess_timeout;
        // First, so that the guard has them when the first assessment is there.
        let feeds = self.feeds.job(&head);
        let feeds = feeds.map(|run| Job { key: None, caller: CALLER, timeout, run });
        let due = self.seats.iter_mut().enumerate().filter(|(_, seat)| seat.is_due(&head));
        let turns = due.filter_map(|(key, seat)| {
            let caller = seat.caller()?;
            let (number, run) = seat.begin(&head);
            Some(Job { key: Some((key, number)), caller, timeout, run })
        });
        let jobs: Vec<_> = feeds.into_iter().chain(turns).collect();
        let turns = jobs.iter().filter_map(|job| job.key).collect();
        let (source, done) = (self.source.clone(), done.clone());
        let handle = drivers.spawn(async move {
            drive(&source, head, jobs, |key, outcome| {
                // There is room: see where the channel is made.
                drop(done.try_send(Done { key, head, seen, outcome }));
            })
            .await;
        });
        driven.insert(handle.id(), turns);
        None
    }

    fn interval(&self) -> Duration {
        self.profile.min_turn_interval
    }

    fn on_done(&mut self, done: Done) {
        if done.key.is_some() {
            self.assess_seconds.record(done.seen.elapsed().as_secs_f64());
        }
        let outcome = done.outcome;
        match done.key {
            Some((index, number)) => {
                if let Some(seat) = self.seats.get_mut(index) {
                    seat.end(number, done.head, outcome);
                }
            }
            None => self.feeds.take(outcome),
        }
    }

    /// A driver that died leaves its seats busy for ever; they are freed, and the next head is the
    /// retry. One that ended well may still have outcomes in the channel.
    fn on_driver_end(&mut self, turns: Vec<SeatTurn>, panic: Option<String>) {
        let Some(problem) = panic else { return };
        error!(chain = self.profile.name, problem, "a read driver failed");
        for (index, number) in turns {
            if let Some(seat) = self.seats.get_mut(index) {
                seat.free(number);
            }
        }
    }
}

/// Gauges are floats; exact up to 2^53, far above any block number or time.
fn gauge(name: &'static str, chain: &str, value: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, see above")]
    metrics::gauge!(name, "chain" => chain.to_owned()).set(value as f64);
}
