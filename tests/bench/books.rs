//! A month's report over a ledger of a million rows, by the real command on a store on disk.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256, U256};
use ballast::{
    config::Category,
    ledger::{BlockRef, Entry, Fees, Holder, PricedAt},
    money::Usd,
    store::Store,
    submission::lifecycle::Outcome,
};
use ballast_chains::feeds::Price;
use eyre::{OptionExt as _, Result, WrapErr as _, ensure};
use tokio::{
    process::Command,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::measure::{cpu, memory};

/// 1 October 2026, and the month's end.
const OCTOBER: u64 = 1_790_812_800;
const MONTH: u64 = 31 * 86_400;
/// Products that share the rows.
const PRODUCTS: u64 = 40;
/// Rows of one commit.
const CHUNK: u64 = 5_000;
/// How often the command is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longest that one report may take: reached by a failure only.
const LONGEST: Duration = Duration::from_secs(600);
/// Reports of each kind; the middle one is told.
const RUNS: usize = 5;

/// How the rows lie in time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spread {
    /// Over the year that a report looks back on.
    Year,
    /// All in the month of the report.
    Month,
}

/// What one report took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Took {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// Highest resident memory, kilobytes.
    pub(crate) memory: u64,
}

fn entry(index: u64, at: u64) -> Entry {
    let gas = 880_000 + index % 50_000;
    let price = Price::from_fixed18(U256::from(2_640) * U256::from(10_u64.pow(18))).unwrap();
    let cost = U256::from(gas) * U256::from((20 + index % 90) * 1_000_000_000);
    let outcome = match index % 29 {
        3 => Outcome::Reverted,
        5 => Outcome::Cancelled,
        _ => Outcome::Confirmed,
    };
    let product = index % PRODUCTS;
    Entry {
        holder: Holder {
            chain_id: 1,
            chain: "mainnet".into(),
            wallet: Address::with_last_byte(u8::try_from(product).unwrap()),
            product: format!("product-{product:02}"),
        },
        nonce: index / PRODUCTS,
        hash: B256::from(U256::from(index)),
        category: if product < 30 { Category::Automated } else { Category::Composite },
        action: ["rebalance", "iterateRebalance", "ripcord"]
            [usize::try_from(index / PRODUCTS % 3).unwrap()]
        .into(),
        urgency: None,
        why: "the rebalance interval has passed".into(),
        attempts: 1,
        outcome,
        succeeded: outcome != Outcome::Reverted,
        gas_used: gas,
        effective_gas_price: 0,
        fees: Fees { execution: cost, ..Fees::default() },
        cost,
        value: U256::ZERO,
        price: Ok(PricedAt { price, round: U256::from(7), updated_at: at }),
        usd: Some(Usd::cost(cost, price)),
        settlement: None,
        block: BlockRef { number: index, hash: B256::ZERO, timestamp: at },
        booked_at: at,
    }
}

/// Books the rows; the time of each grows with its index.
async fn book(dir: &Path, rows: u64, spread: Spread) -> Result<()> {
    let (from, length) = match spread {
        Spread::Year => (OCTOBER - 334 * 86_400, 334 * 86_400 + MONTH),
        Spread::Month => (OCTOBER, MONTH),
    };
    let store = Store::open(&dir.join("ballast.db")).await?;
    let ledger = store.ledger();
    let mut next = 0;
    while next < rows {
        let end = (next + CHUNK).min(rows);
        let all: Vec<Entry> = (next..end).map(|i| entry(i, from + length * i / rows)).collect();
        ledger.book(&all).await?;
        next = end;
    }
    store.close().await;
    Ok(())
}

/// Runs the report and watches it until it ends.
async fn report(dir: &Path) -> Result<Took> {
    let begun = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--config".as_ref(), dir.as_os_str()])
        .args(["gas", "report", "--month", "2026-10", "--json"])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let pid = i32::try_from(child.id().ok_or_eyre("the report has no process")?)?;
    let (mut used, mut most) = (Duration::ZERO, 0);
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watched = async {
        loop {
            tokio::select! {
                ended = child.wait() => return ended,
                // Of a process that has ended there is nothing to see; the look before it stands.
                _ = looks.tick() => if let (Ok(cpu), Ok((_, highest))) = (cpu(pid), memory(pid)) {
                    (used, most) = (cpu, highest);
                },
            }
        }
    };
    let ended = timeout(LONGEST, watched).await;
    let status =
        ended.wrap_err_with(|| format!("the report has not ended within {LONGEST:?}"))??;
    ensure!(status.success(), "the report ended with {status}");
    Ok(Took { wall: begun.elapsed(), cpu: used, memory: most })
}

/// Books so many rows and adds them up; the middle of the runs, and the size of the store in MB.
pub(crate) async fn books(rows: u64, spread: Spread) -> Result<(Took, u64)> {
    let dir = tempfile::tempdir()?;
    for folder in ["chains", "products"] {
        std::fs::create_dir(dir.path().join(folder))?;
    }
    let store = dir.path().join("ballast.db");
    let url = format!("[store]\nurl = \"sqlite://{}\"\n", store.display());
    std::fs::write(dir.path().join("ballast.toml"), url)?;
    let chain = "chain_id = 1\nrpc = [\"http://127.0.0.1:9\"]\n";
    std::fs::write(dir.path().join("chains/mainnet.toml"), chain)?;
    let product = "strategy = \"fli\"\nchain = \"mainnet\"\n[wallet]\n\
                   address = \"0x0000000000000000000000000000000000000001\"\n\
                   [params]\nextension = \"0x0000000000000000000000000000000000000009\"\n";
    std::fs::write(dir.path().join("products/product-01.toml"), product)?;
    book(dir.path(), rows, spread).await?;
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        runs.push(report(dir.path()).await?);
    }
    runs.sort_unstable();
    Ok((runs[RUNS / 2], std::fs::metadata(store)?.len() / 1_000_000))
}
