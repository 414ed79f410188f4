//! `chains/*.toml`, and the endpoints in it.

use super::{
    ADDRESS, ENDPOINTS,
    Fallback::{Follows, Is, Required},
    GAS_PRICE, LONG_DURATION, Schema,
    Shape::{List, Secret},
    compound, key,
};

/// `chains/*.toml`.
pub(in crate::config) const CHAIN: Schema = Schema {
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

/// One endpoint of `rpc`, `send` or `private_send`.
pub(in crate::config) const ENDPOINT: Schema = Schema {
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
