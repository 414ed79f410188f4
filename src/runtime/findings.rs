//! What the guard found at an action, made known: on the board, as a metric, in the log.

use serde::Serialize;
use tracing::{error, warn};

use crate::guard::{Effect, Finding, Judgement, Row, Verdict};

/// One reason of the guard that applied to a product's last action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardNote {
    /// Which.
    pub row: Row,
    /// Whether it held the action back; else it is a warning.
    pub binds: bool,
    /// In fixed words.
    pub reason: &'static str,
    /// With figures.
    pub detail: String,
}

/// Everything that was found, the reason of a refusal first.
pub(crate) fn of(judgement: &Judgement) -> Vec<GuardNote> {
    let bound = match &judgement.verdict {
        Verdict::Refuse(finding) => Some(note(finding, Effect::Binds)),
        Verdict::Permit(_) | Verdict::Rehearse(_) => None,
    };
    let others = judgement.notes.iter().map(|(finding, effect)| note(finding, *effect));
    bound.into_iter().chain(others).collect()
}

fn note(finding: &Finding, effect: Effect) -> GuardNote {
    GuardNote {
        row: finding.row,
        binds: effect == Effect::Binds,
        reason: finding.reason,
        detail: finding.detail.clone(),
    }
}

/// What is told beside the reason of a refusal, for the decision's record.
pub(crate) fn beside(judgement: &Judgement) -> Vec<String> {
    let told = judgement.notes.iter().map(|(finding, effect)| {
        let word = if *effect == Effect::Binds { "also held back by" } else { "warning" };
        format!("{word}: {}: {}", finding.reason, finding.detail)
    });
    told.collect()
}

/// Counts what was found, and logs what is not the same as before.
pub(crate) fn tell(product: &str, chain: &str, notes: &[GuardNote], before: &[GuardNote]) {
    for note in notes {
        let (row, reason, detail) = (note.row.label(), note.reason, &note.detail);
        let effect = if note.binds { "binds" } else { "warns" };
        let labels = [
            ("product", product.to_owned()),
            ("chain", chain.to_owned()),
            ("row", row.to_owned()),
            ("effect", effect.to_owned()),
        ];
        metrics::counter!("ballast_guard_findings_total", &labels).increment(1);
        let known = before.iter().any(|old| (old.row, old.binds) == (note.row, note.binds));
        if !known && note.row == Row::Dispute {
            error!(product, chain, row, effect, detail, "guard: {reason}");
        } else if !known {
            warn!(product, chain, row, effect, detail, "guard: {reason}");
        }
    }
}
