//! Reading the ledger, row by row: a million rows pass without being held.

mod columns;

use alloy::primitives::Address;
use sqlx::{Row as _, sqlite::SqliteRow};

use self::columns::{Columns, checkpoint, entry, inflow};
use super::{
    Ledger,
    entry::{Checkpoint, Entry, Holder, Inflow},
};
use crate::{
    guard::budget,
    store::{Statement, StoreError},
};

/// Longer than any month, seconds: 32 days.
const BEYOND_A_MONTH: u64 = 32 * 86_400;

/// A stretch of block time, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first second.
    pub from: u64,
    /// The first second after it.
    pub until: u64,
}

impl Period {
    /// The UTC month that holds this moment.
    pub fn month_of(at: u64) -> Self {
        let from = budget::month_start(at);
        Self { from, until: budget::month_start(from.saturating_add(BEYOND_A_MONTH)) }
    }
}

/// Which rows are meant. `None`: all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In blocks of this time.
    pub period: Option<Period>,
    /// Of this chain, by its id.
    pub chain_id: Option<u64>,
    /// Of this wallet.
    pub wallet: Option<Address>,
    /// Of this product.
    pub product: Option<String>,
}

impl Filter {
    /// Everything of one wallet on one chain.
    pub fn wallet(chain_id: u64, wallet: Address) -> Self {
        Self { chain_id: Some(chain_id), wallet: Some(wallet), ..Self::default() }
    }

    fn on(&self, sql: &'static str) -> Statement {
        // An open end is a bound that no block reaches, so that the index on the time serves always.
        let period = self.period.unwrap_or(Period { from: 0, until: u64::MAX });
        Statement::new(sql)
            .with(period.from)
            .with(period.until)
            .with(self.chain_id)
            .with(self.wallet.map(text_of))
            .with(self.product.clone())
    }
}

impl Ledger {
    /// Hands every entry that is meant to `visit`, in the order of the blocks' time. One query, so
    /// what is booked meanwhile is not seen.
    ///
    /// # Errors
    /// When the store cannot be read, holds what this version does not write, or `visit` fails.
    pub async fn each_entry(
        &self,
        filter: &Filter,
        mut visit: impl FnMut(Entry) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        self.store.each_row(filter.on(ENTRIES), |row| visit(entry(row)?)).await
    }

    /// As [`each_entry`](Self::each_entry), of what came in.
    ///
    /// # Errors
    /// As there.
    pub async fn each_inflow(
        &self,
        filter: &Filter,
        mut visit: impl FnMut(Inflow) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        self.store.each_row(filter.on(INFLOWS), |row| visit(inflow(row)?)).await
    }

    /// As [`each_entry`](Self::each_entry), of what was held.
    ///
    /// # Errors
    /// As there.
    pub async fn each_checkpoint(
        &self,
        filter: &Filter,
        mut visit: impl FnMut(Checkpoint) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        self.store.each_row(filter.on(CHECKPOINTS), |row| visit(checkpoint(row)?)).await
    }
}

/// A stretch of one wallet's ledger: blocks after one and up to another, and the nonces used in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) chain_id: u64,
    pub(super) wallet: Address,
    pub(super) after: u64,
    pub(super) until: u64,
    /// The first nonce of it, and the one after its last.
    pub(super) nonces: (u64, u64),
}

impl Stretch {
    fn on(&self, sql: &'static str) -> Statement {
        Statement::new(sql)
            .with(self.chain_id)
            .with(text_of(self.wallet))
            .with(self.after)
            .with(self.until)
    }
}

impl Ledger {
    /// A page of the entries that are of a stretch by their block or by their nonce, in the order
    /// of the nonces; one that cannot be read is there with its nonce and why.
    pub(super) async fn page(
        &self,
        of: &Stretch,
        from_nonce: u64,
        limit: u64,
    ) -> Result<Vec<(u64, Result<Entry, StoreError>)>, StoreError> {
        let query = of.on(PAGE).with(of.nonces.0).with(of.nonces.1).with(from_nonce).with(limit);
        let read = |row: &SqliteRow| {
            let nonce: i64 = row.try_get("nonce").map_err(|error| StoreError::Corrupt {
                what: "an entry of the ledger",
                detail: error.to_string(),
            })?;
            Ok((u64::try_from(nonce).unwrap_or_default(), entry(row)))
        };
        self.store.rows(query).await?.iter().map(read).collect()
    }

    /// The inflows of a stretch, by block; one that cannot be read is there with its block and why.
    pub(super) async fn came(
        &self,
        of: &Stretch,
    ) -> Result<Vec<(u64, Result<Inflow, StoreError>)>, StoreError> {
        let read = |row: &SqliteRow| {
            let block: i64 = row.try_get("block_number").map_err(|error| StoreError::Corrupt {
                what: "an inflow of the ledger",
                detail: error.to_string(),
            })?;
            Ok((u64::try_from(block).unwrap_or_default(), inflow(row)))
        };
        self.store.rows(of.on(CAME)).await?.iter().map(read).collect()
    }

    /// The checkpoints of a wallet from a block to another, both included, ascending.
    pub(super) async fn held(
        &self,
        (chain_id, wallet): (u64, Address),
        (from, to): (u64, u64),
    ) -> Result<Vec<Checkpoint>, StoreError> {
        let query = Statement::new(HELD).with(chain_id).with(text_of(wallet)).with(from).with(to);
        self.store.rows(query).await?.iter().map(checkpoint).collect()
    }

    /// All wallets whose books have begun, by product and chain.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn holders(&self) -> Result<Vec<Holder>, StoreError> {
        let rows = self.store.rows(Statement::new(HOLDERS)).await?;
        rows.iter().map(|row| Columns::of(row, "a checkpoint of the ledger").holder()).collect()
    }

    /// The newest checkpoint of a wallet.
    pub(super) async fn newest(
        &self,
        chain_id: u64,
        wallet: Address,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let query = Statement::new(NEWEST).with(chain_id).with(text_of(wallet));
        self.store.rows(query).await?.first().map(checkpoint).transpose()
    }

    /// Entries on a chain whose price is still to be had, the newest first, at most so many. What
    /// cannot be read is left out: the reconciliation tells of it.
    pub(super) async fn unpriced(
        &self,
        (chain_id, chain): (u64, &str),
        limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let query = Statement::new(UNPRICED).with(chain_id).with(chain).with(limit);
        Ok(self.store.rows(query).await?.iter().filter_map(|row| entry(row).ok()).collect())
    }

    /// The same of a product, for which the strategy's word is still to be had.
    pub(super) async fn unsettled(
        &self,
        (chain_id, chain): (u64, &str),
        product: &str,
        limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let query = Statement::new(UNSETTLED).with(chain_id).with(chain).with(product).with(limit);
        Ok(self.store.rows(query).await?.iter().filter_map(|row| entry(row).ok()).collect())
    }

    /// The products on a chain that have such entries.
    pub(super) async fn unsettled_products(
        &self,
        (chain_id, chain): (u64, &str),
    ) -> Result<Vec<String>, StoreError> {
        let query = Statement::new(UNSETTLED_PRODUCTS).with(chain_id).with(chain);
        let rows = self.store.rows(query).await?;
        rows.iter().map(|row| Columns::of(row, "an entry of the ledger").text()).collect()
    }
}

macro_rules! entry_columns {
    () => {
        "chain_id, chain, wallet, product, nonce, hash, category, action, urgency, why, attempts,
        outcome, succeeded, gas_used, effective_gas_price, execution_fee, l1_fee, operator_fee,
        blob_fee, cost, value, native_usd, price_round, price_updated_at, unpriced, usd_micro,
        settled, income, tokens, slippage, facts, block_number, block_hash, block_timestamp,
        booked_at"
    };
}

macro_rules! filtered {
    () => {
        "WHERE block_timestamp >= $1 AND block_timestamp < $2
            AND (CAST($3 AS BIGINT) IS NULL OR chain_id = $3)
            AND (CAST($4 AS TEXT) IS NULL OR wallet = $4)
            AND (CAST($5 AS TEXT) IS NULL OR product = $5)"
    };
}

const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM ledger_entries ",
    filtered!(),
    " ORDER BY block_timestamp, chain_id, wallet, nonce"
);

const INFLOWS: &str = concat!(
    "SELECT chain_id, chain, wallet, product, block_number, block_hash, block_timestamp, number,
        wei, source, counterparty, hash, booked_at FROM ledger_inflows ",
    filtered!(),
    " ORDER BY block_timestamp, chain_id, wallet, number"
);

const CHECKPOINTS: &str = concat!(
    "SELECT chain_id, chain, wallet, product, block_number, block_hash, block_timestamp, balance,
        nonce FROM ledger_checkpoints ",
    filtered!(),
    " ORDER BY block_timestamp, chain_id, wallet"
);

const PAGE: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM ledger_entries
    WHERE chain_id = $1 AND wallet = $2 AND nonce >= $7
        AND ((block_number > $3 AND block_number <= $4) OR (nonce >= $5 AND nonce < $6))
    ORDER BY nonce LIMIT $8"
);

const CAME: &str = "
SELECT chain_id, chain, wallet, product, block_number, block_hash, block_timestamp, number, wei,
    source, counterparty, hash, booked_at FROM ledger_inflows
WHERE chain_id = $1 AND wallet = $2 AND block_number > $3 AND block_number <= $4
ORDER BY block_number, number";

const HELD: &str = "
SELECT chain_id, chain, wallet, product, block_number, block_hash, block_timestamp, balance, nonce
FROM ledger_checkpoints
WHERE chain_id = $1 AND wallet = $2 AND block_number >= $3 AND block_number <= $4
ORDER BY block_number";

/// A wallet is whose it was last.
const HOLDERS: &str = "
SELECT c.chain_id, c.chain, c.wallet, c.product FROM ledger_checkpoints c
WHERE c.block_number = (SELECT MAX(n.block_number) FROM ledger_checkpoints n
    WHERE n.chain_id = c.chain_id AND n.wallet = c.wallet)
ORDER BY c.product, c.chain, c.wallet";

const NEWEST: &str = "
SELECT chain_id, chain, wallet, product, block_number, block_hash, block_timestamp, balance, nonce
FROM ledger_checkpoints WHERE chain_id = $1 AND wallet = $2 ORDER BY block_number DESC LIMIT 1";

/// The last to be booked first: what an old block's state is needed for may never be had.
const UNPRICED: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM ledger_entries
    WHERE chain_id = $1 AND chain = $2 AND native_usd IS NULL
    ORDER BY block_number DESC LIMIT $3"
);

/// Apart from the prices, and product by product: what can never be had for one row must not stand
/// before what can for another.
const UNSETTLED: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM ledger_entries
    WHERE chain_id = $1 AND chain = $2 AND product = $3 AND settled = 0
    ORDER BY block_number DESC LIMIT $4"
);

const UNSETTLED_PRODUCTS: &str = "
SELECT DISTINCT product FROM ledger_entries WHERE chain_id = $1 AND chain = $2 AND settled = 0";

/// Lower-case hexadecimal text, as the journal has it.
pub(super) fn text_of(bytes: impl AsRef<[u8]>) -> String {
    alloy::primitives::hex::encode_prefixed(bytes)
}
