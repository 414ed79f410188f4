//! Which ways are offers at all: a pool that nobody trades with keeps an old price, and anyone can make
//! one that looks deep at a price of their own.
//!
//! So no way is judged by how much it seems to hold. What counts is the price that the component was
//! reckoned with, if there is one, and the price of the way that the chain has: a way that is off
//! either of them is refused. If that happens to the chain's own way, somebody has to look, and nothing
//! is advised; nor where there is nothing to judge by.

use alloy::primitives::{U256, U512};

use super::survey::{Found, IN_RANGE};
use crate::{
    decimal::ONE,
    plan::{market::Market, show::short, state::Token, units::Component, work::percent},
    venue::Venue,
};

/// How far a way's price may be from what it is judged by, and still be an offer: 2 %.
const FAR: U256 = U256::from_limbs([20_000_000_000_000_000, 0, 0, 0]);

/// A component with the price that it was reckoned with, and what pools are compared by.
#[derive(Debug, Clone, Copy)]
pub struct Reckoned<'a> {
    /// The component.
    pub component: &'a Component,
    /// What ether costs in the same currency.
    pub market: Market,
}

/// What speaks against the ways of a component.
#[derive(Debug)]
pub(super) struct Judged {
    /// Against each of them, in their order.
    pub(super) against: Vec<Option<String>>,
    /// Why nothing is advised, whatever the ways are.
    pub(super) stop: Option<&'static str>,
}

/// Judges the ways of a token that the chain trades as `token` says.
pub(super) fn judge(found: &[Found], token: &Token, reckoned: Option<Reckoned<'_>>) -> Judged {
    let current = found.iter().find(|way| is_current(&way.token, token));
    let against: Vec<Option<String>> = found
        .iter()
        .map(|way| {
            let own = is_current(&way.token, token);
            if !own && way.measured_by == IN_RANGE {
                // Next to nothing in one range looks like any depth.
                return Some("only its liquidity in range is known (--v3-quoter)".to_owned());
            }
            let by_plan = reckoned.and_then(|with| with.market.off(with.component, &way.token));
            let by_chain = current.and_then(|now| off(&way.token.venue, &now.token.venue));
            match (by_plan, by_chain) {
                (Some(off), _) if off > FAR => {
                    Some(format!("its price is {} % off the reckoned one", shown(off)))
                }
                (_, Some(off)) if off > FAR => {
                    Some(format!("its price is {} % off that of the chain's way", shown(off)))
                }
                (None, None) => Some("there is no price to judge it by".to_owned()),
                (Some(_), _) | (None, Some(_)) => None,
            }
        })
        .collect();
    let mut own = found.iter().zip(&against).filter(|(way, _)| is_current(&way.token, token));
    let stop = if own.any(|(_, against)| against.is_some()) {
        Some("the way that the chain has is off the reckoned price: nothing is advised")
    } else if found.is_empty() || against.iter().any(Option::is_none) {
        None
    } else {
        Some("no way can be judged or is near its price: nothing is advised")
    };
    Judged { against, stop }
}

/// Whether a way is the one that the chain has.
pub(super) fn is_current(way: &Token, token: &Token) -> bool {
    way.exchange == token.exchange && way.exchange_data == token.exchange_data
}

/// How far the price of one venue is from that of the other, 18 decimals; `None` without prices.
fn off(one: &Venue, other: &Venue) -> Option<U256> {
    let ((into, out), (by_into, by_out)) = (one.price()?, other.price()?);
    // out/into against by_out/by_into, both over the same.
    let (here, there) = (out.checked_mul(by_into)?, by_out.checked_mul(into)?);
    let off = here.abs_diff(there).checked_mul(U512::from(ONE))?.checked_div(there)?;
    Some(U256::checked_from_limbs_slice(off.as_limbs()).unwrap_or(U256::MAX))
}

fn shown(off: U256) -> String {
    short(&percent(Some(off)))
}

#[cfg(test)]
mod tests;
