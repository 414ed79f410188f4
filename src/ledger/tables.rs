//! The ledger's tables. Amounts are decimal text, wei unless said otherwise; times are seconds
//! since 1970 by the blocks' clock.

/// Migration: what left each wallet, what came in, and what it held at which block.
///
/// `slots.booked` is the queue: a slot that is final and not booked waits for the ledger. It is
/// set in the transaction that writes the entry, and taken back in the one that opens the slot
/// again, so nothing is lost or booked twice however the process ends.
pub(crate) const TABLES: &str = "
CREATE TABLE ledger_entries (
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    chain TEXT NOT NULL,
    hash TEXT NOT NULL,
    product TEXT NOT NULL,
    category TEXT NOT NULL,
    action TEXT NOT NULL,
    urgency TEXT,
    why TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    succeeded BIGINT NOT NULL,
    gas_used BIGINT NOT NULL,
    effective_gas_price TEXT NOT NULL,
    execution_fee TEXT NOT NULL,
    l1_fee TEXT NOT NULL,
    operator_fee TEXT NOT NULL,
    blob_fee TEXT NOT NULL,
    cost TEXT NOT NULL,
    value TEXT NOT NULL,
    native_usd TEXT,
    price_round TEXT,
    price_updated_at BIGINT,
    usd_micro TEXT,
    unpriced TEXT,
    settled BIGINT NOT NULL,
    income TEXT,
    tokens TEXT,
    slippage TEXT,
    facts TEXT,
    block_number BIGINT NOT NULL,
    block_hash TEXT NOT NULL,
    block_timestamp BIGINT NOT NULL,
    booked_at BIGINT NOT NULL,
    PRIMARY KEY (chain_id, wallet, nonce)
);
CREATE INDEX ledger_entries_by_time ON ledger_entries (block_timestamp);
CREATE INDEX ledger_entries_by_product ON ledger_entries (product, block_timestamp);
CREATE INDEX ledger_entries_by_block ON ledger_entries (chain_id, wallet, block_number);
CREATE INDEX ledger_entries_unpriced ON ledger_entries (chain_id, product)
    WHERE native_usd IS NULL;
CREATE INDEX ledger_entries_unsettled ON ledger_entries (chain_id, product) WHERE settled = 0;
CREATE TABLE ledger_inflows (
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    number BIGINT NOT NULL,
    chain TEXT NOT NULL,
    product TEXT NOT NULL,
    wei TEXT NOT NULL,
    source TEXT NOT NULL,
    counterparty TEXT,
    hash TEXT,
    block_hash TEXT NOT NULL,
    block_timestamp BIGINT NOT NULL,
    booked_at BIGINT NOT NULL,
    PRIMARY KEY (chain_id, wallet, block_number, number)
);
CREATE INDEX ledger_inflows_by_time ON ledger_inflows (block_timestamp);
CREATE TABLE ledger_checkpoints (
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    chain TEXT NOT NULL,
    product TEXT NOT NULL,
    block_hash TEXT NOT NULL,
    block_timestamp BIGINT NOT NULL,
    balance TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    PRIMARY KEY (chain_id, wallet, block_number)
);
ALTER TABLE slots ADD COLUMN booked BIGINT;
CREATE INDEX slots_unbooked ON slots (chain_id, product, wallet, nonce)
    WHERE outcome IS NOT NULL AND booked IS NULL;
";

/// Migration: up to which block each wallet's books were reconciled last, and the stretch of blocks
/// that they do not explain, while there is one.
pub(crate) const VERDICTS: &str = "
CREATE TABLE ledger_verdicts (
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    chain TEXT NOT NULL,
    product TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    block_timestamp BIGINT NOT NULL,
    unexplained_from BIGINT,
    unexplained_to BIGINT,
    problem TEXT,
    PRIMARY KEY (chain_id, wallet)
);
";
