//! Random products on random contracts: every read gets its own answer, whoever travels with it.

use alloy::primitives::{Address, Bytes, bytes};
use ballast_chains::{BlockReader, ReadError, Revert};
use futures::future::join_all;
use proptest::prelude::*;

use crate::{
    job, results,
    world::{Behaviour, Node, address, echo, pause},
};

const CONTRACTS: usize = 30;
const BLOCK: u64 = 77;

#[derive(Debug, Clone)]
enum Step {
    /// Reads at once: contract, and whether it is declared isolated.
    Reads(Vec<usize>),
    /// Waits for something that is no read, milliseconds.
    Waits(u64),
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        12 => Just(Behaviour::Echo),
        1 => Just(Behaviour::Burn),
        1 => Just(Behaviour::RefuseSilently),
        1 => Just(Behaviour::Refuse(bytes!("deadbeef"))),
        1 => Just(Behaviour::NoCode),
        1 => Just(Behaviour::Indigestible),
        1 => Just(Behaviour::Heavy(3_000_000)),
    ]
}

fn product() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop::collection::vec(0..CONTRACTS, 0..12).prop_map(Step::Reads),
        1 => (0..3u64).prop_map(Step::Waits),
    ];
    prop::collection::vec(step, 0..5)
}

/// What a contract must answer, by its behaviour alone.
fn expected(behaviour: &Behaviour, to: Address, data: &[u8]) -> Result<Bytes, ReadError> {
    match behaviour {
        Behaviour::Echo | Behaviour::Heavy(_) | Behaviour::Indigestible => {
            Ok(echo(to, data, BLOCK))
        }
        Behaviour::Burn | Behaviour::RefuseSilently => Err(ReadError::Reverted(Revert::Empty)),
        Behaviour::Refuse(data) => Err(ReadError::Reverted(Revert::Data(data.clone()))),
        Behaviour::NoCode => Ok(Bytes::new()),
        Behaviour::Sender | Behaviour::Endless => unreachable!("not generated"),
    }
}

/// Runs a product; its calldata depends on all answers before. Gives the first wrong answer.
async fn run(
    at: BlockReader,
    n: usize,
    steps: Vec<Step>,
    behaviours: Vec<Behaviour>,
) -> Result<(), String> {
    let mut data = n.to_be_bytes().to_vec();
    for step in steps {
        let contracts = match step {
            Step::Waits(millis) => {
                pause(millis).await;
                continue;
            }
            Step::Reads(contracts) => contracts,
        };
        let read = |(k, of): (usize, &usize)| {
            let mut data = data.clone();
            data.push(u8::try_from(k).unwrap());
            let (to, at) = (address(1, *of), &at);
            async move { (at.call_raw(to, data.clone().into()).await, data) }
        };
        let answers = join_all(contracts.iter().enumerate().map(read)).await;
        for (of, (answer, sent)) in contracts.iter().zip(answers) {
            let expected = expected(&behaviours[*of], address(1, *of), &sent);
            if answer != expected {
                return Err(format!("contract {of}: {answer:?}, not {expected:?}"));
            }
            data = answer.unwrap_or_default().to_vec();
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_read_gets_its_own_answer(
        products in prop::collection::vec(product(), 1..30),
        behaviours in prop::collection::vec(behaviour(), CONTRACTS),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let contracts = behaviours.iter().enumerate();
            let node = Node::with(contracts.map(|(n, b)| (address(1, n), b.clone())));
            let jobs = products.iter().cloned().enumerate().map(|(n, steps)| {
                let behaviours = behaviours.clone();
                job(n, move |at| run(at, n, steps, behaviours))
            });
            let (outcomes, _) = results(&node.source(), BLOCK, jobs.collect()).await;
            for outcome in outcomes {
                prop_assert_eq!(outcome, Ok(()));
            }
            Ok(())
        })?;
    }

    /// Where nobody misbehaves or waits, rounds are the longest chain of dependent reads.
    #[test]
    fn rounds_are_the_longest_chain(
        depths in prop::collection::vec(prop::collection::vec(2..6usize, 0..5), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let longest = depths.iter().map(Vec::len).max().unwrap_or_default();
        let (outcomes, stats) = runtime.block_on(async {
            let jobs = depths.into_iter().enumerate().map(|(n, layers)| {
                let steps = layers.into_iter().map(|reads| Step::Reads((0..reads).collect()));
                let steps: Vec<_> = steps.collect();
                job(n, move |at| run(at, n, steps, vec![Behaviour::Echo; CONTRACTS]))
            });
            results(&Node::new().source(), BLOCK, jobs.collect()).await
        });
        prop_assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
        prop_assert_eq!(stats.rounds, longest as u64);
    }
}
