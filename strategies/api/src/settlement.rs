//! What a mined action really did, read from its logs.

use alloy::primitives::{Address, I256, U256};
use serde::{Deserialize, Serialize};

/// What a receipt says beyond its status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Native currency that the call paid to the wallet (a ripcord's reward), wei.
    pub income: U256,
    /// Tokens that the call paid to the wallet.
    #[serde(default)]
    pub tokens: Vec<TokenIncome>,
    /// How much worse the realised price was than the one that was to be had without moving the
    /// market, 18 decimals (0.01 is 1 %); below zero where it was better. `None` where the logs do
    /// not tell.
    #[serde(default)]
    pub slippage: Option<I256>,
    /// Realised sizes, prices and ratios.
    pub facts: Vec<Fact>,
}

/// An amount of a token that the wallet got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIncome {
    /// The token's contract.
    pub token: Address,
    /// How much of it, in its base units.
    pub amount: U256,
}

/// One realised figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Fixed name in snake case.
    pub name: String,
    /// The figure, as the event gives it (18-decimal fixed point for ratios, base units for sizes).
    pub value: I256,
}
