//! A mempool of the proxy's own, stricter than anvil's and under the test's control.
//!
//! anvil replaces a transaction for five percent more and forgets one that a block's base fee has
//! outrun; geth does neither. So a test that is about replacement, or about what waits for long,
//! has the proxy hold transactions by geth's rules: it answers look-ups as a node does that has them
//! pending, and hands the one that the test chooses to the node, replaced ones included, since
//! another node may have mined an older attempt.

use super::upstream::Upstream;
use crate::{
    json_rpc::{Request, RpcFailure, hex, quantity},
    lock,
};
use alloy::{
    consensus::{
        Transaction as _, TxEnvelope,
        transaction::{Recovered, SignerRecoverable as _},
    },
    eips::Decodable2718 as _,
    primitives::{Address, B256, Bytes},
    rpc::types::Transaction,
};
use eyre::{Result, eyre};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{Arc, Mutex},
};

/// Least raise of both fee fields by a replacement, percent: geth's `--txpool.pricebump`.
const PRICE_BUMP: u128 = 10;

/// Transactions that the proxy holds; clones share them, so that several proxies can be one network.
#[derive(Clone, Default)]
pub struct Mempool {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    attempts: Vec<Attempt>,
    counts: MempoolCounts,
}

#[derive(Clone)]
struct Attempt {
    from: Address,
    raw: Bytes,
    transaction: TxEnvelope,
    /// The one that counts at its nonce: no later one has replaced it.
    current: bool,
}

/// A transaction that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTransaction {
    /// Its hash.
    pub hash: B256,
    /// Who signed it.
    pub from: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Wei per gas.
    pub max_fee_per_gas: u128,
    /// Wei per gas; a legacy transaction offers all of its gas price.
    pub max_priority_fee_per_gas: u128,
    /// Whether it is still in the pool: not replaced by a later one.
    pub current: bool,
}

/// What a mempool was asked and what it said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MempoolCounts {
    /// Transactions taken, replacements included.
    pub accepted: u64,
    /// Of those, replacements.
    pub replaced: u64,
    /// "already known".
    pub already_known: u64,
    /// "nonce too low".
    pub nonce_too_low: u64,
    /// "replacement transaction underpriced".
    pub underpriced: u64,
    /// Look-ups by hash that found a held transaction.
    pub found: u64,
    /// Pending nonces that differed from the chain's.
    pub pending_nonces: u64,
    /// Transactions handed to the node.
    pub released: u64,
}

impl Mempool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was taken, in order, replaced ones included.
    #[must_use]
    pub fn transactions(&self) -> Vec<HeldTransaction> {
        lock(&self.inner).attempts.iter().map(Attempt::held).collect()
    }

    /// What it was asked and what it said.
    #[must_use]
    pub fn counts(&self) -> MempoolCounts {
        lock(&self.inner).counts
    }

    /// The bytes of a transaction that was taken; counts as handing it on.
    pub(super) fn take(&self, hash: B256) -> Result<Bytes> {
        let mut inner = lock(&self.inner);
        let attempt = inner.attempts.iter().find(|a| *a.transaction.tx_hash() == hash);
        let raw = attempt.map(|attempt| attempt.raw.clone());
        let raw = raw.ok_or_else(|| eyre!("{hash} was never held"))?;
        inner.counts.released += 1;
        Ok(raw)
    }

    /// Answers one request that concerns it; everything that it has no say in is the node's.
    pub(super) async fn answer(&self, node: &Upstream, request: &Request) -> Result<Value> {
        match request.method.as_str() {
            "eth_getTransactionByHash" => {
                let answer = node.ask(request).await?;
                if answer.get("result").is_some_and(|result| !result.is_null()) {
                    return Ok(answer);
                }
                Ok(self.found(&request.params).map_or(answer, |held| request.answer(held)))
            }
            "eth_getTransactionCount" => {
                let mut answer = node.ask(request).await?;
                if let Some(result) = answer.get_mut("result") {
                    self.pending_nonce(&request.params, result);
                }
                Ok(answer)
            }
            _ => match self.offer(node, &request.params).await? {
                Ok(hash) => Ok(request.answer(json!(hash))),
                Err(failure) => Ok(request.fail(&failure)),
            },
        }
    }

    async fn offer(&self, node: &Upstream, params: &Value) -> Result<Result<B256, RpcFailure>> {
        let raw = params.get(0).and_then(Value::as_str).and_then(|raw| raw.parse::<Bytes>().ok());
        let decoded = raw.and_then(|raw| {
            let transaction = TxEnvelope::decode_2718(&mut raw.as_ref()).ok()?;
            let from = transaction.recover_signer().ok()?;
            Some(Attempt { from, raw, transaction, current: true })
        });
        let Some(attempt) = decoded else {
            let text = "rlp: expected input list for types.DynamicFeeTx";
            return Ok(Err(RpcFailure::new(-32000, text)));
        };
        let count = Request::new("eth_getTransactionCount", json!([attempt.from, "latest"]));
        let answer = node.ask(&count).await?;
        let next = answer.get("result").and_then(Value::as_str).and_then(quantity);
        let next = next.ok_or_else(|| eyre!("the node answered {answer} to a nonce"))?;
        Ok(lock(&self.inner).admit(attempt, next))
    }

    fn found(&self, params: &Value) -> Option<Value> {
        let hash: B256 = params.get(0)?.as_str()?.parse().ok()?;
        let mut inner = lock(&self.inner);
        let held = inner.attempts.iter().find(|a| a.current && *a.transaction.tx_hash() == hash)?;
        let pending = Transaction {
            inner: Recovered::new_unchecked(held.transaction.clone(), held.from),
            block_hash: None,
            block_number: None,
            transaction_index: None,
            effective_gas_price: None,
            block_timestamp: None,
        };
        inner.counts.found += 1;
        serde_json::to_value(pending).ok()
    }

    /// Raises a pending nonce above what is held without a gap.
    fn pending_nonce(&self, params: &Value, result: &mut Value) {
        let of: Option<Address> =
            params.get(0).and_then(Value::as_str).and_then(|a| a.parse().ok());
        let pending = params.get(1).and_then(Value::as_str) == Some("pending");
        let chain = result.as_str().and_then(quantity);
        let (Some(of), Some(chain), true) = (of, chain, pending) else { return };
        let mut inner = lock(&self.inner);
        let mut next = chain;
        while inner.current(of, next).is_some() {
            next += 1;
        }
        if next != chain {
            inner.counts.pending_nonces += 1;
            *result = hex(next);
        }
    }
}

impl Inner {
    fn current(&self, from: Address, nonce: u64) -> Option<usize> {
        self.attempts
            .iter()
            .position(|a| a.current && a.from == from && a.transaction.nonce() == nonce)
    }

    /// geth's rules, in geth's order: `core/txpool/legacypool`, `list.Add`.
    fn admit(&mut self, attempt: Attempt, next: u64) -> Result<B256, RpcFailure> {
        let refuse = |text: String| Err(RpcFailure::new(-32000, text));
        let (hash, nonce) = (*attempt.transaction.tx_hash(), attempt.transaction.nonce());
        // A node forgets what is mined, so that this comes before what it knows.
        if nonce < next {
            self.counts.nonce_too_low += 1;
            return refuse(format!("nonce too low: next nonce {next}, tx nonce {nonce}"));
        }
        if self.attempts.iter().any(|held| held.current && *held.transaction.tx_hash() == hash) {
            self.counts.already_known += 1;
            return refuse("already known".to_owned());
        }
        if let Some(old) =
            self.current(attempt.from, nonce).and_then(|at| self.attempts.get_mut(at))
        {
            let (before, after) = (old.held(), attempt.held());
            let outbids = |old: u128, new: u128| {
                new > old && new >= old.saturating_mul(100 + PRICE_BUMP) / 100
            };
            let enough = outbids(before.max_fee_per_gas, after.max_fee_per_gas)
                && outbids(before.max_priority_fee_per_gas, after.max_priority_fee_per_gas);
            if !enough {
                self.counts.underpriced += 1;
                return refuse("replacement transaction underpriced".to_owned());
            }
            old.current = false;
            self.counts.replaced += 1;
        }
        self.counts.accepted += 1;
        self.attempts.push(attempt);
        Ok(hash)
    }
}

impl Attempt {
    fn held(&self) -> HeldTransaction {
        let fee = self.transaction.max_fee_per_gas();
        HeldTransaction {
            hash: *self.transaction.tx_hash(),
            from: self.from,
            nonce: self.transaction.nonce(),
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: self.transaction.max_priority_fee_per_gas().unwrap_or(fee),
            current: self.current,
        }
    }
}

impl fmt::Debug for Mempool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = lock(&self.inner);
        f.debug_struct("Mempool")
            .field("held", &inner.attempts.len())
            .field("counts", &inner.counts)
            .finish()
    }
}
