//! People are woken before Perp may liquidate, and told when that is over.

use ballast_test_support::Inbox;
use eyre::Result;
use serde_json::Value;

use super::{Stage, in_chunks, setup};
use crate::harness::{BASIS, World};

const HOOK: &str = "/hook";
/// Seconds over which Perp averages the index, and one more.
const PERPS_AVERAGE: u64 = 901;

/// The first notice of that status about liquidation.
fn notice(inbox: &Inbox, status: &str) -> Option<Value> {
    let letters = inbox.letters(HOOK).into_iter();
    let mut notices =
        letters.filter_map(|letter| serde_json::from_slice::<Value>(&letter.body).ok());
    notices.find(|notice| notice["status"] == status && notice["condition"] == "near_ceiling")
}

#[tokio::test]
async fn people_are_woken_near_liquidation() -> Result<()> {
    let inbox = Inbox::start().await?;
    let world = World::start(setup(in_chunks("0.5", "0.5"))).await?;
    let file = world.dir.path().join("ballast.toml");
    let told = format!(
        "{}\n[[notify]]\nkind = \"webhook\"\nurl = \"{}\"\n",
        std::fs::read_to_string(file)?,
        inbox.url(HOOK)
    );
    world.dir.write("ballast.toml", told)?;
    let stage = Stage::over(world, super::RESTS).await?;
    // A further rise of a percent would liquidate. The first ripcords leave it near, and Perp, which
    // averages the index over a quarter of an hour, takes note of the rise in that time.
    stage.move_to("15").await?;
    let told = async |_: &Stage| Ok(notice(&inbox, "raised").is_some());
    stage.warp_until("the alarm", PERPS_AVERAGE, told).await?;
    let raised = notice(&inbox, "raised").expect("it was just there");
    assert_eq!(raised["severity"], "critical", "{raised}");
    assert_eq!(raised["subject"], serde_json::json!({"kind": "product", "name": BASIS}));
    let price = stage.market.liquidation().await?.price.expect("a short");
    let index = stage.market.index_price().await?;
    assert!(price < index / 100 * 107, "Perp liquidates at {price}, the index is {index}");

    // The ripcord sees to it.
    let over = async |_: &Stage| Ok(notice(&inbox, "recovered").is_some());
    stage.warp_until("the recovery", PERPS_AVERAGE, over).await
}
