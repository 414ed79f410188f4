//! Endpoints of chain files that are wrong, and the exact lines that people get.

use super::Case;

pub(super) const CASES: &[Case] = &[
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
];
