//! What a call must have changed when it is included.
//!
//! A trade is told by the size of the short: it does not move with a price, as the ratio does, and
//! fees do not come out of it. How much is traded is decided when the call is included, by the price
//! of then, which may have come closer to where the trade goes.

use alloy::{
    primitives::{U256, uint},
    sol_types::SolCall,
};
use ballast_strategy_api::{Direction, Postcondition, StrategyError};

use super::Look;
use crate::{
    contracts::{
        IBasisExtension::{
            lastReinvestTimestampCall, lastTradeTimestampCall, twapLeverageRatioCall,
        },
        IPerpAccountBalance::getTakerPositionSizeCall,
    },
    ratio::{ONE, Side, new_leverage_ratio, precise_mul, total_notional},
};

/// How far the price may move towards where a trade goes until it is included, as a share: 0.5 %.
/// Chainlink's feeds on Optimism are written at steps of a tenth to half of that.
pub(super) const PRICE_NOISE: U256 = uint!(5_000_000_000_000_000_U256);

/// Where a trade goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aim {
    /// As `rebalance` works it out, from the ratio.
    Recentred,
    /// To a magnitude that does not depend on the price.
    Fixed(U256),
}

/// The short grows or shrinks by at least half of what would be traded if the price came closer by
/// [`PRICE_NOISE`]. Where nothing would be left to trade then, or the books are not known, that a
/// trade was made at all has to do.
pub(super) fn traded(
    look: Look<'_>,
    side: Side,
    aim: Aim,
    cap: U256,
) -> Result<Postcondition, StrategyError> {
    let at_least = least(look, side, aim, cap)?.filter(|least| !least.is_zero());
    let Some(at_least) = at_least else { return Ok(stamped(look)) };
    Ok(short(look, side, at_least))
}

/// The short moves to the right side by `at_least`: it is negative, so levering goes down.
pub(super) fn short(look: Look<'_>, side: Side, at_least: U256) -> Postcondition {
    let settings = &look.product.settings;
    let view = getTakerPositionSizeCall {
        trader: settings.setToken,
        baseToken: settings.virtualBaseAddress,
    };
    Postcondition {
        what: "size of the short".into(),
        target: settings.perpV2AccountBalance,
        view: view.abi_encode().into(),
        signed: true,
        direction: match side {
            Side::Lever => Direction::Down,
            Side::Delever => Direction::Up,
        },
        at_least,
    }
}

/// `None` if that is not known, or nothing.
fn least(look: Look<'_>, side: Side, aim: Aim, cap: U256) -> Result<Option<U256>, StrategyError> {
    let Ok(books) = &look.snapshot.books else { return Ok(None) };
    let overflow = StrategyError::Arithmetic("the size of a trade");
    // A price that rises by x moves a ratio L by L · (1 + L) · x.
    let noise = ONE
        .checked_add(look.current)
        .and_then(|slope| precise_mul(slope, look.current))
        .and_then(|slope| precise_mul(slope, PRICE_NOISE));
    let Some(noise) = noise else { return Err(overflow) };
    let nearer = match side {
        Side::Delever => look.current.saturating_sub(noise),
        Side::Lever => look.current.saturating_add(noise),
    };
    let new = match aim {
        Aim::Recentred => new_leverage_ratio(&look.snapshot.methodology, nearer)?,
        Aim::Fixed(new) => new,
    };
    if nearer.is_zero() || Side::of(nearer, new) != Some(side) {
        return Ok(None);
    }
    let Some(total) = total_notional(books.size.unsigned_abs(), nearer, new) else {
        return Err(overflow);
    };
    let most = match side {
        Side::Lever => cap,
        Side::Delever => {
            let spot = books.spot(look.product).and_then(|spot| U256::try_from(spot).ok());
            cap.min(spot.unwrap_or_default())
        }
    };
    // Sizes are rounded to whole units of a token of the product, twice.
    let rounding = precise_mul(books.supply, U256::from(2)).unwrap_or_default();
    let half = total.min(most).wrapping_shr(1);
    Ok(Some(half.saturating_sub(rounding).saturating_sub(U256::ONE)))
}

/// The clock of the last trade moved on.
pub(super) fn stamped(look: Look<'_>) -> Postcondition {
    clock(look, "time of the last trade", lastTradeTimestampCall {}.abi_encode())
}

/// The clock of the last reinvestment moved on.
pub(super) fn reinvested(look: Look<'_>) -> Postcondition {
    clock(look, "time of the last reinvestment", lastReinvestTimestampCall {}.abi_encode())
}

fn clock(look: Look<'_>, what: &str, view: Vec<u8>) -> Postcondition {
    Postcondition {
        what: what.into(),
        target: look.product.extension,
        view: view.into(),
        signed: false,
        direction: Direction::Up,
        at_least: U256::ONE,
    }
}

/// The open TWAP is gone: its ratio, which is negative, rises to 0.
pub(super) fn twap_cleared(look: Look<'_>) -> Postcondition {
    Postcondition {
        what: "TWAP leverage ratio".into(),
        target: look.product.extension,
        view: twapLeverageRatioCall {}.abi_encode().into(),
        signed: true,
        direction: Direction::Up,
        at_least: look.snapshot.twap_leverage_ratio.unsigned_abs(),
    }
}
