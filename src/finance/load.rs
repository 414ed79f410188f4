//! From a store or entries to what a report is built from.

use std::collections::BTreeMap;

use super::{
    month::Month,
    report::{Asked, ChainFacts, Facts, MonthSums, ProductFacts, Report, TREND, build},
    sums::{Group, Groups, Sums},
};
use crate::{
    config::Config,
    ledger::Entry,
    store::{Store, StoreError},
};

impl Facts {
    /// What the files say.
    pub fn of(config: &Config) -> Self {
        let products = config.products.iter().map(|(name, product)| {
            let facts = ProductFacts {
                cost_centre: product.cost_centre.clone(),
                monthly: product.limits.monthly_budget,
                hard: product.limits.hard_budget,
            };
            (name.clone(), facts)
        });
        let chains = config.chains.values().map(|chain| {
            let symbol = chain.native_symbol.clone();
            (chain.chain_id, ChainFacts { name: chain.name.clone(), symbol })
        });
        Self {
            products: products.collect(),
            chains: chains.collect(),
            accounts: config.finance.accounts.clone(),
        }
    }
}

/// The report of a month from the ledger of a store.
///
/// # Errors
/// When the store cannot be read, or holds what this version does not write.
pub async fn from_ledger(
    store: &Store,
    asked: &Asked,
    facts: &Facts,
) -> Result<Report, StoreError> {
    let groups = Groups::find(store, asked.product.as_deref()).await?;
    let mut months = Vec::with_capacity(TREND);
    for month in asked.month.back(TREND) {
        months.push((month, groups.of_month(month).await?));
    }
    Ok(build(asked, &months, facts))
}

/// The same from entries, one by one: of those that were read from a chain.
pub fn from_entries(entries: &[Entry], asked: &Asked, facts: &Facts) -> Report {
    build(asked, &fold(entries, asked.month), facts)
}

/// Entries as sums of the months of a trend.
pub fn fold(entries: &[Entry], last: Month) -> Vec<MonthSums> {
    let months = last.back(TREND);
    let mut sums: Vec<BTreeMap<Group, Sums>> = vec![BTreeMap::new(); months.len()];
    for entry in entries {
        let month = Month::of(entry.block.timestamp);
        let place = months.iter().position(|known| *known == month);
        if let Some(of_month) = place.and_then(|place| sums.get_mut(place)) {
            let known = of_month.entry(Group::of(entry)).or_default();
            *known = known.plus(Sums::of(entry));
        }
    }
    months.into_iter().zip(sums.into_iter().map(|sums| sums.into_iter().collect())).collect()
}
