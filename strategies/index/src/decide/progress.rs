//! Whether a rebalance is under way, and since when it could have gone on.

use alloy::primitives::U256;
use ballast_strategy_api::{Decision, Timestamp};

use super::{FINISHED, Look, NOT_STARTED};
use crate::{
    module::Side,
    schedule::{Progress, idle_since},
};

/// What the schedule is held against. The module does not note when a rebalance was started, so the
/// newest trade is the last sign of life there is.
pub(crate) fn progress(look: Look<'_>, decision: &Decision) -> Progress {
    let is_over = matches!(decision, Decision::Wait { reason: FINISHED | NOT_STARTED, .. });
    let trades = look.snapshot.components.iter().filter_map(|of| moment(of.last_trade));
    let last = trades.filter(|at| *at > 0).max();
    let idle_since = idle_since(ends_of_rests(look), last, look.snapshot.now);
    Progress { last, is_open: !is_over, idle_since }
}

/// When what is to be done may be done: a buy only where something is there to pay for it, and what
/// has no component of its own, such as raising the targets, at any time.
fn ends_of_rests(look: Look<'_>) -> impl Iterator<Item = Timestamp> {
    let Look { snapshot, survey, .. } = look;
    let can_pay = survey.free > survey.dust;
    let wanted = survey.lots.iter().filter(move |lot| survey.is_wanted(lot, snapshot));
    let wanted = wanted.filter(move |lot| lot.side() == Some(Side::Sell) || can_pay);
    let at_any_time = survey.wants_raise(snapshot).then_some(0);
    wanted.filter_map(|lot| moment(lot.ready_at)).chain(at_any_time)
}

fn moment(at: U256) -> Option<Timestamp> {
    u64::try_from(at).ok()
}
