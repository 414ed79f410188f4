//! The reader itself: kinds of reads, senders, ancestors, limits.

use alloy::{
    primitives::{Bytes, U256},
    sol,
};
use ballast_chains::{ReadError, reader::MAX_READS_AT_ONCE};
use futures::future::join_all;

use crate::{
    job, results, wallet,
    world::{Behaviour, MULTICALL3, Node, Request, address, echo, head, singles},
};

sol! {
    function whoAmI() external view returns (address me);
    function twoWords() external view returns (uint256 a, uint256 b);
}

#[tokio::test]
async fn the_sender_depends_on_how_a_read_is_asked_never_on_company() {
    let to = address(2, 0);
    let source = Node::with([(to, Behaviour::Sender)]).source();
    for company in [0, 1, 5] {
        let asks = move |at: ballast_chains::BlockReader| async move {
            let crowd = (0..company).map(|k| at.call_raw(address(1, k), Bytes::new()));
            let (_, shared, alone, own) = futures::join!(
                join_all(crowd),
                at.call(to, whoAmICall {}),
                at.call_isolated(to, whoAmICall {}),
                at.call_as_caller(to, whoAmICall {}),
            );
            (shared.unwrap(), alone.unwrap(), own.unwrap())
        };
        let (senders, stats) = results(&source, 5, vec![job(3, asks)]).await;
        assert_eq!(senders, [(MULTICALL3, address(0, 0), wallet(3))]);
        assert_eq!((stats.rounds, stats.lone), (1, if company == 0 { 3 } else { 2 }));
    }
}

#[tokio::test]
async fn balances_join_the_batch_and_code_does_not() {
    let node = Node::new();
    let source = node.source();
    let (of, to) = (address(1, 1), address(1, 2));
    let read = source.read_at(head(5), wallet(0), |at| async move {
        futures::join!(at.balance(of), at.call_raw(to, Bytes::new()), at.code(of))
    });
    let (balance, word, code) = read.await;
    assert_eq!(balance, Ok(U256::from(5)));
    assert_eq!(word, Ok(echo(to, &[], 5)));
    assert_eq!(code, Ok(Bytes::copy_from_slice(of.as_slice())));
    let log = node.take_log();
    assert!(
        matches!(&log[..], [Request::Code(_), Request::Batch { calls, .. }] | [Request::Batch { calls, .. }, Request::Code(_)] if calls.len() == 2),
        "{log:?}"
    );

    let alone = source.read_at(head(5), wallet(0), async |at| at.balance(of).await).await;
    assert_eq!((alone, node.take_log()), (Ok(U256::from(5)), vec![Request::Balance(of)]));
}

#[tokio::test]
async fn an_answer_that_does_not_decode_names_the_contract() {
    let (short, none) = (address(1, 0), address(2, 0));
    let source = Node::with([(none, Behaviour::NoCode)]).source();
    let answers = source
        .read_at(head(5), wallet(0), |at| async move {
            futures::join!(at.call(short, twoWordsCall {}), at.call(none, twoWordsCall {}))
        })
        .await;
    for (answer, to, says) in [(answers.0, short, "32 bytes"), (answers.1, none, "no contract")] {
        let Err(ReadError::Malformed { target, detail }) = answer else { panic!("not malformed") };
        assert_eq!(target, to);
        assert!(detail.contains(says) && detail.contains("twoWords()"), "{detail}");
    }
}

#[tokio::test]
async fn ancestors_are_found_by_parent_hash_and_read_in_the_same_round() {
    let node = Node::new();
    let source = node.source();
    let (one, two) = (address(1, 1), address(1, 2));
    let asks = |n| {
        job(n, move |at: ballast_chains::BlockReader| async move {
            let before = at.ancestor(3).await.unwrap();
            assert_eq!(before.header(), &head(47));
            let reads = join_all(
                [(&at, one), (&before, one), (&at, two), (&before, two)]
                    .map(|(at, to)| at.call_raw(to, Bytes::new())),
            );
            let expected = [(50, one), (47, one), (50, two), (47, two)];
            for (answer, (block, to)) in reads.await.into_iter().zip(expected) {
                assert_eq!(answer, Ok(echo(to, &[], block)));
            }
        })
    };
    let (_, stats) = results(&source, 50, (0..10).map(asks).collect()).await;
    assert_eq!((stats.rounds, stats.chunks), (1, 2));
    let headers = |log: &[Request]| log.iter().filter(|r| matches!(r, Request::Header(_))).count();
    assert_eq!(headers(&node.take_log()), 3, "ten products share one walk");

    // Heads that were driven before are known.
    source.read_at(head(51), wallet(0), async |at| at.ancestor(4).await.unwrap()).await;
    assert_eq!(headers(&node.take_log()), 0);
}

#[tokio::test]
async fn ancestors_have_a_limit() {
    let source = Node::new().source();
    let far = |block, steps: &'static [u64]| {
        source.read_at(head(block), wallet(0), move |mut at| async move {
            for k in steps {
                at = at.ancestor(*k).await?;
            }
            Ok(at.header().number)
        })
    };
    assert_eq!(far(100, &[64]).await, Ok(36));
    assert_eq!(far(100, &[0, 30, 34]).await, Ok(36));
    assert_eq!(far(3, &[3]).await, Ok(0));
    for (block, steps) in [(100, &[65][..]), (100, &[30, 35]), (3, &[4]), (100, &[u64::MAX, 1])] {
        assert!(matches!(far(block, steps).await, Err(ReadError::Unavailable(_))), "{steps:?}");
    }
}

#[tokio::test]
async fn reads_at_once_are_limited_per_product() {
    let source = Node::new().source();
    let answers = source
        .read_at(head(5), wallet(0), |at| async move {
            let read = |k| {
                let at = at.clone();
                async move { at.call_raw(address(1, k), Bytes::new()).await }
            };
            join_all((0..=MAX_READS_AT_ONCE).map(read)).await
        })
        .await;
    let failed: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!(matches!(&failed[..], [ReadError::Unavailable(_)]), "{failed:?}");
}

#[tokio::test]
async fn a_reader_outside_any_turn_batches_and_passes_a_panic_on() {
    let node = Node::new();
    let source = node.source();
    let own = source.read_at(head(5), wallet(9), |at| crate::two_rounds(at, 9)).await;
    assert!(own);
    assert_eq!((node.batches(), singles(&node.take_log())), (vec![5, 3], vec![]));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        source.read_at(head(5), wallet(9), |_| async { panic!("on purpose") }).await
    });
    let error = tasks.join_next().await.unwrap().unwrap_err();
    assert_eq!(*error.into_panic().downcast::<String>().unwrap(), "on purpose");
}
