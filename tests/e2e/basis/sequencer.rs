//! A price shock while the sequencer's feed says that it is down.

use ballast_devnet::BasisMethodology;
use eyre::Result;

use super::{COOLDOWN, INTERVAL, PATIENT, RESTS, RIPCORD_COOLDOWN, Stage, count, magnitude, setup};
use crate::harness::{DEADLINE, Setup, World};

/// The time of grace after an outage, in seconds, and one more.
const GRACE: u64 = 3_601;

#[tokio::test]
async fn with_the_sequencer_down_only_what_protects_holders_goes_out() -> Result<()> {
    let setup = setup(BasisMethodology::default());
    let world = World::start(setup).await?;
    let market = world.devnet.basis_market()?;
    let now = async || world.devnet.node().head().await.map(|head| head.timestamp);
    market.set_sequencer(true, now().await? - 7_200).await?;
    let feed = market.basis().sequencer_feed;
    let chain = format!("{PATIENT}contracts.sequencer_uptime_feed = \"{feed}\"\n");
    let basis = Some(ballast_devnet::BasisOptions::default());
    world.write_chain(&Setup { chain, basis, ..Setup::default() })?;
    market.set_sequencer(false, now().await?).await?;
    let stage = Stage::over(world, RESTS).await?;

    stage.move_to("1.04").await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    let held = stage.keeper.wait_for_line("sequencer is down", DEADLINE).await?;
    assert!(held.contains("effect=\"binds\""), "{held}");
    assert!(stage.assert_rests().await?.is_empty(), "routine work went out");

    // With what follows it because of the fees: the shock would make that fail.
    stage.move_to("1.13").await?;
    stage.settle(2).await?;
    stage.move_to("1.36").await?;
    stage.world.devnet.node().warp(RIPCORD_COOLDOWN).await?;
    stage.wait_mined("ripcord", 1).await?;

    // All the way back within bounds.
    let back = async |stage: &Stage| {
        Ok(stage.ratio().await? <= magnitude("1.1") && stage.is_settled(4).await?)
    };
    stage.warp_until("the way back", COOLDOWN, back).await?;
    let safe = stage.assert_rests().await?;
    assert!(count(&safe, "ripcord") >= 1, "{safe:?}");

    // Up again, routine work waits for the time of grace to be over.
    stage.world.devnet.node().warp(INTERVAL).await?;
    let mark = stage.keeper.mark();
    let up = stage.world.devnet.node().head().await?.timestamp;
    stage.market.set_sequencer(true, up).await?;
    stage.keeper.wait_for_line_since(mark, "sequencer has just come back", DEADLINE).await?;
    assert_eq!(stage.assert_rests().await?.len(), safe.len(), "routine work went out");
    stage.world.devnet.node().warp(GRACE).await?;
    stage.settle(safe.len() + 1).await?;
    let interval = &stage.assert_rests().await?[safe.len()];
    assert!(interval.before <= magnitude("1.1"), "routine: {interval:?}");
    Ok(())
}
