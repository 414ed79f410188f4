//! The figures as text.

use std::{fs, time::Duration};

use eyre::Result;

use crate::{
    books::Spread,
    measure::Quantiles,
    run::Row,
    submissions::{Rate, Submissions},
    world::Kind,
};

/// What it ran on.
pub(crate) fn machine() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!("{model}, {cores} cores, load {load} before the start"))
}

/// One row as it comes.
pub(crate) fn line(row: &Row) -> String {
    format!(
        "{} {}: rounds {}, bare {} , keeper {} , on disk {}",
        row.products,
        name(row.kind),
        row.rounds,
        both(row.bare.latency),
        both(row.keeper.latency),
        both(row.on_disk)
    )
}

/// All rows as Markdown.
pub(crate) fn tables(rows: &[Row]) -> String {
    let mut text = String::from(
        "| products | reads: rounds, requests | bare p50 / p99, ms | keeper p50 / p99, ms | ratio p50 / p99 | with the journal on disk | its fsync | sends |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (bare, keeper) = (row.bare.latency, row.keeper.latency);
        text.push_str(&format!(
            "| {} {} | {}, {} | {} | {} | {:.2} / {:.2} | {} | {} | {} |\n",
            row.products,
            name(row.kind),
            row.rounds,
            row.reads,
            both(bare),
            both(keeper),
            ratio(keeper.p50, bare.p50),
            ratio(keeper.p99, bare.p99),
            both(row.on_disk),
            both(row.fsync),
            keeper.count,
        ));
    }
    text.push_str(
        "\n| products | CPU a block: bare | keeper | ratio | resident memory: end, highest | start to first decision | to the last product's |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        text.push_str(&format!(
            "| {} {} | {:.1} ms | {:.1} ms | {:.2} | {:.0} MB, {:.0} MB | {:.2} s | {:.2} s |\n",
            row.products,
            name(row.kind),
            millis(row.bare.cpu),
            millis(row.keeper.cpu),
            ratio(row.keeper.cpu, row.bare.cpu),
            megabytes(row.memory.0),
            megabytes(row.memory.1),
            row.first.as_secs_f64(),
            row.all.as_secs_f64(),
        ));
    }
    text.push_str("\nRequests of the keeper at each block:\n\n");
    for row in rows {
        let methods = row.methods.iter().map(|(name, count)| format!("{name} {count:.2}"));
        let methods = methods.collect::<Vec<_>>().join(", ");
        text.push_str(&format!("- {} {}: {methods}\n", row.products, name(row.kind)));
    }
    text
}

/// Submissions a second as Markdown.
pub(crate) fn submissions(rows: &[Submissions]) -> String {
    let mut text = String::from(
        "| wallets | bare, a second | keeper, a second | ratio | with the journal on disk, a second | ratio | journal steps a send | commits a send | fsyncs a send | steps a commit | CPU a send, ms: bare | keeper |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (bare, keeper, on_disk) = (row.bare.a_second(), row.keeper.rate, row.on_disk.rate);
        let sends = row.on_disk.rate.sends;
        text.push_str(&format!(
            "| {} | {bare:.0} | {:.0} | {:.2} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.2} | {:.2} |\n",
            row.wallets,
            keeper.a_second(),
            keeper.a_second() / bare,
            on_disk.a_second(),
            on_disk.a_second() / bare,
            Rate::each(row.on_disk.steps, sends),
            Rate::each(row.on_disk.commits, sends),
            Rate::each(row.on_disk.syncs, sends),
            Rate::each(row.on_disk.steps, row.on_disk.commits),
            row.bare.cpu_each(),
            row.keeper.rate.cpu_each(),
        ));
    }
    text.push_str(
        "\n| wallets | asked of the node (store in memory) | a send | from the head to the request, p50 / p99, ms | to its answer |\n\
         |---|---|---|---|---|\n",
    );
    for row in rows {
        for step in &row.keeper.way {
            text.push_str(&format!(
                "| {} | {} | {:.2} | {} | {} |\n",
                row.wallets,
                step.name,
                step.a_send,
                both(step.begun),
                both(step.ended),
            ));
        }
    }
    text
}

/// A month's report over so many rows, as Markdown.
pub(crate) async fn books(rows: u64) -> Result<String> {
    let mut text = String::from(
        "| rows of the ledger | wall, ms | CPU, ms | highest memory | store |\n|---|---|---|---|---|\n",
    );
    for (name, spread) in [("over a year", Spread::Year), ("all in the month", Spread::Month)] {
        let (took, size) = crate::books::books(rows, spread).await?;
        text.push_str(&format!(
            "| {rows}, {name} | {:.0} | {:.0} | {:.0} MB | {size} MB |\n",
            millis(took.wall),
            millis(took.cpu),
            megabytes(took.memory)
        ));
    }
    Ok(text)
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::View | Kind::Always => "one-view",
        Kind::Fli => "leveraged",
    }
}

fn both(quantiles: Quantiles) -> String {
    format!("{:.1} / {:.1}", millis(quantiles.p50), millis(quantiles.p99))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}

fn megabytes(kilobytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let kilobytes = kilobytes as f64;
    kilobytes / 1_024.0
}
