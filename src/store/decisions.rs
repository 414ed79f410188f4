//! Decisions: the last one of each product, and the ones worth looking back at.

use ballast_strategy_api::Observation;
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{Store, StoreError, statement::Statement};
use crate::runtime::LastDecision;

/// Notable decisions kept per product; the oldest fall out.
const MAX_NOTABLE: u64 = 500;

/// A decision as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionRow {
    /// The product's name.
    pub product: String,
    /// The chain's name.
    pub chain: String,
    /// The block that was read.
    pub block_number: u64,
    /// Its hash.
    pub block_hash: String,
    /// Its timestamp.
    pub block_timestamp: u64,
    /// `wait`, `act`, `blocked`, `refused`, `held`, `rehearsed` or `error`.
    pub kind: String,
    /// The action that was due, if one was.
    pub action: Option<String>,
    /// How urgent it was.
    pub urgency: Option<String>,
    /// Why, in fixed words.
    pub reason: String,
    /// The figures behind it, in words.
    pub detail: String,
    /// The observations, as JSON.
    #[serde(serialize_with = "as_json")]
    pub inputs: String,
    /// Whether it is kept beyond the next decision.
    #[serde(skip)]
    pub notable: bool,
}

/// An [`Observation`] read back: its numbers are exact decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObservation {
    /// Fixed name in snake case.
    pub name: String,
    /// Which of several alike; empty if there is one.
    pub of: String,
    /// The value.
    pub value: String,
    /// What the value counts.
    pub unit: String,
    /// Lower bound.
    pub min: Option<String>,
    /// Where it should be.
    pub target: Option<String>,
    /// Upper bound.
    pub max: Option<String>,
}

impl DecisionRow {
    /// The row for a decision; `notable` ones are kept beyond the next.
    pub fn new(product: &str, chain: &str, decision: &LastDecision, notable: bool) -> Self {
        let head = &decision.head;
        Self {
            product: product.to_owned(),
            chain: chain.to_owned(),
            block_number: head.number,
            block_hash: head.hash.to_string(),
            block_timestamp: head.timestamp,
            kind: decision.kind.to_owned(),
            action: decision.action.clone(),
            urgency: decision.urgency.map(str::to_owned),
            reason: decision.reason.clone(),
            detail: decision.detail.clone(),
            inputs: json_of(&decision.observations),
            notable,
        }
    }

    /// The observations that the decision was made from.
    pub fn inputs(&self) -> Vec<StoredObservation> {
        serde_json::from_str(&self.inputs).unwrap_or_default()
    }

    fn statements(&self) -> Vec<Statement> {
        let mut statements = vec![self.bind(Statement::new(UPSERT_LAST))];
        if self.notable {
            statements.push(self.bind(Statement::new(INSERT_NOTABLE)));
            statements
                .push(Statement::new(TRIM_NOTABLE).with(self.product.as_str()).with(MAX_NOTABLE));
        }
        statements
    }

    fn bind(&self, statement: Statement) -> Statement {
        statement
            .with(self.product.as_str())
            .with(self.chain.as_str())
            .with(self.block_number)
            .with(self.block_hash.as_str())
            .with(self.block_timestamp)
            .with(self.kind.as_str())
            .with(self.action.clone())
            .with(self.urgency.clone())
            .with(self.reason.as_str())
            .with(self.detail.as_str())
            .with(self.inputs.as_str())
    }

    fn read(row: &SqliteRow, notable: bool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            product: row.try_get("product")?,
            chain: row.try_get("chain")?,
            block_number: unsigned(row.try_get("block_number")?),
            block_hash: row.try_get("block_hash")?,
            block_timestamp: unsigned(row.try_get("block_timestamp")?),
            kind: row.try_get("kind")?,
            action: row.try_get("action")?,
            urgency: row.try_get("urgency")?,
            reason: row.try_get("reason")?,
            detail: row.try_get("detail")?,
            inputs: row.try_get("inputs")?,
            notable,
        })
    }
}

impl Store {
    /// Notes a decision, in its own time: nobody waits for it, and it is dropped and counted when
    /// the disk cannot follow. A store for reading only forgets it.
    pub fn note_decision(&self, row: DecisionRow) {
        if let Some(writer) = &self.inner.writer {
            writer.post(row.statements());
        }
    }

    /// As [`note_decision`](Self::note_decision), for all of a block.
    pub fn record_decisions(&self, rows: Vec<DecisionRow>) {
        if let (Some(writer), false) = (&self.inner.writer, rows.is_empty()) {
            writer.post(rows.iter().flat_map(DecisionRow::statements).collect());
        }
    }

    /// A product's last decision.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_decision(&self, product: &str) -> Result<Option<DecisionRow>, StoreError> {
        let rows = self.rows(Statement::new(SELECT_LAST).with(product)).await?;
        rows.first().map(|row| decode(row, false)).transpose()
    }

    /// A product's notable decisions, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn decisions(
        &self,
        product: &str,
        limit: u32,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        let query = Statement::new(SELECT_NOTABLE).with(product).with(u64::from(limit));
        self.rows(query).await?.iter().map(|row| decode(row, true)).collect()
    }
}

const UPSERT_LAST: &str = "
INSERT INTO last_decisions (product, chain, block_number, block_hash, block_timestamp, kind,
    action, urgency, reason, detail, inputs)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (product) DO UPDATE SET chain = excluded.chain, block_number = excluded.block_number,
    block_hash = excluded.block_hash, block_timestamp = excluded.block_timestamp,
    kind = excluded.kind, action = excluded.action, urgency = excluded.urgency,
    reason = excluded.reason, detail = excluded.detail, inputs = excluded.inputs";

const INSERT_NOTABLE: &str = "
INSERT INTO notable_decisions (product, number, chain, block_number, block_hash, block_timestamp,
    kind, action, urgency, reason, detail, inputs)
SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
FROM notable_decisions WHERE product = $1";

const TRIM_NOTABLE: &str = "
DELETE FROM notable_decisions WHERE product = $1 AND number <=
    (SELECT MAX(number) FROM notable_decisions WHERE product = $1) - $2";

const SELECT_LAST: &str = "SELECT * FROM last_decisions WHERE product = $1";

const SELECT_NOTABLE: &str =
    "SELECT * FROM notable_decisions WHERE product = $1 ORDER BY number DESC LIMIT $2";

fn decode(row: &SqliteRow, notable: bool) -> Result<DecisionRow, StoreError> {
    DecisionRow::read(row, notable)
        .map_err(|error| StoreError::Corrupt { what: "a decision", detail: error.to_string() })
}

/// What was written from an unsigned number.
fn unsigned(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

fn json_of(observations: &[Observation]) -> String {
    serde_json::to_string(observations).unwrap_or_else(|_| "[]".to_owned())
}

fn as_json<S: serde::Serializer>(inputs: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let value: serde_json::Value = serde_json::from_str(inputs).unwrap_or_default();
    value.serialize(serializer)
}
