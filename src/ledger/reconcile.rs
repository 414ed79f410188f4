//! Whether the books explain what a wallet holds, to the wei.
//!
//! Opening balance − outflows + inflows = closing balance, at two blocks by their hashes, and every
//! nonce between them is booked once. The chain is asked for all of it: each row is held against
//! its receipt and its transaction, the balances against the state of their blocks where a node has
//! it. Where the sum does not close, the blocks at which it breaks are found by halving.

mod ends;
mod found;
mod locate;
mod rows;

use std::collections::BTreeMap;

use alloy::primitives::{B256, I256, U256};

use self::ends::{Notes, balance_at};
pub use self::found::{Inflows, MAX_PROBLEMS, Outflows, Problem, Reconciliation};
use super::{
    Ledger,
    chain::Chain,
    entry::{Entry, Holder, Inflow, Source},
    flows::{Known, Point},
    read::Stretch,
};
use crate::store::StoreError;

/// From which block to which, both by number; `None`: the first and the newest checkpoint.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    /// The opening balance is the one after this block.
    pub from: Option<u64>,
    /// The closing balance is the one after this block.
    pub to: Option<u64>,
}

/// How closely it is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every row of what went out against its receipt; what came in by the sum.
    Rows,
    /// What came in against its blocks as well.
    Blocks,
}

/// Why books cannot be reconciled at all.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The store does not answer.
    #[error("the store")]
    Store(#[from] StoreError),
    /// Nothing is known of the wallet at that block.
    #[error("no balance after block {0}: {1}")]
    NoBalance(u64, String),
    /// The books of the wallet have not begun.
    #[error("the books of {0} have not begun: no checkpoint is stored")]
    NotBegun(String),
    /// The second block is not after the first.
    #[error("block {to} is not after block {from}")]
    Empty {
        /// The opening block.
        from: u64,
        /// The closing block.
        to: u64,
    },
}

/// What is gathered on the way.
struct Work<'a> {
    ledger: &'a Ledger,
    chain: Option<&'a dyn Chain>,
    holder: &'a Holder,
    from: Point,
    to: Point,
    found: Reconciliation,
    /// What the books say flowed, by block.
    flows: Known,
    /// What own transactions were paid, by the strategy's word.
    paid: BTreeMap<B256, U256>,
    /// The booked inflows by block.
    booked: BTreeMap<u64, Vec<Inflow>>,
}

/// Reconciles one wallet.
///
/// # Errors
/// When the store cannot be read, or it is not known what the wallet held at one of the blocks.
pub async fn reconcile(
    ledger: &Ledger,
    chain: Option<&dyn Chain>,
    holder: &Holder,
    range: Range,
    depth: Depth,
) -> Result<Reconciliation, ReconcileError> {
    let key = (holder.chain_id, holder.wallet);
    let most = u64::try_from(i64::MAX).unwrap_or_default();
    let held = ledger.held(key, (0, most)).await?;
    let mut notes = Notes::default();
    let from = balance_at(chain, holder, range.from, held.first(), &held, &mut notes).await?;
    let to = balance_at(chain, holder, range.to, held.last(), &held, &mut notes).await?;
    if to.block.number <= from.block.number {
        return Err(ReconcileError::Empty { from: from.block.number, to: to.block.number });
    }
    let found = Reconciliation {
        holder: holder.clone(),
        from: from.block,
        to: to.block,
        opening: from.account.balance,
        closing: to.account.balance,
        entries: 0,
        out: Outflows::default(),
        came: Inflows::default(),
        unexplained: None,
        problems: notes.problems,
        more_problems: 0,
        unproven: notes.unproven,
        unchecked: 0,
    };
    let mut work = Work {
        ledger,
        chain,
        holder,
        from,
        to,
        found,
        flows: Known::new(),
        paid: BTreeMap::new(),
        booked: BTreeMap::new(),
    };
    let stretch = Stretch {
        chain_id: holder.chain_id,
        wallet: holder.wallet,
        after: from.block.number,
        until: to.block.number,
        nonces: (from.account.nonce, to.account.nonce),
    };
    work.entries(&stretch).await?;
    work.inflows(&stretch).await?;
    work.found.unexplained = work.unexplained();
    work.locate(&held, depth).await;
    Ok(work.found)
}

impl Work<'_> {
    /// Closing balance less what the books make of the opening one.
    fn unexplained(&self) -> Option<I256> {
        let Reconciliation { opening, closing, out, came, .. } = &self.found;
        let add = |sum: Option<U256>, wei: U256| sum?.checked_add(wei);
        let Outflows { execution, l1, operator, blob, value } = *out;
        let went = [execution, l1, operator, blob, value].into_iter().fold(Some(*closing), add);
        let Inflows { transfer, income, internal } = *came;
        let had = [transfer, income, internal].into_iter().fold(Some(*opening), add);
        super::flows::difference(had?, went?)
    }

    fn problem(&mut self, block: Option<u64>, nonce: Option<u64>, what: String) {
        if self.found.problems.len() < MAX_PROBLEMS {
            self.found.problems.push(Problem { block, nonce, what });
        } else {
            self.found.more_problems = self.found.more_problems.saturating_add(1);
        }
    }

    fn unproven(&mut self, what: String) {
        if !self.found.unproven.contains(&what) {
            self.found.unproven.push(what);
        }
    }

    fn came(&mut self, inflow: &Inflow) {
        let came = &mut self.found.came;
        let sum = match inflow.source {
            Source::Transfer => &mut came.transfer,
            Source::Income => &mut came.income,
            Source::Internal => &mut came.internal,
        };
        *sum = sum.saturating_add(inflow.wei);
        let flow = self.flows.entry(inflow.block.number).or_insert(I256::ZERO);
        *flow = flow.saturating_add(I256::try_from(inflow.wei).unwrap_or(I256::MAX));
    }

    fn went(&mut self, entry: &Entry) {
        let out = &mut self.found.out;
        let add = |sum: &mut U256, wei: U256| *sum = sum.saturating_add(wei);
        // What an entry says it cost, and not what its parts say: both are compared elsewhere.
        let parts = entry.fees.l1.saturating_add(entry.fees.operator);
        let parts = parts.saturating_add(entry.fees.blob);
        add(&mut out.execution, entry.cost.saturating_sub(parts));
        add(&mut out.l1, entry.fees.l1.min(entry.cost));
        let left = entry.cost.saturating_sub(entry.fees.l1);
        add(&mut out.operator, entry.fees.operator.min(left));
        let left = left.saturating_sub(entry.fees.operator);
        add(&mut out.blob, entry.fees.blob.min(left));
        add(&mut out.value, entry.value);
        let wei = entry.outflow().and_then(|wei| I256::try_from(wei).ok()).unwrap_or(I256::MAX);
        let flow = self.flows.entry(entry.block.number).or_insert(I256::ZERO);
        *flow = flow.saturating_sub(wei);
    }
}
