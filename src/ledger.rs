//! Every wei that left a wallet or came to one, booked once it is final, from the chain's own word.
//!
//! A transaction of the journal is booked when its nonce is spent for good, whatever came of it; one
//! that somebody else sent with the key is found by its nonce. What came in is booked block by
//! block: the change of the balance in that block and the cost, by the chain's receipts, of the
//! wallet's own transactions in it. It is never the difference that would close a sum, so what the
//! ledger does not explain stays visible: opening balance − outflows + inflows = closing balance,
//! and the rest has to be 0 wei.
//!
//! Reading order: [`entry`] (what is booked) → [`read`] (how it is read).
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

mod booking;
pub mod bookkeeper;
pub mod chain;
pub mod entry;
pub mod external;
mod fees;
mod flows;
mod queue;
pub mod read;
pub mod reconcile;
pub(crate) mod tables;
mod verdict;
mod write;

#[cfg(test)]
pub(crate) use self::queue::SELECT as WAITING;
pub use entry::{BlockRef, Checkpoint, Entry, Fees, Holder, Inflow, PricedAt, Source};
pub use read::{Filter, Period};

pub(crate) use write::withdraw;

use crate::store::Store;

/// The ledger of a store. Clones share everything.
#[derive(Debug, Clone)]
pub struct Ledger {
    store: Store,
}

impl Ledger {
    /// The ledger that is kept in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests;
