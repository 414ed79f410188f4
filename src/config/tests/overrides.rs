//! Variables above the files.

use std::{path::Path, time::Duration};

use ballast_chains::profile::Finality;

use super::{CHAIN, NONE, PRODUCT, ToyParams, check, directory, load, load_dir};
use crate::config::{Category, Mode, Secrets, WalletSource};

#[test]
fn a_variable_wins_over_the_file_and_is_parsed_by_its_key() {
    let chain = format!("{CHAIN}confirmations = 10\nblock_time = \"2s\"\n");
    let product = format!("paused = true\n{PRODUCT}size = 4\n");
    let config = load(
        &[("chains/mainnet.toml", &chain), ("products/eth2x-fli.toml", &product)],
        &[
            ("BALLAST__STORE__URL", "sqlite:///var/lib/b.db"),
            ("BALLAST__HTTP__LISTEN", "[::1]:0"),
            ("BALLAST__CHAINS__MAINNET__CHAIN_ID", "10"),
            ("BALLAST__CHAINS__MAINNET__CONFIRMATIONS", "25"),
            ("BALLAST__CHAINS__MAINNET__FEES__REPLACEMENT_BUMP_PERCENT", "20"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PAUSED", "false"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__CATEGORY", "launch"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__MODE", "paused"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__SIZE", "7"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__EAGER", "true"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__LABEL", "123"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__VENUE__FEE", "500"),
            ("BALLAST_LOG", "debug"),
        ],
    )
    .unwrap();
    assert_eq!(config.store.path, Path::new("/var/lib/b.db"));
    assert_eq!(config.http.listen.to_string(), "[::1]:0");
    let chain = &config.chains["mainnet"];
    assert_eq!((chain.chain_id, chain.finality), (10, Finality::Confirmations(25)));
    assert_eq!(chain.block_time, Duration::from_secs(2), "what no variable names stays");
    assert_eq!(chain.fees.replacement_bump_bps, 2_000);
    let product = &config.products["eth2x-fli"];
    assert!(!product.paused);
    assert_eq!((product.category, product.mode), (Category::Launch, Mode::Paused));
    let params: ToyParams = product.params.extract().unwrap();
    assert_eq!((params.size, params.eager), (Some(7), Some(true)));
    assert_eq!(params.label.as_deref(), Some("123"), "digits stay text where text is due");
    assert_eq!(params.venue.map(|venue| venue.fee), Some(500));
}

#[test]
fn a_variable_may_name_another_place_of_a_secret() {
    let product = PRODUCT.replace(
        "address = \"0x00000000000000000000000000000000000000aa\"",
        "key = { env = \"KEY_A\" }",
    );
    let variables = [("BALLAST__PRODUCTS__ETH2X_FLI__WALLET__KEY__ENV", "KEY_B")];
    let config = load(&[("products/eth2x-fli.toml", &product)], &variables).unwrap();
    let WalletSource::Key(secret) = &config.products["eth2x-fli"].wallet else { panic!("no key") };
    assert_eq!(secret.to_string(), "environment variable KEY_B");
}

#[test]
fn only_values_of_variables_are_read_leniently() {
    let product = format!("paused = \"true\"\n{PRODUCT}size = \"7\"\n");
    check(
        &[("products/eth2x-fli.toml", &product)],
        &NONE,
        &[
            r#"products/eth2x-fli.toml: params.size = "7": found text, expected a whole number from 0"#,
            r#"products/eth2x-fli.toml: paused = "true": expected true or false"#,
        ],
    );
}

#[test]
fn a_stem_may_have_separators() {
    let dir = directory(&[]);
    std::fs::rename(
        dir.path().join("products/eth2x-fli.toml"),
        dir.path().join("products/eth2x.fli_v-2.toml"),
    )
    .unwrap();
    let variables = [("BALLAST__PRODUCTS__ETH2X_FLI_V_2__DRY_RUN", "true")];
    let config = load_dir(dir.path(), &variables, Secrets::Skip).unwrap();
    assert!(config.products["eth2x.fli_v-2"].dry_run);
}

#[test]
fn a_variable_of_a_broken_file_adds_nothing() {
    check(
        &[("chains/mainnet.toml", "chain_id =\n")],
        &[("BALLAST__CHAINS__MAINNET__CHAIN_ID", "x")],
        &[
            "chains/mainnet.toml:1:11: not TOML: invalid string, expected `\"`, `'`; expected key = value",
        ],
    );
}

#[test]
fn what_names_nothing_or_does_not_fit_is_told() {
    for (variables, lines) in CASES {
        check(&[], variables, lines);
    }
}

/// Variables, and the exact lines that people get.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

const CASES: &[Case] = &[
    (
        &[
            ("X", "y"),
            ("BALLAST__STORE__URL", "5"),
            ("BALLAST__STORE__PATH", "5"),
            ("BALLAST__store__url", "x"),
            ("BALLAST____X", "1"),
            ("BALLAST__HTTP__TOKEN", "abc"),
            ("BALLAST__CHAINS__MAINET__CHAIN_ID", "1"),
            ("BALLAST__CHAINS__MAINNET__RPC", "https://a.example/tok3n"),
            ("BALLAST__CHAINS__MAINNET__RPC__0", "https://a.example/tok3n"),
            ("BALLAST__CHAINS__MAINNET__CONFIRMATION", "5"),
            ("BALLAST__CHAINS__MAINNET", "5"),
            ("BALLAST__CHAINS", "5"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PAUSED", "maybe"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__WALLET__KEY", "tok3n"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PARAMS", "5"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__SIZE", "big"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__SISE", "5"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__TREASURY_SAFE", "5"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__WALLET__PRIVATE_KEY", "tok3n"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__EXTENSION__X", "5"),
            ("BALLAST__PRODUCTS__NONE__PAUSED", "true"),
            ("BALLAST__PORDUCTS__NONE__PAUSED", "true"),
            ("BALLAST_LOG", "info"),
            ("BALLAST__", "5"),
        ],
        &[
            r#"ballast.toml: store.url = "5" (from BALLAST__STORE__URL): expected "sqlite://PATH", the path relative to the working directory or absolute"#,
            r#"environment: BALLAST__ = "5": names no key; expected BALLAST__ and the key in upper case, its parts joined by two underscores"#,
            r#"environment: BALLAST__CHAINS = "5": names no known key of ballast.toml; expected one of: store.url, http.listen, …"#,
            r#"environment: BALLAST__CHAINS__MAINET__CHAIN_ID = "1": names no file of chains/, did you mean BALLAST__CHAINS__MAINNET?; expected one of: BALLAST__CHAINS__MAINNET"#,
            r#"environment: BALLAST__CHAINS__MAINNET = "5": names no known key of chains/mainnet.toml; expected one of: chain_id, fee_model, …"#,
            r#"environment: BALLAST__CHAINS__MAINNET__CONFIRMATION = "5": names no known key of chains/mainnet.toml, did you mean confirmations?; expected one of: chain_id, fee_model, …"#,
            r#"environment: BALLAST__CHAINS__MAINNET__RPC = "https://a.example/…": a variable sets a plain value, which rpc is not; expected a change of chains/mainnet.toml"#,
            r#"environment: BALLAST__CHAINS__MAINNET__RPC__0 = "https://a.example/…": names no known key of chains/mainnet.toml; expected one of: chain_id, fee_model, …"#,
            r#"environment: BALLAST__HTTP__TOKEN = "…" (3 characters, not shown): secrets are named, never contained; expected BALLAST__HTTP__TOKEN__ENV or BALLAST__HTTP__TOKEN__FILE"#,
            r#"environment: BALLAST__PORDUCTS__NONE__PAUSED = "true": names no known key of ballast.toml; expected one of: store.url, http.listen, …"#,
            r#"environment: BALLAST__PRODUCTS__ETH2X_FLI__PARAMS = "5": a variable sets a plain value, which params is not; expected a change of products/eth2x-fli.toml"#,
            r#"environment: BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__EXTENSION__X = "5": a variable sets a plain value, which params.extension.x is not; expected a change of products/eth2x-fli.toml"#,
            r#"environment: BALLAST__PRODUCTS__ETH2X_FLI__TREASURY_SAFE = "5": names no known key of products/eth2x-fli.toml; expected one of: strategy, chain, …"#,
            r#"environment: BALLAST__PRODUCTS__ETH2X_FLI__WALLET__KEY = "…" (5 characters, not shown): secrets are named, never contained; expected BALLAST__PRODUCTS__ETH2X_FLI__WALLET__KEY__ENV or BALLAST__PRODUCTS__ETH2X_FLI__WALLET__KEY__FILE"#,
            r#"environment: BALLAST__PRODUCTS__ETH2X_FLI__WALLET__PRIVATE_KEY = "…" (5 characters, not shown): names no known key of products/eth2x-fli.toml; expected one of: strategy, chain, …"#,
            r#"environment: BALLAST__PRODUCTS__NONE__PAUSED = "true": names no file of products/; expected one of: BALLAST__PRODUCTS__ETH2X_FLI"#,
            r#"environment: BALLAST__STORE__PATH = "5": names no known key of ballast.toml; expected one of: store.url, http.listen, …"#,
            r#"environment: BALLAST____X = "1": names no key; expected BALLAST__ and the key in upper case, its parts joined by two underscores"#,
            r#"environment: BALLAST__store__url = "x": names no key; expected BALLAST__ and the key in upper case, its parts joined by two underscores"#,
            r#"products/eth2x-fli.toml: params.sise = "5" (from BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__SISE): unknown key, did you mean size? expected one of: extension, size, eager, label, venue"#,
            r#"products/eth2x-fli.toml: params.size = "big" (from BALLAST__PRODUCTS__ETH2X_FLI__PARAMS__SIZE): found text, expected a whole number from 0"#,
            r#"products/eth2x-fli.toml: paused = "maybe" (from BALLAST__PRODUCTS__ETH2X_FLI__PAUSED): expected true or false"#,
        ],
    ),
    (
        &[
            ("BALLAST__CHAINS__MAINNET__CHAIN_ID", "0"),
            ("BALLAST__CHAINS__MAINNET__FEES__REPLACEMENT_BUMP_PERCENT", "5"),
            ("BALLAST__CHAINS__MAINNET__BLOCK_TIME", "5"),
        ],
        &[
            r#"chains/mainnet.toml: block_time = "5" (from BALLAST__CHAINS__MAINNET__BLOCK_TIME): expected a duration from 1ms to 1day, such as "12s""#,
            r#"chains/mainnet.toml: chain_id = "0" (from BALLAST__CHAINS__MAINNET__CHAIN_ID): expected a whole number above 0"#,
            r#"chains/mainnet.toml: fees.replacement_bump_percent = "5" (from BALLAST__CHAINS__MAINNET__FEES__REPLACEMENT_BUMP_PERCENT): expected a percentage from 10 to 100 with at most two decimals, such as 12.5"#,
        ],
    ),
    (
        &[
            ("BALLAST__CHAINS__MAINNET__FEES__MAX_FEE_PER_GAS__X", "5"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__WALLET__KEY__ENV", "K"),
            ("BALLAST__PRODUCTS__ETH2X_FLI__WALLET__KEY__FOO", "K"),
        ],
        &[
            r#"environment: BALLAST__CHAINS__MAINNET__FEES__MAX_FEE_PER_GAS__X = "5": names no known key of chains/mainnet.toml, did you mean fees.max_fee_per_gas?; expected one of: chain_id, fee_model, …"#,
            r#"environment: BALLAST__PRODUCTS__ETH2X_FLI__WALLET__KEY__FOO = "…" (1 characters, not shown): names no known key of products/eth2x-fli.toml; expected one of: strategy, chain, …"#,
            r#"products/eth2x-fli.toml: wallet = { address = "0x00000000000000000000000000000000000000aa", key = … } (from BALLAST__PRODUCTS__ETH2X_FLI__WALLET__KEY__ENV): more than one kind of wallet; expected exactly one of key = { env = "NAME" }, key = { file = "PATH" }, keystore = "PATH" with password = { … }, aws_kms = "ID OR ARN", or address = "0x…" to watch only"#,
        ],
    ),
];
