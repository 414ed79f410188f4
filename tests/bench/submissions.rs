//! Submissions a second: every wallet has something to send at every block, and the next block is made
//! as soon as all of it has arrived. A lane sends one transaction a block, so this is how fast blocks
//! could come. Beside it a bare loop that only signs and sends.

use std::time::{Duration, Instant};

use alloy::primitives::{Bytes, U256};
use ballast_devnet::Node;
use ballast_test_support::KeeperProcess;
use eyre::{OptionExt as _, Result, ensure};
use tokio::time::timeout;

use crate::{
    bare::When,
    measure::{self, Step},
    proxy::Passed,
    run::{BARE_KEYS, DEADLINE, VIEW_KEYS, named, start},
    world::{Kind, World, in_memory, on_disk},
};

/// Blocks before the first that counts.
const WARM_UP: usize = 10;
/// How long after a block its transactions are waited for. Where one is missing, the next block is
/// made all the same: the wait counts. Where every second block is one, nothing is measured.
const PATIENCE: Duration = Duration::from_secs(2);
const STALLS: usize = 2;

/// How fast it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) sends: u64,
    took: Duration,
    /// Processor time of the process that sends.
    cpu: Duration,
}

impl Rate {
    /// Submissions a second.
    pub(crate) fn a_second(self) -> f64 {
        Self::each(self.sends, 1) / self.took.as_secs_f64()
    }

    /// Processor time for each submission, milliseconds.
    pub(crate) fn cpu_each(self) -> f64 {
        self.cpu.as_secs_f64() * 1_000.0 / Self::each(self.sends, 1)
    }

    /// Both together.
    fn and(self, other: Self) -> Self {
        Self {
            sends: self.sends + other.sends,
            took: self.took + other.took,
            cpu: self.cpu + other.cpu,
        }
    }

    /// How many of one there were for each of another.
    pub(crate) fn each(of: u64, to: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "small counts, for people")]
        let each = of as f64 / to as f64;
        each
    }
}

/// A keeper, and how its journal was written meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Journalled {
    pub(crate) rate: Rate,
    /// When it asked the node for what.
    pub(crate) way: Vec<Step>,
    /// Steps of the journal, and transactions of the store that they shared.
    pub(crate) steps: u64,
    pub(crate) commits: u64,
    /// Those of them that were synced.
    pub(crate) syncs: u64,
}

/// All figures of one number of wallets.
#[derive(Debug)]
pub(crate) struct Submissions {
    pub(crate) wallets: usize,
    /// Before and after the keeper, together.
    pub(crate) bare: Rate,
    /// With the store in memory, and on disk.
    pub(crate) keeper: Journalled,
    pub(crate) on_disk: Journalled,
}

/// Measures one number of wallets.
pub(crate) async fn submissions(wallets: usize, blocks: usize) -> Result<Submissions> {
    let world = World::start(Kind::Always, wallets).await?;
    let bare_keys: Vec<usize> = (BARE_KEYS..).take(wallets).collect();
    let keys: Vec<usize> = (VIEW_KEYS..).take(wallets).collect();
    world.fund(&bare_keys).await?;
    world.fund(&keys).await?;

    let half = blocks.div_ceil(2);
    let before = bare(&world, &bare_keys, half).await?;
    let keeper = keeper(&world, &keys, half, in_memory()?).await?;
    let on_disk = self::keeper(&world, &keys, half, on_disk()?).await?;
    let after = bare(&world, &bare_keys, half).await?;
    Ok(Submissions { wallets, bare: before.and(after), keeper, on_disk })
}

async fn bare(world: &World, keys: &[usize], blocks: usize) -> Result<Rate> {
    let mut process = world.bare(keys, Bytes::new(), When::Always)?.start()?;
    process.wait_for_line("ready", DEADLINE).await?;
    flood(world, keys.len(), WARM_UP).await?;
    let (rate, _) = counted(world, &process, keys.len(), blocks).await?;
    process.kill9().await?;
    Ok(rate)
}

async fn keeper(
    world: &World,
    keys: &[usize],
    blocks: usize,
    store: tempfile::TempDir,
) -> Result<Journalled> {
    let mut started = start(world, Kind::Always, keys, store.path()).await?;
    let process = &started.process;
    // The line is long gone from the output that is kept by the time that it is over.
    let metrics = metrics_of(process).await?;
    flood(world, keys.len(), WARM_UP).await?;
    let before = journal(&metrics).await?;
    let (rate, passed) = counted(world, process, keys.len(), blocks).await?;
    let after = journal(&metrics).await?;
    started.process.kill9().await?;
    let way = measure::way(&passed);
    let [steps, commits, syncs] = std::array::from_fn(|of| after[of] - before[of]);
    Ok(Journalled { rate, way, steps, commits, syncs })
}

/// A flood that is measured.
async fn counted(
    world: &World,
    process: &KeeperProcess,
    wallets: usize,
    blocks: usize,
) -> Result<(Rate, Vec<Passed>)> {
    let before = measure::cpu(process.id())?;
    let (mut rate, passed, stalls) = flood(world, wallets, blocks).await?;
    rate.cpu = measure::cpu(process.id())?.saturating_sub(before);
    ensure!(stalls * STALLS <= blocks, process.failure(&format!("{stalls} of {blocks} stalled")));
    Ok((rate, passed))
}

/// Makes blocks as fast as all wallets send; how fast that was, what passed, and at how many blocks
/// some did not send.
async fn flood(world: &World, wallets: usize, blocks: usize) -> Result<(Rate, Vec<Passed>, usize)> {
    let node = world.devnet.node();
    let mut block = node.block_number().await?;
    let (mut sends, mut stalls, mut all_passed) = (0, 0, Vec::new());
    let begun = Instant::now();
    for _ in 0..blocks {
        block += 1;
        node.mine(1).await?;
        let mut arrived = 0;
        let all = async {
            while arrived < wallets {
                world.proxy.news().await;
                let passed = world.proxy.take();
                let raws = measure::raws(&passed).into_iter();
                arrived += raws.filter(|(_, body)| named(body) == Some(block)).count();
                all_passed.extend(passed);
            }
            // On their way is not there: a block without one of them would have its lane wait for it,
            // which the bare loop does not do.
            while pooled(node).await? < wallets {}
            Ok::<_, eyre::Report>(())
        };
        let taken = timeout(PATIENCE, all).await;
        if taken.is_err() {
            stalls += 1;
        }
        taken.unwrap_or(Ok(()))?;
        sends += u64::try_from(arrived)?;
    }
    Ok((Rate { sends, took: begun.elapsed(), cpu: Duration::ZERO }, all_passed, stalls))
}

/// How many transactions the node has that the next block may hold.
async fn pooled(node: &Node) -> Result<usize> {
    let status: serde_json::Value = node.rpc("txpool_status", ()).await?;
    let pending: U256 = status["pending"].as_str().ok_or_eyre("no pool")?.parse()?;
    Ok(pending.try_into()?)
}

/// Where the keeper's metrics are.
async fn metrics_of(keeper: &KeeperProcess) -> Result<String> {
    let line = keeper.wait_for_line("listen=", DEADLINE).await?;
    let address = line.split("listen=").nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(format!("http://{}/metrics", address.ok_or_eyre("no address after listen=")?))
}

/// Steps, commits and fsyncs of the journal so far, as the keeper counts them.
async fn journal(metrics: &str) -> Result<[u64; 3]> {
    let text = reqwest::get(metrics).await?.text().await?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).ok_or_eyre(format!("no {name}"))
    };
    Ok([
        value("ballast_journal_steps_total")?,
        value("ballast_journal_commits_total")?,
        value("ballast_journal_syncs_total")?,
    ])
}
