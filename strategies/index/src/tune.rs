//! What an operator should set for each component: by which adapter it is traded, how much at a time,
//! with what rest in between.
//!
//! [`survey`] asks the chain which ways a component has and how deep they are, [`judge`] which of them
//! are offers, [`optimum`] works out the size of a trade, [`advice`] puts both together, [`batch`] is what differs from the chain, as
//! calls, and [`show`] is for people.

pub mod advice;
pub mod batch;
pub mod judge;
pub mod optimum;
pub mod show;
pub mod survey;

use alloy::primitives::{Address, Bytes, U256};
use serde::Serialize;

use crate::module::Side;

/// What the advice is bound by.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Wei per gas.
    pub gas_price: U256,
    /// Largest price impact of one trade, fees excluded, 18 decimals.
    pub impact: U256,
    /// How long all trades of a component may take, seconds.
    pub within: u64,
    /// The protocol's share of what a trade receives, 18 decimals.
    pub protocol_fee: U256,
}

/// What has to be moved of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// So many base units, this way.
    Amount(Side, U256),
    /// As much as so much of the intermediate asset is worth, either way.
    Value(U256),
}

impl Task {
    /// The ways whose impact counts.
    pub fn sides(self) -> &'static [Side] {
        match self {
            Self::Amount(Side::Sell, _) => &[Side::Sell],
            Self::Amount(Side::Buy, _) => &[Side::Buy],
            Self::Value(_) => &[Side::Sell, Side::Buy],
        }
    }
}

/// One component's advice. Amounts are base units as decimal text, of the component unless they are
/// named in wei; shares are percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What the token calls itself.
    pub symbol: String,
    /// The token.
    pub address: Address,
    /// Its decimals.
    pub decimals: u8,
    /// `sell`, `buy`, or `either`.
    pub side: &'static str,
    /// What is to be moved.
    #[serde(serialize_with = "as_text")]
    pub amount: U256,
    /// What the chain has.
    pub now: Settings,
    /// What is advised; `None` if no way to trade it can be measured.
    pub advised: Option<Settings>,
    /// Every way that was looked at, the best one first.
    pub ways: Vec<Way>,
    /// What other sizes would make, by the way that is advised.
    pub sizes: Vec<Size>,
    /// What the operator should look at.
    pub warnings: Vec<String>,
}

/// How a component is traded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// The adapter's name.
    pub exchange: String,
    /// How it is traded there.
    pub exchange_data: Bytes,
    /// Most of one trade.
    #[serde(serialize_with = "as_text")]
    pub trade_maximum: U256,
    /// The rest between two trades, seconds.
    #[serde(serialize_with = "as_text")]
    pub cool_off: U256,
}

/// A way to trade a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The adapter's name …
    pub exchange: String,
    /// … and what it is given.
    pub exchange_data: Bytes,
    /// Whether it is what the chain has.
    pub current: bool,
    /// What its pools have on a side, wei of the intermediate asset; of V3 what the liquidity in range
    /// would be, which anyone can make large.
    #[serde(serialize_with = "as_text")]
    pub depth: U256,
    /// The largest trade within the bound of the impact.
    #[serde(serialize_with = "as_text")]
    pub at_bound: U256,
    /// `formula`, `quoter`, or `liquidity in range`.
    pub measured_by: &'static str,
    /// The best size there.
    #[serde(serialize_with = "as_text")]
    pub size: U256,
    /// What moving all of it costs there in sizes of that, gas included, wei; `None` if its pools do
    /// not hold one trade.
    #[serde(serialize_with = "maybe_text")]
    pub cost: Option<U256>,
    /// Why it is not taken, besides its cost.
    pub against: Option<String>,
}

/// What a size of one trade makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Size {
    /// `half`, `advised`, `twice`, `at the bound`, `chain`.
    pub what: &'static str,
    /// The size.
    #[serde(serialize_with = "as_text")]
    pub size: U256,
    /// Its price impact, fees excluded, percent; `None` if the pools do not hold as much.
    pub impact: Option<String>,
    /// Trades that it takes.
    pub trades: u64,
    /// Their gas.
    pub gas: u64,
    /// What that costs, wei.
    #[serde(serialize_with = "as_text")]
    pub gas_cost: U256,
    /// What the trades lose in the pools, wei; pools recover between two.
    #[serde(serialize_with = "maybe_text")]
    pub pools_cost: Option<U256>,
    /// Both together.
    #[serde(serialize_with = "maybe_text")]
    pub cost: Option<U256>,
    /// How long they take at the least, seconds.
    pub seconds: u64,
}

fn as_text<S: serde::Serializer>(value: &U256, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn maybe_text<S: serde::Serializer>(value: &Option<U256>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}
