//! The keeper keeps going while its endpoints misbehave.

use ballast_test_support::{Fault, RpcProxy};
use eyre::Result;

use crate::harness::{DEADLINE, Setup, World};

#[tokio::test]
async fn three_bad_endpoints_before_a_good_one() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let upstream = world.devnet.http_url().as_str();
    let (hanging, limited, stranger) = (
        RpcProxy::start(upstream).await?,
        RpcProxy::start(upstream).await?,
        RpcProxy::start(upstream).await?,
    );
    let faults = [
        hanging.handle().inject(Fault::Hang),
        limited.handle().inject(Fault::status(429)),
        stranger.handle().inject(Fault::WrongChainId(999)),
    ];
    let urls =
        [&hanging, &limited, &stranger, &world.proxy].map(|p| format!("\"{}\"", p.http_url()));
    let text = format!(
        "chain_id = 1\nblock_time = \"1s\"\nconfirmations = 3\nrequest_timeout = \"500ms\"\n\
         rpc = [{}]\nsend = [\"{}\"]\n",
        urls.join(", "),
        world.proxy.http_url()
    );
    world.dir.write("chains/local.toml", text)?;
    world.devnet.node().warp(86_401).await?;
    let keeper = world.keeper().await?;
    keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
    assert_eq!(world.mined().await?, 1);
    for (fault, name) in faults.iter().zip(["hanging", "limited", "stranger"]) {
        assert!(fault.fired() > 0, "the {name} endpoint was never tried");
    }
    assert_eq!(stranger.handle().count("eth_call"), 0, "an endpoint of another chain was read");
    Ok(())
}

#[tokio::test]
async fn the_node_dies_and_returns() -> Result<()> {
    let mut world = World::start(Setup::default()).await?;
    let keeper = world.keeper().await?;
    keeper.wait_for_line("inside bounds", DEADLINE).await?;
    world.devnet.anvil_mut().stop().await?;
    keeper.wait_for_line("no new head", DEADLINE).await?;
    world.devnet.anvil_mut().start().await?;
    let market = world.devnet.market();
    let before = market.last_trade(world.devnet.product()).await?;
    world.devnet.node().warp(86_401).await?;
    ballast_test_support::wait_until("the rebalance after the outage", DEADLINE, async || {
        market.last_trade(world.devnet.product()).await.is_ok_and(|t| t > before)
    })
    .await?;
    Ok(())
}
