//! `iterateRebalance`: the next chunk of a rebalance that was too large for one trade.

use std::cmp::Ordering;

use alloy::{primitives::U256, sol_types::SolCall};
use ballast_strategy_api::{Decision, Exposure, Postcondition, StateKey, StrategyError, Urgency};

use super::{Look, NOTHING_TO_TRADE, expect, smallest, wait};
use crate::{
    contracts::ILeverageStrategyExtension::{MethodologySettings, iterateRebalanceCall},
    ratio::Side,
    snapshot::{Exchange, ShouldRebalance},
};

/// The contract lets an iterate through during an exchange's cooldown if the ratio is out of
/// bounds. The extension's own verdict does not, and is what counts here: the cooldown lets pools
/// refill.
pub(super) fn iterate(look: &Look<'_>) -> Result<Decision, StrategyError> {
    let Look { snapshot, live, .. } = look;
    let (current, new) = (live.leverage_ratio, snapshot.twap_leverage_ratio);
    if is_outrun(&snapshot.methodology, new, current) {
        return Ok(clear(look));
    }
    let side = match new.cmp(&current) {
        Ordering::Greater => Side::Lever,
        Ordering::Less => Side::Delever,
        // On its target a TWAP cannot be cleared either, and stays open until a price moves.
        Ordering::Equal => return Ok(wait(NOTHING_TO_TRADE)),
    };
    if let Some(blocked) = look.not_permitted() {
        return Ok(blocked);
    }
    let ready = match look.ready(ShouldRebalance::IterateRebalance) {
        Ok(ready) => ready,
        Err(blocked) => return Ok(blocked),
    };
    let expects = expect::half_of(*look, side, new, smallest(&ready))?;
    let on: Vec<&Exchange> = ready.into_iter().map(|(exchange, _)| exchange).collect();
    Ok(send(look, &on, side.exposure(), expects))
}

/// Whether the market has carried the ratio to where the TWAP was going, or past it. The call then
/// trades nothing and only ends the TWAP, but without it no rebalance would ever be due again.
///
/// A TWAP to the target itself (the first one, by `engage`) is never outrun.
fn is_outrun(methodology: &MethodologySettings, twap: U256, current: U256) -> bool {
    match twap.cmp(&methodology.targetLeverageRatio) {
        Ordering::Less => current >= twap,
        Ordering::Greater => current <= twap,
        Ordering::Equal => false,
    }
}

/// Sizes do not matter here: the view gives those of a trade in the opposite direction, zero, or
/// none at all, and the call makes no trade.
fn clear(look: &Look<'_>) -> Decision {
    if let Some(blocked) = look.not_permitted() {
        return blocked;
    }
    let ready = look.live.exchanges.iter().filter(|exchange| {
        let is_enabled = !exchange.settings.twapMaxTradeSize.is_zero();
        is_enabled && exchange.due == ShouldRebalance::IterateRebalance
    });
    send(look, &ready.collect::<Vec<_>>(), Exposure::Keeps, Some(expect::twap_cleared(*look)))
}

fn send(
    look: &Look<'_>,
    on: &[&Exchange],
    exposure: Exposure,
    expects: Option<Postcondition>,
) -> Decision {
    let calls = on.iter().map(|exchange| {
        let call = iterateRebalanceCall { exchangeName: exchange.name.clone() };
        look.call(exchange, call.abi_encode())
    });
    let answers = StateKey::of(&[
        ("global_last_trade", &look.snapshot.global_last_trade),
        ("exchange_last_trades", &look.exchange_clocks()),
        ("twap_leverage_ratio", &look.snapshot.twap_leverage_ratio),
    ]);
    look.act(("iterateRebalance", Urgency::Prompt, exposure), answers, calls.collect(), expects)
}
