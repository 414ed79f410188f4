//! Finding the blocks at which a balance moved by more, or less, than is known.
//!
//! Between two blocks a balance must change by what is known to have flowed. Where it does not, the
//! stretch is halved until single blocks are left, and of those the chain itself tells what
//! happened: the change of the balance and the wallet's own transactions in that very block.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, I256, U256};
use ballast_chains::reader::CallError;

use super::{
    chain::{Account, Chain, Paid, Place, Sent, receipts_of},
    entry::{BlockRef, Source},
};

/// A wallet after a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) block: BlockRef,
    pub(super) account: Account,
}

/// What is known to have flowed, by block: what came in less what went out, wei.
pub(super) type Known = BTreeMap<u64, I256>;

/// Why blocks could not be found.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlowError {
    /// Nobody answers, or nobody has so old a state.
    #[error("reading {what}")]
    Chain {
        /// What was read.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: CallError,
    },
    /// A block that must be there is not.
    #[error("no endpoint has block {0}")]
    NoBlock(u64),
    /// A transaction stands in a block, and its receipt is not to be had.
    #[error("no endpoint has the receipt of {0}, which is in block {1}")]
    NoReceipt(B256, u64),
}

impl FlowError {
    pub(super) fn reading(what: &'static str) -> impl FnOnce(CallError) -> Self {
        move |source| Self::Chain { what, source }
    }
}

/// What a balance changed by and is not known, wei; `None` beyond 255 bits.
pub(super) fn unknown(from: &Point, to: &Point, known: &Known) -> Option<I256> {
    if from.block.number >= to.block.number {
        return difference(from.account.balance, to.account.balance);
    }
    let after = from.block.number.checked_add(1)?;
    let mut sum = I256::ZERO;
    for (_, flow) in known.range(after..=to.block.number) {
        sum = sum.checked_add(*flow)?;
    }
    difference(from.account.balance, to.account.balance)?.checked_sub(sum)
}

/// `to - from`.
pub(super) fn difference(from: U256, to: U256) -> Option<I256> {
    I256::try_from(to).ok()?.checked_sub(I256::try_from(from).ok()?)
}

/// The single blocks in which something unknown flowed, ascending, each with the point before it;
/// at most so many, and then the point up to which everything has been looked at.
pub(super) async fn find(
    chain: &dyn Chain,
    wallet: Address,
    (from, to): (Point, Point),
    known: &Known,
    most: usize,
) -> Result<(Vec<(Point, Point)>, Point), FlowError> {
    let mut found = Vec::new();
    let mut done = from;
    // The next stretch is on top; halving puts two in the place of one.
    let mut stretches = vec![(from, to)];
    while let Some((from, to)) = stretches.pop() {
        if found.len() >= most {
            return Ok((found, done));
        }
        let distance = to.block.number.saturating_sub(from.block.number);
        if unknown(&from, &to, known) == Some(I256::ZERO) || distance == 0 {
            done = to;
        } else if distance == 1 {
            found.push((from, to));
            done = to;
        } else {
            let half = distance.checked_div(2).unwrap_or_default();
            let middle = point(chain, wallet, from.block.number.saturating_add(half)).await?;
            stretches.push((middle, to));
            stretches.push((from, middle));
        }
    }
    Ok((found, done))
}

/// The wallet after the canonical block at a height.
pub(super) async fn point(
    chain: &dyn Chain,
    wallet: Address,
    number: u64,
) -> Result<Point, FlowError> {
    let block = chain.block(Place::Number(number)).await.map_err(FlowError::reading("a block"))?;
    let block = block.filter(|block| block.number == number);
    let block = block.ok_or(FlowError::NoBlock(number))?;
    let account = chain.account(wallet, block).await;
    let account = account.map_err(FlowError::reading("a wallet's state"))?;
    Ok(Point { block, account })
}

/// One amount that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) wei: U256,
    pub(super) source: Source,
    pub(super) counterparty: Option<Address>,
    pub(super) hash: Option<B256>,
}

/// What the chain says of one block and one wallet.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    /// The wallet's own transactions, with their receipts.
    pub(super) own: Vec<(Sent, Paid)>,
    /// All that they took away, wei.
    pub(super) outflow: U256,
    /// What came in: the change of the balance, and what its own transactions took.
    pub(super) came: Vec<Came>,
    /// What left without a transaction of its own, wei: nobody's books explain that.
    pub(super) lost: U256,
}

/// Reads it. `paid` tells how much of what came in its own transactions were paid, by transaction.
///
/// # Errors
/// When something cannot be read. A receipt that is missing is such a case: without what a
/// transaction cost nobody can tell how much came in beside it.
pub(super) async fn evidence(
    chain: &dyn Chain,
    wallet: Address,
    (before, after): (Point, Point),
    paid: &BTreeMap<B256, U256>,
) -> Result<Evidence, FlowError> {
    let body = chain.body(after.block.hash).await.map_err(FlowError::reading("a block's body"))?;
    let body = body.ok_or(FlowError::NoBlock(after.block.number))?;
    let own = |sent: &Sent| sent.from == wallet;
    let direct = |sent: &Sent| sent.to == Some(wallet) && !own(sent) && sent.value > U256::ZERO;
    let hashes = body.iter().filter(|sent| own(sent) || direct(sent)).map(|sent| sent.hash);
    let receipts = receipts_of(chain, hashes.collect()).await;
    let mut receipts = receipts.map_err(FlowError::reading("receipts"))?;
    receipts.retain(|_, receipt| receipt.block_hash == after.block.hash);
    let mut came = Vec::new();
    let mut mine = Vec::new();
    let mut outflow = U256::ZERO;
    for sent in body {
        if !own(&sent) && !direct(&sent) {
            continue;
        }
        let receipt = receipts.remove(&sent.hash);
        let receipt = receipt.ok_or(FlowError::NoReceipt(sent.hash, after.block.number))?;
        if own(&sent) {
            let cost = receipt.fees.total().unwrap_or(U256::MAX);
            outflow = outflow.saturating_add(cost).saturating_add(carried(&sent, &receipt));
            mine.push((sent, receipt));
        } else if receipt.succeeded {
            came.push(Came {
                wei: sent.value,
                source: Source::Transfer,
                counterparty: Some(sent.from),
                hash: Some(sent.hash),
            });
        }
    }
    let balances = (before.account.balance, after.account.balance);
    let lost = rest(balances, outflow, &mine, paid, &mut came);
    Ok(Evidence { own: mine, outflow, came, lost })
}

/// Native currency that a transaction of the wallet's own carried to somebody else.
pub(super) fn carried(sent: &Sent, receipt: &Paid) -> U256 {
    let leaves = receipt.succeeded && sent.to != Some(sent.from);
    if leaves { sent.value } else { U256::ZERO }
}

/// Adds what came in beside direct transfers; gives what is missing if it is the other way round.
fn rest(
    (before, after): (U256, U256),
    outflow: U256,
    own: &[(Sent, Paid)],
    paid: &BTreeMap<B256, U256>,
    came: &mut Vec<Came>,
) -> U256 {
    let direct = came.iter().fold(U256::ZERO, |sum, came| sum.saturating_add(came.wei));
    let (held, explained) = (after.saturating_add(outflow), before.saturating_add(direct));
    let Some(mut rest) = held.checked_sub(explained) else {
        return explained.saturating_sub(held);
    };
    for (sent, _) in own {
        let wei = paid.get(&sent.hash).copied().unwrap_or_default().min(rest);
        if wei > U256::ZERO {
            let (source, hash) = (Source::Income, Some(sent.hash));
            came.push(Came { wei, source, counterparty: None, hash });
            rest = rest.saturating_sub(wei);
        }
    }
    if rest > U256::ZERO {
        came.push(Came { wei: rest, source: Source::Internal, counterparty: None, hash: None });
    }
    U256::ZERO
}

/// The transaction that used a nonce, which is free after the block at `from` and used after `to`,
/// with its receipt and block; `None` if the block has no such transaction: a chain counts nonces up
/// by itself, for an authorisation of EIP-7702 for one.
pub(super) async fn using(
    chain: &dyn Chain,
    (wallet, nonce): (Address, u64),
    (from, to): (u64, BlockRef),
) -> Result<Option<(Sent, Paid, BlockRef)>, FlowError> {
    let mut free = from;
    let mut used = to;
    while used.number.saturating_sub(free) > 1 {
        let half = used.number.saturating_sub(free).checked_div(2).unwrap_or_default();
        let middle = point(chain, wallet, free.saturating_add(half)).await?;
        if middle.account.nonce > nonce {
            used = middle.block;
        } else {
            free = middle.block.number;
        }
    }
    let body = chain.body(used.hash).await.map_err(FlowError::reading("a block's body"))?;
    let body = body.ok_or(FlowError::NoBlock(used.number))?;
    let found = body.into_iter().find(|sent| sent.from == wallet && sent.nonce == nonce);
    let Some(sent) = found else { return Ok(None) };
    let receipts = receipts_of(chain, vec![sent.hash]).await;
    let mut receipts = receipts.map_err(FlowError::reading("receipts"))?;
    let receipt = receipts.remove(&sent.hash).filter(|paid| paid.block_hash == used.hash);
    let receipt = receipt.ok_or(FlowError::NoReceipt(sent.hash, used.number))?;
    Ok(Some((sent, receipt, used)))
}
