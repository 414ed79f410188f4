//! Product files that are wrong, and the exact lines that people get.

use super::{CHAIN, Case, FEED, NONE, PRODUCT, check, check_all, directory};
use crate::{
    config::{Category, Config, Environment, Secrets},
    ledger::external::External,
    registry::Registry,
};

#[test]
fn each_error_is_one_line() {
    check_all(CASES);
}

/// Budgets on a chain that names a price feed.
#[test]
fn budgets_are_dollars_and_the_hard_one_is_not_the_lesser() {
    let chain = format!("{CHAIN}{FEED}");
    for (limits, lines) in [
        (
            "monthly_budget_usd = 100\nhard_budget_usd = 99.999999",
            &[
                "products/eth2x-fli.toml: limits.hard_budget_usd = 99.999999: below limits.monthly_budget_usd of 100; expected US dollars with at most six decimals, not below limits.monthly_budget_usd",
            ][..],
        ),
        ("monthly_budget_usd = 100\nhard_budget_usd = 100", &[]),
        ("hard_budget_usd = 0.000001", &[]),
        (
            "monthly_budget_usd = 0\nhard_budget_usd = 0.0000001",
            &[
                "products/eth2x-fli.toml: limits.hard_budget_usd = 1e-7: expected US dollars with at most six decimals, not below limits.monthly_budget_usd",
                "products/eth2x-fli.toml: limits.monthly_budget_usd = 0: zero would forbid everything; expected US dollars above 0 with at most six decimals, such as 30000 or 99.5",
            ],
        ),
        (
            "monthly_budget_usd = \"1 USD\"\nhard_budget_usd = inf",
            &[
                "products/eth2x-fli.toml: limits.hard_budget_usd = inf: expected US dollars with at most six decimals, not below limits.monthly_budget_usd",
                "products/eth2x-fli.toml: limits.monthly_budget_usd = \"1 USD\": expected US dollars above 0 with at most six decimals, such as 30000 or 99.5",
            ],
        ),
    ] {
        let product = format!("{PRODUCT}[limits]\n{limits}\n");
        let files = [("chains/mainnet.toml", &*chain), ("products/eth2x-fli.toml", &*product)];
        check(&files, &NONE, lines);
    }
}

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
cost_centre = """two
lines"""
@PRODUCT
[limits]
min_runway = "36h"
"#,
        &[
            r#"products/eth2x-fli.toml: cost_centre = "two\nlines": expected 1 to 80 characters on one line, such as "6100 Gas""#,
            r#"products/eth2x-fli.toml: limits.min_runway = "36h": expected whole days from 1day to 30days, such as "14days""#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
routine_patience = "6h"
"#,
        &[
            r#"products/eth2x-fli.toml: limits.routine_patience = "6h": nothing waits; expected limits.routine_base_fee or a budget with it"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        "",
        &[
            "products/eth2x-fli.toml: chain: missing; expected the name of a file in chains/",
            "products/eth2x-fli.toml: strategy: missing; expected the name of a strategy",
            r#"products/eth2x-fli.toml: wallet: missing; expected a table [wallet] with key = { env = "NAME" }, key = { file = "PATH" }, keystore = "PATH" with password = { … }, aws_kms = "ID OR ARN", or address = "0x…" to watch only"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "fly"
chain = "mainet"
wallet = 5
params = 6
"#,
        &[
            r#"products/eth2x-fli.toml: chain = "mainet": no such chain, did you mean mainnet?; expected one of: mainnet"#,
            "products/eth2x-fli.toml: params = 6: expected a table of the strategy's own keys",
            r#"products/eth2x-fli.toml: strategy = "fly": no such strategy; expected one of: toy"#,
            "products/eth2x-fli.toml: wallet = 5: expected a table [wallet]",
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "tox"
chain = ""
[wallet]
[params]
extension = 5
"#,
        &[
            r#"products/eth2x-fli.toml: chain = "": expected the name of a file in chains/"#,
            r#"products/eth2x-fli.toml: strategy = "tox": no such strategy, did you mean toy?; expected one of: toy"#,
            r#"products/eth2x-fli.toml: wallet = {}: expected key = { env = "NAME" }, key = { file = "PATH" }, keystore = "PATH" with password = { … }, aws_kms = "ID OR ARN", or address = "0x…" to watch only"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
category = "auto"
mode = "delever-only"
paused = "yes"
dry_run = 1
private = "yes"
@PRODUCT
"#,
        &[
            r#"products/eth2x-fli.toml: category = "auto": expected "automated", "composite", "launch" or "other""#,
            "products/eth2x-fli.toml: dry_run = 1: expected true or false",
            r#"products/eth2x-fli.toml: mode = "delever-only": expected "normal", "delever_only" or "paused""#,
            r#"products/eth2x-fli.toml: paused = "yes": expected true or false"#,
            r#"products/eth2x-fli.toml: private = "yes": expected true or false"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
private = true
public_after = 0
@PRODUCT
"#,
        &[
            "products/eth2x-fli.toml: private = true: no private_send in chains/mainnet.toml; expected at least one endpoint there",
            r#"products/eth2x-fli.toml: public_after = 0: expected a whole number from 1 to 10000, or "never""#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
public_after = "never"
@PRODUCT
"#,
        &[
            r#"products/eth2x-fli.toml: public_after = "never": without private = true it means nothing; expected both"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
mode = "sleepy"
@PRODUCT
"#,
        &[
            r#"products/eth2x-fli.toml: mode = "sleepy": expected "normal", "delever_only" or "paused""#,
        ],
    ),
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
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
address = "0xEa80829C827f1633A46E7EA6026Ed693cA54eebd"
[params]
extension = "0xEa80829C827f1633A46E7EA6026Ed693cA54eebd"
"#,
        &[
            r#"products/eth2x-fli.toml: params.extension = "0xEa80829C827f1633A46E7EA6026Ed693cA54eebd": the EIP-55 checksum is wrong, so a digit may be too; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
            r#"products/eth2x-fli.toml: wallet.address = "0xEa80829C827f1633A46E7EA6026Ed693cA54eebd": the EIP-55 checksum is wrong, so a digit may be too; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
max_fee_per_gas = "0 gwei"
max_transaction_cost = "0 ether"
min_balance = 1.5
monthly_budget_usd = 30000
routine_base_fee = 40
"#,
        &[
            r#"products/eth2x-fli.toml: limits.max_fee_per_gas = "0 gwei": expected a gas price of at most 1000000 gwei, such as "30 gwei""#,
            r#"products/eth2x-fli.toml: limits.max_transaction_cost = "0 ether": zero would forbid everything; expected an amount such as "0.5 ether" or "30 gwei""#,
            r#"products/eth2x-fli.toml: limits.min_balance = 1.5: the unit is missing; expected an amount such as "0.5 ether" or "30 gwei""#,
            "products/eth2x-fli.toml: limits.monthly_budget_usd = 30000: a budget needs the price of the native currency; expected contracts.native_usd_feed in chains/mainnet.toml",
            "products/eth2x-fli.toml: limits.routine_base_fee = 40: the unit is missing; expected a gas price of at most 1000000 gwei, such as \"30 gwei\"",
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
monthly_budget_usd = "30000"
hard_budget_usd = -5
routine_patience = "6h"
"#,
        &[
            r#"products/eth2x-fli.toml: limits.hard_budget_usd = -5: a budget needs the price of the native currency; expected contracts.native_usd_feed in chains/mainnet.toml"#,
            r#"products/eth2x-fli.toml: limits.hard_budget_usd = -5: expected US dollars with at most six decimals, not below limits.monthly_budget_usd"#,
            r#"products/eth2x-fli.toml: limits.monthly_budget_usd = "30000": a budget needs the price of the native currency; expected contracts.native_usd_feed in chains/mainnet.toml"#,
            r#"products/eth2x-fli.toml: limits.monthly_budget_usd = "30000": expected US dollars above 0 with at most six decimals, such as 30000 or 99.5"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
routine_base_fee = "40 gwei"
routine_patience = "1h 500ms"
act_after_blocks = -1
"#,
        &[
            r#"products/eth2x-fli.toml: limits.act_after_blocks = -1: expected a whole number from 0 to 10000"#,
            r#"products/eth2x-fli.toml: limits.routine_patience = "1h 500ms": expected a duration from 1s to 30days, such as "6h""#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
[limits]
max_fee = "30 gwei"
min_balance = "5"
"#,
        &[
            r#"products/eth2x-fli.toml: limits.max_fee = "30 gwei": unknown key; expected one of: max_fee_per_gas, max_transaction_cost, min_balance, …"#,
            r#"products/eth2x-fli.toml: limits.min_balance = "5": the unit is missing; expected an amount such as "0.5 ether" or "30 gwei""#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
rpc = []
@PRODUCT
"#,
        &[
            r#"products/eth2x-fli.toml: rpc = []: expected a list of at least one endpoint: "https://…", { env = "NAME" }, or { url = …, ws = …, requests_per_second = 50 }"#,
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
@PRODUCT
size = "big"
eager = 1
sise = 5
venue = { fee = "low", feee = 1 }
label = 5
"#,
        &[
            "products/eth2x-fli.toml: params.eager = 1: found a whole number, expected true or false",
            "products/eth2x-fli.toml: params.label = 5: found a whole number, expected text",
            "products/eth2x-fli.toml: params.sise = 5: unknown key, did you mean size? expected one of: extension, size, eager, label, venue",
            r#"products/eth2x-fli.toml: params.size = "big": found text, expected a whole number from 0"#,
            r#"products/eth2x-fli.toml: params.venue.fee = "low": found text, expected a whole number from 0"#,
            "products/eth2x-fli.toml: params.venue.feee = 1: unknown key, did you mean fee? expected one of: fee",
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
address = "0x00000000000000000000000000000000000000aa"
"#,
        &["products/eth2x-fli.toml: params.extension: missing; expected to be given"],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
address = "0x00000000000000000000000000000000000000aa"
[params]
extension = "0xzz"
venue = 5
"#,
        &[
            r#"products/eth2x-fli.toml: params.extension = "0xzz": invalid string length; expected the form in the strategy's README (addresses are 0x and 40 hexadecimal digits)"#,
            "products/eth2x-fli.toml: params.venue = 5: found a whole number, expected a table",
        ],
    ),
    (
        "products/eth2x-fli.toml",
        r#"
strategy = "toy"
chain = "mainnet"
[wallet]
address = "0x00000000000000000000000000000000000000aa"
[params]
extension = [1]
venue = {}
"#,
        &[
            "products/eth2x-fli.toml: params.extension = […]: length 1 does not fit; expected exactly 20 bytes",
            "products/eth2x-fli.toml: params.venue.fee: missing; expected to be given",
        ],
    ),
    (
        "products/eth2x_fli.toml",
        "@PRODUCT",
        &[
            "products/eth2x_fli.toml: file name = eth2x_fli: same as products/eth2x-fli.toml in the name of a variable, where both are ETH2X_FLI; expected names that differ in more than -, _ and .",
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
