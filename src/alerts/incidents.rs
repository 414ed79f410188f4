//! Which steps of a transaction are worth a person's time.

use super::{Incident, Severity};
use crate::submission::{LaneEvent, lifecycle::Outcome};

/// What a step is as an incident, if it is one.
pub(crate) fn of(event: &LaneEvent) -> Option<Incident> {
    let incident = |name, severity, summary| Some(Incident { name, severity, summary });
    match event {
        LaneEvent::Included { outcome: Outcome::Reverted, .. } => {
            incident("reverted", Severity::Warning, "a transaction was included and reverted")
        }
        LaneEvent::PostconditionMissed { .. } => incident(
            "postcondition_missed",
            Severity::Warning,
            "a transaction succeeded without doing what it was for",
        ),
        LaneEvent::Foreign { .. } => incident(
            "foreign_transaction",
            Severity::Critical,
            "the wallet's key was used by somebody else",
        ),
        LaneEvent::Final { outcome: Outcome::Superseded, .. } => incident(
            "superseded",
            Severity::Critical,
            "a nonce of ours was used by a transaction that is not ours",
        ),
        LaneEvent::Undone { .. } => incident(
            "final_block_undone",
            Severity::Critical,
            "the chain took back a block that counted as final",
        ),
        LaneEvent::FormerWallet { .. } => incident(
            "former_wallet",
            Severity::Warning,
            "the wallet before has transactions that are not final",
        ),
        LaneEvent::ReceiptMissing { .. } => incident(
            "receipt_missing",
            Severity::Critical,
            "a transaction is in a final block and no endpoint has its receipt: all else waits for it",
        ),
        LaneEvent::NotReplaced { .. } => {
            incident("not_replaced", Severity::Warning, "a transaction waits and is not replaced")
        }
        LaneEvent::GapNotFilled { .. } => incident(
            "gap_not_filled",
            Severity::Warning,
            "all of a product waits behind a free nonce, which is not filled",
        ),
        LaneEvent::Included { .. }
        | LaneEvent::Replaced { .. }
        | LaneEvent::Adopted { .. }
        | LaneEvent::Reorged { .. }
        | LaneEvent::PostconditionHeld { .. }
        | LaneEvent::Final { .. } => None,
    }
}
