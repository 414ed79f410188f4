//! Whether giving up a transaction is cheaper than letting it fail.

use alloy::primitives::U256;
use ballast_chains::{
    amount::ether,
    fees::{Quote, extra::ExtraQuote},
};

use super::Price;

/// Percent of its gas limit that a call which fails is expected to burn. Guards of the contracts
/// that we call stand at their beginning; a trade that fails does so later.
const REVERT_GAS_PERCENT: u64 = 30;

/// What the two ways out cost, wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaysOut {
    /// The cancellation, at what the next block would take of its offer.
    pub cancel: U256,
    /// The failing call, at what the next block would take of its offer.
    pub revert: U256,
}

impl WaysOut {
    /// Both costs at today's prices; rounded down, except for what the chain takes beside gas ×
    /// price. `gas` of the cancellation and of the pending attempt are limits.
    pub fn at(
        quote: &Quote,
        extra: &ExtraQuote,
        cancellation: (u64, Price),
        pending: (u64, Price),
    ) -> Self {
        // 64 × 128 bits cannot overflow 256.
        let cost = |gas: u64, price: Price| {
            let execution = U256::from(gas).saturating_mul(U256::from(price.paid(quote)));
            execution.saturating_add(extra.most(gas))
        };
        let (gas, price) = pending;
        let burned = u128::from(gas).saturating_mul(u128::from(REVERT_GAS_PERCENT)).div_euclid(100);
        Self {
            cancel: cost(cancellation.0, cancellation.1),
            revert: cost(u64::try_from(burned).unwrap_or(u64::MAX), price),
        }
    }

    /// Whether the cancellation is the cheaper one.
    pub fn is_cancelling_cheaper(&self) -> bool {
        self.cancel < self.revert
    }

    /// Both in words.
    pub fn words(&self) -> String {
        format!(
            "a cancellation costs {}, the revert is expected to cost {}",
            ether(self.cancel),
            ether(self.revert)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTE: Quote =
        Quote { legacy: false, next_base_fee: 10, priority_fee: 2, lowest: None, least: 11 };

    fn price(max_fee_per_gas: u128, max_priority_fee_per_gas: u128) -> Price {
        Price { max_fee_per_gas, max_priority_fee_per_gas }
    }

    #[test]
    fn the_cheaper_way_is_found_in_wei() {
        let heavy = WaysOut::at(
            &QUOTE,
            &ExtraQuote::NONE,
            (21_000, price(30, 3)),
            (1_000_000, price(20, 2)),
        );
        assert_eq!(heavy.cancel, U256::from(21_000 * 13));
        assert_eq!(heavy.revert, U256::from(300_000 * 12));
        assert!(heavy.is_cancelling_cheaper());
        let light =
            WaysOut::at(&QUOTE, &ExtraQuote::NONE, (21_000, price(30, 3)), (60_000, price(20, 2)));
        assert_eq!(light.revert, U256::from(18_000 * 12));
        assert!(!light.is_cancelling_cheaper());
        // What cannot be paid for now is cheap, and stays.
        let low = WaysOut::at(
            &QUOTE,
            &ExtraQuote::NONE,
            (21_000, price(30, 3)),
            (1_000_000, price(0, 0)),
        );
        assert!(!low.is_cancelling_cheaper());
    }
}
