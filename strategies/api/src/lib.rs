//! The contract between the runtime and a strategy.
//!
//! A strategy is a reconciler: woken, it reads its product at one block and says what, if
//! anything, is due. It never signs, sends, sleeps, retries or picks a nonce, and it keeps no
//! memory: the same block gives the same decision. Start with [`Strategy`], then [`Decision`].

pub mod account;
pub mod action;
pub mod calendar;
pub mod decimal;
pub mod decision;
pub mod erased;
pub mod html;
pub mod listing;
pub mod safe_batch;
pub mod settlement;
pub mod strategy;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod tool;

pub use action::{
    Action, Blocks, Call, Direction, Exposure, NonEmpty, Postcondition, RepeatLimit, StateKey,
    Urgency,
};
pub use decimal::Decimal;
pub use decision::{Assessment, Decision, Observation, Timestamp, Unit};
pub use erased::DynStrategy;
pub use listing::{Listing, Source};
pub use settlement::{Fact, Settlement, TokenIncome};
pub use strategy::{ActsOn, Doubt, Pending, Refusal, Strategy, StrategyError};
pub use tool::{Booked, Host, ProductFile, Told, Tool};
