//! Fees beside gas on a node that knows none: the proxy adds them to receipts and takes them from
//! balances, and the keeper sees a chain on which every transaction pays for its data too.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use alloy::{
    primitives::{Address, B256, U256},
    providers::Provider as _,
};
use ballast_devnet::Node;
use ballast_test_support::{Fault, FaultHandle};
use eyre::{OptionExt as _, Result};
use serde_json::Value;

use crate::harness::World;

/// What a transaction pays beside its gas: known by its hash, as a layer 1's price is to nobody here.
pub(super) fn l1_fee(hash: B256) -> U256 {
    U256::from(10_000_000_000_u64) + U256::from(hash.0[31]) * U256::from(977)
}

/// What the wallets have paid beside gas up to each block; what the proxy takes from balances.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer1(Arc<Mutex<BTreeMap<B256, Paid>>>);

/// The number of a block, and what wallets had paid after it.
type Paid = (u64, BTreeMap<Address, U256>);

impl Layer1 {
    /// Adds the blocks of the chain that are not known.
    pub(super) async fn follow(&self, node: &Node, wallets: &BTreeSet<Address>) -> Result<()> {
        let mut unknown = Vec::new();
        let mut at = node.block_number().await?;
        let mut paid = loop {
            let block = node.provider().get_block_by_number(at.into()).full().await?;
            let block = block.ok_or_eyre("no such block")?;
            if let Some((_, paid)) = self.0.lock().unwrap().get(&block.header.hash) {
                break paid.clone();
            }
            unknown.push(block);
            match at.checked_sub(1) {
                Some(below) => at = below,
                None => break BTreeMap::new(),
            }
        };
        for block in unknown.into_iter().rev() {
            for sent in block.transactions.into_transactions() {
                let from = sent.inner.signer();
                if wallets.contains(&from) {
                    let fee = l1_fee(*sent.inner.tx_hash());
                    *paid.entry(from).or_default() += fee;
                }
            }
            let known = (block.header.number, paid.clone());
            self.0.lock().unwrap().insert(block.header.hash, known);
        }
        Ok(())
    }

    /// What a wallet had paid after a block that is named as JSON-RPC names one.
    fn paid(&self, wallet: Address, block: &Value) -> U256 {
        let known = self.0.lock().unwrap();
        let hash = block["blockHash"].as_str().or(block.as_str()).unwrap_or_default();
        let of = |(_, paid): &Paid| paid.get(&wallet).copied();
        let at = hash.parse::<B256>().ok().and_then(|hash| known.get(&hash));
        // Blocks named otherwise are the newest: of no account to any book.
        at.or_else(|| known.values().max_by_key(|(number, _)| *number))
            .and_then(of)
            .unwrap_or_default()
    }

    pub(super) fn inject(&self, world: &World, wallets: &BTreeSet<Address>) -> [FaultHandle; 2] {
        let mine = wallets.clone();
        let receipts = Fault::rewrite(move |_, mut receipt| {
            let from = receipt["from"].as_str().and_then(|from| from.parse::<Address>().ok());
            let hash = receipt["transactionHash"].as_str().and_then(|hash| hash.parse().ok());
            if let (Some(from), Some(hash)) = (from, hash)
                && mine.contains(&from)
            {
                receipt["l1Fee"] = format!("{:#x}", l1_fee(hash)).into();
                receipt["l1GasUsed"] = "0x640".into();
            }
            receipt
        });
        let receipts = world.proxy().inject(receipts.on("eth_getTransactionReceipt"));
        let (layer, mine) = (self.clone(), wallets.clone());
        let balances = Fault::rewrite(move |params, balance| {
            let wallet = params[0].as_str().and_then(|wallet| wallet.parse::<Address>().ok());
            let wei = balance.as_str().and_then(|wei| wei.parse::<U256>().ok());
            match (wallet, wei) {
                (Some(wallet), Some(wei)) if mine.contains(&wallet) => {
                    format!("{:#x}", wei - layer.paid(wallet, &params[1])).into()
                }
                _ => balance,
            }
        });
        let balances = world.proxy().inject(balances.on("eth_getBalance"));
        [receipts, balances]
    }
}
