//! Wallets of product files that are wrong, and the exact lines that people get.

use super::{super::directory, Case};
use crate::{
    config::{Category, Config, Environment, Secrets},
    ledger::external::External,
    registry::Registry,
};

/// A wallet that is watched for the books.
#[test]
fn without_a_strategy_there_is_no_key_and_a_cost_centre() {
    let registry = Registry::default().with::<External>();
    let load = |text: &str| {
        let dir = directory(&[("products/eth2x-fli.toml", text)]);
        let environment = Environment::default();
        let loaded = Config::load(dir.path(), &environment, &registry, Secrets::Skip);
        loaded.map_err(|problems| problems.to_string())
    };
    let address = "address = \"0x00000000000000000000000000000000000000a1\"";
    let text = |category: &str, wallet: &str, rest: &str| {
        format!("strategy = \"none\"\nchain = \"mainnet\"\n{category}\n[wallet]\n{wallet}\n{rest}")
    };
    let launch = "category = \"launch\"";
    let config = load(&text(launch, address, "[limits]\nmin_balance = \"1 ether\"")).unwrap();
    assert_eq!(config.products["eth2x-fli"].category, Category::Launch);
    let refused = |text: String, expected: &str| {
        let told = load(&text).unwrap_err();
        assert!(told.contains(expected), "{told}");
    };
    refused(text("", address, ""), "category: missing with strategy = \"none\"; expected whose");
    refused(
        text("category = \"automated\"", address, ""),
        "category = \"automated\": strategy = \"none\" automates nothing",
    );
    refused(
        text(launch, "key = { env = \"KEY\" }", ""),
        "wallet.key = { env = \"KEY\" }: strategy = \"none\" sends nothing; expected wallet.address",
    );
    refused(text(launch, address, "[params]\nextension = 1"), "params.extension");
}

pub(super) const CASES: &[Case] = &[
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
key = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
[params]
extension = "0x00000000000000000000000000000000000000bb"
"#,
        &[
            r#"products/eth2x-fli.toml: wallet.key = "…" (66 characters, not shown): secrets are named, never contained; expected { env = "NAME" } or { file = "PATH" }"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
key = { env = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318" }
[params]
extension = "0x00000000000000000000000000000000000000bb"
"#,
        &[
            r#"products/eth2x-fli.toml: wallet.key = { env = "…" (66 characters, not shown) }: env takes the name of a variable, not its value; expected { env = "NAME" } or { file = "PATH" }"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
key = { env = "KEY" }
address = "0x00000000000000000000000000000000000000aa"
[params]
extension = "0x00000000000000000000000000000000000000bb"
"#,
        &[
            r#"products/eth2x-fli.toml: wallet = { address = "0x00000000000000000000000000000000000000aa", key = … }: more than one kind of wallet; expected exactly one of key = { env = "NAME" }, key = { file = "PATH" }, keystore = "PATH" with password = { … }, aws_kms = "ID OR ARN", or address = "0x…" to watch only"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
private_key = "hunter2"
kye = { env = "hunter" }
[params]
extension = "0x00000000000000000000000000000000000000bb"
"#,
        &[
            r#"products/eth2x-fli.toml: wallet.kye = { env = "hunter" }: unknown key; expected one of: key, keystore, password, aws_kms, address"#,
            r#"products/eth2x-fli.toml: wallet.private_key = "…" (7 characters, not shown): unknown key; expected one of: key, keystore, password, aws_kms, address"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
keystore = 7
password = "hunter2"
[params]
extension = "0x00000000000000000000000000000000000000bb"
"#,
        &[
            "products/eth2x-fli.toml: wallet.keystore = 7: expected the path of a file, relative to this directory or absolute",
            r#"products/eth2x-fli.toml: wallet.password = "…" (7 characters, not shown): secrets are named, never contained; expected { env = "NAME" } or { file = "PATH" }"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
keystore = "keys/a.json"
[params]
extension = "0x00000000000000000000000000000000000000bb"
"#,
        &[
            r#"products/eth2x-fli.toml: wallet.password: missing beside wallet.keystore; expected { env = "NAME" } or { file = "PATH" }"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
address = "0x00000000000000000000000000000000000000aa"
password = { file = "keys/a.pw" }
[params]
extension = "0x00000000000000000000000000000000000000bb"
"#,
        &[
            r#"products/eth2x-fli.toml: wallet.password = { file = "keys/a.pw" }: only a keystore has a password; expected to be left out, or keystore = "PATH""#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
keystore = "keys/a.json"
password = { file = "keys/a.pw" }
aws_kms = "alias/eth2x"
[params]
extension = "0x00000000000000000000000000000000000000bb"
"#,
        &[
            r#"products/eth2x-fli.toml: wallet = { aws_kms = "alias/eth2x", keystore = "keys/a.json", password = … }: more than one kind of wallet; expected exactly one of …"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
aws_kms = "arn:aws:kms:eu-central-1:1:key/one key"
[params]
extension = "0x00000000000000000000000000000000000000bb"
"#,
        &[
            r#"products/eth2x-fli.toml: wallet.aws_kms = "arn:aws:kms:eu-central-1:1:key/one key": expected a key id, ARN or alias of AWS KMS"#,
        ],
    ),
    (
        "products/other.toml",
        "@PRODUCT",
        &[
            r#"products/other.toml: wallet.address = "0x00000000000000000000000000000000000000aa": also the wallet of products/eth2x-fli.toml on mainnet; expected a wallet of its own"#,
        ],
    ),
];
