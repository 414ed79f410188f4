//! On the way to liquidation: pulled until the ratio is out of the range, and then brought back.

use eyre::Result;

use super::{RIPCORD_COOLDOWN, Stage, count, in_chunks, magnitude};
use crate::harness::DEADLINE;

#[tokio::test]
async fn the_ripcord_is_repeated_until_it_is_out_of_range() -> Result<()> {
    let stage = Stage::start(in_chunks("0.5", "0.5")).await?;
    let line = magnitude("1.3");
    stage.move_to("1.42").await?;
    let sent = stage.keeper.wait_for_line("reason=\"sent\"", DEADLINE).await?;
    assert!(sent.contains("ripcord"), "{sent}");
    let out = async |stage: &Stage| Ok(stage.ratio().await? < line);
    stage.warp_until("the end of the range", RIPCORD_COOLDOWN, out).await?;
    // What follows needs no cooldown.
    stage.wait_mined("rebalance", 1).await?;
    let mined = stage.mined().await?;
    assert!(mined.iter().all(|call| call.succeeded), "{mined:?}");
    let ripcords = count(&mined, "ripcord");
    assert!(ripcords >= 2, "{mined:?}");
    let (pulled, rest) = mined.split_at(ripcords);
    assert!(pulled.iter().all(|call| call.action == "ripcord"), "{mined:?}");
    assert!(pulled.iter().all(|call| call.before >= line && call.after < call.before), "{mined:?}");
    assert_eq!(rest.first().map(|call| call.action), Some("rebalance"), "{mined:?}");
    Ok(())
}
