//! What a mined action really did, read from its logs.

use alloy::primitives::{I256, U256};
use serde::{Deserialize, Serialize};

/// What a receipt says beyond its status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Native currency that the call paid to the wallet (a ripcord's reward), wei.
    pub income: U256,
    /// Realised sizes, prices and ratios.
    pub facts: Vec<Fact>,
}

/// One realised figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Fixed name in snake case.
    pub name: String,
    /// The figure, as the event gives it (18-decimal fixed point for ratios, base units for sizes).
    pub value: I256,
}
