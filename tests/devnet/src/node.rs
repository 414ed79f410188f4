//! A handle on a node: what tests do to a chain, under names that say it.
//!
//! The methods that change the node are anvil's own; the handle itself is only a URL, so it works
//! as well through a proxy or on a node that somebody started by hand.

use std::{
    borrow::Cow,
    fmt::Debug,
    time::{Duration, SystemTime},
};

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, TxHash, U64, U256},
    providers::{DynProvider, Provider as _, ProviderBuilder},
    rpc::{
        client::RpcClient,
        json_rpc::{RpcRecv, RpcSend},
        types::{Header, TransactionReceipt, TransactionRequest},
    },
    sol_types::SolCall,
    transports::http::Http,
};
use eyre::{Context as _, OptionExt as _, Result, ensure, eyre};
use tokio::time::{MissedTickBehavior, interval, timeout};
use url::Url;

/// Longest wait for one answer. Mining a full block of deployments takes under two seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for a transaction to be mined: long enough for a block time of twelve seconds.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a condition on the chain is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A handle on a node. Cheap to clone; talks HTTP.
#[derive(Debug, Clone)]
pub struct Node {
    provider: DynProvider,
    http: Url,
}

impl Node {
    /// A handle on the node at `http`. Does not talk to it yet.
    ///
    /// # Errors
    ///
    /// If the HTTP client cannot be built.
    pub fn new(http: Url) -> Result<Self> {
        // The reqwest of this workspace has no TLS provider of its own. A second installation
        // fails, which is what an embedding program that chose its own wants.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build()?;
        let client = RpcClient::new(Http::with_client(client, http.clone()), true);
        let provider =
            ProviderBuilder::new().disable_recommended_fillers().connect_client(client).erased();
        Ok(Self { provider, http })
    }

    /// The address for HTTP requests.
    #[must_use]
    pub fn http_url(&self) -> &Url {
        &self.http
    }

    /// The address for WebSocket connections: anvil serves both on one port.
    #[must_use]
    pub fn ws_url(&self) -> Url {
        let mut url = self.http.clone();
        #[expect(clippy::expect_used, reason = "http and ws are both special schemes")]
        url.set_scheme("ws").expect("http turns into ws");
        url
    }

    /// An alloy provider without fillers: it fetches no nonce and estimates no gas on its own.
    #[must_use]
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// Any RPC method.
    ///
    /// # Errors
    ///
    /// If the node cannot be reached, refuses, or answers something other than `R`.
    pub async fn rpc<P, R>(&self, method: &'static str, params: P) -> Result<R>
    where
        P: RpcSend,
        R: RpcRecv + Debug,
    {
        let answer = self.provider.client().request(Cow::Borrowed(method), params).await;
        answer.wrap_err_with(|| format!("{method} at {}", self.http))
    }

    /// The chain id.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn chain_id(&self) -> Result<u64> {
        Ok(self.rpc::<_, U64>("eth_chainId", ()).await?.to())
    }

    /// The number of the newest block.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn block_number(&self) -> Result<u64> {
        Ok(self.rpc::<_, U64>("eth_blockNumber", ()).await?.to())
    }

    /// The newest block's header.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn head(&self) -> Result<Header> {
        let block = self.provider.get_block_by_number(BlockNumberOrTag::Latest).await?;
        Ok(block.ok_or_eyre("the node has no block")?.header)
    }

    /// Mines `blocks` blocks, whatever the mining mode.
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        self.rpc::<_, Option<bool>>("anvil_mine", (U256::from(blocks),)).await?;
        Ok(())
    }

    /// Moves the chain's clock forward by `seconds` and mines one block.
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn warp(&self, seconds: u64) -> Result<()> {
        self.rpc::<_, serde_json::Value>("evm_increaseTime", (U256::from(seconds),)).await?;
        self.mine(1).await
    }

    /// Mines one block with exactly this timestamp, in seconds since 1970; the clock goes on from
    /// there.
    ///
    /// # Errors
    ///
    /// If it is before the newest block.
    pub async fn mine_at(&self, timestamp: u64) -> Result<()> {
        self.rpc::<_, Option<bool>>("evm_setNextBlockTimestamp", (timestamp,)).await?;
        self.mine(1).await
    }

    /// Fixes the base fee of the next block, in wei.
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn set_next_base_fee(&self, wei: u128) -> Result<()> {
        let wei = U256::from(wei);
        self.rpc::<_, Option<bool>>("anvil_setNextBlockBaseFeePerGas", (wei,)).await?;
        Ok(())
    }

    /// The base fee of the block that would be made next, in wei.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub(crate) async fn next_base_fee(&self) -> Result<u128> {
        let block = self.provider.get_block_by_number(BlockNumberOrTag::Pending).await?;
        let header = block.ok_or_eyre("the node has no pending block")?.header;
        Ok(header.base_fee_per_gas.unwrap_or_default().into())
    }

    /// Replaces the newest `depth` blocks by empty ones of the same heights. Their transactions are
    /// gone, not back in the pool.
    ///
    /// # Errors
    ///
    /// If the chain is shorter than that, or a state that deep is no longer kept.
    pub async fn reorg(&self, depth: u64) -> Result<()> {
        self.reorg_with(depth, &[]).await
    }

    /// Replaces the newest `depth` blocks by others of the same heights, which hold these signed
    /// transactions: each with the number of the block that holds it, the lowest being 0.
    ///
    /// # Errors
    ///
    /// As [`reorg`](Self::reorg), and if a transaction cannot be executed there.
    pub async fn reorg_with(&self, depth: u64, transactions: &[(Bytes, u64)]) -> Result<()> {
        self.rpc::<_, Option<bool>>("anvil_reorg", (depth, transactions)).await?;
        Ok(())
    }

    /// Turns mining of a block per transaction on; turns it off to mine only on demand.
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn set_automine(&self, on: bool) -> Result<()> {
        self.rpc::<_, Option<bool>>("evm_setAutomine", (on,)).await?;
        Ok(())
    }

    /// Mines a block every `seconds`; 0 stops that.
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn set_interval_mining(&self, seconds: u64) -> Result<()> {
        self.rpc::<_, Option<bool>>("evm_setIntervalMining", (seconds,)).await?;
        Ok(())
    }

    /// Sets a balance, in wei.
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn set_balance(&self, account: Address, wei: U256) -> Result<()> {
        self.rpc::<_, Option<bool>>("anvil_setBalance", (account, wei)).await?;
        Ok(())
    }

    /// The balance at the newest block, in wei.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn balance(&self, account: Address) -> Result<U256> {
        self.rpc("eth_getBalance", (account, "latest")).await
    }

    /// How many transactions the account has in blocks.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn nonce(&self, account: Address) -> Result<u64> {
        Ok(self.rpc::<_, U64>("eth_getTransactionCount", (account, "latest")).await?.to())
    }

    /// The same, with those waiting in the pool.
    ///
    /// # Errors
    ///
    /// If the node does not answer.
    pub async fn pending_nonce(&self, account: Address) -> Result<u64> {
        Ok(self.rpc::<_, U64>("eth_getTransactionCount", (account, "pending")).await?.to())
    }

    /// Places runtime code.
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn set_code(&self, at: Address, code: Bytes) -> Result<()> {
        self.rpc::<_, Option<bool>>("anvil_setCode", (at, code)).await?;
        Ok(())
    }

    /// Remembers the present state; the answer is for [`revert`](Self::revert).
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn snapshot(&self) -> Result<U256> {
        self.rpc("evm_snapshot", ()).await
    }

    /// Goes back to a remembered state, which is forgotten by that.
    ///
    /// # Errors
    ///
    /// If there is no such snapshot.
    pub async fn revert(&self, snapshot: U256) -> Result<()> {
        let known: bool = self.rpc("evm_revert", (snapshot,)).await?;
        ensure!(known, "no snapshot {snapshot}");
        Ok(())
    }

    /// Lets the node sign for an account that it has no key of.
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn impersonate(&self, account: Address) -> Result<()> {
        self.rpc::<_, Option<bool>>("anvil_impersonateAccount", (account,)).await?;
        Ok(())
    }

    /// Removes a transaction from the pool.
    ///
    /// # Errors
    ///
    /// If the node refuses.
    pub async fn drop_transaction(&self, hash: TxHash) -> Result<()> {
        self.rpc::<_, Option<TxHash>>("anvil_dropTransaction", (hash,)).await?;
        Ok(())
    }

    /// A read at the newest block.
    ///
    /// # Errors
    ///
    /// If the call reverts or its answer does not decode.
    pub async fn read<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return> {
        self.read_at(to, call, BlockId::latest()).await
    }

    /// A read at a block; at the pending one it is that which would be made next, with the transactions
    /// that wait for it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and if the node does not have the state.
    pub async fn read_at<C: SolCall>(
        &self,
        to: Address,
        call: C,
        block: BlockId,
    ) -> Result<C::Return> {
        let request =
            TransactionRequest::default().with_to(to).with_input(Bytes::from(call.abi_encode()));
        let answer = self.provider.call(request).block(block).await;
        let answer = answer.wrap_err_with(|| format!("{} of {to}", C::SIGNATURE))?;
        C::abi_decode_returns(&answer).wrap_err_with(|| format!("{} of {to}", C::SIGNATURE))
    }

    /// Sends a call from an account the node signs for (the operator, the market, an impersonated
    /// one) and waits until it is in a block, mining one if nobody else would.
    ///
    /// # Errors
    ///
    /// If it reverts, or is in no block after 30 seconds.
    pub async fn transact<C: SolCall>(
        &self,
        from: Address,
        to: Address,
        call: C,
    ) -> Result<TransactionReceipt> {
        self.transact_for(MAX_FEE, from, to, call).await
    }

    /// The same for so much per gas at most, in wei: what offers more comes before it in a block.
    pub(crate) async fn transact_for<C: SolCall>(
        &self,
        max_fee: u128,
        from: Address,
        to: Address,
        call: C,
    ) -> Result<TransactionReceipt> {
        let request = TransactionRequest::default()
            .with_from(from)
            .with_to(to)
            .with_input(Bytes::from(call.abi_encode()))
            .with_gas_limit(TRANSACT_GAS)
            .with_max_fee_per_gas(max_fee)
            .with_max_priority_fee_per_gas(1);
        let hash: B256 = self.rpc("eth_sendTransaction", (request.clone(),)).await?;
        if self.mines_on_demand().await? {
            self.mine(1).await?;
        }
        let receipt = self.receipt(hash).await?;
        if receipt.status() {
            return Ok(receipt);
        }
        let reason = self.provider.call(request).await.err();
        let reason = reason.map_or_else(|| "reason unknown".to_owned(), |e| e.to_string());
        Err(eyre!("{} of {to} reverted: {reason}", C::SIGNATURE))
    }

    /// Waits for the receipt of a transaction; does not mine.
    ///
    /// # Errors
    ///
    /// If there is none after 30 seconds.
    pub async fn receipt(&self, hash: TxHash) -> Result<TransactionReceipt> {
        let wait = async {
            let mut poll = interval(POLL);
            poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                poll.tick().await;
                if let Some(receipt) = self.provider.get_transaction_receipt(hash).await? {
                    return Ok(receipt);
                }
            }
        };
        timeout(RECEIPT_TIMEOUT, wait).await.wrap_err_with(|| format!("no receipt of {hash}"))?
    }

    /// Lets the clock go on from the newest block where that is ahead of the wall clock: a node
    /// with a loaded state would make its next block earlier than the last.
    pub(crate) async fn keep_ahead(&self) -> Result<()> {
        let ahead = self.head().await?.timestamp.saturating_sub(wall_clock()?);
        if ahead > 0 {
            self.rpc::<_, serde_json::Value>("evm_increaseTime", (U256::from(ahead),)).await?;
        }
        Ok(())
    }

    /// Whether blocks come only when asked for.
    pub(crate) async fn mines_on_demand(&self) -> Result<bool> {
        let auto: bool = self.rpc("anvil_getAutomine", ()).await?;
        let every: Option<u64> = self.rpc("anvil_getIntervalMining", ()).await?;
        Ok(!auto && every.is_none())
    }
}

/// Now, in seconds since 1970.
pub(crate) fn wall_clock() -> Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "a chain for tests is set to the wall clock")]
    let now = SystemTime::now();
    Ok(now.duration_since(SystemTime::UNIX_EPOCH).wrap_err("the clock is before 1970")?.as_secs())
}

/// Enough for any action of a strategy and any move of the market.
const TRANSACT_GAS: u64 = 3_000_000;
/// Above every base fee a devnet reaches, so that its own transactions are never priced out, in
/// wei per gas.
pub(crate) const MAX_FEE: u128 = 10_000_000_000_000;
