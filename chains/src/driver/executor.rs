//! Polls the jobs of a driver. A small executor of its own, because tokio's does not say when
//! nothing can run, which is the moment to send a round.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use alloy::primitives::Address;
use futures::future::BoxFuture;
use tokio::time::Sleep;

use super::{Outcome, RoundStats, engine::Engine};
use crate::reader::queue::Queue;

/// A poll above this is counted and logged: it held up every product of the chain.
const SLOW_POLL: Duration = Duration::from_millis(50);
/// Polls of one job without a round or a yield in between. One that still wants to run after so
/// many is spinning and waits for the next tick.
const MAX_POLLS: u32 = 8;
/// Steps of one tick before the driver lets other tasks run, however fast answers come.
const MAX_STEPS: u32 = 64;

/// Makes a job's future.
pub(crate) type Start<'a, T> = Box<dyn FnOnce() -> BoxFuture<'a, T> + Send + 'a>;

/// The jobs of one driver and its network side; resolves when the last job has ended.
pub(crate) struct Executor<'a, K, T, R> {
    engine: Engine,
    queue: Arc<Queue>,
    ready: Arc<Ready>,
    report: R,
    tasks: Vec<Task<'a, K, T>>,
    live: usize,
    /// Jobs that were polled often enough for this tick.
    deferred: Vec<usize>,
    /// Ticks and rounds so far: `Task::polls` counts within one.
    epoch: u64,
    /// Deadlines of the jobs, sorted once, and those that are past or of jobs that have ended.
    deadlines: VecDeque<(tokio::time::Instant, usize)>,
    sorted: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

struct Task<'a, K, T> {
    /// `None` once it has ended.
    running: Option<(K, Stage<'a, T>)>,
    caller: Address,
    flag: Arc<JobWaker>,
    waker: Waker,
    epoch: u64,
    polls: u32,
}

enum Stage<'a, T> {
    Start(Start<'a, T>),
    Future(BoxFuture<'a, T>),
}

/// Jobs that can run.
struct Ready {
    list: Mutex<Vec<usize>>,
    queue: Arc<Queue>,
}

/// Puts its job on the ready list, once.
struct JobWaker {
    index: usize,
    listed: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for JobWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.ready.list.lock().unwrap_or_else(PoisonError::into_inner).push(self.index);
            self.ready.queue.wake();
        }
    }
}

impl<'a, K, T: 'a, R: FnMut(K, Outcome<T>)> Executor<'a, K, T, R> {
    pub(crate) fn new(engine: Engine, queue: Arc<Queue>, report: R) -> Self {
        let ready = Arc::new(Ready { list: Mutex::default(), queue: Arc::clone(&queue) });
        Self {
            engine,
            queue,
            ready,
            report,
            tasks: Vec::new(),
            live: 0,
            deferred: Vec::new(),
            epoch: 0,
            deadlines: VecDeque::new(),
            sorted: false,
            timer: None,
        }
    }

    /// Adds a job. Its time runs from now; `None` is without limit.
    pub(crate) fn add(
        &mut self,
        key: K,
        caller: Address,
        timeout: Option<Duration>,
        start: Start<'a, T>,
    ) {
        let index = self.tasks.len();
        let ready = Arc::clone(&self.ready);
        let flag = Arc::new(JobWaker { index, listed: AtomicBool::new(false), ready });
        let waker = Waker::from(Arc::clone(&flag));
        waker.wake_by_ref();
        let running = Some((key, Stage::Start(start)));
        self.tasks.push(Task { running, caller, flag, waker, epoch: 0, polls: 0 });
        self.live = self.live.saturating_add(1);
        let now = tokio::time::Instant::now();
        if let Some(deadline) = timeout.and_then(|timeout| now.checked_add(timeout)) {
            self.deadlines.push_back((deadline, index));
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) -> Poll<RoundStats> {
        self.queue.register(cx.waker());
        self.epoch = self.epoch.wrapping_add(1);
        for index in std::mem::take(&mut self.deferred) {
            self.run(index);
        }
        let mut unfinished = true;
        for _ in 0..MAX_STEPS {
            unfinished = self.step(cx);
            if self.live == 0 || !unfinished {
                break;
            }
        }
        self.expire(cx);
        if self.live == 0 {
            return Poll::Ready(self.engine.stats());
        }
        if unfinished || !self.deferred.is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Delivers answers, runs who can run, and only if nobody could, sends. True if anything
    /// happened.
    fn step(&mut self, cx: &mut Context<'_>) -> bool {
        let delivered = self.engine.deliver(cx);
        let runnable = {
            let mut list = self.ready.list.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *list)
        };
        let ran = !runnable.is_empty();
        for index in runnable {
            self.run_or_defer(index);
        }
        if ran || self.live == 0 {
            return true;
        }
        let sent = self.engine.send();
        if sent {
            self.epoch = self.epoch.wrapping_add(1);
        }
        delivered || sent
    }

    fn run_or_defer(&mut self, index: usize) {
        let Some(task) = self.tasks.get_mut(index) else { return };
        if task.epoch == self.epoch && task.polls >= MAX_POLLS {
            // Stays marked as listed, so that its wakes do not list it twice.
            self.deferred.push(index);
        } else {
            self.run(index);
        }
    }

    /// Polls a job once.
    fn run(&mut self, index: usize) {
        let Some(task) = self.tasks.get_mut(index) else { return };
        if task.epoch != self.epoch {
            (task.epoch, task.polls) = (self.epoch, 0);
        }
        task.polls = task.polls.saturating_add(1);
        task.flag.listed.store(false, Ordering::Release);
        let Some((_, stage)) = &mut task.running else { return };
        let started = Instant::now();
        let mut cx = Context::from_waker(&task.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| stage.poll(&mut cx)));
        let took = started.elapsed();
        if took > SLOW_POLL {
            metrics::counter!("ballast_slow_polls_total").increment(1);
            let caller = task.caller;
            tracing::warn!(%caller, ?took, "an assessment computed for long without awaiting");
        }
        match polled {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(value)) => self.end(index, Outcome::Done(value)),
            Err(payload) => self.end(index, Outcome::Panicked(message(&*payload))),
        }
    }

    /// Drops a job's future, and then tells.
    fn end(&mut self, index: usize, outcome: Outcome<T>) {
        let Some((key, stage)) = self.tasks.get_mut(index).and_then(|task| task.running.take())
        else {
            return;
        };
        self.live = self.live.saturating_sub(1);
        let outcome = match catch_unwind(AssertUnwindSafe(|| drop(stage))) {
            Ok(()) => outcome,
            Err(payload) => Outcome::Panicked(message(&*payload)),
        };
        (self.report)(key, outcome);
    }

    /// Ends the jobs whose time is up and sets the timer to the next.
    fn expire(&mut self, cx: &mut Context<'_>) {
        if !self.sorted {
            self.deadlines.make_contiguous().sort_unstable();
            self.sorted = true;
        }
        while let Some((deadline, index)) = self.deadlines.front().copied() {
            let running = self.tasks.get(index).is_some_and(|task| task.running.is_some());
            if running && deadline > tokio::time::Instant::now() {
                let timer =
                    self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return;
                }
            }
            if running {
                self.end(index, Outcome::TimedOut);
            }
            self.deadlines.pop_front();
        }
    }
}

impl<'a, T: 'a> Stage<'a, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        if let Self::Start(start) = self {
            // Left in place if `start` panics; the job ends then.
            let start = std::mem::replace(start, Box::new(|| Box::pin(std::future::pending())));
            *self = Self::Future(start());
        }
        match self {
            Self::Start(_) => Poll::Pending,
            Self::Future(future) => future.as_mut().poll(cx),
        }
    }
}

/// Nothing in here is pinned in place: futures are boxed.
impl<K, T, R> Unpin for Executor<'_, K, T, R> {}

impl<'a, K, T: 'a, R: FnMut(K, Outcome<T>)> Future for Executor<'a, K, T, R> {
    type Output = RoundStats;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RoundStats> {
        self.get_mut().tick(cx)
    }
}

/// The text of a panic.
fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
