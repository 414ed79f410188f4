//! Many transactions of one account, sent without waiting and mined together.
//!
//! A deployment is some seventy transactions, a hundred more products some fourteen hundred. One
//! block each would take minutes of round trips, and each block moves the chain's clock a second
//! ahead. Addresses follow from nonces, so later transactions can name contracts that are not
//! there yet.

use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, U256},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use eyre::{OptionExt as _, Result, ensure, eyre};

use crate::{Node, node::MAX_FEE};

/// For every transaction; the largest, a deployment, takes under 6 million.
const GAS: u64 = 8_000_000;
/// Transactions per block. When a block is full, anvil 1.7 goes on with the next transaction that
/// would fit, finds its nonce too high and drops it with all after it; so blocks never get full.
const BLOCK_TRANSACTIONS: usize = 100;
/// Room for that many.
const BLOCK_GAS: u64 = 1_000_000_000;

/// Transactions on their way; [`finish`](Self::finish) puts them into blocks.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    node: &'a Node,
    from: Address,
    nonce: u64,
    sent: Vec<Sent>,
}

#[derive(Debug)]
struct Sent {
    label: String,
    hash: B256,
    request: TransactionRequest,
}

impl<'a> Batch<'a> {
    pub(crate) async fn begin(node: &'a Node, from: Address) -> Result<Self> {
        let nonce = node.pending_nonce(from).await?;
        Ok(Self { node, from, nonce, sent: Vec::new() })
    }

    /// Deploys `code` with already encoded constructor arguments; returns where it will be.
    pub(crate) async fn deploy(
        &mut self,
        label: &str,
        code: &Bytes,
        arguments: Vec<u8>,
    ) -> Result<Address> {
        let address = self.from.create(self.nonce);
        let code = Bytes::from([code.as_ref(), &arguments].concat());
        let request = TransactionRequest::default().with_deploy_code(code);
        self.send(label.to_owned(), request).await?;
        Ok(address)
    }

    /// Spends nonces until the address of the next contract is `wanted`.
    pub(crate) async fn skip_until(&mut self, wanted: impl Fn(Address) -> bool) -> Result<()> {
        while !wanted(self.from.create(self.nonce)) {
            self.transfer(self.from, U256::ZERO).await?;
        }
        Ok(())
    }

    pub(crate) async fn call<C: SolCall>(&mut self, to: Address, call: C) -> Result<()> {
        self.pay(to, call, U256::ZERO).await
    }

    /// A call that carries ether, in wei.
    pub(crate) async fn pay<C: SolCall>(&mut self, to: Address, call: C, wei: U256) -> Result<()> {
        let request = TransactionRequest::default()
            .with_to(to)
            .with_input(Bytes::from(call.abi_encode()))
            .with_value(wei);
        self.send(format!("{} of {to}", C::SIGNATURE), request).await
    }

    /// A plain transfer, in wei.
    pub(crate) async fn transfer(&mut self, to: Address, wei: U256) -> Result<()> {
        let request = TransactionRequest::default().with_to(to).with_value(wei);
        self.send(format!("transfer to {to}"), request).await
    }

    /// Mines what is left; the first transaction that failed is the error.
    pub(crate) async fn finish(self) -> Result<()> {
        self.node.mine(1).await?;
        self.check().await
    }

    async fn check(self) -> Result<()> {
        for sent in self.sent {
            let receipt = self.node.receipt(sent.hash).await?;
            if receipt.status() {
                continue;
            }
            // Asked again on the newest state, which mostly gives the same reason.
            let reason = self.node.rpc::<_, Bytes>("eth_call", (sent.request, "latest")).await;
            let reason = reason.err().map_or_else(|| "unknown".to_owned(), |e| format!("{e:#}"));
            return Err(eyre!("{} failed: {reason}", sent.label));
        }
        Ok(())
    }

    async fn send(&mut self, label: String, request: TransactionRequest) -> Result<()> {
        let request = request
            .with_from(self.from)
            .with_nonce(self.nonce)
            .with_gas_limit(GAS)
            .with_max_fee_per_gas(MAX_FEE)
            .with_max_priority_fee_per_gas(1);
        let hash = self.node.rpc("eth_sendTransaction", (request.clone(),)).await?;
        self.nonce = self.nonce.checked_add(1).ok_or_eyre("nonce overflow")?;
        self.sent.push(Sent { label, hash, request });
        if self.sent.len().is_multiple_of(BLOCK_TRANSACTIONS) {
            self.node.mine(1).await?;
        }
        Ok(())
    }
}

/// Keeps a node from mining while batches are sent, with blocks large enough for them.
#[derive(Debug)]
pub(crate) struct Quiet {
    automine: bool,
    interval: Option<u64>,
    gas_limit: u64,
}

impl Quiet {
    pub(crate) async fn begin(node: &Node) -> Result<Self> {
        let automine = node.rpc("anvil_getAutomine", ()).await?;
        let interval: Option<u64> = node.rpc("anvil_getIntervalMining", ()).await?;
        let gas_limit = node.head().await?.gas_limit;
        if automine {
            node.set_automine(false).await?;
        } else if interval.is_some() {
            node.set_interval_mining(0).await?;
        }
        set_block_gas(node, BLOCK_GAS).await?;
        Ok(Self { automine, interval, gas_limit })
    }

    pub(crate) async fn end(self, node: &Node) -> Result<()> {
        set_block_gas(node, self.gas_limit).await?;
        // The base fee climbed with the full blocks; the chain starts with an ordinary one.
        node.set_next_base_fee(START_BASE_FEE).await?;
        node.mine(1).await?;
        if self.automine {
            node.set_automine(true).await?;
        } else if let Some(seconds) = self.interval {
            node.set_interval_mining(seconds).await?;
        }
        Ok(())
    }
}

/// The base fee once everything stands, in wei per gas: 10 gwei.
const START_BASE_FEE: u128 = 10_000_000_000;

async fn set_block_gas(node: &Node, gas: u64) -> Result<()> {
    let set: bool = node.rpc("evm_setBlockGasLimit", (U256::from(gas),)).await?;
    ensure!(set, "the node refused a block gas limit of {gas}");
    Ok(())
}
