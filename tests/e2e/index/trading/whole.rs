//! Undisturbed: two rebalances, one after the other.

use alloy::primitives::utils::parse_ether;
use ballast_devnet::{
    IndexOptions, contracts::index::IIndexExtension::setRaiseTargetPercentageCall,
};
use eyre::{OptionExt as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    books::Books,
    stage::{FIRST, Stage},
    told::in_state,
};

/// Back to about where it began, with the component that went as the new one, and some ether.
const SECOND: [(&str, u64); 10] = [
    ("UNI", 1_600),
    ("WBTC", 2_100),
    ("USDC", 1_200),
    ("LEND", 300),
    ("SUSHI", 1_200),
    ("YFI", 700),
    ("AAVE", 1_000),
    ("XAUT", 1_500),
    ("SNX", 100),
    ("WETH", 300),
];

#[tokio::test]
async fn a_rebalance_is_traded_to_its_end_and_the_next_one_with_a_haircut_to_the_last_unit()
-> Result<()> {
    let mut stage = Stage::start(IndexOptions::default()).await?;
    let plan = stage.plan(&FIRST, "0").await?;
    let books = Books::open(&stage, &plan).await?;
    stage.begin().await?;
    stage.run().await?;
    stage.play(async |_, _| Ok(())).await?;
    stage.assert_clean().await?;
    books.assert_short_by_cost(&stage).await?;
    books.assert_as_planned(&stage, &plan).await?;
    let first = stage.report_beside(&plan).await?;
    stage.assert_told(&first, &plan, &books).await?;
    // Without a haircut, what trading has cost is missing at the one that was bought last.
    let short = in_state(&first, "short");
    ensure!(short.len() == 1 && in_state(&first, "open").is_empty(), "{first:#}");
    ensure!(first["planned"]["trades"] == plan["trades"], "{first:#}");

    // As much is left out as trading is going to cost; what is left over of it is traded by raises.
    let raise = setRaiseTargetPercentageCall { raiseTargetPercentage: parse_ether("0.0025")? };
    stage.market.operate(raise).await?;
    stage.market.arbitrage().await?;
    let cost = stage.plan(&SECOND, "0").await?["cost_share"].clone();
    let haircut = format!("{}%", cost.as_str().ok_or_eyre("a plan without cost")?);
    let plan = stage.plan(&SECOND, &haircut).await?;
    let books = Books::open(&stage, &plan).await?;
    stage.begin().await?;
    let used = stage.node().nonce(stage.wallet()).await?;
    stage.play(async |_, _| Ok(())).await?;
    ensure!(stage.node().nonce(stage.wallet()).await? > used, "nothing was traded");
    stage.assert_clean().await?;
    books.assert_met(&stage).await?;
    let second = stage.report_beside(&plan).await?;
    stage.assert_told(&second, &plan, &books).await?;
    // What little is left over is too little to trade.
    ensure!(in_state(&second, "met").len() == 9, "{second:#}");
    ensure!(in_state(&second, "small") == ["WETH"], "{second:#}");

    // The first one again, from the state before the second.
    let again = stage.report(&["--earlier", "1"]).await?;
    ensure!(again["next"] == moment(&second["started"]), "{again:#}");
    for same in ["status", "started", "last", "seconds", "trades"] {
        ensure!(again[same] == first[same], "{same}: {again:#}");
    }
    ensure!(in_state(&again, "short") == short, "{again:#}");
    Ok(())
}

/// Block and time of a deed.
fn moment(deed: &Value) -> Value {
    json!({ "block": deed["block"], "timestamp": deed["timestamp"] })
}
