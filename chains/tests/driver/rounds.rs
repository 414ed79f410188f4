//! Rounds and chunks of a block on which everybody behaves.

use std::sync::Arc;

use alloy::primitives::Bytes;
use tokio::sync::Semaphore;

use crate::{
    job, read_all, results, two_rounds,
    world::{CHUNK_CALLS, CHUNK_GAS, Node, Request, address, batches, head},
};

#[tokio::test]
async fn rounds_do_not_depend_on_the_number_of_products() {
    for products in [1, 10, 100, 1_000] {
        let node = Node::new();
        let jobs = (0..products).map(|n| job(n, move |at| two_rounds(at, n))).collect();
        let (own, stats) = results(&node.source(), 7, jobs).await;
        assert!(own.into_iter().all(|own| own), "an answer reached the wrong product");
        assert_eq!(stats.rounds, 2, "{products} products");
        let chunks = (products * 5).div_ceil(CHUNK_CALLS) + (products * 3).div_ceil(CHUNK_CALLS);
        assert_eq!(stats.chunks, chunks as u64);
        assert_eq!((stats.lone, stats.repeats, stats.calls), (0, 0, products as u64 * 8));
        assert_eq!(node.batches().len(), chunks);
    }
}

#[tokio::test]
async fn chunks_are_pinned_to_the_hash_and_carry_their_gas() {
    let node = Node::new();
    let jobs = (0..3).map(|n| job(n, move |at| two_rounds(at, n))).collect();
    results(&node.source(), 7, jobs).await;
    for request in node.take_log() {
        let Request::Batch { gas, at, .. } = request else { panic!("not a batch: {request:?}") };
        assert_eq!((gas, at), (CHUNK_GAS, head(7).hash.into()));
    }
}

#[tokio::test]
async fn chunks_of_a_round_are_under_way_together() {
    let node = Node::new();
    let targets: Vec<_> = (0..1_000).map(|k| address(1, k)).collect();
    let read = move |at: ballast_chains::BlockReader| async move {
        read_all(&at, &targets, &Bytes::new()).await.into_iter().all(|answer| answer.is_ok())
    };
    // The node writes requests down when they begin; the second round begins after the last
    // answer of the first.
    let (all, stats) = results(&node.source(), 7, vec![job(0, read)]).await;
    assert_eq!((all, stats.rounds, stats.chunks), (vec![true], 1, 5));
    assert_eq!(batches(&node.take_log()), [CHUNK_CALLS; 5]);
}

/// tokio's primitives pretend to wait once a task has used its budget of 128 operations, which
/// would cut the round of 400 products in at least four.
#[tokio::test]
async fn the_cooperative_budget_does_not_cut_a_round() {
    let node = Node::new();
    let permits = Arc::new(Semaphore::new(1_000));
    let work = |n: usize| {
        let permits = Arc::clone(&permits);
        job(n, move |at| async move {
            for _ in 0..3 {
                drop(permits.acquire().await);
            }
            two_rounds(at, n).await
        })
    };
    let (own, stats) = results(&node.source(), 7, (0..400).map(work).collect()).await;
    assert!(own.into_iter().all(|own| own));
    assert_eq!(stats.rounds, 2);
}

/// The same on tokio's other scheduler, as one of its tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_are_the_same_on_several_threads() {
    let node = Node::new();
    let source = node.source();
    let mut tasks = tokio::task::JoinSet::new();
    for block in [7, 8] {
        let source = source.clone();
        tasks.spawn(async move {
            let jobs = (0..100).map(|n| job(n, move |at| two_rounds(at, n))).collect();
            results(&source, block, jobs).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (own, stats) = done.unwrap();
        assert!(own.into_iter().all(|own| own));
        assert_eq!(stats.rounds, 2);
    }
}
