//! From a product file to a [`ProductConfig`].

use std::collections::BTreeSet;

use super::{
    Category, Limits, Mode, Params, ProductConfig,
    endpoints::{self, SecretSource, Use},
    file::ConfigFile,
    form::{self, Fault, Parsed},
    problems::Problems,
    reader::{Reader, closest, one_of},
    schema::PRODUCT,
    wallet,
};
use crate::registry::Registry;

/// What a product file is checked against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// Names of all chains, those with problems too.
    pub(super) chains: &'a BTreeSet<String>,
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
    let category = reader.get("category", form::word(Category::WORDS, &[]));
    let mode = reader.get("mode", form::word(Mode::WORDS, &["delever_only"]));
    let paused = reader.get("paused", form::flag);
    let dry_run = reader.get("dry_run", form::flag);
    let wallet = wallet::read(reader, known.source);
    if let (Some(chain), Some(wallet)) = (&chain, &wallet) {
        owners.claim(chain, wallet, reader);
    }
    let limits = Limits {
        max_fee_per_gas: reader.get("limits.max_fee_per_gas", form::gas_price),
        max_transaction_cost: reader.get("limits.max_transaction_cost", form::ether),
        min_balance: reader.get("limits.min_balance", form::ether_or_zero),
    };
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
        wallet: wallet?.source,
        limits,
        rpc,
        params,
    })
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
