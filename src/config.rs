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
mod types;
mod units;
mod wallet;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use ballast_chains::ChainProfile;
use secrecy::ExposeSecret as _;

pub use self::{
    alerts::{HeartbeatConfig, NotifyConfig},
    environment::{Environment, NotUnicode},
    params::Params,
    problems::{Problem, Problems},
    secret::{Secret, SecretError},
    types::{Category, Limits, Mode, ProductConfig, WalletSource},
};
use self::{directory::Directory, endpoints::SecretSource, product::Known, reader::Reader};
use crate::{finance::report::Accounts, registry::Registry};

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
