//! How much a trade hurries: it may wait for a cheap block as long as the deadline allows.

use alloy::primitives::U256;
use ballast_strategy_api::Urgency;

use super::Look;

/// Prompt as soon as what is left takes as long as there is time.
pub(super) fn of(look: Look<'_>) -> Urgency {
    let deadline = look.terms.policy.deadline.as_secs();
    let needed = needed(look);
    let left = deadline.saturating_sub(elapsed(look));
    if needed >= U256::from(left) { Urgency::Prompt } else { Urgency::Routine }
}

/// Seconds that the rest takes at the least: components rest side by side.
pub(crate) fn needed(look: Look<'_>) -> U256 {
    let lots = look.survey.lots.iter();
    let wanted = lots.filter(|lot| look.survey.is_wanted(lot));
    wanted.map(|lot| lot.takes).max().unwrap_or_default()
}

/// Seconds that the rebalance has been going at the least.
pub(crate) fn elapsed(look: Look<'_>) -> u64 {
    let trades = look.snapshot.components.iter().map(|component| component.last_trade);
    let deadline = look.terms.policy.deadline.as_secs();
    look.snapshot.now.saturating_sub(began(look.snapshot.now, trades, deadline))
}

/// The earliest trade that belongs to this rebalance: going back from now, trades that are less than a
/// deadline apart. Rebalances are weeks apart. The module does not note when one began, and of each
/// component only the last trade, so this is never too early.
fn began(now: u64, trades: impl Iterator<Item = U256>, deadline: u64) -> u64 {
    let mut trades: Vec<u64> = trades.filter_map(|at| u64::try_from(at).ok()).collect();
    trades.sort_unstable_by(|a, b| b.cmp(a));
    trades
        .into_iter()
        .fold((now, true), |(began, goes_on), at| {
            let belongs = goes_on && at > 0 && began.saturating_sub(at) < deadline;
            if belongs { (at.min(began), true) } else { (began, false) }
        })
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebalance_began_where_its_trades_begin() {
        let hour = 3_600;
        let began = |trades: &[u64]| {
            let trades = trades.iter().map(|at| U256::from(*at));
            began(1_000 * hour, trades, 24 * hour) / hour
        };
        assert_eq!(began(&[]), 1_000);
        assert_eq!(began(&[0, 0]), 1_000, "never traded");
        assert_eq!(began(&[990 * hour, 980 * hour, 958 * hour]), 958);
        assert_eq!(began(&[990 * hour, 100 * hour, 985 * hour]), 985, "an earlier rebalance");
        assert_eq!(began(&[900 * hour]), 1_000);
    }
}
