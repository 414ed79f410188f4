//! What aggregators answer, and what it means.

use alloy::primitives::{B256, aliases::U80};
use proptest::prelude::*;

use super::*;

fn head(timestamp: u64) -> Head {
    Head {
        number: 1,
        hash: B256::ZERO,
        parent: B256::ZERO,
        timestamp,
        base_fee_per_gas: None,
        gas_limit: 0,
        gas_used: 0,
    }
}

fn round(answer: I256, started: u64, updated: u64) -> IAggregator::latestRoundDataReturn {
    IAggregator::latestRoundDataReturn {
        roundId: U80::from(1),
        answer,
        startedAt: U256::from(started),
        updatedAt: U256::from(updated),
        answeredInRound: U80::from(1),
    }
}

fn int(number: i64) -> I256 {
    I256::try_from(number).unwrap()
}

#[test]
fn prices_have_eighteen_decimals_whatever_the_feed_has() {
    for (answer, decimals, expected) in [
        (int(200_012_345_678), 8, Some("2000.12345678")),
        (int(1), 18, Some("0.000000000000000001")),
        (int(1), 0, Some("1")),
        (int(10), 19, Some("0.000000000000000001")),
        // Rounded up.
        (int(1), 19, Some("0.000000000000000001")),
        (int(11), 19, Some("0.000000000000000002")),
        (int(0), 8, None),
        (int(-5), 8, None),
        (I256::MAX, 0, None),
        (int(7), 255, None),
    ] {
        let price = Price::of(answer, decimals).map(|price| price.to_string());
        assert_eq!(price.as_deref(), expected, "{answer} with {decimals} decimals");
    }
}

#[test]
fn a_round_is_dated_by_the_chain_and_never_in_its_future() {
    let at = |updated| price_of(&round(int(5), 0, updated), 8, &head(1_000)).map(|p| p.updated_at);
    assert_eq!(at(900), Some(900));
    assert_eq!(at(2_000), Some(1_000));
    assert_eq!(at(0), None, "a round that was never written");
}

#[test]
fn a_sequencer_is_up_or_down_and_nothing_else() {
    let said = |answer, since| uptime_of(&round(int(answer), since, 0), &head(1_000));
    assert_eq!(said(0, 400), Some(Uptime { up: true, since: 400 }));
    assert_eq!(said(1, 400), Some(Uptime { up: false, since: 400 }));
    assert_eq!(said(2, 400), None);
    assert_eq!(said(-1, 400), None);
    assert_eq!(said(0, 0), None, "a round that was never started");
}

#[test]
fn a_feed_that_is_not_there_is_not_one_that_is_silent() {
    let some = FeedsProfile { native_usd: Some(Address::ZERO), ..FeedsProfile::default() };
    let reading = FeedReading::unread(&some);
    assert!(matches!(reading.native_usd, Said::Nothing(_)), "{reading:?}");
    assert_eq!(reading.sequencer, Said::NoFeed);
}

proptest! {
    /// However many decimals: no price is told lower than it is, nor higher by a whole unit.
    #[test]
    fn scaling_rounds_up_and_by_less_than_one(answer in 1_i64..i64::MAX, decimals in 0_u8..=36) {
        let price = Price::of(int(answer), decimals).unwrap().fixed18();
        let ten = U256::from(10);
        let exact = U256::try_from(answer).unwrap() * ten.pow(U256::from(36 - decimals));
        let told = price * ten.pow(U256::from(18));
        prop_assert!(told >= exact);
        prop_assert!(told - exact < ten.pow(U256::from(18)));
    }
}
