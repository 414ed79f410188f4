//! The basis product on the devnet: its whole life by hand, its funding, and the doubles against the
//! reference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed step is a failed test"
)]

mod decision;
mod interface;
mod life;
mod refusals;

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::Encodable2718 as _,
    network::{TransactionBuilder as _, TxSignerSync as _},
    primitives::{Address, B256, Bytes, I256, TxKind, U256, utils::parse_ether},
    providers::Provider as _,
    rpc::types::{TransactionReceipt, TransactionRequest},
    sol_types::{SolCall, SolEvent, decode_revert_reason},
};
use ballast_devnet::{
    BasisAction, BasisMarket, BasisMethodology, BasisOptions, Devnet, DevnetOptions, Tooling, USD,
    accounts,
    contracts::basis::IBasisStrategy::{
        self, iterateRebalanceCall, rebalanceCall, reinvestCall, ripcordCall,
    },
};

const DAY: u64 = 86_400;
const WEEK: u64 = 604_800;
const COOLDOWN: u64 = 3_000;

struct Stage {
    devnet: Devnet,
    market: BasisMarket,
}

impl Stage {
    async fn start(basis: BasisOptions) -> Self {
        let basis = Some(basis);
        let options = DevnetOptions { chain_id: 10, basis, ..DevnetOptions::default() };
        let devnet = Devnet::start(options).await.unwrap();
        let market = devnet.basis_market().unwrap();
        Self { devnet, market }
    }

    fn keeper(&self) -> Address {
        accounts::keeper_address(self.market.basis().keeper)
    }

    async fn warp(&self, seconds: u64) {
        self.devnet.node().warp(seconds).await.unwrap();
    }

    async fn ratio(&self) -> I256 {
        self.market.leverage_ratio().await.unwrap()
    }

    async fn due(&self) -> BasisAction {
        self.market.should_rebalance().await.unwrap()
    }

    /// Signs and sends as the keeper does.
    async fn act<C: SolCall>(&self, call: C) -> TransactionReceipt {
        let node = self.devnet.node();
        let signer = accounts::keeper(self.market.basis().keeper);
        let mut tx = TxEip1559 {
            chain_id: 10,
            nonce: node.nonce(signer.address()).await.unwrap(),
            gas_limit: 3_000_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(self.market.basis().extension),
            input: call.abi_encode().into(),
            ..TxEip1559::default()
        };
        let signature = signer.sign_transaction_sync(&mut tx).unwrap();
        let signed: TxEnvelope = tx.into_signed(signature).into();
        let raw = Bytes::from(signed.encoded_2718());
        let hash: B256 = node.rpc("eth_sendRawTransaction", (raw,)).await.unwrap();
        let receipt = node.receipt(hash).await.unwrap();
        if !receipt.status() {
            let ratio = self.ratio().await;
            panic!("{} at {ratio}: {}", C::SIGNATURE, self.refusal(call).await);
        }
        receipt
    }

    /// The words with which the extension would refuse the keeper.
    async fn refusal<C: SolCall>(&self, call: C) -> String {
        self.refusal_of(self.keeper(), call).await
    }

    async fn refusal_of<C: SolCall>(&self, caller: Address, call: C) -> String {
        let request = TransactionRequest::default()
            .with_from(caller)
            .with_to(self.market.basis().extension)
            .with_input(call.abi_encode());
        let answer = self.devnet.node().provider().call(request).await;
        let Err(error) = answer else { return "accepted".to_owned() };
        let data = error.as_error_resp().and_then(|error| error.as_revert_data());
        let words = data.and_then(|data| decode_revert_reason(&data));
        let words = words.unwrap_or_else(|| error.to_string());
        words.trim_start_matches("revert: ").to_owned()
    }
}

/// A ratio, from its text.
fn ratio(text: &str) -> I256 {
    let magnitude = I256::try_from(parse_ether(text.trim_start_matches('-')).unwrap()).unwrap();
    if text.starts_with('-') { -magnitude } else { magnitude }
}

fn between(value: I256, low: &str, high: &str) -> bool {
    (ratio(low)..=ratio(high)).contains(&value)
}

fn event<E: SolEvent>(receipt: &TransactionReceipt) -> E {
    let log = receipt.logs().iter().find_map(|log| E::decode_log(&log.inner).ok());
    log.unwrap_or_else(|| panic!("no {}", E::SIGNATURE)).data
}
