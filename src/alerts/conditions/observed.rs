//! What a strategy observes that people have to know, whatever the strategy: names that the contract
//! with strategies has set apart.

use std::time::Duration;

use alloy::primitives::{I256, U256, uint};
use ballast_strategy_api::{
    Observation,
    decision::{CALLER_PERMITTED, CEILING_DISTANCE, STANDING_STILL, START_DUE, fixed18},
};

use super::{About, BLOCKS_OF_OTHERS, Condition};
use crate::{alerts::Severity, clock, runtime::LastDecision};

/// Distance to the liquidation ceiling below which people are woken: 0.05.
pub(super) const CEILING_NEAR: I256 = I256::from_raw(uint!(50_000_000_000_000_000_U256));
/// How long work may take to begin, by the blocks' time: what was started a moment ago may have moved
/// last a month ago.
const FIRST_MOVE: Duration = Duration::from_hours(1);
/// One in the scale of observations.
const ONE: U256 = uint!(1_000_000_000_000_000_000_U256);

/// Everything in the last decision's observations that is wrong, or a person's to do.
pub(super) fn of(about: About<'_>, last: &LastDecision) -> Vec<Condition> {
    last.observations.iter().filter_map(|seen| one(about, last, seen)).collect()
}

fn one(about: About<'_>, last: &LastDecision, seen: &Observation) -> Option<Condition> {
    let found = match seen.name {
        CALLER_PERMITTED if seen.value.is_zero() => about.condition(
            "caller_not_permitted",
            Severity::Warning,
            BLOCKS_OF_OTHERS,
            ("the wallet is not allowed to call the product", ""),
        ),
        CEILING_DISTANCE if seen.value < CEILING_NEAR => about.condition(
            "near_ceiling",
            Severity::Critical,
            0,
            ("close to its liquidation ceiling", &format!("distance {}", fixed18(seen.value))),
        ),
        // Nobody expects anything of a product whose file has stopped it.
        START_DUE if seen.value.is_positive() && !about.is_paused => {
            let (severity, summary) = if is_beyond(seen) {
                (Severity::Warning, "overdue: people should have started what is due")
            } else {
                (Severity::Info, "people should start what is due")
            };
            about.condition("start_due", severity, 0, (summary, &since(last, seen)))
        }
        STANDING_STILL if is_beyond(seen) && !about.is_paused => {
            let summary = "work that could go on does not move";
            let told = (summary, since(last, seen));
            let found = about.condition("standing_still", Severity::Warning, 0, (told.0, &told.1));
            Condition { hold: FIRST_MOVE, block_time: Some(last.head.timestamp), ..found }
        }
        _ => return None,
    };
    Some(found)
}

fn is_beyond(seen: &Observation) -> bool {
    seen.max.is_some_and(|most| seen.value > most)
}

/// Since when, of an observation that counts seconds up to the block.
fn since(last: &LastDecision, seen: &Observation) -> String {
    let seconds = seen.value.unsigned_abs().checked_div(ONE).unwrap_or_default();
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    format!("since {}", clock::text(last.head.timestamp.saturating_sub(seconds)))
}
