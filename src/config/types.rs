//! What a product is, as its file says it: checked values that know nothing of TOML.

use std::{path::PathBuf, time::Duration};

use alloy::primitives::{Address, U256};
use ballast_chains::{pool::Privacy, profile::EndpointProfile};
use serde::Serialize;

use super::{Params, Secret};
use crate::money::Usd;

/// One product: strategy × chain × wallet.
#[derive(Debug, Clone)]
pub struct ProductConfig {
    /// Stem of the product file.
    pub name: String,
    /// A strategy's kind.
    pub strategy: String,
    /// A chain's name.
    pub chain: String,
    /// What its costs are counted to.
    pub category: Category,
    /// Its cost centre in somebody's books, if it has one of its own.
    pub cost_centre: Option<String>,
    /// What the keeper may do.
    pub mode: Mode,
    /// Sends nothing until the file says otherwise.
    pub paused: bool,
    /// Everything but the broadcast.
    pub dry_run: bool,
    /// Whether its transactions may be seen before they are included. If they may not, its chain
    /// has private endpoints.
    pub privacy: Privacy,
    /// Who sends.
    pub wallet: WalletSource,
    /// Caps of this product, below those of its chain.
    pub limits: Limits,
    /// Endpoints of its own in place of the chain's; never empty.
    pub rpc: Option<Vec<EndpointProfile>>,
    /// The strategy's own keys, which its type has accepted.
    pub params: Params,
}

/// Cost centre of a product in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Rebalances by itself, such as a leveraged index.
    Automated,
    /// A basket of components.
    Composite,
    /// Costs of a launch.
    Launch,
    /// Anything else.
    Other,
}

impl Category {
    pub(super) const WORDS: &'static [(&'static str, Self)] = &[
        ("automated", Self::Automated),
        ("composite", Self::Composite),
        ("launch", Self::Launch),
        ("other", Self::Other),
    ];

    /// Its word in product files and reports.
    pub fn word(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(_, category)| *category == self);
        known.map_or("other", |(word, _)| word)
    }

    /// The category of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, category)| *category)
    }
}

/// What the keeper may do with a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything.
    Normal,
    /// Nothing that raises the product's exposure: an operator is winding it down.
    DeleverOnly,
    /// Look and explain, send nothing.
    Paused,
}

impl Mode {
    pub(super) const WORDS: &'static [(&'static str, Self)] =
        &[("normal", Self::Normal), ("delever_only", Self::DeleverOnly), ("paused", Self::Paused)];
}

/// Who sends a product's transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalletSource {
    /// A private key, 32 bytes in hexadecimal.
    Key(Secret),
    /// An encrypted key.
    Keystore {
        /// The file, web3 secret storage version 3.
        path: PathBuf,
        /// What opens it.
        password: Secret,
    },
    /// A key that AWS KMS holds: its id, ARN or alias.
    AwsKms(String),
    /// Nobody: decisions and simulations are made from this address, nothing is sent.
    WatchOnly(Address),
}

/// Caps of one product. `None`: the chain's, or no cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most wei per gas that routine and prompt transactions may offer; above 0.
    pub max_fee_per_gas: Option<u128>,
    /// Most wei that one transaction may cost; above 0.
    pub max_transaction_cost: Option<U256>,
    /// Wallet balance in wei below which people are warned.
    pub min_balance: Option<U256>,
    /// Whole days that the balance has to last; people are warned below.
    pub min_runway_days: u64,
    /// What routine work may cost in a UTC month; above 0.
    pub monthly_budget: Option<Usd>,
    /// What everything may cost in a UTC month; not below `monthly_budget`.
    pub hard_budget: Option<Usd>,
    /// Wei per gas: routine work waits while the next block's base fee is above it; above 0.
    pub routine_base_fee: Option<u128>,
    /// How long it waits at most after it became due, by the blocks' time; whole seconds.
    pub routine_patience: Duration,
    /// Blocks for which everything that is due is left to another instance; 0: none.
    pub act_after_blocks: u64,
}

/// How long a wallet has to last where a product file does not say, days.
const DEFAULT_MIN_RUNWAY: u64 = 14;
/// How long routine work waits for a cheap block where a product file does not say.
const DEFAULT_PATIENCE: Duration = Duration::from_hours(6);

impl Default for Limits {
    /// No limit of its own.
    fn default() -> Self {
        Self {
            max_fee_per_gas: None,
            max_transaction_cost: None,
            min_balance: None,
            min_runway_days: DEFAULT_MIN_RUNWAY,
            monthly_budget: None,
            hard_budget: None,
            routine_base_fee: None,
            routine_patience: DEFAULT_PATIENCE,
            act_after_blocks: 0,
        }
    }
}
