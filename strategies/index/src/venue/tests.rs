use super::*;
use crate::decimal::fixed;

fn hop(reserve_in: &str, reserve_out: &str, fee: u32) -> Hop {
    let e18 = |text| fixed(text, 18).unwrap();
    Hop { reserve_in: e18(reserve_in), reserve_out: e18(reserve_out), fee }
}

fn percent(share: Option<U256>) -> String {
    ballast_chains::amount::decimal(&share.unwrap().to_string(), 16)
}

#[test]
fn a_trade_costs_the_fee_and_what_it_moves() {
    // A hundredth of the pool: 1/1.01 of the price, less the fee.
    let pool = Venue::Pools(vec![hop("1000", "50", 0)]);
    let ten = fixed("10", 18).unwrap();
    assert!(percent(pool.cost(Side::Sell, ten)).starts_with("0.990099009900990"));
    assert!(percent(pool.cost(Side::Buy, ten)).starts_with("1.0101010101"));
    let pool = Venue::Pools(vec![hop("1000", "50", 3_000)]);
    assert!(percent(pool.cost(Side::Sell, ten)).starts_with("1.28419656"));
    // What is next to nothing costs the fee alone.
    let little = fixed("0.000001", 18).unwrap();
    assert!(percent(pool.cost(Side::Sell, little)).starts_with("0.300000"));
    assert!(percent(pool.cost(Side::Buy, little)).starts_with("0.300902"));
}

#[test]
fn two_pools_cost_twice() {
    let venue = Venue::Pools(vec![hop("1000", "2000", 3_000), hop("2000", "50", 3_000)]);
    let little = fixed("0.000001", 18).unwrap();
    assert!(percent(venue.cost(Side::Sell, little)).starts_with("0.5991"));
    assert_eq!(venue.cost(Side::Buy, fixed("1000", 18).unwrap()), None, "all of a pool");
    assert_eq!(venue.cost(Side::Sell, U256::ZERO), None);
    assert_eq!(Venue::Unknown.cost(Side::Sell, U256::ONE), None);
}
