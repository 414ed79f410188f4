//! What trades through the module need, for estimates. Measured on the published bytecode with five to
//! eight components; more components cost more.

use alloy::primitives::Bytes;

use crate::{
    exchange::{SUSHISWAP, UNISWAP_V2, UNISWAP_V3},
    module::Side,
};

/// Trades of one component, as far as it matters to their gas.
#[derive(Debug, Clone, Copy)]
pub struct Trades<'a> {
    /// Which way.
    pub side: Side,
    /// By which adapter …
    pub exchange: &'a str,
    /// … and how.
    pub data: &'a Bytes,
    /// How many.
    pub count: u64,
    /// Whether the index does not hold it yet: the first purchase makes it a component.
    pub new: bool,
    /// Whether the module never traded it: the first trade takes a place for its time.
    pub untouched: bool,
}

/// What the first trade of all needs besides where the index holds none of the intermediate asset:
/// the first sale makes it a component.
pub const FIRST_SALE: u64 = 117_000;
/// A storage place that is written for the first time.
const FIRST_TOUCH: u64 = 17_000;

impl Trades<'_> {
    /// Gas of all of them. An exchange that was not measured counts like the dearest that was.
    pub fn gas(&self) -> u64 {
        if self.count == 0 {
            return 0;
        }
        let (sell, buy, first) = match (self.exchange, self.data.is_empty()) {
            (UNISWAP_V2 | SUSHISWAP, true) => (274_000, 275_000, 111_000),
            (UNISWAP_V3, _) => (281_000, 292_000, 111_000),
            _ => (331_000, 333_000, 171_000),
        };
        let each: u64 = match self.side {
            Side::Sell => sell,
            Side::Buy => buy,
        };
        let new = if self.new && self.side == Side::Buy { first } else { 0 };
        let touch = if self.untouched { FIRST_TOUCH } else { 0 };
        each.saturating_mul(self.count).saturating_add(new).saturating_add(touch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_trade_costs_more() {
        let direct = Bytes::new();
        let buys = Trades {
            side: Side::Buy,
            exchange: UNISWAP_V2,
            data: &direct,
            count: 3,
            new: false,
            untouched: false,
        };
        assert_eq!(buys.gas(), 825_000);
        assert_eq!(Trades { untouched: true, ..buys }.gas(), 842_000);
        assert_eq!(Trades { new: true, ..buys }.gas(), 936_000);
        assert_eq!(Trades { new: true, count: 0, ..buys }.gas(), 0);
        let two_hops = Bytes::from([1; 20]);
        let sells = Trades { side: Side::Sell, data: &two_hops, count: 2, new: true, ..buys };
        assert_eq!(sells.gas(), 662_000, "what is sold is no new component");
        assert_eq!(Trades { exchange: "Somewhere", data: &direct, ..sells }.gas(), 662_000);
    }
}
