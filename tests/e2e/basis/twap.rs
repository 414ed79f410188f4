//! A rebalance that takes more than one trade is carried through to its end.

use alloy::primitives::I256;
use eyre::Result;

use super::{COOLDOWN, Stage, count, in_chunks, magnitude};

#[tokio::test]
async fn a_rebalance_in_steps_is_iterated_to_its_end() -> Result<()> {
    let stage = Stage::start(in_chunks("0.5", "3")).await?;
    stage.move_to("1.24").await?;
    let done = async |stage: &Stage| {
        let iterated = count(&stage.mined().await?, "iterateRebalance") >= 3;
        Ok(iterated && stage.is_settled(4).await?)
    };
    stage.warp_until("the end of the TWAP", COOLDOWN, done).await?;
    assert_eq!(stage.market.twap_leverage_ratio().await?, I256::ZERO);
    let mined = stage.assert_rests().await?;
    assert_eq!(mined.first().map(|call| call.action), Some("rebalance"), "{mined:?}");
    let iterates = mined.iter().skip_while(|call| call.action == "rebalance");
    let iterates: Vec<_> = iterates.take_while(|c| c.action == "iterateRebalance").collect();
    assert!(iterates.len() >= 3, "one after the other: {mined:?}");
    assert!(iterates.iter().all(|call| call.after < call.before), "each lowers it: {mined:?}");
    assert_eq!(count(&mined, "ripcord"), 0, "{mined:?}");
    assert!(stage.ratio().await? <= magnitude("1.1"));
    Ok(())
}
