//! The distance to the ceiling, held against the contracts.

use eyre::{OptionExt as _, Result};
use serde_json::Value;

use super::USD;
use crate::harness::{Setup, World, finish, json};

/// One decision at the newest block, as `once --dry-run --json` reports it.
async fn rehearsed(world: &World) -> Result<Value> {
    let (_, out, err) = finish(world.ballast(&["once", "--dry-run", "--json"])).await?;
    let report = json(&out);
    assert!(report[0]["decision"].is_object(), "{report} {err:?}");
    Ok(report[0]["decision"].clone())
}

fn observed(decision: &Value, name: &str) -> Result<f64> {
    let all = decision["observations"].as_array().ok_or_eyre("no observations")?;
    let seen = all.iter().find(|seen| seen["name"] == name).ok_or_eyre("not observed")?;
    Ok(seen["value"].as_str().ok_or_eyre("no text")?.parse()?)
}

#[tokio::test]
async fn a_fall_of_the_price_by_the_distance_is_where_the_contracts_stop() -> Result<()> {
    let world = World::start(Setup { watch_only: true, ..Setup::default() }).await?;
    let market = world.devnet.market();
    let distance = observed(&rehearsed(&world).await?, "ceiling_distance")?;
    // Twice levered at 74.25 %: about a third.
    assert!((0.32..0.34).contains(&distance), "{distance}");
    let fall_to = |share: f64| {
        let price = 2_000.0 * (1.0 - distance * share) * 1e8;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test price")]
        let price = price as u64;
        price
    };
    market.set_price(fall_to(0.995)).await?;
    let near = rehearsed(&world).await?;
    assert_eq!(near["action"], "ripcord", "{near}");
    let left = observed(&near, "ceiling_distance")?;
    assert!(left > 0.0 && left < 0.01, "{left}");

    market.set_price(fall_to(1.005)).await?;
    let beyond = rehearsed(&world).await?;
    let reason = beyond["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("beyond the ceiling"), "{beyond}");
    assert!(observed(&beyond, "ceiling_distance")? == 0.0, "{beyond}");
    market.set_price(2_000 * USD).await?;
    assert!(observed(&rehearsed(&world).await?, "ceiling_distance")? > 0.32, "it comes back");
    Ok(())
}
