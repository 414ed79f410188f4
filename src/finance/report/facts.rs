//! What the files say of what is reported.

use std::collections::BTreeMap;

use crate::{config::Category, money::Usd};

/// What the files say of what is reported.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Products by name; the ledger may have others, whose files are gone.
    pub products: BTreeMap<String, ProductFacts>,
    /// Chains by id.
    pub chains: BTreeMap<u64, ChainFacts>,
    /// Accounts and cost centres of the journal.
    pub accounts: Accounts,
}

/// What the files say of a product.
#[derive(Debug, Clone, Default)]
pub struct ProductFacts {
    /// Its cost centre, where its file names one.
    pub cost_centre: Option<String>,
    /// What routine work may cost in a month.
    pub monthly: Option<Usd>,
    /// What everything may cost in a month.
    pub hard: Option<Usd>,
}

/// What the files say of a chain.
#[derive(Debug, Clone)]
pub struct ChainFacts {
    /// Its name.
    pub name: String,
    /// Symbol of its currency.
    pub symbol: String,
}

/// Accounts of the journal, by their names or numbers in somebody's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// Debited with what gas cost.
    pub expense: String,
    /// The wallets: credited with it, debited with income.
    pub wallets: String,
    /// Credited with income.
    pub income: String,
    /// Cost centres by category; the category's own word where there is none.
    pub centres: BTreeMap<Category, String>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            expense: "Gas expense".to_owned(),
            wallets: "Keeper wallets".to_owned(),
            income: "Keeper income".to_owned(),
            centres: BTreeMap::new(),
        }
    }
}

impl Facts {
    pub(super) fn chain(&self, id: u64) -> ChainFacts {
        let unknown = || ChainFacts { name: format!("chain id {id}"), symbol: "coins".to_owned() };
        self.chains.get(&id).cloned().unwrap_or_else(unknown)
    }

    pub(super) fn cost_centre(&self, product: &str, category: Category) -> String {
        let own = self.products.get(product).and_then(|facts| facts.cost_centre.clone());
        let mapped = || self.accounts.centres.get(&category).cloned();
        own.or_else(mapped).unwrap_or_else(|| category.word().to_owned())
    }
}
