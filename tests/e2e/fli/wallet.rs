//! Wallets that may not call, or cannot be paid.

use alloy::primitives::{Address, Bytes, bytes};
use ballast_devnet::accounts;
use eyre::Result;

use super::{INTERVAL, RIPCORD_COOLDOWN, Stage, USD, count};
use crate::harness::{DEADLINE, Setup, World, finish, json};

/// Writes to storage, which takes more than the 2,300 gas that come with a reward:
/// `PUSH1 1, PUSH1 0, SSTORE, STOP`.
const WRITES_WHEN_PAID: Bytes = bytes!("600160005500");

async fn findings(world: &World) -> Result<(i32, String)> {
    let (code, out, _) = finish(world.ballast(&["check", "--json"])).await?;
    Ok((code, json(&out)["findings"].to_string()))
}

#[tokio::test]
async fn a_contract_as_the_wallet_is_noticed_before_anything_is_sent() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (node, keeper) = (world.devnet.node(), accounts::keeper_address(0));
    node.set_code(keeper, WRITES_WHEN_PAID).await?;
    let (code, findings) = findings(&world).await?;
    assert_eq!(code, 3, "{findings}");
    assert!(findings.contains("has code"), "{findings}");
    assert!(findings.contains("not permitted to call"), "{findings}");
    node.warp(INTERVAL).await?;
    let stage = Stage::over(world, "caller is a contract, not a plain account").await?;
    assert_eq!(stage.assert_rests().await?, []);
    stage.market.set_price(1_480 * USD).await?;
    assert_eq!(
        stage.assert_rests().await?,
        [],
        "nor a ripcord, which asks for a plain account too"
    );
    Ok(())
}

/// EIP-7702: its own transactions still come from a plain account, but a ripcord's reward runs the
/// delegate's code.
#[tokio::test]
async fn a_delegated_wallet_rebalances_and_burns_no_gas_on_a_ripcord_it_cannot_be_paid_for()
-> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (node, keeper) = (world.devnet.node().clone(), accounts::keeper_address(0));
    let delegate = Address::repeat_byte(0xde);
    node.set_code(delegate, WRITES_WHEN_PAID).await?;
    node.set_code(keeper, [&[0xef, 0x01, 0x00][..], delegate.as_slice()].concat().into()).await?;
    let (code, findings) = findings(&world).await?;
    assert_eq!(code, 0, "{findings}");
    assert!(findings.contains("has code"), "{findings}");
    let stage = Stage::over(world, "inside bounds").await?;
    node.warp(INTERVAL).await?;
    let traded = async |stage: &Stage| Ok(!stage.mined().await?.is_empty());
    stage.warp_until("the interval rebalance", 0, traded).await?;
    assert_eq!(count(&stage.assert_rests().await?, "rebalance"), 1);

    node.warp(RIPCORD_COOLDOWN).await?;
    stage.market.set_price(1_480 * USD).await?;
    let line = stage.keeper.wait_for_line("can the wallet take the reward", DEADLINE).await?;
    assert!(line.contains("blocked") && line.contains("ripcord"), "{line}");
    assert_eq!(stage.assert_rests().await?.len(), 1, "nothing more was sent");

    node.set_code(keeper, Bytes::new()).await?;
    let rescued = async |stage: &Stage| Ok(count(&stage.mined().await?, "ripcord") >= 1);
    stage.warp_until("a ripcord", RIPCORD_COOLDOWN, rescued).await?;
    assert!(stage.mined().await?.iter().all(|call| call.succeeded));
    Ok(())
}

#[tokio::test]
async fn a_caller_taken_off_the_list_under_the_keeper_sends_nothing_until_it_is_back() -> Result<()>
{
    let stage = Stage::start().await?;
    let callers = [accounts::keeper_address(0)];
    stage.market.set_caller_status(&stage.product, &callers, false).await?;
    stage.world.devnet.node().warp(INTERVAL).await?;
    stage.keeper.wait_for_line("caller not permitted", DEADLINE).await?;
    assert_eq!(stage.assert_rests().await?, []);
    let (code, findings) = findings(&stage.world).await?;
    assert_eq!(code, 3, "{findings}");
    assert!(findings.contains("not permitted to call"), "{findings}");

    stage.market.set_caller_status(&stage.product, &callers, true).await?;
    let traded = async |stage: &Stage| Ok(!stage.mined().await?.is_empty());
    stage.warp_until("the interval rebalance", 0, traded).await?;
    assert_eq!(stage.assert_rests().await?.len(), 1);
    Ok(())
}
