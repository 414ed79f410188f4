//! On the way to liquidation.

use alloy::primitives::{U256, utils::parse_ether};
use ballast_devnet::{V2_EXCHANGE, V3_EXCHANGE, accounts};
use eyre::Result;

use super::{COOLDOWN, INTERVAL, RIPCORD_COOLDOWN, Stage, USD, count, ratio};
use crate::harness::{Setup, World, finish, json};

#[tokio::test]
async fn it_is_repeated_until_the_ratio_is_below_the_line() -> Result<()> {
    let stage = Stage::start().await?;
    let (chunk, small) = (parse_ether("40")?, parse_ether("30")?);
    for exchange in [V3_EXCHANGE, V2_EXCHANGE] {
        stage.market.set_exchange_sizes(&stage.product, exchange, chunk, small).await?;
    }
    stage.market.set_price(1_480 * USD).await?;
    assert!(stage.ratio().await? > ratio("3"));
    let out = async |stage: &Stage| Ok(stage.ratio().await? < ratio("2.7"));
    stage.warp_until("the ratio below the ripcord line", RIPCORD_COOLDOWN, out).await?;
    let mined = stage.mined().await?;
    let ripcords = mined.iter().take_while(|call| call.action == "ripcord").count();
    assert!(ripcords >= 3, "{mined:?}");
    assert_eq!(count(&mined, "ripcord"), ripcords, "none of them later: {mined:?}");
    for exchange in [V3_EXCHANGE, V2_EXCHANGE] {
        assert!(mined.iter().any(|call| call.exchange == exchange), "{exchange}: {mined:?}");
    }
    // From there the ordinary rebalance takes over.
    let over = async |stage: &Stage| Ok(count(&stage.mined().await?, "rebalance") == 1);
    stage.warp_until("a rebalance", COOLDOWN, over).await?;
    let mined = stage.mined().await?;
    assert!(mined.iter().all(|call| call.succeeded), "{mined:?}");
    Ok(())
}

#[tokio::test]
async fn an_exchange_where_it_is_switched_off_is_left_out() -> Result<()> {
    let stage = Stage::start().await?;
    let chunk = parse_ether("40")?;
    let off = stage.market.set_exchange_sizes(&stage.product, V3_EXCHANGE, chunk, U256::ZERO);
    off.await?;
    stage.market.set_price(1_480 * USD).await?;
    let twice = async |stage: &Stage| Ok(count(&stage.mined().await?, "ripcord") >= 2);
    stage.warp_until("two ripcords", RIPCORD_COOLDOWN, twice).await?;
    let mined = stage.assert_rests().await?;
    assert!(mined.iter().all(|call| call.exchange == V2_EXCHANGE), "{mined:?}");
    assert_eq!(count(&mined, "ripcord"), mined.len(), "{mined:?}");
    Ok(())
}

#[tokio::test]
async fn a_caller_off_the_allow_list_sends_nothing_but_ripcords() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (market, product) = (world.devnet.market(), world.devnet.product().clone());
    market.set_caller_status(&product, &[accounts::keeper_address(0)], false).await?;
    world.devnet.node().warp(INTERVAL).await?;
    let (code, out, err) = finish(world.ballast(&["check", "--json"])).await?;
    assert_eq!(code, 3, "{out:?} {err:?}");
    let findings = json(&out)["findings"].to_string();
    assert!(findings.contains("not permitted to call"), "{findings}");

    let stage = Stage::over(world, "caller not permitted").await?;
    assert_eq!(stage.assert_rests().await?, [], "the interval is over");
    stage.market.set_price(1_480 * USD).await?;
    let rescued = async |stage: &Stage| Ok(count(&stage.mined().await?, "ripcord") >= 2);
    stage.warp_until("two ripcords", RIPCORD_COOLDOWN, rescued).await?;
    let mined = stage.mined().await?;
    assert_eq!(count(&mined, "ripcord"), mined.len(), "{mined:?}");
    assert!(mined.iter().all(|call| call.succeeded), "{mined:?}");
    Ok(())
}
