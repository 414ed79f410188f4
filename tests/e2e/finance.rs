//! What finance people see: reports in every format, the page in a browser, runway and top-ups.
//!
//! The rows are booked into a store here, so every figure of an output can be held against them.

mod budget;
mod from_chain;
mod page;
mod runway;

use alloy::primitives::{B256, U256};
use ballast::{
    config::Category,
    ledger::{BlockRef, Entry, Fees, Holder, PricedAt},
    money::Usd,
    store::Store,
    submission::lifecycle::Outcome,
};
use ballast_chains::feeds::Price;
use ballast_devnet::accounts;
use ballast_strategy_api::Settlement;
use ballast_test_support::{ConfigDir, Inbox, KeeperCommand};
use eyre::Result;
use serde_json::Value;

use crate::harness::{World, finish};

/// 1 October 2026.
const OCTOBER: u64 = 1_790_812_800;
const DAY: u64 = 86_400;
const GWEI: u64 = 1_000_000_000;
/// Where people are told.
const HOOK: &str = "/hook";

/// Has the keeper of a world tell people at `HOOK_URL`.
fn notified(world: &World) -> Result<()> {
    let file = world.dir.path().join("ballast.toml");
    let notify = "[[notify]]\nkind = \"webhook\"\nurl = { env = \"HOOK_URL\" }\n";
    std::fs::write(&file, format!("{}\n{notify}", std::fs::read_to_string(&file)?))?;
    Ok(())
}

/// The first notice that this condition is there.
fn raised(inbox: &Inbox, condition: &str) -> Option<Value> {
    let bodies = inbox.letters(HOOK).into_iter();
    let mut notices =
        bodies.filter_map(|letter| serde_json::from_slice::<Value>(&letter.body).ok());
    notices.find(|notice| notice["condition"] == condition && notice["status"] == "raised")
}

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
