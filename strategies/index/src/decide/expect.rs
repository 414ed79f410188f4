//! What a call must have changed when it is included.

use alloy::{
    primitives::{U256, uint},
    sol_types::SolCall,
};
use ballast_strategy_api::{Direction, Postcondition};

use super::Look;
use crate::{
    contracts::{
        IGeneralIndexModule::rebalanceInfoCall, ISetToken::getDefaultPositionRealUnitCall,
    },
    decimal::ONE,
    module::Side,
    snapshot::Component,
};

/// Units that the token may lose where a balance becomes a unit and a unit is stored.
const ROUNDING: U256 = uint!(3_U256);

/// The component's unit moves by at least half of what the trade implies; the other half is room for
/// a supply that grows and for a first trade of somebody else. Less what storing a unit can round
/// away; `None` for so little that nothing is left.
pub(super) fn traded(
    look: Look<'_>,
    component: &Component,
    side: Side,
    quantity: U256,
) -> Option<Postcondition> {
    let units = quantity.checked_mul(ONE)?.checked_div(look.snapshot.terms.supply)?;
    let at_least = units.wrapping_shr(1).saturating_sub(ROUNDING);
    let view = getDefaultPositionRealUnitCall { component: component.token };
    (!at_least.is_zero()).then(|| Postcondition {
        what: format!("unit of {}", component.symbol),
        target: look.terms.set_token,
        view: view.abi_encode().into(),
        signed: true,
        direction: match side {
            Side::Sell => Direction::Down,
            Side::Buy => Direction::Up,
        },
        at_least,
    })
}

/// The multiplier that targets are reckoned from falls by at least half of what the share implies.
pub(super) fn raised(look: Look<'_>) -> Option<Postcondition> {
    let started_at = look.snapshot.terms.started_at;
    let share = ONE.checked_add(look.snapshot.raise_percentage)?;
    let after = started_at.checked_mul(ONE)?.checked_div(share)?;
    let at_least = started_at.checked_sub(after)?.wrapping_shr(1);
    let view = rebalanceInfoCall { setToken: look.terms.set_token };
    (!at_least.is_zero()).then(|| Postcondition {
        what: "multiplier of the targets".to_owned(),
        target: look.terms.module,
        view: view.abi_encode().into(),
        signed: false,
        direction: Direction::Down,
        at_least,
    })
}
