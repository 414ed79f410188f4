//! Why a component is left alone although it is to be traded.

use alloy::primitives::U256;
use ballast_chains::amount;

/// Nothing may be traded at a time.
pub const NO_MAXIMUM: &str = "trade maximum is 0";
/// What may be traded at a time does not pay for itself, or is lost in rounding.
pub const SMALL_MAXIMUM: &str = "trade maximum is worth less than its gas";
/// No exchange, adapter, data or pool.
pub const NOWHERE: &str = "nowhere to trade it";
/// Nothing to hold the pool's price against.
pub const NO_REFERENCE: &str = "no reference price";
/// The pool's price is not believed.
pub const OFF_REFERENCE: &str = "pool price off its reference";
/// The trade itself would be too dear.
pub const DEAR: &str = "quote too far from the reference";
/// The pools do not hold so much, or nobody says what it costs.
pub const NO_DEPTH: &str = "no quote: the pool does not hold as much";
/// Nobody could have corrected the pool's price.
pub const ONE_SIDED: &str = "the pool could not be traded with the other way";
/// What comes out rounds to nothing.
pub const TOO_LITTLE: &str = "too little to sell";

/// Why, in fixed words, with the figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Fixed words.
    pub reason: &'static str,
    /// For people.
    pub detail: String,
}

impl Hold {
    /// A reason and its figures.
    pub fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// A share of 18 decimals in percent, to a hundredth.
pub fn percent(share: U256) -> String {
    const HUNDREDTH: u64 = 100_000_000_000_000;
    let hundredths = share.checked_div(U256::from(HUNDREDTH)).unwrap_or_default();
    if hundredths > U256::from(1_000_000) {
        return "more than 10000 %".to_owned();
    }
    format!("{} %", amount::decimal(&hundredths.to_string(), 2))
}
