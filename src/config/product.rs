//! From a product file to a [`ProductConfig`].

use std::collections::{BTreeMap, BTreeSet};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use ballast_chains::{ChainProfile, pool::Privacy};
use secrecy::ExposeSecret as _;

use super::{
    Category, Environment, Limits, Mode, Params, ProductConfig, Secret, Secrets, WalletSource,
    chain::{self, MAX_PUBLIC_AFTER},
    endpoints::{self, SecretSource, Use},
    file::ConfigFile,
    form::{self, Fault, Parsed},
    problems::Problems,
    reader::{Reader, closest, one_of},
    schema::PRODUCT,
};
use crate::registry::Registry;

/// What a product file is checked against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// Names of all chains, those with problems too.
    pub(super) chains: &'a BTreeSet<String>,
    /// Chains without problems.
    pub(super) profiles: &'a BTreeMap<String, ChainProfile>,
    /// Those of them whose files name no price feed.
    pub(super) unpriced: &'a BTreeSet<String>,
    /// The strategies.
    pub(super) registry: &'a Registry,
    /// Where secrets come from.
    pub(super) source: SecretSource<'a>,
}

/// The product; `None` if anything is wrong, which has been reported.
pub(super) fn read(
    name: &str,
    file: &ConfigFile,
    known: Known<'_>,
    owners: &mut Owners,
    problems: &mut Problems,
) -> Option<ProductConfig> {
    let params = Params::new(&file.name, file.focus("params"));
    let reader = &mut Reader::new(file, &PRODUCT, problems);
    let kinds: Vec<&str> = known.registry.kinds().collect();
    let strategy = reader.get("strategy", |raw| among(form::text(raw)?, "strategy", &kinds));
    let chains: Vec<&str> = known.chains.iter().map(String::as_str).collect();
    let chain = reader.get("chain", |raw| among(form::text(raw)?, "chain", &chains));
    let category = reader.get("category", form::word(Category::WORDS, &[]));
    let mode = reader.get("mode", form::word(Mode::WORDS, &[]));
    let paused = reader.get("paused", form::flag);
    let dry_run = reader.get("dry_run", form::flag);
    let profile = chain.as_ref().and_then(|chain| known.profiles.get(chain));
    let privacy = privacy(reader, profile);
    let wallet = wallet(reader, known.source);
    if let (Some(chain), Some(wallet)) = (&chain, &wallet) {
        owners.claim(chain, wallet, reader);
    }
    let limits = limits(reader, chain.as_deref(), known);
    let rpc = reader.has("rpc").then(|| endpoints::read(reader, "rpc", Use::Read, known.source));
    if reader.value("params").is_some_and(|value| value.as_dict().is_none()) {
        reader.wrong("params", format!("expected {}", reader.takes("params")));
    } else if let Some(strategy) = &strategy {
        let (_, problems) = reader.parts();
        problems.extend(known.registry.check(strategy, &params));
    }
    Some(ProductConfig {
        name: name.to_owned(),
        strategy: strategy?,
        chain: chain?,
        category: category?,
        mode: mode?,
        paused: paused?,
        dry_run: dry_run?,
        privacy: privacy?,
        wallet: wallet?.source,
        limits: limits?,
        rpc,
        params,
    })
}

/// Whether its transactions are private. The chain has to have private endpoints then: falling
/// back to public ones would be the opposite of what was asked for.
fn privacy(reader: &mut Reader<'_>, chain: Option<&ChainProfile>) -> Option<Privacy> {
    let private = reader.get("private", form::flag)?;
    let own = reader.has("public_after");
    let after = reader.get("public_after", form::blocks_or_never(1..=MAX_PUBLIC_AFTER));
    if !private {
        if own {
            reader.wrong("public_after", "without private = true it means nothing; expected both");
            return None;
        }
        return Some(Privacy::Public);
    }
    if let Some(chain) = chain.filter(|chain| chain.private_send.is_empty()) {
        let name = &chain.name;
        reader.wrong(
            "private",
            format!("no private_send in chains/{name}.toml; expected at least one endpoint there"),
        );
        return None;
    }
    let public_after = if own { after? } else { chain.and_then(|chain| chain.public_after) };
    Some(Privacy::Private { public_after })
}

/// The limits; `None` if one is wrong or two do not go together, which has been reported.
fn limits(reader: &mut Reader<'_>, chain: Option<&str>, known: Known<'_>) -> Option<Limits> {
    let limits = Limits {
        max_fee_per_gas: reader.get("limits.max_fee_per_gas", form::gas_price),
        max_transaction_cost: reader.get("limits.max_transaction_cost", form::ether),
        min_balance: reader.get("limits.min_balance", form::ether_or_zero),
        monthly_budget: reader.get("limits.monthly_budget_usd", form::usd),
        hard_budget: reader.get("limits.hard_budget_usd", form::usd),
        routine_base_fee: reader.get("limits.routine_base_fee", form::gas_price),
        routine_patience: reader.get("limits.routine_patience", form::long_duration)?,
    };
    if let (Some(monthly), Some(hard)) = (limits.monthly_budget, limits.hard_budget)
        && hard < monthly
    {
        let takes = reader.takes("limits.hard_budget_usd");
        reader.wrong(
            "limits.hard_budget_usd",
            format!("below limits.monthly_budget_usd of {monthly}; expected {takes}"),
        );
    }
    let priced = chain.is_none_or(|chain| !known.unpriced.contains(chain));
    for key in ["limits.monthly_budget_usd", "limits.hard_budget_usd"] {
        if reader.has(key) && !priced {
            let (chain, feed) = (chain.unwrap_or_default(), chain::NATIVE_USD_FEED);
            reader.wrong(
                key,
                format!(
                    "a budget needs the price of the native currency; expected {feed} in \
                     chains/{chain}.toml"
                ),
            );
        }
    }
    if reader.has("limits.routine_patience") && !reader.has("limits.routine_base_fee") {
        reader.wrong(
            "limits.routine_patience",
            "limits.routine_base_fee is missing; expected both or neither",
        );
    }
    Some(limits)
}

/// A word that must be one of those known.
fn among(word: String, what: &str, known: &[&str]) -> Parsed<String> {
    if known.contains(&word.as_str()) {
        return Ok(word);
    }
    let hint =
        closest(&word, known).map(|close| format!(", did you mean {close}?")).unwrap_or_default();
    let why = format!("no such {what}{hint}");
    Err(Fault::NoneOf { why, expected: one_of(known) })
}

/// A wallet as far as it is known.
#[derive(Debug)]
struct Wallet {
    source: WalletSource,
    /// Known of a watched wallet, and of a key that was resolved.
    address: Option<Address>,
}

/// The wallet: exactly one kind of it.
fn wallet(reader: &mut Reader<'_>, source: SecretSource<'_>) -> Option<Wallet> {
    const EXPECTED: &str =
        "key = { env = \"NAME\" }, key = { file = \"PATH\" }, or address = \"0x…\" to watch only";
    let table = match reader.value("wallet") {
        None => {
            reader.push("wallet", format!("missing; expected a table [wallet] with {EXPECTED}"));
            return None;
        }
        Some(value) => value.as_dict()?,
    };
    match (reader.has("wallet.key"), reader.has("wallet.address")) {
        (true, true) => {
            reader.wrong(
                "wallet",
                format!("more than one kind of wallet; expected exactly one of {EXPECTED}"),
            );
            None
        }
        (false, false) => {
            // Anything else in the table has been reported by its name.
            if table.is_empty() {
                reader.wrong("wallet", format!("expected {EXPECTED}"));
            }
            None
        }
        (false, true) => {
            let address = reader.get("wallet.address", form::account)?;
            Some(Wallet { source: WalletSource::WatchOnly(address), address: Some(address) })
        }
        (true, false) => reader.get("wallet.key", |raw| {
            let secret = endpoints::reference(raw, source.dir)?;
            let address = match source.secrets {
                Secrets::Skip => None,
                Secrets::Resolve => Some(address_of(&secret, source.environment)?),
            };
            Ok(Wallet { source: WalletSource::Key(secret), address })
        }),
    }
}

fn address_of(secret: &Secret, environment: &Environment) -> Parsed<Address> {
    let key = secret.resolve(environment).map_err(|error| endpoints::cause(&error))?;
    let signer = key.expose_secret().parse::<PrivateKeySigner>();
    let signer = signer.map_err(|_| Fault::because(format!("{secret} holds no private key")))?;
    Ok(signer.address())
}

/// Which product has which wallet. One (chain, wallet) has one owner, or two loops would fight over
/// its nonces.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<(String, Identity), String>);

/// What tells wallets apart: where the key is, and whose it is if one may look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Secret(Secret),
    Address(Address),
}

impl Owners {
    /// Reports a wallet that another product has.
    fn claim(&mut self, chain: &str, wallet: &Wallet, reader: &mut Reader<'_>) {
        let (path, secret) = match &wallet.source {
            WalletSource::Key(secret) => ("wallet.key", Some(secret.clone())),
            WalletSource::WatchOnly(_) => ("wallet.address", None),
        };
        let secret = secret.map(Identity::Secret);
        let identities = secret.into_iter().chain(wallet.address.map(Identity::Address));
        let name = reader.parts().0.name.clone();
        let mut other = None;
        for identity in identities {
            other = other.or(self.0.insert((chain.to_owned(), identity), name.clone()));
        }
        if let Some(other) = other {
            reader.wrong(
                path,
                format!("also the wallet of {other} on {chain}; expected a wallet of its own"),
            );
        }
    }
}
