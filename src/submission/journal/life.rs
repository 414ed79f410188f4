//! One nonce's whole life, as people read it: every attempt, what every endpoint said of it, every
//! event in order.

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;

use super::{
    Journal, TransactionRow,
    list::{attempt, transaction},
    read::CELLS,
};
use crate::store::{Statement, StoreError};

/// Most nonces that one answer tells of; a number alone may be a nonce of several wallets.
pub const MAX_LIVES: u32 = 20;

/// Whose life is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeOf {
    /// Of that nonce, of whichever wallet.
    Nonce(u64),
    /// Of the nonce at which this transaction was signed, or that it used up; lower case.
    Hash(String),
}

impl LifeOf {
    /// Reads a nonce or a transaction hash.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix("0x") {
            let is_hash = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            return is_hash.then(|| Self::Hash(text.to_ascii_lowercase()));
        }
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // What the store cannot hold is no nonce.
        let nonce = text.parse().ok().filter(|nonce| i64::try_from(*nonce).is_ok());
        nonce.filter(|_| is_number).map(Self::Nonce)
    }
}

/// One nonce with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionLife {
    /// What it is and was signed for; without attempts where somebody else used the nonce.
    pub transaction: TransactionRow,
    /// Hash of the block that holds it.
    pub block_hash: Option<String>,
    /// Whether inclusion had its effect: `due`, `held`, `missed` or `unknown`.
    pub postcondition: Option<String>,
    /// What each endpoint last said of each attempt, by attempt.
    pub answers: Vec<AnswerRow>,
    /// Everything that happened, the oldest first.
    pub events: Vec<EventRow>,
}

/// An endpoint's last word on an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRow {
    /// The attempt.
    pub hash: String,
    /// The endpoint's label: host and port.
    pub endpoint: String,
    /// `accepted`, `rejected` or `ambiguous`.
    pub verdict: String,
    /// What it said.
    pub detail: String,
    /// The head at which it said so.
    pub block: u64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Its place in the order, from 1.
    pub number: u64,
    /// `original`, `replacement`, `cancellation`, `answer`, `included`, `reorged`,
    /// `postcondition`, `undone`, or an outcome.
    pub kind: String,
    /// The attempt that it is about.
    pub hash: Option<String>,
    /// The block that it is about, or the head at which it was noted.
    pub block: Option<u64>,
    /// In words.
    pub detail: String,
    /// When it was noted, seconds since 1970 by the wall clock.
    pub at: u64,
}

impl Journal {
    /// The lives of the nonces that are meant, the newest first, at most [`MAX_LIVES`].
    ///
    /// # Errors
    /// When the store cannot be read or holds what this version does not write.
    pub async fn lives(
        &self,
        of: &LifeOf,
        product: Option<&str>,
    ) -> Result<Vec<TransactionLife>, StoreError> {
        let query = match of {
            LifeOf::Nonce(nonce) => Statement::new(BY_NONCE).with(*nonce),
            LifeOf::Hash(hash) => Statement::new(BY_HASH).with(hash.as_str()),
        };
        let query = query.with(product.map(str::to_owned)).with(u64::from(MAX_LIVES));
        let mut lives = Vec::new();
        for row in self.store.rows(query).await? {
            lives.push(self.life(&row).await?);
        }
        Ok(lives)
    }

    async fn life(&self, row: &SqliteRow) -> Result<TransactionLife, StoreError> {
        let mut of = transaction(row)?;
        let included: Option<String> = CELLS.get(row, "included_hash")?;
        let ask = |sql| {
            let key = Statement::new(sql).with(of.chain_id).with(of.wallet.as_str());
            self.store.rows(key.with(of.nonce))
        };
        let (attempts, answers, events) =
            (ask(ATTEMPTS).await?, ask(ANSWERS).await?, ask(EVENTS).await?);
        for row in &attempts {
            of.add(attempt(row)?, included.clone(), CELLS.get(row, "urgency")?);
        }
        // Somebody else's transaction: nothing was signed for it.
        if attempts.is_empty() {
            of.hash = included.unwrap_or_default();
        }
        Ok(TransactionLife {
            transaction: of,
            block_hash: CELLS.get(row, "included_block_hash")?,
            postcondition: CELLS.get(row, "postcondition")?,
            answers: answers.iter().map(answer).collect::<Result<_, _>>()?,
            events: events.iter().map(event).collect::<Result<_, _>>()?,
        })
    }
}

fn answer(row: &SqliteRow) -> Result<AnswerRow, StoreError> {
    Ok(AnswerRow {
        hash: CELLS.get(row, "hash")?,
        endpoint: CELLS.get(row, "endpoint")?,
        verdict: CELLS.get(row, "verdict")?,
        detail: CELLS.get(row, "detail")?,
        block: CELLS.unsigned(row, "block_number")?,
    })
}

fn event(row: &SqliteRow) -> Result<EventRow, StoreError> {
    let block: Option<i64> = CELLS.get(row, "block_number")?;
    Ok(EventRow {
        number: CELLS.unsigned(row, "number")?,
        kind: CELLS.get(row, "kind")?,
        hash: CELLS.get(row, "hash")?,
        block: block.and_then(|block| u64::try_from(block).ok()),
        detail: CELLS.get(row, "detail")?,
        at: CELLS.unsigned(row, "at")?,
    })
}

const BY_NONCE: &str = "
SELECT * FROM slots WHERE nonce = $1 AND (CAST($2 AS TEXT) IS NULL OR product = $2)
ORDER BY created_at DESC, chain_id DESC, wallet DESC LIMIT $3";

const BY_HASH: &str = "
SELECT * FROM slots s WHERE (included_hash = $1 OR EXISTS (
    SELECT 1 FROM attempts a WHERE a.hash = $1 AND a.chain_id = s.chain_id
        AND a.wallet = s.wallet AND a.nonce = s.nonce))
    AND (CAST($2 AS TEXT) IS NULL OR product = $2)
ORDER BY created_at DESC, chain_id DESC, wallet DESC LIMIT $3";

const ATTEMPTS: &str = "
SELECT a.*, i.action, i.urgency FROM attempts a
JOIN intents i ON i.chain_id = a.chain_id AND i.wallet = a.wallet AND i.nonce = a.nonce
    AND i.number = a.intent
WHERE a.chain_id = $1 AND a.wallet = $2 AND a.nonce = $3 ORDER BY a.number";

const ANSWERS: &str = "
SELECT n.* FROM answers n JOIN attempts a ON a.hash = n.hash
WHERE a.chain_id = $1 AND a.wallet = $2 AND a.nonce = $3 ORDER BY a.number, n.endpoint";

const EVENTS: &str = "
SELECT * FROM events WHERE chain_id = $1 AND wallet = $2 AND nonce = $3 ORDER BY number";
