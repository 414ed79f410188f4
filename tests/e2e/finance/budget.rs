//! Budgets on a living chain: people are told before one is used up, routine work waits for cheaper
//! blocks once the month is on its way beyond it, and `check` knows what a stress day costs.

use alloy::primitives::U256;
use ballast_test_support::{Inbox, KeeperProcess, wait_until};
use eyre::{OptionExt as _, Result};

use super::{HOOK, from_chain::month_of, notified, raised};
use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, http_base, json};

const DAY: u64 = 86_400;
const INTERVAL: u64 = 86_401;
const GWEI: u128 = 1_000_000_000;
/// A dollar in the feed's 8 decimals.
const USD: u64 = 100_000_000;

/// A world with a price feed, early in a month.
async fn world() -> Result<World> {
    let world = World::start(Setup::default()).await?;
    let feed = world.devnet.deployment().feeds.eth_usd;
    let chain = format!("contracts.native_usd_feed = \"{feed}\"\n");
    world.write_chain(&Setup { chain, ..Setup::default() })?;
    let now = world.devnet.node().head().await?.timestamp;
    if month_of(now) != month_of(now + 12 * DAY) {
        world.devnet.node().warp(13 * DAY).await?;
    }
    world.devnet.market().set_feed_only(2_000 * USD).await?;
    Ok(world)
}

fn limits(world: &World, limits: &str) -> Result<()> {
    let setup = Setup { product: limits.to_owned(), ..Setup::default() };
    world.write_product(0, world.devnet.product(), &setup)
}

/// What the month has cost, in millionths of a dollar, as the keeper shows it.
async fn spent(metrics: &str) -> Option<u64> {
    let text = reqwest::get(metrics).await.ok()?.text().await.ok()?;
    let line = text.lines().find(|line| line.starts_with("ballast_month_spent_usd{"))?;
    let dollars = line.rsplit(' ').next()?;
    let (whole, part) = dollars.split_once('.').unwrap_or((dollars, ""));
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    let micro: u64 = format!("{whole}{part}").parse().ok()?;
    (micro > 0).then_some(micro)
}

/// Moves time on with a block of this base fee.
async fn dear(world: &World, seconds: u64) -> Result<()> {
    world.devnet.node().set_next_base_fee(500 * GWEI).await?;
    world.devnet.node().warp(seconds).await?;
    world.devnet.market().set_feed_only(2_000 * USD).await.map(drop)
}

#[tokio::test]
async fn a_tight_budget_is_told_and_makes_routine_work_wait_for_cheaper_blocks() -> Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let world = world().await?;
    let mut keeper = world.keeper().await?;
    dear(&world, INTERVAL).await?;
    let metrics = format!("{}/metrics", http_base(&keeper).await?);
    let known = async || spent(&metrics).await;
    let micro = keeper.wait_until("the cost of a rebalance", DEADLINE, known).await?;
    keeper.terminate()?;
    keeper.wait_exit(DEADLINE).await?;

    // Five sixths of it are used (84 %, rounded up), and the rest of the month would cost more than what is left.
    let budget = micro / 5 * 6;
    let budget = format!("{}.{:06}", budget / 1_000_000, budget % 1_000_000);
    limits(
        &world,
        &format!("limits.monthly_budget_usd = {budget}\nlimits.routine_patience = \"29days\"\n"),
    )?;
    let inbox = Inbox::start().await?;
    notified(&world)?;
    let command = world.ballast(&["--log", "info,ballast=debug", "run"]);
    let keeper = command.env("HOOK_URL", inbox.url(HOOK)).start()?;
    keeper.wait_for_line("first head", DEADLINE).await?;
    let tight = async || raised(&inbox, "budget_tight");
    let tight = waited(&keeper, wait_until("the notice", DEADLINE, tight).await)?;
    let detail = tight["detail"].as_str().ok_or_eyre("no detail")?;
    let told = format!("monthly_budget_usd {budget}");
    assert!(detail.contains("84 %") && detail.contains(&told), "{tight}");
    assert!(detail.contains("at the pace of late the month ends at"), "{tight}");
    dear(&world, INTERVAL).await?;
    keeper.wait_for_line("the budget is tight and allows", DEADLINE).await?;
    assert_eq!(world.mined().await?, 1, "{}", keeper.tail());
    world.devnet.node().set_next_base_fee(GWEI).await?;
    let mined = async || world.mined().await.is_ok_and(|mined| mined == 2);
    waited(&keeper, wait_until("a cheap block", DEADLINE, mined).await)?;
    let patience = keeper.lines().iter().any(|line| line.contains("waited long enough"));
    assert!(!patience, "{}", keeper.tail());
    Ok(())
}

fn waited<T>(keeper: &KeeperProcess, waited: Result<T>) -> Result<T> {
    waited.map_err(|error| keeper.failure(&error.to_string()))
}

#[tokio::test]
async fn check_warns_of_a_hard_budget_that_cannot_pay_a_stress_day() -> Result<()> {
    let world = world().await?;
    let found = async |hard: u64| -> Result<(i32, String)> {
        limits(&world, &format!("limits.hard_budget_usd = {hard}\n"))?;
        let (code, out, _) = finish(world.ballast(&["check", "--json"])).await?;
        Ok((code, json(&out)["findings"].to_string()))
    };
    // Ten million gas at ten times 300 gwei are 30 coins of 2,000 dollars.
    let dollars = (U256::from(10_000_000_u64) * U256::from(3_000 * GWEI) * U256::from(2_000))
        / U256::from(10_u64.pow(18));
    assert_eq!(dollars, U256::from(60_000));
    assert_eq!(found(60_000).await?, (0, "[]".to_owned()));
    let (code, told) = found(59_999).await?;
    assert_eq!(code, 0, "a warning: {told}");
    assert!(told.contains(&format!("product {PRODUCT}")), "{told}");
    assert!(told.contains("hard_budget_usd = 59999 cannot pay one stress day"), "{told}");
    Ok(())
}
