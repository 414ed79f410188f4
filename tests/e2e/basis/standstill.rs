//! Where the extension says "rebalance" and a keeper must not: while an operator winds the product
//! down, and once the manager has another extension.

use alloy::primitives::U256;
use ballast_devnet::{BasisAction, BasisMethodology, Tooling};
use eyre::Result;

use super::{COOLDOWN, INTERVAL, Stage, magnitude};
use crate::harness::{DEADLINE, finish};

#[tokio::test]
async fn a_product_that_is_wound_down_or_retired_is_left_alone() -> Result<()> {
    let methodology = BasisMethodology {
        trade_sizes: (magnitude("20"), magnitude("20")),
        ..BasisMethodology::default()
    };
    let stage = Stage::start(methodology).await?;
    let (node, market) = (stage.world.devnet.node(), &stage.market);
    // The operator, who has not taken the keeper off the list first.
    node.warp(COOLDOWN).await?;
    market.wind_down_step().await?;
    let left = stage.ratio().await?;
    assert!(left < magnitude("0.9") && left > U256::ZERO, "{left}");
    let winds = "an operator winds the product down";
    let said = stage.keeper.wait_for_line(winds, DEADLINE).await?;
    assert!(said.contains("kind=\"blocked\""), "{said}");
    assert!(stage.assert_rests().await?.is_empty(), "levered up against the operator");

    // Half a day later still.
    node.warp(INTERVAL / 2).await?;
    market.set_price(market.index_price().await?).await?;
    assert!(stage.assert_rests().await?.is_empty(), "levered up against the operator");

    // Another extension takes over; by the old one's word a rebalance goes on being due.
    let mark = stage.keeper.mark();
    let next = market.retire(&Tooling::locate()?, &[stage.wallet()]).await?;
    node.warp(INTERVAL).await?;
    assert_eq!(market.should_rebalance().await?, BasisAction::Rebalance);
    let unlisted = "manager does not list the extension";
    let said = stage.keeper.wait_for_line_since(mark, unlisted, DEADLINE).await?;
    assert!(said.contains("kind=\"blocked\""), "{said}");
    assert!(stage.assert_rests().await?.is_empty(), "a retired extension was driven");
    let (_, out, _) = finish(stage.world.ballast(&["check"])).await?;
    assert!(out.iter().any(|line| line.contains(unlisted)), "{out:?}");
    assert!(next.is_listed().await?);
    Ok(())
}
