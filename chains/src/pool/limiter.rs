//! How many requests an endpoint gets per second, and how many at once.
//!
//! The limiter itself lets small requests overtake large ones, so a queue stands before it: who
//! came first goes first. Each request that is under way has a connection of its own to most nodes,
//! and a thousand products that look at once would open a thousand: they take turns. Sends have a
//! share of their own in both, since a transaction must not wait behind a thousand reads.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

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
    /// the queue.
    pub(super) async fn take(&self, share: Share, cost: u32) -> Seat<'_> {
        let gate = match share {
            Share::Reads => &self.reads,
            Share::Sends => &self.sends,
        };
        if let Some(rate) = &gate.rate {
            rate.take(cost).await;
        }
        // Nobody closes it.
        Seat(gate.seats.acquire().await.ok())
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

    async fn take(&self, cost: u32) {
        let _turn = self.queue.lock().await;
        let mut rest = cost;
        // The limiter refuses more than a burst at a time.
        while let Some(part) = NonZeroU32::new(rest.min(self.burst.get())) {
            if self.limiter.until_n_ready(part).await.is_err() {
                return;
            }
            rest -= part.get();
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
    use std::time::{Duration, Instant};

    fn limiter(rate: u32) -> Limiter {
        Limiter::new(NonZeroU32::new(rate))
    }

    #[tokio::test]
    async fn reads_are_held_to_their_share() {
        let limiter = limiter(50);
        let start = Instant::now();
        // 40 per second for reads, 20 of them at once: the other 8 take a fifth of a second.
        for _ in 0..28 {
            drop(limiter.take(Share::Reads, 1).await);
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(150), "28 reads took only {took:?}");
    }

    #[tokio::test]
    async fn reads_cannot_starve_sends() {
        let limiter = limiter(5);
        drop(limiter.take(Share::Reads, 2).await);
        let mut stuck = Box::pin(limiter.take(Share::Reads, 50));
        assert!(stuck.as_mut().now_or_never().is_none(), "the reads have to wait");
        assert!(limiter.take(Share::Sends, 1).now_or_never().is_some(), "the send waited");
    }

    #[tokio::test]
    async fn heavy_request_is_not_overtaken_by_light_ones() {
        let limiter = limiter(50);
        drop(limiter.take(Share::Reads, 20).await);
        let order = std::sync::Mutex::new(Vec::new());
        let heavy = async {
            drop(limiter.take(Share::Reads, 8).await);
            order.lock().unwrap().push("heavy");
        };
        let light = async {
            drop(limiter.take(Share::Reads, 1).await);
            order.lock().unwrap().push("light");
        };
        join(heavy, light).await;
        assert_eq!(*order.lock().unwrap(), ["heavy", "light"]);
    }

    #[tokio::test]
    async fn cost_above_the_burst_is_paid_in_parts() {
        let limiter = limiter(50);
        let start = Instant::now();
        drop(limiter.take(Share::Reads, 30).await);
        assert!(start.elapsed() >= Duration::from_millis(150), "the part above 20 was free");
    }

    #[tokio::test]
    async fn so_many_are_under_way_at_once_and_sends_besides() {
        let limiter = Limiter::new(None);
        let mut under_way = Vec::new();
        for _ in 0..AT_ONCE {
            under_way.push(limiter.take(Share::Reads, 1).now_or_never().expect("a seat"));
        }
        let mut waiting = Box::pin(limiter.take(Share::Reads, 1));
        assert!(waiting.as_mut().now_or_never().is_none(), "all seats are taken");
        assert!(limiter.take(Share::Sends, 1).now_or_never().is_some(), "the send waited");
        // One that was given up while it waited has no seat, and one that ended gives it back.
        assert!(limiter.take(Share::Reads, 1).now_or_never().is_none());
        drop(under_way.pop());
        assert!(waiting.now_or_never().is_some(), "who came first is next");
    }
}
