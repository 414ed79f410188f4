//! Malformed files of weights and prices, and batches, through the binary, one fault each: exit code 2, one line
//! that says where and what, and nothing but that line. No chain is asked: files come first.

use ballast_test_support::{ConfigDir, KeeperCommand};
use eyre::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::harness::finish;

/// Some product: without one there is no configuration.
const PRODUCT: &str = "strategy = \"none\"\nchain = \"local\"\ncategory = \"launch\"\n\
                       [wallet]\naddress = \"0x0000000000000000000000000000000000000001\"\n";
const CHAIN: &str = "chain_id = 1\nrpc = [\"http://127.0.0.1:1\"]\n";
const UNI: &str = "0x1f9840a85d5aF5bf1D1762F925BDADdC4201F984";
/// Processes at a time.
const AT_ONCE: usize = 4;

/// What stands in a file, and what has to be said of it after its name.
type Case = (&'static str, &'static str);

const WEIGHTS: &[Case] = &[
    ("", "is empty"),
    (" \n\t\n", "is empty"),
    ("symbol,weight\n", "names no component with a weight"),
    ("[]", "names no component with a weight"),
    ("{}", "names no component with a weight"),
    (
        "UNI,1\n",
        "line 1: the header has to name `symbol` or `address`, and `weight`; it is: UNI, 1",
    ),
    ("symbol;weight\nUNI;1\n", "line 1: the header has to name"),
    ("weight\n1\n", "line 1: the header has to name"),
    ("symbol,price\nUNI,1\n", "line 1: the header has to name"),
    ("symbol,weight,weight\nUNI,1,1\n", "line 1: the header names a column twice"),
    ("symbol,weight\nUNI,-0.1\n", "line 2: weight `-0.1` is no plain number such as 0.25 or 25%"),
    ("symbol,weight\nUNI,25\n", "line 2: weight `25` is above 1 (write 25% or 0.25, not 25)"),
    ("symbol,weight\nUNI,101%\n", "line 2: weight `101%` is above 1"),
    ("symbol,weight\nUNI,\"0,25\"\n", "line 2: weight `0,25` is no plain number"),
    ("symbol,weight\nUNI,1e-1\n", "line 2: weight `1e-1` is no plain number"),
    ("symbol,weight\nUNI,NaN\n", "line 2: weight `NaN` is no plain number"),
    (
        "symbol,weight\nUNI,0.1234567890123456789\n",
        "line 2: weight `0.1234567890123456789` has more than 18 decimals",
    ),
    ("symbol,weight\nUNI,0.5\nUNI,0.5\n", "line 3: UNI stands at line 2 too"),
    ("symbol,weight\nUNI,0.5,1\n", "line 2: has 3 columns, the header 2"),
    ("symbol,weight\nUNI,\n", "line 2: has no weight"),
    ("symbol,weight\n,1\n", "line 2: names neither a symbol nor an address"),
    ("address,weight\n0x12,1\n", "line 2: address `0x12` is none"),
    (
        "address,weight\n0x1F9840a85d5aF5bf1D1762F925BDADdC4201F984,1\n",
        "with a right checksum if it is in mixed case",
    ),
    (
        "address,weight\n0x0000000000000000000000000000000000000000,1\n",
        "line 2: address `0x0000000000000000000000000000000000000000` is none",
    ),
    ("symbol,decimals,weight\nUNI,six,1\n", "line 2: decimals `six` are no number from 0 to 255"),
    ("{\"UNI\": 0.5, \"UNI\": 0.5}", "entry 2: UNI stands at entry 1 too"),
    ("{\"UNI\": null}", "entry 1: weight `null` is no plain number"),
    ("{\"UNI\": 1", "line 1: is no JSON of the expected form"),
    ("[{\"symbol\": \"UNI\"}]", "entry 1: has no weight"),
    ("[{\"symbol\": \"UNI\", \"wieght\": 1}]", "entry 1: unknown field `wieght`"),
    ("[\"UNI\"]", "entry 1: invalid type"),
    // What would print a line of its own, or clear the screen and print another.
    (
        "symbol,weight\nUNI,\"1\nAll 15 checks passed.\"\n",
        "weight `1\\nAll 15 checks passed.` is no plain number",
    ),
    (
        "symbol,weight\nUNI,\u{1b}[2J\u{1b}[HAll 15 checks passed.\n",
        "weight `\\u{1b}[2J\\u{1b}[HAll 15 checks passed.` is no",
    ),
    ("symbol,\u{9b}2J\u{202e}\nUNI,1\n", "it is: symbol, \\u{9b}2J\\u{202e}"),
];

const PRICES: &[Case] = &[
    ("", "is empty"),
    ("symbol,weight\nUNI,1\n", "line 1: the header has to name `symbol` or `address`, and `price`"),
    ("symbol,price\n", "names no component with a price"),
    ("symbol,price\nUNI,0\n", "line 2: price `0` is 0"),
    ("symbol,price\nUNI,0.000\n", "line 2: price `0.000` is 0"),
    ("symbol,price\nUNI,-5\n", "line 2: price `-5` is no plain decimal number, such as 0.25"),
    ("symbol,price\nUNI,$5\n", "line 2: price `$5` is no plain decimal number"),
    ("symbol,price\nUNI,5%\n", "line 2: price `5%` is no plain decimal number"),
    (
        "symbol,price\nUNI,1000000000000000000000\n",
        "line 2: price `1000000000000000000000` is too large",
    ),
    ("symbol,price\nUNI,0.0000000000000000000000000000000000001\n", "has more than 36 decimals"),
    ("symbol,price\nUNI,\n", "line 2: has no price"),
    ("symbol,price\nUNI,5\nUNI,5\n", "line 3: UNI stands at line 2 too"),
    ("{\"UNI\": 1e3}", "entry 1: price `1e3` is no plain decimal number"),
    ("{\"UNI\": 0.1,}", "line 1: is no JSON of the expected form"),
    ("[{\"price\": 1}]", "entry 1: names neither a symbol nor an address"),
    (
        "symbol,price\nUNI,\u{1b}]0;well\u{7}\n",
        "price `\\u{1b}]0;well\\u{7}` is no plain decimal number",
    ),
];

/// Batches for a Safe, which nobody can import either.
const BATCHES: &[Case] = &[
    ("", "is no JSON"),
    ("[]", "is no file of the Transaction Builder"),
    (
        r#"{"version":"\u001b[2J\u001b[HAll 15 checks passed.","chainId":"1","transactions":[]}"#,
        "has version \\u{1b}[2J\\u{1b}[HAll 15 checks passed.; 1.0 is served",
    ),
    (
        r#"{"version":"1.0","chainId":"1\nAll 15 checks passed.","transactions":[{"to":""}]}"#,
        "chainId `1\\nAll 15 checks passed.` is no number",
    ),
    (
        r#"{"version":"1.0","chainId":"1","transactions":[{"to":"\u009b2J\u202e"}]}"#,
        "transaction 1: `\\u{9b}2J\\u{202e}` is no address",
    ),
];

/// Runs a command with one malformed file, and others that are right, and looks at all that it says.
async fn refused(wrong: &str, case: &Case) -> Result<()> {
    let (text, expected) = case;
    let dir = ConfigDir::new()?.chain("local", CHAIN)?.product("one", PRODUCT)?;
    let mut command = KeeperCommand::new(env!("CARGO_BIN_EXE_ballast"))
        .arg("--config")
        .arg(dir.path())
        .args(["index", "verify", "--chain", "local", "--set-token", UNI, "--module", UNI]);
    let right = [
        ("weights", "symbol,weight\nUNI,1\n"),
        ("prices", "symbol,price\nUNI,1\n"),
        ("batch", r#"{"version":"1.0","chainId":"1","transactions":[{"to":"+"}]}"#),
    ];
    let mut named = String::new();
    for (what, right) in right {
        let is_it = what == wrong;
        let right = right.replace('+', UNI);
        let path = dir.write(format!("{what}.file"), if is_it { text } else { right.as_str() })?;
        if is_it {
            named = path.display().to_string();
        }
        command = command.arg(format!("--{what}")).arg(path);
    }
    let (code, out, err) = finish(command).await?;
    ensure!(code == 2 && out.is_empty(), "{text:?}: {code}: {out:?} {err:?}");
    let [line] = err.as_slice() else { panic!("{text:?}: {err:#?}") };
    ensure!(line.starts_with(&format!("ballast: {named}: ")), "{text:?}: {line:?}");
    ensure!(line.contains(expected), "{text:?}: {line:?}");
    ensure!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}: {line:?}");
    Ok(())
}

async fn all_refused(wrong: &str, cases: &[Case]) -> Result<()> {
    let runs = cases.iter().map(|case| refused(wrong, case));
    stream::iter(runs).buffer_unordered(AT_ONCE).try_collect().await
}

#[tokio::test]
async fn malformed_weights_are_told_in_one_line_each() -> Result<()> {
    assert!(WEIGHTS.len() >= 30);
    all_refused("weights", WEIGHTS).await
}

#[tokio::test]
async fn malformed_prices_are_told_in_one_line_each() -> Result<()> {
    all_refused("prices", PRICES).await
}

#[tokio::test]
async fn malformed_batches_are_told_in_one_line_each() -> Result<()> {
    all_refused("batch", BATCHES).await
}
