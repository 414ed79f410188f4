//! Every metric, once: its name, what it is, its labels, what it means. `docs/metrics.md` is this
//! table, and a test holds both against the code.
//!
//! Labels are fixed words, names of products, chains and receivers, and labels of endpoints: their
//! number is bounded by the configuration. No hash, address, block or free text is ever one.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// One metric.
type Row = (&'static str, Kind, Unit, &'static str, &'static str);

/// All of them, by name.
const CATALOGUE: &[Row] = &[
    ("ballast_alerts_open", Gauge, Unit::Count, "", "Conditions that people were told of"),
    ("ballast_alerts_total", Counter, Unit::Count, "status, severity", "Alerts"),
    (
        "ballast_assess_seconds",
        Histogram,
        Unit::Seconds,
        "chain",
        "From seeing a head to a product's decision at it",
    ),
    (
        "ballast_broadcasts_total",
        Counter,
        Unit::Count,
        "product, chain, verdict",
        "Answers of endpoints to transactions as submission understands them; `nobody`: no endpoint takes any",
    ),
    (
        "ballast_decisions_dropped_total",
        Counter,
        Unit::Count,
        "",
        "Batches of decisions and series that the disk was too slow or too full for",
    ),
    ("ballast_decisions_total", Counter, Unit::Count, "product, chain, kind", "Decisions"),
    (
        "ballast_extra_fees_unknown_total",
        Counter,
        Unit::Count,
        "product, chain, at",
        "Times that the L1 data fee was unknown, before sending (quote) or afterwards (receipt)",
    ),
    (
        "ballast_extra_fees_wei_total",
        Counter,
        Unit::Count,
        "product, chain",
        "L1 data and operator fees of included transactions, wei",
    ),
    ("ballast_feeds_failing", Gauge, Unit::Count, "chain", "1 while a feed gives no usable answer"),
    (
        "ballast_final_blocks_undone_total",
        Counter,
        Unit::Count,
        "product, chain",
        "Times that a chain took back blocks that counted as final",
    ),
    (
        "ballast_foreign_transactions_total",
        Counter,
        Unit::Count,
        "product, chain",
        "Times that somebody else was seen to use a product's key",
    ),
    (
        "ballast_guard_findings_total",
        Counter,
        Unit::Count,
        "product, chain, row, effect",
        "Reasons of the guard at actions that were due, by what they did",
    ),
    ("ballast_head_number", Gauge, Unit::Count, "chain", "Number of the newest head"),
    (
        "ballast_head_timestamp",
        Gauge,
        Unit::Seconds,
        "chain",
        "Block time of the newest head, since 1970",
    ),
    ("ballast_heartbeats_total", Counter, Unit::Count, "outcome", "Heartbeats"),
    (
        "ballast_http_requests_total",
        Counter,
        Unit::Count,
        "route, method, status",
        "Requests to this surface, by class of status",
    ),
    ("ballast_http_seconds", Histogram, Unit::Seconds, "route", "Time of an answer"),
    ("ballast_http_streams", Gauge, Unit::Count, "", "Live streams that are open"),
    (
        "ballast_journal_commits_total",
        Counter,
        Unit::Count,
        "",
        "Transactions of the store that hold steps of the journal",
    ),
    (
        "ballast_journal_failures_total",
        Counter,
        Unit::Count,
        "product, chain",
        "Remarks that could not be journalled; nothing is sent that is not",
    ),
    (
        "ballast_journal_steps_total",
        Counter,
        Unit::Count,
        "",
        "Steps of the journal; those that wait together share a commit",
    ),
    (
        "ballast_journal_syncs_total",
        Counter,
        Unit::Count,
        "",
        "Commits of the journal that were on the disk before anything was done on the strength of them: one fsync each",
    ),
    (
        "ballast_ledger_entries_total",
        Counter,
        Unit::Count,
        "product, outcome",
        "Transactions that were booked",
    ),
    (
        "ballast_ledger_failing",
        Gauge,
        Unit::Count,
        "chain",
        "1 while the books of a chain's wallets cannot be kept",
    ),
    (
        "ballast_ledger_reconciled_timestamp",
        Gauge,
        Unit::Seconds,
        "product",
        "Time of the block up to which the books were last reconciled",
    ),
    (
        "ballast_ledger_unexplained",
        Gauge,
        Unit::Count,
        "product",
        "1 while the books do not explain what the wallet holds",
    ),
    (
        "ballast_ledger_waiting",
        Gauge,
        Unit::Count,
        "chain",
        "Final transactions that are not booked yet",
    ),
    (
        "ballast_lifecycle_unexpected_total",
        Counter,
        Unit::Count,
        "product, chain",
        "Events that a transaction's state does not know: a bug, or a reorganisation beyond finality",
    ),
    (
        "ballast_month_budget_used_percent",
        Gauge,
        Unit::Count,
        "product",
        "Percent of the lower budget that is spent or reserved this UTC month, rounded up",
    ),
    (
        "ballast_month_forecast_usd",
        Gauge,
        Unit::Count,
        "product",
        "Cost of this UTC month by its end at the pace of late, US dollars",
    ),
    (
        "ballast_month_reserved_usd",
        Gauge,
        Unit::Count,
        "product",
        "Most that pending transactions may cost, US dollars",
    ),
    (
        "ballast_month_spent_usd",
        Gauge,
        Unit::Count,
        "product",
        "Cost of this UTC month, US dollars",
    ),
    (
        "ballast_notifications_total",
        Counter,
        Unit::Count,
        "receiver, outcome",
        "Deliveries of alerts",
    ),
    (
        "ballast_observation",
        Gauge,
        Unit::Count,
        "product, name, of",
        "Inputs of the last decision as floats, for charts only; the unit is the input's own",
    ),
    (
        "ballast_postconditions_missed_total",
        Counter,
        Unit::Count,
        "product, chain, action",
        "Included and successful transactions after which the state had not moved as it should",
    ),
    ("ballast_product_halted", Gauge, Unit::Count, "product", "1 while a product is given up"),
    ("ballast_product_paused", Gauge, Unit::Count, "product", "1 while an operator has paused it"),
    ("ballast_product_restarts_total", Counter, Unit::Count, "product", "Products started again"),
    ("ballast_read_calls_total", Counter, Unit::Count, "chain", "Reads that products asked for"),
    (
        "ballast_read_repeats_total",
        Counter,
        Unit::Count,
        "chain",
        "Reads repeated alone because a batch could not be believed",
    ),
    ("ballast_read_rounds", Histogram, Unit::Count, "chain", "Rounds of reads that a block took"),
    ("ballast_reorgs_total", Counter, Unit::Count, "chain", "Reorganisations seen"),
    (
        "ballast_replacements_total",
        Counter,
        Unit::Count,
        "product, chain, kind",
        "Replacements and cancellations signed",
    ),
    (
        "ballast_rpc_dispute",
        Gauge,
        Unit::Count,
        "chain",
        "1 while endpoints are on different forks without a majority",
    ),
    (
        "ballast_rpc_endpoint_fit",
        Gauge,
        Unit::Count,
        "chain, endpoint, role",
        "1 while the endpoint gets what its role (read, send) is for, else 0",
    ),
    (
        "ballast_rpc_requests_total",
        Counter,
        Unit::Count,
        "chain, endpoint, class, outcome",
        "HTTP requests to an endpoint; a batch counts once",
    ),
    (
        "ballast_rpc_seconds",
        Histogram,
        Unit::Seconds,
        "chain, endpoint, class",
        "From a request to the endpoint's answer",
    ),
    (
        "ballast_rpc_send_answers_total",
        Counter,
        Unit::Count,
        "chain, endpoint, answer",
        "Answers of an endpoint to raw transactions",
    ),
    (
        "ballast_slow_polls_total",
        Counter,
        Unit::Count,
        "",
        "Assessments that computed for more than 50 ms without awaiting",
    ),
    ("ballast_store_short", Gauge, Unit::Count, "", "1 while the disk is full"),
    (
        "ballast_transactions_total",
        Counter,
        Unit::Count,
        "product, chain, action, outcome",
        "Nonces that are spent for good",
    ),
    (
        "ballast_wallet_balance",
        Gauge,
        Unit::Count,
        "product, chain",
        "Native balance of a product's wallet in whole coins, for charts and alerts only",
    ),
    ("ballast_wallet_ready", Gauge, Unit::Count, "product", "0 while its wallet cannot sign"),
    (
        "ballast_wallet_runway_days",
        Gauge,
        Unit::Count,
        "product, chain, quantile",
        "Days that the wallet's balance lasts: in the middle (p50), and in 95 of 100 cases (p95)",
    ),
];

/// Tells the recorder what every metric means.
pub(super) fn describe() {
    for (name, kind, unit, _, about) in CATALOGUE {
        match kind {
            Counter => describe_counter!(*name, *unit, *about),
            Gauge => describe_gauge!(*name, *unit, *about),
            Histogram => describe_histogram!(*name, *unit, *about),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fmt::Write as _,
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    fn root() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    /// The table of `docs/metrics.md`.
    fn table() -> String {
        let mut text =
            String::from("| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n");
        for (name, kind, _, labels, about) in CATALOGUE {
            let kind = format!("{kind:?}").to_lowercase();
            let labels = labels.split(", ").filter(|label| !label.is_empty());
            let labels: Vec<_> = labels.map(|label| format!("`{label}`")).collect();
            writeln!(text, "| `{name}` | {kind} | {} | {about} |", labels.join(", ")).unwrap();
        }
        text
    }

    /// Names that are literals in the code, tests and this table aside.
    fn used(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && file != "tests" {
                used(&path, names);
            } else if file.ends_with(".rs") && file != "tests.rs" && file != "catalogue.rs" {
                let text = fs::read_to_string(&path).unwrap();
                let quoted = text.split('"').filter(|piece| piece.starts_with("ballast_"));
                let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
                names.extend(quoted.filter(|n| n.chars().all(is_name)).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_metric_of_the_code_is_described_and_every_description_is_of_one() {
        let mut names = BTreeSet::new();
        for folder in ["src", "chains/src", "strategies"] {
            used(&root().join(folder), &mut names);
        }
        let described: BTreeSet<String> =
            CATALOGUE.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(names, described, "left: the code, right: src/telemetry/catalogue.rs");
        assert_eq!(described.len(), CATALOGUE.len(), "no metric twice");
        assert!(CATALOGUE.is_sorted_by_key(|(name, ..)| *name));
    }

    #[test]
    fn names_and_buckets_follow_the_kind() {
        for (name, kind, unit, ..) in CATALOGUE {
            assert_eq!(name.ends_with("_total"), *kind == Counter, "{name}");
            let seconds = name.ends_with("_seconds") || name.ends_with("_timestamp");
            assert_eq!(seconds, *unit == Unit::Seconds, "{name}");
            let bucketed =
                crate::telemetry::BUCKETS.iter().any(|(suffix, _)| name.ends_with(suffix));
            assert!(bucketed || *kind != Histogram, "{name} would become a summary");
        }
    }

    #[test]
    fn the_document_is_the_catalogue() {
        let path = root().join("docs/metrics.md");
        let text = fs::read_to_string(path).unwrap();
        let (_, rest) = text.split_once("<!-- metrics: begin -->\n").unwrap();
        let (shown, _) = rest.split_once("<!-- metrics: end -->").unwrap();
        let expected = table();
        assert!(shown == expected, "docs/metrics.md between its marks has to be:\n{expected}");
    }
}
