//! Secrets: when they are read, what is said if they are not there, and that they stay unseen.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use ballast_chains::wallet::keystore::{self, Cost};
use tempfile::TempDir;

use super::{CHAIN, PRODUCT, directory, load_dir};
use crate::config::{Problems, Secret, Secrets, WalletSource};

/// A private key that holds nothing anywhere: the first of the well-known test mnemonic.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

fn with_wallet(wallet: &str) -> String {
    PRODUCT.replace("address = \"0x00000000000000000000000000000000000000aa\"", wallet)
}

fn lines(problems: &Problems) -> Vec<String> {
    problems.to_string().lines().map(str::to_owned).collect()
}

fn key_address() -> Address {
    KEY.parse::<PrivateKeySigner>().unwrap().address()
}

#[test]
fn offline_reads_no_secret() {
    let chain = "chain_id = 1\nrpc = [{ url = { env = \"UNSET\" }, ws = { file = \"none\" } }]\n";
    let product = with_wallet("key = { file = \"none\" }");
    let dir = directory(&[("chains/mainnet.toml", chain), ("products/eth2x-fli.toml", &product)]);
    let config = load_dir(dir.path(), &[], Secrets::Skip).unwrap();
    let endpoint = &config.chains["mainnet"].rpc[0];
    assert_eq!(endpoint.url.as_str(), "http://unresolved.invalid/");
    assert_eq!(endpoint.ws.as_ref().unwrap().as_str(), "ws://unresolved.invalid/");
    let expected = WalletSource::Key(Secret::File(dir.path().join("none")));
    assert_eq!(config.products["eth2x-fli"].wallet, expected);
}

#[test]
fn online_every_secret_is_there_and_fits() {
    let chain = "chain_id = 1\nrpc = [{ url = { env = \"RPC\" }, ws = { file = \"ws\" } }]\n";
    let product = with_wallet("key = { env = \"KEY\" }");
    let dir = directory(&[("chains/mainnet.toml", chain), ("products/eth2x-fli.toml", &product)]);
    std::fs::write(dir.path().join("ws"), "wss://node.example/s3cret\n").unwrap();
    let variables = [("RPC", "https://node.example/s3cret"), ("KEY", KEY)];
    let config = load_dir(dir.path(), &variables, Secrets::Resolve).unwrap();
    let endpoint = &config.chains["mainnet"].rpc[0];
    assert_eq!(endpoint.url.as_str(), "https://node.example/s3cret");
    assert_eq!(endpoint.ws.as_ref().unwrap().as_str(), "wss://node.example/s3cret");
    let shown = format!("{config:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("ac0974"), "{shown}");
}

#[test]
fn online_every_secret_that_does_not_fit_is_told() {
    let chain = "chain_id = 1\nrpc = [{ env = \"UNSET\" }, { env = \"BAD\" }, \
                 { url = \"http://a.example\", ws = { env = \"USER\" } }]\n";
    let product = with_wallet("key = { env = \"BAD\" }");
    let dir = directory(&[
        ("chains/mainnet.toml", chain),
        ("products/a.toml", &with_wallet("key = { env = \"EMPTY\" }")),
        ("products/eth2x-fli.toml", &product),
    ]);
    let variables = [("BAD", "hunter2"), ("EMPTY", ""), ("USER", "wss://u:hunter2@node.example")];
    let problems = load_dir(dir.path(), &variables, Secrets::Resolve).unwrap_err();
    let said = lines(&problems);
    let starts = [
        "chains/mainnet.toml: rpc[0] = { env = \"UNSET\" }: environment variable UNSET is not set; ",
        "chains/mainnet.toml: rpc[1] = { env = \"BAD\" }: environment variable BAD holds no such URL; ",
        "chains/mainnet.toml: rpc[2].ws = { env = \"USER\" }: environment variable USER: user and ",
        "products/a.toml: wallet.key = { env = \"EMPTY\" }: environment variable EMPTY is empty; ",
        "products/eth2x-fli.toml: wallet.key = { env = \"BAD\" }: environment variable BAD holds no \
         private key; ",
    ];
    assert_eq!(said.len(), starts.len(), "{problems}");
    for (line, start) in said.iter().zip(starts) {
        assert!(line.starts_with(start) && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let product = with_wallet("key = { file = \"none\" }");
    let dir = directory(&[("products/eth2x-fli.toml", &product)]);
    let problems = load_dir(dir.path(), &[], Secrets::Resolve).unwrap_err();
    let said = lines(&problems);
    assert!(said[0].contains("No such file"), "{problems}");
    assert_eq!(said.len(), 1);
}

#[test]
fn the_same_place_of_a_key_is_the_same_wallet() {
    let by_env = with_wallet("key = { env = \"KEY\" }");
    let by_file = with_wallet("key = { file = \"key\" }");
    for product in [by_env, by_file] {
        let dir =
            directory(&[("products/eth2x-fli.toml", &product), ("products/b.toml", &product)]);
        let problems = load_dir(dir.path(), &[], Secrets::Skip).unwrap_err();
        let expected =
            "also the wallet of products/b.toml on mainnet; expected a wallet of its own";
        let said = lines(&problems);
        assert_eq!(said.len(), 1, "{problems}");
        assert!(
            said[0].starts_with("products/eth2x-fli.toml: wallet.key = { ")
                && said[0].ends_with(expected)
        );
    }
}

#[test]
fn another_place_of_the_same_key_is_the_same_wallet_once_one_may_look() {
    let watch = with_wallet(&format!("address = \"{}\"", key_address()));
    let by_env = with_wallet("key = { env = \"KEY_2\" }");
    for other in [watch, by_env] {
        let product = with_wallet("key = { env = \"KEY\" }");
        let dir = directory(&[("products/b.toml", &other), ("products/eth2x-fli.toml", &product)]);
        let variables = [("KEY", KEY), ("KEY_2", KEY.trim_start_matches("0x"))];
        load_dir(dir.path(), &variables, Secrets::Skip).unwrap();
        let problems = load_dir(dir.path(), &variables, Secrets::Resolve).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems}");
        assert!(problems.to_string().contains("also the wallet of products/b.toml on mainnet"));
    }
}

#[test]
fn one_wallet_on_two_chains_is_two_lanes() {
    let polygon = CHAIN.replace("chain_id = 1", "chain_id = 137");
    let product = with_wallet("key = { env = \"KEY\" }");
    let other = product.replace("mainnet", "polygon");
    let dir = directory(&[
        ("chains/polygon.toml", &polygon),
        ("products/b.toml", &other),
        ("products/eth2x-fli.toml", &product),
    ]);
    load_dir(dir.path(), &[("KEY", KEY)], Secrets::Resolve).unwrap();
}

#[test]
fn a_secret_is_resolved_later_from_the_place_it_was_checked_at() {
    let product = with_wallet("key = { file = \"keys/eth2x\" }");
    let dir = directory(&[("products/eth2x-fli.toml", &product)]);
    std::fs::create_dir(dir.path().join("keys")).unwrap();
    std::fs::write(dir.path().join("keys/eth2x"), format!("{KEY}\n")).unwrap();
    let config = load_dir(dir.path(), &[], Secrets::Resolve).unwrap();
    let path: PathBuf = dir.path().join("keys/eth2x");
    assert_eq!(config.products["eth2x-fli"].wallet, WalletSource::Key(Secret::File(path)));
}

#[test]
fn one_url_under_two_names_is_one_endpoint() {
    let chain = "chain_id = 1\nrpc = [{ env = \"A\" }, { env = \"B\" }]\n";
    let dir = directory(&[("chains/mainnet.toml", chain), ("products/eth2x-fli.toml", PRODUCT)]);
    let with = |b| {
        let variables = [("A", "https://node.example/s3cr3t"), ("B", b), ("KEY", KEY)];
        load_dir(dir.path(), &variables, Secrets::Resolve)
    };
    with("https://node.example/other").unwrap();
    let said = with("https://node.example/s3cr3t").unwrap_err().to_string();
    assert!(said.contains("rpc[1]") && said.contains("its URL is that of rpc[0]"), "{said}");
    assert!(!said.contains("s3cr3t"), "{said}");
    load_dir(dir.path(), &[], Secrets::Skip).unwrap();
}

#[test]
fn a_token_is_there_and_long_enough() {
    let ballast = "[http]\ntoken = { env = \"TOKEN\" }\n";
    let dir = directory(&[
        ("ballast.toml", ballast),
        ("chains/mainnet.toml", CHAIN),
        ("products/eth2x-fli.toml", PRODUCT),
    ]);
    let token = |text| load_dir(dir.path(), &[("TOKEN", text)], Secrets::Resolve);
    let config = token("0123456789abcdef").unwrap();
    assert_eq!(config.http.token, Some(Secret::Env("TOKEN".into())));
    let said = token("0123456789abcde").unwrap_err().to_string();
    assert!(said.contains("holds 15 characters, too few") && !said.contains("0123456"), "{said}");
    let config = load_dir(dir.path(), &[], Secrets::Skip).unwrap();
    assert_eq!(config.http.token, Some(Secret::Env("TOKEN".into())), "offline nobody looks");
}

const KEYSTORE: &str = "keystore = \"keys/eth2x.json\"\npassword = { env = \"PASSWORD\" }";

/// A deployment whose product has a keystore of [`KEY`].
fn with_keystore() -> TempDir {
    let dir = directory(&[("products/eth2x-fli.toml", &with_wallet(KEYSTORE))]);
    std::fs::create_dir(dir.path().join("keys")).unwrap();
    let path = dir.path().join("keys/eth2x.json");
    keystore::import(&path, &KEY.into(), &"p".into(), Cost::LIGHT).unwrap();
    dir
}

#[test]
fn a_keystore_is_looked_at_online_and_not_opened() {
    let dir = with_keystore();
    // A wrong password is found when the keystore is opened, which takes too long here.
    let config = load_dir(dir.path(), &[("PASSWORD", "wrong")], Secrets::Resolve).unwrap();
    let WalletSource::Keystore { path, password } = &config.products["eth2x-fli"].wallet else {
        panic!("no keystore")
    };
    assert_eq!(*path, dir.path().join("keys/eth2x.json"));
    assert_eq!(*password, Secret::Env("PASSWORD".into()));

    // By the address that the file names, the same key in a variable is the same wallet.
    std::fs::write(dir.path().join("products/a.toml"), with_wallet("key = { env = \"KEY\" }"))
        .unwrap();
    let variables = [("PASSWORD", "p"), ("KEY", KEY)];
    let problems = load_dir(dir.path(), &variables, Secrets::Resolve).unwrap_err();
    let expected = "products/eth2x-fli.toml: wallet.keystore = \"keys/eth2x.json\": also the wallet \
                    of products/a.toml on mainnet; expected a wallet of its own";
    assert_eq!(lines(&problems), [expected]);
}

#[test]
fn everything_wrong_about_a_keystore_is_told_at_once() {
    let dir = with_keystore();
    let path = dir.path().join("keys/eth2x.json");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let problems = load_dir(dir.path(), &[], Secrets::Resolve).unwrap_err();
    let said = lines(&problems);
    assert_eq!(said.len(), 2, "{problems}");
    assert!(
        said[0].contains(&format!("(mode 0644): run `chmod 600 {}`", path.display())),
        "{said:?}"
    );
    assert!(said[1].contains("environment variable PASSWORD is not set"), "{said:?}");
    // Offline neither is looked at.
    load_dir(dir.path(), &[], Secrets::Skip).unwrap();
    std::fs::remove_file(&path).unwrap();
    load_dir(dir.path(), &[], Secrets::Skip).unwrap();
    let problems = load_dir(dir.path(), &[("PASSWORD", "p")], Secrets::Resolve).unwrap_err();
    assert!(problems.to_string().contains("No such file"), "{problems}");
}

#[test]
fn a_key_in_aws_kms_needs_a_binary_that_has_it() {
    let dir = directory(&[("products/eth2x-fli.toml", &with_wallet("aws_kms = \"alias/eth2x\""))]);
    let has_it = cfg!(feature = "aws-kms");
    match load_dir(dir.path(), &[], Secrets::Resolve) {
        Ok(config) if has_it => {
            let expected = WalletSource::AwsKms("alias/eth2x".to_owned());
            assert_eq!(config.products["eth2x-fli"].wallet, expected);
        }
        Err(problems) if !has_it => {
            assert!(problems.to_string().contains("--features aws-kms"), "{problems}");
        }
        other => panic!("{has_it}: {other:?}"),
    }
}
