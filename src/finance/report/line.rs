//! Figures of any part of a report.

use std::collections::BTreeMap;

use alloy::primitives::U256;
use serde::{Serialize, Serializer};

use crate::{
    finance::sums::{Ending, Sums},
    money::Usd,
};

/// Figures by how the transactions ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    by_ending: BTreeMap<Ending, Sums>,
    /// Cost in wei by the currency's symbol: over several chains no one sum means anything.
    natives: BTreeMap<String, U256>,
}

impl Line {
    pub(super) fn add(&mut self, ending: Ending, symbol: &str, sums: Sums) {
        let known = self.by_ending.entry(ending).or_default();
        *known = known.plus(sums);
        let native = self.natives.entry(symbol.to_owned()).or_default();
        *native = native.saturating_add(sums.wei);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (ending, sums) in &other.by_ending {
            let known = self.by_ending.entry(*ending).or_default();
            *known = known.plus(*sums);
        }
        for (symbol, wei) in &other.natives {
            let native = self.natives.entry(symbol.clone()).or_default();
            *native = native.saturating_add(*wei);
        }
    }

    /// Of all transactions.
    pub fn all(&self) -> Sums {
        self.by_ending.values().fold(Sums::default(), |sum, one| sum.plus(*one))
    }

    /// Of those that ended so.
    pub fn of(&self, ending: Ending) -> Sums {
        self.by_ending.get(&ending).copied().unwrap_or_default()
    }

    /// Cost in wei by symbol.
    pub fn natives(&self) -> &BTreeMap<String, U256> {
        &self.natives
    }

    /// The one currency that all of it is in, if it is one.
    pub fn symbol(&self) -> Option<&str> {
        let mut symbols = self.natives.keys();
        symbols.next().filter(|_| symbols.next().is_none()).map(String::as_str)
    }

    /// All of it over what succeeded, wei, rounded up; `None` over several currencies, or where
    /// nothing succeeded.
    pub fn wei_per_success(&self) -> Option<U256> {
        let successes = self.of(Ending::Confirmed).count;
        self.symbol().filter(|_| successes > 0)?;
        Some(self.all().wei.div_ceil(U256::from(successes)))
    }

    /// The same in US dollars; `None` too while a part of it has no price.
    pub fn usd_per_success(&self) -> Option<Usd> {
        let all = self.all();
        let successes = u128::from(self.of(Ending::Confirmed).count);
        let fits = successes > 0 && all.unpriced == 0;
        fits.then(|| Usd::from_micros(all.usd.micro().div_ceil(successes)))
    }
}

/// The part of a [`Line`] that every output shows.
#[derive(Serialize)]
struct ShownLine {
    #[serde(flatten)]
    all: Sums,
    natives: BTreeMap<String, String>,
    confirmed: Sums,
    failed: Sums,
    cancelled: Sums,
    foreign: Sums,
    wei_per_success: Option<String>,
    usd_per_success: Option<Usd>,
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let natives = self.natives.iter().map(|(symbol, wei)| (symbol.clone(), wei.to_string()));
        let shown = ShownLine {
            all: self.all(),
            natives: natives.collect(),
            confirmed: self.of(Ending::Confirmed),
            failed: self.of(Ending::Failed),
            cancelled: self.of(Ending::Cancelled),
            foreign: self.of(Ending::Foreign),
            wei_per_success: self.wei_per_success().map(|wei| wei.to_string()),
            usd_per_success: self.usd_per_success(),
        };
        shown.serialize(serializer)
    }
}
