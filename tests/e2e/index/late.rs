//! What people have to start, and what they have set: told by the keeper and by `check`.

use alloy::primitives::{Address, U256};
use ballast_devnet::{accounts, contracts::index::IIndexExtension::setTradeMaximumsCall};
use ballast_test_support::{Fault, Inbox, wait_until};
use eyre::{Result, ensure};
use serde_json::Value;

use super::{Stage, arguments, list};
use crate::harness::{DEADLINE, PRODUCT, finish, json};

/// Name of the index's file.
const NAME: &str = "idx";
const HOOK: &str = "/hook";

impl Stage {
    /// A product that the manager's operator watches; a rebalance of it is due at every minute.
    fn write_product(&self, trader: Address) -> Result<()> {
        let product = format!(
            "strategy = \"index\"\nchain = \"local\"\n[wallet]\naddress = \"{trader}\"\n[params]\n\
             set_token = \"{}\"\nmodule = \"{}\"\n[params.schedule]\ndue = \"* * * * *\"\n\
             grace = \"366days\"\n",
            self.index.set_token, self.index.module,
        );
        self.write(&format!("products/{NAME}.toml"), &product)?;
        Ok(())
    }

    /// Plans a rebalance and has the operator start it.
    async fn begin(&self) -> Result<()> {
        self.write("weights.csv", &self.reweighted())?;
        let call = arguments(&self.json("plan", &[]).await?);
        let node = self.world.devnet.node();
        node.transact(accounts::OPERATOR, self.index.extension, call).await?;
        Ok(())
    }

    /// What `check` says of the index: severity and problem.
    async fn found(&self) -> Result<Vec<(String, String)>> {
        let (_, out, err) = finish(self.world.ballast(&["check", "--json"])).await?;
        ensure!(!out.is_empty(), "{err:?}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let report = json(&out);
        let of_index = list(&report["findings"])
            .iter()
            .filter(|finding| finding["subject"] == format!("product {NAME}"))
            .map(|finding| (text(&finding["severity"]), text(&finding["problem"])));
        Ok(of_index.collect())
    }
}

#[tokio::test]
async fn a_rebalance_that_nobody_starts_is_told_until_somebody_does() -> Result<()> {
    let inbox = Inbox::start().await?;
    let stage = Stage::start().await?;
    stage.write_product(accounts::OPERATOR)?;
    let ballast = std::fs::read_to_string(stage.world.dir.path().join("ballast.toml"))?;
    let ballast = format!(
        "{ballast}\n[[notify]]\nkind = \"webhook\"\nurl = \"{}\"\nmin_severity = \"info\"\n",
        inbox.url(HOOK)
    );
    stage.write("ballast.toml", &ballast)?;
    let mut keeper = stage.world.keeper().await?;
    let notice = |status: &str| {
        let bodies = inbox.letters(HOOK).into_iter();
        let mut notices =
            bodies.filter_map(|letter| serde_json::from_slice::<Value>(&letter.body).ok());
        notices.find(|notice| {
            notice["condition"] == "start_due"
                && notice["subject"]["name"] == NAME
                && notice["status"] == status
        })
    };
    let raised = wait_until("the reminder", DEADLINE, async || notice("raised")).await?;
    assert_eq!(raised["severity"], "info", "{raised}");
    assert!(raised["detail"].as_str().is_some_and(|text| text.starts_with("since 20")), "{raised}");
    assert!(notice("recovered").is_none());

    stage.begin().await?;
    wait_until("its end", DEADLINE, async || notice("recovered")).await?;
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    Ok(())
}

#[tokio::test]
async fn a_report_that_cannot_be_made_is_one_line() -> Result<()> {
    let stage = Stage::start().await?;
    stage.write_product(accounts::OPERATOR)?;
    let told = async |args: &[&str], code: i32, words: &str| -> Result<()> {
        let args = [&["index", "report"], args].concat();
        let (ended, out, err) = finish(stage.world.ballast(&args)).await?;
        ensure!(ended == code && out.is_empty() && err.len() == 1, "{ended}: {out:?} {err:?}");
        ensure!(err.concat().contains(words), "{words}: {err:?}");
        Ok(())
    };
    told(&["nothing"], 2, "no product `nothing`; there are: ").await?;
    told(&[PRODUCT], 2, "is no index: its strategy is \"fli\"").await?;
    let never = format!("no rebalance of {} was started", stage.index.set_token);
    told(&[NAME], 1, &never).await?;

    stage.begin().await?;
    let head = stage.world.devnet.node().block_number().await?;
    let beyond = (head + 1).to_string();
    told(&[NAME, "--at", &beyond], 2, "the newest block is").await?;
    told(&[NAME, "--earlier", "1"], 1, "1 rebalances were started in the blocks").await?;
    told(
        &[NAME, "--plan", &stage.path("weights.csv")],
        2,
        "is not what `index plan --json` writes",
    )
    .await?;
    let refusal = "the method eth_getLogs does not exist/is not available";
    let rule = Fault::rpc_error(-32601, refusal).on("eth_getLogs");
    let refused = stage.world.proxy().inject(rule);
    told(&[NAME], 1, "refuse logs (eth_getLogs, blocks").await?;
    told(&[NAME], 1, refusal).await?;
    ensure!(refused.fired() > 0, "nobody asked for logs");
    stage.world.proxy().heal();

    let (code, out, err) = finish(stage.world.ballast(&["index", "report", NAME])).await?;
    let text = out.join("\n");
    ensure!(
        code == 0 && text.contains(": in progress") && text.contains("0 trades"),
        "{text} {err:?}"
    );
    Ok(())
}

#[tokio::test]
async fn check_says_what_would_make_trades_revert() -> Result<()> {
    let stage = Stage::start().await?;
    stage.write_product(accounts::OPERATOR)?;
    let errors = |found: &[(String, String)]| {
        let errors = found.iter().filter(|(severity, _)| severity == "error");
        errors.map(|(_, problem)| problem.clone()).collect::<Vec<_>>()
    };
    let found = stage.found().await?;
    assert_eq!(errors(&found), [""; 0], "{found:?}");
    let manages = "also manages the index";
    assert!(found.iter().any(|(_, problem)| problem.contains(manages)), "{found:?}");

    stage.begin().await?;
    let node = stage.world.devnet.node();
    let set = setTradeMaximumsCall {
        components: vec![stage.token("UNI")],
        tradeMaximums: vec![U256::ZERO],
    };
    node.transact(accounts::OPERATOR, stage.index.extension, set).await?;
    let found = stage.found().await?;
    let why = "UNI: its trade maximum is 0 (setTradeMaximums); it is to be traded, and every trade \
               reverts";
    assert_eq!(errors(&found), [why], "{found:?}");
    let raise = "raiseTargetPercentage is 0";
    assert!(found.iter().any(|(_, problem)| problem.starts_with(raise)), "{found:?}");

    // An account that nobody allowed to trade.
    stage.write_product(accounts::keeper_address(7))?;
    let found = stage.found().await?;
    let named = format!("those are {}", accounts::OPERATOR);
    assert!(errors(&found).iter().any(|problem| problem.contains(&named)), "{found:?}");
    Ok(())
}
