//! The bare loop: on each head one batched `eth_call`, sign, send. No journal, no simulation, no
//! watching, nothing survives: what a keeper is measured against.

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718 as _,
    network::TransactionBuilder as _,
    primitives::{B256, Bytes, TxKind, U256},
    providers::{
        MULTICALL3_ADDRESS, Provider as _, ProviderBuilder, WsConnect,
        bindings::IMulticall3::{Call3, aggregate3Call},
    },
    rpc::{client::RpcClient, types::TransactionRequest},
    signers::{SignerSync as _, local::PrivateKeySigner},
    sol_types::SolCall as _,
    transports::http::Http,
};
use eyre::{Result, WrapErr as _};
use futures::{StreamExt as _, future::join_all};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::view;

/// Seconds between two blocks that mean that the chain was warped.
const WARP: u64 = 3_600;
/// Gas for a batch, as the keeper would give it to all of its chunks.
const GAS: u64 = 1_000_000_000;

/// What the loop is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) http: String,
    pub(crate) ws: String,
    pub(crate) keys: Vec<B256>,
    /// Calldata of the batch that it reads at every head; nothing is read if it is empty.
    pub(crate) batch: Bytes,
    pub(crate) when: When,
}

/// When something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum When {
    /// At each product's turn.
    Turn,
    /// Everywhere, when the chain has been warped.
    Warp,
    /// Everywhere, at every head.
    Always,
}

/// The batch of the one-view products.
pub(crate) fn views(keys: &[B256]) -> Result<Bytes> {
    let calls = keys.iter().map(|key| {
        let wallet = PrivateKeySigner::from_bytes(key)?.address();
        let (target, call_data) = (MULTICALL3_ADDRESS, view::view(wallet));
        Ok(Call3 { target, allowFailure: true, callData: call_data })
    });
    let calls = calls.collect::<Result<Vec<_>>>()?;
    Ok(aggregate3Call { calls }.abi_encode().into())
}

#[tokio::main]
pub(crate) async fn run(plan: &str) -> Result<()> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(plan)?)?;
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().tcp_nodelay(true).build()?;
    let client = RpcClient::new(Http::with_client(client, Url::parse(&plan.http)?), true);
    let http = ProviderBuilder::new().disable_recommended_fillers().connect_client(client);
    let ws = ProviderBuilder::new().disable_recommended_fillers();
    let ws = ws.connect_ws(WsConnect::new(plan.ws.clone())).await.wrap_err("the socket")?;
    let chain_id = http.get_chain_id().await?;
    let signers: Result<Vec<_>, _> = plan.keys.iter().map(PrivateKeySigner::from_bytes).collect();
    let signers = signers?;
    let counts = signers.iter().map(|signer| {
        let address = signer.address();
        let http = &http;
        async move { http.get_transaction_count(address).await }
    });
    let nonces: Result<Vec<u64>, _> = join_all(counts).await.into_iter().collect();
    let mut nonces = nonces?;
    let mut heads = ws.subscribe_blocks().await?.into_stream();
    eprintln!("ready");
    let mut last = None;
    while let Some(head) = heads.next().await {
        if !plan.batch.is_empty() {
            let request = TransactionRequest::default()
                .with_to(MULTICALL3_ADDRESS)
                .with_input(plan.batch.clone())
                .with_gas_limit(GAS);
            let answer = http.call(request).hash(head.hash).await?;
            let results = aggregate3Call::abi_decode_returns(&answer)?;
            eyre::ensure!(results.len() >= plan.keys.len(), "a result is missing");
        }
        let warped = last.is_some_and(|last| head.timestamp.saturating_sub(last) > WARP);
        last = Some(head.timestamp);
        let due: Vec<usize> = match plan.when {
            When::Turn => {
                let of = u64::try_from(plan.keys.len())?;
                let turn = view::turn(head.number, of).and_then(|index| index.try_into().ok());
                turn.into_iter().collect()
            }
            When::Warp if warped => (0..plan.keys.len()).collect(),
            When::Warp => Vec::new(),
            When::Always => (0..plan.keys.len()).collect(),
        };
        let base_fee = u128::from(head.base_fee_per_gas.unwrap_or_default());
        let sends = due.into_iter().map(|index| {
            let transaction = TxEip1559 {
                chain_id,
                nonce: nonces[index],
                gas_limit: 100_000,
                max_fee_per_gas: base_fee * 2 + 1_000_000_000,
                max_priority_fee_per_gas: 1_000_000_000,
                to: TxKind::Call(MULTICALL3_ADDRESS),
                value: U256::ZERO,
                access_list: Default::default(),
                input: view::call(head.number),
            };
            nonces[index] += 1;
            let signature = signers[index].sign_hash_sync(&transaction.signature_hash())?;
            let raw = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
            let http = &http;
            Ok(async move { http.send_raw_transaction(&raw).await.map(drop) })
        });
        let sends: Result<Vec<_>> = sends.collect();
        for sent in join_all(sends?).await {
            sent?;
        }
    }
    Ok(())
}
