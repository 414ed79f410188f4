//! Rows as statements.

use alloy::primitives::{Address, U256};
use ballast_strategy_api::Settlement;

use super::{
    Ledger,
    entry::{BlockRef, Checkpoint, Entry, Holder, Inflow},
    read::text_of,
};
use crate::store::{Statement, StoreError};

impl Ledger {
    /// Books entries, and marks the journal's slots as booked in the same commit. One that is
    /// booked already stays as it is.
    ///
    /// # Errors
    /// When the store takes no writes.
    pub async fn book(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let batch = entries.iter().flat_map(|entry| [insert(entry), mark(entry)]).collect();
        self.store.commit(batch).await
    }

    /// Books what came in, and what was held after a block up to which everything is booked.
    ///
    /// # Errors
    /// When the store takes no writes.
    pub async fn book_inflows(
        &self,
        inflows: &[Inflow],
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), StoreError> {
        let held = checkpoint.map(hold);
        let batch = inflows.iter().map(inflow).chain(held).collect();
        self.store.commit(batch).await
    }
}

impl Ledger {
    /// Notes a price, and what the strategy says, of an entry that is booked.
    pub(super) async fn complete(&self, entry: &Entry) -> Result<(), StoreError> {
        let update = priced(at(COMPLETE, entry), entry);
        self.store.commit(vec![update]).await
    }

    /// Notes what was held, and forgets what was held at another block in its place.
    pub(super) async fn hold(
        &self,
        checkpoint: &Checkpoint,
        instead_of: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut batch = vec![hold(checkpoint)];
        if let Some(block) = instead_of {
            let holder = &checkpoint.holder;
            batch.push(
                Statement::new(DELETE_CHECKPOINT)
                    .with(holder.chain_id)
                    .with(text_of(holder.wallet))
                    .with(block),
            );
        }
        self.store.commit(batch).await
    }

    /// Has the journal give an entry again, which is not there any more.
    pub(super) async fn ask_again(
        &self,
        (chain_id, wallet): (u64, Address),
        nonce: u64,
    ) -> Result<(), StoreError> {
        let unmark = Statement::new(UNMARK).with(chain_id).with(text_of(wallet)).with(nonce);
        self.store.commit(vec![unmark]).await
    }

    /// Takes back what came in and was held after a block, and changes entries to what the chain
    /// says now; those that it does not have any more are taken back and wait for the journal. What
    /// was reconciled after the block was not.
    pub(super) async fn take_back(
        &self,
        (chain_id, wallet): (u64, Address),
        after: BlockRef,
        gone: &[Entry],
        moved: &[Entry],
    ) -> Result<(), StoreError> {
        let of = |sql| Statement::new(sql).with(chain_id).with(text_of(wallet)).with(after.number);
        let mut batch = vec![of(DELETE_INFLOWS), of(DELETE_CHECKPOINTS)];
        batch.extend(super::verdict::take_back(of, after.timestamp));
        batch.extend(gone.iter().chain(moved).map(|entry| at(DELETE_ENTRY, entry)));
        batch.extend(gone.iter().map(|entry| at(UNMARK, entry)));
        batch.extend(moved.iter().map(insert));
        self.store.commit(batch).await
    }
}

/// Takes the entry of a nonce back: the chain has taken back its block. For the journal, in the
/// commit that opens the nonce again.
pub(crate) fn withdraw(chain_id: u64, wallet: &str, nonce: u64) -> Statement {
    Statement::new(DELETE_ENTRY).with(chain_id).with(wallet).with(nonce)
}

fn at(sql: &'static str, entry: &Entry) -> Statement {
    Statement::new(sql)
        .with(entry.holder.chain_id)
        .with(text_of(entry.holder.wallet))
        .with(entry.nonce)
}

fn of_holder(sql: &'static str, holder: &Holder) -> Statement {
    Statement::new(sql)
        .with(holder.chain_id)
        .with(text_of(holder.wallet))
        .with(holder.chain.as_str())
        .with(holder.product.as_str())
}

fn insert(entry: &Entry) -> Statement {
    let costs = of_holder(INSERT_ENTRY, &entry.holder)
        .with(entry.nonce)
        .with(text_of(entry.hash))
        .with(entry.category.word())
        .with(entry.action.as_str())
        .with(entry.urgency.map(|urgency| urgency.as_str()))
        .with(entry.why.as_str())
        .with(entry.attempts)
        .with(entry.outcome.label())
        .with(u64::from(entry.succeeded))
        .with(entry.gas_used)
        .with(entry.effective_gas_price.to_string())
        .with(entry.fees.execution.to_string())
        .with(entry.fees.l1.to_string())
        .with(entry.fees.operator.to_string())
        .with(entry.fees.blob.to_string())
        .with(entry.cost.to_string())
        .with(entry.value.to_string());
    priced(costs, entry)
        .with(entry.block.number)
        .with(text_of(entry.block.hash))
        .with(entry.block.timestamp)
        .with(entry.booked_at)
}

/// What may be known only after the rest: the price, and what the strategy says.
fn priced(statement: Statement, entry: &Entry) -> Statement {
    let price = entry.price.as_ref().ok();
    let settlement = entry.settlement.as_ref();
    statement
        .with(price.map(|price| price.price.fixed18().to_string()))
        .with(price.map(|price| price.round.to_string()))
        .with(price.map(|price| price.updated_at))
        .with(entry.price.as_ref().err().cloned())
        .with(entry.usd.map(|usd| usd.micro().to_string()))
        .with(u64::from(settlement.is_some()))
        .with(settlement.and_then(income))
        .with(settlement.and_then(|settled| json(&settled.tokens)))
        .with(settlement.and_then(|settled| settled.slippage).map(|slippage| slippage.to_string()))
        .with(settlement.and_then(|settled| json(&settled.facts)))
}

/// `None` for nothing, as in most rows.
fn income(settlement: &Settlement) -> Option<String> {
    (settlement.income > U256::ZERO).then(|| settlement.income.to_string())
}

fn json<T: serde::Serialize>(list: &[T]) -> Option<String> {
    if list.is_empty() { None } else { serde_json::to_string(list).ok() }
}

fn mark(entry: &Entry) -> Statement {
    at(MARK, entry)
}

fn inflow(inflow: &Inflow) -> Statement {
    of_holder(INSERT_INFLOW, &inflow.holder)
        .with(inflow.block.number)
        .with(inflow.number)
        .with(inflow.wei.to_string())
        .with(inflow.source.label())
        .with(inflow.counterparty.map(text_of))
        .with(inflow.hash.map(text_of))
        .with(text_of(inflow.block.hash))
        .with(inflow.block.timestamp)
        .with(inflow.booked_at)
}

fn hold(checkpoint: &Checkpoint) -> Statement {
    of_holder(INSERT_CHECKPOINT, &checkpoint.holder)
        .with(checkpoint.block.number)
        .with(text_of(checkpoint.block.hash))
        .with(checkpoint.block.timestamp)
        .with(checkpoint.balance.to_string())
        .with(checkpoint.nonce)
}

const INSERT_ENTRY: &str = "
INSERT INTO ledger_entries (chain_id, wallet, chain, product, nonce, hash, category, action,
    urgency, why, attempts, outcome, succeeded, gas_used, effective_gas_price, execution_fee,
    l1_fee, operator_fee, blob_fee, cost, value, native_usd, price_round, price_updated_at,
    unpriced, usd_micro, settled, income, tokens, slippage, facts, block_number, block_hash,
    block_timestamp, booked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35)
ON CONFLICT (chain_id, wallet, nonce) DO NOTHING";

const MARK: &str = "UPDATE slots SET booked = 1 WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

const UNMARK: &str =
    "UPDATE slots SET booked = NULL WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

const DELETE_ENTRY: &str =
    "DELETE FROM ledger_entries WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

const DELETE_INFLOWS: &str =
    "DELETE FROM ledger_inflows WHERE chain_id = $1 AND wallet = $2 AND block_number > $3";

const DELETE_CHECKPOINTS: &str =
    "DELETE FROM ledger_checkpoints WHERE chain_id = $1 AND wallet = $2 AND block_number > $3";

const DELETE_CHECKPOINT: &str =
    "DELETE FROM ledger_checkpoints WHERE chain_id = $1 AND wallet = $2 AND block_number = $3";

const COMPLETE: &str = "
UPDATE ledger_entries SET native_usd = $4, price_round = $5, price_updated_at = $6, unpriced = $7,
    usd_micro = $8, settled = $9, income = $10, tokens = $11, slippage = $12, facts = $13
WHERE chain_id = $1 AND wallet = $2 AND nonce = $3";

const INSERT_INFLOW: &str = "
INSERT INTO ledger_inflows (chain_id, wallet, chain, product, block_number, number, wei, source,
    counterparty, hash, block_hash, block_timestamp, booked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (chain_id, wallet, block_number, number) DO NOTHING";

const INSERT_CHECKPOINT: &str = "
INSERT INTO ledger_checkpoints (chain_id, wallet, chain, product, block_number, block_hash,
    block_timestamp, balance, nonce)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (chain_id, wallet, block_number) DO NOTHING";
