//! A composite index: what can be asked for, and the names of what stands where.

use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};

/// Which composite index is deployed, and how it is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexOptions {
    /// What it holds, and where that is traded.
    pub basket: Basket,
    /// Who may trade besides its keeper and the operator.
    pub more_traders: Vec<Address>,
    /// What Set Protocol takes of what a trade brings, 18 decimals.
    pub protocol_fee: U256,
    /// By how much targets may be raised at once when ether is left over, 18 decimals; 0 leaves it
    /// unset, so that raising does nothing.
    pub raise_target_percentage: U256,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self {
            basket: Basket::Wide,
            more_traders: Vec::new(),
            protocol_fee: U256::ZERO,
            raise_target_percentage: U256::ZERO,
        }
    }
}

/// What an index holds. A token of either is worth 100 dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basket {
    /// Four components and one that could be added, 1,000 tokens.
    Five,
    /// Eight components and one that could be added, on every kind of exchange, 20,000 tokens.
    Wide,
}

/// A composite index and everything that only it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexProduct {
    /// Its symbol.
    pub symbol: String,
    /// The token.
    pub set_token: Address,
    /// The `BaseManager`; its operator and methodologist is [`OPERATOR`](crate::accounts::OPERATOR).
    pub manager: Address,
    /// The `GIMExtension`: what the operator calls.
    pub extension: Address,
    /// `GeneralIndexModule`, as published. The operator and the keeper may trade.
    pub module: Address,
    /// Which of [`accounts::keeper`](crate::accounts::keeper) may trade: the one after all products'.
    pub keeper: usize,
    /// `BasicIssuanceModule`, as published.
    pub issuance: Address,
    /// `StreamingFeeModule`, as published: 0.95 % a year.
    pub streaming_fee: Address,
    /// The Controller's registry of exchange adapters.
    pub registry: Address,
    /// A second factory of V2 pairs and its router, which serve as Sushiswap.
    pub sushi: (Address, Address),
    /// What it holds and, the last one, what it could come to hold.
    pub components: Vec<IndexComponent>,
}

impl IndexProduct {
    /// The component of that symbol.
    #[must_use]
    pub fn component(&self, symbol: &str) -> Option<&IndexComponent> {
        self.components.iter().find(|component| component.symbol == symbol)
    }
}

/// A token that an index holds or may come to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexComponent {
    /// Its symbol.
    pub symbol: String,
    /// The token.
    pub token: Address,
    /// Its decimals.
    pub decimals: u8,
    /// What a whole one costs where it is traded when the index is deployed, in cents.
    pub cents: u64,
    /// A Chainlink feed of its price in US dollars, 8 decimals.
    pub feed: Address,
    /// Where it is traded.
    pub place: Place,
}

/// The pool in which a component is traded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// A pair of an exchange of Uniswap V2's code.
    Pair {
        /// The exchange's router.
        router: Address,
        /// The pair.
        pair: Address,
        /// The other token: ether, or dollars that are traded for ether in the devnet's own pair.
        other: Address,
    },
    /// A pool with ether on Uniswap V3.
    Pool {
        /// The pool.
        pool: Address,
        /// Its fee, in millionths.
        fee: u32,
    },
}
