//! The board: what each product and chain is doing now, for `/readyz`, `explain` and gauges.

use std::sync::Arc;

use ballast_chains::Head;
use ballast_strategy_api::Observation;
use dashmap::DashMap;
use serde::Serialize;

/// A product's last decision with everything that explains it.
#[derive(Debug, Clone, Serialize)]
pub struct LastDecision {
    /// `wait`, `act`, `blocked`, `refused`, `held`, `rehearsed` or `error`.
    pub kind: &'static str,
    /// The action's name, where one was due.
    pub action: Option<String>,
    /// How urgent it is, where one was due.
    pub urgency: Option<&'static str>,
    /// Why, in fixed words.
    pub reason: String,
    /// The figures behind it, in words.
    pub detail: String,
    /// The inputs.
    pub observations: Vec<Observation>,
    /// The head that was read.
    pub head: Head,
}

/// What a product is doing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ProductStatus {
    /// The chain's name.
    pub chain: String,
    /// The strategy's kind.
    pub strategy: String,
    /// The last decision.
    pub last: Option<LastDecision>,
    /// Why the product stopped, if it did.
    pub halted: Option<String>,
}

/// What a chain is doing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChainStatus {
    /// The newest head.
    pub head: Option<Head>,
    /// Seconds without a new head, once that is an episode.
    pub stalled_for: Option<u64>,
}

/// Shared by all tasks; each writes only its own entry.
#[derive(Debug, Clone, Default)]
pub struct Board {
    products: Arc<DashMap<String, ProductStatus>>,
    chains: Arc<DashMap<String, ChainStatus>>,
}

impl Board {
    /// Enters a product before it has done anything.
    pub(crate) fn enter_product(&self, name: &str, chain: &str, strategy: &str) {
        let status = ProductStatus {
            chain: chain.to_owned(),
            strategy: strategy.to_owned(),
            ..ProductStatus::default()
        };
        self.products.insert(name.to_owned(), status);
    }

    /// Enters a chain before its first head.
    pub(crate) fn enter_chain(&self, name: &str) {
        self.chains.insert(name.to_owned(), ChainStatus::default());
    }

    pub(crate) fn decided(&self, product: &str, decision: LastDecision) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.last = Some(decision);
        }
    }

    pub(crate) fn halted(&self, product: &str, why: String) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.halted = Some(why);
        }
    }

    pub(crate) fn head(&self, chain: &str, head: Head) {
        if let Some(mut status) = self.chains.get_mut(chain) {
            *status = ChainStatus { head: Some(head), stalled_for: None };
        }
    }

    pub(crate) fn stalled(&self, chain: &str, seconds: u64) {
        if let Some(mut status) = self.chains.get_mut(chain) {
            status.stalled_for = Some(seconds);
        }
    }

    /// One product, copied out.
    pub fn product(&self, name: &str) -> Option<ProductStatus> {
        self.products.get(name).map(|entry| entry.value().clone())
    }

    /// All products, copied out, by name.
    pub fn products(&self) -> Vec<(String, ProductStatus)> {
        let mut all: Vec<_> =
            self.products.iter().map(|e| (e.key().clone(), e.value().clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// All chains, copied out, by name.
    pub fn chains(&self) -> Vec<(String, ChainStatus)> {
        let mut all: Vec<_> =
            self.chains.iter().map(|e| (e.key().clone(), e.value().clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}
