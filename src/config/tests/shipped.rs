//! The files that come with the project, and their README.

use std::path::{Path, PathBuf};

use alloy::primitives::address;

use super::schema_paths;
use crate::{
    config::{Config, Environment, Mode, Secrets, WalletSource, reference},
    registry::strategies,
};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn readme() -> String {
    std::fs::read_to_string(shipped().join("README.md")).unwrap()
}

#[test]
fn shipped_files_load_without_secrets() {
    let nothing = Environment::default();
    for secrets in [Secrets::Skip, Secrets::Resolve] {
        let config = Config::load(&shipped(), &nothing, &strategies(), secrets);
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.chains["mainnet"].chain_id, 1);
        let product = &config.products["eth2x-fli"];
        assert_eq!((product.strategy.as_str(), product.mode), ("fli", Mode::Paused));
        let caller = address!("Ea80829C827f1633A46E7EA6026Ed693cA54eebD");
        assert_eq!(product.wallet, WalletSource::WatchOnly(caller));
    }
}

/// The reference in the README is the schema. After a change of the schema, paste what this prints
/// between the two markers.
#[test]
fn the_readme_lists_every_key_with_its_default() {
    let readme = readme();
    let part = readme.split_once("<!-- reference: begin -->\n").and_then(|(_, rest)| {
        rest.split_once("<!-- reference: end -->").map(|(reference, _)| reference)
    });
    let expected = reference();
    assert_eq!(part, Some(expected.as_str()), "expected between the markers:\n{expected}");
    for path in schema_paths() {
        assert!(readme.contains(&format!("| `{path}` |")), "{path}");
    }
}

/// The recipe's product file is a file that loads.
#[test]
fn the_recipe_of_the_readme_works() {
    let readme = readme();
    let blocks: Vec<&str> = readme
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(block, _)| block))
        .collect();
    let block = |name: &str| {
        let first = format!("# {name}");
        *blocks.iter().find(|block| block.trim_start().starts_with(&first)).unwrap()
    };
    let chain = ("chains/polygon.toml", block("chains/polygon.toml"));
    let product = ("products/eth2x-fli-p.toml", block("products/eth2x-fli-p.toml"));
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [chain, product] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let config = Config::load(dir.path(), &Environment::default(), &strategies(), Secrets::Skip);
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.products["eth2x-fli-p"].chain, "polygon");
}
