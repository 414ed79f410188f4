//! Products that keep their transactions to themselves, over a relay with a pool that nobody sees.

use alloy::primitives::B256;
use ballast_devnet::Mining;
use ballast_test_support::{
    Fault, FaultHandle, HeldTransaction, Mempool, RAW_TRANSACTION, RpcProxy, wait_until,
};
use eyre::Result;
use serde_json::json;

use crate::harness::{DEADLINE, Setup, World};

/// A day and a second: the product's rebalance interval.
const INTERVAL: u64 = 86_401;

struct Scene {
    world: World,
    relay: RpcProxy,
    pool: Mempool,
    held: FaultHandle,
}

impl Scene {
    async fn start(chain: &str) -> Result<Self> {
        let product = "private = true\n".to_owned();
        let world =
            World::start(Setup { mining: Mining::Manual, product, ..Setup::default() }).await?;
        let relay = RpcProxy::start(world.devnet.http_url().as_str()).await?;
        let pool = Mempool::new();
        let held = relay.inject(Fault::Hold(pool.clone()));
        let text = format!(
            "chain_id = 1\nblock_time = \"1s\"\nconfirmations = 3\n\
             rpc = [{{ url = \"{}\", ws = \"{}\" }}]\nprivate_send = [\"{}\"]\n{chain}",
            world.proxy.http_url(),
            world.proxy.ws_url(),
            relay.http_url()
        );
        world.dir.write("chains/local.toml", text)?;
        world.devnet.node().warp(INTERVAL).await?;
        Ok(Self { world, relay, pool, held })
    }

    /// Waits for the relay to have got so many raw transactions, repeats included.
    async fn sent(&self, count: usize) -> Result<()> {
        wait_until(&format!("{count} sends to the relay"), DEADLINE, async || {
            let sent = self.relay.raw_transactions().len();
            if sent >= count { Ok(()) } else { Err(format!("{sent}")) }
        })
        .await
    }

    /// One block more, and the keeper's answer to it at the relay.
    async fn pass_block(&self) -> Result<()> {
        let sent = self.relay.raw_transactions().len();
        self.world.pass_blocks(1).await?;
        self.sent(sent + 1).await
    }

    fn public(&self) -> usize {
        self.world.proxy.raw_transactions().len()
    }

    fn newest(&self) -> HeldTransaction {
        self.pool.transactions().pop().expect("something is held")
    }
}

#[tokio::test]
async fn what_is_private_reaches_the_relay_only_until_it_may_go_public() -> Result<()> {
    let scene = Scene::start("public_after = 7\n").await?;
    let _keeper = scene.world.keeper().await?;
    scene.sent(1).await?;
    // From here on the first offer buys no block, and routine work replaces it once it has waited.
    let base_fee = scene.newest().max_fee_per_gas.saturating_mul(2);
    for block in 1..7 {
        scene.world.devnet.node().set_next_base_fee(base_fee).await?;
        scene.pass_block().await?;
        assert_eq!(scene.public(), 0, "it went public after {block} blocks");
    }
    assert!(scene.pool.counts().replaced > 0, "a replacement was to be among them");
    scene.pass_block().await?;
    let node = wait_until("the public send", DEADLINE, async || {
        scene.world.proxy.raw_transactions().pop().ok_or("none yet")
    })
    .await?;
    assert_eq!(Some(node), scene.relay.raw_transactions().pop(), "the newest attempt goes public");
    scene.world.pass_blocks(1).await?;
    wait_until("inclusion", DEADLINE, async || {
        scene.world.mined().await.is_ok_and(|mined| mined == 1)
    })
    .await?;
    assert!(scene.held.fired() > 0);
    Ok(())
}

#[tokio::test]
async fn a_pool_that_hides_the_pending_nonce_confuses_nobody() -> Result<()> {
    let scene = Scene::start("").await?;
    let mut keeper = scene.world.keeper().await?;
    scene.sent(1).await?;
    for _ in 0..3 {
        scene.pass_block().await?;
    }
    // The nodes that are read know nothing of it, and neither does a keeper that comes back.
    keeper.kill9().await?;
    let before = scene.relay.raw_transactions().len();
    keeper = scene.world.keeper().await?;
    scene.sent(before + 1).await?;
    for _ in 0..4 {
        scene.pass_block().await?;
    }
    let nonces: Vec<u64> = scene.pool.transactions().iter().map(|held| held.nonce).collect();
    assert!(nonces.iter().all(|nonce| *nonce == 0), "more than one nonce was used: {nonces:?}");
    assert_eq!(scene.world.mined().await?, 0);

    let included: B256 = scene.newest().hash;
    scene.relay.release(&scene.pool, included).await?;
    scene.world.pass_blocks(1).await?;
    keeper.wait_for_line("step=\"included\"", DEADLINE).await?;
    scene.world.pass_blocks(3).await?;
    keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
    assert_eq!(scene.world.mined().await?, 1);

    // The next one takes the next nonce.
    scene.world.devnet.node().warp(INTERVAL).await?;
    scene.world.pass_blocks(1).await?;
    wait_until("the next nonce", DEADLINE, async || scene.newest().nonce == 1).await?;

    assert_eq!(scene.public(), 0, "a public endpoint got a private transaction");
    let counts: Vec<_> = scene
        .world
        .proxy
        .requests()
        .into_iter()
        .filter(|asked| asked.method == "eth_getTransactionCount")
        .collect();
    assert!(!counts.is_empty());
    let pending = |params: &serde_json::Value| params.get(1) == Some(&json!("pending"));
    assert!(counts.iter().all(|asked| !pending(&asked.params)), "a pending nonce was asked for");
    assert_eq!(scene.relay.count("eth_call"), 0, "the relay was read from");
    assert_eq!(scene.world.proxy.count(RAW_TRANSACTION), 0);
    assert!(scene.held.fired() > 0);
    Ok(())
}
