//! What trading a component costs in its pools.
//!
//! A rebalance goes in trades of the component's maximum, the last one smaller, with a rest between
//! two of them in which others bring the pools back to the market's price. So the figure is that of
//! pools that recover: each trade starts from the pools as they are now. The other bound is that they
//! do not recover at all: then the trades cost about what one trade of the whole amount would (what
//! pools keep as fees makes less than a basis point of difference). Shares are
//! of the value at the price of the pools, 18 decimals, fees of the pools and of the protocol
//! included, rounded up.

use alloy::primitives::{U256, U512};

use crate::{
    decimal::{ONE, narrow},
    module::Side,
    plan::state::Token,
};

impl Token {
    /// The share that a trade of `amount` base units costs against the price of the pools, fees
    /// included, 18 decimals: by the quoter if it was asked, else by the pools' formula. `None` if the
    /// pools are not known, or do not hold that much.
    pub fn cost(&self, side: Side, amount: U256) -> Option<U256> {
        match self.quotes.get(&(side, amount)) {
            Some(traded) => self.venue.lost(side, amount, (*traded)?),
            None => self.venue.cost(side, amount),
        }
    }
}

/// What all trades of a component cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The largest of them, in the pools.
    pub largest: U256,
    /// All of them, if the pools recover between two.
    pub recovered: U256,
    /// All of them, if the pools do not recover; `None` if they do not hold as much.
    pub at_once: Option<U256>,
}

/// The amounts that the cost of trading `left` follows from: the largest trade, the last one, and
/// all at once.
pub fn amounts(left: U256, max_size: U256) -> [U256; 3] {
    let most = left.min(max_size);
    let rest = left.checked_rem(most).unwrap_or_default();
    [most, rest, left]
}

/// The cost of trading `left` base units in trades of at most `max_size`; `None` where the pools are
/// not known or do not hold one of them.
pub fn of(
    token: &Token,
    side: Side,
    left: U256,
    max_size: U256,
    protocol_fee: U256,
) -> Option<Cost> {
    let [most, rest, _] = amounts(left, max_size);
    let largest = token.cost(side, most)?;
    let last = if rest.is_zero() { U256::ZERO } else { token.cost(side, rest)? };
    let part = |share: U256, amount: U256| U512::from(share).checked_mul(U512::from(amount));
    let full = part(largest, left.checked_sub(rest)?)?.checked_add(part(last, rest)?)?;
    let mean = narrow(full.div_ceil(U512::from(left)))?;
    Some(Cost {
        largest,
        recovered: with_fee(side, mean, protocol_fee)?,
        at_once: token.cost(side, left).and_then(|share| with_fee(side, share, protocol_fee)),
    })
}

/// The protocol takes its share of what is received: of the rest after a sale, of the component
/// after a purchase.
fn with_fee(side: Side, share: U256, protocol_fee: U256) -> Option<U256> {
    let of = match side {
        Side::Sell => ONE.saturating_sub(share),
        Side::Buy => ONE,
    };
    share.checked_add(of.checked_mul(protocol_fee)?.div_ceil(ONE))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, Bytes};

    use super::*;
    use crate::{
        decimal::fixed,
        plan::state::{Origin, Quotes},
        quote::Hop,
        venue::Venue,
    };

    fn e18(text: &str) -> U256 {
        fixed(text, 18).unwrap()
    }

    fn token() -> Token {
        Token {
            address: Address::repeat_byte(1),
            symbol: "T".into(),
            decimals: 18,
            origin: Origin::Held,
            unit: U256::ZERO,
            target_unit: U256::ZERO,
            max_size: U256::ZERO,
            cool_off: U256::ZERO,
            last_trade: U256::ZERO,
            exchange: String::new(),
            exchange_data: Bytes::new(),
            venue: Venue::Pools(vec![Hop {
                reserve_in: e18("1000"),
                reserve_out: e18("50"),
                fee: 3_000,
            }]),
            pools: Vec::new(),
            factory: Address::ZERO,
            quotes: Quotes::new(),
        }
    }

    #[test]
    fn the_last_trade_is_smaller_and_costs_less() {
        let token = token();
        // 10 + 10 + 5, each on the pool as it is.
        let cost = of(&token, Side::Sell, e18("25"), e18("10"), U256::ZERO).unwrap();
        let [ten, five] = ["10", "5"].map(|text| token.cost(Side::Sell, e18(text)).unwrap());
        assert_eq!(cost.largest, ten);
        let mean = (ten * U256::from(4) + five).div_ceil(U256::from(5));
        assert_eq!(cost.recovered, mean);
        assert_eq!(cost.at_once, token.cost(Side::Sell, e18("25")));
        assert!(five < mean && mean < ten && ten < cost.at_once.unwrap());
        let exact = of(&token, Side::Sell, e18("20"), e18("10"), U256::ZERO).unwrap();
        assert_eq!(exact.recovered, ten, "no rest");
    }

    #[test]
    fn trades_one_after_another_cost_about_what_one_of_all_would_if_nothing_recovers() {
        let (mut received, mut hop) = (U256::ZERO, token().venue);
        for _ in 0..5 {
            let Venue::Pools(hops) = &mut hop else { panic!() };
            let out = crate::quote::amount_out(hops, e18("10")).unwrap();
            (hops[0].reserve_in, hops[0].reserve_out) =
                (hops[0].reserve_in + e18("10"), hops[0].reserve_out - out);
            received += out;
        }
        let lost = token().venue.lost(Side::Sell, e18("50"), received).unwrap();
        let cost = of(&token(), Side::Sell, e18("50"), e18("10"), U256::ZERO).unwrap();
        let at_once = cost.at_once.unwrap();
        assert!(cost.recovered < lost, "{lost} {cost:?}");
        // What the pool keeps as its fee moves the price, too.
        assert!(at_once.abs_diff(lost) < e18("0.0001"), "{lost} {cost:?}");
    }

    #[test]
    fn the_protocol_takes_its_share_of_what_is_received() {
        let fee = e18("0.001");
        let plain = of(&token(), Side::Sell, e18("10"), e18("10"), U256::ZERO).unwrap().recovered;
        let cost = of(&token(), Side::Sell, e18("10"), e18("10"), fee).unwrap().recovered;
        assert_eq!(cost, plain + ((ONE - plain) * fee).div_ceil(ONE));
        let plain = of(&token(), Side::Buy, e18("10"), e18("10"), U256::ZERO).unwrap().recovered;
        let cost = of(&token(), Side::Buy, e18("10"), e18("10"), fee).unwrap().recovered;
        assert_eq!(cost, plain + fee);
    }

    #[test]
    fn a_quoter_is_believed_before_the_formula() {
        let mut token = token();
        token.quotes.insert((Side::Sell, e18("10")), Some(e18("0.4")));
        assert_eq!(token.cost(Side::Sell, e18("10")), Some(e18("0.2")), "0.4 for 0.5");
        token.quotes.insert((Side::Sell, e18("10")), None);
        assert_eq!(of(&token, Side::Sell, e18("10"), e18("10"), U256::ZERO), None);
        assert_eq!(of(&token, Side::Sell, U256::ZERO, e18("10"), U256::ZERO), None);
        assert_eq!(of(&token, Side::Sell, e18("10"), U256::ZERO, U256::ZERO), None);
    }
}
