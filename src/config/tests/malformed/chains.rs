//! Chain files that are wrong, and the exact lines that people get.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "chains/mainnet.toml",
        r#"
rpc = ["http://127.0.0.1:8545"]
"#,
        &["chains/mainnet.toml: chain_id: missing; expected a whole number above 0"],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 0
rpc = ["http://127.0.0.1:8545"]
"#,
        &["chains/mainnet.toml: chain_id = 0: expected a whole number above 0"],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = "1"
rpc = ["http://127.0.0.1:8545"]
"#,
        &[r#"chains/mainnet.toml: chain_id = "1": expected a whole number above 0"#],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = -5
rpc = ["http://127.0.0.1:8545"]
"#,
        &["chains/mainnet.toml: chain_id = -5: expected a whole number above 0"],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 1.5
rpc = ["http://127.0.0.1:8545"]
"#,
        &["chains/mainnet.toml: chain_id = 1.5: expected a whole number above 0"],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
blok_time = "12s"
"#,
        &[
            r#"chains/mainnet.toml: blok_time = "12s": unknown key, did you mean block_time? expected one of: chain_id, fee_model, …"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
block-time = "12s"
"#,
        &[
            r#"chains/mainnet.toml: block-time = "12s": unknown key, did you mean block_time? expected one of: chain_id, fee_model, …"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
colour = { a = 1, b = "x", c = [1] }
"#,
        &[
            r#"chains/mainnet.toml: colour = { a = 1, b = "x", c = … }: unknown key; expected one of: chain_id, fee_model, …"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
"block_time.x" = 1
"" = 2
"#,
        &[
            r#"chains/mainnet.toml: "" = 2: unknown key; expected one of: chain_id, fee_model, …"#,
            r#"chains/mainnet.toml: "block_time.x" = 1: unknown key, did you mean block_time? expected one of: chain_id, fee_model, …"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
block_time = "90 bananas"
"#,
        &[
            r#"chains/mainnet.toml: block_time = "90 bananas": expected a duration from 1ms to 1day, such as "12s""#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
block_time = 12
"#,
        &[
            r#"chains/mainnet.toml: block_time = 12: expected a duration from 1ms to 1day, such as "12s""#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
block_time = "0s"
stale_after = "40days"
min_turn_interval = "-1s"
request_timeout = "3"
assess_timeout = true
"#,
        &[
            r#"chains/mainnet.toml: assess_timeout = true: expected a duration from 1ms to 1day, such as "24s""#,
            r#"chains/mainnet.toml: block_time = "0s": expected a duration from 1ms to 1day, such as "12s""#,
            r#"chains/mainnet.toml: min_turn_interval = "-1s": expected a duration from 0s to 1day, such as "1s""#,
            r#"chains/mainnet.toml: request_timeout = "3": expected a duration from 1ms to 1day, such as "3s""#,
            r#"chains/mainnet.toml: stale_after = "40days": expected a duration from 1ms to 1day, such as "30s""#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
block_time = 2026-01-01
"#,
        &[
            r#"chains/mainnet.toml: block_time = a date: expected a duration from 1ms to 1day, such as "12s""#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
fee_model = "opstack"
"#,
        &[
            r#"chains/mainnet.toml: fee_model = "opstack": expected "eip1559", "legacy" or "op-stack""#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
fee_model = "auction"
"#,
        &[
            r#"chains/mainnet.toml: fee_model = "auction": expected "eip1559", "legacy" or "op-stack""#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
finality = "soon"
"#,
        &[r#"chains/mainnet.toml: finality = "soon": expected "safe" or "finalized""#],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
finality = "safe"
confirmations = 10
"#,
        &[
            r#"chains/mainnet.toml: finality = "safe": confirmations is given too; expected one of finality and confirmations"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
confirmations = 0
"#,
        &["chains/mainnet.toml: confirmations = 0: expected a whole number from 1 to 10000"],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
native_symbol = "U S D"
explorer = "etherscan.io"
"#,
        &[
            r#"chains/mainnet.toml: explorer = "etherscan.io": expected an http or https URL"#,
            r#"chains/mainnet.toml: native_symbol = "U S D": expected 1 to 12 letters or digits, such as "ETH""#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
chunk_gas = 1
max_lag = -1
"#,
        &[
            "chains/mainnet.toml: chunk_gas = 1: expected a whole number from 1000000 to 1000000000",
            "chains/mainnet.toml: max_lag = -1: expected a whole number from 0 to 10000",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
chain_id = 2
"#,
        &[
            "chains/mainnet.toml:4:1: not TOML: duplicate key `chain_id` in document root; expected key = value",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 
rpc = ["https://node.example/tok3n"]
"#,
        &[
            r#"chains/mainnet.toml:1:12: not TOML: invalid string, expected `"`, `'`; expected key = value"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        "chain_id = 99999999999999999999",
        &[
            "chains/mainnet.toml:1:12: not TOML: number too large to fit in target type; expected key = value",
        ],
    ),
    (
        "chains/other.toml",
        "@CHAIN",
        &[
            "chains/other.toml: chain_id = 1: also the chain_id of chains/mainnet.toml; expected one file for each chain (a product may have an rpc of its own)",
        ],
    ),
];
