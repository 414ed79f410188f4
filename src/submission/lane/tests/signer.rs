//! Signers that are slow, fail, or sign with another key.

use std::time::Duration;

use alloy::{
    primitives::{B256, Signature},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use ballast_chains::wallet::{SignHash, SignerError, Wallet, WalletError};
use futures::future::BoxFuture;

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

struct Bad(Fault);

impl SignHash for Bad {
    fn sign_hash(&self, hash: B256) -> BoxFuture<'_, Result<Signature, SignerError>> {
        Box::pin(async move {
            match self.0 {
                Fault::Hangs => std::future::pending().await,
                Fault::Fails => Err(SignerError::BadAnswer("the service is away".into())),
                Fault::OtherKey => Ok(PrivateKeySigner::random().sign_hash_sync(&hash).unwrap()),
            }
        })
    }
}

async fn with_signer(bench: &mut Bench, fault: Fault) {
    let address = bench.sim.world().owner;
    let wallet = Wallet::with_signer(address, Bad(fault));
    bench.change_wallet(wallet.signing_within(Duration::from_millis(50))).await;
}

fn is_of(error: &LaneError, fault: Fault) -> bool {
    matches!(
        (error, fault),
        (LaneError::Wallet(WalletError::TooSlow { .. }), Fault::Hangs)
            | (LaneError::Wallet(WalletError::Signer { .. }), Fault::Fails)
            | (LaneError::Wallet(WalletError::Mismatch(..)), Fault::OtherKey)
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
