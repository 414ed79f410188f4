//! Signers that are slow, fail, or sign with another key.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{B256, Signature},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use ballast_chains::wallet::{SignHash, SignerError, Wallet, WalletError};
use futures::future::BoxFuture;

use super::{
    bench::{Bench, NoOpinion, action, ripcord},
    scenarios::hash_of,
    sim::journalled,
};
use crate::{
    guard::{Leave, StopCheck, Upkeep},
    submission::{LaneError, Obeyed, Order, OrderKind, Pursuit},
};

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

/// Signs rightly; the operator's word comes while it does.
struct Interrupted {
    signer: PrivateKeySigner,
    stopped: Arc<AtomicBool>,
}

impl SignHash for Interrupted {
    fn sign_hash(&self, hash: B256) -> BoxFuture<'_, Result<Signature, SignerError>> {
        self.stopped.store(true, Ordering::Relaxed);
        Box::pin(async move { Ok(self.signer.sign_hash_sync(&hash).unwrap()) })
    }
}

/// A lane whose product is paused by whoever signs for it.
async fn paused_while_signing(bench: &mut Bench) -> Arc<AtomicBool> {
    let stopped = Arc::new(AtomicBool::new(false));
    let signer: PrivateKeySigner = super::bench::KEY.parse().unwrap();
    let wallet = Wallet::with_signer(
        signer.address(),
        Interrupted { signer, stopped: Arc::clone(&stopped) },
    );
    bench.change_wallet(wallet).await;
    let asked = Arc::clone(&stopped);
    bench.lane.stop =
        StopCheck::new(move || asked.load(Ordering::Relaxed).then_some("paused by an operator"));
    stopped
}

#[tokio::test]
async fn a_pause_that_comes_while_it_is_signed_keeps_it_from_being_journalled_and_sent() {
    let mut bench = Bench::new().await;
    let stopped = paused_while_signing(&mut bench).await;
    let held = bench.pursue(action(1)).await;
    assert!(matches!(held, Pursuit::Held { reason: "paused by an operator", .. }), "{held:?}");
    assert!(journalled(&bench.store).await.is_empty() && bench.sim.sent().is_empty());
    // Resumed, it is signed anew at the same nonce.
    bench.restart().await;
    assert!(matches!(bench.pursue(action(1)).await, Pursuit::Sent { nonce: 0, .. }));
    assert!(stopped.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_pause_that_comes_while_a_replacement_is_signed_lets_nothing_out() {
    let mut bench = Bench::new().await;
    bench.pursue(ripcord(1)).await;
    let stopped = paused_while_signing(&mut bench).await;
    bench.sim.world().base_fee *= 5;
    bench.sim.mine_empty();
    // What the guard said of this head is older than the pause.
    assert!(bench.observe().await.is_empty(), "no replacement");
    assert_eq!((journalled(&bench.store).await.len(), bench.sim.sent().len()), (1, 1));
    stopped.store(false, Ordering::Relaxed);
    bench.lane.stop = StopCheck::new(|| None);
    assert_eq!(bench.pass(1).await.len(), 1, "it goes on after the pause");
    assert_eq!(bench.sim.sent().len(), 2);
}

/// Neither journalled bytes are handed out, when the word comes between the disk and the nodes.
#[tokio::test]
async fn what_is_journalled_when_a_pause_comes_waits_for_its_end() {
    let mut bench = Bench::new().await;
    let asked = Arc::new(AtomicBool::new(false));
    let counted = Arc::clone(&asked);
    // Not yet at the signature, and paused by the time of the broadcast.
    bench.lane.stop = StopCheck::new(move || {
        counted.swap(true, Ordering::Relaxed).then_some("paused by an operator")
    });
    let held = bench.pursue(action(1)).await;
    assert!(matches!(held, Pursuit::Held { reason: "paused by an operator", .. }), "{held:?}");
    assert_eq!((journalled(&bench.store).await.len(), bench.sim.sent().len()), (1, 0));
    assert!(bench.pass(2).await.is_empty() && bench.sim.sent().is_empty());
    bench.lane.stop = StopCheck::new(|| None);
    bench.pass(1).await;
    assert_eq!(bench.sim.sent().len(), 1);
}

/// An order about what is pending is what an operator gives to a product that is stopped.
#[tokio::test]
async fn an_order_is_carried_out_although_the_product_is_stopped() {
    let mut bench = Bench::new().await;
    bench.pursue(action(1)).await;
    bench.lane.stop = StopCheck::new(|| Some("paused by an operator"));
    let head = bench.sim.mine_empty();
    let order = Order { kind: OrderKind::Cancel, why: "ordered by ann".into() };
    let (by_order, upkeep) = (Upkeep::for_test(Leave::Sign), Upkeep::for_test(Leave::Watch));
    let parts = (order, &by_order);
    let obeyed =
        bench.lane.observe_ordered(parts, &head, Some(&NoOpinion), &upkeep).await.unwrap().1;
    assert!(matches!(obeyed, Obeyed::Done { nonce: 0, .. }), "{obeyed:?}");
    assert_eq!(bench.sim.sent().len(), 2);
}
