//! From a nonce that is spent to what the ledger says of it.

use std::sync::Arc;

use alloy::primitives::Address;
use ballast_strategy_api::{DynStrategy, Settlement, Urgency};

use super::{
    chain::{Chain, Paid, Place, Sent, receipts_of},
    entry::{BlockRef, Entry, Holder},
    flows::{self, FlowError, carried},
    queue::{Signed, Waiting},
};
use crate::{config::Category, money::Usd, submission::lifecycle::Outcome};

/// What somebody else sent with a key.
const FOREIGN: &str = "foreign";
/// What was sent from a wallet that no strategy acts with.
const EXTERNAL: &str = "external";
/// Halvings of the distance to the first block: enough for any chain.
const MAX_STEPS_BACK: u32 = 64;

/// What is known of a product beside its transactions.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    /// Its cost centre.
    pub(super) category: Category,
    /// Whether no strategy acts with its wallet.
    pub(super) external: bool,
    /// Whether the product has no file any more, so that nobody will ever be asked.
    pub(super) gone: bool,
    /// The strategy, once it is connected.
    pub(super) strategy: Option<Arc<dyn DynStrategy>>,
}

impl Owner {
    /// That of a product that has no file any more.
    pub(super) fn gone() -> Self {
        Self { category: Category::Other, external: false, gone: true, strategy: None }
    }
}

/// The moment of booking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// The newest block that is final.
    pub(super) settled: BlockRef,
    /// The head.
    pub(super) head: u64,
}

/// The transaction that used the nonce, its receipt and its block.
struct Found {
    sent: Sent,
    paid: Paid,
    block: BlockRef,
}

/// The entry of a nonce; `None` while its transaction cannot be found in a final block.
///
/// # Errors
/// When nobody answers what has to be asked.
pub(super) async fn entry(
    chain: &dyn Chain,
    holder: Holder,
    waiting: &Waiting,
    owner: &Owner,
    now: Now,
) -> Result<Option<Entry>, FlowError> {
    let found = match waiting.hash {
        Some(hash) => known(chain, waiting, hash).await?,
        None => unknown(chain, waiting, now).await?,
    };
    let Some(found) = found.filter(|found| found.block.number <= now.settled.number) else {
        return Ok(None);
    };
    let price = chain.price(found.block).await;
    let Found { sent, paid, block } = found;
    let Some(cost) = paid.fees.total() else { return Ok(None) };
    let outcome = outcome(waiting, owner, &paid);
    let usd = price.as_ref().ok().map(|at| Usd::cost(cost, at.price));
    Ok(Some(Entry {
        holder,
        nonce: waiting.nonce,
        hash: paid.hash,
        category: owner.category,
        action: action(waiting, owner),
        urgency: waiting.signed.as_ref().and_then(|signed| urgency(&signed.urgency)),
        why: why(waiting, owner),
        attempts: waiting.attempts,
        outcome,
        succeeded: paid.succeeded,
        gas_used: paid.gas_used,
        effective_gas_price: paid.effective_gas_price,
        fees: paid.fees,
        cost,
        value: carried(&sent, &paid),
        price: price.map_err(|why| why.to_string()),
        usd,
        settlement: settlement(outcome, owner, &paid),
        block,
        booked_at: now.head,
    }))
}

/// An entry whose transaction is in another block now; `None` while that cannot be told whole.
pub(super) async fn moved(
    chain: &dyn Chain,
    entry: &Entry,
    paid: &Paid,
    block: BlockRef,
) -> Option<Entry> {
    let asked = chain.transactions(vec![entry.hash]).await.ok()?;
    let sent = asked.into_iter().flatten().next()?;
    let price = chain.price(block).await;
    let cost = paid.fees.total()?;
    let outcome = match (entry.outcome, paid.succeeded) {
        (Outcome::Confirmed | Outcome::Reverted, true) => Outcome::Confirmed,
        (Outcome::Confirmed | Outcome::Reverted, false) => Outcome::Reverted,
        (other @ (Outcome::Superseded | Outcome::Cancelled | Outcome::Foreign), _) => other,
    };
    Some(Entry {
        outcome,
        succeeded: paid.succeeded,
        gas_used: paid.gas_used,
        effective_gas_price: paid.effective_gas_price,
        fees: paid.fees,
        cost,
        value: carried(&sent, paid),
        usd: price.as_ref().ok().map(|at| Usd::cost(cost, at.price)),
        price: price.map_err(|why| why.to_string()),
        // Asked of the strategy again, by the new receipt.
        settlement: None,
        block,
        ..entry.clone()
    })
}

/// What the strategy reads in the receipt; nothing to read where it was not its call, and `None`
/// while it is not connected.
pub(super) fn settlement(outcome: Outcome, owner: &Owner, paid: &Paid) -> Option<Settlement> {
    match outcome {
        Outcome::Confirmed if !owner.external && !owner.gone => {
            let strategy = owner.strategy.as_ref()?;
            paid.whole.as_ref().map(|whole| strategy.settle(&whole.inner))
        }
        Outcome::Confirmed
        | Outcome::Reverted
        | Outcome::Superseded
        | Outcome::Cancelled
        | Outcome::Foreign => Some(Settlement::default()),
    }
}

/// Of a transaction whose hash is known. The journal's receipt counts while its block is canonical;
/// else the chain is asked where it is now.
async fn known(
    chain: &dyn Chain,
    waiting: &Waiting,
    hash: alloy::primitives::B256,
) -> Result<Option<Found>, FlowError> {
    let mut found = None;
    if let Some(paid) = &waiting.receipt {
        found = canonical(chain, paid).await?.map(|block| (paid.clone(), block));
    }
    if found.is_none() {
        let receipts =
            receipts_of(chain, vec![hash]).await.map_err(FlowError::reading("a receipt"))?;
        if let Some(paid) = receipts.into_values().next() {
            found = canonical(chain, &paid).await?.map(|block| (paid, block));
        }
    }
    let Some((paid, block)) = found else { return Ok(None) };
    let sent = match &waiting.signed {
        Some(Signed { to, value, .. }) => {
            let (from, nonce) = (waiting.wallet, waiting.nonce);
            Some(Sent { hash, from, to: Some(*to), nonce, value: *value })
        }
        None => {
            let asked = chain.transactions(vec![hash]).await;
            let asked = asked.map_err(FlowError::reading("a transaction"))?;
            asked.into_iter().flatten().next()
        }
    };
    Ok(sent.map(|sent| Found { sent, paid, block }))
}

/// The block of a receipt, if it is canonical.
async fn canonical(chain: &dyn Chain, paid: &Paid) -> Result<Option<BlockRef>, FlowError> {
    let block = chain.block(Place::Number(paid.block)).await;
    let block = block.map_err(FlowError::reading("a block"))?;
    Ok(block.filter(|block| block.hash == paid.block_hash))
}

/// Of a nonce that was used by nobody knows what: found by the account's nonce after blocks.
async fn unknown(
    chain: &dyn Chain,
    waiting: &Waiting,
    now: Now,
) -> Result<Option<Found>, FlowError> {
    let (wallet, nonce) = (waiting.wallet, waiting.nonce);
    let top = flows::point(chain, wallet, now.settled.number).await?;
    if top.account.nonce <= nonce {
        return Ok(None);
    }
    let (from, to) = bracket(chain, wallet, nonce, top.block).await?;
    let found = flows::using(chain, (wallet, nonce), (from, to)).await?;
    Ok(found.map(|(sent, paid, block)| Found { sent, paid, block }))
}

/// A height after which the nonce is free, and a block after which it is used.
async fn bracket(
    chain: &dyn Chain,
    wallet: Address,
    nonce: u64,
    top: BlockRef,
) -> Result<(u64, BlockRef), FlowError> {
    let (mut used, mut back) = (top, 1_u64);
    for _ in 0..MAX_STEPS_BACK {
        if used.number == 0 {
            break;
        }
        let point = flows::point(chain, wallet, used.number.saturating_sub(back)).await?;
        if point.account.nonce <= nonce {
            return Ok((point.block.number, used));
        }
        used = point.block;
        back = back.saturating_mul(2);
    }
    Ok((used.number, used))
}

/// Wallets that no strategy acts with have no foreigners: whoever sends is whom they are for.
fn outcome(waiting: &Waiting, owner: &Owner, paid: &Paid) -> Outcome {
    match waiting.outcome {
        Outcome::Foreign if owner.external && paid.succeeded => Outcome::Confirmed,
        Outcome::Foreign if owner.external => Outcome::Reverted,
        outcome @ (Outcome::Confirmed
        | Outcome::Reverted
        | Outcome::Superseded
        | Outcome::Cancelled
        | Outcome::Foreign) => outcome,
    }
}

fn action(waiting: &Waiting, owner: &Owner) -> String {
    match &waiting.signed {
        Some(signed) => signed.action.clone(),
        None if owner.external => EXTERNAL.to_owned(),
        None => FOREIGN.to_owned(),
    }
}

fn why(waiting: &Waiting, owner: &Owner) -> String {
    match (&waiting.signed, &waiting.intended) {
        (Some(signed), _) => signed.why.clone(),
        (None, Some(intended)) => {
            format!("somebody else used the nonce that was meant for {intended}")
        }
        (None, None) if owner.external => "sent by whoever has the wallet".to_owned(),
        (None, None) => "somebody else used the key".to_owned(),
    }
}

fn urgency(word: &str) -> Option<Urgency> {
    let known = [Urgency::Routine, Urgency::Prompt, Urgency::Emergency];
    known.into_iter().find(|urgency| urgency.as_str() == word)
}
