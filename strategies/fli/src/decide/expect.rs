//! What a call must have changed when it is included.

use alloy::{primitives::U256, sol_types::SolCall};
use ballast_strategy_api::{Direction, Postcondition, StrategyError};

use super::Look;
use crate::{
    contracts::ILeverageStrategyExtension as Ext,
    ratio::{self, Side},
};

/// The ratio moves towards `new` by at least half of what the smallest candidate's chunk implies,
/// rounded down and less what whole base units can round away. The other half is room for fees
/// and impact, which a delever of ratio `r` feels `r` times, and for interest and prices that move
/// until the call is mined.
///
/// Where the position or a chunk is not known, any move in the right direction will do. `None` for a
/// chunk so small that it moves nothing.
pub(super) fn half_of(
    look: Look<'_>,
    side: Side,
    new: U256,
    smallest: Option<U256>,
) -> Result<Option<Postcondition>, StrategyError> {
    let current = look.live.leverage_ratio;
    let at_least = match look.live.position.zip(smallest) {
        Some((position, smallest)) => {
            let implied = ratio::implied_move(side, smallest, current, position)?;
            let rounding = ratio::rounding(current, position)?;
            implied.min(current.abs_diff(new)).wrapping_shr(1).saturating_sub(rounding)
        }
        None => U256::ONE,
    };
    Ok(leverage_ratio(look, side, at_least))
}

/// The ratio moves to the right side by `at_least`; `None` if that is nothing.
pub(super) fn leverage_ratio(look: Look<'_>, side: Side, at_least: U256) -> Option<Postcondition> {
    (!at_least.is_zero()).then(|| Postcondition {
        what: "leverage ratio".into(),
        target: look.product.extension,
        view: Ext::getCurrentLeverageRatioCall {}.abi_encode().into(),
        signed: false,
        direction: match side {
            Side::Lever => Direction::Up,
            Side::Delever => Direction::Down,
        },
        at_least,
    })
}

/// The open TWAP is gone: its ratio falls to 0, which is by all of it.
pub(super) fn twap_cleared(look: Look<'_>) -> Postcondition {
    Postcondition {
        what: "TWAP leverage ratio".into(),
        target: look.product.extension,
        view: Ext::twapLeverageRatioCall {}.abi_encode().into(),
        signed: false,
        direction: Direction::Down,
        at_least: look.snapshot.twap_leverage_ratio,
    }
}
