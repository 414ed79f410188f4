//! What a directory may look like.

use std::fs;

use super::{CHAIN, PRODUCT, directory, load_dir, registry};
use crate::config::{Config, Environment, Secrets};

fn said(dir: &std::path::Path) -> Vec<String> {
    match load_dir(dir, &[], Secrets::Skip) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn ballast_toml_may_be_missing() {
    let dir = directory(&[]);
    assert_eq!(said(dir.path()), Vec::<String>::new());
}

#[test]
fn a_directory_that_is_not_there_is_one_problem() {
    let dir = directory(&[]);
    let none = dir.path().join("none");
    let expected =
        format!("{}: no such directory; expected one with chains/ and products/", none.display());
    assert_eq!(said(&none), [expected]);
}

#[test]
fn folders_that_are_missing_or_empty_are_told() {
    let dir = directory(&[]);
    fs::remove_dir_all(dir.path().join("chains")).unwrap();
    fs::remove_file(dir.path().join("products/eth2x-fli.toml")).unwrap();
    assert_eq!(
        said(dir.path()),
        [
            "chains: missing; expected a folder with one TOML file for each chain",
            "products: nothing in it; expected a folder with one TOML file for each product",
        ]
    );
}

#[test]
fn a_chain_file_that_is_broken_is_not_missing_too() {
    let dir = directory(&[("chains/mainnet.toml", "chain_id = 1\nrpc = [\n")]);
    let said = said(dir.path());
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("chains/mainnet.toml:2:"), "{said:?}");
}

#[test]
fn other_files_are_nobodys_business() {
    let dir = directory(&[
        ("README.md", "# x"),
        ("products/README.md", "# x"),
        ("products/.eth2x.toml.swp", "\0"),
        ("products/.hidden.toml", "="),
        ("products/old.toml.disabled", "="),
    ]);
    assert_eq!(said(dir.path()), Vec::<String>::new());
}

#[test]
fn names_that_no_variable_can_spell_are_refused() {
    for stem in ["Main Net", "a--b", "-a", "ETH"] {
        let dir = directory(&[(&format!("products/{stem}.toml"), PRODUCT)]);
        let said = said(dir.path());
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(&format!("products/{stem}.toml: file name = ")), "{said:?}");
        assert!(said[0].contains("expected a name of at most 64 lower-case letters"), "{said:?}");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let dir = directory(&[]);
    fs::create_dir(dir.path().join("chains/folder.toml")).unwrap();
    fs::write(dir.path().join("chains/latin.toml"), b"native_symbol = \"\xe9\"").unwrap();
    fs::write(dir.path().join("ballast.toml"), "#".repeat(1024 * 1024 + 1)).unwrap();
    assert_eq!(
        said(dir.path()),
        [
            "ballast.toml: cannot be read: larger than 1 MiB; expected a TOML file",
            "chains/folder.toml: cannot be read: a folder; expected a TOML file",
            "chains/latin.toml: cannot be read: byte 17 is not UTF-8; expected a TOML file",
        ]
    );
}

#[test]
fn a_strategy_registered_twice_stops_the_binary_not_the_process() {
    let dir = directory(&[("chains/mainnet.toml", CHAIN)]);
    let twice = registry().with::<super::Toy>();
    let problems = Config::load(dir.path(), &Environment::default(), &twice, Secrets::Skip);
    assert_eq!(
        problems.unwrap_err().to_string(),
        "registry: strategy = toy: registered twice in this binary; expected once"
    );
}
