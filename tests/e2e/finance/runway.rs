//! How long wallets last, and what tops them up.

use alloy::primitives::{Address, U256, address};
use ballast::{
    config::Category,
    ledger::{Entry, Fees},
    safe_batch,
    store::Store,
    submission::lifecycle::Outcome,
};
use ballast_devnet::accounts;
use ballast_test_support::{Inbox, wait_until};
use eyre::Result;
use serde_json::Value;

use super::{DAY, HOOK, entry, notified, raised};
use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, json};

const SAFE: Address = address!("0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6");

/// Thirty days of the product up to yesterday, each of half a coin.
#[expect(clippy::disallowed_methods, reason = "the command looks at the wall clock too")]
fn month_of_half_coins() -> Vec<Entry> {
    let today = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let today = today.as_secs() / DAY;
    let half = U256::from(10_u64.pow(18) / 2);
    (0..30)
        .map(|day| {
            let (nonce, at) = (1_000 + day, (today - 30 + day) * DAY + 60);
            let of = (PRODUCT, Category::Automated);
            let one = entry(of, ("rebalance", Outcome::Confirmed), (nonce, at, 30));
            Entry { cost: half, fees: Fees { execution: half, ..Fees::default() }, ..one }
        })
        .collect()
}

/// The files of a world whose wallet costs half a coin a day, and whose Safe is named.
async fn spendthrift() -> Result<World> {
    let chain = format!("treasury_safe = \"{SAFE}\"\n");
    let world = World::start(Setup { chain, ..Setup::default() }).await?;
    let store = Store::open(&world.store()).await?;
    store.ledger().book(&month_of_half_coins()).await?;
    store.close().await;
    let balance = U256::from(3) * U256::from(10_u64.pow(18));
    world.devnet.node().set_balance(accounts::keeper_address(0), balance).await?;
    Ok(world)
}

fn batch(path: &std::path::Path) -> Result<Value> {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    assert_eq!(file["meta"]["checksum"], safe_batch::checksum(&file).to_string());
    assert_eq!((&file["chainId"], &file["version"]), (&"1".into(), &"1.0".into()));
    assert_eq!(file["meta"]["createdFromSafeAddress"], SAFE.to_string());
    Ok(file)
}

#[tokio::test]
async fn a_low_wallet_is_told_and_a_top_up_is_ready() -> Result<()> {
    let world = spendthrift().await?;
    let dir = world.dir.path().join("top-ups");
    let text = dir.to_string_lossy().into_owned();
    let args = ["gas", "runway", "--json", "--top-up", &text];
    let (code, out, err) = finish(world.ballast(&args)).await?;
    assert_eq!(code, 0, "{err:?}");
    let told = &json(&out)[0];
    // 3 coins at half a coin a day.
    assert_eq!((&told["runway"]["p50_days"], &told["runway"]["p95_days"]), (&6.into(), &6.into()));
    assert_eq!((&told["state"], &told["runway"]["history_days"]), (&"low".into(), &30.into()));
    assert_eq!(told["missing_wei"], "12000000000000000000");
    let file = batch(&dir.join("top-up-local.json"))?;
    let transfers = file["transactions"].as_array().unwrap();
    assert_eq!(transfers.len(), 1);
    assert_eq!(transfers[0]["to"], accounts::keeper_address(0).to_string());
    assert_eq!(transfers[0]["value"], "12000000000000000000");

    // The keeper finds the same by itself, and tells people where the transfers are.
    let inbox = Inbox::start().await?;
    notified(&world)?;
    let command = world.ballast(&["--log", "info,ballast=debug", "run"]);
    let command = command.env("HOOK_URL", inbox.url(HOOK));
    let mut keeper = command.start()?;
    let ready = world.dir.path().join("top-up-local.json");
    let low = async || raised(&inbox, "low_runway");
    let low = wait_until("the alert", DEADLINE, low).await;
    let low = low.map_err(|error| keeper.failure(&error.to_string()))?;
    let detail = low["detail"].as_str().unwrap();
    assert!(detail.contains("it lasts 6 days in 95 of 100 cases"), "{low}");
    assert!(detail.contains(&ready.display().to_string()), "{low}");
    assert_eq!(batch(&ready)?["transactions"][0]["to"], transfers[0]["to"]);

    // Filled while the keeper was down: nobody is to sign the same transfers again.
    keeper.kill9().await?;
    let rich = U256::from(1_000) * U256::from(10_u64.pow(18));
    world.devnet.node().set_balance(accounts::keeper_address(0), rich).await?;
    let keeper = command.start()?;
    let gone = async || !ready.exists();
    let gone = wait_until("no top-up", DEADLINE, gone).await;
    gone.map_err(|error| keeper.failure(&error.to_string()))?;
    // Nor those that the command has written.
    let (code, _, err) = finish(world.ballast(&args)).await?;
    assert_eq!(code, 0, "{err:?}");
    assert!(!dir.join("top-up-local.json").exists(), "{err:?}");
    Ok(())
}
