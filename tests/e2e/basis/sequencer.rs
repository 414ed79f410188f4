//! A price shock while the sequencer's feed says that it is down.

use ballast_devnet::BasisMethodology;
use eyre::Result;

use super::{INTERVAL, RESTS, RIPCORD_COOLDOWN, Stage, count, setup};
use crate::harness::{DEADLINE, Setup, World};

#[tokio::test]
async fn with_the_sequencer_down_only_what_protects_holders_goes_out() -> Result<()> {
    let setup = setup(BasisMethodology::default());
    let world = World::start(setup).await?;
    let market = world.devnet.basis_market()?;
    let now = async || world.devnet.node().head().await.map(|head| head.timestamp);
    market.set_sequencer(true, now().await? - 7_200).await?;
    let feed = market.basis().sequencer_feed;
    let chain = format!("contracts.sequencer_uptime_feed = \"{feed}\"\n");
    let basis = Some(ballast_devnet::BasisOptions::default());
    world.write_chain(&Setup { chain, basis, ..Setup::default() })?;
    market.set_sequencer(false, now().await?).await?;
    let stage = Stage::over(world, RESTS).await?;

    stage.move_to("1.04").await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    let held = stage.keeper.wait_for_line("sequencer is down", DEADLINE).await?;
    assert!(held.contains("effect=\"binds\""), "{held}");
    assert!(stage.assert_rests().await?.is_empty(), "routine work went out");

    stage.move_to("1.13").await?;
    stage.wait_mined("rebalance", 1).await?;
    stage.move_to("1.36").await?;
    stage.world.devnet.node().warp(RIPCORD_COOLDOWN).await?;
    stage.wait_mined("ripcord", 1).await?;

    // Back, and still in its time of grace.
    let back = stage.world.devnet.node().head().await?.timestamp;
    stage.market.set_sequencer(true, back).await?;
    let mined = stage.mined().await?;
    assert!(mined.iter().all(|call| call.succeeded), "{mined:?}");
    assert!(count(&mined, "ripcord") >= 1, "{mined:?}");
    Ok(())
}
