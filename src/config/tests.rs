//! What people write into files and variables, and what they are told.

mod directory;
mod malformed;
mod overrides;
mod random;
mod secrets;
mod shipped;
mod valid;

use std::path::Path;

use alloy::{primitives::Address, rpc::types::TransactionReceipt};
use ballast_chains::{BlockReader, Revert};
use ballast_strategy_api::{Assessment, Refusal, Settlement, Strategy, StrategyError};
use serde::Deserialize;
use tempfile::TempDir;

use super::{Config, Environment, Problems, Secrets, schema};
use crate::registry::Registry;

/// A chain file that is right.
const CHAIN: &str = "chain_id = 1\nrpc = [\"http://127.0.0.1:8545\"]\n";
/// What a chain file needs for budgets; at its end.
const FEED: &str =
    "[contracts]\nnative_usd_feed = \"0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419\"\n";
/// A product file that is right.
const PRODUCT: &str = "strategy = \"toy\"\nchain = \"mainnet\"\n\n[wallet]\n\
                       address = \"0x00000000000000000000000000000000000000aa\"\n\n[params]\n\
                       extension = \"0x00000000000000000000000000000000000000bb\"\n";
/// Environment of a test that sets no variable.
const NONE: [(&str, &str); 0] = [];

/// A strategy that only has parameters.
#[derive(Debug)]
struct Toy;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToyParams {
    extension: Address,
    size: Option<u64>,
    eager: Option<bool>,
    label: Option<String>,
    venue: Option<Venue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Venue {
    fee: u32,
}

impl Strategy for Toy {
    const KIND: &'static str = "toy";
    type Params = ToyParams;

    async fn connect(_: ToyParams, _: &BlockReader) -> Result<Self, StrategyError> {
        Ok(Self)
    }

    async fn assess(&self, _: &BlockReader) -> Result<Assessment, StrategyError> {
        Err(StrategyError::Arithmetic("nothing"))
    }

    fn refusal(&self, _: &str, _: &Revert) -> Refusal {
        Refusal::NotDue
    }

    fn settle(&self, _: &TransactionReceipt) -> Settlement {
        Settlement::default()
    }
}

fn registry() -> Registry {
    Registry::default().with::<Toy>()
}

/// A directory with one chain and one product that are right, and these files beside or in place
/// of them.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["chains", "products"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let base = [("chains/mainnet.toml", CHAIN), ("products/eth2x-fli.toml", PRODUCT)];
    for (path, text) in base.iter().chain(files) {
        std::fs::write(dir.path().join(path), text).unwrap();
    }
    dir
}

fn load_dir(dir: &Path, variables: &[(&str, &str)], secrets: Secrets) -> Result<Config, Problems> {
    let environment: Environment = variables.iter().copied().collect();
    Config::load(dir, &environment, &registry(), secrets)
}

fn load(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Config, Problems> {
    load_dir(directory(files).path(), variables, Secrets::Skip)
}

/// Loading these files with these variables says exactly these lines. An expected line that ends in
/// `…` need not tell the rest of a long list.
#[track_caller]
fn check(files: &[(&str, &str)], variables: &[(&str, &str)], expected: &[&str]) {
    let said = match load(files, variables) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    };
    let said: Vec<&str> = said.lines().collect();
    let fits = |(line, expected): (&&str, &&str)| match expected.strip_suffix('…') {
        Some(start) => line.starts_with(start),
        None => line == expected,
    };
    assert!(
        said.len() == expected.len() && said.iter().zip(expected).all(fits),
        "\n{files:?} {variables:?}\nsaid:\n{}\nexpected:\n{}\n",
        said.join("\n"),
        expected.join("\n")
    );
}

/// Paths of all keys that work.
fn schema_paths() -> Vec<&'static str> {
    let schemas = [&schema::BALLAST, &schema::CHAIN, &schema::ENDPOINT, &schema::PRODUCT];
    schemas.iter().flat_map(|schema| schema.keys).map(|key| key.path).collect()
}
