//! Every row of the books against the chain's own word on it.

use std::collections::BTreeMap;

use alloy::primitives::{B256, U256};

use super::{
    super::{
        chain::{Paid, Sent, receipts_of},
        entry::Entry,
        flows::carried,
        read::Stretch,
    },
    ReconcileError, Work,
};
use crate::money::Usd;

/// Entries that are held against the chain at once.
const PAGE: u64 = 100;
/// Nonces that are missing one after the other and told one by one.
const MAX_MISSING: u64 = 10;

impl Work<'_> {
    /// What went out.
    pub(super) async fn entries(&mut self, of: &Stretch) -> Result<(), ReconcileError> {
        let mut expected = of.nonces.0;
        let mut hashes: BTreeMap<B256, u64> = BTreeMap::new();
        let mut next = 0;
        loop {
            let page = self.ledger.page(of, next, PAGE).await?;
            let is_last = u64::try_from(page.len()).is_ok_and(|len| len < PAGE);
            let mut entries = Vec::new();
            for (nonce, entry) in page {
                next = nonce.saturating_add(1);
                self.place(of, nonce, &mut expected);
                match entry {
                    Ok(entry) => entries.push(entry),
                    Err(error) => {
                        let what = format!("the entry of nonce {nonce}: {error}");
                        self.problem(None, Some(nonce), what);
                    }
                }
            }
            for entry in &entries {
                self.found.entries = self.found.entries.saturating_add(1);
                self.went(entry);
                self.check_alone(of, entry);
                if let Some(settled) = &entry.settlement
                    && settled.income > U256::ZERO
                {
                    self.paid.insert(entry.hash, settled.income);
                }
                if let Some(other) = hashes.insert(entry.hash, entry.nonce) {
                    let nonce = entry.nonce;
                    let what = format!("{} is booked at nonces {other} and {nonce}", entry.hash);
                    self.problem(Some(entry.block.number), Some(nonce), what);
                }
            }
            self.check_with_chain(&entries).await;
            if is_last {
                self.missing(expected, of.nonces.1);
                return Ok(());
            }
        }
    }

    /// Whether this nonce follows the one before.
    fn place(&mut self, of: &Stretch, nonce: u64, expected: &mut u64) {
        if nonce < of.nonces.0 || nonce >= of.nonces.1 {
            let what = format!(
                "an entry of nonce {nonce} is in this stretch, which used nonces {} to {}",
                of.nonces.0,
                of.nonces.1.saturating_sub(1)
            );
            return self.problem(None, Some(nonce), what);
        }
        self.missing(*expected, nonce);
        *expected = nonce.saturating_add(1);
    }

    /// Nonces that were used and are not booked.
    fn missing(&mut self, from: u64, until: u64) {
        for nonce in (from..until).take(usize::try_from(MAX_MISSING).unwrap_or(usize::MAX)) {
            self.problem(None, Some(nonce), format!("nonce {nonce} is used and not booked"));
        }
        let count = until.saturating_sub(from);
        if count > MAX_MISSING {
            let what = format!("{count} nonces from {from} on are used and not booked");
            self.problem(None, Some(from), what);
        }
    }

    /// What a row says of itself.
    fn check_alone(&mut self, of: &Stretch, entry: &Entry) {
        let at = entry.block.number;
        let mut say = |what: String| {
            self.problem(Some(at), Some(entry.nonce), format!("nonce {}: {what}", entry.nonce));
        };
        if at <= of.after || at > of.until {
            say(format!("its block {at} is not in this stretch"));
        }
        if entry.fees.total() != Some(entry.cost) {
            say(format!("it cost {} wei, and its fees are {:?}", entry.cost, entry.fees));
        }
        let gas = U256::from(entry.gas_used);
        let execution = gas.checked_mul(U256::from(entry.effective_gas_price));
        if execution != Some(entry.fees.execution) {
            say(format!(
                "{} gas at {} wei are not {} wei",
                entry.gas_used, entry.effective_gas_price, entry.fees.execution
            ));
        }
        let usd = entry.price.as_ref().ok().map(|at| Usd::cost(entry.cost, at.price));
        if usd != entry.usd {
            let shown = |usd: Option<Usd>| usd.map_or("nothing".to_owned(), |usd| usd.to_string());
            say(format!("{} USD at its price, booked as {}", shown(usd), shown(entry.usd)));
        }
    }

    /// What receipts and transactions say of rows.
    async fn check_with_chain(&mut self, entries: &[Entry]) {
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let Some(chain) = self.chain else {
            self.found.unchecked = self.found.unchecked.saturating_add(count);
            return self.unproven("no row was held against its receipt".to_owned());
        };
        let hashes: Vec<B256> = entries.iter().map(|entry| entry.hash).collect();
        if hashes.is_empty() {
            return;
        }
        let receipts = receipts_of(chain, hashes.clone()).await;
        let sent = chain.transactions(hashes).await;
        let (receipts, sent) = match (receipts, sent) {
            (Ok(receipts), Ok(sent)) => (receipts, sent),
            (Err(error), _) | (_, Err(error)) => {
                self.found.unchecked = self.found.unchecked.saturating_add(count);
                return self.unproven(format!("{count} rows and more against receipts: {error}"));
            }
        };
        let sent: BTreeMap<B256, Sent> =
            sent.into_iter().flatten().map(|sent| (sent.hash, sent)).collect();
        for entry in entries {
            match (receipts.get(&entry.hash), sent.get(&entry.hash)) {
                (Some(paid), Some(sent)) => {
                    for what in differences(entry, paid, sent) {
                        let nonce = entry.nonce;
                        let what = format!("nonce {nonce}: {what}");
                        self.problem(Some(paid.block), Some(nonce), what);
                    }
                }
                (None, _) | (_, None) => {
                    let what = format!("nonce {}: the chain has no {}", entry.nonce, entry.hash);
                    self.problem(Some(entry.block.number), Some(entry.nonce), what);
                }
            }
        }
    }

    /// What came in.
    pub(super) async fn inflows(&mut self, of: &Stretch) -> Result<(), ReconcileError> {
        for (block, inflow) in self.ledger.came(of).await? {
            match inflow {
                Ok(inflow) => {
                    self.came(&inflow);
                    self.booked.entry(block).or_default().push(inflow);
                }
                Err(error) => {
                    let what = format!("an inflow of block {block}: {error}");
                    self.problem(Some(block), None, what);
                }
            }
        }
        Ok(())
    }
}

/// In what a row differs from the chain.
fn differences(entry: &Entry, paid: &Paid, sent: &Sent) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, booked: String, told: String| {
        if booked != told {
            found.push(format!("{what} is booked as {booked}, the chain says {told}"));
        }
    };
    let wei = |amount: U256| format!("{amount} wei");
    differ("the sender", entry.holder.wallet.to_string(), sent.from.to_string());
    differ("the nonce", entry.nonce.to_string(), sent.nonce.to_string());
    differ("the block", entry.block.number.to_string(), paid.block.to_string());
    differ("the block's hash", entry.block.hash.to_string(), paid.block_hash.to_string());
    differ("success", entry.succeeded.to_string(), paid.succeeded.to_string());
    differ("the gas", entry.gas_used.to_string(), paid.gas_used.to_string());
    let price = |price: u128| format!("{price} wei");
    differ("its price", price(entry.effective_gas_price), price(paid.effective_gas_price));
    differ("the fee on layer 1", wei(entry.fees.l1), wei(paid.fees.l1));
    differ("the operator's fee", wei(entry.fees.operator), wei(paid.fees.operator));
    differ("the fee for blobs", wei(entry.fees.blob), wei(paid.fees.blob));
    let cost = paid.fees.total().map_or("too much".to_owned(), wei);
    differ("its cost", wei(entry.cost), cost);
    differ("what it carried", wei(entry.value), wei(carried(sent, paid)));
    found
}
