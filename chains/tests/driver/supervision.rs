//! Neighbours that sleep, hang, spin, panic or end late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use alloy::primitives::Bytes;
use ballast_chains::{
    BlockReader, ReadError,
    driver::{Job, Outcome, drive},
};
use tokio::sync::{Notify, oneshot};

use crate::{
    PATIENCE, job, outcomes, two_rounds, wallet,
    world::{Node, address, head, pause},
};

/// Wakes itself for ever.
async fn spin() -> bool {
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

const GOOD: usize = 20;

/// Drives good products beside one bad one, which is over only once all good ones are. Gives the
/// rounds that the good ones took.
async fn beside<F, Fut>(bad: F) -> usize
where
    F: FnOnce(BlockReader, Arc<Notify>) -> Fut + Send + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    let node = Node::new();
    let all_good = Arc::new(Notify::new());
    let mut jobs: Vec<_> = (0..GOOD).map(|n| job(n, move |at| two_rounds(at, n))).collect();
    let signal = Arc::clone(&all_good);
    let timeout = Duration::from_secs(1);
    jobs.insert(7, Job::new(GOOD, wallet(GOOD), timeout, move |at| bad(at, signal)));
    let (mut good, mut rounds, mut bad_ended) = (0, 0, false);
    let report = |key, outcome| {
        if key == GOOD {
            bad_ended = true;
            return;
        }
        assert_eq!(outcome, Outcome::Done(true), "product {key}");
        assert!(!bad_ended || good == GOOD, "a good product waited for the bad one");
        good += 1;
        if good == GOOD {
            rounds = node.batches().len();
            all_good.notify_one();
        }
    };
    let source = node.source();
    let driving = drive(&source, head(7), jobs, report);
    tokio::time::timeout(PATIENCE, driving).await.expect("the driver ends");
    assert_eq!(good, GOOD);
    rounds
}

#[tokio::test]
async fn one_that_waits_for_something_else_holds_nobody_up() {
    let rounds = beside(|at, all_good| async move {
        all_good.notified().await;
        two_rounds(at, GOOD).await
    });
    assert_eq!(rounds.await, 2);
}

#[tokio::test]
async fn one_that_takes_300_ms_holds_nobody_up() {
    let rounds = beside(|at, _| async move {
        pause(300).await;
        two_rounds(at, GOOD).await
    });
    assert_eq!(rounds.await, 2);
}

#[tokio::test]
async fn one_that_never_resolves_holds_nobody_up() {
    assert_eq!(beside(|_, _| std::future::pending()).await, 2);
}

#[tokio::test]
async fn one_that_spins_holds_nobody_up() {
    assert_eq!(beside(|_, _| spin()).await, 2);
    let yielding = beside(|_, _| async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(yielding.await, 2);
}

/// Two halves of one product that wake each other, never themselves.
#[tokio::test]
async fn one_that_plays_ping_pong_holds_nobody_up() {
    let rounds = beside(|_, _| async {
        let (ping, pong) = (Notify::new(), Notify::new());
        ping.notify_one();
        let half = async |mine: &Notify, other: &Notify| loop {
            mine.notified().await;
            other.notify_one();
        };
        futures::join!(half(&ping, &pong), half(&pong, &ping));
        true
    });
    assert_eq!(rounds.await, 2);
}

#[tokio::test]
async fn sleeper_hanger_panicker_and_spinner_at_once() {
    let node = Node::new();
    let mut jobs: Vec<_> = (0..GOOD).map(|n| job(n, move |at| two_rounds(at, n))).collect();
    let timeout = Duration::from_millis(400);
    let bad = |n: usize| {
        Job::new(n, wallet(n), timeout, move |at: BlockReader| async move {
            match n - GOOD {
                0 => {
                    pause(300).await;
                    two_rounds(at, n).await
                }
                1 => std::future::pending().await,
                2 => panic!("in the assessment of {n}"),
                _ => spin().await,
            }
        })
    };
    jobs.extend((GOOD..GOOD + 4).map(bad));
    jobs.push(Job {
        key: GOOD + 4,
        caller: wallet(GOOD + 4),
        timeout,
        run: Box::new(|_| panic!("before there is a future")),
    });
    let mut order = Vec::new();
    let mut rounds_of_good = 0;
    let report = |key, outcome| {
        order.push((key, outcome));
        if order.iter().filter(|(key, _)| *key < GOOD).count() == GOOD && rounds_of_good == 0 {
            rounds_of_good = node.batches().len();
        }
    };
    let stats = drive(&node.source(), head(7), jobs, report).await;
    assert_eq!((rounds_of_good, stats.rounds), (2, 4));
    let position = |n| order.iter().position(|(key, _)| *key == n).unwrap();
    let last_good = (0..GOOD).map(position).max().unwrap();
    assert!(last_good < position(GOOD), "reported only after the sleeper");
    let outcome = |n: usize| &order[position(GOOD + n)].1;
    assert_eq!(outcome(0), &Outcome::Done(true));
    assert_eq!(outcome(1), &Outcome::TimedOut);
    assert_eq!(outcome(2), &Outcome::Panicked(format!("in the assessment of {}", GOOD + 2)));
    assert_eq!(outcome(3), &Outcome::TimedOut);
    assert_eq!(outcome(4), &Outcome::Panicked("before there is a future".into()));
}

/// On one thread, so that a driver which does not yield starves everything else.
#[tokio::test]
async fn a_spinning_product_leaves_the_scheduler_to_others() {
    let turns = Arc::new(AtomicUsize::new(0));
    let mut others = tokio::task::JoinSet::new();
    let counter = Arc::clone(&turns);
    others.spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let spinner = Job::new(0, wallet(0), Duration::from_millis(50), |_| spin());
    let (ends, _) = outcomes(&Node::new().source(), 7, vec![spinner]).await;
    assert_eq!(ends[&0], Outcome::TimedOut);
    assert!(turns.load(Ordering::Relaxed) > 10);
}

/// Answers that are there at once must not keep the driver from its timer.
#[tokio::test]
async fn a_product_that_reads_for_ever_is_dropped_in_time() {
    let endless = |at: BlockReader| async move {
        loop {
            // The scripted node answers this without waiting.
            at.code(address(1, 1)).await.unwrap();
        }
    };
    let job = Job::<_, ()>::new(0, wallet(0), Duration::from_millis(50), endless);
    let (ends, _) = outcomes(&Node::new().source(), 7, vec![job]).await;
    assert_eq!(ends[&0], Outcome::TimedOut);
}

/// One that yields once or twice can still run, so the round waits for it.
#[tokio::test]
async fn a_wake_of_itself_does_not_cost_a_round() {
    let node = Node::new();
    let jobs = (0..40).map(|n| {
        job(n, move |at| async move {
            let mut left = n % 4;
            std::future::poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            two_rounds(at, n).await
        })
    });
    let (_, stats) = outcomes(&node.source(), 7, jobs.collect()).await;
    assert_eq!(stats.rounds, 2);
}

#[tokio::test]
async fn a_time_out_ends_its_product_only_and_frees_what_it_held() {
    let node = Node::new();
    let (held, mut dropped) = oneshot::channel::<()>();
    let hangs = Job::new(0, wallet(0), Duration::from_millis(30), |at: BlockReader| async move {
        let _held = held;
        // Queued and sent, and its answer comes after the end.
        let read = at.call_raw(address(1, 1), Bytes::new());
        drop(futures::join!(read, std::future::pending::<()>()));
        true
    });
    let slow = job(1, |at| async move {
        pause(120).await;
        two_rounds(at, 1).await
    });
    let mut order = Vec::new();
    drive(&node.source(), head(7), vec![hangs, slow], |key, outcome| {
        if key == 0 {
            assert_eq!(dropped.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        }
        order.push((key, outcome));
    })
    .await;
    assert_eq!(order, [(0, Outcome::TimedOut), (1, Outcome::Done(true))]);
}

#[tokio::test]
async fn a_panic_while_dropping_is_caught() {
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("while dropping");
        }
    }
    let explodes = Job::new(0, wallet(0), Duration::from_millis(30), |_| async {
        let _grenade = Grenade;
        std::future::pending::<bool>().await
    });
    let jobs = vec![explodes, job(1, |at| two_rounds(at, 1))];
    let (ends, _) = outcomes(&Node::new().source(), 7, jobs).await;
    assert_eq!(ends[&0], Outcome::Panicked("while dropping".into()));
    assert_eq!(ends[&1], Outcome::Done(true));
}

#[tokio::test]
async fn dropping_the_driver_drops_everything() {
    let node = Node::new();
    let source = node.source();
    let (held, dropped) = oneshot::channel::<()>();
    let (lend, leaked) = oneshot::channel::<BlockReader>();
    let hangs = job(0, |at: BlockReader| async move {
        let _held = held;
        lend.send(at.clone()).unwrap();
        let read = at.call_raw(address(1, 1), Bytes::new());
        drop(futures::join!(read, std::future::pending::<()>()));
    });
    let driving = drive(&source, head(7), vec![hangs], |_, _| panic!("it never ends"));
    assert!(tokio::time::timeout(Duration::from_millis(20), driving).await.is_err());
    assert!(dropped.await.is_err(), "the job is gone");
    let late = leaked.await.unwrap().call_raw(address(1, 1), Bytes::new()).await;
    assert!(matches!(late, Err(ReadError::Unavailable(_))), "{late:?}");
}

/// A part of an assessment that runs as a task of its own may read as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_from_another_thread_wake_the_driver() {
    let source = Node::new().source();
    for n in 0..50 {
        let splits = job(n, move |at| async move {
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(two_rounds(at, n));
            tasks.join_next().await.unwrap().unwrap()
        });
        let (ends, _) = outcomes(&source, 7, vec![splits]).await;
        assert_eq!(ends[&n], Outcome::Done(true));
    }
}
