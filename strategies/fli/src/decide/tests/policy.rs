//! What an operator may choose.

use super::*;

const TIGHTER: &str = "blocked: custom bounds are tighter than the product's own";

fn with(policy: Policy, ratio: &str, change: impl FnOnce(&mut Snapshot)) -> String {
    let mut snapshot = healthy(ratio);
    change(&mut snapshot);
    in_words(decide(&product(), &policy, &snapshot).unwrap().decision)
}

#[test]
fn between_the_products_bounds_and_looser_ones_nothing_is_urgent() {
    let policy = Policy {
        custom_min: Some(fixed("1.65")),
        custom_max: Some(fixed("2.35")),
        min_notional: None,
    };
    let at = |ratio: &str| with(policy, ratio, |_| ());
    assert_eq!(at("2.3003"), "routine: rebalance", "since the interval is over");
    assert_eq!(at("2.35"), "routine: rebalance");
    assert_eq!(at("2.350000000000000001"), "prompt: rebalance");
    assert_eq!(at("1.65"), "routine: rebalance");
    assert_eq!(at("1.649999999999999999"), "prompt: rebalance");
}

#[test]
fn bounds_that_became_tighter_than_the_products_are_blocked_and_said_at_once() {
    let refused = |s: &mut Snapshot| {
        live(s).bounds_refused = Some(reverted("Custom bounds must be valid"));
    };
    assert_eq!(with(Policy::default(), "2.2", refused), TIGHTER);
    let idle = with(Policy::default(), "2.2", |s| {
        refused(s);
        due(s, ShouldRebalance::None);
    });
    assert_eq!(idle, TIGHTER);
    let iterate = with(Policy::default(), "2.4", |s| {
        refused(s);
        s.twap_leverage_ratio = fixed("2.25");
        due(s, ShouldRebalance::IterateRebalance);
    });
    assert_eq!(iterate, "prompt: iterateRebalance", "no bound matters to an open TWAP");
}

#[test]
fn a_small_interval_rebalance_waits_and_nothing_else_does() {
    let least = |text: &str| Policy { min_notional: Some(fixed(text)), ..Policy::default() };
    // From 2.2 to 2.19: 1 in 220 of 2,000 ETH, 9.09 ETH.
    let small = "wait: interval rebalance below min_notional";
    assert_eq!(with(least("9.1"), "2.2", |_| ()), small);
    assert_eq!(with(least("9"), "2.2", |_| ()), "routine: rebalance");
    assert_eq!(with(least("1000"), "2.3001", |_| ()), "prompt: rebalance");
    let ripcord = with(least("1000"), "2.8", |s| due(s, ShouldRebalance::Ripcord));
    assert_eq!(ripcord, "emergency: ripcord");
    let iterate = with(least("1000"), "2.27", |s| {
        s.twap_leverage_ratio = fixed("2.25");
        due(s, ShouldRebalance::IterateRebalance);
    });
    assert_eq!(iterate, "prompt: iterateRebalance");
    let unknown = with(least("1000"), "2.2", |s| live(s).position = None);
    assert_eq!(unknown, "routine: rebalance", "not known to be small");
}
