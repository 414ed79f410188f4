//! Routine work waits for a cheap block, within its patience.
//!
//! The "fee cap" of the design's row is `routine_base_fee`. What nothing may exceed (the caps per
//! gas of chain and product, which grow for an emergency) goes with the permit, and pricing keeps
//! to it.
//!
//! Patience counts from the block at which this very action (its name and the state it answers)
//! was first seen to be due. That moment is kept in the store, so a restart does not begin anew.

use ballast_chains::amount::gwei;
use ballast_strategy_api::Urgency;

use super::{Circumstances, Finding, Row};
use crate::config::Limits;

pub(super) fn base_fee(
    urgency: Urgency,
    case: &Circumstances<'_>,
    limits: &Limits,
) -> Option<Finding> {
    // A chain without base fees has nothing to wait for.
    let (cap, next) = (limits.routine_base_fee?, case.next_base_fee?);
    if next <= cap {
        return None;
    }
    let patience = limits.routine_patience.as_secs();
    let waited = case.now.saturating_sub(case.first_due.unwrap_or(case.now));
    let (next, cap) = (gwei(next), gwei(cap));
    let detail = format!(
        "the next block's base fee is {next} gwei, routine_base_fee is {cap}; due for {waited} s, \
         routine_patience is {patience} s"
    );
    Some(if urgency == Urgency::Routine && waited >= patience {
        Finding::new(Row::PatienceOver, "waited long enough for a cheap block", detail)
    } else {
        Finding::new(Row::BaseFee, "waits for a cheap block", detail)
    })
}
