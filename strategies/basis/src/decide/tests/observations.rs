//! What is told beside a decision.

use std::collections::BTreeMap;

use ballast_strategy_api::decision::{CALLER_PERMITTED, fixed18};

use super::*;

fn seen(snapshot: &Snapshot) -> BTreeMap<&'static str, String> {
    let seen = decide(&product(), &Policy::default(), snapshot).unwrap().observations;
    seen.into_iter().map(|seen| (seen.name, fixed18(seen.value))).collect()
}

fn told(ratio: &str) -> Snapshot {
    let mut snapshot = healthy(ratio);
    snapshot.venues = Venues {
        account_value: Some(signed("50000")),
        margin_requirement: Some(signed("3125")),
        position_value: Some(fixed("50000")),
        mark: Some(fixed("1010")),
        spot: Some(fixed("995")),
    };
    snapshot
}

#[test]
fn the_ratio_has_its_bounds_as_numbers() {
    let observations = decide(&product(), &Policy::default(), &told("1.05")).unwrap().observations;
    let ratio = observations.iter().find(|seen| seen.name == "leverage_ratio").unwrap();
    assert_eq!(ratio.value, short("1.05"));
    // The product's "max" is the lower end.
    assert_eq!(
        (ratio.min, ratio.target, ratio.max),
        (Some(short("1.1")), Some(short("1")), Some(short("0.9")))
    );
    assert!(ratio.series);
}

#[test]
fn prices_premiums_and_the_account_are_told() {
    let seen = seen(&told("1.05"));
    let check = |name: &str, value: &str| assert_eq!(seen[name], value, "{name}");
    check("index_price", "1000");
    check("mark_price", "1010");
    check("spot_price", "995");
    check("mark_premium", "0.01");
    check("spot_premium", "-0.005");
    check("account_value", "50000");
    check("margin_requirement", "3125");
    // (50,000 − 3,125) / (50,000 + 3,125): +88.2 %.
    check("liquidation_price", "1882.352941176470588");
    check("ceiling_distance", "0.468749999999999999");
    check("new_leverage_ratio", "-1.0475");
    check("ripcord_leverage_ratio", "-1.3");
    check("twap_leverage_ratio", "0");
    check(CALLER_PERMITTED, "1");
    check("short_size", "-50");
    check("spot_size", "50");
    check("delta_drift", "0");
}

#[test]
fn funding_has_the_sign_of_the_product_and_not_of_perp() {
    let mut snapshot = told("1");
    let books = snapshot.books.as_mut().unwrap();
    (books.tracked, books.account.pendingFundingPayments) = (fixed("90"), -signed("1004.7"));
    let seen = seen(&snapshot);
    assert_eq!(seen["pending_funding"], "-1004.7", "a loss that the tracked view hides");
    assert_eq!(seen["tracked_funding"], "90");
    assert_eq!(seen["reinvestable_funding"], "0");
}

#[test]
fn drift_is_what_one_leg_has_more_than_the_other() {
    let mut snapshot = told("1");
    snapshot.books.as_mut().unwrap().size = short("48.5");
    assert_eq!(seen(&snapshot)["delta_drift"], "1.5");
}

#[test]
fn clocks_are_told_where_they_matter() {
    let quiet = |change: fn(&mut Snapshot)| {
        let mut snapshot = told("1");
        snapshot.last_trade = U256::from(NOW - 100);
        snapshot.last_reinvest = U256::from(NOW);
        change(&mut snapshot);
        seen(&snapshot)
    };
    let calm = quiet(|_| {});
    assert_eq!(calm["seconds_until_interval"], (INTERVAL - 99).to_string());
    assert_eq!(calm["seconds_until_reinvest"], (7 * INTERVAL + 1).to_string());
    assert_eq!(calm["seconds_until_due"], calm["seconds_until_interval"]);
    assert!(
        !calm.contains_key("twap_cooldown_left") && !calm.contains_key("ripcord_cooldown_left")
    );
    let twap = quiet(|s| s.twap_leverage_ratio = short("1.1"));
    assert_eq!(
        (twap["twap_cooldown_left"].as_str(), twap["seconds_until_due"].as_str()),
        ("2901", "2901")
    );
    let ripcord = quiet(|s| live(s).leverage_ratio = short("1.3"));
    assert_eq!(
        (ripcord["ripcord_cooldown_left"].as_str(), ripcord["seconds_until_due"].as_str()),
        ("0", "0")
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut blind = healthy("1.05");
    blind.books = Err(ReadError::Unavailable("timeout".into()));
    blind.reward = None;
    let seen = seen(&blind);
    for name in [
        "index_price",
        "mark_premium",
        "liquidation_price",
        "ceiling_distance",
        "delta_drift",
        "ripcord_reward",
    ] {
        assert!(!seen.contains_key(name), "{name}");
    }
    assert_eq!(seen["leverage_ratio"], "-1.05");
    // A pool found by a path that is not in force any more may be another one.
    let mut moved = told("1");
    moved.exchange.buySpotQuoteExactInputPath = Bytes::from_static(&[9; 43]);
    assert!(!self::seen(&moved).contains_key("spot_price"));
}

#[test]
fn where_a_reinvestment_would_lead_is_told_before_it_is_due() {
    let seen = seen(&told("1"));
    let led: f64 = seen["reinvested_leverage_ratio"].parse().unwrap();
    assert!((-1.003..-1.001).contains(&led), "{led}");
}
