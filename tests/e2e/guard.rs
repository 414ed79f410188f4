//! What holds an action back, on a living chain: by urgency, and across restarts.

use alloy::{
    eips::BlockId,
    primitives::{Address, I256, U256, address, aliases::U80},
    providers::Provider as _,
    rpc::types::BlockNumberOrTag,
};
use ballast_devnet::{Market, accounts, contracts::IFeed};
use ballast_test_support::{KeeperProcess, wait_until};
use eyre::Result;

use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, http_base, json};

const INTERVAL: u64 = 86_401;
const DAY: u64 = 86_400;
const GWEI: u128 = 1_000_000_000;
/// A dollar in the feed's 8 decimals.
const USD: u64 = 100_000_000;
/// Where the tests put a sequencer uptime feed.
const UPTIME: Address = address!("00000000000000000000000000000000000005e9");

/// A world whose chain file names the price feed and, if it is there, an uptime feed.
async fn world(setup: Setup, uptime: bool) -> Result<World> {
    let world = World::start(setup).await?;
    with_feeds(&world, uptime)?;
    Ok(world)
}

fn with_feeds(world: &World, uptime: bool) -> Result<()> {
    let price = world.devnet.deployment().feeds.eth_usd;
    let mut chain = format!("contracts.native_usd_feed = \"{price}\"\n");
    if uptime {
        chain.push_str(&format!("contracts.sequencer_uptime_feed = \"{UPTIME}\"\n"));
    }
    world.write_chain(&Setup { chain, ..Setup::default() })
}

fn with_limits(world: &World, product: &str) -> Result<()> {
    let setup = Setup { product: product.to_owned(), ..Setup::default() };
    world.write_product(0, world.devnet.product(), &setup)
}

fn market(world: &World) -> Market {
    world.devnet.market()
}

/// The newest block's time.
async fn now(world: &World) -> Result<u64> {
    Ok(world.devnet.node().head().await?.timestamp)
}

/// Moves the chain into the first half of a month, so that no month ends within a test.
async fn early_in_a_month(world: &World) -> Result<()> {
    let month = |at: u64| {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at);
        humantime::format_rfc3339_seconds(at).to_string()[..7].to_owned()
    };
    let at = now(world).await?;
    if month(at) != month(at + 5 * DAY) {
        world.devnet.node().warp(6 * DAY).await?;
    }
    Ok(())
}

/// Writes a round of the uptime feed: 0 is up, 1 is down.
async fn set_sequencer(world: &World, answer: u64) -> Result<()> {
    let node = world.devnet.node();
    let round = IFeed::setRoundDataCall {
        roundId: U80::from(1),
        answer: I256::try_from(answer)?,
        startedAt: U256::from(now(world).await?),
        updatedAt: U256::from(now(world).await?),
        answeredInRound: U80::from(1),
    };
    node.transact(accounts::OPERATOR, UPTIME, round).await?;
    Ok(())
}

/// Puts an uptime feed on the chain: the code of the published mock of an aggregator.
async fn deploy_sequencer(world: &World, answer: u64) -> Result<()> {
    let node = world.devnet.node();
    let feed = world.devnet.deployment().feeds.eth_usd;
    let latest = BlockId::Number(BlockNumberOrTag::Latest);
    let code = node.provider().get_code_at(feed).block_id(latest).await?;
    node.set_code(UPTIME, code).await?;
    set_sequencer(world, answer).await
}

/// Waits until the keeper has so many transactions in blocks.
async fn wait_mined(world: &World, keeper: &KeeperProcess, count: u64) -> Result<()> {
    let mined = async || world.mined().await.is_ok_and(|mined| mined >= count);
    let waited = wait_until("a transaction in a block", DEADLINE, mined).await;
    waited.map(drop).map_err(|error| keeper.failure(&error.to_string()))
}

/// A few blocks go by and nothing is sent.
async fn assert_rests(world: &World, keeper: &KeeperProcess) -> Result<()> {
    let sent = world.sent();
    world.wait_blocks(3).await?;
    assert_eq!(world.sent(), sent, "{}", keeper.tail());
    Ok(())
}

/// What `explain` prints beside the running keeper, once it says this.
async fn explained(world: &World, keeper: &mut KeeperProcess, says: &str) -> Result<Vec<String>> {
    let look = async || {
        let (_, out, _) = finish(world.ballast(&["explain", PRODUCT])).await.ok()?;
        out.iter().any(|line| line.contains(says)).then_some(out)
    };
    keeper.wait_until("the explanation", DEADLINE, look).await
}

#[tokio::test]
async fn a_product_that_is_wound_down_delevers_and_never_levers() -> Result<()> {
    let setup = Setup { product: "mode = \"delever_only\"\n".into(), ..Setup::default() };
    let world = World::start(setup).await?;
    market(&world).set_price(2_500 * USD).await?;
    let mut keeper = world.keeper().await?;
    keeper.wait_for_line("only delevering is allowed", DEADLINE).await?;
    explained(&world, &mut keeper, "mode = \"delever_only\"").await?;
    assert_rests(&world, &keeper).await?;
    assert_eq!(world.mined().await?, 0);
    market(&world).set_price(1_700 * USD).await?;
    wait_mined(&world, &keeper, 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_used_up_budget_holds_routine_work_across_a_restart_and_nothing_prompt() -> Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let world = world(Setup::default(), false).await?;
    early_in_a_month(&world).await?;
    market(&world).set_feed_only(2_000 * USD).await?;
    world.devnet.node().warp(INTERVAL).await?;
    let mut keeper = world.keeper().await?;
    wait_mined(&world, &keeper, 1).await?;
    // Without a budget the cost is booked and shown all the same.
    let metrics = format!("{}/metrics", http_base(&keeper).await?);
    let spent = async || {
        let text = reqwest::get(&metrics).await.ok()?.text().await.ok()?;
        let line = text.lines().find(|line| line.starts_with("ballast_month_spent_usd{"))?;
        let dollars: f64 = line.rsplit(' ').next()?.parse().ok()?;
        (dollars > 0.01).then_some(())
    };
    keeper.wait_until("the month's cost", DEADLINE, spent).await?;
    keeper.kill9().await?;

    with_limits(&world, "limits.monthly_budget_usd = 0.01\nlimits.hard_budget_usd = 1000\n")?;
    world.devnet.node().warp(INTERVAL).await?;
    market(&world).set_feed_only(2_000 * USD).await?;
    let mut keeper = world.keeper().await?;
    keeper.wait_for_line("monthly budget is used up", DEADLINE).await?;
    let out = explained(&world, &mut keeper, "monthly budget is used up").await?;
    let told = out.iter().any(|line| line.contains("USD spent in") && line.contains("is 0.01"));
    assert!(told && out.iter().any(|line| line.contains("held: rebalance (routine)")), "{out:?}");
    assert_rests(&world, &keeper).await?;
    assert_eq!(world.mined().await?, 1);

    market(&world).set_price(1_700 * USD).await?;
    keeper.wait_for_line("warning: monthly budget is used up", DEADLINE).await?;
    wait_mined(&world, &keeper, 2).await?;
    Ok(())
}

#[tokio::test]
async fn routine_work_waits_for_a_cheap_block_and_a_restart_does_not_begin_the_wait_anew()
-> Result<()> {
    let limits = "limits.routine_base_fee = \"1 gwei\"\nlimits.routine_patience = \"1h\"\n";
    let world = World::start(Setup { product: limits.into(), ..Setup::default() }).await?;
    let dear = async |seconds| -> Result<()> {
        world.devnet.node().set_next_base_fee(100 * GWEI).await?;
        world.devnet.node().warp(seconds).await
    };
    dear(INTERVAL).await?;
    let mut keeper = world.keeper().await?;
    keeper.wait_for_line("waits for a cheap block", DEADLINE).await?;
    explained(&world, &mut keeper, "routine_base_fee is 1").await?;
    assert_rests(&world, &keeper).await?;
    keeper.kill9().await?;

    // Half of the patience passes before the restart, the rest after it.
    dear(1_800).await?;
    let keeper = world.keeper().await?;
    keeper.wait_for_line("waits for a cheap block", DEADLINE).await?;
    assert_eq!(world.mined().await?, 0);
    dear(1_801).await?;
    keeper.wait_for_line("waited long enough for a cheap block", DEADLINE).await?;
    wait_mined(&world, &keeper, 1).await?;
    Ok(())
}

#[tokio::test]
async fn routine_work_goes_on_as_soon_as_a_block_is_cheap() -> Result<()> {
    let limits = "limits.routine_base_fee = \"50 gwei\"\nlimits.routine_patience = \"30days\"\n";
    let world = World::start(Setup { product: limits.into(), ..Setup::default() }).await?;
    world.devnet.node().set_next_base_fee(150 * GWEI).await?;
    world.devnet.node().warp(INTERVAL).await?;
    let keeper = world.keeper().await?;
    keeper.wait_for_line("waits for a cheap block", DEADLINE).await?;
    // Empty blocks make the base fee fall by an eighth each.
    wait_mined(&world, &keeper, 1).await?;
    let told = keeper.lines().iter().any(|line| line.contains("waited long enough"));
    assert!(!told, "{}", keeper.tail());
    Ok(())
}

#[tokio::test]
async fn while_the_sequencer_is_down_routine_work_waits_and_a_ripcord_does_not() -> Result<()> {
    let world = world(Setup::default(), true).await?;
    deploy_sequencer(&world, 1).await?;
    world.devnet.node().warp(INTERVAL).await?;
    let keeper = world.keeper().await?;
    keeper.wait_for_line("sequencer is down", DEADLINE).await?;
    assert_rests(&world, &keeper).await?;
    assert_eq!(world.mined().await?, 0);
    set_sequencer(&world, 0).await?;
    keeper.wait_for_line("sequencer has just come back", DEADLINE).await?;
    assert_rests(&world, &keeper).await?;
    set_sequencer(&world, 1).await?;
    market(&world).set_price(1_480 * USD).await?;
    wait_mined(&world, &keeper, 1).await?;
    let ripcord = keeper.lines().iter().any(|line| line.contains("ripcord"));
    assert!(ripcord, "{}", keeper.tail());
    Ok(())
}

#[tokio::test]
async fn check_looks_at_the_feeds() -> Result<()> {
    let world = world(Setup::default(), true).await?;
    with_limits(&world, "limits.monthly_budget_usd = 100\n")?;
    let findings = async || -> Result<(i32, String)> {
        let (code, out, _) = finish(world.ballast(&["check", "--json"])).await?;
        Ok((code, json(&out)["findings"].to_string()))
    };
    let (code, found) = findings().await?;
    assert_eq!(code, 3, "{found}");
    assert!(
        found.contains("the sequencer uptime feed") && found.contains("no contract"),
        "{found}"
    );

    deploy_sequencer(&world, 1).await?;
    world.devnet.node().warp(2 * DAY).await?;
    let (code, found) = findings().await?;
    assert_eq!(code, 0, "warnings only: {found}");
    assert!(found.contains("its sequencer is down"), "{found}");
    assert!(found.contains("more than native_usd_heartbeat = 90000 s"), "{found}");
    assert!(found.contains("routine work is held back"), "{found}");

    set_sequencer(&world, 0).await?;
    market(&world).set_feed_only(2_000 * USD).await?;
    let (code, found) = findings().await?;
    assert_eq!((code, found.as_str()), (0, "[]"));
    Ok(())
}
