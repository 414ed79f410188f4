//! What is measured of a process, and figures from lists of moments.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use eyre::{OptionExt as _, Result};

use crate::proxy::Passed;

/// Clock ticks a second in `/proc`: a constant of the kernel's interface on Linux.
const TICKS: u64 = 100;
/// Writes by which the disk is described.
const SYNCS: usize = 100;

/// Processor time of a process so far, all threads, user and system.
pub(crate) fn cpu(pid: i32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in brackets, which may hold anything.
    let fields: Vec<&str> =
        stat.rsplit_once(") ").ok_or_eyre("stat")?.1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}

/// Resident memory of a process in kilobytes: now, and at its highest.
pub(crate) fn memory(pid: i32) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Ok((kilobytes("VmRSS:").ok_or_eyre("VmRSS")?, kilobytes("VmHWM:").ok_or_eyre("VmHWM")?))
}

/// How long a small write and its fsync take in a folder.
pub(crate) fn fsync(dir: &Path) -> Result<Quantiles> {
    let mut file = fs::File::create(dir.join("fsync"))?;
    let mut took = Vec::new();
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    Quantiles::of(took).ok_or_eyre("no write")
}

/// The middle, and what one in a hundred exceeds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantiles {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) count: usize,
}

impl Quantiles {
    pub(crate) fn of(mut all: Vec<Duration>) -> Option<Self> {
        all.sort_unstable();
        let at = |percent: usize| all.get((all.len().saturating_sub(1)) * percent / 100).copied();
        Some(Self { p50: at(50)?, p99: at(99)?, count: all.len() })
    }
}

/// When each head passed.
pub(crate) fn heads(passed: &[Passed]) -> BTreeMap<u64, Instant> {
    let heads = passed.iter().filter_map(|passed| match passed {
        Passed::Head { at, block } => Some((*block, *at)),
        Passed::Request { .. } => None,
    });
    heads.collect()
}

/// When each raw transaction came, with its request.
pub(crate) fn raws(passed: &[Passed]) -> Vec<(Instant, &[u8])> {
    let raws = passed.iter().filter_map(|passed| match passed {
        Passed::Request { method, begun, body, .. } if method == "eth_sendRawTransaction" => {
            Some((*begun, body.as_slice()))
        }
        Passed::Request { .. } | Passed::Head { .. } => None,
    });
    raws.collect()
}

/// Sequential rounds and number of the reads at each block; simulations are not among them.
pub(crate) fn rounds(passed: &[Passed]) -> BTreeMap<String, (usize, usize)> {
    let mut blocks: BTreeMap<String, Vec<(Instant, Instant)>> = BTreeMap::new();
    for passed in passed {
        if let Passed::Request { begun, ended, read: Some(read), .. } = passed
            && !read.by_wallet
        {
            blocks.entry(read.pinned.clone()).or_default().push((*begun, *ended));
        }
    }
    let depth = |mut reads: Vec<(Instant, Instant)>| {
        reads.sort_unstable_by_key(|(_, ended)| *ended);
        let (mut rounds, mut free_from) = (0, None);
        for (begun, ended) in &reads {
            if free_from.is_none_or(|free| *begun > free) {
                rounds += 1;
                free_from = Some(*ended);
            }
        }
        (rounds, reads.len())
    };
    blocks.into_iter().map(|(block, reads)| (block, depth(reads))).collect()
}

/// How often each method was asked.
pub(crate) fn methods(passed: &[Passed]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for passed in passed {
        if let Passed::Request { method, .. } = passed {
            *counts.entry(method.clone()).or_default() += 1;
        }
    }
    counts
}

/// One kind of request on the way from a head to a transaction.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// How many there were for each transaction.
    pub(crate) a_send: f64,
    /// From the newest head's bytes to the request's last byte, and to that of its answer.
    pub(crate) begun: Quantiles,
    pub(crate) ended: Quantiles,
}

/// When each kind of request went out after a head, in the order of their ends.
pub(crate) fn way(passed: &[Passed]) -> Vec<Step> {
    let heads: Vec<Instant> = heads(passed).into_values().collect();
    let mut kinds: BTreeMap<String, (Vec<Duration>, Vec<Duration>)> = BTreeMap::new();
    for passed in passed {
        let Passed::Request { method, begun, ended, read, .. } = passed else { continue };
        let by_wallet = read.as_ref().is_some_and(|read| read.by_wallet);
        let name = if by_wallet { format!("{method} of a wallet") } else { method.clone() };
        let Some(head) = heads.iter().rev().find(|head| *head <= begun) else { continue };
        let (begins, ends) = kinds.entry(name).or_default();
        begins.push(begun.duration_since(*head));
        ends.push(ended.duration_since(*head));
    }
    let sends = kinds.get("eth_sendRawTransaction").map_or(1, |(begins, _)| begins.len());
    let steps = kinds.into_iter().filter_map(|(name, (begins, ends))| {
        #[expect(clippy::cast_precision_loss, reason = "small counts, for people")]
        let a_send = begins.len() as f64 / sends as f64;
        Some(Step { name, a_send, begun: Quantiles::of(begins)?, ended: Quantiles::of(ends)? })
    });
    let mut steps: Vec<Step> = steps.collect();
    steps.sort_by_key(|step| step.ended.p50);
    steps
}
