//! A product named by its token, and a manager that changes under the keeper.

use alloy::{consensus::Transaction as _, primitives::Address, sol};
use ballast_devnet::{Methodology, Node, accounts::OPERATOR};
use ballast_test_support::{Inbox, KeeperProcess, free_port, wait_until};
use eyre::Result;
use serde_json::Value;

use super::{INTERVAL, Stage, count};
use crate::{
    harness::{DEADLINE, PRODUCT, Setup, World, finish, json, key_name},
    stage::decode,
};

sol! {
    interface IBaseManager {
        function addAdapter(address adapter) external;
        function removeAdapter(address adapter) external;
        function setManager(address newManager) external;
    }
    interface ISetToken {
        function manager() external view returns (address manager);
    }
}

fn name_by(world: &World, params: &str) -> Result<()> {
    let key = key_name(0);
    let text = format!(
        "strategy = \"fli\"\nchain = \"local\"\n[wallet]\nkey = {{ env = \"{key}\" }}\n[params]\n{params}\n"
    );
    world.dir.write(format!("products/{PRODUCT}.toml"), text)?;
    Ok(())
}

async fn by_its_token() -> Result<World> {
    let world = World::start(Setup::default()).await?;
    let product = world.devnet.product();
    name_by(&world, &format!("set_token = \"{}\"", product.set_token))?;
    Ok(world)
}

#[tokio::test]
async fn the_extension_is_found_through_the_manager_and_traded_with() -> Result<()> {
    let world = by_its_token().await?;
    let (code, out, err) = finish(world.ballast(&["check"])).await?;
    assert_eq!(code, 0, "{out:?} {err:?}");
    assert!(out.iter().any(|line| line.contains("0 errors, 0 warnings")), "{out:?}");
    let stage = Stage::over(world, "inside bounds").await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    let traded = async |stage: &Stage| Ok(!stage.mined().await?.is_empty());
    stage.warp_until("the interval rebalance", 0, traded).await?;
    let mined = stage.assert_rests().await?;
    assert_eq!((mined.len(), count(&mined, "rebalance")), (1, 1), "{mined:?}");
    Ok(())
}

#[tokio::test]
async fn a_manager_that_changes_under_the_keeper_stops_the_product() -> Result<()> {
    let world = by_its_token().await?;
    let stage = Stage::over(world, "inside bounds").await?;
    let (node, product) = (stage.world.devnet.node(), &stage.product);
    let says = async |mark: u64, words: &[&str]| -> Result<()> {
        let line = stage.keeper.wait_for_line_since(mark, "kind=\"refused\"", DEADLINE).await?;
        for word in words.iter().chain(&["what it acts on has changed"]) {
            assert!(line.contains(word), "{word} in {line}");
        }
        Ok(())
    };

    // Dropped by the manager, with the interval over; the way back is open.
    let mark = stage.keeper.mark();
    let (manager, adapter) = (product.manager, product.strategy);
    node.transact(OPERATOR, manager, IBaseManager::removeAdapterCall { adapter }).await?;
    node.warp(INTERVAL).await?;
    says(mark, &["manager does not list the extension", &adapter.to_string()]).await?;
    assert_eq!(stage.assert_rests().await?, []);
    node.transact(OPERATOR, manager, IBaseManager::addAdapterCall { adapter }).await?;
    let traded = async |stage: &Stage| Ok(!stage.mined().await?.is_empty());
    stage.warp_until("the interval rebalance", 0, traded).await?;
    assert_eq!(stage.assert_rests().await?.len(), 1);

    // Migrated to another manager for good.
    let mark = stage.keeper.mark();
    migrate(node, product.set_token, manager, OPERATOR).await?;
    node.warp(INTERVAL).await?;
    let (before, after) = (manager.to_string(), OPERATOR.to_string());
    says(mark, &["set_token has another manager", &before, &after]).await?;
    assert_eq!(stage.assert_rests().await?.len(), 1, "nothing more is sent");

    // A fresh look finds that the new manager is no contract.
    let (code, out, err) = finish(stage.world.ballast(&["check"])).await?;
    assert_eq!(code, 3, "{out:?} {err:?}");
    let said = |line: &String| line.starts_with("error") && line.contains("lists no extensions");
    assert!(out.iter().any(said), "{out:?}");
    Ok(())
}

/// Another extension takes the place of the one that was agreed to: it is told, nothing is done, a
/// restart changes nothing, and a person's word does.
#[tokio::test]
async fn another_extension_is_acted_on_only_once_a_person_has_agreed() -> Result<()> {
    let (world, inbox) = (by_its_token().await?, Inbox::start().await?);
    let store = world.store();
    let (store, port) = (store.display(), free_port()?);
    let text = format!(
        "[store]\nurl = \"sqlite://{store}\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
         token = {{ env = \"TOKEN\" }}\n[[notify]]\nkind = \"webhook\"\n\
         url = {{ env = \"HOOK\" }}\n"
    );
    world.dir.write("ballast.toml", text)?;
    let command = |args: &[&str]| {
        let command = world.ballast(args).env("HOOK", inbox.url("/hook"));
        command.env("TOKEN", "a-token-that-is-long-enough")
    };
    let run = || command(&["--log", "info,ballast=debug", "run"]).start();
    let told = |status: &str| {
        let letters = inbox.letters("/hook").into_iter();
        let notices = letters.filter_map(|l| serde_json::from_slice::<Value>(&l.body).ok());
        let mut notices = notices.filter(|notice| notice["condition"] == "moved");
        notices.any(|notice| notice["status"] == status)
    };
    let mut keeper = run()?;
    keeper.wait_for_line("inside bounds", DEADLINE).await?;
    let old = world.devnet.product().strategy.to_string();
    let new = world.devnet.replace_strategy(&Methodology::default()).await?;
    let stopped = keeper.wait_for_line("what it acts on has changed", DEADLINE).await?;
    assert!(stopped.contains(&old) && stopped.contains(&new.to_string()), "{stopped}");
    let raised = async || told("raised").then_some(());
    keeper.wait_until("the alert", DEADLINE, raised).await?;
    // It has never traded, so it has something due at once.
    let is_held = async |keeper: &KeeperProcess| -> Result<()> {
        let line = keeper.wait_for_line("action=\"rebalance\"", DEADLINE).await?;
        assert!(line.contains("what it acts on has changed"), "{line}");
        world.wait_blocks(3).await?;
        assert_eq!(world.mined().await?, 0, "{}", keeper.tail());
        Ok(())
    };
    is_held(&keeper).await?;

    // A restart agrees to nothing.
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    let mut keeper = run()?;
    is_held(&keeper).await?;
    let status = json(&finish(command(&["status", "--json"])).await?.1);
    assert_eq!(status["products"][0]["paused"]["who"], "the keeper", "{status}");
    let (code, out, err) = finish(command(&["resume", PRODUCT, "--json"])).await?;
    assert_eq!((code, &json(&out)[0]["paused"]), (0, &false.into()), "{out:?} {err:?}");
    let traded = async || world.mined().await.is_ok_and(|mined| mined == 1).then_some(());
    keeper.wait_until("the rebalance", DEADLINE, traded).await?;
    for raw in world.proxy().raw_transactions() {
        assert_eq!(decode(&raw)?.to(), Some(new));
    }
    keeper.wait_until("the recovery", DEADLINE, async || told("recovered").then_some(())).await?;
    Ok(())
}

/// The manager hands the token over; where both of its keys are asked, the operator has both.
async fn migrate(node: &Node, token: Address, from: Address, to: Address) -> Result<()> {
    wait_until("the migration", DEADLINE, async || -> Result<()> {
        node.transact(OPERATOR, from, IBaseManager::setManagerCall { newManager: to }).await?;
        let manager = node.read(token, ISetToken::managerCall {}).await?;
        eyre::ensure!(manager == to, "the manager is {manager}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn one_of_extension_and_token_is_asked_for() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let product = world.devnet.product();
    let both =
        format!("extension = \"{}\"\nset_token = \"{}\"", product.strategy, product.set_token);
    for (params, says) in [
        (both.as_str(), "both extension and set_token; expected one of them"),
        ("", "params.extension or set_token: missing; expected to be given"),
        ("set_token = 5", "params.set_token = 5"),
    ] {
        name_by(&world, params)?;
        let (code, out, err) = finish(world.ballast(&["check", "--offline"])).await?;
        assert_eq!(code, 2, "{out:?} {err:?}");
        let file = format!("products/{PRODUCT}.toml: params");
        let said = |line: &String| line.contains(&file) && line.contains(says);
        assert!(out.iter().chain(&err).any(said), "{says}: {out:?} {err:?}");
    }
    Ok(())
}
