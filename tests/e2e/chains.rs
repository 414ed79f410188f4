//! Two chains in one process: the trouble of one is not the other's.

use ballast_devnet::{Devnet, DevnetOptions, Mining, accounts};
use ballast_test_support::{Fault, RpcProxy, wait_until};
use eyre::Result;

use crate::harness::{DEADLINE, Setup, World, finish, key_name};

const INTERVAL: u64 = 86_401;

/// A second chain, with id 10 and a product of its own, beside the usual one.
async fn with_second_chain(world: &World) -> Result<(Devnet, RpcProxy)> {
    let mining = Mining::Every(std::time::Duration::from_secs(1));
    let options = DevnetOptions { chain_id: 10, mining, ..DevnetOptions::default() };
    let second = Devnet::start(options).await?;
    let proxy = RpcProxy::start(second.http_url().as_str()).await?;
    let chain = format!(
        "chain_id = 10\nblock_time = \"1s\"\nconfirmations = 3\nrpc = [{{ url = \"{}\" }}]\n",
        proxy.http_url()
    );
    world.dir.write("chains/second.toml", chain)?;
    // The same key: one wallet on two chains is two lanes.
    let product = format!(
        "strategy = \"fli\"\nchain = \"second\"\n[wallet]\nkey = {{ env = \"{}\" }}\n\
         [params]\nextension = \"{}\"\n",
        key_name(0),
        second.product().strategy
    );
    world.dir.write("products/other-fli.toml", product)?;
    Ok((second, proxy))
}

async fn nonce(devnet: &Devnet) -> Result<u64> {
    devnet.node().nonce(accounts::keeper_address(0)).await
}

#[tokio::test]
async fn both_chains_are_served_by_one_process() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (second, _proxy) = with_second_chain(&world).await?;
    let (code, out, err) = finish(world.ballast(&["check"])).await?;
    assert_eq!(code, 0, "{out:?} {err:?}");
    let mut keeper = world.keeper().await?;
    for devnet in [&world.devnet, &second] {
        devnet.node().warp(INTERVAL).await?;
    }
    let both = async || {
        let (one, two) = (nonce(&world.devnet).await.ok()?, nonce(&second).await.ok()?);
        ((one, two) == (1, 1)).then_some(())
    };
    keeper.wait_until("a rebalance on each chain", DEADLINE, both).await?;
    world.wait_blocks(3).await?;
    assert_eq!((nonce(&world.devnet).await?, nonce(&second).await?), (1, 1), "once each");
    Ok(())
}

#[tokio::test]
async fn a_chain_that_hangs_or_is_dead_does_not_touch_the_other() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let (mut second, proxy) = with_second_chain(&world).await?;
    let hanging = proxy.handle().inject(Fault::Hang);
    let keeper = world.keeper().await?;
    world.devnet.node().warp(INTERVAL).await?;
    keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
    assert!(hanging.fired() > 0, "the hanging chain was never asked");
    assert_eq!(world.mined().await?, 1);

    // The slow one comes back by itself, and then dies for good.
    proxy.handle().heal();
    second.node().warp(INTERVAL).await?;
    wait_until("the second chain's rebalance", DEADLINE, async || {
        nonce(&second).await.is_ok_and(|nonce| nonce == 1)
    })
    .await?;
    second.anvil_mut().kill().await?;
    let mark = keeper.mark();
    world.devnet.node().warp(INTERVAL).await?;
    keeper.wait_for_line_since(mark, "step=\"final\"", DEADLINE).await?;
    assert_eq!(world.mined().await?, 2);
    Ok(())
}
