//! What refusals mean: the extension's own, and those of Perp and Uniswap, which the manager hands
//! on unchanged. The one place that knows revert strings.

use ballast_chains::Revert;
use ballast_strategy_api::Refusal;

const NO_REASON: &str = "reverted without a reason";
const UNKNOWN: &str = "refused for an unknown reason";
const RIPCORD_NO_REASON: &str = "ripcord reverted without a reason: can the wallet take the reward";
const TIGHTER: &str = "custom bounds are tighter than the product's own";
const NO_FEED: &str = "price feed has no answer in this second";
const OVERFLOW: &str = "arithmetic failed in the contract: is the price feed dead";
const RETIRED: &str = "extension is no longer wired to the product";

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

/// Why the extension could not tell its ratio or what is due, in fixed words.
pub fn of_view(revert: &Revert) -> &'static str {
    match revert {
        Revert::Reason(reason) => match reason.as_str() {
            // Perp's older feed, asked for an average in the second of its newest answer; or no
            // tokens to divide the funding by.
            "SafeMath: division by zero" => NO_FEED,
            "SafeMath: subtraction overflow"
            | "SafeMath: multiplication overflow"
            | "SafeCast: value must be positive"
            | "SignedSafeMath: multiplication overflow" => OVERFLOW,
            _ => UNKNOWN,
        },
        Revert::Panic(0x11 | 0x12) => OVERFLOW,
        Revert::Empty => NO_REASON,
        Revert::Panic(_) | Revert::Data(_) => UNKNOWN,
    }
}

/// Why the extension does not go by the operator's bounds, in fixed words.
pub fn of_bounds(revert: &Revert) -> &'static str {
    match revert {
        Revert::Reason(reason) if reason == "Custom bounds must be valid" => TIGHTER,
        Revert::Reason(_) | Revert::Panic(_) | Revert::Data(_) | Revert::Empty => of_view(revert),
    }
}

fn by_reason(reason: &str) -> Refusal {
    of_extension(reason)
        .or_else(|| of_venue(reason))
        .unwrap_or(Refusal::Blocked { reason: UNKNOWN })
}

/// The extension, its manager and the basis module.
fn of_extension(reason: &str) -> Option<Refusal> {
    let blocked = |reason| Refusal::Blocked { reason };
    let misconfigured = |reason| Refusal::Misconfigured { reason };
    Some(match reason {
        // The contract was in the state that we saw, and is not any more.
        "Cooldown not elapsed or not valid leverage ratio"
        | "TWAP cooldown must have elapsed"
        | "Must call iterate"
        | "Not in TWAP state"
        | "Reinvestment interval not elapsed" => Refusal::SomeoneWasFirst,

        // The price moved over a line or back, or the funding is gone.
        "Must be below incentivized leverage ratio"
        | "Must be above incentivized leverage ratio"
        | "Invalid leverage ratio"
        | "Zero accrued funding" => Refusal::NotDue,

        "Current leverage ratio must NOT be 0" => blocked("leverage ratio is 0"),
        "SetToken must have > 0 supply" => blocked("wound down: no supply"),
        "Amount too high"
        | "Deposit amount is 0"
        | "Withdraw amount is 0"
        | "Base token does not exist"
        | "Exceeds max perpetual positions per set" => blocked("basis module refused the trade"),

        "Caller must be EOA Address" => misconfigured("caller is not a plain account"),
        "Address not permitted to call" => misconfigured("caller not permitted"),
        "Must be the SetToken manager" | "Must be adapter" | "Must be extension" => {
            misconfigured(RETIRED)
        }
        "Custom bounds must be valid" => misconfigured(TIGHTER),
        "Source token path mismatch" | "Destination token path mismatch" | "Invalid data" => {
            misconfigured("exchange adapter refused the trade's path")
        }
        // Said to operators only: whatever answers a keeper so is not the contract it seems.
        "Must be operator"
        | "Rebalance is currently in progress"
        | "PerpV2 collateral balance must be 0" => {
            misconfigured("extension answers as if its operator had called")
        }
        _ => return None,
    })
}

/// Perp V2 and Uniswap V3.
fn of_venue(reason: &str) -> Option<Refusal> {
    let blocked = |reason| Refusal::Blocked { reason };
    Some(match reason {
        "CH_TMRL" => blocked("Perp's market is too far above the index to buy back"),
        "CH_TLRS" => blocked("Perp's market is too far below the index to sell"),
        "Too little received" => blocked("spot pool is too far below the index to sell"),
        // A token transfer fails: Uniswap asks for more than was withdrawn.
        "STF" | "Too much requested" => blocked("spot pool is too far above the index to buy"),
        "CH_OMPS" => blocked("Perp's market is too far from the index for Perp itself"),
        "EX_OPLAS" | "EX_OPLBS" => blocked("Perp's price limit of this block is reached"),
        "CH_NEFCI" | "V_NEFC" => blocked("not enough free collateral on Perp"),
        "CH_MNO" | "CH_MP" | "EX_MIP" | "BT_NO" | "Pausable: paused" => {
            blocked("Perp's market is paused or closed")
        }
        "SafeMath: division by zero" => blocked(NO_FEED),
        "SafeMath: subtraction overflow"
        | "SafeMath: multiplication overflow"
        | "SafeCast: value must be positive" => blocked(OVERFLOW),
        "Transaction too old" => blocked("exchange router's deadline passed"),
        "AB_MNE" => {
            Refusal::Misconfigured { reason: "product is in as many Perp markets as it may be" }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
