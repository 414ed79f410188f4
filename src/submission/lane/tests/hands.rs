//! What befalls a lane from the side of people and of this machine, for the random plays: orders,
//! stops, a product that may only delever, a signer that fails or has another key, a disk that takes
//! nothing.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use alloy::{
    primitives::{B256, Signature},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use ballast_chains::wallet::{SignHash, SignerError, Wallet};
use futures::future::BoxFuture;
use proptest::prelude::*;

use super::bench::{Bench, KEY, NoOpinion};
use crate::{
    guard::{Leave, Upkeep},
    store::Statement,
    submission::{Order, OrderKind},
};

/// One of them.
#[derive(Debug, Clone)]
pub(super) enum Hand {
    Order(OrderKind),
    /// How far the guard lets what is under way be helped on.
    Leave(Leave),
    DeleverOnly(bool),
    Stopped(bool),
    /// 0: signs, 1: fails, 2: signs with another key.
    Signer(u8),
    /// Whether the journal can be written.
    DiskFails(bool),
}

pub(super) fn hands() -> impl Strategy<Value = Hand> {
    let seldom = || prop_oneof![3 => Just(false), 1 => Just(true)];
    prop_oneof![
        2 => prop_oneof![Just(OrderKind::Bump), Just(OrderKind::Cancel)].prop_map(Hand::Order),
        1 => prop_oneof![
            3 => Just(Leave::Sign), 1 => Just(Leave::Resend), 1 => Just(Leave::Watch),
        ].prop_map(Hand::Leave),
        1 => seldom().prop_map(Hand::DeleverOnly),
        1 => seldom().prop_map(Hand::Stopped),
        1 => prop_oneof![3 => Just(0_u8), 1 => Just(1), 1 => Just(2)].prop_map(Hand::Signer),
        1 => seldom().prop_map(Hand::DiskFails),
    ]
}

/// A key that somebody plays with.
pub(super) struct Moody {
    key: PrivateKeySigner,
    mood: Arc<AtomicU8>,
}

impl SignHash for Moody {
    fn sign_hash(&self, hash: B256) -> BoxFuture<'_, Result<Signature, SignerError>> {
        Box::pin(async move {
            match self.mood.load(Ordering::Relaxed) {
                0 => Ok(self.key.sign_hash_sync(&hash).unwrap()),
                1 => Err(SignerError::BadAnswer("the service is away".into())),
                _ => Ok(PrivateKeySigner::random().sign_hash_sync(&hash).unwrap()),
            }
        })
    }
}

/// The bench's wallet with a signer in this mood.
pub(super) fn moody(mood: &Arc<AtomicU8>) -> Wallet {
    let key: PrivateKeySigner = KEY.parse().unwrap();
    Wallet::with_signer(key.address(), Moody { key, mood: Arc::clone(mood) })
}

/// Every batch of the journal has an event, so that it fails as a whole.
const BREAK: &str = "CREATE TEMP TRIGGER IF NOT EXISTS no_disk BEFORE INSERT ON events
    BEGIN SELECT RAISE(ABORT, 'the disk takes nothing'); END";
const MEND: &str = "DROP TRIGGER IF EXISTS no_disk";

pub(super) async fn take(bench: &mut Bench, mood: &AtomicU8, hand: &Hand) {
    match hand {
        Hand::Order(kind) => {
            let (head, upkeep) = (bench.sim.head(), bench.upkeep);
            let order = Order { kind: *kind, why: "ordered by ann".into() };
            let by_order = Upkeep::for_test(Leave::Sign);
            let parts = (order, &by_order);
            drop(bench.lane.observe_ordered(parts, &head, Some(&NoOpinion), &upkeep).await);
        }
        Hand::Leave(leave) => bench.upkeep.leave = *leave,
        Hand::DeleverOnly(on) => bench.upkeep.delever_only = *on,
        Hand::Stopped(on) => bench.stopped.store(*on, Ordering::Relaxed),
        Hand::Signer(next) => mood.store(*next, Ordering::Relaxed),
        Hand::DiskFails(on) => {
            let sql = if *on { BREAK } else { MEND };
            bench.store.commit(vec![Statement::new(sql)]).await.unwrap();
        }
    }
}

/// All is well again.
pub(super) async fn rest(bench: &mut Bench, mood: &AtomicU8) {
    mood.store(0, Ordering::Relaxed);
    bench.stopped.store(false, Ordering::Relaxed);
    bench.upkeep = Upkeep::for_test(Leave::Sign);
    bench.store.commit(vec![Statement::new(MEND)]).await.unwrap();
}
