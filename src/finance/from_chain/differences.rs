//! In what the ledger and the chain differ.

use std::collections::BTreeMap;

use super::CANCELLATION;
use crate::finance::sums::{Ending, Group, Sums};

/// A figure in which the ledger and the chain differ.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The product.
    pub product: String,
    /// What it did.
    pub action: String,
    /// How that ended.
    pub ending: &'static str,
    /// Which figure.
    pub figure: &'static str,
    /// As the ledger has it.
    pub ledger: String,
    /// As the chain has it.
    pub chain: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { product, action, ending, figure, ledger, chain } = self;
        write!(
            f,
            "{product} {action} {ending}: {figure} is {ledger} in the ledger and {chain} on the chain"
        )
    }
}

/// Everything in which two months differ, one line for each figure. Cancellations are held against
/// each other by product: the chain does not say which action was given up.
pub fn differences(ledger: &[(Group, Sums)], chain: &[(Group, Sums)]) -> Vec<Difference> {
    type Place = (String, String, &'static str);
    let mut both: BTreeMap<Place, [Sums; 2]> = BTreeMap::new();
    for (side, sums) in [ledger, chain].into_iter().enumerate() {
        for (group, sum) in sums {
            let action = match group.ending {
                Ending::Cancelled => CANCELLATION.to_owned(),
                Ending::Confirmed | Ending::Failed | Ending::Foreign => group.action.clone(),
            };
            let place = (group.product.clone(), action, group.ending.as_str());
            if let Some(known) = both.entry(place).or_default().get_mut(side) {
                *known = known.plus(*sum);
            }
        }
    }
    let mut found = Vec::new();
    for ((product, action, ending), [ledger, chain]) in both {
        let figures = [
            ("count", ledger.count.to_string(), chain.count.to_string()),
            ("gas", ledger.gas.to_string(), chain.gas.to_string()),
            ("wei", ledger.wei.to_string(), chain.wei.to_string()),
            ("usd", ledger.usd.to_string(), chain.usd.to_string()),
            ("income_wei", ledger.income_wei.to_string(), chain.income_wei.to_string()),
        ];
        for (figure, ledger, chain) in figures {
            if ledger != chain {
                let (product, action) = (product.clone(), action.clone());
                found.push(Difference { product, action, ending, figure, ledger, chain });
            }
        }
    }
    found
}
