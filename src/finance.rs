//! What people who pay for the gas want to know: what each product cost, whether that is within its
//! budget, how long the wallets last, and what to transfer so that they go on.
//!
//! All of it is arithmetic over the ledger, in integers, with its rounding told: what something
//! costs is rounded up, what came in is rounded down. Nothing here reads a clock or a chain;
//! whoever asks brings both.
//!
//! Reading order: [`month`] → [`sums`] (from rows to figures) → [`report`] (from figures to a month's
//! report) → [`text`], [`csv`], [`html`] (how it looks) → [`pace`] (where a month is going) →
//! [`runway`] (how long a wallet lasts) → [`top_up`] (what it is missing) → [`from_chain`] (the same rows without a ledger).
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::cast_lossless
)]

pub mod csv;
pub mod from_chain;
pub mod html;
pub mod load;
pub mod month;
pub mod pace;
pub mod report;
pub mod runway;
mod shown;
pub mod sums;
pub mod text;
pub mod top_up;

pub use self::{
    month::Month,
    report::{Facts, Report},
    sums::{Group, Sums},
};
