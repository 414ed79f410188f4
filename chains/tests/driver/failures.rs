//! What is believed of a batch that went wrong, and what it costs the innocent.

use std::{collections::BTreeSet, slice::from_ref};

use alloy::primitives::{Address, Bytes, bytes};
use ballast_chains::{
    ReadError, Revert,
    driver::{Job, RoundStats},
    reader::{BlockSource, ISOLATION_BLOCKS},
};

use crate::{
    job, read_all, results,
    world::{Behaviour, CHUNK_CALLS, Node, address, batches, echo, singles},
};

const DATA: Bytes = Bytes::from_static(b"probe");

type Answers = Vec<Result<Bytes, ReadError>>;

/// One product for each group of contracts, each read at once.
async fn read_groups(
    source: &BlockSource,
    block: u64,
    groups: &[Vec<Address>],
) -> (Vec<Answers>, RoundStats) {
    let job = |(n, targets): (usize, &Vec<Address>)| -> Job<usize, Answers> {
        let targets = targets.clone();
        job(n, move |at| async move { read_all(&at, &targets, &DATA).await })
    };
    results(source, block, groups.iter().enumerate().map(job).collect()).await
}

fn innocents(of: usize, count: usize) -> Vec<Address> {
    (0..count).map(|k| address(1, of * 1_000 + k)).collect()
}

fn all_right(targets: &[Address], answers: &Answers, block: u64) -> bool {
    targets.iter().zip(answers).all(|(to, answer)| *answer == Ok(echo(*to, &DATA, block)))
}

const SILENT: Result<Bytes, ReadError> = Err(ReadError::Reverted(Revert::Empty));

/// Both when the gas left suffices for the innocents behind it and when it does not: they are
/// right, the guilty is heard alone, travels alone for 100 blocks, and then with the others again.
#[tokio::test]
async fn a_burned_batch_harms_nobody_but_the_guilty() {
    for (crowd, repeats) in [(3, 4), (60, 61)] {
        let guilty = address(2, 0);
        let node = Node::with([(guilty, Behaviour::Burn)]);
        let source = node.source();
        let groups = [innocents(0, crowd), vec![guilty], innocents(1, crowd)];
        let check = async |block| {
            let (answers, stats) = read_groups(&source, block, &groups).await;
            assert!(all_right(&groups[0], &answers[0], block), "before the guilty");
            assert!(all_right(&groups[2], &answers[2], block), "behind the guilty");
            (answers[1][0].clone(), stats, node.take_log())
        };

        let (answer, stats, log) = check(1_000).await;
        assert_eq!((answer, stats.rounds, stats.repeats), (SILENT, 1, repeats));
        assert_eq!(singles(&log).iter().filter(|to| **to == guilty).count(), 1);
        // Many innocents are repeated in one request, not one by one.
        assert!(log.len() <= 2 + 16, "{} requests", log.len());

        // No batch holds it any more, so nothing needs repeating.
        let (answer, stats, log) = check(1_001).await;
        assert_eq!((answer, stats.repeats, stats.rounds), (SILENT, 0, 1));
        assert_eq!((batches(&log), singles(&log)), (vec![2 * crowd], vec![guilty]));

        // It got well. It still travels alone, until 100 blocks after it last failed.
        node.world().behaviours.clear();
        let (answer, _, log) = check(1_001 + ISOLATION_BLOCKS).await;
        assert!(answer.is_ok());
        assert_eq!(singles(&log), [guilty]);
        let (answer, _, log) = check(1_002 + ISOLATION_BLOCKS).await;
        assert!(answer.is_ok());
        assert_eq!((batches(&log), singles(&log)), (vec![2 * crowd + 1], vec![]));
    }
}

/// Isolation is the product's own: the same call of another product stays in the batch.
#[tokio::test]
async fn isolation_is_per_product_and_selector() {
    let shared = address(2, 0);
    let node = Node::with([(shared, Behaviour::RefuseSilently)]);
    let source = node.source();
    read_groups(&source, 5, &[vec![shared, address(1, 1)]]).await;
    node.world().behaviours.clear();
    node.take_log();
    let with = |n: usize, data: &'static [u8]| {
        job(n, move |at| async move {
            at.call_raw(shared, Bytes::from_static(data)).await.unwrap();
        })
    };
    let jobs = vec![with(0, b"probe"), with(0, b"probing"), with(0, b"other"), with(1, b"probe")];
    let jobs = jobs.into_iter().enumerate().map(|(key, job)| Job { key, ..job }).collect();
    results(&source, 6, jobs).await;
    let log = node.take_log();
    assert_eq!((batches(&log), singles(&log).len()), (vec![2], 2), "{log:?}");
}

#[tokio::test]
async fn several_guilty_in_one_batch_are_all_found() {
    let guilty: Vec<_> = (0..40).map(|n| address(2, n)).collect();
    let node = Node::with(guilty.iter().map(|to| (*to, Behaviour::Burn)));
    let source = node.source();
    let groups: Vec<_> = (0..40).map(|n| [vec![guilty[n]], innocents(n, 3)].concat()).collect();
    for block in [10, 11] {
        let (answers, stats) = read_groups(&source, block, &groups).await;
        for (group, answers) in groups.iter().zip(&answers) {
            assert_eq!(answers[0], SILENT);
            assert!(all_right(&group[1..], &answers[1..].to_vec(), block));
        }
        assert_eq!(stats.repeats > 0, block == 10);
    }
}

#[tokio::test]
async fn a_refusal_with_words_is_believed_and_a_silent_one_asked_again() {
    let (talks, silent) = (address(2, 0), address(2, 1));
    let data = bytes!("deadbeef");
    let node =
        Node::with([(talks, Behaviour::Refuse(data.clone())), (silent, Behaviour::RefuseSilently)]);
    let said = Err(ReadError::Reverted(Revert::Data(data)));
    let source = node.source();

    let (answers, stats) =
        read_groups(&source, 5, &[[innocents(0, 3), vec![talks]].concat()]).await;
    assert_eq!((answers[0][3].clone(), stats.repeats), (said.clone(), 0));

    // Behind a failure without words nothing is believed.
    let (answers, stats) = read_groups(&source, 5, &[vec![silent, talks, address(1, 1)]]).await;
    assert_eq!(answers[0][..2], [SILENT, said]);
    assert_eq!((stats.repeats, stats.lone), (3, 3));
}

#[tokio::test]
async fn repeats_hold_up_nobody() {
    let guilty = address(2, 0);
    let node = Node::with([(guilty, Behaviour::Burn)]);
    let mut jobs: Vec<_> = (0..20).map(|n| job(n, move |at| crate::two_rounds(at, n))).collect();
    jobs.push(job(20, move |at| async move { at.call_raw(guilty, DATA).await == SILENT }));
    let (fine, stats) = results(&node.source(), 5, jobs).await;
    assert!(fine.into_iter().all(|fine| fine));
    assert_eq!((stats.rounds, stats.repeats), (2, 1));
}

#[tokio::test]
async fn a_chunk_too_large_for_the_node_is_split() {
    let node = Node::new();
    node.world().max_batch = 30;
    let group = innocents(0, 100);
    let (answers, stats) = read_groups(&node.source(), 5, from_ref(&group)).await;
    assert!(all_right(&group, &answers[0], 5));
    assert_eq!((batches(&node.take_log()), stats.rounds), (vec![100, 50, 50, 25, 25, 25, 25], 1));
}

#[tokio::test]
async fn a_node_that_takes_no_batch_at_all_still_works() {
    let node = Node::new();
    node.world().max_batch = 0;
    let group = innocents(0, 200);
    let (answers, _) = read_groups(&node.source(), 5, from_ref(&group)).await;
    assert!(all_right(&group, &answers[0], 5));
    let log = node.take_log();
    assert_eq!((batches(&log).len(), singles(&log).len()), (31, 200));
}

#[tokio::test]
async fn one_call_that_spoils_the_whole_request_goes_alone() {
    let bad = address(2, 0);
    let node = Node::with([(bad, Behaviour::Indigestible)]);
    let group = [innocents(0, 9), vec![bad], innocents(1, 6)].concat();
    let (answers, _) = read_groups(&node.source(), 5, from_ref(&group)).await;
    assert!(all_right(&group, &answers[0], 5));
    assert_eq!(batches(&node.take_log()).len(), 7);
}

#[tokio::test]
async fn a_call_that_the_node_cannot_finish_spoils_one_block_only() {
    let bad = address(2, 0);
    let node = Node::with([(bad, Behaviour::Endless)]);
    let source = node.source();
    let group = [innocents(0, 40), vec![bad]].concat();
    for (block, requests) in [(5, 11), (6, 1)] {
        let (answers, _) = read_groups(&source, block, from_ref(&group)).await;
        assert!(all_right(&group[..40], &answers[0][..40].to_vec(), block));
        assert!(matches!(answers[0][40], Err(ReadError::Unavailable(_))));
        let log = node.take_log();
        assert!(batches(&log).len() <= requests, "{:?}", batches(&log));
        assert!(singles(&log).contains(&bad));
    }
}

/// It says nothing about the calls, so they are batched again once it is well.
#[tokio::test]
async fn a_node_that_refuses_everything_convicts_nobody() {
    let group = innocents(0, 40);
    let node = Node::with(group.iter().map(|to| (*to, Behaviour::Endless)));
    let source = node.source();
    read_groups(&source, 5, from_ref(&group)).await;
    node.world().behaviours.clear();
    node.take_log();
    read_groups(&source, 6, from_ref(&group)).await;
    assert_eq!(batches(&node.take_log()), [40]);
}

#[tokio::test]
async fn no_endpoint_means_no_storm() {
    let node = Node::new();
    node.world().reachable = false;
    let (answers, stats) = read_groups(&node.source(), 5, &[innocents(0, CHUNK_CALLS * 3)]).await;
    let unreachable = |answer| matches!(answer, &Err(ReadError::Unavailable(_)));
    assert!(answers[0].iter().all(unreachable), "{:?}", answers[0][0]);
    assert_eq!((node.take_log().len(), stats.repeats), (3, 0));
}

#[tokio::test]
async fn without_multicall_every_read_travels_alone() {
    let node = Node::with([(address(2, 0), Behaviour::RefuseSilently)]);
    node.world().multicall = false;
    let source = node.source();
    let group = [innocents(0, 300), vec![address(2, 0)]].concat();
    for (block, probes) in [(5, 2), (6, 0), (105, 0)] {
        let (answers, _) = read_groups(&source, block, from_ref(&group)).await;
        assert!(all_right(&group[..300], &answers[0][..300].to_vec(), block));
        assert_eq!(answers[0][300], SILENT);
        let log = node.take_log();
        assert_eq!((batches(&log).len(), singles(&log).len()), (probes, 301), "block {block}");
    }
    // It is looked for again after 100 blocks.
    node.world().multicall = true;
    read_groups(&source, 106, from_ref(&group)).await;
    assert_eq!(batches(&node.take_log()).len(), 2);
}

#[tokio::test]
async fn chunks_shrink_until_dear_calls_fit() {
    let group = innocents(0, 100);
    let node = Node::with(group.iter().map(|to| (*to, Behaviour::Heavy(1_000_000))));
    let source = node.source();
    let mut repeats = Vec::new();
    for block in 5..9 {
        let (answers, stats) = read_groups(&source, block, from_ref(&group)).await;
        assert!(all_right(&group, &answers[0], block));
        repeats.push(stats.repeats);
    }
    let needed: BTreeSet<_> = node.batches().into_iter().collect();
    assert_eq!(repeats[3], 0, "{repeats:?} {needed:?}");
    assert!(repeats[0] > 0);
}
