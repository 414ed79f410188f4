//! What follows from a snapshot: whether to act, wait or call for people.

use super::*;

#[test]
fn the_distance_from_zero_decides_on_the_side_and_the_urgency() {
    let at = |ratio: &str| verdict_at(ratio, |_| {});
    assert_eq!(at("1.05"), "routine rebalance: Lowers");
    assert_eq!(at("0.95"), "routine rebalance: Raises");
    // At a bound is inside.
    assert_eq!(at("1.1"), "routine rebalance: Lowers");
    assert_eq!(at("0.9"), "routine rebalance: Raises");
    assert_eq!(at("1.100000000000000001"), "prompt rebalance: Lowers");
    assert_eq!(at("0.899999999999999999"), "prompt rebalance: Raises");
    assert_eq!(at("1"), "wait: nothing to trade: already at the new ratio");
}

#[test]
fn an_interval_that_never_ends_is_no_overflow() {
    let forever = |s: &mut Snapshot| {
        s.methodology.rebalanceInterval = U256::MAX;
        s.methodology.reinvestInterval = U256::MAX;
        s.execution.twapCooldownPeriod = U256::MAX;
        s.incentive.incentivizedTwapCooldownPeriod = U256::MAX;
    };
    assert_eq!(verdict_at("1.2", forever), "prompt rebalance: Lowers");
    let mut quiet = healthy("1");
    forever(&mut quiet);
    due(ShouldRebalance::None)(&mut quiet);
    let seen = decide(&product(), &Policy::default(), &quiet).unwrap();
    assert_eq!(in_words(seen.decision), "wait: inside bounds, interval not over");
    let names: Vec<&str> = seen.observations.iter().map(|seen| seen.name).collect();
    for left_out in ["seconds_until_interval", "seconds_until_reinvest", "seconds_until_due"] {
        assert!(!names.contains(&left_out), "{left_out}");
    }
}

#[test]
fn a_ratio_of_zero_is_never_acted_on() {
    for due_now in [
        ShouldRebalance::None,
        ShouldRebalance::Rebalance,
        ShouldRebalance::IterateRebalance,
        ShouldRebalance::Ripcord,
        ShouldRebalance::Reinvest,
    ] {
        let zero = |s: &mut Snapshot| {
            live(s).leverage_ratio = I256::ZERO;
            live(s).due = due_now;
        };
        let insolvent = verdict_at("1", zero);
        assert_eq!(insolvent, "blocked: insolvent: leverage ratio 0 with an open short");
        let flat = verdict_at("1", |s| {
            zero(s);
            s.position = Ok(I256::ZERO);
        });
        assert_eq!(flat, "wait: not engaged: no short");
    }
    // Which of the two it is must be known.
    let mut unknown = healthy("1");
    live(&mut unknown).leverage_ratio = I256::ZERO;
    unknown.position = Err(ReadError::Unavailable("timeout".into()));
    let error = decide(&product(), &Policy::default(), &unknown).unwrap_err();
    assert_eq!(error.to_string(), "reading the short's size");
}

/// The observation that wakes people: Perp may say otherwise, by its own price.
#[test]
fn an_insolvent_product_is_at_its_ceiling_whatever_perp_says() {
    let distance = |ratio: I256, size: I256| {
        let mut snapshot = healthy("1");
        live(&mut snapshot).leverage_ratio = ratio;
        snapshot.position = Ok(size);
        snapshot.venues = Venues {
            account_value: Some(signed("50000")),
            margin_requirement: Some(signed("3125")),
            position_value: Some(fixed("50000")),
            ..Venues::default()
        };
        let seen = decide(&product(), &Policy::default(), &snapshot).unwrap().observations;
        seen.iter().find(|seen| seen.name == CEILING_DISTANCE).unwrap().value
    };
    assert_eq!(distance(I256::ZERO, short("50")), I256::ZERO);
    let solvent = distance(short("1"), short("50"));
    assert!(solvent > signed("0.46") && solvent < signed("0.47"), "{solvent}");
    assert!(distance(I256::ZERO, I256::ZERO) == solvent, "flat: Perp's word counts");
}

#[test]
fn a_long_product_is_none_of_ours() {
    let long = verdict_at("1.2", |s| live(s).leverage_ratio = signed("1.2"));
    assert_eq!(long, "blocked: the product is long on Perp");
}

#[test]
fn nothing_due_says_which_clock_it_waits_for() {
    let none = due(ShouldRebalance::None);
    assert_eq!(verdict_at("1", none), "wait: inside bounds, funding below minReinvestUnits");
    let at = |ratio: &str, twap: I256| {
        verdict_at(ratio, |s| {
            due(ShouldRebalance::None)(s);
            s.twap_leverage_ratio = twap;
            s.last_reinvest = U256::from(NOW);
        })
    };
    assert_eq!(at("1", I256::ZERO), "wait: inside bounds, interval not over");
    assert_eq!(at("1", short("1.1")), "wait: twap open, cooldown not over");
    assert_eq!(at("1.3", short("1.1")), "wait: ripcord range, cooldown not over");
    assert_eq!(at("1.299999999999999999", I256::ZERO), "wait: inside bounds, interval not over");
}

#[test]
fn what_cannot_be_done_is_blocked_with_the_reason() {
    let check = |change: fn(&mut Snapshot), reason: &str| {
        assert_eq!(verdict_at("1.2", change), format!("blocked: {reason}"));
    };
    check(|s| s.caller_permitted = false, "caller not permitted");
    check(|s| s.caller_is_contract = true, "caller is a contract, not a plain account");
    check(|s| s.market = Market::Refused(Revert::Empty), "reverted without a reason");
    check(
        |s| s.market = Market::Refused(Revert::Reason("SafeMath: division by zero".into())),
        "price feed has no answer in this second",
    );
    check(
        |s| live(s).bounds_refused = Some(reverted("Custom bounds must be valid")),
        "custom bounds are tighter than the product's own",
    );
}

#[test]
fn an_operator_who_disengages_is_not_levered_up_against() {
    let left = |ratio: &str, at: &str| {
        let at = fixed(at);
        verdict_at(ratio, |s| s.left_at = Some(at))
    };
    let winding = "blocked: an operator winds the product down";
    assert_eq!(left("0.5", "0.5"), winding);
    assert_eq!(left("0.5", "0.881"), winding);
    // It was inside its bounds, or as good as that: a price did it.
    assert_eq!(left("0.5", "0.9"), "prompt rebalance: Raises");
    assert_eq!(left("0.5", "0.883"), "prompt rebalance: Raises");
    // What lowers the ratio is nobody's to hold back.
    assert_eq!(left("1.2", "0.5"), "prompt rebalance: Lowers");
}

#[test]
fn rebalances_have_a_limit_in_a_row_and_what_ends_by_itself_has_none() {
    let limit = |due_now: ShouldRebalance, ratio: &str| {
        let mut snapshot = healthy(ratio);
        live(&mut snapshot).due = due_now;
        if due_now == ShouldRebalance::IterateRebalance {
            snapshot.twap_leverage_ratio = short("1.1");
        }
        action(&snapshot).repeat_limit
    };
    let once = RepeatLimit { times: 1, cooldown: 3_000 };
    assert_eq!(limit(ShouldRebalance::Rebalance, "1.2"), Some(once));
    assert_eq!(limit(ShouldRebalance::IterateRebalance, "1.2"), None);
    assert_eq!(limit(ShouldRebalance::Ripcord, "1.4"), None);
    let mut forever = healthy("1.2");
    forever.execution.twapCooldownPeriod = U256::MAX;
    assert_eq!(action(&forever).repeat_limit.unwrap().cooldown, u64::MAX);
}

#[test]
fn an_open_twap_is_iterated_or_cleared() {
    let at = |ratio: &str, twap: &str, target: &str| {
        verdict_at(ratio, |s| {
            due(ShouldRebalance::IterateRebalance)(s);
            s.twap_leverage_ratio = short(twap);
            s.methodology.targetLeverageRatio = short(target);
        })
    };
    assert_eq!(at("1.2", "1.1", "1"), "prompt iterateRebalance: Lowers");
    assert_eq!(at("0.8", "0.9", "1"), "prompt iterateRebalance: Raises");
    // The price has done what was left of it.
    assert_eq!(at("1.1", "1.1", "1"), "prompt iterateRebalance: Keeps");
    assert_eq!(at("1.05", "1.1", "1"), "prompt iterateRebalance: Keeps");
    assert_eq!(at("0.95", "0.9", "1"), "prompt iterateRebalance: Keeps");
    // One to the target itself, by `engage`.
    assert_eq!(at("0.5", "1", "1"), "prompt iterateRebalance: Raises");
    assert_eq!(at("1.05", "1", "1"), "prompt iterateRebalance: Lowers");
    assert_eq!(at("1", "1", "1"), "wait: nothing to trade: already at the new ratio");
}

#[test]
fn a_cleared_twap_is_expected_to_be_gone() {
    let mut outrun = healthy("1.05");
    due(ShouldRebalance::IterateRebalance)(&mut outrun);
    outrun.twap_leverage_ratio = short("1.1");
    let expected = action(&outrun).expects.unwrap();
    assert!(expected.holds(short("1.1").into_raw(), U256::ZERO));
    assert!(!expected.holds(short("1.1").into_raw(), short("1.1").into_raw()));
}

#[test]
fn a_ripcord_asks_for_a_plain_account_and_for_no_permission() {
    let ripcord = |change: fn(&mut Snapshot)| {
        verdict_at("1.4", |s| {
            due(ShouldRebalance::Ripcord)(s);
            change(s);
        })
    };
    assert_eq!(ripcord(|_| {}), "emergency ripcord: Lowers");
    assert_eq!(ripcord(|s| s.caller_permitted = false), "emergency ripcord: Lowers");
    let refused = Some(reverted("Custom bounds must be valid"));
    let tight = verdict_at("1.4", |s| {
        due(ShouldRebalance::Ripcord)(s);
        live(s).bounds_refused = refused;
    });
    assert_eq!(tight, "emergency ripcord: Lowers");
    let contract = "blocked: caller is a contract, not a plain account";
    assert_eq!(ripcord(|s| s.caller_is_contract = true), contract);
    // The line may be at the bound that it delevers to.
    let at_the_line = ripcord(|s| {
        s.methodology.maxLeverageRatio = short("1.4");
        s.incentive.incentivizedLeverageRatio = short("1.4");
    });
    assert_eq!(at_the_line, "wait: nothing to trade: already at the new ratio");
}

#[test]
fn absurd_settings_are_an_error_and_not_a_trade() {
    let mut snapshot = healthy("1.2");
    snapshot.methodology.recenteringSpeed = U256::MAX;
    let error = decide(&product(), &Policy::default(), &snapshot).unwrap_err();
    assert_eq!(error.to_string(), "arithmetic failed at the new leverage ratio");
}
