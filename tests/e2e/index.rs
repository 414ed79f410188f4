//! Composite indices: published weights through the binary, carried out on the published module.

mod advice;
mod files;
mod late;
mod trading;

use std::path::PathBuf;

use alloy::{
    primitives::{Address, Bytes, U256, hex, utils::parse_ether},
    signers::SignerSync as _,
    sol_types::SolCall as _,
};
use ballast::safe_batch;
use ballast_devnet::{
    IndexProduct, Mining, accounts,
    contracts::index::{
        IIndexExtension::startRebalanceWithUnitsCall,
        IIndexModule::{
            executionInfoCall, getComponentTradeQuantityAndDirectionCall,
            getRebalanceComponentsCall, rebalanceInfoCall, tradeCall,
        },
        IIndexToken::{getDefaultPositionRealUnitCall, positionMultiplierCall},
    },
};
use ballast_test_support::KeeperCommand;
use eyre::{Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::harness::{Setup, World, finish, json};

/// Seconds that every component rests between two trades.
const COOL_OFF: u64 = 300;

/// What fails where a component is lost from a batch.
const LOST: [&str; 5] =
    ["batch components", "batch units", "weights rebuilt", "value", "resolution"];

/// A world with an index in it, and files of weights and prices.
struct Stage {
    world: World,
    index: IndexProduct,
}

impl Stage {
    async fn start() -> Result<Self> {
        let setup = Setup { mining: Mining::Auto, watch_only: true, ws: false, ..Setup::default() };
        let world = World::start(setup).await?;
        let index = world.devnet.add_index().await?;
        let stage = Self { world, index };
        let lines = stage.index.components.iter().map(|component| {
            let cents = component.cents;
            format!("{},{}.{:02}\n", component.token, cents / 100, cents % 100)
        });
        stage.write("prices.csv", &format!("address,price\n{}", lines.collect::<String>()))?;
        Ok(stage)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        self.world.dir.write(name, text)
    }

    fn path(&self, name: &str) -> String {
        self.world.dir.path().join(name).display().to_string()
    }

    fn token(&self, symbol: &str) -> Address {
        let found = self.index.components.iter().find(|component| component.symbol == symbol);
        found.map(|component| component.token).unwrap()
    }

    /// Three that stay, one that goes, one that comes.
    fn reweighted(&self) -> String {
        let new = self.token("AAVE");
        format!(
            "symbol,address,weight\nUNI,,30%\nWBTC,,23.33%\nUSDC,,20%\nLEND,,0\nAAVE,{new},26.67%\n"
        )
    }

    fn command(&self, what: &str, more: &[&str]) -> KeeperCommand {
        let (set_token, module) = (self.index.set_token.to_string(), self.index.module.to_string());
        let (weights, prices) = (self.path("weights.csv"), self.path("prices.csv"));
        let mut args = vec!["index", what, "--chain", "local", "--set-token", &set_token];
        args.extend(["--module", &module, "--weights", &weights, "--prices", &prices]);
        args.extend(more);
        self.world.ballast(&args)
    }

    async fn json(&self, what: &str, more: &[&str]) -> Result<Value> {
        let (code, out, err) = finish(self.command(what, &[more, &["--json"]].concat())).await?;
        ensure!(code == 0, "{code}: {out:?} {err:?}");
        Ok(json(&out))
    }

    /// Runs the checks; those that fail have to be `unlike`.
    async fn verified(&self, more: &[&str], unlike: &[&str]) -> Result<()> {
        let (code, out, err) =
            finish(self.command("verify", &[more, &["--max-drift", "30%", "--json"]].concat()))
                .await?;
        ensure!(code == if unlike.is_empty() { 0 } else { 3 }, "{code}: {out:?} {err:?}");
        let report = json(&out);
        let failed = list(&report["checks"]).iter().filter(|check| check["passed"] == false);
        let failed: Vec<&str> = failed.filter_map(|check| check["name"].as_str()).collect();
        ensure!(failed == unlike, "{failed:?}: {report:#}");
        Ok(())
    }

    /// The call that a batch asks a multisig for, and whom it calls.
    fn asked_for(&self, batch: &str) -> Result<(Address, startRebalanceWithUnitsCall)> {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(batch)?)?;
        ensure!(file["meta"]["checksum"] == safe_batch::checksum(&file).to_string());
        ensure!(address(&file["meta"]["createdFromSafeAddress"]) == accounts::OPERATOR);
        let [transaction] = list(&file["transactions"]) else { bail!("{file}") };
        let data: Bytes = transaction["data"].as_str().unwrap_or_default().parse()?;
        let call = startRebalanceWithUnitsCall::abi_decode(&data)?;
        Ok((address(&transaction["to"]), call))
    }

    /// Batches that differ a little from the planned one, each with a right checksum; and a weights
    /// file that somebody else signed.
    async fn refuses_what_is_not_planned(&self, batch: &str) -> Result<()> {
        type Alter = fn(&mut startRebalanceWithUnitsCall);
        let alterations: [(Alter, &[&str]); 4] = [
            (|start| start.targetUnits[1] += U256::ONE, &["batch units"]),
            (|start| start.positionMultiplier = U256::ZERO, &["batch multiplier"]),
            (|start| start.components[3] = start.components[2], &LOST),
            (
                |start| {
                    start.components.pop();
                    start.targetUnits.pop();
                },
                &LOST,
            ),
        ];
        let (_, planned) = self.asked_for(batch)?;
        let altered = self.path("altered.json");
        for (alter, unlike) in alterations {
            let mut call = planned.clone();
            alter(&mut call);
            let mut file: Value = serde_json::from_str(&std::fs::read_to_string(batch)?)?;
            file["transactions"][0]["data"] = Bytes::from(call.abi_encode()).to_string().into();
            file["meta"]["checksum"] = safe_batch::checksum(&file).to_string().into();
            std::fs::write(&altered, file.to_string())?;
            self.verified(&["--haircut", "1%", "--batch", &altered], unlike).await?;
        }
        let (signer, other) = (accounts::keeper(0), accounts::keeper_address(1).to_string());
        let weights = std::fs::read(self.path("weights.csv"))?;
        self.write("weights.csv.sig", &signer.sign_message_sync(&weights)?.to_string())?;
        let signer = signer.address().to_string();
        self.verified(&["--signed-by", &signer], &[]).await?;
        self.verified(&["--signed-by", &other], &["signature"]).await
    }

    /// What one index token is worth at the files' prices, with ether at 2,000; 18 decimals.
    async fn value(&self) -> Result<U256> {
        let weth = self.world.devnet.deployment().tokens.weth;
        let mut value = self.unit(weth).await? * U256::from(2_000);
        for component in &self.index.components {
            let finer = U256::from(10).pow(U256::from(18 - component.decimals));
            let cents = self.unit(component.token).await? * finer * U256::from(component.cents);
            value += cents / U256::from(100);
        }
        Ok(value)
    }

    async fn unit(&self, component: Address) -> Result<U256> {
        let call = getDefaultPositionRealUnitCall { component };
        let unit = self.world.devnet.node().read(self.index.set_token, call).await?;
        Ok(U256::try_from(unit)?)
    }

    /// Holds the module's own view of each first trade against the plan; then trades all of it, sells
    /// first, in as many trades and for about as much gas as was planned.
    async fn trades_as_planned(&self, plan: &Value) -> Result<()> {
        let (node, index) = (self.world.devnet.node(), &self.index);
        let set_token = index.set_token;
        let rows = list(&plan["rows"]);
        for row in rows.iter().filter(|row| !row["trade"].is_null()) {
            let component = address(&row["address"]);
            let size = getComponentTradeQuantityAndDirectionCall { setToken: set_token, component };
            let size = node.read(index.module, size).await?;
            let info = node
                .read(index.module, executionInfoCall { setToken: set_token, component })
                .await?;
            let trade = &row["trade"];
            assert_eq!(size.isSendTokenFixed, trade["side"] == "sell", "{row}");
            assert_eq!(size.quantity, number(&trade["amount"]).min(info.maxSize), "{row}");
        }
        let (mut gas, mut each) = (0, Vec::new());
        for side in ["sell", "buy"] {
            for row in rows.iter().filter(|row| row["trade"]["side"] == side) {
                let target = number(&row["target_unit"]);
                let (trades, used) = self.trade_out(address(&row["address"]), target).await?;
                assert_eq!(row["trade"]["trades"], trades, "{row}");
                gas += used;
                each.push((row["symbol"].to_string(), row["trade"]["gas"].to_string(), used));
            }
        }
        let predicted = plan["gas"].as_u64().unwrap();
        assert!(predicted.abs_diff(gas) * 10 <= predicted, "{predicted} planned, {gas}: {each:?}");
        Ok(())
    }

    /// Trades a component until the module has nothing left to do with it: in how many trades, and
    /// for how much gas.
    async fn trade_out(&self, component: Address, target: U256) -> Result<(u64, u64)> {
        let node = self.world.devnet.node();
        let (mut trades, mut gas) = (0, 0);
        while self.unit(component).await?.abs_diff(target) > U256::from(u8::from(!target.is_zero()))
        {
            let set_token = self.index.set_token;
            let size = getComponentTradeQuantityAndDirectionCall { setToken: set_token, component };
            let selling = node.read(self.index.module, size).await?.isSendTokenFixed;
            let limit = if selling { U256::ZERO } else { U256::MAX };
            let call = tradeCall { setToken: set_token, component, ethQuantityLimit: limit };
            let receipt = node.transact(accounts::OPERATOR, self.index.module, call).await?;
            (trades, gas) = (trades + 1, gas + receipt.gas_used);
            node.warp(COOL_OFF).await?;
        }
        Ok((trades, gas))
    }
}

fn number(value: &Value) -> U256 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value}"))
}

/// Dollars with 18 decimals.
fn dollars(text: &str) -> U256 {
    parse_ether(text).unwrap()
}

fn address(value: &Value) -> Address {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value}"))
}

/// The calldata's arguments, which have to be those that stand beside it.
fn arguments(plan: &Value) -> startRebalanceWithUnitsCall {
    let data: Bytes = plan["call"]["data"].as_str().unwrap().parse().unwrap();
    let call = startRebalanceWithUnitsCall::abi_decode(&data).unwrap();
    let components: Vec<Address> = list(&plan["call"]["components"]).iter().map(address).collect();
    let units: Vec<U256> = list(&plan["call"]["target_units"]).iter().map(number).collect();
    assert_eq!(call.components, components);
    assert_eq!(call.targetUnits, units);
    assert_eq!(call.positionMultiplier, number(&plan["call"]["position_multiplier"]));
    call
}

#[tokio::test]
async fn what_is_planned_is_what_the_module_holds_and_trades() -> Result<()> {
    let stage = Stage::start().await?;
    let weights = stage.reweighted();
    stage.write("weights.csv", &weights)?;
    let (batch, page) = (stage.path("batch.json"), stage.path("plan.html"));
    let more = ["--haircut", "1%", "--batch", &batch, "--html", &page];
    let plan = stage.json("plan", &more).await?;
    let published = hex::encode(Sha256::digest(weights.as_bytes()));
    assert_eq!(plan["weights"]["sha256"], published);
    let page = std::fs::read_to_string(page)?;
    assert!(page.contains(&published) && page.contains("AAVE") && !page.contains("<script"));
    let (asked, asks) = stage.asked_for(&batch)?;
    assert_eq!(asked, stage.index.extension);
    assert_eq!(asks.abi_encode(), arguments(&plan).abi_encode());
    stage.refuses_what_is_not_planned(&batch).await?;
    // 99 dollars by the weights, in each token's own decimals, rounded down.
    assert_eq!(plan["net_asset_value"], "100");
    let call = arguments(&plan);
    let expected = [
        ("UNI", "2970000000000000000"),
        ("WBTC", "57741"),
        ("USDC", "19800000"),
        ("LEND", "0"),
        ("AAVE", "264033000000000000"),
    ];
    let expected: Vec<(Address, U256)> = expected
        .iter()
        .map(|(symbol, unit)| (stage.token(symbol), unit.parse().unwrap()))
        .collect();
    let planned: Vec<(Address, U256)> =
        call.components.iter().copied().zip(call.targetUnits.iter().copied()).collect();
    assert_eq!(planned, expected);

    // What the multisig was asked for, as it executes it.
    let (node, index) = (stage.world.devnet.node(), &stage.index);
    let multiplier = node.read(index.set_token, positionMultiplierCall {}).await?;
    assert_eq!(call.positionMultiplier, U256::try_from(multiplier)?);
    let verify = ["--haircut", "1%", "--batch", &batch];
    let executed = [&verify[..], &["--executed"]].concat();
    stage.verified(&verify, &[]).await?;
    let unlike = ["chain components", "chain units"];
    stage.verified(&executed, &unlike).await?;
    node.transact(accounts::OPERATOR, asked, asks).await?;
    stage.verified(&executed, &[]).await?;
    let set_token = index.set_token;
    let info = node.read(index.module, rebalanceInfoCall { setToken: set_token }).await?;
    assert_eq!(info.positionMultiplier, call.positionMultiplier);
    let listed =
        node.read(index.module, getRebalanceComponentsCall { setToken: set_token }).await?;
    assert_eq!(listed, call.components);
    for (component, unit) in planned {
        let info =
            node.read(index.module, executionInfoCall { setToken: set_token, component }).await?;
        assert_eq!(info.targetUnit, unit, "{component}");
    }

    stage.trades_as_planned(&plan).await?;
    // Nobody brought the pools back between two trades: the plan has both bounds of what they cost.
    let lost = dollars("100") - stage.value().await?;
    let figure = |name: &str| dollars(plan[name].as_str().unwrap()) / U256::from(1_000);
    let (least, most) = (figure("cost"), figure("cost_at_once"));
    // Shares of what was sold that bought nothing are rounding; a hundredth of a percent at the most.
    let near = dollars("0.01");
    assert!(least <= lost && lost <= most + near, "{least} to {most} planned, {lost} lost");
    // What was executed is still what was signed, although what is held has changed since.
    stage.verified(&executed, &[]).await
}

#[tokio::test]
async fn wrong_files_and_addresses_are_told_in_a_line_each() -> Result<()> {
    let stage = Stage::start().await?;
    let (weights, prices) = (stage.path("weights.csv"), stage.path("prices.csv"));
    let said = async |more: &[&str]| -> Result<Vec<String>> {
        let (code, out, err) = finish(stage.command("plan", more)).await?;
        ensure!(code == 2 && out.is_empty(), "{code}: {out:?} {err:?}");
        Ok(err)
    };
    let missing = said(&[]).await?;
    assert_eq!(missing, [format!("ballast: {weights}: No such file or directory (os error 2)")]);

    stage.write("weights.csv", "symbol,weight\nUNI,30\nWBTC,0.3\nWBTC,x\n,1\n")?;
    stage.write("prices.csv", "symbol,price\nUNI,0\n")?;
    assert_eq!(
        said(&[]).await?,
        [
            format!("{weights}: line 2: weight `30` is above 1 (write 25% or 0.25, not 25)"),
            format!("{weights}: line 4: weight `x` is no plain number such as 0.25 or 25%"),
            format!("{weights}: line 5: names neither a symbol nor an address"),
            format!("{prices}: line 2: price `0` is 0"),
        ]
        .map(|line| format!("ballast: {line}"))
    );

    stage.write("weights.csv", "symbol,weight\nUNI,0.5\nWBTC,0.4\nUSDC,0.2\nMKR,0\n")?;
    stage.write("prices.csv", "symbol,price\nUNI,10\nWBTC,40000\nUSDC,1\n")?;
    let lend = stage.token("LEND");
    assert_eq!(
        said(&[]).await?,
        [
            format!("{weights}: line 5: the index holds no MKR: give the address of a new one"),
            format!("{weights}: the weights add up to 1.1, not to 1"),
            format!(
                "{weights}: does not name LEND ({lend}), which the index holds: give it weight 0 \
                 to remove it"
            ),
            format!("{prices}: has no price of LEND ({lend})"),
        ]
        .map(|line| format!("ballast: {line}"))
    );

    // A token that is none, and an index that the module does not serve.
    let none = stage.index.manager;
    stage.write("weights.csv", &format!("address,weight\n{none},1\n"))?;
    let err = said(&[]).await?;
    assert!(err[0].contains(&format!("{none} does not answer as a token does")), "{err:?}");
    let other = stage.world.devnet.product().set_token.to_string();
    let module = stage.index.module.to_string();
    let args = ["index", "plan", "--chain", "local", "--set-token", &other, "--module", &module];
    let command =
        stage.world.ballast(&[&args[..], &["--weights", &weights, "--prices", &prices]].concat());
    let (code, _, err) = finish(command).await?;
    assert_eq!((code, err.len()), (2, 1), "{err:?}");
    assert!(err[0].contains(&format!("{module} is no module of the index {other}")), "{err:?}");
    Ok(())
}
