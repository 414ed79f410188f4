//! What to offer for inclusion, and what never to exceed. Pure, in integers.
//!
//! An offer is the next base fee with room for its worst growth while we wait, plus a share of the
//! market's tip that grows with the blocks waited: both by urgency, see [`curve`]. Where blocks have
//! room the lowest tip is offered, and by nobody more. Above it stand
//! ceilings: the absolute cap that the guard chose by urgency, a multiple of the market's current
//! price, the cap on the whole transaction's cost at its gas limit, and what the wallet holds; the
//! last two are for the fees that a chain takes beside gas × price as well ([`Terms::extra`]). An
//! offer that a ceiling cuts is still made as long as it buys inclusion in the next block; below
//! that it is a [`Hold`]: sending would only take the nonce. What was sent stays where it is.
//!
//! The multiple of the market does not bind an emergency: it goes up to the absolute cap, which is
//! the guard's hard one, and its last attempt goes there at once ([`Terms::last`]).
//!
//! One price serves both kinds of transaction: for a legacy one ([`Quote::legacy`]) both fields are
//! the gas price, which is also how geth's pool compares the two kinds.
//!
//! Rounding: what we offer and what a replacement must add is rounded up, what a ceiling allows is
//! rounded down.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

pub mod curve;
pub mod giving_up;

use std::fmt::Write as _;

use alloy::primitives::U256;
use ballast_chains::{
    amount::{ether, gwei},
    fees::{Quote, extra::ExtraQuote},
    profile::FeeProfile,
};
use ballast_strategy_api::Urgency;
use serde::{Deserialize, Serialize};

pub use self::curve::Pressure;
use self::curve::{Curve, worst_growth};
use crate::guard::Caps;

/// Least raise of a replacement, in hundredths of a percent: geth's pool refuses less.
const LEAST_BUMP_BPS: u32 = 1_000;
/// One, in hundredths of a percent.
const ONE_IN_BPS: u128 = 10_000;

/// What a transaction offers, wei per gas. The tip is never above the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Most that is paid, base fee included; the gas price of a legacy transaction.
    pub max_fee_per_gas: u128,
    /// Most that the block's producer gets; the same as the whole for a legacy transaction.
    pub max_priority_fee_per_gas: u128,
}

impl Price {
    /// What would be paid in the next block; saturates.
    pub fn paid(self, quote: &Quote) -> u128 {
        quote.next_base_fee.saturating_add(self.max_priority_fee_per_gas).min(self.max_fee_per_gas)
    }
}

/// The reason of a [`Hold`] for want of money.
pub const INSUFFICIENT_FUNDS: &str = "insufficient funds";

/// Why nothing is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// In fixed words.
    pub reason: &'static str,
    /// With figures.
    pub detail: String,
}

/// What a price has to keep to.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// How much it matters to be early.
    pub urgency: Urgency,
    /// How near the product is to being lost; for emergencies.
    pub pressure: Pressure,
    /// Blocks since the intent was found.
    pub waited: u64,
    /// Whether no further attempt would follow: an emergency then offers all it may.
    pub last: bool,
    /// The guard's caps.
    pub caps: Caps,
    /// The chain's rules.
    pub fees: &'a FeeProfile,
    /// Gas limit of the transaction.
    pub gas_limit: u64,
    /// Native currency sent along, wei.
    pub value: U256,
    /// What the chain takes beside gas × price.
    pub extra: ExtraQuote,
    /// What the wallet holds, wei: nodes refuse what it could not pay for at the full offer.
    /// `None`: not held against it.
    pub balance: Option<U256>,
}

impl Terms<'_> {
    /// The most that the chain takes beside gas × price at this gas limit, wei.
    pub fn extra(&self) -> U256 {
        self.extra.most(self.gas_limit)
    }

    fn curve(&self) -> Curve {
        Curve::of(self.urgency, self.pressure)
    }
}

/// The ceiling that binds, and its name.
#[derive(Debug, Clone, Copy)]
struct Ceiling {
    wei_per_gas: u128,
    reason: &'static str,
}

/// Why an offer that is out there should be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raise {
    /// It does not buy the next block.
    Outbid,
    /// It has waited, and by now more is worth offering.
    Waited,
}

/// Whether to raise an offer that was made `since` blocks ago. Not merely because time passed, but
/// once what is worth offering is two raises above it: attempts at a nonce are few.
pub fn wants_raise(offer: Price, since: u64, quote: &Quote, terms: &Terms<'_>) -> Option<Raise> {
    let curve = terms.curve();
    if offer.paid(quote) < quote.least {
        // Routine work may as well wait for the base fee to come down again.
        let patient = terms.urgency == Urgency::Routine && since < curve.patience;
        return (!patient).then_some(Raise::Outbid);
    }
    let wanted = wanted(quote, terms).max_priority_fee_per_gas;
    let twice = raised(offer.max_priority_fee_per_gas, terms.fees)
        .and_then(|once| raised(once, terms.fees));
    let worth_it = twice.is_some_and(|least| wanted >= least);
    (since >= curve.patience && worth_it).then_some(Raise::Waited)
}

/// The price of a first attempt.
///
/// # Errors
/// When a ceiling is below what the next block costs.
pub fn price(quote: &Quote, terms: &Terms<'_>) -> Result<Price, Hold> {
    let ceiling = affordable(quote, terms)?;
    Ok(below(wanted(quote, terms), quote, ceiling))
}

/// The price of another attempt at the same nonce: today's price, but at least the replacement
/// rule's raise on both fields.
///
/// # Errors
/// When a ceiling is below what the next block costs, or below the raise.
pub fn replacement(previous: Price, quote: &Quote, terms: &Terms<'_>) -> Result<Price, Hold> {
    let ceiling = affordable(quote, terms)?;
    let (Some(least), Some(least_tip)) = (
        raised(previous.max_fee_per_gas, terms.fees),
        raised(previous.max_priority_fee_per_gas, terms.fees),
    ) else {
        return Err(hold("replacement overflows", quote, terms, ceiling));
    };
    if least > ceiling.wei_per_gas {
        return Err(hold(ceiling.reason, quote, terms, ceiling));
    }
    let mut wanted = wanted(quote, terms);
    if terms.last && terms.urgency == Urgency::Emergency {
        wanted.max_fee_per_gas = ceiling.wei_per_gas;
    }
    let max_fee_per_gas = wanted.max_fee_per_gas.max(least).min(ceiling.wei_per_gas);
    // The raise of the smaller field is never above that of the larger, so this keeps both.
    let tip = below(wanted, quote, ceiling).max_priority_fee_per_gas.max(least_tip);
    let tip = if quote.legacy { max_fee_per_gas } else { tip.min(max_fee_per_gas) };
    Ok(Price { max_fee_per_gas, max_priority_fee_per_gas: tip })
}

/// What is worth offering if nothing bounds it.
fn wanted(quote: &Quote, terms: &Terms<'_>) -> Price {
    let curve = terms.curve();
    let floor = terms.fees.min_priority_fee_per_gas;
    // What overflows is beyond every ceiling, so saturating is exact enough.
    let tip = match quote.lowest {
        Some(lowest) if terms.waited < curve::ROOM_PATIENCE => {
            percent_up(lowest, curve.tip_percent_of_lowest(terms.waited))
        }
        Some(_) | None => percent_up(quote.priority_fee, curve.tip_percent(terms.waited)),
    };
    let tip = tip.max(floor);
    let base = worst_growth(quote.next_base_fee, curve.blocks);
    Price { max_fee_per_gas: base.saturating_add(tip), max_priority_fee_per_gas: tip }
}

/// Cuts an offer at the ceiling. What the cut takes comes off the headroom first, then off the
/// tip's part above the next base fee.
fn below(wanted: Price, quote: &Quote, ceiling: Ceiling) -> Price {
    let max_fee_per_gas = wanted.max_fee_per_gas.min(ceiling.wei_per_gas);
    let room = max_fee_per_gas.saturating_sub(quote.next_base_fee);
    Price { max_fee_per_gas, max_priority_fee_per_gas: wanted.max_priority_fee_per_gas.min(room) }
}

/// The lowest ceiling, if it buys the next block at the least tip.
fn affordable(quote: &Quote, terms: &Terms<'_>) -> Result<Ceiling, Hold> {
    let ceiling = lowest_ceiling(quote, terms);
    if ceiling.wei_per_gas < quote.least {
        return Err(hold(ceiling.reason, quote, terms, ceiling));
    }
    Ok(ceiling)
}

fn lowest_ceiling(quote: &Quote, terms: &Terms<'_>) -> Ceiling {
    let absolute = Ceiling { wei_per_gas: terms.caps.max_fee_per_gas, reason: "fee cap" };
    let relative = (terms.urgency != Urgency::Emergency).then(|| Ceiling {
        wei_per_gas: quote.market().saturating_mul(u128::from(terms.fees.relative_cap.max(1))),
        reason: "relative fee cap",
    });
    let by_cost = terms
        .caps
        .max_transaction_cost
        .map(|cost| Ceiling { wei_per_gas: per_gas(cost, terms), reason: "transaction cost cap" });
    let by_balance = terms
        .balance
        .map(|held| Ceiling { wei_per_gas: per_gas(held, terms), reason: INSUFFICIENT_FUNDS });
    [relative, by_cost, by_balance]
        .into_iter()
        .flatten()
        .fold(absolute, |low, next| if next.wei_per_gas < low.wei_per_gas { next } else { low })
}

/// What a cap on the whole cost leaves per gas, rounded down.
fn per_gas(cost: U256, terms: &Terms<'_>) -> u128 {
    let for_gas = cost.saturating_sub(terms.value).saturating_sub(terms.extra());
    let each = for_gas.checked_div(U256::from(terms.gas_limit)).unwrap_or(U256::MAX);
    u128::try_from(each).unwrap_or(u128::MAX)
}

/// The least that may follow `previous`, rounded up; more than it even where it is zero.
fn raised(previous: u128, fees: &FeeProfile) -> Option<u128> {
    let bump = u128::from(fees.replacement_bump_bps.max(LEAST_BUMP_BPS));
    let factor = bump.checked_add(ONE_IN_BPS)?;
    let raised = previous.checked_mul(factor)?.div_ceil(ONE_IN_BPS);
    Some(raised.max(previous.checked_add(1)?))
}

fn percent_up(amount: u128, percent: u128) -> u128 {
    amount.saturating_mul(percent).div_ceil(100)
}

fn hold(reason: &'static str, quote: &Quote, terms: &Terms<'_>, ceiling: Ceiling) -> Hold {
    let mut detail = format!(
        "the next block costs {} gwei per gas, the market pays {}, at most {} may be offered",
        gwei(quote.least),
        gwei(quote.market()),
        gwei(ceiling.wei_per_gas)
    );
    let extra = terms.extra();
    if !extra.is_zero() {
        _ = write!(detail, ", and up to {} in all goes to fees beside gas", ether(extra));
    }
    Hold { reason, detail }
}

#[cfg(test)]
mod tests;
