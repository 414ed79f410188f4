//! A disk that is really full: routine work waits, and an emergency is still journalled and sent.
//!
//! The store is on a small tmpfs where this process may mount one. Where it may not, the database of
//! the real binary is kept from growing by `max_page_count`; then the reserve frees nothing, and what
//! is shown is that nothing is sent which cannot be journalled. What was done is printed.

use std::{io::Write as _, path::Path};

use ballast_test_support::{KeeperProcess, SmallDisk, wait_until};
use eyre::{Result, ensure};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::harness::{DEADLINE, Setup, World};

const INTERVAL: u64 = 86_401;
/// A dollar in the feed's 8 decimals, and the price at which a ripcord is due.
const CRASH: u64 = 1_480 * 100_000_000;
/// Room for the store, its log and its reserve of four.
const MEBIBYTES: u32 = 12;
/// What a decision says that is held back for it.
const HELD: &str = "reason=\"the disk is full\"";
/// Bytes that fill the last pages of a database.
const CRUMB: i64 = 64;

#[tokio::test]
async fn on_a_full_disk_routine_work_waits_and_an_emergency_does_not() -> Result<()> {
    let world = World::start(Setup::default()).await?;
    match SmallDisk::mount(MEBIBYTES)? {
        Some(disk) => {
            say("store_short: on a tmpfs");
            on_a_small_disk(&world, &disk).await
        }
        None => {
            say("store_short: by max_page_count, since nothing may be mounted here");
            by_page_count(&world).await
        }
    }
}

/// Past the capture of test output.
fn say(what: &str) {
    drop(writeln!(std::io::stderr(), "{what}"));
}

async fn on_a_small_disk(world: &World, disk: &SmallDisk) -> Result<()> {
    let keeper = keeper(world, &disk.path("keeper.db"), None).await?;
    keeper.wait_for_line("inside bounds", DEADLINE).await?;
    disk.fill()?;
    // The first that finds no room may be a transaction that is permitted already: it takes the
    // room of the reserve.
    world.devnet.node().warp(INTERVAL).await?;
    keeper.wait_for_line("the reserve is given up", DEADLINE).await?;
    let before = rested(world, &keeper).await?;
    let mark = keeper.mark();
    world.devnet.node().warp(INTERVAL).await?;
    keeper.wait_for_line_since(mark, HELD, DEADLINE).await?;
    ensure!(rested(world, &keeper).await? == before, "routine work was sent: {}", keeper.tail());

    world.devnet.market().set_price(CRASH).await?;
    let mined = async || world.mined().await.is_ok_and(|mined| mined > before);
    let waited = wait_until("a ripcord in a block", DEADLINE, mined).await;
    waited.map_err(|error| keeper.failure(&error.to_string()))?;
    ensure!(disk.path("keeper.db").exists(), "the store is on that disk");
    let ripcord = keeper.lines().iter().any(|line| line.contains("ripcord"));
    ensure!(ripcord, "{}", keeper.tail());
    Ok(())
}

async fn by_page_count(world: &World) -> Result<()> {
    let store = world.dir.path().join("full.db");
    let mut first = keeper(world, &store, None).await?;
    first.wait_for_line("inside bounds", DEADLINE).await?;
    first.terminate()?;
    ensure!(first.wait_exit(DEADLINE).await?.success(), "a clean stop");
    let pages = leave_no_room(&store).await?;

    let keeper = keeper(world, &store, Some(pages)).await?;
    world.devnet.node().warp(INTERVAL).await?;
    keeper.wait_for_line(HELD, DEADLINE).await?;
    world.devnet.market().set_price(CRASH).await?;
    keeper.wait_for_line("ripcord", DEADLINE).await?;
    ensure!(rested(world, &keeper).await? == 0, "sent and not journalled: {}", keeper.tail());
    let sent = world.proxy().raw_transactions().len();
    ensure!(sent == 0, "{sent} sent and not journalled: {}", keeper.tail());
    Ok(())
}

/// Fills the free pages of the store, and says how many it has.
async fn leave_no_room(store: &Path) -> Result<i64> {
    let options = SqliteConnectOptions::new().filename(store);
    let mut store = SqliteConnection::connect_with(&options).await?;
    sqlx::query("CREATE TABLE crumbs (crumb BLOB)").execute(&mut store).await?;
    let pages = sqlx::query_scalar::<_, i64>("PRAGMA page_count");
    let pages: i64 = pages.fetch_one(&mut store).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
        .execute(&mut store)
        .await?;
    let crumb = "INSERT INTO crumbs VALUES (zeroblob($1))";
    while sqlx::query(crumb).bind(CRUMB).execute(&mut store).await.is_ok() {}
    store.close().await?;
    Ok(pages)
}

async fn keeper(world: &World, store: &Path, pages: Option<i64>) -> Result<KeeperProcess> {
    let mut command = world
        .ballast(&["--log", "info,ballast=debug", "run"])
        .env("BALLAST__STORE__URL", format!("sqlite://{}", store.display()));
    if let Some(pages) = pages {
        command = command.env("BALLAST_MAX_PAGES", pages.to_string());
    }
    let keeper = command.start()?;
    keeper.wait_for_line("first head", DEADLINE).await?;
    Ok(keeper)
}

/// How many transactions blocks hold, once some have gone by without another one.
async fn rested(world: &World, keeper: &KeeperProcess) -> Result<u64> {
    let mut last = None;
    let rests = async || {
        let before = last.replace(world.mined().await.ok()?)?;
        world.wait_blocks(3).await.ok()?;
        world.mined().await.ok().filter(|mined| *mined == before)
    };
    let waited = wait_until("blocks without a transaction", DEADLINE, rests).await;
    waited.map_err(|error| keeper.failure(&error.to_string()))
}
