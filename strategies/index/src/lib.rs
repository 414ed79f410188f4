//! Simple indices: from a methodologist's weights to the last trade.
//!
//! An index is re-weighted by giving its module a target unit for each component; allowed traders
//! then trade towards them in small lots. [`plan`](mod@plan) works out the units and what trading
//! towards them takes; [`verify`](mod@verify) holds what is to be signed, or was executed, against what
//! was published; [`tune`] advises how components should be traded. [`module`](mod@module) is the
//! module's own arithmetic, [`quote`] the pools'; [`exchange`] finds the pools, [`market`] reads them,
//! [`venue`] says what a trade costs there, [`steward`] who signs.
//!
//! [`strategy`](mod@strategy) trades what was started. Reading order: [`snapshot`] (what is read, with
//! [`market`] and [`twap`]) → [`decide`](mod@decide) (what follows from it) → [`refusal`] and
//! [`settle`](mod@settle) (what came of it); [`schedule`] and [`audit`](mod@audit) are about the people.
// Numbers here are money.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::integer_division
    )
)]
#![deny(clippy::float_arithmetic)]

pub mod audit;
pub mod cli;
pub mod contracts;
pub mod cost;
pub mod decide;
pub mod decimal;
pub mod exchange;
pub mod gas;
pub mod market;
pub mod module;
pub mod observe;
pub mod params;
pub mod plan;
pub mod price;
pub mod quote;
pub mod quoter;
pub mod refusal;
pub mod report;
pub mod schedule;
pub mod settle;
pub mod snapshot;
pub mod steward;
pub mod strategy;
pub mod tune;
pub mod twap;
pub mod venue;
pub mod verify;

pub use params::Params;
pub use strategy::CompositeIndex;
