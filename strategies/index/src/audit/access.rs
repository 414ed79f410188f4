//! Who may trade an index, and who looks after it.

use alloy::primitives::Address;
use ballast_strategy_api::Doubt;

use crate::steward::Steward;

/// Most addresses that a sentence has.
const MOST: usize = 8;

/// Who may trade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The product's wallet.
    pub caller: Address,
    /// Whether the module lets it.
    pub is_allowed: bool,
    /// Whether the module lets everybody.
    pub anyone: bool,
    /// Whom it lets by name.
    pub listed: Vec<Address>,
    /// Whether the wallet has code, other than a delegation.
    pub caller_is_contract: bool,
}

impl Access {
    /// What a person should look at.
    pub fn doubts(&self) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        let Self { caller, anyone, is_allowed, caller_is_contract, .. } = *self;
        if !is_allowed {
            doubts.push(Doubt::error(format!(
                "{caller} is no allowed trader; those are {}: the manager's operator adds it by \
                 setTraderStatus",
                addresses(&self.listed)
            )));
        }
        if anyone && caller_is_contract {
            doubts.push(Doubt::error(format!(
                "anybody may trade, and then only plain accounts may: {caller} has code"
            )));
        }
        if anyone {
            doubts.push(Doubt::warning(
                "anybody may trade (setAnyoneTrade), at any price limit: a stranger can trade the \
                 index against a pool that he has moved"
                    .to_owned(),
            ));
        }
        doubts
    }
}

/// What a person should look at in who starts rebalances.
pub fn of_steward(steward: &Steward, module: Address, caller: Address) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let manager = steward.manager;
    match steward.extensions.as_slice() {
        [_] => {}
        [] => doubts.push(Doubt::warning(format!(
            "its manager {manager} lists no extension for the module {module}: `ballast index plan` \
             writes no batch for it"
        ))),
        several => doubts.push(Doubt::warning(format!(
            "its manager {manager} lists {} extensions for the module {module}: {}",
            several.len(),
            addresses(several)
        ))),
    }
    if steward.operator == Some(caller) || manager == caller {
        doubts.push(Doubt::warning(format!(
            "the wallet {caller} also manages the index: a keeper's key should be allowed to trade, \
             and nothing else"
        )));
    }
    doubts
}

fn addresses(all: &[Address]) -> String {
    let shown: Vec<String> = all.iter().take(MOST).map(Address::to_string).collect();
    match (shown.is_empty(), all.len().saturating_sub(shown.len())) {
        (true, _) => "nobody".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}
