//! People are woken before Perp may liquidate, and told when that is over; and where no ripcord can
//! help any more.

use ballast_devnet::USD;
use ballast_test_support::{Inbox, wait_until};
use eyre::Result;
use serde_json::Value;

use super::{Stage, in_chunks, setup};
use crate::harness::{BASIS, DEADLINE, World};

const HOOK: &str = "/hook";
/// Seconds over which Perp averages the index, and one more.
const PERPS_AVERAGE: u64 = 901;

/// The first notice of that status about a condition.
fn notice(inbox: &Inbox, condition: &str, status: &str) -> Option<Value> {
    let letters = inbox.letters(HOOK).into_iter();
    let mut notices =
        letters.filter_map(|letter| serde_json::from_slice::<Value>(&letter.body).ok());
    notices.find(|notice| notice["status"] == status && notice["condition"] == condition)
}

/// A product whose trades are so large, and what people are told of it.
async fn watched(chunks: &str) -> Result<(Stage, Inbox)> {
    let inbox = Inbox::start().await?;
    let world = World::start(setup(in_chunks(chunks, chunks))).await?;
    let file = world.dir.path().join("ballast.toml");
    let told = format!(
        "{}\n[[notify]]\nkind = \"webhook\"\nurl = \"{}\"\n",
        std::fs::read_to_string(file)?,
        inbox.url(HOOK)
    );
    world.dir.write("ballast.toml", told)?;
    Ok((Stage::over(world, super::RESTS).await?, inbox))
}

impl Stage {
    /// Waits until people are told.
    async fn wait_notice(&self, inbox: &Inbox, condition: &str, status: &str) -> Result<Value> {
        let told = async || notice(inbox, condition, status);
        let waited = wait_until(&format!("{condition} {status}"), DEADLINE, told).await;
        waited.map_err(|error| self.keeper.failure(&error.to_string()))
    }
}

#[tokio::test]
async fn people_are_woken_near_liquidation() -> Result<()> {
    let (stage, inbox) = watched("0.1").await?;
    // A further rise of not five percent would liquidate, which Perp, as it averages the index,
    // takes note of in a quarter of an hour. It is two ripcords or three from there.
    stage.move_to("9").await?;
    stage.wait_mined("ripcord", 1).await?;
    stage.world.devnet.node().warp(PERPS_AVERAGE).await?;
    let raised = stage.wait_notice(&inbox, "near_ceiling", "raised").await?;
    assert_eq!(raised["severity"], "critical", "{raised}");
    assert_eq!(raised["subject"], serde_json::json!({"kind": "product", "name": BASIS}));
    let price = stage.market.liquidation().await?.price.expect("a short");
    let index = stage.market.index_price().await?;
    assert!(price < index / 100 * 107, "Perp liquidates at {price}, the index is {index}");

    // The ripcord sees to it.
    let over = async |_: &Stage| Ok(notice(&inbox, "near_ceiling", "recovered").is_some());
    stage.warp_until("the recovery", PERPS_AVERAGE, over).await?;
    assert!(stage.mined().await?.iter().all(|call| call.succeeded && call.action == "ripcord"));
    Ok(())
}

/// Perp asks a margin of a tenth of whoever trades, also of who lowers a position: beyond that a
/// ripcord would only burn gas, and an account that is worth nothing has no ratio at all.
#[tokio::test]
async fn where_nothing_helps_people_are_told_and_nothing_is_sent() -> Result<()> {
    let (stage, inbox) = watched("0.1").await?;
    let fair = stage.market.index_price().await?;
    stage.move_to("14").await?;
    stage.wait_mined("ripcord", 1).await?;
    stage.world.devnet.node().warp(PERPS_AVERAGE).await?;
    let held = stage.keeper.wait_for_line("not enough free collateral on Perp", DEADLINE).await?;
    assert!(held.contains("kind=\"blocked\" action=\"ripcord\""), "{held}");
    let told = stage.wait_notice(&inbox, "emergency_held", "raised").await?;
    assert_eq!(told["severity"], "critical", "{told}");
    let before = stage.assert_rests().await?;

    let price = stage.market.set_index_price(4_300 * USD).await;
    price.map_err(|error| stage.keeper.failure(&format!("{error:#}")))?;
    let insolvent = "insolvent: leverage ratio 0 with an open short";
    let said = stage.keeper.wait_for_line(insolvent, DEADLINE).await?;
    assert!(said.contains("kind=\"blocked\" action=\"\""), "{said}");
    assert_eq!(stage.ratio().await?, alloy::primitives::U256::ZERO);
    stage.wait_notice(&inbox, "blocked", "raised").await?;
    stage.wait_notice(&inbox, "near_ceiling", "raised").await?;
    assert_eq!(stage.assert_rests().await?, before, "what would revert was sent");

    let mark = stage.keeper.mark();
    stage.market.set_price(fair).await?;
    stage.keeper.wait_for_line_since(mark, super::RESTS, DEADLINE).await?;
    stage.world.devnet.node().warp(PERPS_AVERAGE).await?;
    for condition in ["emergency_held", "blocked", "near_ceiling"] {
        stage.wait_notice(&inbox, condition, "recovered").await?;
    }
    Ok(())
}
