//! Every wei that leaves a wallet or comes to it is in the books, whatever happens on the way; and
//! what is done to the books is found.
//!
//! Nothing in the story is by the clock: each step waits until what it needs is there, while blocks
//! go on being made, so a slow machine takes longer and sees the same.

mod damage;
mod layer1;
mod scene;
mod states;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256};
use ballast_devnet::accounts;
use ballast_test_support::{Fault, KeeperProcess, RAW_TRANSACTION};
use eyre::{OptionExt as _, Result, ensure};
use serde_json::Value;

use self::scene::{BASE_FEE, COUNTERS, FINALITY, LAUNCH, PAYER, PAYMASTER, Scene, counter, name};
use crate::harness::DEADLINE;

/// How often each product is to count at least …
const COUNTS: u64 = 56;
/// … and what it is told as long as the story has something to happen to it.
const FOR_EVER: u64 = 1_000_000;
/// Transactions that must have left the wallets at the end.
const LEAST: u64 = 200;

#[tokio::test]
async fn nothing_is_unexplained_after_two_hundred_transactions_of_every_kind() -> Result<()> {
    let scene = Scene::start().await?;
    let mut keeper = scene.keeper().await?;
    keeper.wait_for_line("the books begin", DEADLINE).await?;
    for at in 0..COUNTERS {
        scene.word(at, 1, FOR_EVER).await?;
    }
    told(&keeper, reverts(&scene).await)?;
    told(&keeper, money_comes(&scene).await)?;
    told(&keeper, a_reorganisation(&scene).await)?;
    killed(&scene, &mut keeper).await?;
    told(&keeper, somebody_else(&scene).await)?;
    told(&keeper, given_up(&scene).await)?;
    told(&keeper, a_dear_while(&scene).await)?;
    told(&keeper, a_reorganisation(&scene).await)?;
    killed(&scene, &mut keeper).await?;
    told(&keeper, somebody_else(&scene).await)?;
    told(&keeper, counted(&scene).await)?;
    told(&keeper, the_next_day(&scene, &keeper).await)?;

    every_kind_is_booked(&scene).await?;
    nothing_is_unexplained(&scene).await?;
    keeper.terminate()?;
    ensure!(keeper.wait_exit(DEADLINE).await?.success(), "a clean stop");
    damage::is_found_and_located(&scene).await?;
    states::are_proven_or_said_to_be_missing(&scene).await
}

/// With what the keeper said, if it failed.
fn told<T>(keeper: &KeeperProcess, step: Result<T>) -> Result<T> {
    step.map_err(|error| keeper.failure(&format!("{error:#}")))
}

/// Transactions meet a contract that has changed since they were simulated.
async fn reverts(scene: &Scene) -> Result<()> {
    for at in 0..COUNTERS {
        scene.pending(at).await?;
        scene.word(at, 2, 1).await?;
        scene.beat(BASE_FEE).await?;
        scene.word(at, 2, 0).await?;
    }
    Ok(())
}

/// Directly, from a contract, and to a wallet that nothing here signs for, which then spends.
async fn money_comes(scene: &Scene) -> Result<()> {
    let wallet = accounts::keeper_address;
    scene.send(PAYER, wallet(0), 5_000_000, Bytes::new()).await?;
    scene.beats(2).await?;
    let whom = Bytes::from(B256::left_padding_from(wallet(1).as_slice()).0.to_vec());
    scene.send(PAYER, PAYMASTER, 7_000_000, whom).await?;
    scene.beats(1).await?;
    scene.send(PAYER, wallet(LAUNCH), 11_000_000, Bytes::new()).await?;
    scene.beats(1).await?;
    for _ in 0..4 {
        scene.send(LAUNCH, counter(0), 0, Bytes::from_static(b"count")).await?;
        scene.beats(1).await?;
    }
    scene.send(LAUNCH, wallet(PAYER), 17_000_000, Bytes::new()).await?;
    // Deep enough for no reorganisation of the story to take it back.
    scene.beats(FINALITY).await
}

/// The chain takes back two blocks, one of them with a transaction of ours.
async fn a_reorganisation(scene: &Scene) -> Result<()> {
    scene.pending(1).await?;
    scene.beat(BASE_FEE).await?;
    scene.node().reorg(2).await?;
    scene.follow().await?;
    scene.beats(2).await
}

/// With a transaction of ours at the node.
async fn killed(scene: &Scene, keeper: &mut KeeperProcess) -> Result<()> {
    scene.pending(0).await?;
    keeper.kill9().await?;
    *keeper = scene.keeper().await?;
    Ok(())
}

/// Uses a key of ours; what we had at that nonce goes by the board.
async fn somebody_else(scene: &Scene) -> Result<()> {
    scene.pending(2).await?;
    scene.send(2, accounts::keeper_address(PAYER), 13, Bytes::new()).await?;
    scene.beats(FINALITY).await
}

/// For a while nothing arrives, and an operator gives up what waits. Paused, since the strategy
/// would take the nonce back at once.
async fn given_up(scene: &Scene) -> Result<()> {
    let swallowed = scene.world.proxy().inject(Fault::SwallowRaw.on(RAW_TRANSACTION));
    let waits = async || {
        let signed = "SELECT 'nonce', COALESCE(MAX(nonce), -1) FROM slots \
                      WHERE product = 'counter-3' AND state IN ('signed', 'pending')";
        let nonce = scene.number(signed).await?;
        // In no block, though the journal may not have heard of that yet, and not at the node.
        let next = scene.node().nonce(accounts::keeper_address(3)).await?;
        Ok(u64::try_from(nonce).is_ok_and(|nonce| nonce >= next) && !scene.is_pending(3).await?)
    };
    scene.until("a transaction that does not arrive", waits).await?;
    scene.order(&["pause", &name(3)]).await?;
    // What is stopped is not sent again, so only the cancellation arrives.
    swallowed.remove();
    scene.order(&["tx", "cancel", &name(3), "--json"]).await?;
    let cancelled = "SELECT 'cancelled', COUNT(*) FROM slots WHERE outcome = 'cancelled'";
    let is_cancelled = async || Ok(scene.number(cancelled).await? > 0);
    scene.until("the cancellation", is_cancelled).await?;
    scene.order(&["resume", &name(3)]).await
}

/// Nobody buys the next blocks at the price of before: what waits is replaced.
async fn a_dear_while(scene: &Scene) -> Result<()> {
    for at in 0..2 {
        scene.pending(at).await?;
        let before = scene.count(at).await?;
        let counts = async || Ok(scene.count(at).await? > before);
        scene.until_at(30 * BASE_FEE, "a dear count", counts).await?;
        scene.beats(FINALITY).await?;
    }
    Ok(())
}

/// Every product counts up to where it should, and then has nothing to do.
async fn counted(scene: &Scene) -> Result<()> {
    for at in 0..COUNTERS {
        let enough = async || Ok(scene.count(at).await? >= COUNTS);
        scene.until("it has counted enough", enough).await?;
        scene.word(at, 1, COUNTS).await?;
    }
    Ok(())
}

/// Everything is final, and the keeper reconciles the books of the day before by itself.
async fn the_next_day(scene: &Scene, keeper: &KeeperProcess) -> Result<()> {
    const WHOLE: &str = "reconciled: nothing is unexplained";
    scene.beats(FINALITY).await?;
    let before = keeper.lines().iter().filter(|line| line.contains(WHOLE)).count();
    scene.node().warp(86_400).await?;
    scene.follow().await?;
    let all = async || {
        let whole = keeper.lines().iter().filter(|line| line.contains(WHOLE)).count();
        Ok(whole > before + COUNTERS)
    };
    scene.until("the daily reconciliation", all).await
}

async fn every_kind_is_booked(scene: &Scene) -> Result<()> {
    let kinds = scene.ask("SELECT outcome, COUNT(*) FROM ledger_entries GROUP BY outcome").await?;
    let of: BTreeMap<String, i64> = kinds.into_iter().collect();
    let least = [("confirmed", 200), ("reverted", 1), ("cancelled", 1), ("superseded", 1)];
    for (outcome, least) in least {
        ensure!(of.get(outcome).is_some_and(|count| *count >= least), "{outcome}: {of:?}");
    }
    let foreign = of.get("foreign").unwrap_or(&0) + of.get("superseded").unwrap_or(&0);
    ensure!(foreign == 2, "somebody else used a key twice: {of:?}");
    let replaced = "SELECT 'replaced', COUNT(*) FROM ledger_entries WHERE attempts > 1";
    ensure!(scene.number(replaced).await? >= 2, "nothing was replaced");
    let unpriced = "SELECT 'unpriced', COUNT(*) FROM ledger_entries WHERE usd_micro IS NULL";
    ensure!(scene.number(unpriced).await? == 0, "entries without a price");
    for fault in &scene.faults {
        ensure!(fault.fired() > 0, "nothing was paid on layer 1");
    }
    Ok(())
}

/// By the command, by the node's own receipts, and by what is known to have come.
async fn nothing_is_unexplained(scene: &Scene) -> Result<()> {
    let (code, told) = scene.reconcile(&[]).await?;
    ensure!(code == 0 && told["ok"] == true, "{told:#}");
    let wallets = told["wallets"].as_array().ok_or_eyre("no wallets")?;
    ensure!(wallets.len() == COUNTERS + 1, "{told:#}");
    let mut all = 0;
    for of in wallets {
        ensure!(of["unexplained_wei"] == "0" && of["unproven"] == serde_json::json!([]), "{of:#}");
        let blocks = ["opening", "closing"].map(|end| of[end]["block"].as_u64().unwrap());
        let wallet: Address = of["wallet"].as_str().unwrap().parse()?;
        let (count, cost, carried) = scene.spent(wallet, blocks.into()).await?;
        ensure!(of["entries"] == count, "{count}: {of:#}");
        let fees = sum(&of["outflows_wei"], &["execution", "l1", "operator", "blob"]);
        ensure!(fees == cost, "the receipts say {cost}: {of:#}");
        ensure!(wei(&of["outflows_wei"]["value"]) == carried, "{carried}: {of:#}");
        all += count;
    }
    ensure!(all >= LEAST, "{all} transactions only");
    let came = |product: &str, source: &str| {
        let of = wallets.iter().find(|of| of["product"] == product).unwrap();
        wei(&of["inflows_wei"][source])
    };
    ensure!(came(&name(0), "transfer") == U256::from(5_000_000), "{told:#}");
    ensure!(came(&name(1), "internal") == U256::from(7_000_000), "{told:#}");
    ensure!(came("launch", "transfer") == U256::from(11_000_000), "{told:#}");
    Ok(())
}

fn wei(of: &Value) -> U256 {
    of.as_str().expect("an amount as text").parse().expect("an amount")
}

fn sum(of: &Value, kinds: &[&str]) -> U256 {
    kinds.iter().map(|kind| wei(&of[kind])).sum()
}
