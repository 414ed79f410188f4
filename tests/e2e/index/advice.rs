//! What should be set for each component, and prices that the chain tells.

use alloy::primitives::B256;
use ballast_test_support::KeeperCommand;

use super::*;

/// Blocks that pools' averages reach back, and seconds between them.
const HISTORY: (u64, u64) = (60, 12);

impl Stage {
    /// A command without files.
    fn bare(&self, what: &str, more: &[&str]) -> KeeperCommand {
        let (set_token, module) = (self.index.set_token.to_string(), self.index.module.to_string());
        let args = ["index", what, "--chain", "local", "--set-token", &set_token];
        self.world.ballast(&[&args[..], &["--module", &module], more].concat())
    }

    fn quoter(&self) -> String {
        self.world.devnet.deployment().uniswap.v3_quoter.to_string()
    }

    /// Makes the calls of a batch, as the multisig would; gives their selectors.
    async fn execute(&self, batch: &str) -> Result<Vec<String>> {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(batch)?)?;
        ensure!(file["meta"]["checksum"] == safe_batch::checksum(&file).to_string());
        let mut selectors = Vec::new();
        for call in list(&file["transactions"]) {
            ensure!(address(&call["to"]) == self.index.extension);
            selectors.push(call["data"].as_str().unwrap()[2..10].to_owned());
            let request = serde_json::json!({
                "from": accounts::OPERATOR, "to": call["to"], "data": call["data"],
            });
            let node = self.world.devnet.node();
            let hash: B256 = node.rpc("eth_sendTransaction", (request,)).await?;
            node.receipt(hash).await?;
        }
        Ok(selectors)
    }
}

fn component<'a>(report: &'a Value, symbol: &str) -> &'a Value {
    let found = list(&report["components"]).iter().find(|one| one["symbol"] == symbol);
    found.unwrap_or_else(|| panic!("{symbol}: {report:#}"))
}

/// A number's digits as a float, for what need only be near.
fn about(value: &Value, decimals: i32) -> f64 {
    value.as_str().unwrap().parse::<f64>().unwrap() / 10_f64.powi(decimals)
}

#[tokio::test]
async fn what_is_advised_is_what_the_chain_then_has() -> Result<()> {
    let stage = Stage::start().await?;
    stage.write("weights.csv", &stage.reweighted())?;
    let (batch, quoter) = (stage.path("params.json"), stage.quoter());
    let usdc = stage.token("USDC").to_string();
    // Nobody that trades yet.
    let trader = accounts::keeper_address(5).to_string();
    let more = ["--gas-price", "30gwei", "--via", &usdc, "--v3-quoter", &quoter];
    let asks = ["--batch", &batch, "--trader", &trader, "--raise-target", "0.25%"];
    let asked = [&more[..], &asks].concat();
    let report = stage.json("params", &asked).await?;

    // 8,000 ether deep, 274,000 gas at 30 gwei: √(0.00822 · 8,000) = 8.11 ether, at 200 to one.
    let uni = component(&report, "UNI");
    let size = about(&uni["advised"]["trade_maximum"], 18);
    assert!((1_615.0..=1_625.0).contains(&size), "{uni:#}");
    assert!(uni["warnings"][0].as_str().unwrap().contains("more than twice off"), "{uni:#}");
    // The size that the chain has costs more, in more trades.
    let costs = |what: &str| {
        let size = list(&uni["sizes"]).iter().find(|size| size["what"] == what).unwrap();
        (about(&size["cost"], 18), size["trades"].as_u64().unwrap())
    };
    let (advised, chain) = (costs("advised"), costs("chain"));
    assert!(advised.0 <= chain.0 && advised.1 < chain.1, "{uni:#}");
    // √(0.00822 · 600) = 2.22 ether, 8,884 of them: not twice the 6,000 that the chain has.
    let lend = component(&report, "LEND");
    let size = about(&lend["advised"]["trade_maximum"], 18);
    assert!((8_700.0..=8_900.0).contains(&size), "{lend:#}");
    assert_eq!(lend["warnings"], serde_json::json!([]), "{lend:#}");
    let dollars = component(&report, "USDC");
    assert_eq!(dollars["ways"][0]["measured_by"], "quoter", "{dollars:#}");
    assert_eq!(component(&report, "AAVE")["advised"]["exchange"], "UniswapV2IndexExchangeAdapter");

    // What was advised passes the checks of those who sign it, if they name the one who is let in.
    let checked = ["--batch", &batch, "--v3-quoter", &quoter, "--via", &usdc];
    stage.verified(&checked, &["batch traders"]).await?;
    stage.verified(&[&checked[..], &["--trader", &trader]].concat(), &[]).await?;

    let selectors = stage.execute(&batch).await?;
    // Maxima, rests, the raise, the trader; exchanges are as they should be.
    assert_eq!(selectors, ["4afdd22f", "5a41aeb2", "f2d7dddb", "fc98f852"]);
    let (node, index) = (stage.world.devnet.node(), &stage.index);
    let set_token = index.set_token;
    for one in list(&report["components"]) {
        let component = address(&one["address"]);
        let info = executionInfoCall { setToken: set_token, component };
        let info = node.read(index.module, info).await?;
        let (advised, now) = (&one["advised"], &one["now"]);
        let set = number(&advised["trade_maximum"]);
        assert!(info.maxSize == set || info.maxSize == number(&now["trade_maximum"]), "{one:#}");
        assert_eq!(info.coolOffPeriod, number(&advised["cool_off"]), "{one:#}");
    }
    let info = node.read(index.module, rebalanceInfoCall { setToken: set_token }).await?;
    assert_eq!(info.raiseTargetPercentage, U256::from(2_500_000_000_000_000_u64));

    std::fs::remove_file(&batch)?;
    let again = stage.json("params", &asked).await?;
    let said = again["warnings"][0].as_str().unwrap_or_default();
    assert!(said.contains("the chain has all of it"), "{again:#}");
    assert!(!std::path::Path::new(&batch).exists());

    // Without weights: so much of each that is held. A table for people, too.
    let value = ["--value", "100", "--gas-price", "30gwei"];
    let (code, out, err) = finish(stage.bare("params", &value)).await?;
    assert_eq!(code, 0, "{err:?}");
    assert!(out.iter().any(|line| line.starts_with("COMPONENT")), "{out:?}");
    assert!(out.iter().any(|line| line.contains("no quoter answers")), "{out:?}");
    Ok(())
}

#[tokio::test]
async fn prices_are_those_of_oracles_and_pools() -> Result<()> {
    let stage = Stage::start().await?;
    stage.write("weights.csv", &stage.reweighted())?;
    let node = stage.world.devnet.node();
    let history = (U256::from(HISTORY.0), U256::from(HISTORY.1));
    node.rpc::<_, Option<bool>>("anvil_mine", history).await?;
    let (weights, quoter) = (stage.path("weights.csv"), stage.quoter());
    let feed = stage.world.devnet.deployment().feeds.eth_usd.to_string();
    let from_chain =
        ["--weights", &weights, "--v3-quoter", &quoter, "--eth-usd-feed", &feed, "--json"];
    let (code, out, err) = finish(stage.bare("plan", &from_chain)).await?;
    ensure!(code == 0, "{err:?}");
    let plan = json(&out);
    for component in &stage.index.components {
        let row = list(&plan["rows"]).iter().find(|row| row["symbol"] == component.symbol);
        let row = row.unwrap();
        let told = f64::from(u32::try_from(component.cents)?) / 100.0;
        let price = about(&row["price"], 0);
        assert!((price / told - 1.0).abs() < 0.002, "{row:#}");
        let source = row["price_source"].as_str().unwrap();
        assert!(source.starts_with("average of its pools over 10m"), "{source}");
        assert!(source.contains(&feed), "in dollars: {source}");
    }
    assert_eq!(plan["warnings"], serde_json::json!([]), "{plan:#}");
    let (_, out, _) = finish(stage.bare("plan", &from_chain[..6])).await?;
    assert!(out.iter().any(|line| line.starts_with("price of UNI: ")), "{out:?}");

    // An oracle that is named counts; here it is plainly another one's, and the pools say so.
    let feeds = stage.path("feeds.csv");
    stage.write("feeds.csv", &format!("symbol,feed\nUNI,{feed} USD\n"))?;
    let named = [&from_chain[..], &["--feeds", &feeds]].concat();
    let (code, out, err) = finish(stage.bare("plan", &named)).await?;
    ensure!(code == 0, "{err:?}");
    let plan = json(&out);
    let uni = list(&plan["rows"]).iter().find(|row| row["symbol"] == "UNI").unwrap();
    assert_eq!(uni["price"], "2000", "{uni:#}");
    assert!(uni["price_source"].as_str().unwrap().starts_with(&format!("feed {feed}, ")));
    assert!(plan["warnings"][0].as_str().unwrap().contains("off the reckoned one"), "{plan:#}");

    // Stale and malformed: a line each, and nothing planned.
    let told = async |more: &[&str]| -> Result<Vec<String>> {
        let (code, out, err) = finish(stage.bare("plan", &[&named[..], more].concat())).await?;
        ensure!(code == 2 && out.is_empty(), "{code}: {out:?} {err:?}");
        Ok(err)
    };
    let stale = told(&["--feed-max-age", "1s"]).await?;
    assert!(stale.iter().all(|line| line.contains("which is more than 1s")), "{stale:?}");
    stage.write("feeds.csv", &format!("symbol,feed\nUNI,0x12\nWBTC,{feed} GBP\nLEND,\n"))?;
    let malformed = told(&[]).await?;
    assert_eq!(malformed.len(), 3, "{malformed:?}");
    assert!(malformed[1].ends_with("answers in USD or ETH, not in GBP"), "{malformed:?}");
    Ok(())
}
