//! What finance people see: reports in every format, the page in a browser, runway and top-ups.
//!
//! The rows are booked into a store here, so every figure of an output can be held against them.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256, address};
use ballast::{
    config::Category,
    ledger::{BlockRef, Entry, Fees, Holder, PricedAt},
    money::Usd,
    safe_batch,
    store::Store,
    submission::lifecycle::Outcome,
};
use ballast_chains::feeds::Price;
use ballast_devnet::accounts;
use ballast_strategy_api::Settlement;
use ballast_test_support::{Browser, ConfigDir, KeeperCommand, wait_until};
use eyre::Result;
use serde_json::Value;

use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, json};

/// The folder that keeps pictures; without it they are gone with the test.
const KEPT_IN: &str = "BALLAST_SCREENSHOTS";
/// 1 October 2026.
const OCTOBER: u64 = 1_790_812_800;
const DAY: u64 = 86_400;
const GWEI: u64 = 1_000_000_000;
const SAFE: Address = address!("0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6");

/// A transaction of a product: what it did, how it ended, when, at how many gwei.
fn entry(
    (product, category): (&str, Category),
    (action, outcome): (&str, Outcome),
    (nonce, at, gwei): (u64, u64, u64),
) -> Entry {
    let gas = 870_000 + nonce;
    let cost = U256::from(gas) * U256::from(gwei * GWEI);
    let dollar = U256::from(10_u64.pow(18));
    let price = Price::from_fixed18(dollar * U256::from(2_640)).unwrap();
    let income = if action == "ripcord" { dollar } else { U256::ZERO };
    Entry {
        holder: Holder {
            chain_id: 1,
            chain: "local".into(),
            wallet: accounts::keeper_address(0),
            product: product.into(),
        },
        nonce,
        hash: B256::from(U256::from(nonce)),
        category,
        action: action.into(),
        urgency: None,
        why: String::new(),
        attempts: 1,
        outcome,
        succeeded: outcome != Outcome::Reverted,
        gas_used: gas,
        effective_gas_price: u128::from(gwei * GWEI),
        fees: Fees { execution: cost, ..Fees::default() },
        cost,
        value: U256::ZERO,
        price: Ok(PricedAt { price, round: U256::from(1), updated_at: at }),
        usd: Some(Usd::cost(cost, price)),
        settlement: Some(Settlement { income, ..Settlement::default() }),
        block: BlockRef { number: at / 12, hash: B256::ZERO, timestamp: at },
        booked_at: at,
    }
}

/// A year of five products, October 2026 its dearest month.
fn year() -> Vec<Entry> {
    use Category::{Automated, Composite, Launch};
    use Outcome::{Cancelled, Confirmed, Reverted};
    let products = [
        ("eth2x-fli", Automated, "rebalance", 24),
        ("btc2x-fli", Automated, "rebalance", 19),
        ("dpi", Composite, "trade", 33),
        ("mvi", Composite, "trade", 12),
        ("new-index", Launch, "external", 9),
    ];
    let mut entries = Vec::new();
    for month in 0..12_u64 {
        let start = OCTOBER - month * 30 * DAY;
        for (product, category, action, count) in products {
            if product == "new-index" && month > 2 {
                continue;
            }
            for index in 0..count {
                let nonce = u64::try_from(entries.len()).unwrap();
                let outcome = match nonce % 23 {
                    7 => Reverted,
                    11 => Cancelled,
                    _ => Confirmed,
                };
                let gwei = 18 + (nonce * 7 + month * 13) % 40 + if month == 0 { 30 } else { 0 };
                let at = start + index * DAY * 2 / 3 + nonce;
                entries.push(entry((product, category), (action, outcome), (nonce, at, gwei)));
            }
        }
        let (nonce, at) = (u64::try_from(entries.len()).unwrap(), start + 9 * DAY);
        entries.push(entry(("eth2x-fli", Automated), ("ripcord", Confirmed), (nonce, at, 260)));
        let (nonce, at) = (nonce + 1, start + 10 * DAY);
        let iterate = ("iterate_rebalance", Confirmed);
        entries.push(entry(("eth2x-fli", Automated), iterate, (nonce, at, 31)));
    }
    entries
}

/// Files of a deployment that connects to nobody, and a store with these rows.
async fn books(entries: &[Entry]) -> Result<ConfigDir> {
    let dir = ConfigDir::new()?;
    let store = dir.path().join("ballast.db");
    let ballast = format!(
        "[store]\nurl = \"sqlite://{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [finance]\nexpense_account = \"6100 Gas\"\n[finance.cost_centres]\nautomated = \"FLI\"\n",
        store.display()
    );
    dir.write("ballast.toml", ballast)?;
    let chain = "chain_id = 1\nrpc = [\"http://127.0.0.1:9\"]\n\
                 contracts.native_usd_feed = \"0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419\"\n";
    dir.write("chains/local.toml", chain)?;
    let budgets = [
        ("eth2x-fli", "automated", 5_200),
        ("btc2x-fli", "automated", 2_700),
        ("dpi", "composite", 9_000),
    ];
    for (index, (name, category, budget)) in budgets.into_iter().enumerate() {
        let text = format!(
            "strategy = \"fli\"\nchain = \"local\"\ncategory = \"{category}\"\n[wallet]\naddress = \"{}\"\n\
             [limits]\nmonthly_budget_usd = {budget}\nhard_budget_usd = {}\n\
             [params]\nextension = \"0x0000000000000000000000000000000000000009\"\n",
            accounts::keeper_address(index),
            budget * 3
        );
        dir.write(format!("products/{name}.toml"), text)?;
    }
    let opened = Store::open(&store).await?;
    for chunk in entries.chunks(200) {
        opened.ledger().book(chunk).await?;
    }
    opened.close().await;
    Ok(dir)
}

fn ballast(dir: &ConfigDir, args: &[&str]) -> KeeperCommand {
    KeeperCommand::new(env!("CARGO_BIN_EXE_ballast")).arg("--config").arg(dir.path()).args(args)
}

async fn report(dir: &ConfigDir, format: &str) -> Result<String> {
    let args = ["gas", "report", "--month", "2026-10", "--format", format];
    let (code, out, err) = finish(ballast(dir, &args)).await?;
    assert_eq!((code, err.as_slice()), (0, [].as_slice()), "{format}");
    Ok(out.join("\n"))
}

#[tokio::test]
async fn every_format_says_what_the_rows_say() -> Result<()> {
    let entries = year();
    let dir = books(&entries).await?;
    let of_month: Vec<&Entry> = entries
        .iter()
        .filter(|entry| (OCTOBER..OCTOBER + 31 * DAY).contains(&entry.block.timestamp))
        .collect();
    let cost: U256 = of_month.iter().map(|entry| entry.cost).sum();
    let micro: u128 = of_month.iter().map(|entry| entry.usd.unwrap().micro()).sum();
    let usd = Usd::from_micros(micro).to_string();

    let told: Value = serde_json::from_str(&report(&dir, "json").await?)?;
    assert_eq!(told["total"]["wei"], cost.to_string());
    assert_eq!(told["total"]["usd"], usd);
    assert_eq!(told["total"]["count"], of_month.len());
    assert_eq!(told["total"]["income_wei"], "1000000000000000000");
    assert!(told["products"][0]["cost_centre"].as_str().is_some_and(|centre| !centre.is_empty()));
    let trend = told["trend"].as_array().unwrap();
    assert_eq!((trend.len(), &trend[11]["usd"]), (12, &told["total"]["usd"]));

    let csv = report(&dir, "csv").await?;
    let mut sum = U256::ZERO;
    for line in csv.lines().skip(1) {
        sum += line.split(',').nth(9).unwrap().parse::<U256>()?;
    }
    assert_eq!(sum, cost);
    assert!(csv.starts_with("month,product,chain,category,cost_centre,action,"));

    let table = report(&dir, "table").await?;
    assert!(table.contains("ripcord") && table.contains("rounded up to a cent"), "{table}");
    assert!(table.contains("over budget") || table.contains("80 % used"), "{table}");
    let journal = report(&dir, "journal").await?;
    assert!(journal.contains(",6100 Gas,FLI,eth2x-fli,local,"), "{journal}");
    assert!(journal.lines().skip(1).all(|line| line.starts_with("2026-10-31,gas-2026-10-")));
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_one_line_and_exit_code_2() -> Result<()> {
    let dir = books(&[]).await?;
    let cases: [(&[&str], &str); 5] = [
        (
            &["--month", "2026-13"],
            "ballast: --month: \"2026-13\" is no month; expected one such as 2026-10",
        ),
        (&["--month", "2999-01"], "ballast: --month 2999-01: it has not begun"),
        (
            &["--format", "pdf"],
            "ballast: --format pdf: expected one of table, csv, json, html, journal",
        ),
        (
            &["--product", "nobody"],
            "ballast: --product nobody: neither a file nor a row of the ledger has it; \
                                    files there are: btc2x-fli, dpi, eth2x-fli",
        ),
        (
            &["--month", "10/2026"],
            "ballast: --month: \"10/2026\" is no month; expected one such as 2026-10",
        ),
    ];
    for (args, line) in cases {
        let args: Vec<&str> = ["gas", "report"].iter().chain(args).copied().collect();
        let (code, out, err) = finish(ballast(&dir, &args)).await?;
        assert_eq!((code, out.len(), err), (2, 0, vec![line.to_owned()]));
    }
    let empty = report(&dir, "table").await?;
    assert!(empty.contains("no transaction"), "{empty}");
    Ok(())
}

/// Every chart has something in it that is drawn with a size.
const DRAWN: &str = "const charts = [...document.querySelectorAll('svg.chart')]; \
    return charts.map(chart => [...chart.querySelectorAll('rect')] \
        .filter(rect => rect.getBBox().width > 0 && rect.getBBox().height > 0).length);";
/// Cells that count stand right, in figures of one width; nothing is wider than the page.
const ALIGNED: &str = "const cells = [...document.querySelectorAll('td.n')]; \
    const right = cells.filter(cell => getComputedStyle(cell).textAlign === 'right' \
        && getComputedStyle(cell).fontVariantNumeric.includes('tabular-nums')); \
    const tables = [...document.querySelectorAll('.wide')]; \
    return cells.length > 40 && right.length === cells.length \
        && tables.every(table => table.scrollWidth <= table.clientWidth) \
        && document.documentElement.scrollWidth <= innerWidth;";
const PAPER: &str = "return getComputedStyle(document.body).backgroundColor;";

#[tokio::test]
async fn the_page_is_drawn_in_a_browser() -> Result<()> {
    let dir = books(&year()).await?;
    let page = report(&dir, "html").await?;
    let file = dir.path().join("gas.html");
    std::fs::write(&file, &page)?;
    let browser = Browser::start().await?;
    browser.resize(1280, 1640, false).await?;
    browser.open(&format!("file://{}", file.display())).await?;
    let drawn = browser.run(DRAWN).await?;
    let drawn: Vec<u64> = serde_json::from_value(drawn)?;
    assert_eq!(drawn.len(), 2, "columns by month and bars by product");
    assert!(drawn[0] >= 24 && drawn[1] == 5, "{drawn:?}");
    assert_eq!(browser.run(ALIGNED).await?, true);
    let title = browser.text("h1").await?;
    assert_eq!(title, "October 2026");
    assert_eq!(browser.run("return performance.getEntriesByType('resource').length;").await?, 0);
    let (light, paper) = (browser.screenshot().await?, browser.run(PAPER).await?);
    browser.prefer_dark(true).await?;
    let (dark, night) = (browser.screenshot().await?, browser.run(PAPER).await?);
    assert_ne!(paper, night);
    browser.prefer_dark(false).await?;
    browser.resize(390, 844, true).await?;
    assert_eq!(browser.run("return document.documentElement.scrollWidth;").await?, 390);
    assert_eq!(browser.console_errors().await?, Vec::<String>::new());
    if let Some(dir) = std::env::var_os(KEPT_IN).map(PathBuf::from) {
        std::fs::create_dir_all(&dir)?;
        std::fs::write(dir.join("gas-light.png"), light)?;
        std::fs::write(dir.join("gas-dark.png"), dark)?;
    }
    browser.close().await
}

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

    // The keeper finds the same by itself.
    let keeper = world.keeper().await?;
    let ready = world.dir.path().join("top-up-local.json");
    let there = async || ready.exists();
    wait_until("the top-up", DEADLINE, there).await.map_err(|e| keeper.failure(&e.to_string()))?;
    assert_eq!(batch(&ready)?["transactions"][0]["to"], transfers[0]["to"]);
    Ok(())
}

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

/// The UTC month of a moment.
fn month_of(at: u64) -> String {
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
