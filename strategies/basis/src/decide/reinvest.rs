//! `reinvest`: collected funding becomes more spot and a larger short.
//!
//! The contract asks for little: that the interval is over, that the ratio is inside its bounds, and
//! that there is something to spend. But it raises the ratio, in one trade without a cap, and earns
//! nobody anything but the product's holders, less fees. So it is held back here where it would
//! cross the upper bound, which costs a rebalance at once, and where it is not worth its gas.

use alloy::{
    primitives::{U256, uint},
    sol_types::SolCall,
};
use ballast_strategy_api::{Decision, Exposure, Postcondition, StateKey, StrategyError, Urgency};

use super::{Due, Look, blocked, expect, wait};
use crate::{
    books::Books,
    contracts::IBasisExtension::reinvestCall,
    deployment::Deployment,
    policy::Bounds,
    ratio::{ONE, Reinvestment, Side, precise_div, precise_mul_up},
    snapshot::{Gas, Snapshot},
};

/// Gas of a reinvestment, a little more than was measured on the real contracts (1,507,000).
const GAS: U256 = uint!(1_600_000_U256);

pub(super) fn reinvest(look: Look<'_>) -> Result<Decision, StrategyError> {
    let Look { product, snapshot, current, .. } = look;
    // Wider bounds of the operator's do not count here: the contract looks at its own.
    let bounds = Bounds::of(&snapshot.methodology);
    if !bounds.encloses(current) {
        return Ok(wait("reinvest waits: the ratio is not between the product's own bounds"));
    }
    let books = match &snapshot.books {
        Ok(books) => books,
        Err(error) => return Err(StrategyError::reading("the product's books")(error.clone())),
    };
    let overflow = StrategyError::Arithmetic("what reinvest would do");
    let Some(planned) = books.reinvestment(product, current) else { return Err(overflow) };
    if planned.spent.is_zero() {
        return Ok(wait("reinvest waits: no funding to spend"));
    }
    // Without an account after it there is no ratio inside bounds either.
    if !planned.predicted().is_some_and(|predicted| bounds.encloses(predicted)) {
        return Ok(wait("reinvest waits: it would take the ratio out of bounds"));
    }
    if let Some(held_back) = not_worth_it(look, &planned)? {
        return Ok(held_back);
    }
    if let Some(blocked) = look.not_permitted() {
        return Ok(blocked);
    }
    Ok(look.act(Due {
        name: "reinvest",
        data: reinvestCall {}.abi_encode(),
        urgency: Urgency::Routine,
        exposure: Exposure::Raises,
        answers: StateKey::of(&[("last_reinvest", &snapshot.last_reinvest)]),
        repeat_limit: None,
        expects: expectation(look, books, &planned).ok_or(overflow)?,
    }))
}

/// The funding has to be worth so many times the gas. Where the gas cannot be priced, that holds
/// something back only if the operator asked for it.
fn not_worth_it(look: Look<'_>, planned: &Reinvestment) -> Result<Option<Decision>, StrategyError> {
    let multiple = look.policy.gas_multiple;
    if multiple.times.is_zero() {
        return Ok(None);
    }
    let Some(cost) = look.snapshot.gas.cost(GAS)? else {
        let detail = "min_reinvest_gas_multiple is set, and the chain has no native_usd_feed that \
                      answers, or no base fee";
        return Ok(multiple
            .is_chosen
            .then(|| blocked("reinvest cannot be weighed against its gas", detail.to_owned())));
    };
    let least = precise_mul_up(cost, multiple.times);
    let least = least.ok_or(StrategyError::Arithmetic("what a reinvestment must be worth"))?;
    Ok((planned.funding < least).then(|| wait("reinvest waits: the funding is not worth its gas")))
}

impl Gas {
    /// What so much gas costs in US dollars, 18 decimals, rounded up: execution alone, at this
    /// block's base fee. `None` if there is no price.
    ///
    /// # Errors
    /// [`StrategyError::Arithmetic`] on overflow.
    pub fn cost(&self, gas: U256) -> Result<Option<U256>, StrategyError> {
        let (Some(base_fee), Some(native_usd)) = (self.base_fee, self.native_usd) else {
            return Ok(None);
        };
        let wei = gas.checked_mul(U256::from(base_fee));
        wei.and_then(|wei| precise_mul_up(wei, native_usd.fixed18()))
            .map(Some)
            .ok_or(StrategyError::Arithmetic("the price of gas"))
    }
}

/// The short grows by at least half of what is bought; where that is next to nothing, the clock
/// moves on. `None` on overflow.
fn expectation(look: Look<'_>, books: &Books, planned: &Reinvestment) -> Option<Postcondition> {
    let sold = precise_div(planned.bought()?, books.price)?;
    let rounding = books.supply.checked_div(ONE)?.checked_add(U256::ONE)?;
    let at_least = sold.wrapping_shr(1).saturating_sub(rounding);
    Some(match at_least.is_zero() {
        true => expect::reinvested(look),
        false => expect::short(look, Side::Lever, at_least),
    })
}

/// The magnitude that a reinvestment would lead to now; `None` where that is not known.
pub(crate) fn predicted(product: &Deployment, snapshot: &Snapshot, current: U256) -> Option<U256> {
    snapshot.books.as_ref().ok()?.reinvestment(product, current)?.predicted()
}
