//! What the journal has as final and the ledger does not have yet.

use alloy::primitives::{Address, B256, U256};
use ballast_chains::pool::ChainReceipt;
use sqlx::sqlite::SqliteRow;

use super::{Ledger, chain::Paid, read::text_of};
use crate::{
    store::{Cells, Statement, StoreError},
    submission::lifecycle::Outcome,
};

const CELLS: Cells = Cells::of("a nonce that waits for the ledger");
/// Most that are looked at in one go.
const MAX_WAITING: u64 = 512;

/// A nonce that is spent for good and not booked.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) wallet: Address,
    pub(super) nonce: u64,
    pub(super) product: String,
    pub(super) outcome: Outcome,
    /// The transaction that used it; unknown for some of somebody else.
    pub(super) hash: Option<B256>,
    /// Its receipt as the journal has it.
    pub(super) receipt: Option<Paid>,
    /// What was signed for it; `None` where nothing was, or another one was included.
    pub(super) signed: Option<Signed>,
    /// How many were signed.
    pub(super) attempts: u64,
    /// The action that was wanted last.
    pub(super) intended: Option<String>,
}

/// What is known of a nonce that is used, beside the books of the stretch it was used in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// Nothing: somebody else used the key.
    Unknown,
    /// The journal follows it, or has it for the ledger.
    UnderWay,
    /// The journal says that it is booked, and no entry is there.
    Gone,
    /// Its entry is there and names another block, or none.
    Elsewhere,
}

/// The attempt that was included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) action: String,
    pub(super) urgency: String,
    pub(super) why: String,
    pub(super) to: Address,
    pub(super) value: U256,
}

impl Ledger {
    /// All of a chain's, by wallet and nonce, at most 512; one that cannot be read is there as why.
    pub(super) async fn waiting(
        &self,
        chain_id: u64,
        chain: &str,
    ) -> Result<Vec<Result<Waiting, StoreError>>, StoreError> {
        let query = Statement::new(SELECT).with(chain_id).with(chain).with(MAX_WAITING);
        Ok(self.store.rows(query).await?.iter().map(waiting).collect())
    }

    /// How many final nonces of each chain are not booked; chains without any are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waiting_by_chain(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self.store.rows(Statement::new(COUNT)).await?;
        rows.iter()
            .map(|row| Ok((CELLS.get(row, "chain")?, CELLS.unsigned(row, "count")?)))
            .collect()
    }

    /// What is known of a nonce that the books of a stretch do not have.
    pub(super) async fn trace(
        &self,
        (chain_id, wallet): (u64, Address),
        nonce: u64,
    ) -> Result<Trace, StoreError> {
        let query = Statement::new(SELECT_TRACE).with(chain_id).with(text_of(wallet)).with(nonce);
        let rows = self.store.rows(query).await?;
        let Some(row) = rows.first() else { return Ok(Trace::Unknown) };
        let has = |column| CELLS.unsigned(row, column).map(|count| count > 0);
        Ok(match (has("entries")?, has("waits")?, has("marked")?) {
            (true, _, _) => Trace::Elsewhere,
            (false, true, _) => Trace::UnderWay,
            (false, false, true) => Trace::Gone,
            (false, false, false) => Trace::Unknown,
        })
    }
}

fn waiting(row: &SqliteRow) -> Result<Waiting, StoreError> {
    let receipt: Option<String> = CELLS.get(row, "receipt")?;
    let receipt = receipt.and_then(|text| serde_json::from_str::<ChainReceipt>(&text).ok());
    Ok(Waiting {
        wallet: CELLS.parse(row, "wallet")?,
        nonce: CELLS.unsigned(row, "nonce")?,
        product: CELLS.get(row, "product")?,
        outcome: CELLS.word(row, "outcome", Outcome::from_label)?,
        hash: CELLS.parse_known(row, "included_hash")?,
        receipt: receipt.and_then(Paid::of),
        signed: signed(row)?,
        attempts: CELLS.unsigned(row, "attempts")?,
        intended: CELLS.get(row, "intended")?,
    })
}

fn signed(row: &SqliteRow) -> Result<Option<Signed>, StoreError> {
    let Some(action) = CELLS.get::<Option<String>>(row, "action")? else { return Ok(None) };
    Ok(Some(Signed {
        action,
        urgency: CELLS.get(row, "urgency")?,
        why: CELLS.get::<Option<String>>(row, "why")?.unwrap_or_default(),
        to: CELLS.parse(row, "target")?,
        value: CELLS.parse(row, "value")?,
    }))
}

/// The reason stands in the event that was written with the attempt.
pub(crate) const SELECT: &str = "
SELECT s.wallet AS wallet, s.nonce AS nonce, s.product AS product, s.outcome AS outcome,
    s.included_hash AS included_hash, s.receipt AS receipt, a.target AS target, a.value AS value,
    i.action AS action, i.urgency AS urgency,
    (SELECT e.detail FROM events e WHERE e.chain_id = s.chain_id AND e.wallet = s.wallet
        AND e.nonce = s.nonce AND e.hash = a.hash AND e.kind = a.kind
        ORDER BY e.number LIMIT 1) AS why,
    (SELECT COUNT(*) FROM attempts n WHERE n.chain_id = s.chain_id AND n.wallet = s.wallet
        AND n.nonce = s.nonce) AS attempts,
    (SELECT l.action FROM intents l WHERE l.chain_id = s.chain_id AND l.wallet = s.wallet
        AND l.nonce = s.nonce ORDER BY l.number DESC LIMIT 1) AS intended
FROM slots s
LEFT JOIN attempts a ON a.hash = s.included_hash
LEFT JOIN intents i ON i.chain_id = a.chain_id AND i.wallet = a.wallet AND i.nonce = a.nonce
    AND i.number = a.intent
WHERE s.chain_id = $1 AND s.chain = $2 AND s.outcome IS NOT NULL AND s.booked IS NULL
ORDER BY s.wallet, s.nonce LIMIT $3";

const COUNT: &str = "
SELECT chain, COUNT(*) AS count FROM slots WHERE outcome IS NOT NULL AND booked IS NULL
GROUP BY chain ORDER BY chain";

const SELECT_TRACE: &str = "
SELECT
    (SELECT COUNT(*) FROM ledger_entries
        WHERE chain_id = $1 AND wallet = $2 AND nonce = $3) AS entries,
    (SELECT COUNT(*) FROM slots WHERE chain_id = $1 AND wallet = $2 AND nonce = $3
        AND booked IS NULL AND (outcome IS NOT NULL OR state <> 'planned')) AS waits,
    (SELECT COUNT(*) FROM slots WHERE chain_id = $1 AND wallet = $2 AND nonce = $3
        AND booked IS NOT NULL AND outcome IS NOT NULL) AS marked";
