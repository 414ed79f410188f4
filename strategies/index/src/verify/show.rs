//! The checks as text.

use alloy::primitives::Address;
use ballast_chains::text::one_line;
use serde::Serialize;

use super::{Check, batch::Explained};

/// What was verified, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every check passed.
    pub passed: bool,
    /// The chain, by its name in the configuration.
    pub chain: String,
    /// The block that everything was read at.
    pub block: u64,
    /// The index's token.
    pub set_token: Address,
    /// SHA-256 of the weights file.
    pub weights_sha256: String,
    /// SHA-256 of the prices file.
    pub prices_sha256: String,
    /// The checks.
    pub checks: Vec<Check>,
    /// The batch, call by call.
    pub calls: Vec<Explained>,
}

/// The report as text, with a line's end after each line.
pub fn text(report: &Report) -> String {
    let Report { chain, block, set_token, checks, calls, .. } = report;
    let mut lines = vec![
        format!("Checks of {set_token} on {chain}, block {block}"),
        format!("  weights  sha256 {}", report.weights_sha256),
        format!("  prices   sha256 {}", report.prices_sha256),
        String::new(),
    ];
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    lines.extend(checks.iter().map(|Check { name, passed, what }| {
        format!("  {}  {name:<width$}  {what}", if *passed { "ok    " } else { "FAILED" })
    }));
    if !calls.is_empty() {
        lines.extend([String::new(), "The batch asks the multisig for:".to_owned()]);
    }
    for (place, call) in calls.iter().enumerate() {
        let place = place.saturating_add(1);
        lines.push(format!("  {place}. {} of {}", call.function, call.to));
        lines.extend(call.sets.iter().map(|line| format!("       {line}")));
    }
    lines.push(String::new());
    let failed = checks.iter().filter(|check| !check.passed).count();
    let count = checks.len();
    lines.push(match failed {
        0 => format!("All {count} checks passed."),
        failed => format!("{failed} of {count} checks FAILED: do not sign."),
    });
    lines.iter().map(|line| format!("{}\n", one_line(line))).collect()
}
