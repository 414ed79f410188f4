//! A ripcord does not queue behind a pending rebalance: it takes over its nonce.

use std::collections::BTreeSet;

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::Decodable2718 as _,
    primitives::hex,
};
use ballast_test_support::{Fault, RAW_TRANSACTION};
use eyre::Result;

use crate::harness::{DEADLINE, Setup, World};

const INTERVAL: u64 = 86_401;
/// A dollar in the feed's 8 decimals.
const USD: u64 = 100_000_000;

#[tokio::test]
async fn a_ripcord_takes_over_the_nonce_of_a_pending_rebalance() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let market = world.devnet.market();
    // The node answers and forgets, so nothing is included for now.
    let swallowed = world.proxy().inject(Fault::SwallowRaw.on(RAW_TRANSACTION));
    world.devnet.node().warp(INTERVAL).await?;
    let mut keeper = world.keeper().await?;
    keeper.wait_for_line("action=\"rebalance\"", DEADLINE).await?;
    keeper.wait_until("the broadcast", DEADLINE, async || swallowed.fired() > 0).await?;
    assert_eq!(world.mined().await?, 0);

    market.set_price(1_480 * USD).await?;
    let taken = keeper.wait_for_line("in place of rebalance", DEADLINE).await?;
    assert!(taken.contains("at nonce 0"), "{taken}");
    world.proxy().heal();
    let mined = async || world.mined().await.is_ok_and(|nonce| nonce > 0);
    keeper.wait_until("the ripcord", DEADLINE, mined).await?;
    let included = keeper.wait_for_line("ripcord included in block", DEADLINE).await?;
    assert!(included.contains("at nonce 0"), "{included}");

    let first: Vec<TxEnvelope> = sent_at(&world, 0);
    let selectors: BTreeSet<_> = first.iter().map(|tx| tx.input()[..4].to_vec()).collect();
    assert_eq!(selectors.len(), 2, "both actions were signed for the one nonce");
    for pair in first.windows(2) {
        let fields = |tx: &TxEnvelope| {
            (tx.max_fee_per_gas(), tx.max_priority_fee_per_gas().unwrap_or_default())
        };
        let (old, new) = (fields(&pair[0]), fields(&pair[1]));
        let outbids = |old: u128, new: u128| new >= (old * 110).div_ceil(100) && new > old;
        assert!(outbids(old.0, new.0) && outbids(old.1, new.1), "{old:?} → {new:?}");
    }
    Ok(())
}

/// What the node saw for a nonce, each once, in the order of the first sight.
fn sent_at(world: &World, nonce: u64) -> Vec<TxEnvelope> {
    let mut seen = BTreeSet::new();
    let raw = world.proxy().raw_transactions().into_iter().filter(|raw| seen.insert(raw.clone()));
    let decoded = raw.filter_map(|raw| {
        let bytes = hex::decode(raw).ok()?;
        TxEnvelope::decode_2718(&mut bytes.as_slice()).ok()
    });
    decoded.filter(|tx| tx.nonce() == nonce).collect()
}
