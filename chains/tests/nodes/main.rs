//! The endpoint pool and the head stream against nodes: scripted ones behind a proxy that
//! misbehaves on demand, and anvil.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step is a failed test")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a failed step is a failed test")]

mod anvil;
mod anvil_texts;
mod chain;
mod failover;
mod follower;
mod forks;
mod gateways;
mod heads;
mod numbered;
mod op_stack;
mod past;
mod sends;
