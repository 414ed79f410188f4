//! The board: what each product and chain is doing now, for `/readyz`, `explain` and gauges.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use alloy::primitives::{Address, I256, U256};
use ballast_chains::Head;
use ballast_strategy_api::Observation;
use dashmap::DashMap;
use serde::Serialize;

use super::{accounts::BudgetUse, findings::GuardNote};
use crate::{
    finance::runway::Runway,
    store::{MAX_SERIES, SeriesKey},
    submission::SlotSnapshot,
};

/// Points of each charted observation that are kept in memory, one for each block that was
/// assessed: the fine end of a chart, of which the store has a value a minute.
const RECENT_POINTS: usize = 120;

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
    /// What the guard found at the last decision, if an action was due.
    pub guard: Vec<GuardNote>,
    /// What it has spent this month, once that is known.
    pub budget: Option<BudgetUse>,
    /// Why its wallet cannot sign, while that is so.
    pub without_wallet: Option<String>,
    /// From what to what it was led, while nobody has agreed to that.
    pub moved: Option<String>,
    /// Native balance of its wallet, as last read.
    pub balance: Option<Balance>,
    /// Its wallet's address, once its signer has told it.
    pub wallet: Option<Address>,
    /// How long that balance lasts, once there is a past to tell it from.
    pub reserves: Option<Reserves>,
    /// The transaction that is not final: the one that waits for inclusion, else the newest that is
    /// included.
    pub current: Option<SlotSnapshot>,
    /// What the newest reconciliation of its books found.
    pub reconciled: Option<Reconciled>,
}

/// What came of a reconciliation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Up to this block.
    pub block: u64,
    /// Its time, seconds since 1970.
    pub at: u64,
    /// What the books do not explain, of these blocks or since earlier ones.
    pub problem: Option<String>,
}

/// A wallet's balance after a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Wei.
    pub wei: U256,
    /// The block's number.
    pub block: u64,
}

/// How long a wallet lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reserves {
    /// How long.
    pub runway: Runway,
    /// Whether that is less than its file asks for.
    pub is_low: bool,
    /// The file with a Safe's transfers that top up the wallets of its chain, if one is ready.
    pub top_up: Option<String>,
}

/// Values of recent blocks, by block time, the oldest first.
pub(crate) type Recent = BTreeMap<SeriesKey, VecDeque<(u64, I256)>>;

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
    /// Apart from the products, which are copied at every turn.
    recent: Arc<DashMap<String, Recent>>,
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

    /// Puts a decision on the board, with what the guard found beside it.
    pub(crate) fn decided(&self, product: &str, decision: LastDecision, guard: Vec<GuardNote>) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.last = Some(decision);
            status.guard = guard;
        }
    }

    /// Whether the decision on the board is of the same kind, for the same action and reason.
    pub(crate) fn says_the_same(&self, product: &str, decision: &LastDecision) -> bool {
        let said = |last: &LastDecision| {
            (last.kind, &last.action, &last.reason)
                == (decision.kind, &decision.action, &decision.reason)
        };
        self.products.get(product).is_some_and(|status| status.last.as_ref().is_some_and(said))
    }

    /// A product's last decision, copied out.
    pub(crate) fn last(&self, product: &str) -> Option<LastDecision> {
        self.products.get(product)?.last.clone()
    }

    /// What the guard found at it, copied out.
    pub(crate) fn guard(&self, product: &str) -> Vec<GuardNote> {
        self.products.get(product).map(|status| status.guard.clone()).unwrap_or_default()
    }

    pub(crate) fn spent(&self, product: &str, budget: BudgetUse) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.budget = Some(budget);
        }
    }

    pub(crate) fn balance(&self, product: &str, balance: Balance) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.balance = Some(balance);
        }
    }

    pub(crate) fn wallet(&self, product: &str, wallet: Address) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.wallet = Some(wallet);
        }
    }

    pub(crate) fn reserves(&self, product: &str, reserves: Reserves) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.reserves = Some(reserves);
        }
    }

    pub(crate) fn reconciled(&self, product: &str, reconciled: Reconciled) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.reconciled = Some(reconciled);
        }
    }

    pub(crate) fn current(&self, product: &str, current: Option<SlotSnapshot>) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.current = current;
        }
    }

    /// Keeps a value for charts. Points of blocks that are not below this one fell away with them.
    pub(crate) fn note_recent(&self, product: &str, key: SeriesKey, at: u64, value: I256) {
        let mut recent = self.recent.entry(product.to_owned()).or_default();
        if !recent.contains_key(&key) && recent.len() >= MAX_SERIES {
            return;
        }
        let points = recent.entry(key).or_default();
        while points.back().is_some_and(|(last, _)| *last >= at) {
            points.pop_back();
        }
        points.push_back((at, value));
        if points.len() > RECENT_POINTS {
            points.pop_front();
        }
    }

    /// The recent values of a product, copied out.
    pub(crate) fn recent(&self, product: &str) -> Recent {
        self.recent.get(product).map(|entry| entry.value().clone()).unwrap_or_default()
    }

    pub(crate) fn halted(&self, product: &str, why: String) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.halted = Some(why);
        }
    }

    pub(crate) fn without_wallet(&self, product: &str, why: String) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.without_wallet = Some(why);
        }
    }

    pub(crate) fn moved(&self, product: &str, from_to: Option<String>) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.moved = from_to;
        }
    }

    pub(crate) fn has_wallet(&self, product: &str) {
        if let Some(mut status) = self.products.get_mut(product) {
            status.without_wallet = None;
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
