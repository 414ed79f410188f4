//! `ballast.toml`, and whom it tells what is wrong.

use super::{
    ACCOUNT,
    Fallback::{Follows, Is, Required},
    Schema,
    Shape::{List, Secret},
    compound, key,
};

/// Expected form of addresses that may hold a token.
const SECRET_URL: &str = "an http or https URL without user or password, { env = \"NAME\" } or \
                          { file = \"PATH\" }";

/// `ballast.toml`, which may be missing.
pub(in crate::config) const BALLAST: Schema = Schema {
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
pub(in crate::config) const NOTIFY: Schema = Schema {
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
