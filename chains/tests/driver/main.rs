//! The driver against a scripted chain: how many rounds a block takes, who waits for whom, and
//! what is believed of a batch.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step is a failed test")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "a failed step is a failed test")]

mod failures;
mod graphs;
mod node;
mod reader;
mod rounds;
mod supervision;
mod world;

use std::{collections::HashMap, time::Duration};

use alloy::primitives::{Address, Bytes};
use ballast_chains::{
    BlockReader, ReadError,
    driver::{Job, Outcome, RoundStats, drive},
    reader::BlockSource,
};
use futures::future::join_all;
use world::{address, echo, head};

/// Longer than any test may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Wallet of the `n`th product.
fn wallet(n: usize) -> Address {
    address(0xca, n)
}

fn job<T, F, Fut>(n: usize, work: F) -> Job<usize, T>
where
    F: FnOnce(BlockReader) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    Job::new(n, wallet(n), PATIENCE, work)
}

/// Drives jobs at a block and gives their outcomes by key.
async fn outcomes<T>(
    source: &BlockSource,
    block: u64,
    jobs: Vec<Job<usize, T>>,
) -> (HashMap<usize, Outcome<T>>, RoundStats) {
    let mut all = HashMap::new();
    let expected = jobs.len();
    let report = |key, outcome| assert!(all.insert(key, outcome).is_none(), "reported twice");
    let driving = drive(source, head(block), jobs, report);
    let stats = tokio::time::timeout(PATIENCE, driving).await.expect("the driver ends");
    assert_eq!(all.len(), expected);
    (all, stats)
}

/// As [`outcomes`], in the order of keys, for jobs that end well.
async fn results<T>(
    source: &BlockSource,
    block: u64,
    jobs: Vec<Job<usize, T>>,
) -> (Vec<T>, RoundStats) {
    let (mut all, stats) = outcomes(source, block, jobs).await;
    let mut keys: Vec<_> = all.keys().copied().collect();
    keys.sort_unstable();
    let done = |key| match all.remove(&key) {
        Some(Outcome::Done(value)) => value,
        Some(Outcome::Panicked(message)) => panic!("job {key} panicked: {message}"),
        Some(Outcome::TimedOut) | None => panic!("job {key} timed out"),
    };
    (keys.into_iter().map(done).collect(), stats)
}

/// Reads several contracts at once with the same calldata.
async fn read_all(
    at: &BlockReader,
    targets: &[Address],
    data: &Bytes,
) -> Vec<Result<Bytes, ReadError>> {
    join_all(targets.iter().map(|to| at.call_raw(*to, data.clone()))).await
}

/// What a typical product does: five reads, then three that depend on them. Gives whether all
/// answers were its own.
async fn two_rounds(at: BlockReader, n: usize) -> bool {
    let targets: Vec<_> = (0..5).map(|k| address(1, n * 8 + k)).collect();
    let block = at.header().number;
    let mut own = true;
    let mut data = Bytes::from(n.to_be_bytes().to_vec());
    for targets in [&targets[..], &targets[..3]] {
        let answers = read_all(&at, targets, &data).await;
        for (to, answer) in targets.iter().zip(&answers) {
            own &= answer.as_ref() == Ok(&echo(*to, &data, block));
        }
        data = answers[0].clone().unwrap();
    }
    own
}
