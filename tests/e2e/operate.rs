//! The commands by which people operate a keeper: through it while it runs, on its store else.

use std::fmt::Write as _;

use alloy::primitives::U256;
use ballast_devnet::{Mining, accounts};
use ballast_test_support::{
    Fault, KeeperCommand, KeeperProcess, RAW_TRANSACTION, free_port, wait_until,
};
use eyre::Result;
use serde_json::Value;

use crate::harness::{DEADLINE, PRODUCT, Setup, World, end, finish, json};

const INTERVAL: u64 = 86_401;
const TOKEN: &str = "a-token-that-is-long-enough";

/// A world whose keeper listens where the other commands find it, and takes orders.
async fn world(setup: Setup) -> Result<World> {
    let world = World::start(setup).await?;
    let mut text = format!("[store]\nurl = \"sqlite://{}\"\n", world.store().display());
    write!(
        text,
        "[http]\nlisten = \"127.0.0.1:{}\"\ntoken = {{ env = \"TOKEN\" }}\n",
        free_port()?
    )?;
    world.dir.write("ballast.toml", text)?;
    Ok(world)
}

impl World {
    fn operator(&self, args: &[&str]) -> KeeperCommand {
        self.ballast(args).env("TOKEN", TOKEN).env("USER", "ann")
    }

    async fn run(&self) -> Result<KeeperProcess> {
        let keeper = self.operator(&["--log", "info,ballast=debug", "run"]).start()?;
        keeper.wait_for_line("decision", DEADLINE).await?;
        Ok(keeper)
    }

    /// Standard output as JSON, and standard error, of a command that succeeds.
    async fn told(&self, args: &[&str]) -> Result<(Value, String)> {
        let (code, out, err) = finish(self.operator(args)).await?;
        assert_eq!(code, 0, "{args:?}: {out:?} {err:?}");
        Ok((json(&out), err.join("\n")))
    }
}

#[tokio::test]
async fn status_agrees_with_the_chain_and_orders_are_obeyed() -> Result<()> {
    let world = world(Setup::default()).await?;
    let (market, product) = (world.devnet.market(), world.devnet.product());
    let mut keeper = world.run().await?;

    let whole = async || {
        let (told, source) = world.told(&["status", "--json"]).await.ok()?;
        assert!(source.contains("from the keeper at http://127.0.0.1:"), "{source}");
        let known = told["products"][0]["wallet"]["balance_wei"].is_string();
        (known && told["products"][0]["health"] == "ok").then_some(told)
    };
    let told = keeper.wait_until("a status with a balance", DEADLINE, whole).await?;
    let line = &told["products"][0];
    assert_eq!((&told["source"], &line["name"]), (&"keeper".into(), &PRODUCT.into()));
    let balance = world.devnet.node().balance(accounts::keeper_address(0)).await?;
    assert_eq!(line["wallet"]["balance_wei"], balance.to_string());
    assert_eq!(line["wallet"]["address"], accounts::keeper_address(0).to_string());
    let ratio = market.leverage_ratio(product).await?;
    let seen = line["last"]["observations"].as_array().unwrap();
    let seen = seen.iter().find(|seen| seen["name"] == "leverage_ratio").unwrap();
    assert_eq!(fixed18(seen["value"].as_str().unwrap()), ratio, "{seen}");
    let head = told["chains"][0]["head"]["number"].as_u64().unwrap();
    assert!(head <= world.devnet.node().block_number().await?);

    // Paused: due, and not sent.
    let pause = ["pause", PRODUCT, "--reason", "audit", "--json"];
    let (told, source) = world.told(&pause).await?;
    assert_eq!(told[0]["paused"], true, "{told}");
    assert!(source.contains("through the keeper"), "{source}");
    world.devnet.node().warp(INTERVAL).await?;
    keeper.wait_for_line("paused by an operator", DEADLINE).await?;
    world.wait_blocks(2).await?;
    assert_eq!(world.mined().await?, 0);
    let (_, out, _) = finish(world.operator(&["status", PRODUCT])).await?;
    assert!(out.iter().any(|line| line.starts_with("paused     by ann ")), "{out:?}");
    assert!(out.iter().any(|line| line.ends_with(": audit")), "{out:?}");

    // Resumed: sent, once, and the list agrees with what the chain took.
    let (told, _) = world.told(&["resume", "--all", "--json"]).await?;
    assert_eq!(told[0]["paused"], false, "{told}");
    keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
    let (told, _) = world.told(&["tx", "list", "--state", "confirmed", "--json"]).await?;
    let sent = told["transactions"].as_array().unwrap();
    assert_eq!(sent.len(), 1, "{told}");
    let cost: U256 = sent[0]["cost_wei"].as_str().unwrap().parse()?;
    let after = world.devnet.node().balance(accounts::keeper_address(0)).await?;
    assert_eq!(balance - after, cost, "{sent:?}");
    let (explained, _) = world.told(&["explain", PRODUCT, "--json"]).await?;
    assert_eq!(explained["kind"], "wait", "{explained}");
    let (_, out, _) = finish(world.operator(&["tx", "list"])).await?;
    let hash = sent[0]["hash"].as_str().unwrap();
    assert!(out[1].contains("confirmed") && out[1].ends_with(hash), "{out:?}");

    // Who does not know the token may look and not touch.
    let (code, _, err) = finish(world.ballast(&["pause", "--all"])).await?;
    assert_eq!(code, 1);
    assert!(err.iter().any(|line| line.contains("http.token")), "{err:?}");
    let (code, ..) = finish(world.ballast(&["status"])).await?;
    assert_eq!(code, 0);

    // Through the keeper, one look tells what it decided; of a product that it was not started with
    // it knows nothing, and that is no success.
    let (told, source) = world.told(&["once", "--json"]).await?;
    assert!(source.contains("through the keeper at"), "{source}");
    assert_eq!((&told[0]["decision"]["kind"], &told[0]["failed"]), (&"wait".into(), &Value::Null));
    let products = world.dir.path().join("products");
    std::fs::rename(products.join(format!("{PRODUCT}.toml")), products.join("new.toml"))?;
    let (code, out, _) = finish(world.operator(&["once", "--json"])).await?;
    let told = json(&out);
    assert_eq!((code, &told[0]["product"]), (1, &"new".into()), "{told}");
    assert!(told[0]["failed"].as_str().is_some_and(|why| why.contains("restart it")), "{told}");
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    Ok(())
}

#[tokio::test]
async fn without_a_keeper_the_store_is_read_and_written() -> Result<()> {
    let world = world(Setup::default()).await?;
    let (told, source) = world.told(&["status", "--json"]).await?;
    assert!(
        source.contains("no keeper answers") && source.contains("there is no store"),
        "{source}"
    );
    assert_eq!(told["products"][0]["last"], Value::Null);

    let (told, source) =
        world.told(&["pause", "--all", "--reason", "maintenance", "--json"]).await?;
    assert_eq!(told[0]["paused"], true);
    assert!(source.contains("in the store"), "{source}");
    // A keeper that starts keeps to it.
    world.devnet.node().warp(INTERVAL).await?;
    let mut keeper = world.run().await?;
    keeper.wait_for_line("paused by an operator", DEADLINE).await?;
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    assert_eq!(world.mined().await?, 0);

    let (told, source) = world.told(&["status", "--json"]).await?;
    assert!(source.contains("from the store"), "{source}");
    let line = &told["products"][0];
    assert_eq!((&told["source"], &line["health"]), (&"store".into(), &Value::Null));
    assert_eq!(line["paused"]["reason"], "maintenance");
    assert_eq!(line["last"]["reason"], "paused by an operator");

    // Its file's word is stronger.
    let name = format!("products/{PRODUCT}.toml");
    let text = std::fs::read_to_string(world.dir.path().join(&name))?;
    world.dir.write(&name, format!("paused = true\n{text}"))?;
    let (told, _) = world.told(&["resume", PRODUCT, "--json"]).await?;
    assert_eq!(told[0]["paused"], true);
    assert!(told[0]["note"].as_str().is_some_and(|note| note.contains("stays paused")), "{told}");
    world.dir.write(&name, text)?;

    let keeper = world.run().await?;
    wait_until("the rebalance", DEADLINE, async || {
        world.mined().await.is_ok_and(|nonce| nonce == 1)
    })
    .await?;
    drop(keeper);
    Ok(())
}

#[tokio::test]
async fn orders_for_nobody_are_refused() -> Result<()> {
    let world = world(Setup::default()).await?;
    for args in [
        &["pause", "no-such"][..],
        &["status", "no-such"],
        &["pause"],
        &["resume", PRODUCT, "--all"],
    ] {
        let (code, out, err) = finish(world.operator(args)).await?;
        assert_eq!(code, 2, "{args:?}: {out:?} {err:?}");
    }
    assert!(!world.store().exists(), "nothing was written");

    // With nothing under way there is nothing to wait for.
    let mut keeper = world.run().await?;
    let refused = async || {
        let told = finish(world.operator(&["tx", "bump", PRODUCT, "--json"])).await;
        let (code, out, _) = told.map_err(|error| error.to_string())?;
        let what = json(&out)["what"].as_str().unwrap_or_default().to_owned();
        let expected = code == 1 && what == "no transaction of the product is under way";
        if expected { Ok(()) } else { Err(format!("{code}: {what}")) }
    };
    keeper.wait_until("a plain answer", DEADLINE, refused).await
}

/// A transaction that the market left behind: offered more for, given up, looked at.
#[tokio::test]
async fn what_is_pending_is_bumped_and_given_up_by_order() -> Result<()> {
    let world = world(Setup::default()).await?;
    let (code, _, err) = finish(world.operator(&["tx", "bump", PRODUCT])).await?;
    assert_eq!(code, 1);
    assert!(err.iter().any(|line| line.contains("only the keeper that runs")), "{err:?}");
    // The node answers and forgets, so nothing is included for now.
    let swallowed = world.proxy().inject(Fault::SwallowRaw.on(RAW_TRANSACTION));
    world.devnet.node().warp(INTERVAL).await?;
    let mut keeper = world.run().await?;
    keeper.wait_until("the broadcast", DEADLINE, async || swallowed.fired() > 0).await?;

    let (code, _, err) = finish(world.ballast(&["tx", "bump", PRODUCT])).await?;
    assert_eq!(code, 1);
    assert!(err.iter().any(|line| line.contains("token")), "{err:?}");
    let (bumped, _) = world.told(&["tx", "bump", PRODUCT, "--reason", "slow", "--json"]).await?;
    assert_eq!((&bumped["done"], &bumped["nonce"]), (&true.into(), &0.into()), "{bumped}");
    // Else the strategy would take the nonce back at once.
    world.told(&["pause", PRODUCT, "--json"]).await?;
    let (given_up, _) = world.told(&["tx", "cancel", PRODUCT, "--json"]).await?;
    assert_eq!((&given_up["done"], &given_up["note"]), (&true.into(), &Value::Null), "{given_up}");
    let (code, out, _) = finish(world.operator(&["tx", "cancel", PRODUCT, "--json"])).await?;
    assert_eq!((code, &json(&out)["done"]), (1, &false.into()), "{out:?}");
    // What was ordered is finished in the pause too: the node has forgotten it.
    world.proxy().heal();
    keeper.wait_for_line("step=\"final\"", DEADLINE).await?;
    let (told, _) = world.told(&["tx", "list", "--state", "cancelled", "--json"]).await?;
    assert_eq!(told["transactions"].as_array().map(Vec::len), Some(1), "{told}");
    world.told(&["resume", PRODUCT, "--json"]).await?;

    // The same story from the keeper and from its store.
    let hash = bumped["hash"].as_str().unwrap();
    let (told, source) = world.told(&["tx", "show", hash, "--json"]).await?;
    assert!(source.contains("from the keeper"), "{source}");
    let life = &told["lives"][0];
    let attempts = life["transaction"]["attempts"].as_array().unwrap();
    assert!(attempts.iter().any(|attempt| attempt["hash"] == bumped["hash"]), "{life}");
    assert!(attempts.iter().any(|attempt| attempt["hash"] == given_up["hash"]), "{life}");
    let events = life["events"].as_array().unwrap();
    let of = |kind: &str| events.iter().find(|event| event["kind"] == kind).unwrap();
    assert!(of("replacement")["detail"].as_str().unwrap().contains("by ann: slow"), "{life}");
    assert!(of("cancellation")["detail"].as_str().unwrap().contains("ordered by ann"), "{life}");
    assert_eq!(of("included")["block"], life["transaction"]["block"], "{life}");
    assert!(events.iter().any(|event| event["kind"] == "answer"), "{life}");
    assert!(!life["answers"].as_array().unwrap().is_empty(), "{life}");
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    let (stored, source) = world.told(&["tx", "show", "0", "--product", PRODUCT, "--json"]).await?;
    assert!(source.contains("from the store"), "{source}");
    let events = stored["lives"][0]["events"].as_array().unwrap();
    assert!(events.len() >= life["events"].as_array().unwrap().len(), "{stored}");
    let (code, out, _) = finish(world.operator(&["tx", "show", "0"])).await?;
    assert_eq!(code, 0);
    assert!(out.iter().any(|line| line.contains(hash)), "{out:?}");
    let (code, _, err) = finish(world.operator(&["tx", "show", "99"])).await?;
    assert_eq!(code, 1, "{err:?}");
    let (code, ..) = finish(world.operator(&["tx", "show", "0x12"])).await?;
    assert_eq!(code, 2);
    Ok(())
}

/// An exact decimal with up to 18 decimals, in units of 1e-18.
fn fixed18(text: &str) -> U256 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<18}").parse().unwrap()
}

/// `once` through a keeper looks anew, where its last decision would tell another thing; and only
/// without `--dry-run` is anything sent for it.
#[tokio::test]
async fn once_through_a_keeper_assesses_anew_and_keeps_to_a_dry_run() -> Result<()> {
    let world = world(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
    world.pass_blocks(1).await?;
    let mut keeper = world.run().await?;
    keeper.wait_for_line("inside bounds", DEADLINE).await?;
    // The head at which it is due cannot be read, and no other comes.
    let down = world.proxy().inject(Fault::rpc_error(-32_000, "down").on("eth_call"));
    world.devnet.node().warp(INTERVAL).await?;
    let head = world.devnet.node().block_number().await?;
    let failed = async || {
        let (told, _) = world.told(&["status", "--json"]).await.ok()?;
        let last = &told["products"][0]["last"];
        (last["kind"] == "error" && last["head"]["number"] == head).then_some(())
    };
    keeper.wait_until("the failed assessment", DEADLINE, failed).await?;
    let (code, out, _) = finish(world.operator(&["once", "--json"])).await?;
    let told = json(&out);
    assert_eq!((code, &told[0]["decision"]["kind"]), (1, &"error".into()), "{told}");
    assert!(down.fired() > 1, "once for the keeper, once for the order");

    world.proxy().heal();
    let raws = world.proxy().count(RAW_TRANSACTION);
    let rehearsed = async || {
        let (code, out, _) = finish(world.operator(&["once", "--dry-run", "--json"])).await.ok()?;
        let told = json(&out);
        (code == 0 && told[0]["decision"]["kind"] == "rehearsed").then_some(told)
    };
    let told = keeper.wait_until("a rehearsal", DEADLINE, rehearsed).await?;
    let decided = &told[0]["decision"];
    assert_eq!((&decided["reason"], &decided["head"]["number"]), (&"dry run".into(), &head.into()));
    assert_eq!(decided["action"], "rebalance");
    let (shown, _) = world.told(&["status", "--json"]).await?;
    assert_eq!(shown["products"][0]["last"]["kind"], "error", "told to who asked alone: {shown}");
    assert_eq!(world.proxy().count(RAW_TRANSACTION), raws, "a dry run sent something");

    // Sent, and followed as long as there is time.
    let once = ["once", PRODUCT, "--timeout", "2s", "--json"];
    let (code, out, _) = finish(world.operator(&once)).await?;
    let told = json(&out);
    assert_eq!((code, &told[0]["decision"]["kind"]), (4, &"act".into()), "{told}");
    assert_eq!(told[0]["decision"]["head"]["number"], head);
    assert_eq!((&told[0]["pending"], &told[0]["transaction"]["nonce"]), (&true.into(), &0.into()));
    // The next goes on with it, and returns once it is included.
    let orders = || keeper.lines().iter().filter(|line| line.contains("assessed by order")).count();
    let before = orders();
    let going_on = world.operator(&["once", PRODUCT, "--json"]).start()?;
    wait_until("the order", DEADLINE, async || orders() > before).await?;
    world.pass_blocks(1).await?;
    let included = async || world.mined().await.is_ok_and(|nonce| nonce == 1);
    keeper.wait_until("the inclusion", DEADLINE, included).await?;
    let (code, out, _) = end(going_on).await?;
    let told = json(&out);
    assert_eq!((code, &told[0]["transaction"]["succeeded"]), (0, &true.into()), "{told}");
    keeper.terminate()?;
    assert!(keeper.wait_exit(DEADLINE).await?.success());
    Ok(())
}
