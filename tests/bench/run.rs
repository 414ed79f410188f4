//! The phases: a bare loop and a keeper over the same products, one after the other on one chain.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use alloy::{
    primitives::Bytes,
    providers::bindings::IMulticall3::{Call3, aggregate3Call},
    sol_types::SolCall as _,
};
use ballast_devnet::USD;
use ballast_test_support::{KeeperProcess, wait_until};
use eyre::{OptionExt as _, Result, ensure};

use crate::{
    bare::{self, When},
    measure::{self, Quantiles},
    proxy::Passed,
    world::{Kind, World, in_memory, on_disk},
};

/// Longest wait for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
/// Blocks before the first that counts.
const WARM_UP: usize = 12;
/// Blocks at which rounds are counted, the pace, and the latency that reads have there.
const ROUNDS: (usize, Duration, Duration) =
    (6, Duration::from_millis(1_200), Duration::from_millis(200));
/// Keys of the bare loop and of the keeper's one-view products; the first are the devnet's own.
pub(crate) const BARE_KEYS: usize = 10_000;
pub(crate) const VIEW_KEYS: usize = 20_000;
/// A day and a second: every leveraged product's interval is over.
const INTERVAL: u64 = 86_401;
/// Transactions that are timed for leveraged products, at least, and warps at most.
const FLI_SENDS: usize = 100;
const MAX_WARPS: usize = 8;
/// Blocks after a warp in which everything is included, and final.
const SETTLE: usize = 6;

/// One of the two that are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    /// Head seen to raw transaction out.
    pub(crate) latency: Quantiles,
    /// Processor time a block.
    pub(crate) cpu: Duration,
}

/// All figures of one number of products.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) products: usize,
    pub(crate) bare: Side,
    /// With the store in memory.
    pub(crate) keeper: Side,
    /// With the store on disk.
    pub(crate) on_disk: Quantiles,
    /// One write and fsync on that disk.
    pub(crate) fsync: Quantiles,
    /// Most sequential rounds of reads at a block, and most requests.
    pub(crate) rounds: usize,
    pub(crate) reads: usize,
    /// Requests of each method at each block.
    pub(crate) methods: BTreeMap<String, f64>,
    /// Resident memory in kilobytes: at the end, and at its highest.
    pub(crate) memory: (u64, u64),
    /// From the start to the first decision, and to the last product's first.
    pub(crate) first: Duration,
    pub(crate) all: Duration,
}

/// A keeper that has decided about every product once.
pub(crate) struct Started {
    pub(crate) process: KeeperProcess,
    first: Duration,
    all: Duration,
    _files: ballast_test_support::ConfigDir,
}

pub(crate) async fn start(
    world: &World,
    kind: Kind,
    keys: &[usize],
    store: &Path,
) -> Result<Started> {
    let (command, files) = world.keeper(kind, keys, store)?;
    let begun = Instant::now();
    let process = command.start()?;
    let decided = async {
        process.wait_for_line("decision", DEADLINE).await?;
        let first = begun.elapsed();
        let everyone = async || {
            process.lines().iter().filter(|line| line.contains("decision")).count() >= keys.len()
        };
        wait_until("every product's first decision", DEADLINE, everyone).await?;
        Ok::<_, eyre::Report>((first, begun.elapsed()))
    };
    let (first, all) = tokio::select! {
        decided = decided => decided?,
        beating = world.beat(usize::MAX) => { beating?; unreachable!("it beats for ever") }
    };
    Ok(Started { process, first, all, _files: files })
}

/// Time from a head to the raw transaction that names it.
fn latencies_by_block(passed: &[Passed]) -> Vec<Duration> {
    let heads = measure::heads(passed);
    let raws = measure::raws(passed).into_iter();
    raws.filter_map(|(at, body)| Some(at.saturating_duration_since(*heads.get(&named(body)?)?)))
        .collect()
}

/// The block that a transaction of a one-view product names.
pub(crate) fn named(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    let word = text.split("ee82ac5e").nth(1)?.get(..64)?;
    u64::from_str_radix(word.get(48..)?, 16).ok()
}

/// Time from a head to each different raw transaction that came after it and before the next.
fn latencies_by_time(passed: &[Passed]) -> Vec<Duration> {
    let heads = measure::heads(passed);
    let mut seen = std::collections::BTreeSet::new();
    let fresh = measure::raws(passed).into_iter().filter(|(_, body)| seen.insert(raw_of(body)));
    fresh
        .filter_map(|(at, _)| {
            let head = heads.values().filter(|head| **head <= at).max()?;
            Some(at.saturating_duration_since(*head))
        })
        .collect()
}

/// The transaction without the number of its request.
fn raw_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    text.split("\"params\":[\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("").into()
}

async fn bare_views(
    world: &World,
    keys: &[usize],
    blocks: usize,
) -> Result<(Vec<Duration>, Duration)> {
    let batch = bare::views(
        &keys.iter().map(|key| ballast_devnet::accounts::keeper_key(*key)).collect::<Vec<_>>(),
    )?;
    let mut process = world.bare(keys, batch, When::Turn)?.start()?;
    process.wait_for_line("ready", DEADLINE).await?;
    let (passed, cpu) = watch(world, &mut process, blocks).await?;
    process.kill9().await?;
    Ok((latencies_by_block(&passed), cpu))
}

/// Lets a process warm up, and gives what passed and its processor time in the blocks after that.
async fn watch(
    world: &World,
    process: &mut KeeperProcess,
    blocks: usize,
) -> Result<(Vec<Passed>, Duration)> {
    world.beat(WARM_UP).await?;
    world.proxy.take();
    let before = measure::cpu(process.id())?;
    world.beat(blocks).await?;
    let cpu = measure::cpu(process.id())?.saturating_sub(before);
    ensure!(process.is_running()?, process.failure("it ended"));
    Ok((world.proxy.take(), cpu))
}

/// Products with one view each; at every block one of them acts.
pub(crate) async fn views(products: usize, blocks: usize) -> Result<Row> {
    let world = World::start(Kind::View, products).await?;
    let bare_keys: Vec<usize> = (BARE_KEYS..).take(products).collect();
    let keys: Vec<usize> = (VIEW_KEYS..).take(products).collect();
    world.fund(&bare_keys).await?;
    world.fund(&keys).await?;

    // Before and after the keeper, so that a machine that changes pace meanwhile shows.
    let half = blocks.div_ceil(2);
    let (mut bare_latencies, mut bare_cpu) = bare_views(&world, &bare_keys, half).await?;
    let (memory, disk) = (in_memory()?, on_disk()?);
    let mut keeper = start(&world, Kind::View, &keys, memory.path()).await?;
    let (passed, cpu) = watch(&world, &mut keeper.process, blocks).await?;
    let resident = measure::memory(keeper.process.id())?;
    let (rounds, reads) = count_rounds(&world).await?;
    keeper.process.kill9().await?;

    let mut journalling = start(&world, Kind::View, &keys, disk.path()).await?;
    let (on_disk, _) = watch(&world, &mut journalling.process, blocks).await?;
    let on_disk = latencies_by_block(&on_disk);
    journalling.process.kill9().await?;
    let (more, cpu_after) = bare_views(&world, &bare_keys, half).await?;
    bare_latencies.extend(more);
    bare_cpu += cpu_after;

    Ok(Row {
        kind: Kind::View,
        products,
        bare: side(bare_latencies, bare_cpu, 2 * half)?,
        keeper: side(latencies_by_block(&passed), cpu, blocks)?,
        on_disk: Quantiles::of(on_disk).ok_or_eyre("nothing was sent")?,
        fsync: measure::fsync(disk.path())?,
        rounds,
        reads,
        methods: per_block(&passed, blocks),
        memory: resident,
        first: keeper.first,
        all: keeper.all,
    })
}

fn side(latencies: Vec<Duration>, cpu: Duration, blocks: usize) -> Result<Side> {
    let latency = Quantiles::of(latencies).ok_or_eyre("nothing was sent")?;
    Ok(Side { latency, cpu: cpu / u32::try_from(blocks)? })
}

fn per_block(passed: &[Passed], blocks: usize) -> BTreeMap<String, f64> {
    #[expect(clippy::cast_precision_loss, reason = "small counts, for people")]
    let each = |count: usize| count as f64 / blocks as f64;
    measure::methods(passed).into_iter().map(|(name, count)| (name, each(count))).collect()
}

/// The most rounds and reads at one block, at a latency by which what goes out together is seen to
/// overlap. The first and the last block may be incomplete.
async fn count_rounds(world: &World) -> Result<(usize, usize)> {
    let (blocks, pace, latency) = ROUNDS;
    world.proxy.simulate_read_latency(latency);
    world.beat_every(pace, 2).await?;
    world.proxy.take();
    world.beat_every(pace, blocks).await?;
    world.proxy.simulate_read_latency(Duration::ZERO);
    let passed = world.proxy.take();
    let counted = measure::rounds(&passed);
    ensure!(counted.len() >= blocks - 1, "blocks were skipped: {counted:?}");
    ensure!(!counted.contains_key(""), "a read was not pinned to a block: {counted:?}");
    let rounds = counted.values().map(|(rounds, _)| *rounds).max();
    let reads = counted.values().map(|(_, reads)| *reads).max();
    Ok((rounds.ok_or_eyre("no reads")?, reads.ok_or_eyre("no reads")?))
}

/// Leveraged products; nothing is due while processor time and rounds are taken, and everything
/// when the interval is over.
pub(crate) async fn fli(products: usize, blocks: usize) -> Result<Row> {
    let world = World::start(Kind::Fli, products).await?;
    let keys: Vec<usize> = (0..products).collect();
    let bare_keys: Vec<usize> = (BARE_KEYS..).take(products).collect();
    world.fund(&bare_keys).await?;
    let market = world.devnet.market();
    market.set_price(1_900 * USD).await?;

    let (memory, disk) = (in_memory()?, on_disk()?);
    let mut keeper = start(&world, Kind::Fli, &keys, memory.path()).await?;
    let (passed, cpu) = watch(&world, &mut keeper.process, blocks).await?;
    let resident = measure::memory(keeper.process.id())?;
    let (rounds, reads) = count_rounds(&world).await?;
    let batch = capture(&world).await?;
    let latencies = warps(&world, products).await?;
    keeper.process.kill9().await?;

    let mut loops = world.bare(&bare_keys, batch, When::Warp)?.start()?;
    loops.wait_for_line("ready", DEADLINE).await?;
    let (_, bare_cpu) = watch(&world, &mut loops, blocks).await?;
    let bare_latencies = warps(&world, products).await?;
    loops.kill9().await?;

    let mut journalling = start(&world, Kind::Fli, &keys, disk.path()).await?;
    world.beat(WARM_UP).await?;
    let on_disk = warps(&world, products).await?;
    journalling.process.kill9().await?;

    Ok(Row {
        kind: Kind::Fli,
        products,
        bare: side(bare_latencies, bare_cpu, blocks)?,
        keeper: side(latencies, cpu, blocks)?,
        on_disk: Quantiles::of(on_disk).ok_or_eyre("nothing was sent")?,
        fsync: measure::fsync(disk.path())?,
        rounds,
        reads,
        methods: per_block(&passed, blocks),
        memory: resident,
        first: keeper.first,
        all: keeper.all,
    })
}

/// The reads of one block as one batch, as the keeper has just made them.
async fn capture(world: &World) -> Result<Bytes> {
    world.proxy.keep_reads(true);
    world.beat(2).await?;
    world.proxy.take();
    world.beat(1).await?;
    world.proxy.keep_reads(false);
    let mut calls = Vec::new();
    for passed in world.proxy.take() {
        let Passed::Request { read: Some(read), body, .. } = passed else { continue };
        if read.by_wallet {
            continue;
        }
        let request: serde_json::Value = serde_json::from_slice(&body)?;
        let call = &request["params"][0];
        let data = call["input"].as_str().or(call["data"].as_str()).ok_or_eyre("no calldata")?;
        let data: Bytes = data.parse()?;
        match aggregate3Call::abi_decode(&data) {
            Ok(batch) => calls.extend(batch.calls),
            // Alone in its round.
            Err(_) => calls.push(Call3 {
                target: call["to"].as_str().ok_or_eyre("no target")?.parse()?,
                allowFailure: true,
                callData: data,
            }),
        }
    }
    ensure!(!calls.is_empty(), "the keeper read nothing");
    Ok(aggregate3Call { calls }.abi_encode().into())
}

/// Lets the interval pass again and again; every time each product sends one transaction.
async fn warps(world: &World, products: usize) -> Result<Vec<Duration>> {
    let mut all = Vec::new();
    for _ in 0..FLI_SENDS.div_ceil(products).min(MAX_WARPS) {
        world.proxy.take();
        world.devnet.node().warp(INTERVAL).await?;
        let mut passed = Vec::new();
        let sent = async || {
            passed.extend(world.proxy.take());
            let sent = latencies_by_time(&passed).len();
            if sent >= products { Ok(()) } else { Err(format!("{sent} of {products}")) }
        };
        wait_until("every product's transaction", DEADLINE, sent).await?;
        all.extend(latencies_by_time(&passed));
        world.beat(SETTLE).await?;
    }
    Ok(all)
}
