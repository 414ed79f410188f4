//! The table of what the cells asserted.

use std::{fmt, path::Path};

use eyre::{Result, ensure};

use crate::stage::{Account, Subject};

/// One cell, and what came of it: what was done and how often the fault fired, or what was wrong.
pub(super) struct Cell {
    pub(super) fault: String,
    pub(super) subject: Subject,
    pub(super) played: Result<(Account, u64)>,
}

/// All cells that were played.
pub(super) struct Table {
    /// Which cells they are.
    pub(super) title: String,
    pub(super) rows: Vec<String>,
    pub(super) cells: Vec<Cell>,
}

impl Table {
    /// Leaves it where `make faults` prints it from.
    pub(super) fn write(&self) -> Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faults.md");
        std::fs::write(path, self.to_string())?;
        Ok(())
    }

    /// For whoever reads the output of this test, or looks for the seed of one that failed.
    #[expect(clippy::print_stdout, reason = "the table is a result")]
    pub(super) fn print(&self) {
        println!("{self}");
    }

    /// An error that tells every cell that failed.
    pub(super) fn verdict(&self) -> Result<()> {
        let told = self.cells.iter().filter_map(|cell| {
            let error = cell.played.as_ref().err()?;
            Some(format!("{} × {}: {error:#}", cell.fault, cell.subject.label()))
        });
        let told: Vec<String> = told.collect();
        ensure!(told.is_empty(), "{} cells failed:\n{}", told.len(), told.join("\n\n"));
        Ok(())
    }

    fn cell(&self, fault: &str, subject: Subject) -> String {
        let cell = self.cells.iter().find(|cell| cell.fault == fault && cell.subject == subject);
        match cell.map(|cell| &cell.played) {
            None => "not played".to_owned(),
            Some(Err(_)) => "FAILED".to_owned(),
            Some(Ok((account, fired))) => {
                let Account { used, attempts, sends, blocks, .. } = account;
                format!(
                    "once: nonces {used}, signed {attempts}, sends {sends}, blocks {blocks}, fault {fired} ×"
                )
            }
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        let labels = Subject::ALL.map(Subject::label).join(" | ");
        writeln!(f, "| fault | {labels} |")?;
        writeln!(f, "|---{}|", "|---".repeat(Subject::ALL.len()))?;
        for fault in &self.rows {
            let cells = Subject::ALL.map(|subject| self.cell(fault, subject)).join(" | ");
            writeln!(f, "| {fault} | {cells} |")?;
        }
        Ok(())
    }
}
