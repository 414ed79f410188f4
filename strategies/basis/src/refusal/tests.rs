use alloy::primitives::Bytes;

use super::*;

fn refusal(reason: &str) -> Refusal {
    of_action("rebalance", &Revert::Reason(reason.into()))
}

#[test]
fn a_lost_race_is_not_an_error() {
    for reason in [
        "Cooldown not elapsed or not valid leverage ratio",
        "TWAP cooldown must have elapsed",
        "Must call iterate",
        "Not in TWAP state",
        "Reinvestment interval not elapsed",
    ] {
        assert_eq!(refusal(reason), Refusal::SomeoneWasFirst, "{reason}");
    }
}

#[test]
fn what_passed_by_is_not_due() {
    for reason in [
        "Must be below incentivized leverage ratio",
        "Must be above incentivized leverage ratio",
        "Invalid leverage ratio",
        "Zero accrued funding",
    ] {
        assert_eq!(refusal(reason), Refusal::NotDue, "{reason}");
    }
}

/// The table of the reference, below the extension: cause and who acts.
#[test]
fn the_venues_words_are_told_apart() {
    let check = |said: &[&str], means: &str| {
        for said in said {
            assert_eq!(in_words(refusal(said)), means, "{said}");
        }
    };
    check(&["CH_TMRL"], "blocked: Perp's market is too far above the index to buy back");
    check(&["CH_TLRS"], "blocked: Perp's market is too far below the index to sell");
    check(&["Too little received"], "blocked: spot pool is too far below the index to sell");
    let dear = "blocked: spot pool is too far above the index to buy";
    check(&["STF", "Too much requested"], dear);
    check(&["CH_NEFCI", "V_NEFC"], "blocked: not enough free collateral on Perp");
    check(&["EX_OPLAS", "EX_OPLBS"], "blocked: Perp's price limit of this block is reached");
    check(&["CH_OMPS"], "blocked: Perp's market is too far from the index for Perp itself");
    let closed = ["CH_MNO", "CH_MP", "EX_MIP", "BT_NO", "Pausable: paused"];
    check(&closed, "blocked: Perp's market is paused or closed");
    check(&["AB_MNE"], "misconfigured: product is in as many Perp markets as it may be");
    let module = [
        "Amount too high",
        "Deposit amount is 0",
        "Withdraw amount is 0",
        "Base token does not exist",
        "Exceeds max perpetual positions per set",
    ];
    check(&module, "blocked: basis module refused the trade");
    let adapter = ["Source token path mismatch", "Destination token path mismatch", "Invalid data"];
    check(&adapter, "misconfigured: exchange adapter refused the trade's path");
    let second = "blocked: price feed has no answer in this second";
    check(&["SafeMath: division by zero"], second);
    check(&["Transaction too old"], "blocked: exchange router's deadline passed");
    check(&["anything else"], "blocked: refused for an unknown reason");
}

#[test]
fn the_extensions_words_say_who_has_to_act() {
    let check = |said: &str, means: &str| assert_eq!(in_words(refusal(said)), means, "{said}");
    check("Current leverage ratio must NOT be 0", "blocked: leverage ratio is 0");
    check("SetToken must have > 0 supply", "blocked: wound down: no supply");
    check("Caller must be EOA Address", "misconfigured: caller is not a plain account");
    check("Address not permitted to call", "misconfigured: caller not permitted");
    for said in ["Must be the SetToken manager", "Must be adapter", "Must be extension"] {
        check(said, "misconfigured: extension is no longer wired to the product");
    }
    let bounds = "misconfigured: custom bounds are tighter than the product's own";
    check("Custom bounds must be valid", bounds);
    for said in [
        "Must be operator",
        "Rebalance is currently in progress",
        "PerpV2 collateral balance must be 0",
    ] {
        check(said, "misconfigured: extension answers as if its operator had called");
    }
}

fn in_words(refusal: Refusal) -> String {
    match refusal {
        Refusal::Blocked { reason } => format!("blocked: {reason}"),
        Refusal::Misconfigured { reason } => format!("misconfigured: {reason}"),
        other @ (Refusal::SomeoneWasFirst | Refusal::NotDue) => format!("{other:?}"),
    }
}

#[test]
fn silence_after_a_ripcord_points_at_the_reward() {
    let of = |action| of_action(action, &Revert::Empty);
    assert_eq!(of("ripcord"), Refusal::Blocked { reason: RIPCORD_NO_REASON });
    assert_eq!(of("rebalance"), Refusal::Blocked { reason: NO_REASON });
    let data = Revert::Data(Bytes::from_static(&[1, 2, 3, 4]));
    assert_eq!(of_action("ripcord", &data), Refusal::Blocked { reason: UNKNOWN });
}

#[test]
fn a_view_that_fails_is_told_by_what_failed_in_it() {
    let reason = |said: &str| of_view(&Revert::Reason(said.into()));
    assert_eq!(reason("SafeMath: division by zero"), NO_FEED);
    assert_eq!(reason("SafeCast: value must be positive"), OVERFLOW);
    assert_eq!(reason("never heard of"), UNKNOWN);
    assert_eq!(of_view(&Revert::Panic(0x12)), OVERFLOW);
    assert_eq!(of_view(&Revert::Panic(0x01)), UNKNOWN);
    assert_eq!(of_view(&Revert::Empty), NO_REASON);
    assert_eq!(of_bounds(&Revert::Reason("Custom bounds must be valid".into())), TIGHTER);
    assert_eq!(of_bounds(&Revert::Empty), NO_REASON);
}
