//! Every key that a file may have: what it takes, what it is without being given, what it is for.
//!
//! One table serves the parser (unknown keys, defaults, the expected form in a problem) and the
//! reference in `config/README.md`, so the three cannot drift apart.

/// What a file of one kind may contain.
#[derive(Debug)]
pub(super) struct Schema {
    /// Path in the documentation: `ballast.toml`, `chains/*.toml`, …
    pub(super) file: &'static str,
    /// Keys that work.
    pub(super) keys: &'static [Key],
    /// Keys and tables whose feature does not exist yet.
    pub(super) later: &'static [&'static str],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// Full path inside the file.
    pub(super) path: &'static str,
    /// The expected form, as the object of "expected".
    pub(super) takes: &'static str,
    /// What holds if the key is not given.
    pub(super) default: Fallback,
    /// What a single environment variable can set of it.
    pub(super) shape: Shape,
    /// What it is for.
    pub(super) about: &'static str,
}

/// What holds if a key is not given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fallback {
    /// It has to be given.
    Required,
    /// This value, written as in a file but without quotes.
    Is(&'static str),
    /// Nothing, or something that follows from other keys; for people.
    Follows(&'static str),
}

/// How a key's value is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value; a variable may set it.
    Plain,
    /// `{ env = … }` or `{ file = … }`; a variable may set the place, not the secret.
    Secret,
    /// A list; no variable can set it.
    List,
    /// A table with keys that are not known here; variables may set values in it.
    Open,
}

use Fallback::{Follows, Is, Required};
use Shape::{List, Open, Plain, Secret};

const fn key(
    path: &'static str,
    takes: &'static str,
    default: Fallback,
    about: &'static str,
) -> Key {
    Key { path, takes, default, shape: Plain, about }
}

const fn compound(
    shape: Shape,
    path: &'static str,
    takes: &'static str,
    default: Fallback,
    about: &'static str,
) -> Key {
    Key { path, takes, default, shape, about }
}

impl Schema {
    /// The key with this path.
    pub(super) fn key(&self, path: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    /// Whether this is a key or table, or part of a table, that will work one day.
    pub(super) fn is_later(&self, path: &str) -> bool {
        self.later.iter().any(|later| is_within(path, later))
    }

    /// Whether this is a table of the file.
    pub(super) fn is_table(&self, path: &str) -> bool {
        self.names_under(path).next().is_some()
    }

    /// Names of all keys and tables directly in a table; the empty path is the file.
    pub(super) fn names_under(&self, table: &str) -> impl Iterator<Item = &'static str> {
        let prefix = if table.is_empty() { String::new() } else { format!("{table}.") };
        let mut names: Vec<&str> = self
            .keys
            .iter()
            .filter_map(|key| key.path.strip_prefix(&prefix)?.split('.').next())
            .collect();
        names.dedup();
        names.into_iter()
    }
}

fn is_within(path: &str, table: &str) -> bool {
    path.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Expected form of prices.
const GAS_PRICE: &str = "a gas price of at most 1000000 gwei, such as \"30 gwei\"";
/// Expected form of amounts.
const ETHER: &str = "an amount such as \"0.5 ether\" or \"30 gwei\"";
/// Expected form of amounts in US dollars.
const USD: &str = "US dollars above 0 with at most six decimals, such as 30000 or 99.5";
/// Expected form of durations that are not about single blocks.
const LONG_DURATION: &str = "a duration from 1s to 30days, such as \"6h\"";
/// Expected form of addresses that may hold a token.
const SECRET_URL: &str = "an http or https URL without user or password, { env = \"NAME\" } or \
                          { file = \"PATH\" }";
/// Expected form of accounts and cost centres.
const ACCOUNT: &str = "1 to 80 characters on one line, such as \"6100 Gas\"";
/// Expected form of endpoint lists.
const ENDPOINTS: &str = "a list of at least one endpoint: \"https://…\", { env = \"NAME\" }, \
                         or { url = …, ws = …, requests_per_second = 50 }";

/// `ballast.toml`, which may be missing.
pub(super) const BALLAST: Schema = Schema {
    file: "ballast.toml",
    keys: &[
        key(
            "store.url",
            "\"sqlite://PATH\", the path relative to the working directory or absolute",
            Is("sqlite://data/ballast.db"),
            "where journal and ledger live",
        ),
        key(
            "http.listen",
            "an IP address and port such as \"127.0.0.1:8420\"",
            Is("127.0.0.1:8420"),
            "page, API, metrics and health; port 0 takes a free one",
        ),
        compound(
            Secret,
            "http.token",
            "{ env = \"NAME\" } or { file = \"PATH\" } of at least 16 characters",
            Follows("pause and resume are refused"),
            "operator token: pauses, resumes, and reads from elsewhere than this machine",
        ),
        key(
            "http.open_reads",
            "true or false",
            Is("true"),
            "whether reads from this machine need no token; false behind a proxy on this machine",
        ),
        compound(
            Secret,
            "heartbeat.url",
            SECRET_URL,
            Follows("required in `[heartbeat]`"),
            "gets a POST as long as the keeper can do its work",
        ),
        key(
            "heartbeat.every",
            "a duration from 1ms to 1day, such as \"60s\"",
            Is("60s"),
            "time between heartbeats",
        ),
        compound(
            List,
            "notify",
            "tables [[notify]]",
            Follows("nobody"),
            "who is told what is wrong and when it is over",
        ),
        key(
            "finance.expense_account",
            ACCOUNT,
            Is("Gas expense"),
            "account of the journal that is debited with gas",
        ),
        key(
            "finance.wallet_account",
            ACCOUNT,
            Is("Keeper wallets"),
            "account of the journal that is credited with it, and debited with income",
        ),
        key(
            "finance.income_account",
            ACCOUNT,
            Is("Keeper income"),
            "account of the journal that is credited with income, such as a ripcord's reward",
        ),
        key(
            "finance.cost_centres.automated",
            ACCOUNT,
            Follows("the category's word"),
            "cost centre of products of this category that name none of their own",
        ),
        key("finance.cost_centres.composite", ACCOUNT, Follows("the category's word"), "the same"),
        key("finance.cost_centres.launch", ACCOUNT, Follows("the category's word"), "the same"),
        key("finance.cost_centres.other", ACCOUNT, Follows("the category's word"), "the same"),
    ],
    later: &[],
};

/// An entry of `notify`.
pub(super) const NOTIFY: Schema = Schema {
    file: "an entry of `notify`",
    keys: &[
        key("kind", "\"webhook\"", Required, "how it is told"),
        compound(Secret, "url", SECRET_URL, Required, "gets a POST of JSON for each alert"),
        compound(
            Secret,
            "secret",
            "{ env = \"NAME\" } or { file = \"PATH\" }",
            Follows("alerts are not signed"),
            "signs alerts: HMAC-SHA256 in the header X-Ballast-Signature",
        ),
        key(
            "min_severity",
            "\"info\", \"warning\" or \"critical\"",
            Is("warning"),
            "less severe alerts are not sent",
        ),
    ],
    later: &[],
};

/// `chains/*.toml`.
pub(super) const CHAIN: Schema = Schema {
    file: "chains/*.toml",
    keys: &[
        key("chain_id", "a whole number above 0", Required, "what every endpoint must report"),
        key(
            "fee_model",
            "\"eip1559\", \"legacy\" or \"op-stack\"",
            Is("eip1559"),
            "how transactions are priced; `legacy`: by one gas price, all of which is paid; \
             `op-stack`: as `eip1559`, and L1 data and operator fees on top",
        ),
        key(
            "block_time",
            "a duration from 1ms to 1day, such as \"12s\"",
            Is("12s"),
            "expected time between blocks",
        ),
        key(
            "finality",
            "\"safe\" or \"finalized\"",
            Follows("`confirmations` decides"),
            "final is what the node tags so; instead of `confirmations`",
        ),
        key(
            "confirmations",
            "a whole number from 1 to 10000",
            Is("12"),
            "final is what has so many blocks, its own included",
        ),
        key(
            "native_symbol",
            "1 to 12 letters or digits, such as \"ETH\"",
            Is("ETH"),
            "the native currency, for people",
        ),
        key("explorer", "an http or https URL", Follows("no links"), "block explorer, for links"),
        compound(
            List,
            "rpc",
            ENDPOINTS,
            Required,
            "endpoints to read from, in order of preference",
        ),
        compound(
            List,
            "send",
            "a list of endpoints as in rpc, without ws",
            Follows("all of `rpc`"),
            "endpoints that get raw transactions",
        ),
        compound(
            List,
            "private_send",
            "a list of endpoints as in rpc, without ws",
            Follows("none"),
            "endpoints that get the raw transactions of products with `private = true`",
        ),
        key(
            "public_after",
            "a whole number from 1 to 10000",
            Follows("never"),
            "blocks after which a private transaction that is not included goes to `send` too",
        ),
        key(
            "request_timeout",
            "a duration from 1ms to 1day, such as \"3s\"",
            Is("3s"),
            "longest wait for one answer of one endpoint",
        ),
        key(
            "stale_after",
            "a duration from 1ms to 1day, such as \"30s\"",
            Follows("5 × `block_time`, at least 30s"),
            "nothing is sent on a head older than this",
        ),
        key(
            "min_turn_interval",
            "a duration from 0s to 1day, such as \"1s\"",
            Is("0s"),
            "shortest time between two turns of a product",
        ),
        key(
            "assess_timeout",
            "a duration from 1ms to 1day, such as \"24s\"",
            Follows("2 × `block_time`, at least 3s"),
            "longest time of one assessment",
        ),
        key(
            "chunk_gas",
            "a whole number from 1000000 to 1000000000",
            Is("30000000"),
            "most gas that one batched `eth_call` asks for",
        ),
        key(
            "max_lag",
            "a whole number from 0 to 10000",
            Is("3"),
            "blocks an endpoint may lag behind and still be read from",
        ),
        key(
            "native_usd_heartbeat",
            LONG_DURATION,
            Is("25h"),
            "a price older than this, by the block's time, is not used",
        ),
        key(
            "sequencer_grace",
            "a duration from 0s to 30days, such as \"1h\"",
            Is("1h"),
            "how long routine work waits after an outage of the sequencer",
        ),
        key(
            "fees.max_fee_per_gas",
            GAS_PRICE,
            Is("300 gwei"),
            "most that routine and prompt transactions may offer",
        ),
        key(
            "fees.emergency_max_fee_per_gas",
            "a gas price of at most 1000000 gwei, not below fees.max_fee_per_gas",
            Follows("10 × `fees.max_fee_per_gas`"),
            "most that an emergency transaction may offer",
        ),
        key(
            "fees.min_priority_fee_per_gas",
            "a gas price not above fees.max_fee_per_gas, such as \"0.001 gwei\"",
            Is("0 gwei"),
            "least tip offered",
        ),
        key(
            "fees.relative_cap",
            "a whole number from 1 to 1000",
            Is("5"),
            "most times the market's current price that may be offered",
        ),
        key(
            "fees.replacement_bump_percent",
            "a percentage from 10 to 100 with at most two decimals, such as 12.5",
            Is("12.5"),
            "raise of both fee fields by a replacement",
        ),
        key(
            "treasury_safe",
            ADDRESS,
            Follows("no top-ups are prepared"),
            "the Safe that pays for this chain's wallets; `ballast gas runway` prepares its transfers",
        ),
        key(
            "contracts.multicall3",
            ADDRESS,
            Is("0xcA11bde05977b3631167028862bE2a173976CA11"),
            "batches reads; without code there, reads go one by one",
        ),
        key(
            "contracts.native_usd_feed",
            ADDRESS,
            Follows("no price, so no budgets"),
            "a Chainlink feed of US dollars per native coin",
        ),
        key(
            "contracts.sequencer_uptime_feed",
            ADDRESS,
            Follows("not looked at"),
            "a Chainlink feed that says whether the sequencer of a layer 2 is up",
        ),
    ],
    later: &[],
};

/// Expected form of addresses.
pub(super) const ADDRESS: &str =
    "an address: 0x and 40 hexadecimal digits, with EIP-55 checksum or all in lower case";

/// One endpoint of `rpc`, `send` or `private_send`.
pub(super) const ENDPOINT: Schema = Schema {
    file: "an endpoint of `rpc`, `send` or `private_send`",
    keys: &[
        compound(
            Secret,
            "url",
            "an http or https URL without user or password, { env = \"NAME\" } or { file = \"PATH\" }",
            Required,
            "where requests go",
        ),
        compound(
            Secret,
            "ws",
            "a ws or wss URL without user or password, { env = \"NAME\" } or { file = \"PATH\" }",
            Follows("new heads by polling"),
            "where new heads come from; only in `rpc`",
        ),
        key(
            "requests_per_second",
            "a whole number from 1 to 1000000",
            Follows("no limit"),
            "most requests per second",
        ),
        key(
            "archive",
            "true or false",
            Is("false"),
            "it has the state after every block there ever was; `gas reconcile` proves with it; only in \
             `rpc`",
        ),
    ],
    later: &[],
};

/// What holds of the keys that say which kind of wallet it is.
const ONE_WALLET: &str = "exactly one of `wallet.key`, `wallet.keystore`, `wallet.aws_kms` and \
                          `wallet.address` is required";

/// `products/*.toml`.
pub(super) const PRODUCT: Schema = Schema {
    file: "products/*.toml",
    keys: &[
        key("strategy", "the name of a strategy", Required, "the kind of product"),
        key("chain", "the name of a file in chains/", Required, "the chain it lives on"),
        key(
            "category",
            "\"automated\", \"composite\", \"launch\" or \"other\"",
            Is("other"),
            "what its costs are counted to in reports",
        ),
        key(
            "cost_centre",
            ACCOUNT,
            Follows("that of its category in `[finance.cost_centres]`"),
            "its cost centre in the journal of `ballast gas report`",
        ),
        key(
            "mode",
            "\"normal\", \"delever_only\" or \"paused\"",
            Is("normal"),
            "what the keeper may do; `delever_only` sends nothing that raises the product's exposure",
        ),
        key("paused", "true or false", Is("false"), "sends nothing; wins over `ballast resume`"),
        key("dry_run", "true or false", Is("false"), "everything but the broadcast"),
        key(
            "private",
            "true or false",
            Is("false"),
            "transactions go to the chain's `private_send` only",
        ),
        key(
            "public_after",
            "a whole number from 1 to 10000, or \"never\"",
            Follows("the chain's"),
            "blocks after which a private transaction goes public too; only with `private = true`",
        ),
        compound(
            Secret,
            "wallet.key",
            "{ env = \"NAME\" } or { file = \"PATH\" }",
            Follows(ONE_WALLET),
            "the private key that signs",
        ),
        key(
            "wallet.keystore",
            "the path of a file, relative to this directory or absolute",
            Follows(ONE_WALLET),
            "the encrypted key that signs (web3 secret storage, version 3)",
        ),
        compound(
            Secret,
            "wallet.password",
            "{ env = \"NAME\" } or { file = \"PATH\" }",
            Follows("required with `wallet.keystore`"),
            "opens the keystore",
        ),
        key(
            "wallet.aws_kms",
            "a key id, ARN or alias of AWS KMS",
            Follows(ONE_WALLET),
            "the key in AWS KMS that signs",
        ),
        key(
            "wallet.address",
            ADDRESS,
            Follows(ONE_WALLET),
            "watch-only: decides and simulates from here, sends nothing",
        ),
        key(
            "limits.max_fee_per_gas",
            GAS_PRICE,
            Follows("the chain's"),
            "most that routine and prompt transactions may offer",
        ),
        key(
            "limits.max_transaction_cost",
            ETHER,
            Follows("no limit"),
            "most that a routine or prompt transaction may cost",
        ),
        key("limits.min_balance", ETHER, Follows("no warning"), "warns below this wallet balance"),
        key(
            "limits.min_runway",
            "whole days from 1day to 30days, such as \"14days\"",
            Is("14days"),
            "warns when the balance may last shorter: 95 of 100 starts in the last year's costs reach it",
        ),
        key(
            "limits.monthly_budget_usd",
            USD,
            Follows("no limit"),
            "what routine work may cost in a UTC month; needs the chain's `contracts.native_usd_feed`",
        ),
        key(
            "limits.hard_budget_usd",
            "US dollars with at most six decimals, not below limits.monthly_budget_usd",
            Follows("no limit"),
            "what everything may cost in a UTC month, emergencies included; needs the same feed",
        ),
        key(
            "limits.routine_base_fee",
            GAS_PRICE,
            Follows("routine work does not wait for a cheap block"),
            "routine work waits while the next block's base fee is above this …",
        ),
        key(
            "limits.routine_patience",
            LONG_DURATION,
            Is("6h"),
            "… and at most so long after it became due, by the blocks' time",
        ),
        key(
            "limits.act_after_blocks",
            "a whole number from 0 to 10000",
            Is("0"),
            "acts only on what is still due so many blocks later: left to another keeper with a \
             wallet of its own; 0: at once",
        ),
        compound(
            List,
            "rpc",
            ENDPOINTS,
            Follows("the chain's"),
            "endpoints of its own, shared with nobody",
        ),
        compound(
            Open,
            "params",
            "a table of the strategy's own keys",
            Follows("empty"),
            "the strategy's own, see the README of its folder",
        ),
    ],
    later: &[],
};

/// Expected form of a strategy's key whose type does not tell.
pub(super) const PARAM: &str = "the form in the strategy's README (addresses are 0x and 40 \
                                hexadecimal digits)";

/// All keys of all files as Markdown tables.
pub(super) fn reference() -> String {
    let mut text = String::new();
    for schema in [&BALLAST, &NOTIFY, &CHAIN, &ENDPOINT, &PRODUCT] {
        text.push_str(&format!("### {}\n\n", schema.file));
        text.push_str("| key | takes | default | what it is for |\n| --- | --- | --- | --- |\n");
        for key in schema.keys {
            let default = match key.default {
                Required => "**required**".to_owned(),
                Is(value) => format!("`{value}`"),
                Follows(words) => words.to_owned(),
            };
            let row = format!("| `{}` | {} | {default} | {} |\n", key.path, key.takes, key.about);
            text.push_str(&row);
        }
        let later: Vec<String> = schema.later.iter().map(|key| format!("`{key}`")).collect();
        if later.is_empty() {
            text.push('\n');
        } else {
            text.push_str(&format!("\nNot yet supported, and refused: {}.\n\n", later.join(", ")));
        }
    }
    text
}
