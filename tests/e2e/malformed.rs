//! Malformed files through the binary, one error each: exit code 2, one line, no panic.

use ballast_test_support::{ConfigDir, KeeperCommand};
use eyre::Result;

use crate::harness::finish;

const CHAIN: &str = "chain_id = 1\nrpc = [\"http://127.0.0.1:1\"]\n";
const PRODUCT: &str = "strategy = \"fli\"\nchain = \"local\"\n";
const WALLET: &str = "[wallet]\naddress = \"0x0000000000000000000000000000000000000001\"\n";
const PARAMS: &str = "[params]\nextension = \"0x0000000000000000000000000000000000000002\"\n";

/// Key path, offending value as it is shown, and the lines that hold it.
type Case = (&'static str, &'static str, &'static str);

/// Lines of a chain file, in place of or beside the right ones.
const CHAINS: &[Case] = &[
    ("chain_id", "0", "chain_id = 0\nrpc = [\"http://127.0.0.1:1\"]"),
    ("chain_id", "one", "chain_id = \"one\"\nrpc = [\"http://127.0.0.1:1\"]"),
    ("chain_id", "-1", "chain_id = -1\nrpc = [\"http://127.0.0.1:1\"]"),
    ("chain_id", "", "rpc = [\"http://127.0.0.1:1\"]"),
    ("rpc", "", "chain_id = 1"),
    ("rpc", "[]", "chain_id = 1\nrpc = []"),
    ("rpc", "ftp", "chain_id = 1\nrpc = [\"ftp://127.0.0.1:1\"]"),
    ("rpc", "17", "chain_id = 1\nrpc = [17]"),
    ("fee_model", "opstack", "+fee_model = \"opstack\""),
    ("fee_model", "cheap", "+fee_model = \"cheap\""),
    ("block_time", "soon", "+block_time = \"soon\""),
    ("block_time", "0s", "+block_time = \"0s\""),
    ("block_time", "12", "+block_time = 12"),
    ("finality", "maybe", "+finality = \"maybe\""),
    ("confirmations", "0", "+confirmations = 0"),
    ("confirmations", "many", "+confirmations = \"many\""),
    ("explorer", "not a url", "+explorer = \"not a url\""),
    ("request_timeout", "3 bananas", "+request_timeout = \"3 bananas\""),
    ("private_send", "17", "+private_send = [17]"),
    ("public_after", "25", "+public_after = 25"),
    ("blok_time", "", "+blok_time = \"12s\""),
    ("fees.max_fee_per_gas", "30 gwie", "+[fees]\nmax_fee_per_gas = \"30 gwie\""),
    ("fees.max_fee_per_gas", "-1 gwei", "+[fees]\nmax_fee_per_gas = \"-1 gwei\""),
    ("fees.relative_cap", "0", "+[fees]\nrelative_cap = 0"),
    ("fees.replacement_bump_percent", "5", "+[fees]\nreplacement_bump_percent = 5"),
    ("contracts.multicall3", "0x12", "+[contracts]\nmulticall3 = \"0x12\""),
    ("contracts.native_usd_feed", "", "+[contracts]\nnative_usd_feed = \"0x12\""),
];

/// Lines of a product file, before its tables.
const PRODUCTS: &[Case] = &[
    ("strategy", "fly", "strategy = \"fly\"\nchain = \"local\""),
    ("strategy", "", "chain = \"local\""),
    ("chain", "mars", "strategy = \"fli\"\nchain = \"mars\""),
    ("chain", "", "strategy = \"fli\""),
    ("mode", "fast", "+mode = \"fast\""),
    ("mode", "delever-only", "+mode = \"delever-only\""),
    ("dry_run", "maybe", "+dry_run = \"maybe\""),
    ("paused", "1", "+paused = 1"),
    ("category", "toy", "+category = \"toy\""),
    ("private", "", "+private = true"),
    ("colour", "", "+colour = \"red\""),
    ("limits.max_fee_per_gas", "lots", "+[limits]\nmax_fee_per_gas = \"lots\""),
    ("limits.min_balance", "0.5 eth", "+[limits]\nmin_balance = \"0.5 eth\""),
    ("limits.monthly_budget_usd", "", "+[limits]\nmonthly_budget_usd = 5"),
    ("limits.act_after_blocks", "soon", "+[limits]\nact_after_blocks = \"soon\""),
    ("treasury_safe", "", "+treasury_safe = \"x\""),
];

/// Whole `[wallet]` and `[params]` tables.
const TABLES: &[Case] = &[
    ("wallet.address", "0x12", "[wallet]\naddress = \"0x12\"\n+params"),
    (
        "wallet.keystore",
        "7",
        "[wallet]
keystore = 7
password = { env = \"B\" }
+params",
    ),
    ("wallet.password", "", "[wallet]\nkeystore = \"none.json\"\n+params"),
    ("wallet.aws_kms", "a key", "[wallet]\naws_kms = \"a key\"\n+params"),
    ("wallet", "", "[wallet]\n+params"),
    ("params.extension", "0xzz", "+wallet\n[params]\nextension = \"0xzz\""),
    ("params.extension", "", "+wallet\n[params]"),
    ("params.extention", "", "+wallet\n[params]\nextention = \"0x12\""),
];

/// `[params]` of a basis product, beside its extension or in place of it.
const BASIS: &[Case] = &[
    ("params.extension", "", ""),
    ("params.extension", "0xzz", "extension = \"0xzz\""),
    ("params.set_token", "5", "set_token = 5"),
    ("params.viewer", "", "+viewer = \"0x0000000000000000000000000000000000000003\""),
    ("params.extension_kind", "not yet supported", "+extension_kind = \"leverage\""),
    ("params.extension_kind", "fli", "+extension_kind = \"fli\""),
    ("params.custom_max_leverage_ratio", "--2", "+custom_max_leverage_ratio = \"--2\""),
    ("params.custom_min_leverage_ratio", "-0.9", "+custom_min_leverage_ratio = -0.9"),
    ("params.min_reinvest_gas_multiple", "-1", "+min_reinvest_gas_multiple = \"-1\""),
    ("params.min_reinvest_gas_multiple", "3", "+min_reinvest_gas_multiple = 3"),
];

/// Runs `check --offline` and looks at what it says.
async fn check(file: &str, chain: &str, product: &str, case: &Case) -> Result<()> {
    let (key, value, _) = case;
    let dir = ConfigDir::new()?.chain("local", chain)?.product("one", product)?;
    let command = KeeperCommand::new(env!("CARGO_BIN_EXE_ballast"))
        .arg("--config")
        .arg(dir.path())
        .args(["check", "--offline"]);
    let (code, _, err) = finish(command).await?;
    assert_eq!(code, 2, "{case:?}: {err:#?}");
    let line = err.iter().find(|line| line.contains(file) && line.contains(key));
    let line = line.unwrap_or_else(|| panic!("{case:?}: no line in {err:#?}"));
    assert!(line.contains(value), "{case:?}: {line}");
    assert!(!err.iter().any(|line| line.contains("panicked")), "{case:?}: {err:#?}");
    Ok(())
}

/// The case's lines after the right ones, or in their place.
fn lines(right: &str, case: &Case) -> String {
    match case.2.strip_prefix('+') {
        Some(more) => format!("{right}{more}\n"),
        None => format!("{}\n", case.2),
    }
}

#[tokio::test]
async fn chain_files() -> Result<()> {
    for case in CHAINS {
        let product = format!("{PRODUCT}{WALLET}{PARAMS}");
        check("chains/local.toml", &lines(CHAIN, case), &product, case).await?;
    }
    Ok(())
}

#[tokio::test]
async fn product_files() -> Result<()> {
    for case in PRODUCTS {
        let product = format!("{}{WALLET}{PARAMS}", lines(PRODUCT, case));
        check("products/one.toml", CHAIN, &product, case).await?;
    }
    for case in TABLES {
        let tables = case.2.replace("+wallet", WALLET).replace("+params", PARAMS);
        check("products/one.toml", CHAIN, &format!("{PRODUCT}{tables}\n"), case).await?;
    }
    Ok(())
}

#[tokio::test]
async fn basis_product_files() -> Result<()> {
    for case in BASIS {
        let product = PRODUCT.replace("fli", "basis");
        let params = lines(PARAMS.trim_start_matches("[params]\n"), case);
        let product = format!("{product}{WALLET}[params]\n{params}");
        check("products/one.toml", CHAIN, &product, case).await?;
    }
    Ok(())
}
