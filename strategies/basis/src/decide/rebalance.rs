//! `rebalance`: the interval is over, or the ratio is out of bounds.

use alloy::sol_types::SolCall;
use ballast_strategy_api::{Decision, RepeatLimit, StrategyError, Urgency};

use super::{
    Due, Look, NOTHING_TO_TRADE,
    expect::{self, Aim},
    trade_key, wait,
};
use crate::{
    contracts::IBasisExtension::rebalanceCall,
    ratio::{self, Side},
};

/// Two rebalances in a row are normal: fees leave a delever to the upper bound just outside it, and
/// an out-of-bounds rebalance knows no cooldown. Three are a loop.
const REPEATS: u8 = 1;

pub(super) fn rebalance(look: Look<'_>) -> Result<Decision, StrategyError> {
    let Look { policy, snapshot, current, .. } = look;
    let new = ratio::new_leverage_ratio(&snapshot.methodology, current)?;
    // The interval is over, the call would revert, and no clock is stamped by that.
    let Some(side) = Side::of(current, new) else { return Ok(wait(NOTHING_TO_TRADE)) };
    // Another trade in this very second would leave the clock as it is, and with it the key that
    // tells one rebalance from the next.
    if snapshot.last_trade >= snapshot.now {
        return Ok(wait("traded in this second"));
    }
    if let Some(blocked) = look.wound_down(side) {
        return Ok(blocked);
    }
    if let Some(blocked) = look.not_permitted() {
        return Ok(blocked);
    }
    let is_outside = policy.bounds(&snapshot.methodology).excludes(current);
    let cooldown = u64::try_from(snapshot.execution.twapCooldownPeriod).unwrap_or(u64::MAX);
    let cap = snapshot.exchange.twapMaxTradeSize;
    Ok(look.act(Due {
        name: "rebalance",
        data: rebalanceCall {}.abi_encode(),
        urgency: if is_outside { Urgency::Prompt } else { Urgency::Routine },
        exposure: side.exposure(),
        answers: trade_key(snapshot),
        repeat_limit: Some(RepeatLimit { times: REPEATS, cooldown }),
        expects: expect::traded(look, side, Aim::Recentred, cap)?,
    }))
}
