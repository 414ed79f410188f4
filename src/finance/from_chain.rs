//! The rows of a month from the chain and the configuration alone: what somebody can do who has
//! neither the keeper nor its store. It shares no code with what books the ledger.
//!
//! Which transactions left a wallet follows from its nonce: it is asked for at the two ends of the
//! time, and between them the blocks where it rises are found by halving. Their bodies and receipts
//! say the rest. What only the keeper knows is not guessed: a transaction is `cancelled` if it sends
//! nothing to its own wallet, carries the action that its calldata names (the strategy knows its own
//! calls), and else counts as `foreign`, or as `external` where no strategy acts. Which action was
//! given up, how urgent it was and why, the chain does not say.
//!
//! It needs nodes that still have the state of that time, or of some block before the wallet's first
//! transaction.

mod differences;
mod nodes;

use std::fmt::Debug;

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    rpc::types::TransactionReceipt,
};
use ballast_strategy_api::Settlement;
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use thiserror::Error;

pub use self::{
    differences::{Difference, differences},
    nodes::Nodes,
};
use super::{
    month::Month,
    report::{MonthSums, Report},
    sums::{Group, Sums},
};
use crate::{
    config::Category,
    ledger::{BlockRef, Entry, Fees, Holder, PricedAt},
    money::Usd,
    submission::lifecycle::Outcome,
};

/// Blocks whose bodies are read at once.
const AT_ONCE: usize = 8;

/// Why the chain does not say.
#[derive(Debug, Error)]
pub enum FromChainError {
    /// A node fails, or does not have what is so old.
    #[error("reading {what} from the chain: {cause}")]
    Read {
        /// What was asked.
        what: String,
        /// What it said.
        cause: String,
    },
    /// A block, body or receipt that has to be there is not.
    #[error("the chain has no {0}: a node with the whole history is needed")]
    Missing(String),
}

/// A transaction as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its hash.
    pub hash: B256,
    /// Who sent it.
    pub from: Address,
    /// To whom; `None`: it makes a contract.
    pub to: Option<Address>,
    /// Its nonce.
    pub nonce: u64,
    /// Native currency that it carries, wei.
    pub value: U256,
    /// Its calldata.
    pub input: Bytes,
}

/// What it paid.
#[derive(Debug, Clone)]
pub struct Paid {
    /// The receipt's status.
    pub succeeded: bool,
    /// Gas used.
    pub gas_used: u64,
    /// Wei per gas.
    pub effective_gas_price: u128,
    /// By kind.
    pub fees: Fees,
    /// All of the receipt, for the strategy.
    pub whole: Option<Box<TransactionReceipt>>,
}

/// A chain whose past can be read.
pub trait Past: Debug + Send + Sync {
    /// The canonical block of that number.
    fn block(&self, number: u64) -> BoxFuture<'_, Result<BlockRef, FromChainError>>;
    /// How many transactions had left an account after that block.
    fn nonce(&self, of: Address, at: BlockRef) -> BoxFuture<'_, Result<u64, FromChainError>>;
    /// Its transactions.
    fn body(&self, of: BlockRef) -> BoxFuture<'_, Result<Vec<Sent>, FromChainError>>;
    /// The receipt of one.
    fn paid(&self, of: B256) -> BoxFuture<'_, Result<Paid, FromChainError>>;
    /// What the native currency was worth after that block, or why that is not known.
    fn price(&self, at: BlockRef) -> BoxFuture<'_, Result<PricedAt, String>>;
}

/// The action that calldata is a call of.
pub type ActionOf<'a> = &'a (dyn Fn(&[u8]) -> Option<&'static str> + Send + Sync);
/// What a strategy reads in a receipt.
pub type Settle<'a> = &'a (dyn Fn(&TransactionReceipt) -> Settlement + Send + Sync);

/// A wallet and what the files say of it.
#[allow(missing_debug_implementations, reason = "functions have no text")]
pub struct Account<'a> {
    /// Whose it is.
    pub holder: Holder,
    /// Its product's category.
    pub category: Category,
    /// Whether no strategy acts with it.
    pub external: bool,
    /// The registry asks the strategy.
    pub action_of: ActionOf<'a>,
    /// The strategy, if it could be connected.
    pub settle: Option<Settle<'a>>,
}

/// Everything that left a wallet in blocks of this time, up to `newest`.
///
/// # Errors
/// When the chain does not say.
pub async fn entries(
    chain: &dyn Past,
    account: &Account<'_>,
    (from, until): (u64, u64),
    newest: BlockRef,
) -> Result<Vec<Entry>, FromChainError> {
    let before = last_before(chain, from, newest).await?;
    let last = last_before(chain, until, newest).await?;
    let wallet = account.holder.wallet;
    let (before, nonce) = first_known(chain, wallet, before, last).await?;
    let ends = (nonce, chain.nonce(wallet, last).await?);
    let blocks = rises(chain, wallet, (before.number, last.number), ends).await?;
    let found: Vec<Vec<Entry>> = stream::iter(blocks)
        .map(|number| of_block(chain, account, number))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    // A chain that began within this time has its first block in it.
    let within = |entry: &Entry| (from..until).contains(&entry.block.timestamp);
    Ok(found.into_iter().flatten().filter(within).collect())
}

/// The last block before this time; the first one if none is.
async fn last_before(
    chain: &dyn Past,
    time: u64,
    newest: BlockRef,
) -> Result<BlockRef, FromChainError> {
    if newest.timestamp < time {
        return Ok(newest);
    }
    let (mut low, mut high) = (chain.block(0).await?, newest);
    while high.number.saturating_sub(low.number) > 1 {
        let middle = chain.block(low.number.midpoint(high.number)).await?;
        if middle.timestamp < time {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The nonce after `before`. Where a node does not have the state of then any more, the oldest that
/// it has does as well if nothing had left the wallet by then: else the error stands.
async fn first_known(
    chain: &dyn Past,
    wallet: Address,
    before: BlockRef,
    last: BlockRef,
) -> Result<(BlockRef, u64), FromChainError> {
    let error = match chain.nonce(wallet, before).await {
        Ok(nonce) => return Ok((before, nonce)),
        Err(error) => error,
    };
    let (mut gone, mut known) = (before.number, (last, chain.nonce(wallet, last).await?));
    while known.0.number.saturating_sub(gone) > 1 {
        let middle = chain.block(gone.midpoint(known.0.number)).await?;
        match chain.nonce(wallet, middle).await {
            Ok(nonce) => known = (middle, nonce),
            Err(_) => gone = middle.number,
        }
    }
    if known.1 == 0 { Ok(known) } else { Err(error) }
}

/// Numbers of the blocks above the first in which the nonce rises, in their order.
async fn rises(
    chain: &dyn Past,
    wallet: Address,
    range: (u64, u64),
    ends: (u64, u64),
) -> Result<Vec<u64>, FromChainError> {
    let (mut open, mut found) = (vec![(range, ends)], Vec::new());
    while let Some(((low, high), (before, after))) = open.pop() {
        if before >= after {
            continue;
        }
        if high.saturating_sub(low) <= 1 {
            found.push(high);
            continue;
        }
        let middle = low.midpoint(high);
        let at = chain.nonce(wallet, chain.block(middle).await?).await?;
        // The later half waits below, so blocks come in their order.
        open.push(((middle, high), (at, after)));
        open.push(((low, middle), (before, at)));
    }
    Ok(found)
}

async fn of_block(
    chain: &dyn Past,
    account: &Account<'_>,
    number: u64,
) -> Result<Vec<Entry>, FromChainError> {
    let block = chain.block(number).await?;
    let body = chain.body(block).await?;
    let price = chain.price(block).await;
    let mut entries = Vec::new();
    for sent in body.into_iter().filter(|sent| sent.from == account.holder.wallet) {
        let paid = chain.paid(sent.hash).await?;
        let cost = paid.fees.total().unwrap_or(U256::MAX);
        let (action, outcome) = account.what(&sent, paid.succeeded);
        let settlement = match (account.settle, &paid.whole) {
            (Some(settle), Some(whole)) if outcome == Outcome::Confirmed => Some(settle(whole)),
            _ => None,
        };
        entries.push(Entry {
            holder: account.holder.clone(),
            nonce: sent.nonce,
            hash: sent.hash,
            category: account.category,
            action: action.to_owned(),
            urgency: None,
            why: "read from the chain".to_owned(),
            attempts: 1,
            outcome,
            succeeded: paid.succeeded,
            gas_used: paid.gas_used,
            effective_gas_price: paid.effective_gas_price,
            fees: paid.fees,
            cost,
            value: if paid.succeeded { sent.value } else { U256::ZERO },
            usd: price.as_ref().ok().map(|priced| Usd::cost(cost, priced.price)),
            price: price.clone(),
            settlement,
            block,
            booked_at: block.number,
        });
    }
    Ok(entries)
}

impl Account<'_> {
    /// What a transaction was for, and how it ended.
    fn what(&self, sent: &Sent, succeeded: bool) -> (&'static str, Outcome) {
        let itself = sent.to == Some(sent.from) && sent.value.is_zero() && sent.input.is_empty();
        let ended = if succeeded { Outcome::Confirmed } else { Outcome::Reverted };
        if self.external {
            return ("external", ended);
        }
        match (self.action_of)(&sent.input) {
            Some(action) => (action, ended),
            None if itself => (CANCELLATION, Outcome::Cancelled),
            None => ("foreign", Outcome::Foreign),
        }
    }
}

/// What a cancellation is called where nobody knows what it gave up.
const CANCELLATION: &str = "cancellation";

/// The month of a report among these.
pub fn month_of(months: &[MonthSums], month: Month) -> &[(Group, Sums)] {
    let found = months.iter().find(|(known, _)| *known == month);
    found.map_or(&[], |(_, sums)| sums.as_slice())
}

/// A report that was read from the chain, and in what the ledger differs from it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FromChain {
    /// The report.
    #[serde(flatten)]
    pub report: Report,
    /// Empty if they are the same; `null` where there is no ledger to compare with.
    pub differences: Option<Vec<Difference>>,
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests;
