//! Logs and metrics, set up once.

mod catalogue;
mod lines;

use std::{io::IsTerminal as _, time::Duration};

use eyre::{Result, WrapErr};
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
/// Buckets by the end of a histogram's name; a test holds every histogram to one of these.
const BUCKETS: [(&str, &[f64]); 2] = [("_seconds", SECONDS_BUCKETS), ("_rounds", ROUNDS_BUCKETS)];
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
    let colours = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(lines::Lines { format, colours });
    let started = match format {
        LogFormat::Text => logs.with_target(false).try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
    started.map_err(|error| eyre::eyre!("starting the log: {error}"))
}

/// Installs the process-wide recorder and describes every metric.
pub fn start_metrics() -> Result<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new();
    for (suffix, buckets) in BUCKETS {
        builder = builder.set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), buckets)?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).wrap_err("a metrics recorder is installed already")?;
    catalogue::describe();
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

#[cfg(test)]
mod tests;
