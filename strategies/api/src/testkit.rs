//! What every strategy is held to, and a scripted block to test against.
//!
//! A [`ScriptedBlock`] answers reads from a table, through the same reader, driver and batching
//! that the keeper uses, so that a test sees real rounds and real decoding without a node.
//! [`check_contract`] runs a strategy against one and asserts what the runtime relies on.
//!
//! Both need a tokio runtime (`#[tokio::test]`). [`receipt()`] and [`log()`] are what a strategy settles.

mod contract;
mod receipt;
mod script;

pub use contract::{Checked, MAX_ROUNDS, check_contract, violations};
pub use receipt::{log, receipt};
pub use script::ScriptedBlock;

/// The recipe for a new strategy: compiled, and run against a scripted block.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Recipe;

#[cfg(test)]
mod tests;
