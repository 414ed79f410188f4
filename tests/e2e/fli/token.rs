//! A product named by its token, and a manager that changes under the keeper.

use alloy::{primitives::Address, sol};
use ballast_devnet::{Node, accounts::OPERATOR};
use ballast_test_support::wait_until;
use eyre::Result;

use super::{INTERVAL, Stage, count};
use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, key_name};

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
        let line = stage.keeper.wait_for_line_since(mark, words[0], DEADLINE).await?;
        for word in words.iter().chain(&["blocked"]) {
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
