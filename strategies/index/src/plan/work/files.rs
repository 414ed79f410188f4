//! The files against the index: which line is which token, and what is missing.

use alloy::primitives::U256;

use super::File;
use crate::plan::{
    input::{Entry, Fault},
    state::{Index, Token},
    units::{Component, MAX_DECIMALS, wrong_sum},
};

/// The index's tokens with their weights and prices; every fault of the files against them.
pub(crate) fn components(
    index: &Index,
    weights: File<'_>,
    prices: File<'_>,
) -> Result<Vec<Component>, Vec<Fault>> {
    let mut faults = Vec::new();
    let fault = |file: &str, at: &str, what: String| Fault {
        file: file.to_owned(),
        at: at.to_owned(),
        what,
    };
    let given = assign(index, weights.name, weights.entries, &mut faults, true);
    let costs = assign(index, prices.name, prices.entries, &mut faults, false);
    if let Some(sum) = wrong_sum(weights.entries.iter().map(|entry| &entry.value)) {
        let sum = ballast_chains::amount::decimal(&sum.to_string(), 18);
        faults.push(fault(weights.name, "", format!("the weights add up to {sum}, not to 1")));
    }
    let mut components = Vec::with_capacity(index.tokens.len());
    for ((token, weight), price) in index.tokens.iter().zip(given).zip(costs) {
        let (address, symbol) = (token.address, token.symbol.clone());
        let (decimals, unit) = (token.decimals, token.unit);
        if weight.is_none() {
            let what = format!(
                "does not name {symbol} ({address}), which the index holds: \
                                give it weight 0 to remove it"
            );
            faults.push(fault(weights.name, "", what));
        }
        if price.is_none() {
            faults.push(fault(prices.name, "", format!("has no price of {symbol} ({address})")));
        }
        if decimals > MAX_DECIMALS {
            let what = format!(
                "{symbol} has {decimals} decimals; more than {MAX_DECIMALS} are not served"
            );
            faults.push(fault(weights.name, "", what));
        }
        let (Some((weight, _)), Some((price, place))) = (weight, price) else { continue };
        let price_source = place.to_owned();
        components.push(Component { address, symbol, decimals, unit, weight, price, price_source });
    }
    if faults.is_empty() { Ok(components) } else { Err(faults) }
}

/// What a file says of each token, in the index's order, and where.
pub(crate) fn assign<'a, V: Copy>(
    index: &Index,
    file: &str,
    entries: &'a [Entry<V>],
    faults: &mut Vec<Fault>,
    must_be_known: bool,
) -> Vec<Option<(V, &'a str)>> {
    let mut of: Vec<Option<(V, &'a str)>> = vec![None; index.tokens.len()];
    for entry in entries {
        let mut fault = |what: String| {
            faults.push(Fault { file: file.to_owned(), at: entry.at.clone(), what });
        };
        let is_it = |token: &Token| match (entry.address, &entry.symbol) {
            (Some(address), _) => token.address == address,
            (None, Some(symbol)) => token.symbol == *symbol,
            (None, None) => false,
        };
        let found: Vec<usize> = (index.tokens.iter().enumerate())
            .filter(|(_, token)| is_it(token))
            .map(|(place, _)| place)
            .collect();
        let place = match found.as_slice() {
            [place] => *place,
            [] if must_be_known => {
                fault(format!(
                    "the index holds no {}: give the address of a new one",
                    entry.name()
                ));
                continue;
            }
            [] => continue,
            [_, _, ..] => {
                fault(format!("several tokens call themselves {}: give the address", entry.name()));
                continue;
            }
        };
        let (Some(slot), Some(token)) = (of.get_mut(place), index.tokens.get(place)) else {
            continue;
        };
        if let (Some(symbol), Some(_)) = (&entry.symbol, entry.address)
            && *symbol != token.symbol
        {
            fault(format!("{} calls itself {}, not {symbol}", token.address, token.symbol));
        }
        if entry.decimals.is_some_and(|published| published != token.decimals) {
            let published = entry.decimals.unwrap_or_default();
            fault(format!("{} has {} decimals, not {published}", token.symbol, token.decimals));
        }
        match slot {
            Some((_, first)) => fault(format!("{} stands at {first} too", token.symbol)),
            None => *slot = Some((entry.value, &entry.at)),
        }
    }
    of
}

/// What the prices say of the intermediate asset, by its address or its symbol; 36 decimals.
pub(crate) fn intermediate(index: &Index, prices: File<'_>) -> Option<U256> {
    let mut entries = prices.entries.iter();
    let by_address = entries.clone().find(|entry| entry.address == Some(index.weth));
    let found = by_address.or_else(|| {
        entries.find(|entry| entry.address.is_none() && entry.symbol.as_deref() == Some("WETH"))
    });
    found.map(|entry| entry.value)
}
