//! What the contract's refusals mean. The one place that knows its revert strings.

use ballast_chains::Revert;
use ballast_strategy_api::Refusal;

const NO_REASON: &str = "reverted without a reason";
const UNKNOWN: &str = "refused for an unknown reason";
const RIPCORD_NO_REASON: &str = "ripcord reverted without a reason: can the wallet take the reward";

// The contracts compute with SafeMath and SafeCast; which of them fails tells what is wrong.
const NO_COLLATERAL: &str = "no collateral, or none beyond the debt";
/// No action can delever any more: see [`ceiling`](crate::ceiling).
pub const BEYOND_CEILING: &str =
    "beyond the ceiling: debt exceeds the borrow limit, no trade is possible";
const NO_EQUITY: &str = "debt exceeds the collateral, or its price feed gives nothing";
const TIGHTER: &str = "custom bounds are tighter than the product's own";
const DEAD_ORACLE: &str = "price feed gives no positive price";

/// What a simulated or mined refusal of `action` means.
pub fn of_action(action: &str, revert: &Revert) -> Refusal {
    match revert {
        Revert::Reason(reason) => by_reason(reason),
        // The reward is paid with 2,300 gas after the whole trade: an account whose code needs
        // more fails here, and only here, without a word.
        Revert::Empty if action == "ripcord" => Refusal::Blocked { reason: RIPCORD_NO_REASON },
        Revert::Empty => Refusal::Blocked { reason: NO_REASON },
        Revert::Panic(_) | Revert::Data(_) => Refusal::Blocked { reason: UNKNOWN },
    }
}

/// Why the extension could not tell its leverage ratio, in fixed words.
pub fn of_ratio(revert: &Revert) -> &'static str {
    match of_view(revert) {
        Failed::Division => NO_COLLATERAL,
        Failed::Subtraction => NO_EQUITY,
        Failed::Otherwise(why) => why,
    }
}

/// Whether the extension could not size a trade because the debt is above its limit. Any other
/// failure of that view says nothing certain about the call.
pub fn is_beyond_ceiling(revert: &Revert) -> bool {
    matches!(of_view(revert), Failed::Subtraction)
}

/// Why the extension does not go by the operator's bounds, in fixed words.
pub fn of_bounds(revert: &Revert) -> &'static str {
    match revert {
        Revert::Reason(reason) if reason == "Custom bounds must be valid" => TIGHTER,
        Revert::Reason(_) | Revert::Panic(_) | Revert::Data(_) | Revert::Empty => of_ratio(revert),
    }
}

/// Whether the getters divide by nothing: the product holds no collateral any more.
pub fn is_wound_down(revert: &Revert) -> bool {
    matches!(of_view(revert), Failed::Division)
}

/// What failed in a view; of arithmetic, the view tells what it means.
enum Failed {
    Division,
    Subtraction,
    Otherwise(&'static str),
}

fn of_view(revert: &Revert) -> Failed {
    match revert {
        Revert::Reason(reason) => match reason.as_str() {
            "SafeMath: division by zero" => Failed::Division,
            "SafeMath: subtraction overflow" => Failed::Subtraction,
            "SafeCast: value must be positive" => Failed::Otherwise(DEAD_ORACLE),
            _ => Failed::Otherwise(UNKNOWN),
        },
        Revert::Panic(0x12) => Failed::Division,
        Revert::Panic(0x11) => Failed::Subtraction,
        Revert::Empty => Failed::Otherwise(NO_REASON),
        Revert::Panic(_) | Revert::Data(_) => Failed::Otherwise(UNKNOWN),
    }
}

fn by_reason(reason: &str) -> Refusal {
    let blocked = |reason| Refusal::Blocked { reason };
    let misconfigured = |reason| Refusal::Misconfigured { reason };
    match reason {
        // The contract was in the state that we saw, and is not any more.
        "Cooldown not elapsed or not valid leverage ratio"
        | "TWAP cooldown must have elapsed"
        | "Must call iterate"
        | "Not in TWAP state" => Refusal::SomeoneWasFirst,

        // The price moved over the ripcord line or back, or there is nothing left to trade.
        "Must be below incentivized leverage ratio"
        | "Must be above incentivized leverage ratio"
        | "Quantity is 0" => Refusal::NotDue,

        "Must be valid exchange" => blocked("exchange removed or switched off"),
        "SetToken must have > 0 supply" => blocked("wound down: no supply"),
        "Collateral balance must be > 0" => blocked("wound down: no collateral"),
        "Borrow balance must exist" => blocked("wound down: no debt"),
        "Too little received"
        | "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT"
        | "Slippage too high" => blocked("slippage beyond the tolerance"),
        "Borrow failed" => blocked("lending market refused to lend"),
        "Redeem underlying failed" => blocked("lending market refused to release collateral"),
        "Repay failed" => blocked("lending market refused the repayment"),
        "Mint failed" => blocked("lending market refused the deposit"),
        "SafeMath: subtraction overflow" => blocked(BEYOND_CEILING),
        "SafeMath: division by zero" => blocked(NO_COLLATERAL),
        "SafeCast: value must be positive" => blocked(DEAD_ORACLE),

        "Caller must be EOA Address" => misconfigured("caller is not a plain account"),
        "Address not permitted to call" => misconfigured("caller not permitted"),
        "Must be the SetToken manager" | "Must be adapter" => {
            misconfigured("extension is no longer wired to the product")
        }
        "Custom bounds must be valid" => misconfigured(TIGHTER),
        // Said to operators only: whatever answers a keeper so is not the contract it seems.
        "Must be operator" | "Debt must be 0" | "Rebalance is currently in progress" => {
            misconfigured("extension answers as if its operator had called")
        }
        _ => blocked(UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
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
        ] {
            assert_eq!(refusal(reason), Refusal::SomeoneWasFirst, "{reason}");
        }
    }

    #[test]
    fn what_passed_by_is_not_due() {
        for reason in [
            "Must be below incentivized leverage ratio",
            "Must be above incentivized leverage ratio",
            "Quantity is 0",
        ] {
            assert_eq!(refusal(reason), Refusal::NotDue, "{reason}");
        }
    }

    #[test]
    fn the_rest_of_the_table_says_who_has_to_act() {
        let check = |said: &str, means: &str| {
            let reason = match refusal(said) {
                Refusal::Blocked { reason } => format!("blocked: {reason}"),
                Refusal::Misconfigured { reason } => format!("misconfigured: {reason}"),
                other @ (Refusal::SomeoneWasFirst | Refusal::NotDue) => format!("{other:?}"),
            };
            assert_eq!(reason, means, "{said}");
        };
        check("Must be valid exchange", "blocked: exchange removed or switched off");
        check("SetToken must have > 0 supply", "blocked: wound down: no supply");
        check("Collateral balance must be > 0", "blocked: wound down: no collateral");
        check("Borrow balance must exist", "blocked: wound down: no debt");
        check("Too little received", "blocked: slippage beyond the tolerance");
        let v2 = "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT";
        check(v2, "blocked: slippage beyond the tolerance");
        check("Slippage too high", "blocked: slippage beyond the tolerance");
        check("Borrow failed", "blocked: lending market refused to lend");
        let redeem = "Redeem underlying failed";
        check(redeem, "blocked: lending market refused to release collateral");
        check("Repay failed", "blocked: lending market refused the repayment");
        check("Mint failed", "blocked: lending market refused the deposit");
        let limit =
            "blocked: beyond the ceiling: debt exceeds the borrow limit, no trade is possible";
        check("SafeMath: subtraction overflow", limit);
        check("SafeMath: division by zero", "blocked: no collateral, or none beyond the debt");
        check("SafeCast: value must be positive", "blocked: price feed gives no positive price");
        check("Caller must be EOA Address", "misconfigured: caller is not a plain account");
        check("Address not permitted to call", "misconfigured: caller not permitted");
        let unwired = "misconfigured: extension is no longer wired to the product";
        check("Must be the SetToken manager", unwired);
        check("Must be adapter", unwired);
        let bounds = "misconfigured: custom bounds are tighter than the product's own";
        check("Custom bounds must be valid", bounds);
        for said in ["Must be operator", "Debt must be 0", "Rebalance is currently in progress"] {
            check(said, "misconfigured: extension answers as if its operator had called");
        }
        check("anything else", "blocked: refused for an unknown reason");
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
    fn views_that_divide_by_nothing_mean_wound_down() {
        assert!(is_wound_down(&Revert::Reason("SafeMath: division by zero".into())));
        assert!(is_wound_down(&Revert::Panic(0x12)));
        assert!(!is_wound_down(&Revert::Reason("SafeMath: subtraction overflow".into())));
        assert!(!is_wound_down(&Revert::Empty));
        assert!(!is_beyond_ceiling(&Revert::Empty));
        assert!(!is_beyond_ceiling(&Revert::Reason("SafeMath: division by zero".into())));
    }

    #[test]
    fn what_underflowed_depends_on_the_view() {
        for underflow in
            [Revert::Panic(0x11), Revert::Reason("SafeMath: subtraction overflow".into())]
        {
            assert!(is_beyond_ceiling(&underflow));
            assert_eq!(of_ratio(&underflow), NO_EQUITY);
        }
        assert_eq!(of_bounds(&Revert::Reason("Custom bounds must be valid".into())), TIGHTER);
        assert_eq!(of_bounds(&Revert::Empty), NO_REASON);
    }
}
