//! Routine work waits for a cheap block, within its patience.
//!
//! The "fee cap" of the design's row is `routine_base_fee`. What nothing may exceed (the caps per
//! gas of chain and product, which grow for an emergency) goes with the permit, and pricing keeps
//! to it.
//!
//! A budget that the month is on its way to exceed makes blocks dear sooner: from then on the cap is
//! what gas has cost of late, cut to what is left (`crate::finance::pace`). The lower of both binds.
//!
//! Patience counts from the block at which this very action (its name and the state it answers)
//! was first seen to be due. That moment is kept in the store, so a restart does not begin anew.

use ballast_chains::amount::gwei;
use ballast_strategy_api::Urgency;

use super::{Circumstances, Finding, Row};
use crate::{config::Limits, finance::pace};

pub(super) fn base_fee(
    urgency: Urgency,
    case: &Circumstances<'_>,
    limits: &Limits,
) -> Option<Finding> {
    // A chain without base fees has nothing to wait for.
    let next = case.next_base_fee?;
    let own =
        limits.routine_base_fee.map(|cap| (cap, format!("routine_base_fee is {}", gwei(cap))));
    let (cap, why) = own.into_iter().chain(tight(case, limits)).min_by_key(|(cap, _)| *cap)?;
    if next <= cap {
        return None;
    }
    let patience = limits.routine_patience.as_secs();
    let waited = case.now.saturating_sub(case.first_due.unwrap_or(case.now));
    let detail = format!(
        "the next block's base fee is {} gwei, {why}; due for {waited} s, routine_patience is \
         {patience} s",
        gwei(next)
    );
    Some(if urgency == Urgency::Routine && waited >= patience {
        Finding::new(Row::PatienceOver, "waited long enough for a cheap block", detail)
    } else {
        Finding::new(Row::BaseFee, "waits for a cheap block", detail)
    })
}

/// The cap that a tight budget sets, and why.
fn tight(case: &Circumstances<'_>, limits: &Limits) -> Option<(u128, String)> {
    let budget = limits.monthly_budget.into_iter().chain(limits.hard_budget).min()?;
    let spending = &case.past.spending;
    let used = spending.used(case.now, case.fresh_price(), case.waiting).total();
    let forecast = spending.pace.forecast(case.now, used);
    let cap = pace::tight_price(&spending.pace, forecast, budget)?;
    let usual = spending.pace.usual_price()?;
    let why = format!(
        "the budget is tight and allows {} of the usual {}: the month is on its way to {} USD of \
         {budget}, of which {used} are used",
        gwei(cap),
        gwei(usual),
        forecast.total()
    );
    Some((cap, why))
}
