//! The published `FLIRebalanceViewer` as a hint.

use alloy::primitives::Bytes;
use ballast_devnet::{V2_EXCHANGE, V3_EXCHANGE};
use eyre::Result;

use super::{INTERVAL, Stage, USD, set_params};
use crate::harness::{Setup, World};

#[tokio::test]
async fn the_better_price_is_tried_first_and_a_broken_viewer_changes_only_that() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let viewer = world.devnet.product().viewer;
    set_params(&world, &format!("viewer = \"{viewer}\""))?;
    let stage = Stage::over(world, "inside bounds").await?;
    let node = stage.world.devnet.node();
    // A delever sells ether, and the pool that is second in the contract's order pays more.
    stage.market.set_pools_only(&[V2_EXCHANGE], 2_010 * USD).await?;
    node.warp(INTERVAL).await?;
    let times = async |stage: &Stage, times: usize| Ok(stage.mined().await?.len() == times);
    stage.warp_until("the first rebalance", 0, async |stage| times(stage, 1).await).await?;
    let mined = stage.assert_rests().await?;
    assert_eq!((mined[0].action, mined[0].exchange.as_str()), ("rebalance", V2_EXCHANGE));
    let asked = || stage.world.proxy().calls().iter().any(|call| call.to == Some(viewer));
    assert!(asked(), "it was not asked on its own");

    // `INVALID`: it burns all gas and says nothing.
    node.set_code(viewer, Bytes::from_static(&[0xfe])).await?;
    stage.market.set_pools_only(&[V2_EXCHANGE], 2_010 * USD).await?;
    node.warp(INTERVAL).await?;
    stage.warp_until("the second rebalance", 0, async |stage| times(stage, 2).await).await?;
    let mined = stage.assert_rests().await?;
    assert_eq!((mined[1].action, mined[1].exchange.as_str()), ("rebalance", V3_EXCHANGE));
    Ok(())
}

#[tokio::test]
async fn a_viewer_that_is_none_is_named_at_the_start_and_holds_nothing_up() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let token = world.devnet.product().set_token;
    set_params(&world, &format!("viewer = \"{token}\""))?;
    let stage = Stage::over(world, "inside bounds").await?;
    let warned = |line: &String| {
        line.contains("the viewer will give no hint") && line.contains(&token.to_string())
    };
    assert!(stage.keeper.lines().iter().any(warned), "{}", stage.keeper.tail());
    stage.world.devnet.node().warp(INTERVAL).await?;
    let traded = async |stage: &Stage| Ok(!stage.mined().await?.is_empty());
    stage.warp_until("the rebalance", 0, traded).await?;
    let mined = stage.assert_rests().await?;
    assert_eq!((mined.len(), mined[0].exchange.as_str()), (1, V3_EXCHANGE), "{mined:?}");
    Ok(())
}
