//! The tables. Times are seconds since 1970, amounts decimal text, hashes and addresses lower-case
//! hexadecimal text.
//!
//! A slot is one nonce of one wallet; intents are what it was used for (more than one if a more
//! urgent action took it over), attempts the transactions signed for it, answers what each endpoint
//! last said of each. `events` is the whole story of a slot, and nothing in it is ever changed.

use std::borrow::Cow;

use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

const FIRST: &str = "
CREATE TABLE slots (
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    chain TEXT NOT NULL,
    product TEXT NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT,
    included_hash TEXT,
    included_block BIGINT,
    included_block_hash TEXT,
    succeeded BIGINT,
    gas_used BIGINT,
    effective_gas_price TEXT,
    receipt TEXT,
    postcondition TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (chain_id, wallet, nonce)
);
CREATE INDEX slots_unfinal ON slots (chain_id, wallet) WHERE outcome IS NULL;
CREATE INDEX slots_by_product ON slots (product, nonce);
CREATE TABLE intents (
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    number BIGINT NOT NULL,
    product TEXT NOT NULL,
    action TEXT NOT NULL,
    answers TEXT NOT NULL,
    urgency TEXT NOT NULL,
    deadline BIGINT,
    expects TEXT,
    max_fee_per_gas TEXT NOT NULL,
    max_transaction_cost TEXT,
    found_at_block BIGINT NOT NULL,
    PRIMARY KEY (chain_id, wallet, nonce, number),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots (chain_id, wallet, nonce)
);
CREATE INDEX intents_by_identity ON intents (product, action, answers);
CREATE TABLE attempts (
    hash TEXT PRIMARY KEY,
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    number BIGINT NOT NULL,
    intent BIGINT NOT NULL,
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    raw TEXT NOT NULL,
    target TEXT NOT NULL,
    calldata TEXT NOT NULL,
    value TEXT NOT NULL,
    gas_limit BIGINT NOT NULL,
    max_fee_per_gas TEXT NOT NULL,
    max_priority_fee_per_gas TEXT NOT NULL,
    signed_at_block BIGINT NOT NULL,
    UNIQUE (chain_id, wallet, nonce, number),
    FOREIGN KEY (chain_id, wallet, nonce, intent)
        REFERENCES intents (chain_id, wallet, nonce, number)
);
CREATE TABLE answers (
    hash TEXT NOT NULL REFERENCES attempts (hash),
    endpoint TEXT NOT NULL,
    verdict TEXT NOT NULL,
    detail TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    PRIMARY KEY (hash, endpoint)
);
CREATE TABLE events (
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    hash TEXT,
    block_number BIGINT,
    detail TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (chain_id, wallet, nonce, number),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots (chain_id, wallet, nonce)
);
CREATE TABLE last_decisions (
    product TEXT PRIMARY KEY,
    chain TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash TEXT NOT NULL,
    block_timestamp BIGINT NOT NULL,
    kind TEXT NOT NULL,
    action TEXT,
    urgency TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    inputs TEXT NOT NULL
);
CREATE TABLE notable_decisions (
    product TEXT NOT NULL,
    number BIGINT NOT NULL,
    chain TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash TEXT NOT NULL,
    block_timestamp BIGINT NOT NULL,
    kind TEXT NOT NULL,
    action TEXT,
    urgency TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    inputs TEXT NOT NULL,
    PRIMARY KEY (product, number)
);
";

const PAUSES_AND_SERIES: &str = "
CREATE TABLE pauses (
    product TEXT NOT NULL,
    number BIGINT NOT NULL,
    paused_at BIGINT NOT NULL,
    paused_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    resumed_at BIGINT,
    resumed_by TEXT,
    PRIMARY KEY (product, number)
);
CREATE TABLE series (
    product TEXT NOT NULL,
    name TEXT NOT NULL,
    which TEXT NOT NULL,
    resolution BIGINT NOT NULL,
    bucket BIGINT NOT NULL,
    at BIGINT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (product, name, which, resolution, bucket)
);
CREATE INDEX slots_by_time ON slots (created_at, chain_id, wallet, nonce);
";

/// From where on the nonces of a wallet are accounted for. A slot may have the outcome `foreign`
/// and no attempt: somebody else used the key. One that is `planned` has neither; its transaction
/// fell away again.
const LANES: &str = "
CREATE TABLE lanes (
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    chain TEXT NOT NULL,
    product TEXT NOT NULL,
    first_nonce BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (chain_id, wallet)
);
INSERT INTO lanes (chain_id, wallet, chain, product, first_nonce, opened_at)
SELECT chain_id, wallet, MIN(chain), MIN(product), MIN(nonce), MIN(created_at)
FROM slots GROUP BY chain_id, wallet;
";

/// What an intent did to the product's exposure when it was found; unknown for older rows.
const EXPOSURE: &str = "ALTER TABLE intents ADD COLUMN exposure TEXT;";

/// What a transaction has cost beside gas × price, wei: `NULL` where its receipt names none, and for
/// older rows, whose receipts say. Of an attempt the most that was expected of both together.
const EXTRA_FEES: &str = "
ALTER TABLE slots ADD COLUMN l1_fee TEXT;
ALTER TABLE slots ADD COLUMN operator_fee TEXT;
ALTER TABLE attempts ADD COLUMN extra_fee TEXT;
";

/// Whether an operator ordered an attempt; of older rows that is not known, and they were not.
const ORDERED: &str = "ALTER TABLE attempts ADD COLUMN by_order BIGINT NOT NULL DEFAULT 0;";

/// All migrations, oldest first. A migration that was released is never changed: the store of
/// somebody has its checksum.
pub(super) fn migrations() -> Migrator {
    let simple = |version, description: &'static str, sql: &'static str| {
        let description = Cow::Borrowed(description);
        Migration::new(version, description, MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        simple(1, "journal and decisions", FIRST),
        simple(2, "costs and what the guard remembers", super::spending::TABLES),
        simple(3, "pauses and series", PAUSES_AND_SERIES),
        simple(4, "first nonces of lanes", LANES),
        simple(5, "since which block actions are due", super::spending::DUE_BLOCKS),
        simple(6, "exposure of intents", EXPOSURE),
        simple(7, "the ledger", crate::ledger::tables::TABLES),
        simple(8, "fees beside gas", EXTRA_FEES),
        simple(9, "what products act on", super::agreements::TABLES),
        simple(10, "sums of the ledger", crate::finance::sums::INDEX),
        simple(11, "what reconciliations found", crate::ledger::tables::VERDICTS),
        simple(12, "attempts that were ordered", ORDERED),
    ])
}
