//! What was done, for people.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use eyre::Result;

use super::{audit::Count, plan::Plan, say};

/// What happened, and what was counted.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) kills: u64,
    pub(super) node_restarts: u64,
    pub(super) reorgs: u64,
    /// Most blocks that fell away at once.
    pub(super) deepest: u64,
    /// Times at which the base fee rose above what was offered.
    pub(super) dear: u64,
    /// Days that passed for the leveraged products.
    pub(super) days: u64,
    /// How often each fault of an endpoint befell something.
    pub(super) fired: BTreeMap<String, u64>,
    /// Blocks until everything was done and final, once nothing went wrong any more.
    pub(super) settled_after: u64,
    /// The keeper's resident memory at a quarter of the second half and at the end, in kilobytes.
    pub(super) memory: (u64, u64),
    pub(super) took: Duration,
    pub(super) count: Count,
}

impl Report {
    /// Prints it, and leaves it where `make soak` shows it from.
    pub(super) fn write(&self, plan: &Plan) -> Result<()> {
        let text = self.text(plan)?;
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/soak.md"), &text)?;
        say(&text);
        Ok(())
    }

    fn text(&self, plan: &Plan) -> Result<String> {
        let (size, count) = (plan.size, &self.count);
        let mut text = format!(
            "{size}: {} leveraged products and {} counters\n\n| | |\n|---|---|\n",
            size.leveraged(),
            size.products - size.leveraged()
        );
        let faults: u64 = self.fired.values().sum();
        let kinds = self.fired.values().filter(|count| **count > 0).count();
        let rows = [
            ("nonces used, by the chain", count.used.to_string()),
            ("executions, by the chain", count.executed.to_string()),
            ("intents executed, by the journal", count.intents.to_string()),
            ("cancelled, by the journal", count.cancelled.to_string()),
            ("signed attempts sent", count.attempts.to_string()),
            ("sends, repeats and both endpoints counted", count.sends.to_string()),
            ("days of the leveraged products", self.days.to_string()),
            ("kills of the keeper", self.kills.to_string()),
            ("restarts of the node", self.node_restarts.to_string()),
            ("reorganisations, deepest", format!("{}, {} blocks", self.reorgs, self.deepest)),
            ("times the base fee rose", self.dear.to_string()),
            ("requests and heads that a fault befell", format!("{faults}, of {kinds} kinds")),
            ("blocks until all was final after the last fault", self.settled_after.to_string()),
            ("resident kB: a quarter of the second half, end", format!("{:?}", self.memory)),
            ("seconds", self.took.as_secs().to_string()),
        ];
        for (what, value) in rows {
            writeln!(text, "| {what} | {value} |")?;
        }
        Ok(text)
    }
}
