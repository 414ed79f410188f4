//! `ripcord`: the ratio is on its way to liquidation, and anybody may bring it down.

use alloy::{primitives::U256, sol_types::SolCall};
use ballast_strategy_api::{Decision, Exposure, Postcondition, StateKey, StrategyError, Urgency};

use super::{Look, NOTHING_TO_TRADE, RIPCORD, blocked, expect, smallest, wait};
use crate::{
    contracts::ILeverageStrategyExtension::ripcordCall,
    policy::total_notional,
    ratio::Side,
    snapshot::{Exchange, ShouldRebalance},
    variant::Variant,
};

/// Exchanges with what each would trade, where that is known.
type Chunks<'a> = Vec<(&'a Exchange, Option<U256>)>;

/// Why nothing is done in ripcord range while every exchange that could serve has just traded.
pub(super) const RESTS: &str = "ripcord range, cooldown not over";

/// One call per exchange that is ready, whoever the caller is. There is no limit to repeating it:
/// one ripcord trades one chunk, and the next is due as long as the ratio is at the line.
pub(super) fn ripcord(look: &Look<'_>) -> Result<Decision, StrategyError> {
    let Look { snapshot, live, .. } = look;
    let new = snapshot.methodology.maxLeverageRatio;
    if live.leverage_ratio <= new {
        return Ok(wait(NOTHING_TO_TRADE));
    }
    if let Some(blocked) = look.not_plain() {
        return Ok(blocked);
    }
    let ready = match sized(look)? {
        Ok(ready) => ready,
        Err(blocked) => return Ok(blocked),
    };
    if !live.exchanges.iter().any(serves) {
        let detail = "the operator has set every incentivized trade size to zero".into();
        return Ok(blocked("ripcord is switched off on every exchange", detail));
    }
    // An exchange where it is switched off never trades, and thus says "ripcord" for ever.
    if !live.exchanges.iter().any(|e| serves(e) && e.due == ShouldRebalance::Ripcord) {
        return Ok(wait(RESTS));
    }
    let ready: Vec<_> = ready.into_iter().filter(|(exchange, _)| serves(exchange)).collect();
    let calls = ready.iter().map(|(exchange, _)| {
        let call = ripcordCall { exchangeName: exchange.name.clone() };
        look.call(exchange, call.abi_encode())
    });
    let answers = StateKey::of(&[
        ("global_last_trade", &snapshot.global_last_trade),
        ("exchange_last_trades", &look.exchange_clocks()),
    ]);
    let expects = expectation(look, smallest(&ready))?;
    Ok(look.act((RIPCORD, Urgency::Emergency, Exposure::Lowers), answers, calls.collect(), expects))
}

/// Whether the operator lets an exchange serve ripcords.
fn serves(exchange: &Exchange) -> bool {
    !exchange.settings.incentivizedTwapMaxTradeSize.is_zero()
}

/// Where the ratio is exactly at the line, ripcord is due, but the view of the chunks, and it
/// alone, still gives those of a rebalance, which may go the other way or be impossible.
fn is_at_the_line(look: &Look<'_>) -> bool {
    look.live.leverage_ratio == look.snapshot.incentive.incentivizedLeverageRatio
}

/// The ready exchanges with what each would sell of the collateral, none of it zero: at the line the
/// most that it can be. Blocked beyond the ceiling.
fn sized<'a>(look: &Look<'a>) -> Result<Result<Chunks<'a>, Decision>, StrategyError> {
    let Look { product, snapshot, live, .. } = *look;
    if !is_at_the_line(look) {
        return Ok(look.ready(ShouldRebalance::Ripcord));
    }
    // Only on Compound is the limit the same in both directions.
    if product.variant == Variant::Compound
        && let Some(blocked) = look.beyond_ceiling()
    {
        return Ok(Err(blocked));
    }
    let gap = live.leverage_ratio.saturating_sub(snapshot.methodology.maxLeverageRatio);
    let total = match live.position {
        Some(position) => total_notional(position, live.leverage_ratio, gap)
            .ok_or(StrategyError::Arithmetic("the size of a ripcord"))?,
        None => U256::MAX,
    };
    let ready = live.exchanges.iter().filter(|e| e.due == ShouldRebalance::Ripcord);
    let sized = ready.map(|e| (e, Some(total.min(e.settings.incentivizedTwapMaxTradeSize))));
    Ok(Ok(sized.filter(|(_, most)| *most != Some(U256::ZERO)).collect()))
}

/// At the line the chunk is known only as the most that it can be, so any move down will do.
fn expectation(
    look: &Look<'_>,
    smallest: Option<U256>,
) -> Result<Option<Postcondition>, StrategyError> {
    let new = look.snapshot.methodology.maxLeverageRatio;
    let half = expect::half_of(*look, Side::Delever, new, smallest)?;
    Ok(half.map(|half| match is_at_the_line(look) {
        true => Postcondition { at_least: U256::ONE, ..half },
        false => half,
    }))
}
