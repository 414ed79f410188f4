//! The contract between the runtime and a strategy.
//!
//! A strategy is a reconciler: woken, it reads its product at one block and says what, if
//! anything, is due. It never signs, sends, sleeps, retries or picks a nonce, and it keeps no
//! memory: the same block gives the same decision. Start with [`Strategy`], then [`Decision`].

pub mod action;
pub mod decision;
pub mod erased;
pub mod settlement;
pub mod strategy;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod tool;

pub use action::{
    Action, Blocks, Call, Direction, Exposure, NonEmpty, Postcondition, StateKey, Urgency,
};
pub use decision::{Assessment, Decision, Observation, Timestamp, Unit};
pub use erased::DynStrategy;
pub use settlement::{Fact, Settlement};
pub use strategy::{Refusal, Strategy, StrategyError};
pub use tool::{Host, Told, Tool};
