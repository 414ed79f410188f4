//! The inputs that a decision is explained by.

use alloy::primitives::{I256, U256};
use ballast_strategy_api::{Observation, Unit};

use super::{EXTENSION, INTERVAL, NOW, USDC, decide, fixed, healthy, live, product};
use crate::{
    policy::Policy,
    snapshot::{Sizing, Snapshot},
};

fn observed<'a>(seen: &'a [Observation], name: &str, of: &str) -> Option<&'a Observation> {
    seen.iter().find(|o| o.name == name && o.of == of)
}

fn value(snapshot: &Snapshot, name: &str, of: &str) -> Option<U256> {
    let seen = decide(&product(), &Policy::default(), snapshot).unwrap().observations;
    observed(&seen, name, of).map(|o| o.value.unsigned_abs())
}

#[test]
fn the_inputs_can_be_observed() {
    let mut snapshot = healthy("2.2");
    snapshot.global_last_trade = U256::from(NOW - 400);
    let seen = decide(&product(), &Policy::default(), &snapshot).unwrap().observations;
    let leverage = observed(&seen, "leverage_ratio", "").unwrap();
    let signed = |text| I256::try_from(fixed(text)).unwrap();
    assert_eq!((leverage.value, leverage.unit), (signed("2.2"), Unit::Ratio));
    let bounds = [leverage.min, leverage.target, leverage.max];
    assert_eq!(bounds, ["1.7", "2", "2.3"].map(|bound| Some(signed(bound))));
    assert!(leverage.series);

    let check = |name: &str, of: &str, expected: &str| {
        assert_eq!(value(&snapshot, name, of), Some(fixed(expected)), "{name} {of}");
    };
    check("new_leverage_ratio", "", "2.19");
    check("ripcord_leverage_ratio", "", "2.7");
    check("twap_leverage_ratio", "", "0");
    check("seconds_until_interval", "", "86001");
    check("caller_permitted", "", "1");
    check("seconds_until_due", "", "86001");
    // 2.2 × with 74.25 % of the collateral's value as the limit: 1 − (1.2 / 2.2) / 0.7425.
    check("ceiling_distance", "", "0.265381083562901744");
    check("max_trade_size", "V2", "30");
    check("ripcord_max_trade_size", "V2", "100");
    check("chunk", "V3", "8");
    check("chunk", "V2", "4");
    check("seconds_since_exchange_trade", "V3", "5000");
    assert_eq!(value(&snapshot, "twap_cooldown_left", "V3"), None, "no twap is open");
}

#[test]
fn the_new_ratio_is_where_the_next_trade_goes() {
    let aim = |current: &str, twap: &str| {
        let mut snapshot = healthy(current);
        snapshot.twap_leverage_ratio = fixed(twap);
        value(&snapshot, "new_leverage_ratio", "").unwrap()
    };
    assert_eq!(aim("2.2", "0"), fixed("2.19"));
    assert_eq!(aim("2.2", "2.1"), fixed("2.1"));
    assert_eq!(aim("2.7", "2.1"), fixed("2.3"));
}

#[test]
fn the_interval_is_over_one_second_after_it_is_full() {
    let left = |since: u64| {
        let mut snapshot = healthy("2.2");
        snapshot.global_last_trade = U256::from(NOW - since);
        value(&snapshot, "seconds_until_interval", "").unwrap()
    };
    assert_eq!(left(INTERVAL - 1), fixed("2"));
    assert_eq!(left(INTERVAL), fixed("1"));
    assert_eq!(left(INTERVAL + 1), U256::ZERO);
    assert_eq!(left(INTERVAL + 100), U256::ZERO);
}

#[test]
fn a_chunk_is_in_whole_tokens_of_what_is_sold() {
    let mut snapshot = healthy("1.6");
    let chunks = vec![U256::from(1_234_500_000_u64), U256::ZERO];
    live(&mut snapshot).sizing = Ok(Sizing { chunks, sell_asset: USDC });
    assert_eq!(value(&snapshot, "chunk", "V3"), Some(fixed("1234.5")));
    live(&mut snapshot).sizing.as_mut().unwrap().sell_asset = EXTENSION;
    assert_eq!(value(&snapshot, "chunk", "V3"), None, "of unknown decimals");
}

#[test]
fn a_bound_that_is_switched_off_does_not_stop_the_product() {
    let mut snapshot = healthy("2.2");
    snapshot.methodology.rebalanceInterval = U256::MAX;
    snapshot.methodology.maxLeverageRatio = U256::MAX;
    snapshot.incentive.incentivizedLeverageRatio = U256::MAX;
    let seen = decide(&product(), &Policy::default(), &snapshot).unwrap().observations;
    let leverage = observed(&seen, "leverage_ratio", "").unwrap();
    assert_eq!((leverage.max, leverage.min.is_some()), (None, true));
    assert!(observed(&seen, "seconds_until_interval", "").is_none());
    assert!(observed(&seen, "ripcord_leverage_ratio", "").is_none());
}

#[test]
fn an_open_twap_shows_its_cooldown() {
    let mut snapshot = healthy("2.2");
    snapshot.twap_leverage_ratio = fixed("2.1");
    live(&mut snapshot).exchanges[0].settings.exchangeLastTradeTimestamp = U256::from(NOW - 100);
    live(&mut snapshot).exchanges[1].settings.exchangeLastTradeTimestamp = U256::ZERO;
    assert_eq!(value(&snapshot, "twap_cooldown_left", "V3"), Some(fixed("501")));
    assert_eq!(value(&snapshot, "twap_cooldown_left", "V2"), Some(U256::ZERO));
    assert_eq!(value(&snapshot, "seconds_since_exchange_trade", "V2"), None, "never traded");
}

#[test]
fn in_ripcord_range_the_cooldowns_of_those_that_serve_are_shown() {
    let mut snapshot = healthy("2.7");
    live(&mut snapshot).exchanges[0].settings.exchangeLastTradeTimestamp = U256::from(NOW - 20);
    live(&mut snapshot).exchanges[1].settings.incentivizedTwapMaxTradeSize = U256::ZERO;
    assert_eq!(value(&snapshot, "ripcord_cooldown_left", "V3"), Some(fixed("41")));
    assert_eq!(value(&snapshot, "ripcord_cooldown_left", "V2"), None);
    live(&mut snapshot).leverage_ratio = fixed("2.699");
    assert_eq!(value(&snapshot, "ripcord_cooldown_left", "V3"), None);
}

#[test]
fn custom_bounds_are_shown_beside_the_products_own() {
    let policy = Policy { custom_max: Some(fixed("2.35")), ..Policy::default() };
    let seen = decide(&product(), &policy, &healthy("2.2")).unwrap().observations;
    let custom = observed(&seen, "custom_max_leverage_ratio", "").unwrap();
    assert_eq!(custom.value.unsigned_abs(), fixed("2.35"));
    assert!(observed(&seen, "custom_min_leverage_ratio", "").is_none());
    let leverage = observed(&seen, "leverage_ratio", "").unwrap();
    assert_eq!(leverage.max, Some(I256::try_from(fixed("2.3")).unwrap()));
}

#[test]
fn what_is_due_next_is_said_by_the_clock_that_holds_it_back() {
    let left = |change: fn(&mut Snapshot)| {
        let mut snapshot = healthy("2.2");
        snapshot.global_last_trade = U256::from(NOW - 400);
        live(&mut snapshot).exchanges[0].settings.exchangeLastTradeTimestamp = U256::from(NOW - 20);
        live(&mut snapshot).exchanges[1].settings.exchangeLastTradeTimestamp = U256::from(NOW - 30);
        change(&mut snapshot);
        value(&snapshot, "seconds_until_due", "")
    };
    assert_eq!(left(|_| ()), Some(fixed("86001")));
    assert_eq!(left(|s| s.twap_leverage_ratio = fixed("2.1")), Some(fixed("571")));
    assert_eq!(left(|s| live(s).leverage_ratio = fixed("2.7")), Some(fixed("31")));
    let only_v3 = left(|s| {
        live(s).leverage_ratio = fixed("2.7");
        live(s).exchanges[1].settings.incentivizedTwapMaxTradeSize = U256::ZERO;
    });
    assert_eq!(only_v3, Some(fixed("41")));
    let unread = left(|s| {
        s.twap_leverage_ratio = fixed("2.1");
        s.twap_cooldown_period = None;
    });
    assert_eq!(unread, None);
}

#[test]
fn a_limit_that_is_not_known_gives_no_distance_and_stops_nothing() {
    let mut snapshot = healthy("2.2");
    snapshot.borrow_limit = None;
    assert_eq!(value(&snapshot, "ceiling_distance", ""), None);
    snapshot.borrow_limit = Some(U256::ZERO);
    assert_eq!(value(&snapshot, "ceiling_distance", ""), None);
    live(&mut snapshot).leverage_ratio = fixed("5");
    snapshot.borrow_limit = Some(fixed("0.7425"));
    assert_eq!(value(&snapshot, "ceiling_distance", ""), Some(U256::ZERO), "beyond it");
}
