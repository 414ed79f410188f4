//! Rounds of reads per block do not grow with the number of products.

use std::time::Duration;

use ballast_test_support::{BlockRef, Fault};
use eyre::Result;

use crate::harness::{DEADLINE, Setup, World};

/// Blocks that count, after the first heads on which products are connected.
const BLOCKS: u64 = 6;

#[tokio::test]
async fn rounds_per_block_are_the_same_for_1_10_and_100_products() -> Result<()> {
    let mut rounds = Vec::new();
    for (products, feeds) in [(1, false), (10, true), (100, false)] {
        rounds.push((products, steady_rounds(products, feeds).await?));
    }
    assert!(rounds.iter().all(|(_, most)| *most == rounds[0].1), "{rounds:?}");
    assert!(rounds.iter().all(|(_, most)| (1..=2).contains(most)), "{rounds:?}");
    Ok(())
}

/// The most sequential rounds at one block in steady state, perhaps with the chain's feeds read too.
async fn steady_rounds(products: usize, feeds: bool) -> Result<usize> {
    let setup = Setup { more_products: products - 1, watch_only: true, ..Setup::default() };
    let world = World::start(setup).await?;
    if feeds {
        let feed = world.devnet.deployment().feeds.eth_usd;
        let chain = format!(
            "contracts.native_usd_feed = \"{feed}\"\ncontracts.sequencer_uptime_feed = \"{feed}\"\n"
        );
        world.write_chain(&Setup { chain, ..Setup::default() })?;
    }
    let mut keeper = world.keeper().await?;
    let assessed = async || {
        let lines = keeper.lines();
        lines.iter().filter(|line| line.contains("inside bounds")).count() >= products
    };
    ballast_test_support::wait_until("every product's first decision", DEADLINE, assessed).await?;
    // Requests that go out together must be seen to overlap, whatever the machine's load.
    let slowed = world.proxy().inject(Fault::Delay(Duration::from_millis(250)).on("eth_call"));
    // Blocks under way now still belong to the start.
    world.wait_blocks(2).await?;
    world.proxy().clear();
    world.wait_blocks(BLOCKS).await?;
    let per_block = world.proxy().rounds_per_block();
    let pinned = per_block.keys().all(|block| matches!(block, BlockRef::Hash(_)));
    assert!(pinned, "a read was not pinned to a block hash: {per_block:?}");
    assert!(per_block.len() >= 4, "too few blocks were read: {per_block:?}");
    let reads = world.proxy().calls();
    let targets = reads.iter().filter(|call| call.from.is_none()).count();
    assert!(targets > 0, "nothing was read");
    assert!(slowed.fired() > 0, "the delay did not fire");
    keeper.kill9().await?;
    Ok(per_block.values().copied().max().unwrap_or(0))
}
