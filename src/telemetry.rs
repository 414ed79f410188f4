//! Logs and metrics, set up once.

use std::{io::IsTerminal as _, time::Duration};

use eyre::{Result, WrapErr};
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Histograms have no quantile of their own: without buckets the exporter would make summaries,
/// which cannot be added up over instances.
const SECONDS_BUCKETS: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
const ROUNDS_BUCKETS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 8.0, 16.0];
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Crates that print whole addresses of endpoints at lower levels, and with them secrets.
const ADDRESS_PRINTERS: [&str; 5] =
    ["tungstenite", "tokio_tungstenite", "hyper", "hyper_util", "reqwest"];

/// Starts logging to standard error; `filter` is in the syntax of `RUST_LOG`.
pub fn start_logs(filter: &str, format: LogFormat) -> Result<()> {
    let mut filter = EnvFilter::try_new(filter)
        .wrap_err_with(|| format!("the log filter `{filter}` is not understood"))?;
    for quiet in ADDRESS_PRINTERS {
        filter = filter.add_directive(format!("{quiet}=warn").parse()?);
    }
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => logs.with_target(false).try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
    started.map_err(|error| eyre::eyre!("starting the log: {error}"))
}

/// Installs the process-wide recorder and describes every metric.
pub fn start_metrics() -> Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_rounds".into()), ROUNDS_BUCKETS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).wrap_err("a metrics recorder is installed already")?;
    describe();
    describe_reading();
    describe_sending();
    Ok(handle)
}

/// Keeps histograms from growing until they are scraped; nobody else does without a listener.
pub(crate) async fn upkeep(handle: PrometheusHandle, stop: CancellationToken) {
    let mut tick = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => handle.run_upkeep(),
        }
    }
}

fn describe() {
    ballast_chains::pool::describe_metrics();
    describe_gauge!("ballast_head_number", Unit::Count, "Number of the newest head");
    describe_gauge!("ballast_head_timestamp", Unit::Seconds, "Block time of the newest head");
    describe_counter!("ballast_reorgs_total", Unit::Count, "Reorganisations seen");
    describe_counter!("ballast_decisions_total", Unit::Count, "Decisions by kind");
    describe_counter!("ballast_product_restarts_total", Unit::Count, "Products started again");
    describe_gauge!("ballast_product_halted", Unit::Count, "1 while a product is given up");
    describe_gauge!("ballast_store_short", Unit::Count, "1 while the disk is full");
    describe_gauge!("ballast_alerts_open", Unit::Count, "Conditions that people were told of");
    describe_counter!("ballast_alerts_total", Unit::Count, "Alerts by status and severity");
    describe_counter!(
        "ballast_notifications_total",
        Unit::Count,
        "Deliveries of alerts by receiver and outcome"
    );
    describe_counter!("ballast_heartbeats_total", Unit::Count, "Heartbeats by outcome");
    describe_gauge!("ballast_observation", "Inputs of the last decision, for charts only");
    describe_histogram!("ballast_assess_seconds", Unit::Seconds, "Head seen to decision");
}

fn describe_reading() {
    describe_histogram!("ballast_read_rounds", "Sequential rounds of reads at one block");
    describe_counter!("ballast_read_calls_total", Unit::Count, "Calls read in batches or alone");
    describe_counter!("ballast_read_repeats_total", Unit::Count, "Calls that were read again");
    describe_counter!("ballast_slow_polls_total", Unit::Count, "Polls of assessments above 50 ms");
    describe_counter!(
        "ballast_decisions_dropped_total",
        Unit::Count,
        "Decisions not recorded, because the store was too slow or failed"
    );
}

fn describe_sending() {
    describe_counter!("ballast_transactions_total", Unit::Count, "Spent nonces by outcome");
    describe_counter!("ballast_replacements_total", Unit::Count, "Further attempts by kind");
    describe_counter!("ballast_broadcasts_total", Unit::Count, "Answers of nodes by verdict");
    describe_counter!(
        "ballast_postconditions_missed_total",
        Unit::Count,
        "Successful transactions that did not change what they should"
    );
    describe_counter!(
        "ballast_foreign_transactions_total",
        Unit::Count,
        "Times that somebody else used a wallet's key"
    );
    describe_counter!(
        "ballast_lifecycle_unexpected_total",
        Unit::Count,
        "Events that a transaction's state does not have: a mistake in the program"
    );
    describe_counter!(
        "ballast_journal_failures_total",
        Unit::Count,
        "Events that could not be written to the journal"
    );
}

#[cfg(test)]
mod tests;
