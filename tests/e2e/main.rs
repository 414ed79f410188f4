//! End to end: the real binary and the files a user has, over anvil with the published contracts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step is a failed test")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a failed step is a failed test")]

mod alerts;
mod basis;
mod batching;
mod chains;
mod chance;
mod commands;
mod crash;
mod demo;
mod documents;
mod endpoints;
mod faults;
mod files;
mod finance;
mod fli;
mod full;
mod guard;
mod harness;
mod index;
mod isolation;
mod ledger;
mod malformed;
mod operate;
mod page;
mod private;
mod rebalance;
mod redundancy;
mod reorgs;
mod repeat;
mod restart;
mod soak;
mod stage;
mod steps;
mod takeover;
mod wallets;
