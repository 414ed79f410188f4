//! The files, merged and parsed into types that cannot be wrong.
//!
//! [`Config::load`] is the only way in. It reads a directory (`ballast.toml`, `chains/*.toml`,
//! `products/*.toml`), puts `BALLAST__…` variables above it, and gives either a [`Config`] in which
//! nothing is optional that is in truth required, or every [`Problem`] of every file at once.
//!
//! What a file may contain is a private matter of this module (one table of keys, `schema`, from
//! which defaults, expected forms and the reference in `config/README.md` come); the public types
//! below hold checked values only and know nothing of TOML. Figment merges and remembers which
//! value came from where; keys are taken from it one by one rather than by one `Deserialize` per
//! file, because serde stops at the first error.
//!
//! Reading order: `schema` (the keys) → `directory`, `file` and `overrides` (where values come from)
//! → `reader` and `form` (how keys are read) → `chain`, `product`, `params` (what becomes of them).

mod alerts;
mod chain;
mod directory;
mod endpoints;
mod environment;
mod file;
mod finance;
mod form;
mod overrides;
mod params;
mod problems;
mod product;
mod reader;
mod schema;
mod secret;
mod shown;
mod units;
mod wallet;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::{Address, U256};
use ballast_chains::{ChainProfile, pool::Privacy, profile::EndpointProfile};
use secrecy::ExposeSecret as _;
use serde::Serialize;

pub use self::{
    alerts::{HeartbeatConfig, NotifyConfig},
    environment::{Environment, NotUnicode},
    params::Params,
    problems::{Problem, Problems},
    secret::{Secret, SecretError},
};
use self::{directory::Directory, endpoints::SecretSource, product::Known, reader::Reader};
use crate::{finance::report::Accounts, money::Usd, registry::Registry};

/// A whole deployment, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory it was read from.
    pub dir: PathBuf,
    /// Where what must survive is kept.
    pub store: StoreConfig,
    /// The HTTP surface.
    pub http: HttpConfig,
    /// The dead-man's switch, if there is one.
    pub heartbeat: Option<HeartbeatConfig>,
    /// Who is told what is wrong.
    pub notify: Vec<NotifyConfig>,
    /// How costs are booked elsewhere.
    pub finance: FinanceConfig,
    /// Chains by name; never empty.
    pub chains: BTreeMap<String, ChainProfile>,
    /// Products by name; never empty. Each one's chain is in `chains`, its strategy in the registry,
    /// and no two share a wallet on a chain as far as files (and secrets, if resolved) tell.
    pub products: BTreeMap<String, ProductConfig>,
}

/// How costs are booked elsewhere, and who pays for the wallets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FinanceConfig {
    /// Accounts and cost centres of the journal.
    pub accounts: Accounts,
    /// The Safes that pay for wallets, by the chain's name.
    pub treasury_safes: BTreeMap<String, Address>,
}

/// Where what must survive is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The SQLite file; relative to the working directory, or absolute.
    pub path: PathBuf,
}

/// The HTTP surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Operator token: for calls that change something, and for reads from other machines. Where
    /// secrets are resolved it is there and long enough.
    pub token: Option<Secret>,
    /// Whether reads from this machine need no token.
    pub open_reads: bool,
}

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
    const WORDS: &'static [(&'static str, Self)] = &[
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
    const WORDS: &'static [(&'static str, Self)] =
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

/// Whether secrets are looked at while loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Every secret must be there and have the right form.
    Resolve,
    /// No secret variable and no secret file is read. Endpoint URLs that are secrets become
    /// `http://unresolved.invalid/` (`ws://…` for subscriptions): such a config is for looking at,
    /// not for connecting.
    Skip,
}

impl Config {
    /// Reads and checks a configuration directory.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any file or override, at once.
    pub fn load(
        dir: &Path,
        environment: &Environment,
        registry: &Registry,
        secrets: Secrets,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        for kind in registry.duplicates() {
            let message = "registered twice in this binary; expected once";
            problems.push(Problem::new("registry", "strategy", message).text(*kind));
        }
        let Some(mut files) = Directory::read(dir, &mut problems) else {
            return Err(problems);
        };
        overrides::apply(environment, &mut files, &mut problems);
        let source = SecretSource { dir, environment, secrets };
        let config = read(dir, &files, registry, source, &mut problems);
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            Some(_) | None => Err(problems),
        }
    }
}

/// Every key of every file with its form and default, as Markdown: the reference part of
/// `config/README.md`.
pub fn reference() -> String {
    schema::reference()
}

/// Least characters of the operator token: a token that can be guessed guards nothing.
const MIN_TOKEN: usize = 16;

fn token(raw: form::Raw<'_>, source: SecretSource<'_>) -> form::Parsed<Secret> {
    let secret = endpoints::reference(raw, source.dir)?;
    if source.secrets == Secrets::Resolve {
        let text = secret.resolve(source.environment).map_err(|error| endpoints::cause(&error))?;
        let length = text.expose_secret().chars().count();
        if length < MIN_TOKEN {
            let why = format!("{secret} holds {length} characters, too few for a token");
            return Err(form::Fault::because(why));
        }
    }
    Ok(secret)
}

/// `None` if anything is wrong, which has been reported.
fn read(
    dir: &Path,
    files: &Directory,
    registry: &Registry,
    source: SecretSource<'_>,
    problems: &mut Problems,
) -> Option<Config> {
    let ballast = files.ballast.as_ref().and_then(|file| {
        let reader = &mut Reader::new(file, &schema::BALLAST, problems);
        let path = reader.get("store.url", form::sqlite_path);
        let listen = reader.get("http.listen", form::socket);
        let token = reader.get("http.token", |raw| token(raw, source));
        let open_reads = reader.get("http.open_reads", form::flag);
        let heartbeat = alerts::heartbeat(reader, source);
        let notify = alerts::notify(reader, source);
        let accounts = finance::accounts(reader);
        let http = HttpConfig { listen: listen?, token, open_reads: open_reads? };
        Some((StoreConfig { path: path? }, http, heartbeat, notify, accounts?))
    });
    let (mut chains, mut treasury_safes) = (BTreeMap::new(), BTreeMap::new());
    for (name, file) in &files.chains {
        let profile = file.as_ref().and_then(|file| chain::read(name, file, source, problems));
        chains.extend(profile.map(|profile| (name.clone(), profile)));
        // `chains` knows nothing of who pays; a wrong address was reported with the profile.
        let safe = file.as_ref().and_then(finance::treasury_safe);
        treasury_safes.extend(safe.map(|safe| (name.clone(), safe)));
    }
    chain::report_shared_ids(files.chains.values().flatten(), problems);
    let names: BTreeSet<String> = files.chains.keys().cloned().collect();
    let unpriced = chain::unpriced(&files.chains);
    let known = Known { chains: &names, profiles: &chains, unpriced: &unpriced, registry, source };
    let mut owners = wallet::Owners::default();
    let mut products = BTreeMap::new();
    for (name, file) in &files.products {
        let product =
            file.as_ref().and_then(|file| product::read(name, file, known, &mut owners, problems));
        products.extend(product.map(|product| (name.clone(), product)));
    }
    let (store, http, heartbeat, notify, accounts) = ballast?;
    let finance = FinanceConfig { accounts, treasury_safes };
    Some(Config { dir: dir.to_owned(), store, http, heartbeat, notify, finance, chains, products })
}
