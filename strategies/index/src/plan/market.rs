//! The pools' prices against the ones that a plan reckons with.
//!
//! Pools tell what a component is worth in the intermediate asset, the prices what it is worth in
//! their currency. What lies between is the price of the intermediate asset: the one of the prices
//! if it is there, else the one that lies in the middle of those that the components imply.

use alloy::primitives::{U256, U512};

use super::{
    state::{Index, Token},
    units::Component,
    work::{File, intermediate},
};
use crate::decimal::{ONE, narrow};

/// Fewest components whose pools give a price of the intermediate asset that one can hold them
/// against.
const FEWEST: usize = 3;

/// What pools are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    /// What the intermediate asset costs, 36 decimals; `None` if nothing tells.
    intermediate: Option<U256>,
}

impl Market {
    /// From the prices, or else from the pools of all components.
    pub(crate) fn of(index: &Index, components: &[Component], prices: File<'_>) -> Self {
        let named = intermediate(index, prices);
        let middle = || {
            let pairs = components.iter().zip(&index.tokens);
            let mut implied: Vec<U256> = pairs.filter_map(|(c, token)| implied(c, token)).collect();
            implied.sort_unstable();
            let middle = implied.len().checked_div(2)?;
            implied.get(middle).copied().filter(|_| implied.len() >= FEWEST)
        };
        Self { intermediate: named.or_else(middle) }
    }

    /// By what share the pools' price of a component is off the reckoned one, 18 decimals; `None` if
    /// nothing can be compared.
    pub fn off(&self, component: &Component, token: &Token) -> Option<U256> {
        let is = self.intermediate?;
        let off = U512::from(implied(component, token)?.abs_diff(is));
        narrow(off.checked_mul(U512::from(ONE))?.checked_div(U512::from(is))?)
    }
}

/// What the intermediate asset would cost if the component's pools and its price both were right,
/// 36 decimals: price · 10^18 / (what the pools give for a whole one).
fn implied(component: &Component, token: &Token) -> Option<U256> {
    let (into, out) = token.venue.price()?;
    let whole = U512::from(10).checked_pow(U512::from(component.decimals))?;
    let numerator = U512::from(component.price).checked_mul(U512::from(ONE))?.checked_mul(into)?;
    narrow(numerator.checked_div(out.checked_mul(whole)?)?)
}
