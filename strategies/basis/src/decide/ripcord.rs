//! `ripcord`: the ratio is on its way to liquidation, and anybody may bring it down.

use alloy::sol_types::SolCall;
use ballast_strategy_api::{Decision, StateKey, StrategyError, Urgency};

use super::{
    Due, Look, NOTHING_TO_TRADE,
    expect::{self, Aim},
    wait,
};
use crate::{contracts::IBasisExtension::ripcordCall, ratio::Side};

/// Why nothing is done in ripcord range right after a trade.
pub(super) const RESTS: &str = "ripcord range, cooldown not over";

/// Whoever the caller is: no permission is asked for. There is no limit to repeating it: one ripcord
/// trades one chunk, and the next is due as long as the ratio is at the line.
pub(super) fn ripcord(look: Look<'_>) -> Result<Decision, StrategyError> {
    let Look { snapshot, current, .. } = look;
    let new = snapshot.methodology.maxLeverageRatio.unsigned_abs();
    if current <= new {
        return Ok(wait(NOTHING_TO_TRADE));
    }
    if let Some(blocked) = look.not_plain() {
        return Ok(blocked);
    }
    let cap = snapshot.exchange.incentivizedTwapMaxTradeSize;
    Ok(look.act(Due {
        name: "ripcord",
        data: ripcordCall {}.abi_encode(),
        urgency: Urgency::Emergency,
        exposure: Side::Delever.exposure(),
        answers: StateKey::of(&[("last_trade", &snapshot.last_trade)]),
        repeat_limit: None,
        expects: expect::traded(look, Side::Delever, Aim::Fixed(new), cap)?,
    }))
}
