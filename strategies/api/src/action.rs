//! What a strategy wants sent, as plain data: it is journalled, explained and replayed, so it
//! holds no closures.

use std::fmt;

use alloy::primitives::{Address, Bytes, I256, U256};
use serde::{Deserialize, Serialize};

/// A number of blocks.
pub type Blocks = u64;

/// One thing worth doing now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Stable label for logs and metrics: `rebalance`, `ripcord`, …
    pub name: &'static str,
    /// Calls that would each serve, in the strategy's order of preference. All are simulated in
    /// one round; the first that succeeds is sent.
    pub candidates: NonEmpty<Call>,
    /// How much it matters to be early.
    pub urgency: Urgency,
    /// What it does to the product's exposure: in `delever_only` mode the guard refuses what raises
    /// it.
    pub exposure: Exposure,
    /// The state of the product that this action responds to. Together with product and `name` it
    /// is the identity of the intent: the same key is never acted on twice at two nonces.
    pub answers: StateKey,
    /// Blocks within which the action is worth including; `None`: as long as it stays due.
    pub deadline: Option<Blocks>,
    /// How often this action may follow itself; enforced from the journal. `None`: without a limit.
    pub repeat_limit: Option<RepeatLimit>,
    /// What inclusion must have changed; status 1 alone is not success.
    pub expects: Option<Postcondition>,
}

/// How often an action may follow itself before people are told, and how often after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatLimit {
    /// Most times that it may follow itself at any pace; above 0.
    pub times: u8,
    /// Seconds between two from then on, by the blocks' time. [`u64::MAX`]: none at all.
    pub cooldown: u64,
}

/// One call to a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// What tells this candidate from the others, for people: an exchange's name, say.
    pub label: String,
    /// The contract.
    pub to: Address,
    /// Selector and arguments.
    pub data: Bytes,
    /// Native currency sent along, wei.
    pub value: U256,
}

/// How much it matters to be early. Ordered: a greater urgency may replace a lesser one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Worth doing; may wait for a cheap block.
    Routine,
    /// The product is outside its bounds.
    Prompt,
    /// The product is on its way to liquidation.
    Emergency,
}

/// What an action does to a product's exposure to its market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exposure {
    /// It borrows or buys more of it: an operator who winds the product down does not want it.
    Raises,
    /// It pays debt back or closes some of it.
    Lowers,
    /// Neither.
    Keeps,
}

impl Urgency {
    /// The fixed word for logs, metrics and the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Routine => "routine",
            Self::Prompt => "prompt",
            Self::Emergency => "emergency",
        }
    }
}

/// The strategy state that an action answers, as `label=value` pairs a person can read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateKey(String);

impl StateKey {
    /// Joins the parts in the given order; the strategy must keep that order for ever.
    pub fn of(parts: &[(&str, &dyn fmt::Display)]) -> Self {
        let text: Vec<String> = parts.iter().map(|(k, v)| format!("{k}={v}")).collect();
        Self(text.join(";"))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for StateKey {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A view whose value must have moved between the parent of the inclusion block and that block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postcondition {
    /// What is compared, for people: `leverage ratio`.
    pub what: String,
    /// The contract whose view tells.
    pub target: Address,
    /// Calldata of a view whose answer is one 32-byte word.
    pub view: Bytes,
    /// Whether the word is signed.
    pub signed: bool,
    /// The intended direction.
    pub direction: Direction,
    /// Least move in that direction, in the view's unit; by rule half of what the call implies.
    pub at_least: U256,
}

/// Which way a value should move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The value should grow.
    Up,
    /// The value should shrink.
    Down,
}

impl Postcondition {
    /// Whether a move from `before` to `after` (raw words of the view) satisfies this. A pair that
    /// cannot be compared (overflow) does not.
    pub fn holds(&self, before: U256, after: U256) -> bool {
        let (low, high) = match self.direction {
            Direction::Up => (before, after),
            Direction::Down => (after, before),
        };
        let moved = if self.signed {
            let difference = I256::from_raw(high).checked_sub(I256::from_raw(low));
            difference.and_then(|d| U256::try_from(d).ok())
        } else {
            high.checked_sub(low)
        };
        moved.is_some_and(|m| m >= self.at_least)
    }
}

/// A list with at least one element, so that "the first" always exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonEmpty<T> {
    /// The most preferred.
    pub first: T,
    /// The others, in order.
    pub rest: Vec<T>,
}

impl<T> NonEmpty<T> {
    /// A list of one.
    pub fn one(first: T) -> Self {
        Self { first, rest: Vec::new() }
    }

    /// `None` if `items` is empty.
    pub fn from_vec(mut items: Vec<T>) -> Option<Self> {
        if items.is_empty() {
            return None;
        }
        let first = items.remove(0);
        Some(Self { first, rest: items })
    }

    /// All elements, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}
