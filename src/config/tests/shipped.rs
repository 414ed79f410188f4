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

/// An account that nobody has, for products whose real caller is not known.
const NOBODY: [u8; 4] = [0xba, 0x11, 0xa5, 0x70];

/// Every chain with its id.
const CHAINS: [(&str, u64); 5] =
    [("arbitrum", 42161), ("base", 8453), ("mainnet", 1), ("optimism", 10), ("polygon", 137)];

/// How many products each chain has: all whose extension or token is known.
const PRODUCTS: [(&str, usize); 5] =
    [("arbitrum", 13), ("base", 14), ("mainnet", 14), ("optimism", 1), ("polygon", 6)];

/// Chains whose sequencer has a feed that says whether it is up; every chain has one of the price.
const SEQUENCERS: [&str; 3] = ["arbitrum", "base", "optimism"];

/// Every product that was ended; all others are kept.
const ENDED: [&str; 13] = [
    "bed",
    "btc2x-fli",
    "btc2x-fli-p",
    "data",
    "eth2x-fli",
    "eth2x-fli-p",
    "gmi",
    "ibtc-fli-p",
    "icreth",
    "ieth-fli-p",
    "imatic-fli-p",
    "matic2x-fli-p",
    "mnye",
];

fn load(secrets: Secrets) -> Config {
    let config = Config::load(&shipped(), &Environment::default(), &strategies(), secrets);
    config.unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn shipped_files_load_without_secrets() {
    for secrets in [Secrets::Skip, Secrets::Resolve] {
        let config = load(secrets);
        let chains = config.chains.iter().map(|(name, chain)| (name.as_str(), chain.chain_id));
        assert_eq!(chains.collect::<Vec<_>>(), CHAINS);
        let paused = config.products.values().filter(|product| product.mode == Mode::Paused);
        assert_eq!(paused.map(|product| product.name.as_str()).collect::<Vec<_>>(), ENDED);
        let caller = address!("Ea80829C827f1633A46E7EA6026Ed693cA54eebD");
        assert_eq!(config.products["eth2x-fli"].wallet, WalletSource::WatchOnly(caller));
    }
}

#[test]
fn every_known_product_and_feed_is_among_them() {
    let config = load(Secrets::Skip);
    for (chain, count) in PRODUCTS {
        let products = config.products.values().filter(|product| product.chain == chain);
        assert_eq!(products.count(), count, "{chain}");
    }
    assert_eq!(config.products.len(), PRODUCTS.iter().map(|(_, count)| count).sum::<usize>());
    for (name, chain) in &config.chains {
        let text = std::fs::read_to_string(shipped().join(format!("chains/{name}.toml"))).unwrap();
        assert!(text.contains("\n# Sources: "), "{name}");
        assert!(chain.feeds.native_usd.is_some(), "{name}");
        let has_feed = chain.feeds.sequencer_uptime.is_some();
        assert_eq!(has_feed, SEQUENCERS.contains(&name.as_str()), "{name}");
    }
}

/// The files are for looking first: none of them can send, and each says what it is built on.
#[test]
fn shipped_products_are_watched_and_say_where_they_come_from() {
    for (name, product) in &load(Secrets::Skip).products {
        let text =
            std::fs::read_to_string(shipped().join(format!("products/{name}.toml"))).unwrap();
        let named = ["extension", "set_token"].map(|key| text.contains(&format!("\n{key} = \"0x")));
        assert!(named[0] != named[1], "{name} names both or neither");
        let sources = text.split_once("\n# Sources:").map(|(_, rest)| rest);
        // The name of the first may be too long for the line of the heading.
        let named = sources.and_then(|rest| rest.split_whitespace().find(|word| *word != "#"));
        assert!(named.is_some(), "{name}");
        assert_eq!(product.mode == Mode::Paused, text.contains("\n# Paused: "), "{name}");
        let WalletSource::WatchOnly(caller) = &product.wallet else { panic!("{name} can sign") };
        let is_nobody = caller.starts_with(&NOBODY);
        assert_eq!(is_nobody, text.contains("the real caller was not found"), "{name}");
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
