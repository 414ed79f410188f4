//! `iterateRebalance`: the next chunk of a rebalance that was too large for one trade.

use std::cmp::Ordering;

use alloy::{primitives::U256, sol_types::SolCall};
use ballast_strategy_api::{Decision, Exposure, Postcondition, StrategyError, Urgency};

use super::{
    Due, Look, NOTHING_TO_TRADE,
    expect::{self, Aim},
    trade_key, wait,
};
use crate::{
    contracts::IBasisExtension::{MethodologySettings, iterateRebalanceCall},
    ratio::Side,
};

/// The contract lets an iterate through during the cooldown if the ratio is out of bounds. The
/// extension's own verdict does not, and is what counts here: the cooldown lets pools refill.
pub(super) fn iterate(look: Look<'_>) -> Result<Decision, StrategyError> {
    let Look { snapshot, current, .. } = look;
    let new = snapshot.twap_leverage_ratio.unsigned_abs();
    if is_outrun(&snapshot.methodology, new, current) {
        return Ok(send(look, Exposure::Keeps, expect::twap_cleared(look)));
    }
    // On its target a TWAP cannot be cleared either, and stays open until a price moves.
    let Some(side) = Side::of(current, new) else { return Ok(wait(NOTHING_TO_TRADE)) };
    let cap = snapshot.exchange.twapMaxTradeSize;
    let expects = expect::traded(look, side, Aim::Fixed(new), cap)?;
    Ok(send(look, side.exposure(), expects))
}

/// Whether the market has carried the ratio to where the TWAP was going, or past it. The call then
/// trades nothing and only ends the TWAP, but without it nothing else would ever be due again.
///
/// A TWAP to the target itself (the first one, by `engage`) is never outrun.
fn is_outrun(methodology: &MethodologySettings, twap: U256, current: U256) -> bool {
    match twap.cmp(&methodology.targetLeverageRatio.unsigned_abs()) {
        Ordering::Less => current >= twap,
        Ordering::Greater => current <= twap,
        Ordering::Equal => false,
    }
}

/// There is no limit to repeating it: each step has its cooldown, and the steps come to an end.
fn send(look: Look<'_>, exposure: Exposure, expects: Postcondition) -> Decision {
    if let Some(blocked) = look.not_permitted() {
        return blocked;
    }
    look.act(Due {
        name: "iterateRebalance",
        data: iterateRebalanceCall {}.abi_encode(),
        urgency: Urgency::Prompt,
        exposure,
        answers: trade_key(look.snapshot),
        repeat_limit: None,
        expects,
    })
}
