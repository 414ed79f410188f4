//! What a Safe is asked to sign, in words, and the start of the rebalance in it.

use alloy::{
    primitives::{Address, U256},
    sol_types::{SolCall, SolInterface as _},
};
use ballast_chains::amount;
use ballast_strategy_api::safe_batch::{Call, read::Parsed};
use serde::Serialize;

use crate::{
    contracts::IExtension::{IExtensionCalls, startRebalanceWithUnitsCall},
    plan::state::{Index, Token},
};

/// One call of a batch, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Whom it calls.
    pub to: Address,
    /// The function, or the selector of one that is not known here.
    pub function: String,
    /// Native value that goes along, wei.
    pub value: String,
    /// What it sets, one line each, with what the chain has now.
    pub sets: Vec<String>,
    /// Whether all of it was understood.
    pub known: bool,
}

/// The calls that start a rebalance, with their places among all.
pub(crate) fn starts(batch: &Parsed) -> Vec<(usize, &Call, startRebalanceWithUnitsCall)> {
    let calls = batch.calls.iter().enumerate();
    calls
        .filter_map(|(place, call)| {
            startRebalanceWithUnitsCall::abi_decode(&call.data)
                .ok()
                .map(|start| (place, call, start))
        })
        .collect()
}

/// Each call of a batch in words.
pub fn explain(batch: &Parsed, index: &Index) -> Vec<Explained> {
    batch.calls.iter().map(|call| explain_call(call, index)).collect()
}

fn explain_call(call: &Call, index: &Index) -> Explained {
    let told =
        IExtensionCalls::abi_decode(&call.data).ok().and_then(|decoded| words(&decoded, index));
    let known = told.is_some();
    let (function, sets) = told.map_or_else(
        || (call.data.get(..4).map(alloy::hex::encode_prefixed).unwrap_or_default(), Vec::new()),
        |(function, sets)| (function.to_owned(), sets),
    );
    Explained { to: call.to, function, value: call.value.to_string(), sets, known }
}

/// A function's name, and what it sets.
type Words = Option<(&'static str, Vec<String>)>;

fn words(call: &IExtensionCalls, index: &Index) -> Words {
    match call {
        IExtensionCalls::startRebalanceWithUnits(start) => {
            let line = |unit: &U256, token: Option<&Token>| {
                format!("{unit} ({} now)", token.map_or(U256::ZERO, |token| token.unit))
            };
            let told =
                each(index, "startRebalanceWithUnits", &start.components, &start.targetUnits, line);
            told.map(|(name, mut lines)| {
                lines.push(format!("position multiplier: {}", start.positionMultiplier));
                (name, lines)
            })
        }
        IExtensionCalls::setTradeMaximums(set) => {
            each(index, "setTradeMaximums", &set.components, &set.tradeMaximums, |most, token| {
                let Some(token) = token else { return format!("{most} base units") };
                let whole =
                    |units: &U256| amount::decimal(&units.to_string(), token.decimals.into());
                format!("{} ({} now)", whole(most), whole(&token.max_size))
            })
        }
        IExtensionCalls::setExchanges(set) => {
            each(index, "setExchanges", &set.components, &set.exchangeNames, |name, token| {
                format!("{name:?} ({:?} now)", token.map_or("", |token| &token.exchange))
            })
        }
        IExtensionCalls::setExchangeData(set) => {
            each(index, "setExchangeData", &set.components, &set.exchangeData, |data, token| {
                let now = token.map(|token| token.exchange_data.clone()).unwrap_or_default();
                format!("{data} ({now} now)")
            })
        }
        IExtensionCalls::setCoolOffPeriods(set) => {
            each(index, "setCoolOffPeriods", &set.components, &set.coolOffPeriods, |rest, token| {
                format!("{rest} s ({} s now)", token.map_or(U256::ZERO, |token| token.cool_off))
            })
        }
        IExtensionCalls::setRaiseTargetPercentage(set) => {
            let percent = amount::decimal(&set.raiseTargetPercentage.to_string(), 16);
            Some(("setRaiseTargetPercentage", vec![format!("{percent} %")]))
        }
        IExtensionCalls::setTraderStatus(set) => {
            each(index, "setTraderStatus", &set.traders, &set.statuses, |may, _| {
                if *may { "may trade" } else { "may not trade" }.to_owned()
            })
        }
        IExtensionCalls::setAnyoneTrade(set) => {
            let who = if set.status { "anyone may trade" } else { "only allowed traders trade" };
            Some(("setAnyoneTrade", vec![who.to_owned()]))
        }
        IExtensionCalls::generalIndexModule(_) => None,
    }
}

/// A line for each address and its value; nothing if there are not as many of the ones as of the
/// others, which the contract refuses.
fn each<T>(
    index: &Index,
    function: &'static str,
    addresses: &[Address],
    values: &[T],
    line: impl Fn(&T, Option<&Token>) -> String,
) -> Words {
    if addresses.len() != values.len() {
        return None;
    }
    let lines = addresses.iter().zip(values).map(|(address, value)| {
        let token = index.tokens.iter().find(|token| token.address == *address);
        let name = token.map_or_else(|| address.to_string(), |token| token.symbol.clone());
        format!("{name}: {}", line(value, token))
    });
    Some((function, lines.collect()))
}
