//! Deployment files that are wrong, and the exact lines that people get.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "ballast.toml",
        r#"
[finance]
expense_account = ""
wallet_account = " padded"
income_account = true
[finance.cost_centres]
automated = 1100.5
launch = 4711
leveraged = "x"
"#,
        &[
            r#"ballast.toml: finance.cost_centres.automated = 1100.5: expected 1 to 80 characters on one line, such as "6100 Gas""#,
            r#"ballast.toml: finance.cost_centres.leveraged = "x": unknown key; expected one of: automated, composite, launch, other"#,
            r#"ballast.toml: finance.expense_account = "": expected 1 to 80 characters on one line, such as "6100 Gas""#,
            r#"ballast.toml: finance.income_account = true: expected 1 to 80 characters on one line, such as "6100 Gas""#,
            r#"ballast.toml: finance.wallet_account = " padded": expected 1 to 80 characters on one line, such as "6100 Gas""#,
        ],
    ),
    (
        "ballast.toml",
        r#"
[store]
url = "postgres://user:tok3n@db.example/ballast"
"#,
        &[
            r#"ballast.toml: store.url = "postgres://…@db.example/…": not yet supported; expected "sqlite://PATH", the path relative to the working directory or absolute"#,
        ],
    ),
    (
        "ballast.toml",
        r#"
[store]
url = "mysql://db.example/ballast"
"#,
        &[
            r#"ballast.toml: store.url = "mysql://db.example/ballast": expected "sqlite://PATH", the path relative to the working directory or absolute"#,
        ],
    ),
    (
        "ballast.toml",
        r#"
[store]
url = "sqlite://:memory:"
"#,
        &[
            r#"ballast.toml: store.url = "sqlite://:memory:": the journal must survive a restart; expected "sqlite://PATH", the path relative to the working directory or absolute"#,
        ],
    ),
    (
        "ballast.toml",
        r#"
[store]
url = "sqlite://"
path = "x"
"#,
        &[
            r#"ballast.toml: store.path = "x": unknown key; expected one of: url"#,
            r#"ballast.toml: store.url = "sqlite://": expected "sqlite://PATH", the path relative to the working directory or absolute"#,
        ],
    ),
    (
        "ballast.toml",
        r#"
[http]
listen = "localhost:8420"
token = { env = "A", file = "b" }
"#,
        &[
            r#"ballast.toml: http.listen = "localhost:8420": expected an IP address and port such as "127.0.0.1:8420""#,
            r#"ballast.toml: http.token = { env = "A", file = "b" }: both env and file; expected { env = "NAME" } or { file = "PATH" } of at least 16 characters"#,
        ],
    ),
    (
        "ballast.toml",
        r#"
[http]
listen = 8420
port = 8420
"#,
        &[
            r#"ballast.toml: http.listen = 8420: expected an IP address and port such as "127.0.0.1:8420""#,
            "ballast.toml: http.port = 8420: unknown key; expected one of: listen, token, open_reads",
        ],
    ),
    (
        "ballast.toml",
        r#"
[heartbeat]
every = "0s"
[[notify]]
kind = "pagerduty"
url = "https://events.example/"
[[notify]]
kind = "webhook"
secret = "s3cret"
min_severity = "loud"
"#,
        &[
            r#"ballast.toml: heartbeat.every = "0s": expected a duration from 1ms to 1day, such as "60s""#,
            r#"ballast.toml: heartbeat.url: missing; expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
            r#"ballast.toml: notify[0].kind = "pagerduty": not yet supported; expected "webhook""#,
            r#"ballast.toml: notify[1].min_severity = "loud": expected "info", "warning" or "critical""#,
            r#"ballast.toml: notify[1].secret = "…" (6 characters, not shown): secrets are named, never contained; expected { env = "NAME" } or { file = "PATH" }"#,
            r#"ballast.toml: notify[1].url: missing; expected an http or https URL without user or password, { env = "NAME" } or { file = "PATH" }"#,
        ],
    ),
    (
        "ballast.toml",
        r#"
heartbeat = "https://beat.example/t0ken"
notify = "https://hook.example/t0ken"
"#,
        &[
            r#"ballast.toml: heartbeat = "https://beat.example/…": expected a table [heartbeat]"#,
            r#"ballast.toml: notify = "https://hook.example/…": expected tables [[notify]]"#,
        ],
    ),
    (
        "ballast.toml",
        r#"
store = "sqlite://x.db"
[htpp]
listen = "127.0.0.1:1"
"#,
        &[
            r#"ballast.toml: htpp = { listen = "127.0.0.1:1" }: unknown key, did you mean http? expected one of: store, http, heartbeat, notify, finance"#,
            r#"ballast.toml: store = "sqlite://x.db": expected a table [store]"#,
        ],
    ),
];
