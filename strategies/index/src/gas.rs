//! What trades through the module need, for estimates. Measured on the published bytecode with seven
//! to eight components; more components cost more.

use alloy::primitives::Bytes;

use crate::{
    module::Side,
    venue::{SUSHISWAP, UNISWAP_V2, UNISWAP_V3},
};

/// Gas of `count` trades of one component; `new` if the index does not hold it yet, which makes the
/// first one dearer. An exchange that was not measured counts like the dearest that was.
pub fn of_trades(side: Side, exchange: &str, data: &Bytes, count: u64, new: bool) -> u64 {
    let two_hops = !data.is_empty();
    let (sell, buy, first) = match (exchange, two_hops) {
        (UNISWAP_V2 | SUSHISWAP, false) => (274_000, 275_000, 403_000),
        (UNISWAP_V3, _) => (281_000, 292_000, 403_000),
        _ => (331_000, 333_000, 521_000),
    };
    match side {
        Side::Sell => count.saturating_mul(sell),
        Side::Buy if new && count > 0 => {
            count.saturating_sub(1).saturating_mul(buy).saturating_add(first)
        }
        Side::Buy => count.saturating_mul(buy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_buy_of_a_new_component_costs_more() {
        let direct = Bytes::new();
        assert_eq!(of_trades(Side::Buy, UNISWAP_V2, &direct, 3, false), 825_000);
        assert_eq!(of_trades(Side::Buy, UNISWAP_V2, &direct, 3, true), 953_000);
        assert_eq!(of_trades(Side::Buy, UNISWAP_V2, &direct, 0, true), 0);
        assert_eq!(of_trades(Side::Sell, UNISWAP_V2, &Bytes::from([1; 20]), 2, false), 662_000);
        assert_eq!(of_trades(Side::Sell, "Somewhere", &direct, 1, false), 331_000);
    }
}
