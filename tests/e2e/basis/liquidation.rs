//! People are woken before Perp may liquidate, and told when that is over.

use ballast_devnet::BasisMethodology;
use ballast_test_support::{Inbox, wait_until};
use eyre::Result;
use serde_json::Value;

use super::{RIPCORD_COOLDOWN, Stage, magnitude, setup};
use crate::harness::{BASIS, DEADLINE, World};

const HOOK: &str = "/hook";

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
    let world = World::start(setup(BasisMethodology::default())).await?;
    let file = world.dir.path().join("ballast.toml");
    let told = format!(
        "{}\n[[notify]]\nkind = \"webhook\"\nurl = \"{}\"\n",
        std::fs::read_to_string(file)?,
        inbox.url(HOOK)
    );
    world.dir.write("ballast.toml", told)?;
    let stage = Stage::over(world, super::RESTS).await?;
    // At −9 a further rise of 4.6 % would liquidate.
    stage.move_to("9").await?;
    let raised = wait_until("the alarm", DEADLINE, async || notice(&inbox, "raised")).await;
    let raised = raised.map_err(|error| stage.keeper.failure(&error.to_string()))?;
    assert_eq!(raised["severity"], "critical", "{raised}");
    assert_eq!(raised["subject"], serde_json::json!({"kind": "product", "name": BASIS}));
    let price = stage.market.liquidation().await?.price.expect("a short");
    let index = stage.market.index_price().await?;
    assert!(price < index / 100 * 107, "Perp liquidates at {price}, the index is {index}");

    // The ripcord sees to it.
    let away = async |stage: &Stage| Ok(stage.ratio().await? < magnitude("6"));
    stage.warp_until("the ratio to come down", RIPCORD_COOLDOWN, away).await?;
    wait_until("the recovery", DEADLINE, async || notice(&inbox, "recovered")).await?;
    Ok(())
}
