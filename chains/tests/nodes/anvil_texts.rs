//! What a running anvil says to raw transactions that it does not take, and that it is understood.

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    eips::Encodable2718 as _,
    network::TxSignerSync as _,
    primitives::{Address, Bytes, TxKind, U256, utils::parse_ether},
    signers::local::PrivateKeySigner,
};
use ballast_chains::pool::{Pool, Route, SendAnswer, Wanted};
use ballast_devnet::{Anvil, AnvilOptions, Mining, Tooling};

use crate::chain::{CHAIN_ID, endpoint, profile};

const GWEI: u128 = 1_000_000_000;

fn transaction() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce: 0,
        gas_limit: 21_000,
        max_fee_per_gas: 20 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(Address::repeat_byte(1)),
        ..TxEip1559::default()
    }
}

struct Scene {
    anvil: Anvil,
    pool: Pool,
    signer: PrivateKeySigner,
}

impl Scene {
    async fn new() -> Self {
        let options =
            AnvilOptions { chain_id: CHAIN_ID, mining: Mining::Manual, ..AnvilOptions::default() };
        let anvil = Anvil::spawn(&Tooling::locate().unwrap(), options).await.unwrap();
        let signer = PrivateKeySigner::random();
        anvil.node().set_balance(signer.address(), parse_ether("1").unwrap()).await.unwrap();
        let pool = Pool::new(&profile(vec![endpoint(anvil.http_url().as_str())])).unwrap();
        Self { anvil, pool, signer }
    }

    fn raw(&self, mut transaction: TxEip1559) -> Bytes {
        let signature = self.signer.sign_transaction_sync(&mut transaction).unwrap();
        transaction.into_signed(signature).encoded_2718().into()
    }

    /// What anvil says, and what the pool makes of it.
    async fn send(&self, raw: Bytes) -> (String, SendAnswer) {
        let answer = self
            .pool
            .broadcast(raw.clone(), Route::Public, Wanted::ALWAYS)
            .all()
            .await
            .remove(0)
            .answer;
        let text = self.anvil.node().rpc::<_, U256>("eth_sendRawTransaction", (raw,)).await;
        let text = text.err().map(|error| format!("{error:#}")).unwrap_or_default();
        (text.to_lowercase(), answer)
    }
}

#[tokio::test]
async fn what_anvil_says_is_understood() {
    let scene = Scene::new().await;
    let first = scene.raw(transaction());
    assert_eq!(
        scene.pool.broadcast(first.clone(), Route::Public, Wanted::ALWAYS).all().await[0].answer,
        SendAnswer::Accepted
    );

    let bumped = |fee| TxEip1559 { max_fee_per_gas: fee, ..transaction() };
    let rejected = |answer: &SendAnswer| matches!(answer, SendAnswer::Rejected(_));
    let (text, answer) = scene.send(first).await;
    assert_eq!(answer, SendAnswer::AlreadyKnown);
    assert!(text.contains("transaction already imported"), "{text}");
    let higher_tip = TxEip1559 { max_priority_fee_per_gas: 2 * GWEI, ..transaction() };
    let (text, answer) = scene.send(scene.raw(higher_tip)).await;
    assert_eq!(answer, SendAnswer::ReplacementUnderpriced, "{text}");
    assert!(text.contains("replacement transaction underpriced"), "{text}");
    let (text, answer) = scene
        .send(scene.raw(TxEip1559 { nonce: 1, value: parse_ether("9").unwrap(), ..transaction() }))
        .await;
    assert_eq!(answer, SendAnswer::InsufficientFunds, "{text}");
    assert!(text.contains("insufficient funds for gas * price + value"), "{text}");
    for (odd, said) in [
        (
            TxEip1559 { max_priority_fee_per_gas: 30 * GWEI, nonce: 1, ..transaction() },
            "max priority fee per gas higher than max fee per gas",
        ),
        (TxEip1559 { gas_limit: 20_000, nonce: 1, ..transaction() }, "intrinsic gas too low"),
        (TxEip1559 { gas_limit: 45_000_000, nonce: 1, ..bumped(GWEI) }, "intrinsic gas too high"),
        (TxEip1559 { chain_id: 5, nonce: 1, ..transaction() }, "invalid chain id for signer"),
    ] {
        let (text, answer) = scene.send(scene.raw(odd)).await;
        assert!(text.contains(said), "{text} in place of {said}");
        assert!(rejected(&answer), "{said} was read as {answer:?}");
    }
    let (text, answer) = scene.send(Bytes::from_static(&[2, 0xf8, 1])).await;
    assert!(text.contains("failed to decode"), "{text}");
    assert!(rejected(&answer), "{answer:?}");

    scene.anvil.node().set_next_base_fee(50 * GWEI).await.unwrap();
    scene.anvil.node().mine(1).await.unwrap();
    scene.anvil.node().set_next_base_fee(50 * GWEI).await.unwrap();
    let cheap = TxEip1559 { nonce: 0, max_fee_per_gas: GWEI, ..transaction() };
    let (text, answer) = scene.send(scene.raw(cheap)).await;
    assert_eq!(answer, SendAnswer::Underpriced, "{text}");
    assert!(text.contains("max fee per gas less than block base fee"), "{text}");
}

#[tokio::test]
async fn a_used_nonce_is_understood() {
    let scene = Scene::new().await;
    let first = scene.raw(transaction());
    assert_eq!(
        scene.pool.broadcast(first, Route::Public, Wanted::ALWAYS).all().await[0].answer,
        SendAnswer::Accepted
    );
    scene.anvil.node().mine(1).await.unwrap();
    let (text, answer) =
        scene.send(scene.raw(TxEip1559 { value: U256::from(1), ..transaction() })).await;
    assert_eq!(answer, SendAnswer::NonceTooLow, "{text}");
    assert!(text.contains("nonce too low"), "{text}");
}
