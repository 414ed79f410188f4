//! Getting one action into a block: once, in time, at a known cost.
//!
//! A [`Lane`] is the only thing that signs or sends, and each product has one. It takes a permit
//! of the guard by value, so nothing unchecked can be sent; it writes to the [`Journal`] before it
//! sends, so nothing sent can be forgotten; and it signs nothing new while something is not
//! included yet, so nothing can be doubled.
//!
//! Reading order: [`lifecycle`] (what can happen to a nonce) → [`slot`] (what is remembered of it)
//! → [`pricing`] and [`simulate`] (what is decided before signing) → [`journal`] (what survives) →
//! [`lane`] (the loop).

mod envelope;
pub mod journal;
pub mod lane;
pub mod lifecycle;
pub mod node;
pub(crate) mod observe;
pub mod pricing;
mod quotes;
mod repeat;
pub mod simulate;
pub mod slot;
mod together;
mod twice;

pub use journal::{
    AnswerRow, AttemptRow, Cursor, EventRow, Journal, LifeOf, MAX_LIVES, MAX_PAGE,
    TransactionFilter, TransactionLife, TransactionRow,
};
pub use lane::{
    AttemptSnapshot, Lane, LaneError, LaneEvent, LaneSnapshot, LaneSpec, Obeyed, Order, OrderKind,
    Pursuit, SlotSnapshot,
};
pub use quotes::Quotes;
pub use simulate::Pretends;
pub use together::Together;
