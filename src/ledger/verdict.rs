//! What the daily reconciliations came to. It is kept in the store, so that neither the next day nor
//! another process forgets what is not explained.

use alloy::primitives::Address;
use sqlx::sqlite::SqliteRow;

use super::{Ledger, entry::Holder, read::text_of};
use crate::store::{Cells, Statement, StoreError};

const CELLS: Cells = Cells::of("what a reconciliation found");

/// What is known of one wallet's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whose they are.
    pub(super) holder: Holder,
    /// They were reconciled up to this block.
    pub(super) block: u64,
    /// Its time, seconds since 1970.
    pub(super) at: u64,
    /// What they do not explain.
    pub(super) open: Option<Open>,
}

/// A stretch of blocks that the books do not explain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    /// The earliest block after which they do not.
    pub(super) from: u64,
    /// The latest block up to which they do not.
    pub(super) to: u64,
    /// What is wrong, in a line.
    pub(super) problem: String,
}

impl Open {
    /// Both together: from the earliest to the latest, and what was wrong first.
    pub(super) fn and(self, later: Option<Self>) -> Self {
        match later {
            Some(later) => {
                Self { from: self.from.min(later.from), to: self.to.max(later.to), ..self }
            }
            None => self,
        }
    }
}

impl Ledger {
    /// What is known of a wallet's books; `None` until they were reconciled once.
    pub(super) async fn verdict(
        &self,
        (chain_id, wallet): (u64, Address),
    ) -> Result<Option<Verdict>, StoreError> {
        let query = Statement::new(SELECT).with(chain_id).with(text_of(wallet));
        self.store.rows(query).await?.first().map(verdict).transpose()
    }

    /// The same of all wallets of a chain.
    pub(super) async fn verdicts(
        &self,
        chain_id: u64,
        chain: &str,
    ) -> Result<Vec<Verdict>, StoreError> {
        let query = Statement::new(SELECT_ALL).with(chain_id).with(chain);
        self.store.rows(query).await?.iter().map(verdict).collect()
    }

    /// Keeps it in the place of the one before.
    pub(super) async fn judge(&self, of: &Verdict) -> Result<(), StoreError> {
        let open = of.open.as_ref();
        let row = Statement::new(UPSERT)
            .with(of.holder.chain_id)
            .with(text_of(of.holder.wallet))
            .with(of.holder.chain.as_str())
            .with(of.holder.product.as_str())
            .with(of.block)
            .with(of.at)
            .with(open.map(|open| open.from))
            .with(open.map(|open| open.to))
            .with(open.map(|open| open.problem.clone()));
        self.store.commit(vec![row]).await
    }
}

/// Blocks after one are taken back: nothing after it was reconciled, or is unexplained. `of` makes
/// a statement for chain, wallet and block.
pub(super) fn take_back(of: impl Fn(&'static str) -> Statement, at: u64) -> [Statement; 2] {
    [of(REWIND).with(at), of(FORGET)]
}

fn verdict(row: &SqliteRow) -> Result<Verdict, StoreError> {
    let problem: Option<String> = CELLS.get(row, "problem")?;
    let open = match problem {
        Some(problem) => Some(Open {
            from: CELLS.unsigned(row, "unexplained_from")?,
            to: CELLS.unsigned(row, "unexplained_to")?,
            problem,
        }),
        None => None,
    };
    Ok(Verdict {
        holder: Holder {
            chain_id: CELLS.unsigned(row, "chain_id")?,
            chain: CELLS.get(row, "chain")?,
            wallet: CELLS.parse(row, "wallet")?,
            product: CELLS.get(row, "product")?,
        },
        block: CELLS.unsigned(row, "block_number")?,
        at: CELLS.unsigned(row, "block_timestamp")?,
        open,
    })
}

const SELECT: &str = "SELECT * FROM ledger_verdicts WHERE chain_id = $1 AND wallet = $2";

const SELECT_ALL: &str =
    "SELECT * FROM ledger_verdicts WHERE chain_id = $1 AND chain = $2 ORDER BY block_timestamp";

const UPSERT: &str = "
INSERT INTO ledger_verdicts (chain_id, wallet, chain, product, block_number, block_timestamp,
    unexplained_from, unexplained_to, problem)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (chain_id, wallet) DO UPDATE SET chain = excluded.chain, product = excluded.product,
    block_number = excluded.block_number, block_timestamp = excluded.block_timestamp,
    unexplained_from = excluded.unexplained_from, unexplained_to = excluded.unexplained_to,
    problem = excluded.problem";

const REWIND: &str = "
UPDATE ledger_verdicts SET block_number = $3, block_timestamp = $4
WHERE chain_id = $1 AND wallet = $2 AND block_number > $3";

const FORGET: &str = "
UPDATE ledger_verdicts SET unexplained_from = NULL, unexplained_to = NULL, problem = NULL
WHERE chain_id = $1 AND wallet = $2 AND unexplained_from >= $3";
