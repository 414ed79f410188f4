//! Product files that are wrong, and the exact lines that people get.

use super::Case;

pub(super) const CASES: &[Case] = &[
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
];
