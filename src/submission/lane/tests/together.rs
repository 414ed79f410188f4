//! What lanes of a chain ask together: each hears its own answer, and none hangs on another.

use std::{sync::Arc, time::Duration};

use alloy::primitives::B256;
use ballast_chains::{Head, profile::FeeModel};
use futures::{FutureExt as _, future::join_all};
use tokio::time::{Instant, advance, pause};

use super::{
    bench::{Bench, action},
    scenarios::hash_of,
};
use crate::submission::{
    Quotes, Together,
    node::Node,
    together::{Question, Seen},
};

const LANES: usize = 20;
const BLOCK: Duration = Duration::from_secs(2);

/// A transaction in the newest block, and the wallet as it was before and after.
async fn included() -> (Bench, B256, [Question; 2]) {
    let mut bench = Bench::new().await;
    let hash = hash_of(&bench.pursue(action(1)).await);
    let before = bench.sim.head();
    let after = bench.sim.mine(hash);
    let of = bench.lane.wallet.address();
    let ask = |head: &Head, hashes| Question { of, at: head.into(), hashes };
    let questions = [ask(&before, vec![]), ask(&after, vec![B256::ZERO, hash])];
    (bench, hash, questions)
}

/// The nonce, and which receipts are there.
fn short(seen: &Seen) -> (u64, Vec<Option<B256>>) {
    (seen.nonce, seen.receipts.iter().map(|r| r.as_ref().map(|r| r.hash)).collect())
}

async fn ask_all(
    together: &Together,
    bench: &Bench,
    questions: &[Question; 2],
) -> Vec<(u64, Vec<Option<B256>>)> {
    let node: Arc<dyn Node> = Arc::new(bench.sim.clone());
    let asked = (0..LANES).map(|lane| together.ask(questions[lane % 2].clone(), &node));
    join_all(asked).await.iter().map(|seen| short(seen.as_ref().unwrap())).collect()
}

#[tokio::test]
async fn lanes_at_a_head_ask_in_one_batch_and_each_hears_its_own_answer() {
    let (bench, hash, questions) = included().await;
    let together = Together::new(BLOCK);
    for round in 1..=2 {
        let told = ask_all(&together, &bench, &questions).await;
        let expected = [(0, vec![]), (1, vec![None, Some(hash)])];
        for (lane, told) in told.iter().enumerate() {
            assert_eq!(*told, expected[lane % 2], "lane {lane}");
        }
        assert_eq!(bench.sim.world().batches, round, "one batch each time");
    }
}

#[tokio::test]
async fn where_batches_are_refused_lanes_ask_alone_and_leave_them_alone() {
    let (bench, hash, questions) = included().await;
    bench.sim.world().faults.no_batches = true;
    let together = Together::new(BLOCK);
    for _ in 0..3 {
        let told = ask_all(&together, &bench, &questions).await;
        assert_eq!(told[3], (1, vec![None, Some(hash)]));
        assert_eq!(bench.sim.world().batches, 1, "tried once");
    }
    bench.sim.world().faults.unavailable = true;
    let node: Arc<dyn Node> = Arc::new(bench.sim.clone());
    let (what, _) = together.ask(questions[0].clone(), &node).await.unwrap_err();
    assert_eq!(what, "the wallet's nonce");
}

/// The endpoint answers single requests, and nothing else.
#[tokio::test]
async fn batches_that_hang_cost_half_a_block_and_that_ever_more_rarely() {
    let (bench, hash, questions) = included().await;
    bench.sim.world().faults.hanging_batches = true;
    let together = Together::new(BLOCK);
    // Nothing but the time that is waited for passes from here on.
    pause();
    let mut forgotten = Duration::from_secs(60);
    for batches in 1..=9 {
        let began = Instant::now();
        let told = ask_all(&together, &bench, &questions).await;
        assert_eq!(told[3], (1, vec![None, Some(hash)]));
        assert!(began.elapsed() <= BLOCK / 2 + Duration::from_millis(1), "{:?}", began.elapsed());
        assert_eq!(bench.sim.world().batches, batches, "once for all lanes");
        advance(forgotten - Duration::from_secs(1)).await;
        let began = Instant::now();
        ask_all(&together, &bench, &questions).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(bench.sim.world().batches, batches, "not within {forgotten:?}");
        advance(Duration::from_secs(1)).await;
        forgotten = (forgotten * 2).min(Duration::from_secs(3_600));
    }
    // One that is answered makes up for all that were not.
    bench.sim.world().faults.hanging_batches = false;
    ask_all(&together, &bench, &questions).await;
    bench.sim.world().faults.hanging_batches = true;
    ask_all(&together, &bench, &questions).await;
    assert_eq!(bench.sim.world().batches, 11);
    advance(Duration::from_secs(61)).await;
    ask_all(&together, &bench, &questions).await;
    assert_eq!(bench.sim.world().batches, 12);
}

#[tokio::test]
async fn endpoints_that_say_nothing_at_all_are_no_fault_of_batches() {
    let (bench, _, questions) = included().await;
    let together = Together::new(BLOCK);
    let node: Arc<dyn Node> = Arc::new(bench.sim.clone());
    bench.sim.world().faults.unavailable = true;
    together.ask(questions[0].clone(), &node).await.unwrap_err();
    bench.sim.world().faults.unavailable = false;
    ask_all(&together, &bench, &questions).await;
    assert_eq!(bench.sim.world().batches, 2, "the next one is a batch again");
}

/// A block that the endpoint does not know, say, since it is ahead of it.
#[tokio::test]
async fn a_question_without_an_answer_is_asked_alone_and_the_others_are_not() {
    let (bench, hash, mut questions) = included().await;
    let together = Together::new(BLOCK);
    let node: Arc<dyn Node> = Arc::new(bench.sim.clone());
    questions[0].at.hash = B256::ZERO;
    for batches in 1..=2 {
        let before = bench.sim.world().accounts_asked;
        let (unknown, known) = futures::join!(
            together.ask(questions[0].clone(), &node),
            together.ask(questions[1].clone(), &node),
        );
        assert!(unknown.is_err());
        assert_eq!(short(&known.unwrap()), (1, vec![None, Some(hash)]));
        assert_eq!(bench.sim.world().accounts_asked, before + 3, "both, and one of them again");
        assert_eq!(bench.sim.world().batches, batches, "batches work");
    }
}

#[tokio::test]
async fn a_batch_goes_on_without_the_one_who_opened_it_and_a_large_question_alone() {
    let (bench, hash, questions) = included().await;
    let (together, node) = (Together::new(BLOCK), Arc::new(bench.sim.clone()) as Arc<dyn Node>);
    let mut first = Box::pin(together.ask(questions[0].clone(), &node));
    assert!((&mut first).now_or_never().is_none(), "it waits for others");
    let mut second = Box::pin(together.ask(questions[1].clone(), &node));
    assert!((&mut second).now_or_never().is_none(), "so does the next");
    drop(first);
    assert_eq!(short(&second.await.unwrap()), (1, vec![None, Some(hash)]));
    assert_eq!(bench.sim.world().batches, 1);

    let hashes = vec![hash; 100];
    let large = Question { hashes, ..questions[1].clone() };
    assert_eq!(together.ask(large, &node).await.unwrap().receipts.len(), 100);
    assert_eq!(bench.sim.world().batches, 1, "more than a batch may have");
}

#[tokio::test]
async fn lanes_at_a_head_ask_once_for_its_prices_and_again_after_a_failure() {
    let bench = Bench::new().await;
    let (quotes, node) = (Quotes::default(), Arc::new(bench.sim.clone()) as Arc<dyn Node>);
    let ask = async || {
        let head = bench.sim.head();
        join_all((0..LANES).map(|_| quotes.at(&head, FeeModel::Eip1559, 7, &node))).await
    };
    bench.sim.world().faults.unavailable = true;
    assert!(ask().await.iter().all(Result::is_err));
    bench.sim.world().faults.unavailable = false;
    let first = ask().await[0].as_ref().copied().unwrap();
    let asked = bench.sim.world().quotes_asked;
    assert!(ask().await.iter().all(|quote| *quote.as_ref().unwrap() == first));
    assert_eq!(bench.sim.world().quotes_asked, asked, "known by now");
    // Another head, and other terms, are another question.
    bench.sim.world().base_fee *= 2;
    bench.sim.mine_empty();
    let dearer = ask().await[0].as_ref().copied().unwrap();
    assert!(dearer.next_base_fee > first.next_base_fee);
    assert_eq!(bench.sim.world().quotes_asked, asked + 1);
    let legacy = quotes.at(&bench.sim.head(), FeeModel::Legacy, 7, &node).await.unwrap();
    assert!(legacy.legacy);
}
