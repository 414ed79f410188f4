//! How many requests an endpoint gets per second, and how many at once.
//!
//! The limiter itself lets small requests overtake large ones, so a queue stands before it: who
//! came first goes first. Each request that is under way has a connection of its own to most nodes,
//! and a thousand products that look at once would open a thousand: they take turns. Sends have a
//! share of their own in both, since a transaction must not wait behind a thousand reads.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use tokio::{
    sync::{Mutex, Semaphore, SemaphorePermit},
    time::sleep,
};

use super::send::Wanted;

/// Share of the rate that is kept for sends, as a divisor: one fifth.
const SEND_SHARE: u32 = 5;

/// Requests of a share that are under way at once.
const AT_ONCE: usize = 64;

/// Which share a request draws on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// Reads and probes.
    Reads,
    /// Raw transactions.
    Sends,
}

/// The limits of one endpoint. Without a configured rate only the number at once is held.
#[derive(Debug)]
pub(super) struct Limiter {
    reads: Gate,
    sends: Gate,
}

/// One share: its rate, and its requests under way.
#[derive(Debug)]
struct Gate {
    rate: Option<Lane>,
    seats: Semaphore,
}

impl Gate {
    fn new(per_second: Option<NonZeroU32>) -> Self {
        Self { rate: per_second.map(Lane::new), seats: Semaphore::new(AT_ONCE) }
    }
}

/// A request's seat; it is given back when the request has ended or was given up.
#[derive(Debug)]
#[must_use = "the seat is given back with it"]
pub(super) struct Seat<'a>(
    #[expect(dead_code, reason = "held, not read")] Option<SemaphorePermit<'a>>,
);

impl Limiter {
    /// Splits the rate between reads and sends; each gets at least one request per second, so
    /// that a rate of 1 allows 2 in a second in which something is sent.
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        let sends = per_second.map(|rate| at_least_one(rate.get() / SEND_SHARE));
        let reads = per_second
            .zip(sends)
            .map(|(rate, sends)| at_least_one(rate.get() - sends.get().min(rate.get())));
        Self { reads: Gate::new(reads), sends: Gate::new(sends) }
    }

    /// Waits for its turn. The wait is bounded by the caller; giving up loses only the place in
    /// the queue. `None` once it is not wanted any more, which takes nothing of the rate from those
    /// behind it.
    pub(super) async fn take(&self, share: Share, cost: u32, wanted: &Wanted) -> Option<Seat<'_>> {
        let gate = match share {
            Share::Reads => &self.reads,
            Share::Sends => &self.sends,
        };
        if let Some(rate) = &gate.rate {
            rate.take(cost, wanted).await?;
        }
        // Nobody closes it.
        let seat = Seat(gate.seats.acquire().await.ok());
        wanted.holds().then_some(seat)
    }
}

#[derive(Debug)]
struct Lane {
    limiter: DefaultDirectRateLimiter,
    burst: NonZeroU32,
    queue: Mutex<()>,
}

impl Lane {
    fn new(per_second: NonZeroU32) -> Self {
        // Half a second's worth at once: a burst of a whole second would let two seconds' worth
        // pass within the first.
        let burst = at_least_one(per_second.get() / 2);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self { limiter: RateLimiter::direct(quota), burst, queue: Mutex::new(()) }
    }

    async fn take(&self, cost: u32, wanted: &Wanted) -> Option<()> {
        let _turn = self.queue.lock().await;
        let mut rest = cost;
        // The limiter refuses more than a burst at a time.
        while let Some(part) = NonZeroU32::new(rest.min(self.burst.get())) {
            self.wait_for(part, wanted).await?;
            rest -= part.get();
        }
        Some(())
    }

    async fn wait_for(&self, part: NonZeroU32, wanted: &Wanted) -> Option<()> {
        loop {
            // Before anything is taken: who is behind has the rate that this one waited for.
            if !wanted.holds() {
                return None;
            }
            match self.limiter.check_n(part) {
                Ok(Err(early)) => sleep(early.wait_time_from(self.limiter.clock().now())).await,
                Ok(Ok(())) | Err(_) => return Some(()),
            }
        }
    }
}

fn at_least_one(rate: u32) -> NonZeroU32 {
    NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt as _, future::join};
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::{Duration, Instant},
    };

    fn limiter(rate: u32) -> Limiter {
        Limiter::new(NonZeroU32::new(rate))
    }

    async fn take(limiter: &Limiter, share: Share, cost: u32) -> Seat<'_> {
        limiter.take(share, cost, &Wanted::ALWAYS).await.expect("nothing else is answered")
    }

    #[tokio::test]
    async fn reads_are_held_to_their_share() {
        let limiter = limiter(50);
        let start = Instant::now();
        // 40 per second for reads, 20 of them at once: the other 8 take a fifth of a second.
        for _ in 0..28 {
            drop(take(&limiter, Share::Reads, 1).await);
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(150), "28 reads took only {took:?}");
    }

    #[tokio::test]
    async fn reads_cannot_starve_sends() {
        let limiter = limiter(5);
        drop(take(&limiter, Share::Reads, 2).await);
        let mut stuck = Box::pin(take(&limiter, Share::Reads, 50));
        assert!(stuck.as_mut().now_or_never().is_none(), "the reads have to wait");
        assert!(take(&limiter, Share::Sends, 1).now_or_never().is_some(), "the send waited");
    }

    #[tokio::test]
    async fn heavy_request_is_not_overtaken_by_light_ones() {
        let limiter = limiter(50);
        drop(take(&limiter, Share::Reads, 20).await);
        let order = std::sync::Mutex::new(Vec::new());
        let heavy = async {
            drop(take(&limiter, Share::Reads, 8).await);
            order.lock().unwrap().push("heavy");
        };
        let light = async {
            drop(take(&limiter, Share::Reads, 1).await);
            order.lock().unwrap().push("light");
        };
        join(heavy, light).await;
        assert_eq!(*order.lock().unwrap(), ["heavy", "light"]);
    }

    #[tokio::test]
    async fn cost_above_the_burst_is_paid_in_parts() {
        let limiter = limiter(50);
        let start = Instant::now();
        drop(take(&limiter, Share::Reads, 30).await);
        assert!(start.elapsed() >= Duration::from_millis(150), "the part above 20 was free");
    }

    #[tokio::test]
    async fn so_many_are_under_way_at_once_and_sends_besides() {
        let limiter = Limiter::new(None);
        let mut under_way = Vec::new();
        for _ in 0..AT_ONCE {
            under_way.push(take(&limiter, Share::Reads, 1).now_or_never().expect("a seat"));
        }
        let mut waiting = Box::pin(take(&limiter, Share::Reads, 1));
        assert!(waiting.as_mut().now_or_never().is_none(), "all seats are taken");
        assert!(take(&limiter, Share::Sends, 1).now_or_never().is_some(), "the send waited");
        // One that was given up while it waited has no seat, and one that ended gives it back.
        assert!(take(&limiter, Share::Reads, 1).now_or_never().is_none());
        drop(under_way.pop());
        assert!(waiting.now_or_never().is_some(), "who came first is next");
    }

    /// The first would wait for minutes, and the other behind it.
    #[tokio::test]
    async fn what_is_not_wanted_any_more_leaves_its_turn_to_the_next() {
        let limiter = limiter(10);
        drop(take(&limiter, Share::Sends, 1).await);
        let wanted = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&wanted);
        let while_wanted = Wanted::new(move || asked.load(Ordering::Relaxed));
        let recalled = join(
            limiter.take(Share::Sends, 1_000, &while_wanted),
            limiter.take(Share::Sends, 1_000, &while_wanted),
        );
        let mut all = Box::pin(join(recalled, take(&limiter, Share::Sends, 1)));
        assert!(all.as_mut().now_or_never().is_none(), "all have to wait");
        wanted.store(false, Ordering::Relaxed);
        let ((first, second), _next) =
            tokio::time::timeout(Duration::from_secs(60), all).await.expect("its turn");
        assert!(first.is_none() && second.is_none());
    }
}
