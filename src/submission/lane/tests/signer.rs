//! Signers that are slow, fail, or sign with another key.

use std::pin::Pin;

use alloy::{
    consensus::SignableTransaction,
    network::TxSigner,
    primitives::{Address, Signature},
    signers::local::PrivateKeySigner,
};
use ballast_chains::wallet::Wallet;

use super::{
    bench::{Bench, action, ripcord},
    scenarios::hash_of,
    sim::journalled,
};
use crate::submission::{LaneError, Pursuit};

#[derive(Debug, Clone, Copy)]
enum Fault {
    Hangs,
    Fails,
    OtherKey,
}

struct Bad(Fault, Address);

impl TxSigner<Signature> for Bad {
    fn address(&self) -> Address {
        self.1
    }

    fn sign_transaction<'a, 't, 'f>(
        &'a self,
        tx: &'t mut dyn SignableTransaction<Signature>,
    ) -> Pin<Box<dyn Future<Output = alloy::signers::Result<Signature>> + Send + 'f>>
    where
        'a: 'f,
        't: 'f,
        Self: 'f,
    {
        let hash = tx.signature_hash();
        Box::pin(async move {
            match self.0 {
                Fault::Hangs => std::future::pending().await,
                Fault::Fails => Err(alloy::signers::Error::other("the service is away")),
                Fault::OtherKey => {
                    use alloy::signers::Signer as _;
                    PrivateKeySigner::random().sign_hash(&hash).await
                }
            }
        })
    }
}

async fn with_signer(bench: &mut Bench, fault: Fault) {
    let address = bench.sim.world().owner;
    bench.change_wallet(Wallet::with_signer(address, Bad(fault, address))).await;
}

fn is_of(error: &LaneError, fault: Fault) -> bool {
    matches!(
        (error, fault),
        (LaneError::SignerSlow { .. }, Fault::Hangs)
            | (LaneError::Wallet(_), Fault::Fails | Fault::OtherKey)
    )
}

#[tokio::test]
async fn without_a_right_signature_nothing_is_journalled_or_sent() {
    for fault in [Fault::Hangs, Fault::Fails, Fault::OtherKey] {
        let mut bench = Bench::new().await;
        with_signer(&mut bench, fault).await;
        let error = bench.try_pursue(action(1)).await.unwrap_err();
        assert!(is_of(&error, fault), "{fault:?}: {error:?}");
        assert!(journalled(&bench.store).await.is_empty(), "{fault:?}");
        assert!(bench.sim.sent().is_empty(), "{fault:?}");
        // The nonce is free for the next one.
        bench.restart().await;
        assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 0, .. }));
    }
}

#[tokio::test]
async fn what_is_pending_goes_out_again_while_the_signer_is_away() {
    for fault in [Fault::Hangs, Fault::Fails, Fault::OtherKey] {
        let mut bench = Bench::new().await;
        let hash = hash_of(&bench.pursue(ripcord(1)).await);
        with_signer(&mut bench, fault).await;
        let before = bench.sim.sent().len();
        bench.sim.world().base_fee *= 5;
        let head = bench.sim.mine_empty();
        let upkeep = bench.upkeep;
        let error = bench.lane.observe(&head, None, &upkeep).await.unwrap_err();
        assert!(is_of(&error, fault), "{fault:?}: {error:?}");
        assert_eq!(bench.sim.sent()[before..], [hash], "{fault:?}: the bytes of before");
        assert_eq!(journalled(&bench.store).await.len(), 1, "{fault:?}");
        bench.restart().await;
        let steps = bench.steps().await;
        assert_eq!(steps, ["replaced"], "{fault:?}");
    }
}
