//! The journal as people look through it: all wallets, the newest first, a page at a time.

use alloy::primitives::U256;
use ballast_chains::fees::extra::ExtraFees;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;

use super::{
    Journal,
    read::{CELLS, extra_fees},
};
use crate::store::{Statement, StoreError};

/// Most transactions of one page.
pub const MAX_PAGE: u32 = 200;

/// Which transactions of the journal are meant. `None`: all.
#[derive(Debug, Clone, Default)]
pub struct TransactionFilter {
    /// Of this product.
    pub product: Option<String>,
    /// Of this chain, by its name.
    pub chain: Option<String>,
    /// In this state: `signed`, `pending`, `included`, an outcome, or `open` for all without one.
    pub state: Option<String>,
    /// At most so many; never more than [`MAX_PAGE`].
    pub limit: u32,
    /// Those after this one.
    pub after: Option<Cursor>,
}

/// A place in the list: creation time, chain id, wallet and nonce of the last one that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    created_at: u64,
    chain_id: u64,
    wallet: String,
    nonce: u64,
}

/// One nonce of a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRow {
    /// The product's name.
    pub product: String,
    /// The chain's name.
    pub chain: String,
    /// Its id.
    pub chain_id: u64,
    /// Who sent it.
    pub wallet: String,
    /// Its nonce.
    pub nonce: u64,
    /// `signed`, `pending`, `included`, or its outcome.
    pub state: String,
    /// `confirmed`, `reverted`, `superseded` or `cancelled`; `null` until it is final.
    pub outcome: Option<String>,
    /// The action's name: of the attempt that was included, else of the newest.
    pub action: String,
    /// How urgent it was.
    pub urgency: String,
    /// The transaction that was included, else the newest attempt.
    pub hash: String,
    /// The block that holds it.
    pub block: Option<u64>,
    /// Status of its receipt: whether the call worked; `null` until it is included.
    pub succeeded: Option<bool>,
    /// Gas used.
    pub gas_used: Option<u64>,
    /// Wei per gas paid, decimal.
    pub effective_gas_price: Option<String>,
    /// All that it cost, wei, decimal.
    pub cost_wei: Option<String>,
    /// The part of it for publishing on layer 1, wei, decimal; `null` where the receipt names none.
    pub l1_fee_wei: Option<String>,
    /// The part of it that the operator of a layer 2 takes, wei, decimal; `null` where the receipt
    /// names none.
    pub operator_fee_wei: Option<String>,
    /// When the nonce was first used, seconds since 1970 by the wall clock.
    pub created_at: u64,
    /// All that was signed for it, the oldest first.
    pub attempts: Vec<AttemptRow>,
}

/// One signed transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Its hash.
    pub hash: String,
    /// `original`, `replacement` or `cancellation`.
    pub kind: String,
    /// The action that it carries out, or gives up.
    pub action: String,
    /// Which of the strategy's candidates.
    pub call: String,
    /// Offered wei per gas, decimal.
    pub max_fee_per_gas: String,
    /// Offered tip, wei per gas, decimal.
    pub max_priority_fee_per_gas: String,
    /// Gas limit.
    pub gas_limit: u64,
    /// The head at which it was signed.
    pub signed_at_block: u64,
}

impl Journal {
    /// A page of transactions, the newest first, and where the next page starts if there is one.
    ///
    /// # Errors
    /// When the store cannot be read or holds what this version does not write.
    pub async fn transactions(
        &self,
        filter: &TransactionFilter,
    ) -> Result<(Vec<TransactionRow>, Option<Cursor>), StoreError> {
        let limit = filter.limit.clamp(1, MAX_PAGE);
        let after = filter.after.as_ref();
        let query = Statement::new(SELECT)
            .with(filter.product.clone())
            .with(filter.chain.clone())
            .with(filter.state.clone())
            .with(after.map(|cursor| cursor.created_at))
            .with(after.map(|cursor| cursor.chain_id))
            .with(after.map(|cursor| cursor.wallet.clone()))
            .with(after.map(|cursor| cursor.nonce))
            .with(u64::from(limit).saturating_add(1));
        let mut page: Vec<TransactionRow> = Vec::new();
        for row in self.store.rows(query).await? {
            let next = transaction(&row)?;
            let attempt = attempt(&row)?;
            let key = |t: &TransactionRow| (t.chain_id, t.wallet.clone(), t.nonce);
            if page.last().map(key) != Some(key(&next)) {
                page.push(next);
            }
            if let Some(last) = page.last_mut() {
                last.add(attempt, CELLS.get(&row, "included_hash")?, CELLS.get(&row, "urgency")?);
            }
        }
        let whole = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = page.len() > whole;
        page.truncate(whole);
        let next = if more { page.last().map(Cursor::at) } else { None };
        Ok((page, next))
    }
}

impl TransactionRow {
    /// Takes the next attempt; the included one, or else the newest, speaks for the nonce.
    pub(super) fn add(&mut self, attempt: AttemptRow, included: Option<String>, urgency: String) {
        if included.is_none_or(|hash| hash == attempt.hash) {
            self.hash.clone_from(&attempt.hash);
            self.action.clone_from(&attempt.action);
            self.urgency = urgency;
        }
        self.attempts.push(attempt);
    }
}

impl Cursor {
    fn at(row: &TransactionRow) -> Self {
        Self {
            created_at: row.created_at,
            chain_id: row.chain_id,
            wallet: row.wallet.clone(),
            nonce: row.nonce,
        }
    }

    /// Reads what [`fmt::Display`](std::fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let cursor = Self {
            created_at: parts.next()?.parse().ok()?,
            chain_id: parts.next()?.parse().ok()?,
            wallet: parts.next()?.to_owned(),
            nonce: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(cursor)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}-{}", self.created_at, self.chain_id, self.wallet, self.nonce)
    }
}

pub(super) fn transaction(row: &SqliteRow) -> Result<TransactionRow, StoreError> {
    let gas_used: Option<i64> = CELLS.get(row, "gas_used")?;
    let gas_used = gas_used.and_then(|gas| u64::try_from(gas).ok());
    let price: Option<String> = CELLS.get(row, "effective_gas_price")?;
    let extra = extra_fees(row)?;
    let block: Option<i64> = CELLS.get(row, "included_block")?;
    let succeeded: Option<i64> = CELLS.get(row, "succeeded")?;
    Ok(TransactionRow {
        product: CELLS.get(row, "product")?,
        chain: CELLS.get(row, "chain")?,
        chain_id: CELLS.unsigned(row, "chain_id")?,
        wallet: CELLS.get(row, "wallet")?,
        nonce: CELLS.unsigned(row, "nonce")?,
        state: CELLS.get(row, "state")?,
        outcome: CELLS.get(row, "outcome")?,
        action: String::new(),
        urgency: String::new(),
        hash: String::new(),
        block: block.and_then(|block| u64::try_from(block).ok()),
        succeeded: succeeded.map(|status| status == 1),
        cost_wei: cost(gas_used, price.as_deref(), &extra),
        l1_fee_wei: extra.l1_fee.map(|fee| fee.to_string()),
        operator_fee_wei: extra.operator_fee.map(|fee| fee.to_string()),
        gas_used,
        effective_gas_price: price,
        created_at: CELLS.unsigned(row, "created_at")?,
        attempts: Vec::new(),
    })
}

pub(super) fn attempt(row: &SqliteRow) -> Result<AttemptRow, StoreError> {
    Ok(AttemptRow {
        hash: CELLS.get(row, "hash")?,
        kind: CELLS.get(row, "kind")?,
        action: CELLS.get(row, "action")?,
        call: CELLS.get(row, "label")?,
        max_fee_per_gas: CELLS.get(row, "max_fee_per_gas")?,
        max_priority_fee_per_gas: CELLS.get(row, "max_priority_fee_per_gas")?,
        gas_limit: CELLS.unsigned(row, "gas_limit")?,
        signed_at_block: CELLS.unsigned(row, "signed_at_block")?,
    })
}

/// `None` until it is included, or where a figure is missing or makes no sense.
fn cost(gas_used: Option<u64>, price: Option<&str>, extra: &ExtraFees) -> Option<String> {
    let price: U256 = price?.parse().ok()?;
    let execution = price.checked_mul(U256::from(gas_used?))?;
    Some(execution.checked_add(extra.total())?.to_string())
}

const SELECT: &str = "
SELECT s.*, a.hash, a.kind, a.label, a.gas_limit, a.signed_at_block,
    a.max_fee_per_gas, a.max_priority_fee_per_gas, i.action, i.urgency
FROM (
    SELECT * FROM slots
    WHERE (CAST($1 AS TEXT) IS NULL OR product = $1)
        AND (CAST($2 AS TEXT) IS NULL OR chain = $2)
        AND (CAST($3 AS TEXT) IS NULL OR state = $3 OR ($3 = 'open' AND outcome IS NULL))
        AND (CAST($4 AS BIGINT) IS NULL OR (created_at, chain_id, wallet, nonce) < ($4, $5, $6, $7))
    ORDER BY created_at DESC, chain_id DESC, wallet DESC, nonce DESC LIMIT $8
) s
JOIN attempts a ON a.chain_id = s.chain_id AND a.wallet = s.wallet AND a.nonce = s.nonce
JOIN intents i ON i.chain_id = a.chain_id AND i.wallet = a.wallet AND i.nonce = a.nonce
    AND i.number = a.intent
ORDER BY s.created_at DESC, s.chain_id DESC, s.wallet DESC, s.nonce DESC, a.number";
