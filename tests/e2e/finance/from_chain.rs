//! The same report from the chain alone.

use alloy::primitives::{Address, U256};
use ballast_devnet::accounts;
use eyre::Result;
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, json};

/// What the wallet's transactions paid, straight from the blocks and receipts of the node.
async fn paid_by(world: &World, wallet: Address) -> Result<(usize, U256)> {
    let node = world.devnet.node();
    let (mut count, mut sum) = (0, U256::ZERO);
    for number in 0..=node.block_number().await? {
        let block: Value = node.rpc("eth_getBlockByNumber", (format!("{number:#x}"), true)).await?;
        for sent in block["transactions"].as_array().unwrap() {
            if sent["from"].as_str().unwrap().parse::<Address>()? != wallet {
                continue;
            }
            let receipt: Value = node.rpc("eth_getTransactionReceipt", (&sent["hash"],)).await?;
            let of = |name: &str| receipt[name].as_str().unwrap().parse::<U256>();
            sum += of("gasUsed")? * of("effectiveGasPrice")?;
            count += 1;
        }
    }
    Ok((count, sum))
}

/// Has the ledger say that a transaction took a thousand gas more.
async fn tamper(world: &World) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(world.store());
    let mut store = SqliteConnection::connect_with(&options).await?;
    let more = "UPDATE ledger_entries SET gas_used = gas_used + 1000 WHERE nonce = 0";
    sqlx::query(more).execute(&mut store).await?;
    Ok(store.close().await?)
}

/// The UTC month of a moment.
pub(super) fn month_of(at: u64) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at);
    humantime::format_rfc3339_seconds(at).to_string()[..7].to_owned()
}

#[tokio::test]
async fn without_the_store_the_chain_tells_the_same() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    let feed = world.devnet.deployment().feeds.eth_usd;
    let chain = format!("contracts.native_usd_feed = \"{feed}\"\n");
    world.write_chain(&Setup { chain, ..Setup::default() })?;
    let mut keeper = world.keeper().await?;
    // Out of its bounds, so no clock has to be moved.
    world.devnet.market().set_price(2_500 * 100_000_000).await?;
    let final_once = async || {
        let (_, out, _) =
            finish(world.ballast(&["tx", "list", "--state", "confirmed"])).await.ok()?;
        out.iter().any(|line| line.contains("rebalance")).then_some(())
    };
    keeper.wait_until("a rebalance that is final", DEADLINE, final_once).await?;
    keeper.terminate()?;
    keeper.wait_exit(DEADLINE).await?;
    // Paused, it sends nothing more, and books what there is.
    let paused = Setup { product: "paused = true\n".into(), ..Setup::default() };
    world.write_product(0, world.devnet.product(), &paused)?;
    let mut keeper = world.keeper().await?;
    // What was on its way is in a block by then.
    world.wait_blocks(2).await?;
    let mined = world.mined().await?;
    let month = month_of(world.devnet.node().head().await?.timestamp);
    let booked = async || {
        let args = ["gas", "report", "--json", "--month", &month];
        let (code, out, _) = finish(world.ballast(&args)).await.ok()?;
        (code == 0 && json(&out)["total"]["count"] == mined).then_some(())
    };
    keeper.wait_until("all of it is booked", DEADLINE, booked).await?;
    keeper.terminate()?;
    keeper.wait_exit(DEADLINE).await?;
    let args = ["gas", "report", "--from-chain", "--json", "--month", &month];
    let (code, out, err) = finish(world.ballast(&args)).await?;
    assert_eq!(code, 0, "{out:?} {err:?}");
    assert_eq!(json(&out)["differences"], Value::Array(Vec::new()));

    // A row that was tampered with is named, with both figures.
    tamper(&world).await?;
    let (code, out, err) = finish(world.ballast(&args)).await?;
    let told = json(&out);
    let named = told["differences"].as_array().unwrap();
    assert_eq!((code, named.len()), (3, 1), "{told:#} {err:?}");
    assert_eq!((&named[0]["figure"], &named[0]["product"]), (&"gas".into(), &PRODUCT.into()));
    let gas = |side: &str| named[0][side].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(gas("ledger"), gas("chain") + 1_000);

    let (count, sum) = paid_by(&world, accounts::keeper_address(0)).await?;
    std::fs::remove_file(world.store())?;
    let (code, out, err) = finish(world.ballast(&args)).await?;
    assert_eq!(code, 0, "{err:?}");
    let told = json(&out);
    assert_eq!((&told["source"], &told["differences"]), (&"chain".into(), &Value::Null));
    assert_eq!(told["total"]["count"], count, "{told:#}");
    assert_eq!(told["total"]["wei"], sum.to_string());
    assert_eq!(told["total"]["unpriced"], 0);
    let actions = told["products"][0]["actions"].as_array().unwrap();
    let names = |action: &Value| action["action"].as_str().unwrap().to_owned();
    let known = ["rebalance", "iterateRebalance", "cancellation"];
    assert!(actions.iter().map(names).all(|name| known.contains(&name.as_str())), "{actions:?}");
    Ok(())
}
