//! What the journal says of a product's past, for the guard: what its transactions cost, what came
//! of them, and since when an action has been due.
//!
//! The journal knows in which block a transaction is, not when that block was nor what the native
//! currency was worth. Both are added once, in `costs`, by the product's own task. A row counts
//! only while the journal names the same block, so a reorganisation takes it back by itself.

mod rows;

use alloy::primitives::{B256, U256};
use ballast_chains::feeds::Price;
use ballast_strategy_api::Action;

use self::rows::{cost, first_due, recent_call, reserved};
use super::{Durable, Statement, Store, StoreError};
use crate::guard::{Recent, Reservation};

/// Included calls that are looked back at; more than any limit on repeating (255) counts to.
pub(crate) const MAX_RECENT: usize = 300;

/// Migration: the cost of what is included, since when actions are due, and the failures that an
/// operator has forgiven. `native_usd` is in 10⁻¹⁸ dollars per coin.
pub(super) const TABLES: &str = "
CREATE TABLE costs (
    chain_id BIGINT NOT NULL,
    wallet TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    product TEXT NOT NULL,
    block_hash TEXT NOT NULL,
    block_timestamp BIGINT NOT NULL,
    wei TEXT NOT NULL,
    native_usd TEXT,
    PRIMARY KEY (chain_id, wallet, nonce),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots (chain_id, wallet, nonce)
);
CREATE INDEX slots_by_inclusion ON slots (product, chain_id, included_block);
CREATE TABLE first_due (
    product TEXT NOT NULL,
    action TEXT NOT NULL,
    answers TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (product, action)
);
CREATE TABLE forgiven (
    product TEXT NOT NULL,
    chain_id BIGINT NOT NULL,
    included_block BIGINT NOT NULL,
    PRIMARY KEY (product, chain_id)
);
";

/// Migration: the block at which an action was first seen to be due, without a break since.
pub(super) const DUE_BLOCKS: &str = "ALTER TABLE first_due ADD COLUMN since_block BIGINT;";

/// Migration: indexes for what is read at each head, so that its cost does not grow with the journal.
/// What is read of inclusions is all in the index, since the row of a slot holds the receipt, and each
/// column behind that is found by going through it. What waits for inclusion, and what waits for the
/// ledger, are the few that the journal is not done with.
pub(super) const INDEX: &str = "
DROP INDEX slots_by_inclusion;
CREATE INDEX slots_by_inclusion ON slots (product, chain_id, included_block, nonce, wallet,
    included_hash, included_block_hash, outcome, succeeded, gas_used, effective_gas_price,
    postcondition) WHERE included_block IS NOT NULL;
CREATE INDEX slots_waiting ON slots (product, chain_id, wallet, nonce)
    WHERE outcome IS NULL AND included_block IS NULL;
DROP INDEX slots_unbooked;
CREATE INDEX slots_unbooked ON slots (chain_id, chain, wallet, nonce)
    WHERE outcome IS NOT NULL AND booked IS NULL;
";

/// Since when an action is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstDue {
    /// Time of the block at which it was first seen to be due.
    pub at: u64,
    /// Number of the block since which it has been due at every look; `None` after a break, and
    /// where an older version noted it.
    pub block: Option<u64>,
}

/// What one included transaction cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Who sent it.
    pub wallet: String,
    /// At which nonce.
    pub nonce: u64,
    /// The block that holds it.
    pub block: u64,
    /// Its hash.
    pub block_hash: B256,
    /// Whether the nonce is spent for good.
    pub is_final: bool,
    /// Gas used.
    pub gas: u64,
    /// All that it cost, wei: gas, and the data fee of a layer 2 where its receipt names one.
    pub wei: U256,
    /// Time of the block; `None` while it is not booked.
    pub at: Option<u64>,
    /// The price when it was booked, if there was one.
    pub price: Option<Price>,
    /// Whether time or price were found since it was read, so that it is to be booked.
    pub is_new: bool,
}

/// What the journal says of a product's past on a chain.
#[derive(Debug)]
pub(crate) struct Books {
    /// What its transactions cost, in the order of their blocks.
    pub(crate) costs: Vec<Cost>,
    /// Its included calls, the newest first, without those that an operator has forgiven.
    pub(crate) recent: Vec<RecentCall>,
    /// The most that each of its nonces may cost that is signed and not included.
    pub(crate) pending: Vec<Reservation>,
}

/// An included call, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct RecentCall {
    pub(crate) wallet: String,
    pub(crate) nonce: u64,
    pub(crate) block: u64,
    pub(crate) call: Recent,
}

impl Store {
    /// What the journal says of a product's past on a chain: what its transactions cost since a
    /// moment, by their blocks' time, and all that are not booked yet; its included calls; and what is
    /// signed and not included. Of what is included, that in blocks after `after` only.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn books(
        &self,
        product: &str,
        chain_id: u64,
        since: u64,
        after: u64,
    ) -> Result<Books, StoreError> {
        let of = |sql| Statement::new(sql).with(product).with(chain_id);
        let [costs, recent, pending] = self
            .rows_of([
                of(SELECT_COSTS).with(since).with(after),
                of(SELECT_RECENT).with(u64::try_from(MAX_RECENT).unwrap_or(u64::MAX)).with(after),
                of(SELECT_PENDING),
            ])
            .await?;
        Ok(Books {
            costs: costs.iter().map(cost).collect::<Result<_, _>>()?,
            recent: recent.iter().map(recent_call).collect::<Result<_, _>>()?,
            pending: reserved(&pending)?,
        })
    }

    /// Books what was found of costs: those that have the time of their block.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn book(
        &self,
        product: &str,
        chain_id: u64,
        costs: &[Cost],
    ) -> Result<(), StoreError> {
        let batch: Vec<Statement> = costs
            .iter()
            .filter_map(|cost| {
                let statement = Statement::new(UPSERT_COST)
                    .with(chain_id)
                    .with(cost.wallet.as_str())
                    .with(cost.nonce)
                    .with(product)
                    .with(cost.block_hash.to_string())
                    .with(cost.at?)
                    .with(cost.wei.to_string())
                    .with(cost.price.map(|price| price.fixed18().to_string()));
                Some(statement)
            })
            .collect();
        if batch.is_empty() { Ok(()) } else { self.step("book", batch, Durable::InOrder).await }
    }

    /// Since when this very action of the product is due.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn first_due(
        &self,
        product: &str,
        action: &Action,
    ) -> Result<Option<FirstDue>, StoreError> {
        let query = Statement::new(SELECT_FIRST_DUE)
            .with(product)
            .with(action.name)
            .with(action.answers.as_str());
        self.rows(query).await?.first().map(first_due).transpose()
    }

    /// Notes that this action became due at a block of this time and number; keeps each of both
    /// that is noted already.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn note_due(
        &self,
        product: &str,
        action: &Action,
        (at, block): (u64, u64),
    ) -> Result<(), StoreError> {
        let statement = Statement::new(UPSERT_FIRST_DUE)
            .with(product)
            .with(action.name)
            .with(action.answers.as_str())
            .with(at)
            .with(block);
        self.step("note_due", vec![statement], Durable::Now).await
    }

    /// Notes that nothing is due: the blocks of whatever is due next are counted anew. The moment
    /// stays, for patience.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn note_nothing_due(&self, product: &str) -> Result<(), StoreError> {
        let statement = Statement::new(CLEAR_DUE_BLOCKS).with(product);
        self.step("note_nothing_due", vec![statement], Durable::Now).await
    }

    /// Forgives the product's failures so far: what an operator's `resume` means. It closes the
    /// breaker and ends every run of repeats.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forgive_failures(&self, product: &str) -> Result<(), StoreError> {
        self.commit(vec![forgive(product)]).await
    }
}

/// Forgives a product's failures so far.
pub(super) fn forgive(product: &str) -> Statement {
    Statement::new(FORGIVE).with(product)
}

const SELECT_COSTS: &str = "
SELECT s.wallet AS wallet, s.nonce AS nonce, s.included_block AS included_block,
    s.included_block_hash AS block_hash,
    CASE WHEN s.outcome IS NULL THEN 0 ELSE 1 END AS is_final,
    s.gas_used AS gas_used, s.effective_gas_price AS effective_gas_price,
    CASE WHEN c.nonce IS NULL THEN s.l1_fee END AS l1_fee,
    CASE WHEN c.nonce IS NULL THEN s.operator_fee END AS operator_fee,
    CASE WHEN c.nonce IS NULL THEN s.receipt END AS receipt,
    c.block_timestamp AS block_timestamp, c.wei AS wei, c.native_usd AS native_usd
FROM slots s
LEFT JOIN costs c ON c.chain_id = s.chain_id AND c.wallet = s.wallet AND c.nonce = s.nonce
    AND c.block_hash = s.included_block_hash
WHERE s.product = $1 AND s.chain_id = $2 AND s.included_block IS NOT NULL
    AND s.included_block > $4 AND (c.nonce IS NULL OR c.block_timestamp >= $3)
ORDER BY s.included_block, s.nonce";

const UPSERT_COST: &str = "
INSERT INTO costs (chain_id, wallet, nonce, product, block_hash, block_timestamp, wei, native_usd)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (chain_id, wallet, nonce) DO UPDATE SET block_hash = excluded.block_hash,
    block_timestamp = excluded.block_timestamp, wei = excluded.wei,
    native_usd = excluded.native_usd";

const SELECT_RECENT: &str = "
SELECT s.wallet AS wallet, s.nonce AS nonce, s.included_block AS included_block, i.action AS action, a.kind AS kind,
    s.succeeded AS succeeded,
    s.postcondition AS postcondition, c.block_timestamp AS block_timestamp
FROM slots s
JOIN attempts a ON a.hash = s.included_hash
JOIN intents i ON i.chain_id = a.chain_id AND i.wallet = a.wallet AND i.nonce = a.nonce
    AND i.number = a.intent
LEFT JOIN costs c ON c.chain_id = s.chain_id AND c.wallet = s.wallet AND c.nonce = s.nonce
    AND c.block_hash = s.included_block_hash
LEFT JOIN forgiven f ON f.product = s.product AND f.chain_id = s.chain_id
WHERE s.product = $1 AND s.chain_id = $2 AND s.included_block IS NOT NULL
    AND s.included_block > $4 AND (f.product IS NULL OR s.included_block > f.included_block)
ORDER BY s.included_block DESC, s.nonce DESC LIMIT $3";

/// By the slots that wait, which are few; without the word, all attempts there are may come first.
const SELECT_PENDING: &str = "
SELECT a.wallet AS wallet, a.nonce AS nonce, a.gas_limit AS gas_limit,
    a.max_fee_per_gas AS max_fee_per_gas, a.extra_fee AS extra_fee
FROM slots s
CROSS JOIN attempts a
WHERE s.product = $1 AND s.chain_id = $2 AND s.outcome IS NULL AND s.included_block IS NULL
    AND a.chain_id = s.chain_id AND a.wallet = s.wallet AND a.nonce = s.nonce";

const SELECT_FIRST_DUE: &str =
    "SELECT since, since_block FROM first_due WHERE product = $1 AND action = $2 AND answers = $3";

const UPSERT_FIRST_DUE: &str = "
INSERT INTO first_due (product, action, answers, since, since_block) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (product, action) DO UPDATE SET
    since = CASE WHEN first_due.answers = excluded.answers THEN first_due.since
        ELSE excluded.since END,
    since_block = CASE WHEN first_due.answers = excluded.answers
        THEN COALESCE(first_due.since_block, excluded.since_block) ELSE excluded.since_block END,
    answers = excluded.answers";

const CLEAR_DUE_BLOCKS: &str =
    "UPDATE first_due SET since_block = NULL WHERE product = $1 AND since_block IS NOT NULL";

const FORGIVE: &str = "
INSERT INTO forgiven (product, chain_id, included_block)
SELECT product, chain_id, MAX(included_block) FROM slots
WHERE product = $1 AND included_block IS NOT NULL GROUP BY product, chain_id
ON CONFLICT (product, chain_id) DO UPDATE SET included_block = excluded.included_block";

#[cfg(test)]
pub(super) mod tests;
