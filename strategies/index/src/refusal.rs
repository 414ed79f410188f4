//! What refusals mean: the module's own, and those of the exchanges, which it hands on unchanged. The
//! one place that knows revert strings.

use ballast_chains::Revert;
use ballast_strategy_api::Refusal;

use crate::decide::Hold;

const NO_REASON: &str = "reverted without a reason";
const UNKNOWN: &str = "refused for an unknown reason";
const LIMIT: &str = "the exchange does not give the price";
const LIMIT_OR_SHORT: &str = "the exchange does not give the price, or the index lacks the WETH";
const ROUNDING: &str = "arithmetic failed in the contract: dust, or WETH that is not accounted for";

/// What a simulated or mined refusal of a call means.
pub fn of_call(revert: &Revert) -> Refusal {
    match revert {
        Revert::Reason(reason) => of_module(reason)
            .or_else(|| of_exchange(reason))
            .unwrap_or(Refusal::Blocked { reason: UNKNOWN }),
        Revert::Empty => Refusal::Blocked { reason: NO_REASON },
        Revert::Panic(_) | Revert::Data(_) => Refusal::Blocked { reason: UNKNOWN },
    }
}

/// Why a component that was tried is left alone.
pub fn of_rehearsal(revert: &Revert) -> Hold {
    let reason = match of_call(revert) {
        Refusal::SomeoneWasFirst => "somebody traded it",
        Refusal::NotDue => "the module does not hold it to be due",
        Refusal::Blocked { reason } | Refusal::Misconfigured { reason } => reason,
    };
    Hold::new(reason, revert.to_string())
}

/// `GeneralIndexModule`, and what it calls of Set Protocol.
fn of_module(reason: &str) -> Option<Refusal> {
    let blocked = |reason| Refusal::Blocked { reason };
    let misconfigured = |reason| Refusal::Misconfigured { reason };
    Some(match reason {
        // The module was in the state that we saw, and is not any more.
        "Component cool off in progress" | "Target already met" => Refusal::SomeoneWasFirst,
        "Targets not met or ETH =~ 0"
        | "Sell other set components first"
        | "WETH is below target unit"
        | "Component not part of rebalance"
        | "Component not recognized" => Refusal::NotDue,

        // Only what remains is checked against these, after the swap: the price got better.
        "Trade amount > max trade size" | "Can not exceed target unit" => {
            blocked("what remains buys too much of it")
        }
        "External positions not allowed" => blocked("the component has an external position"),
        "ReentrancyGuard: reentrant call" => blocked("a component calls back into the module"),
        "SafeMath: subtraction overflow" => blocked(ROUNDING),
        "SafeMath: addition overflow" | "SafeMath: multiplication overflow" => {
            blocked("a setting of the module is too large to be reckoned with")
        }
        "SafeMath: division by zero" => blocked("the rebalance was started with a multiplier of 0"),
        "When locked, only the locker can call" | "Only the module can call" => {
            blocked("the index is locked by another module")
        }

        "Address not permitted to trade" => misconfigured("caller not permitted"),
        "Caller must be EOA Address" => misconfigured("caller is a contract, not a plain account"),
        "Can not explicitly trade WETH" => misconfigured("WETH is traded with itself"),
        "Must be valid adapter" => misconfigured("no adapter is registered for its exchange"),
        "Must be a valid and initialized SetToken" | "Must be controller-enabled SetToken" => {
            misconfigured("the module is not initialised on the index")
        }
        "Array length mismatch"
        | "Array length must be > 0"
        | "Old Components targets missing"
        | "Cannot duplicate components"
        | "Cannot duplicate addresses"
        | "Unrecognized exchange name"
        | "Target percentage must be > 0"
        | "Must be the SetToken manager"
        | "Must be pending initialization"
        | "Components array must be equal or longer than current components"
        | "Unexpected new component added"
        | "Must be operator" => misconfigured("the manager's own call was refused"),
        _ => return None,
    })
}

/// Adapters, routers and pools.
fn of_exchange(reason: &str) -> Option<Refusal> {
    let blocked = |reason| Refusal::Blocked { reason };
    Some(match reason {
        "toAddress_outOfBounds" | "toUint24_outOfBounds" => {
            Refusal::Misconfigured { reason: "its exchange data do not fit its exchange" }
        }
        "Invalid pool address" => {
            Refusal::Misconfigured { reason: "its exchange data name no pool of the exchange" }
        }
        "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT" | "Too little received" => blocked(LIMIT),
        "UniswapV2Router: EXCESSIVE_INPUT_AMOUNT" | "STF" | "Too much requested" => {
            blocked(LIMIT_OR_SHORT)
        }
        "UniswapV2Library: INSUFFICIENT_INPUT_AMOUNT" => blocked("trade maximum is 0"),
        "UniswapV2Library: INSUFFICIENT_OUTPUT_AMOUNT"
        | "UniswapV2: INSUFFICIENT_OUTPUT_AMOUNT"
        | "AS" => blocked("too little to trade"),
        "UniswapV2Library: INSUFFICIENT_LIQUIDITY"
        | "UniswapV2: INSUFFICIENT_LIQUIDITY"
        | "ds-math-sub-underflow"
        | "SPL" => blocked("the pool does not hold as much"),
        "UniswapV2: K" | "IIA" => blocked("the component takes a fee on transfers"),
        "TransferHelper: TRANSFER_FROM_FAILED"
        | "TransferHelper::transferFrom: transferFrom failed"
        | "ERC20: transfer amount exceeds balance" => blocked("the component cannot be moved"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(reason: &str) -> Refusal {
        of_call(&Revert::Reason(reason.to_owned()))
    }

    #[test]
    fn a_race_is_no_error() {
        for reason in ["Component cool off in progress", "Target already met"] {
            assert_eq!(means(reason), Refusal::SomeoneWasFirst, "{reason}");
        }
        for reason in ["Targets not met or ETH =~ 0", "Sell other set components first"] {
            assert_eq!(means(reason), Refusal::NotDue, "{reason}");
        }
    }

    #[test]
    fn a_person_is_called_where_only_a_person_helps() {
        for reason in [
            "Address not permitted to trade",
            "Caller must be EOA Address",
            "Must be valid adapter",
            "toAddress_outOfBounds",
            "toUint24_outOfBounds",
            "Invalid pool address",
        ] {
            assert!(matches!(means(reason), Refusal::Misconfigured { .. }), "{reason}");
        }
    }

    #[test]
    fn every_string_of_the_module_and_its_exchanges_is_known() {
        for reason in [
            "External positions not allowed",
            "Trade amount > max trade size",
            "Can not exceed target unit",
            "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT",
            "UniswapV2Router: EXCESSIVE_INPUT_AMOUNT",
            "UniswapV2Library: INSUFFICIENT_INPUT_AMOUNT",
            "Too little received",
            "STF",
            "SafeMath: subtraction overflow",
            "SafeMath: division by zero",
            "ReentrancyGuard: reentrant call",
        ] {
            let told = means(reason);
            assert!(matches!(told, Refusal::Blocked { reason } if reason != UNKNOWN), "{reason}");
        }
        assert_eq!(means("never heard of"), Refusal::Blocked { reason: UNKNOWN });
        assert_eq!(of_call(&Revert::Empty), Refusal::Blocked { reason: NO_REASON });
        assert_eq!(of_call(&Revert::Panic(0x11)), Refusal::Blocked { reason: UNKNOWN });
        let held = of_rehearsal(&Revert::Reason("STF".to_owned()));
        assert_eq!((held.reason, held.detail.as_str()), (LIMIT_OR_SHORT, "reverted: STF"));
    }
}
