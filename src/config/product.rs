//! From a product file to a [`ProductConfig`].

use std::collections::{BTreeMap, BTreeSet};

use ballast_chains::{ChainProfile, pool::Privacy};
use ballast_strategy_api::Strategy as _;

use super::{
    Category, Limits, Mode, Params, ProductConfig,
    chain::{self, MAX_PUBLIC_AFTER},
    endpoints::{self, SecretSource, Use},
    file::ConfigFile,
    form::{self, Fault, Parsed},
    problems::Problems,
    reader::{Reader, closest, one_of},
    schema::PRODUCT,
    wallet,
};
use crate::{ledger::external::External, registry::Registry};

/// Most blocks for which what is due is left to another instance.
const MAX_ACT_AFTER_BLOCKS: u64 = 10_000;

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
    owners: &mut wallet::Owners,
    problems: &mut Problems,
) -> Option<ProductConfig> {
    let params = Params::new(&file.name, file.focus("params"));
    let reader = &mut Reader::new(file, &PRODUCT, problems);
    let kinds: Vec<&str> = known.registry.kinds().collect();
    let strategy = reader.get("strategy", |raw| among(form::text(raw)?, "strategy", &kinds));
    let chains: Vec<&str> = known.chains.iter().map(String::as_str).collect();
    let chain = reader.get("chain", |raw| among(form::text(raw)?, "chain", &chains));
    let cost_centre = reader.get("cost_centre", form::book_name);
    let category = reader.get("category", form::word(Category::WORDS, &[]));
    let mode = reader.get("mode", form::word(Mode::WORDS, &[]));
    let paused = reader.get("paused", form::flag);
    let dry_run = reader.get("dry_run", form::flag);
    let profile = chain.as_ref().and_then(|chain| known.profiles.get(chain));
    let privacy = privacy(reader, profile);
    let wallet = wallet::read(reader, known.source);
    if let (Some(chain), Some(wallet)) = (&chain, &wallet) {
        owners.claim(chain, wallet, reader);
    }
    if strategy.as_deref() == Some(External::KIND) {
        external(reader);
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
        cost_centre,
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

/// A wallet that no strategy acts with is watched, whoever has its key, and its costs are somebody's.
fn external(reader: &mut Reader<'_>) {
    let kind = External::KIND;
    for key in ["wallet.key", "wallet.keystore", "wallet.aws_kms"] {
        if reader.has(key) {
            let why = format!("strategy = \"{kind}\" sends nothing; expected wallet.address");
            reader.wrong(key, why);
        }
    }
    let stated = reader.has("category");
    let automated = reader.value("category").and_then(|value| value.as_str()) == Some("automated");
    if !stated {
        let why = format!(
            "missing with strategy = \"{kind}\"; expected whose costs these are: \"launch\", \
             \"composite\" or \"other\""
        );
        reader.push("category", why);
    } else if automated {
        let why = format!(
            "strategy = \"{kind}\" automates nothing; expected \"launch\", \"composite\" or \
             \"other\""
        );
        reader.wrong("category", why);
    }
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
    // Both are read before one that is wrong ends it.
    let patience = reader.get("limits.routine_patience", form::long_duration);
    let min_runway = reader.get("limits.min_runway", form::days);
    let after = reader.get("limits.act_after_blocks", form::whole(0..=MAX_ACT_AFTER_BLOCKS));
    let limits = Limits {
        max_fee_per_gas: reader.get("limits.max_fee_per_gas", form::gas_price),
        max_transaction_cost: reader.get("limits.max_transaction_cost", form::ether),
        min_balance: reader.get("limits.min_balance", form::ether_or_zero),
        min_runway_days: min_runway?,
        monthly_budget: reader.get("limits.monthly_budget_usd", form::usd),
        hard_budget: reader.get("limits.hard_budget_usd", form::usd),
        routine_base_fee: reader.get("limits.routine_base_fee", form::gas_price),
        routine_patience: patience?,
        act_after_blocks: after?,
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
    // Either makes routine work wait.
    let waits = ["limits.routine_base_fee", "limits.monthly_budget_usd", "limits.hard_budget_usd"];
    if reader.has("limits.routine_patience") && !waits.iter().any(|key| reader.has(key)) {
        reader.wrong(
            "limits.routine_patience",
            "nothing waits; expected limits.routine_base_fee or a budget with it",
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
