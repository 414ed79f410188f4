//! Files that are wrong: a table for each subject, and the rules that the tables rest on.

mod ballast;
mod chain_tables;
mod chains;
mod endpoints;
mod limits;
mod products;
mod wallets;

use super::{CHAIN, NONE, PRODUCT, check, load};

/// One wrong file, its path first, and what people are told. A line `@CHAIN` or `@PRODUCT` stands
/// for the file that is right.
type Case = (&'static str, &'static str, &'static [&'static str]);

const TABLES: [&[Case]; 7] = [
    ballast::CASES,
    chains::CASES,
    chain_tables::CASES,
    endpoints::CASES,
    products::CASES,
    wallets::CASES,
    limits::CASES,
];

#[test]
fn each_error_is_one_line() {
    for (path, text, lines) in TABLES.into_iter().flatten() {
        let text =
            text.trim_start_matches('\n').replace("@CHAIN", CHAIN).replace("@PRODUCT", PRODUCT);
        check(&[(path, &text)], &NONE, lines);
    }
}

#[test]
fn the_tables_are_long_enough() {
    assert!(TABLES.iter().map(|table| table.len()).sum::<usize>() >= 60);
}

#[test]
fn one_file_with_five_errors_yields_five_lines() {
    let chain = format!(
        "{CHAIN}fee_model = \"op stack\"\nblok_time = \"12s\"\nconfirmations = 0\n[fees]\n\
         max_fee_per_gas = \"30 gwie\"\nrelative_cap = 2.5\n"
    );
    let problems = load(&[("chains/mainnet.toml", &chain)], &NONE).unwrap_err();
    let lines: Vec<String> = problems.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 5, "{problems}");
    for (line, parts) in lines.iter().zip([
        ["blok_time", "\"12s\"", "did you mean block_time?"],
        ["confirmations", "0", "expected a whole number from 1 to 10000"],
        ["fee_model", "\"op stack\"", "expected \"eip1559\", \"legacy\" or \"op-stack\""],
        ["fees.max_fee_per_gas", "\"30 gwie\"", "expected a gas price"],
        ["fees.relative_cap", "2.5", "expected a whole number from 1 to 1000"],
    ]) {
        let [key, value, expected] = parts;
        assert!(line.starts_with(&format!("chains/mainnet.toml: {key} = {value}: ")), "{line}");
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn problems_of_all_files_come_at_once_sorted_by_file() {
    check(
        &[
            ("products/b.toml", "strategy = 1\n"),
            ("chains/polygon.toml", "chain_id = 137\n"),
            ("ballast.toml", "[http]\nlisten = 1\n"),
        ],
        &[("BALLAST__X", "1")],
        &[
            r#"ballast.toml: http.listen = 1: expected an IP address and port such as "127.0.0.1:8420""#,
            "chains/polygon.toml: rpc: missing; expected a list of at least one endpoint: …",
            "environment: BALLAST__X = \"1\": names no known key of ballast.toml; expected one of: \
             store.url, http.listen, …",
            "products/b.toml: chain: missing; expected the name of a file in chains/",
            "products/b.toml: strategy = 1: expected the name of a strategy",
            "products/b.toml: wallet: missing; expected a table [wallet] with …",
        ],
    );
}

#[test]
fn problems_are_data_too() {
    let problems = load(&[("chains/mainnet.toml", "chain_id = [\n")], &NONE).unwrap_err();
    let json = serde_json::to_value(&problems).unwrap();
    assert_eq!(json[0]["file"], "chains/mainnet.toml");
    assert_eq!(json[0]["line"], 1);
    let problems = load(&[], &[("BALLAST__PRODUCTS__ETH2X_FLI__PAUSED", "no")]).unwrap_err();
    let json = serde_json::to_value(&problems).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{
            "file": "products/eth2x-fli.toml", "key": "paused", "value": "\"no\"",
            "message": "expected true or false",
            "variable": "BALLAST__PRODUCTS__ETH2X_FLI__PAUSED",
        }])
    );
}
