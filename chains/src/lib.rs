//! Everything that differs from one chain to the next, and nothing that a strategy or product
//! would name: the profile, the endpoint pool, the head stream, block-pinned batched reads, fee
//! quotes, the wallet.
//!
//! Reading order: [`profile`] (what a chain file says) → [`pool`] (how nodes are reached) →
//! [`heads`] (when something may be due) → [`reader`] and [`driver`] (how all products of a chain
//! read one block in few rounds) → [`fees`] and [`wallet`] (what a transaction needs) → [`feeds`]
//! (what it costs in dollars, and whether a layer 2 runs). [`past`] is for what people ask about it
//! afterwards.

pub mod amount;
pub mod driver;
pub mod feeds;
pub mod fees;
pub mod heads;
pub mod past;
pub mod pool;
pub mod profile;
pub mod reader;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod wallet;

pub use heads::Head;
pub use profile::ChainProfile;
pub use reader::{BlockReader, ReadError, Revert};
