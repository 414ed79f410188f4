//! Everything that is read at a block: one round for the state, in parallel with what the pools said
//! some minutes ago ([`read`]); then [`offers`], the prices of the trades that are possible, each call
//! by itself.

mod look;
pub mod offers;
pub mod read;
mod reference;

use std::time::Duration;

use alloy::primitives::{Address, U256};

use crate::{
    market::Pool,
    module::{Position, Terms},
    price::Price,
    quote::Hop,
};
pub use read::Hints;
pub(crate) use reference::by_oracle;
pub use reference::{NoReference, Reference, Source};

/// An index at one block.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The block's time.
    pub now: u64,
    /// How long a block usually takes.
    pub block_time: Duration,
    /// Who would send.
    pub caller: Address,
    /// Whether the module lets it trade.
    pub may_trade: bool,
    /// Whether it lets everybody; then contracts are refused.
    pub anyone: bool,
    /// Whether the module is one of the index's.
    pub is_served: bool,
    /// Whether what was submitted left the zero address among the components.
    pub lists_zero: bool,
    /// What the gas of a trade costs at the block's base fee, of 30 gwei at the most; wei.
    pub trade_cost: U256,
    /// What all components are reckoned with.
    pub terms: Terms,
    /// The share by which targets may be raised, 18 decimals; 0 until it is set.
    pub raise_percentage: U256,
    /// The intermediate asset.
    pub weth: Weth,
    /// What is rebalanced, without the intermediate asset, by address.
    pub components: Vec<Component>,
}

/// The intermediate asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weth {
    /// Its token.
    pub token: Address,
    /// The unit that the index has of it.
    pub unit: U256,
    /// The unit that the module has noted for it, as it was submitted: of an earlier rebalance where
    /// it is not part of this one.
    pub target_unit: U256,
    /// Whether it is a part of this rebalance.
    pub is_component: bool,
}

/// One component at one block.
#[derive(Debug, Clone)]
pub struct Component {
    /// The token.
    pub token: Address,
    /// What it calls itself; its address where it does not, or shares the name with another.
    pub symbol: String,
    /// Its decimals; `None` if it does not say.
    pub decimals: Option<u8>,
    /// What the module reckons with.
    pub position: Position,
    /// Seconds that it rests between two trades.
    pub cool_off: U256,
    /// When it was last traded.
    pub last_trade: U256,
    /// Where it is traded.
    pub market: Market,
    /// What its price is held against.
    pub reference: Result<Reference, NoReference>,
    /// What its trades would come to; empty until they were asked for.
    pub offers: offers::Offers,
}

/// Where a component is traded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Market {
    /// Through these pools, from the component to the intermediate asset.
    Pools {
        /// The pools.
        pools: Vec<Pool>,
        /// Their reserves.
        hops: Vec<Hop>,
        /// Their price, in wei of the intermediate asset for a base unit.
        spot: Price,
    },
    /// By an adapter that is not known here: its price is found out by trying.
    Unknown,
    /// Nowhere: every trade would revert.
    Nowhere(String),
}

impl Component {
    /// What a base unit is worth by its reference, from … to …: what decisions go by. What its pools say
    /// at this block alone is whatever somebody wants it to be.
    pub fn believed(&self) -> Option<(Price, Price)> {
        let Reference { low, high, .. } = self.reference.as_ref().ok()?;
        Some((*low, *high))
    }

    /// What a base unit is worth to look at: by its pools, or else by its reference.
    pub fn price(&self) -> Option<Price> {
        match (&self.market, &self.reference) {
            (Market::Pools { spot, .. }, _) => Some(*spot),
            (Market::Unknown | Market::Nowhere(_), Ok(reference)) => Some(reference.low),
            (Market::Unknown | Market::Nowhere(_), Err(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests;
