//! Chain files that are wrong, and the exact lines that people get.

use super::{Case, check_all};

#[test]
fn each_error_is_one_line() {
    check_all(CASES);
}

pub(super) const CASES: &[Case] = &[
    (
        "chains/mainnet.toml",
        r#"
treasury_safe = "0x0000000000000000000000000000000000000000"
@CHAIN
"#,
        &[
            r#"chains/mainnet.toml: treasury_safe = "0x0000000000000000000000000000000000000000": the zero address is nobody's; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
treasury_safe = "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598B6"
@CHAIN
"#,
        &[
            r#"chains/mainnet.toml: treasury_safe = "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598B6": the EIP-55 checksum is wrong, so a digit may be too; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
rpc = ["http://127.0.0.1:8545"]
"#,
        &["chains/mainnet.toml: chain_id: missing; expected a whole number above 0"],
    ),
    (
        "chains/mainnet.toml",
        "chain_id = 1",
        &[
            r#"chains/mainnet.toml: rpc: missing; expected a list of at least one endpoint: "https://…", { env = "NAME" }, or { url = …, ws = …, requests_per_second = 50 }"#,
        ],
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
chain_id = 1
rpc = []
"#,
        &[
            r#"chains/mainnet.toml: rpc = []: expected a list of at least one endpoint: "https://…", { env = "NAME" }, or { url = …, ws = …, requests_per_second = 50 }"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 1
rpc = "http://127.0.0.1:8545"
"#,
        &[
            r#"chains/mainnet.toml: rpc = "http://127.0.0.1:8545": expected a list of at least one endpoint: "https://…", { env = "NAME" }, or { url = …, ws = …, requests_per_second = 50 }"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 1
rpc = ["ftp://node.example/tok3n", "node.example/v3/tok3n", 5, "", "http://"]
"#,
        &[
            r#"chains/mainnet.toml: rpc[0] = "ftp://node.example/…": expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[1] = "node.example/…": expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[2] = 5: expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[3] = "": expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[4] = "http://": expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 1
rpc = ["https://user:tok3n@node.example/v3"]
"#,
        &[
            r#"chains/mainnet.toml: rpc[0] = "https://…@node.example/…": user and password do not belong into a URL; expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 1
rpc = ["https://node.example/tok3n", { url = "https://node.example/tok3n", requests_per_second = 5 }]
"#,
        &[
            r#"chains/mainnet.toml: rpc[1] = { requests_per_second = 5, url = "https://node.example/…" }: the same as rpc[0], and its answers would count twice; expected another endpoint"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 1
rpc = [{ ws = "wss://node.example" }, { url = "wss://a.example" }, { url = "http://b.example", ws = "http://b.example" }, { url = "http://c.example", requests_per_second = 0 }, { url = "http://d.example", rps = 5 }]
"#,
        &[
            r#"chains/mainnet.toml: rpc[0].url: missing; expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[1].url = "wss://a.example": expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[2].ws = "http://b.example": expected a ws or wss URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            "chains/mainnet.toml: rpc[3].requests_per_second = 0: expected a whole number from 1 to 1000000",
            "chains/mainnet.toml: rpc[4].rps = 5: unknown key; expected one of: url, ws, requests_per_second, archive",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 1
rpc = [{ env = "A", file = "b" }, { env = "not a name" }, { env = "" }, { file = "" }, { env = 5 }, { env = "A", x = 1 }, { url = { env = "A" , file = "b"} }]
"#,
        &[
            r#"chains/mainnet.toml: rpc[0] = { env = "A", file = "b" }: both env and file; expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[1] = { env = "…" (10 characters, not shown) }: env takes the name of a variable, not its value; expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[2] = { env = "" }: env takes the name of a variable, not its value; expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[3] = { file = "" }: expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[4] = { env = 5 }: expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"chains/mainnet.toml: rpc[5] = { env = "A", x = 1 }: expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            "chains/mainnet.toml: rpc[6] = { url = … }: the same as rpc[0], and its answers would count twice; expected another endpoint",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
send = [{ url = "http://b.example", ws = "ws://b.example" }]
"#,
        &[
            r#"chains/mainnet.toml: send[0].ws = "ws://b.example": send endpoints get no subscriptions; expected to be left out"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
send = {}
"#,
        &["chains/mainnet.toml: send = {}: expected a list of endpoints as in rpc, without ws"],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
send = [{ url = "https://a.example", archive = true }, { url = "https://b.example", archive = 1 }]
"#,
        &[
            "chains/mainnet.toml: send[0].archive = true: send endpoints are not read; expected to be left out",
            "chains/mainnet.toml: send[1].archive = 1: send endpoints are not read; expected to be left out",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
chain_id = 1
rpc = [{ url = "https://a.example", archive = "yes" }]
"#,
        &["chains/mainnet.toml: rpc[0].archive = \"yes\": expected true or false"],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
archive = true
"#,
        &["chains/mainnet.toml: archive = true: unknown key; expected one of: chain_id, …"],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
private_send = ["wss://relay.example", { url = "https://relay.example", ws = "wss://relay.example" }]
public_after = 0
"#,
        &[
            "chains/mainnet.toml: private_send[0] = \"wss://relay.example\": expected an http or https URL without user or password, { env = \"NAME\" } or { file = \"PATH\" }",
            "chains/mainnet.toml: private_send[1].ws = \"wss://relay.example\": send endpoints get no subscriptions; expected to be left out",
            "chains/mainnet.toml: public_after = 0: expected a whole number from 1 to 10000",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
public_after = 25
"#,
        &[
            "chains/mainnet.toml: public_after = 25: without private_send it means nothing; expected both",
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
fees = 5
contracts = []
"#,
        &[
            "chains/mainnet.toml: contracts = []: expected a table [contracts]",
            "chains/mainnet.toml: fees = 5: expected a table [fees]",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[fees]
max_fee_per_gas = "30 gwie"
emergency_max_fee_per_gas = 50
min_priority_fee_per_gas = "0.0000000001 gwei"
relative_cap = 0
replacement_bump_percent = 9.99
"#,
        &[
            "chains/mainnet.toml: fees.emergency_max_fee_per_gas = 50: the unit is missing; expected a gas price of at most 1000000 gwei, not below fees.max_fee_per_gas",
            r#"chains/mainnet.toml: fees.max_fee_per_gas = "30 gwie": expected a gas price of at most 1000000 gwei, such as "30 gwei""#,
            r#"chains/mainnet.toml: fees.min_priority_fee_per_gas = "0.0000000001 gwei": expected a gas price not above fees.max_fee_per_gas, such as "0.001 gwei""#,
            "chains/mainnet.toml: fees.relative_cap = 0: expected a whole number from 1 to 1000",
            "chains/mainnet.toml: fees.replacement_bump_percent = 9.99: expected a percentage from 10 to 100 with at most two decimals, such as 12.5",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[fees]
max_fee_per_gas = "30 gwei"
emergency_max_fee_per_gas = "20 gwei"
min_priority_fee_per_gas = "31 gwei"
relative_cap = 2.5
replacement_bump_percent = 12.505
"#,
        &[
            r#"chains/mainnet.toml: fees.emergency_max_fee_per_gas = "20 gwei": below fees.max_fee_per_gas of 30000000000 wei; expected a gas price of at most 1000000 gwei, not below fees.max_fee_per_gas"#,
            r#"chains/mainnet.toml: fees.min_priority_fee_per_gas = "31 gwei": above fees.max_fee_per_gas of 30000000000 wei; expected a gas price not above fees.max_fee_per_gas, such as "0.001 gwei""#,
            "chains/mainnet.toml: fees.relative_cap = 2.5: expected a whole number from 1 to 1000",
            "chains/mainnet.toml: fees.replacement_bump_percent = 12.505: expected a percentage from 10 to 100 with at most two decimals, such as 12.5",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[fees]
max_fee_per_gas = "30 ether"
replacement_bump_percent = nan
max_gas = "1 gwei"
"#,
        &[
            r#"chains/mainnet.toml: fees.max_fee_per_gas = "30 ether": expected a gas price of at most 1000000 gwei, such as "30 gwei""#,
            r#"chains/mainnet.toml: fees.max_gas = "1 gwei": unknown key; expected one of: max_fee_per_gas, emergency_max_fee_per_gas, …"#,
            "chains/mainnet.toml: fees.replacement_bump_percent = NaN: expected a percentage from 10 to 100 with at most two decimals, such as 12.5",
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[contracts]
multicall3 = "0xcA11bde05977b3631167028862bE2a173976CA12"
native_usd_feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b841A"
sequencer_uptime_feed = "0x0000000000000000000000000000000000000000"
"#,
        &[
            r#"chains/mainnet.toml: contracts.multicall3 = "0xcA11bde05977b3631167028862bE2a173976CA12": the EIP-55 checksum is wrong, so a digit may be too; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
            r#"chains/mainnet.toml: contracts.native_usd_feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b841A": the EIP-55 checksum is wrong, so a digit may be too; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
            r#"chains/mainnet.toml: contracts.sequencer_uptime_feed = "0x0000000000000000000000000000000000000000": the zero address is nobody's; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
native_usd_heartbeat = "1h"
sequencer_grace = "0s"
@CHAIN
"#,
        &[
            r#"chains/mainnet.toml: native_usd_heartbeat = "1h": contracts.native_usd_feed is missing; expected both or neither"#,
            r#"chains/mainnet.toml: sequencer_grace = "0s": contracts.sequencer_uptime_feed is missing; expected both or neither"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
native_usd_heartbeat = "0s"
sequencer_grace = "90d"
@CHAIN
[contracts]
native_usd_feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
sequencer_uptime_feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
"#,
        &[
            r#"chains/mainnet.toml: native_usd_heartbeat = "0s": expected a duration from 1s to 30days, such as "6h""#,
            r#"chains/mainnet.toml: sequencer_grace = "90d": expected a duration from 0s to 30days, such as "1h""#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[contracts]
multicall3 = "0x12"
"#,
        &[
            r#"chains/mainnet.toml: contracts.multicall3 = "0x12": expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
        ],
    ),
    (
        "chains/mainnet.toml",
        r#"
@CHAIN
[contracts]
multicall3 = "0x0000000000000000000000000000000000000000"
"#,
        &[
            r#"chains/mainnet.toml: contracts.multicall3 = "0x0000000000000000000000000000000000000000": the zero address is nobody's; expected an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case"#,
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
