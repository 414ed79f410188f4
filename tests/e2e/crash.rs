//! The keeper is killed at every place where something has just become durable or is about to, and
//! started again: each intent is executed once, no nonce is left out, and the journal holds what
//! the chain holds.
//!
//! The places are named in the sources (`src/failpoint.rs`), and read from there: one that no story
//! reaches fails the test, and so does a commit of the journal without a name. Each is tried twice,
//! with the transaction at the node and with a node that answers and forgets it. What an operator
//! orders is killed apart: no transaction is in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    consensus::Transaction as _,
    eips::Encodable2718 as _,
    network::{EthereumWallet, NetworkTransactionBuilder as _, TransactionBuilder as _},
    providers::Provider as _,
    rpc::types::TransactionRequest,
};
use ballast_devnet::{Mining, accounts};
use ballast_test_support::{Fault, KeeperCommand, KeeperProcess, RAW_TRANSACTION, wait_until};
use eyre::{Result, ensure, eyre};
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    harness::{DEADLINE, PRODUCT, Setup, World, finish, json},
    stage::{decode, follow},
};

const INTERVAL: u64 = 86_401;
/// Wei per gas of a block, unless the story has another.
const BASE_FEE: u128 = 1_000_000_000;
/// SIGKILL.
const KILLED: i32 = 9;
/// Longest time that a story may take, all of whose waits are for something that the keeper does.
const STORY: Duration = Duration::from_mins(10);
/// Longest wait for the keeper to have dealt with a block before the next one is made.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(20);

/// What happens to the transaction of one rebalance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Story {
    /// It is included and becomes final.
    Plain,
    /// The market leaves it behind, and it is replaced.
    Replaced,
    /// The block that holds it falls away.
    Reorged,
    /// The block that holds it falls away when it is final already.
    Undone,
    /// Somebody else uses the key before it.
    Foreign,
    /// It is left to another instance for a block.
    Left,
    /// It is the first one of a new store.
    First,
}

/// The last are for the places that no other has.
const STORIES: [Story; 7] = [
    Story::Plain,
    Story::Replaced,
    Story::Reorged,
    Story::Undone,
    Story::Foreign,
    Story::Left,
    Story::First,
];

/// Steps of an operator, which no story of a transaction has.
const ORDERS: [&str; 2] = ["open_pause", "close_pause"];

#[tokio::test]
async fn killed_at_any_place_with_the_transaction_at_the_node() -> Result<()> {
    kill_everywhere(false).await
}

#[tokio::test]
async fn killed_at_any_place_with_a_node_that_forgets_the_transaction() -> Result<()> {
    kill_everywhere(true).await
}

/// Without a keeper, the command line writes the store itself.
#[tokio::test]
async fn an_order_that_is_killed_is_obeyed_or_was_never_given() -> Result<()> {
    let world = World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
    let known = places_in_the_sources();
    for (order, word) in ORDERS.into_iter().zip(["pause", "resume"]) {
        for (side, is_durable) in [("before", false), ("after", true)] {
            let place = format!("{order}.{side}");
            ensure!(known.contains(&place), "{place} is not in the sources");
            let command = world.ballast(&[word, PRODUCT]).env("BALLAST_KILL_AT", &place);
            let (code, _, err) = finish(command).await?;
            ensure!(code == -1, "not killed at {place}: {code}, {err:?}");
            let (_, out, _) = finish(world.ballast(&["status", "--json"])).await?;
            let is_paused = !json(&out)["products"][0]["paused"].is_null();
            ensure!(is_paused == ((word == "pause") == is_durable), "{place}: {is_paused}");
        }
    }
    Ok(())
}

/// Learns which story reaches which place, then kills at each of them.
async fn kill_everywhere(forgets: bool) -> Result<()> {
    let world = World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
    let mut stage = Stage { world, forgets, stores: 0, first_nonce: 0 };
    // The store is new only once.
    stage.play(Story::Plain, None).await?;
    let mut reached: BTreeMap<String, Story> = BTreeMap::new();
    for story in STORIES {
        for place in stage.play(story, None).await? {
            reached.entry(place).or_insert(story);
        }
    }
    let mut known = places_in_the_sources();
    known.retain(|place| !ORDERS.iter().any(|order| place.starts_with(order)));
    let found: BTreeSet<String> = reached.keys().cloned().collect();
    assert_eq!(found, known, "places reached, places in the sources");
    // The second broadcast and the second transaction of the store are other moments than the first.
    let again = ["broadcast.before#2", "broadcast.after#2", "transaction.before#2"];
    let again = again.map(|place| (place.to_owned(), Story::Replaced));
    for (place, story) in reached.into_iter().chain(again) {
        stage
            .play(story, Some(&place))
            .await
            .map_err(|error| error.wrap_err(format!("killed at {place} in {story:?}")))?;
    }
    Ok(())
}

struct Stage {
    world: World,
    /// Whether the node forgets the first transaction that it is sent.
    forgets: bool,
    /// Stores besides the first, and the nonce at which the newest one begins.
    stores: u32,
    first_nonce: u64,
}

impl Stage {
    /// Plays one story; gives the places that were reached. With `kill_at`, the keeper must die
    /// there, and a second one goes on.
    async fn play(&mut self, story: Story, kill_at: Option<&str>) -> Result<BTreeSet<String>> {
        if story == Story::First {
            self.stores += 1;
            self.first_nonce = self.world.mined().await?;
        }
        if story == Story::Foreign {
            self.use_the_key().await?;
        }
        let nonce = self.world.mined().await?;
        self.world.devnet.node().set_next_base_fee(BASE_FEE).await?;
        self.world.devnet.node().warp(INTERVAL).await?;
        let places = self.world.dir.path().join("places");
        drop(std::fs::remove_file(&places));
        let mut command = self.command(story);
        command = command.env("BALLAST_PLACES", &places);
        if let Some(place) = kill_at {
            command = command.env("BALLAST_KILL_AT", place);
        }
        let swallowed = (self.forgets && kill_at.is_some())
            .then(|| self.world.proxy().inject(Fault::SwallowRaw.on(RAW_TRANSACTION).times(1)));
        let sent_before = self.distinct_sent();
        let mut keeper = command.start()?;
        let sent = sent_before.len();
        let mut told = Told {
            is_done: false,
            sent_before: sent,
            nonce,
            base_fee: BASE_FEE,
            included_at: None,
        };
        if kill_at.is_some() {
            self.drive(&mut keeper, story, &mut told, async |keeper, _| {
                !keeper.is_running().unwrap_or(true)
            })
            .await?;
            let status = keeper.wait_exit(DEADLINE).await?;
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            ensure!(signal == Some(KILLED), "it ended by itself: {status}\n{}", keeper.tail());
            if let Some(swallowed) = swallowed {
                // Killed before anything was sent, there was nothing to forget.
                let is_sent = || self.distinct_sent().len() > told.sent_before;
                let forgot = async || swallowed.fired() == u64::from(is_sent());
                wait_until("the node to forget what it was sent", DEADLINE, forgot).await?;
            }
            self.world.proxy().heal();
            keeper = self.command(story).start()?;
            keeper.wait_for_line("first head", DEADLINE).await?;
        }
        let is_told = |told: &Told| told.is_done || !story.is_told_by_the_stage();
        let done = async |_: &mut KeeperProcess, told: &Told| {
            is_told(told)
                && self.world.mined().await.is_ok_and(|used| used > nonce)
                && self.all_final().await.unwrap_or(false)
        };
        self.drive(&mut keeper, story, &mut told, done).await?;
        keeper.terminate()?;
        ensure!(keeper.wait_exit(DEADLINE).await?.success(), "a clean stop");
        self.assert_once(story, nonce, sent_before).await?;
        let text = std::fs::read_to_string(&places).unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Makes blocks, and what else the story has, until `end`.
    async fn drive(
        &self,
        keeper: &mut KeeperProcess,
        story: Story,
        told: &mut Told,
        end: impl AsyncFn(&mut KeeperProcess, &Told) -> bool,
    ) -> Result<()> {
        wait_until("the end of the story", STORY, async || {
            if end(keeper, told).await {
                return Ok(());
            }
            match self.step(keeper, story, told).await {
                Ok(()) => Err(keeper.tail()),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
        .map_err(|error| eyre!("{error:#}\n{}", keeper.lines().join("\n")))
    }

    /// One block more, or what the story has instead. Where the story turns on something that the
    /// keeper does, no block is made before it has.
    async fn step(&self, keeper: &mut KeeperProcess, story: Story, told: &mut Told) -> Result<()> {
        let node = self.world.devnet.node();
        let is_sent = self.distinct_sent().len() > told.sent_before;
        match story {
            Story::Replaced if !told.is_done => {
                if !is_sent {
                    return Ok(());
                }
                // Whatever was offered buys no block from here on, nor seems to: by the formula an empty
                // block lowers the fee by an eighth. On a chain that nobody else uses the market's tip
                // is what the keeper paid before, so the offer is looked at.
                told.base_fee = 2 * self.highest_offer(told.nonce)?;
                told.is_done = true;
            }
            Story::Reorged if !told.is_done && self.world.mined().await? > told.nonce => {
                if !keeper.lines().iter().any(|line| line.contains("step=\"included\"")) {
                    return Ok(());
                }
                node.reorg(1).await?;
                told.is_done = true;
            }
            Story::Undone if !told.is_done => {
                let included = self.world.mined().await? > told.nonce;
                let head = node.block_number().await?;
                let included_at = *told.included_at.get_or_insert(head);
                if !included {
                    told.included_at = None;
                } else if self.all_final().await? {
                    node.reorg(head + 1 - included_at).await?;
                    told.is_done = true;
                }
            }
            Story::Plain
            | Story::Replaced
            | Story::Reorged
            | Story::Undone
            | Story::Foreign
            | Story::Left
            | Story::First => {}
        }
        // Left to itself, the base fee of empty blocks ends at a few wei.
        node.set_next_base_fee(told.base_fee).await?;
        let mark = keeper.mark();
        self.world.pass_blocks(1).await?;
        // Blocks that the keeper had not dealt with would make the story another one.
        match follow(keeper, mark, node.block_number().await?, FOLLOWS_WITHIN).await {
            Err(error) if keeper.is_running()? => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn distinct_sent(&self) -> BTreeSet<String> {
        self.world.proxy().raw_transactions().into_iter().collect()
    }

    /// Wei per gas, of all that was sent at a nonce.
    fn highest_offer(&self, nonce: u64) -> Result<u128> {
        let mut highest = 0;
        for raw in self.distinct_sent() {
            let transaction = decode(&raw)?;
            if transaction.nonce() == nonce {
                highest = highest.max(transaction.max_fee_per_gas());
            }
        }
        Ok(highest)
    }

    fn store(&self) -> PathBuf {
        self.world.dir.path().join(format!("store-{}.db", self.stores))
    }

    fn command(&self, story: Story) -> KeeperCommand {
        let left_for = u64::from(story == Story::Left).to_string();
        self.world
            .ballast(&["--log", "info,ballast=debug", "run"])
            .env("BALLAST__STORE__URL", format!("sqlite://{}", self.store().display()))
            .env("BALLAST__PRODUCTS__ETH2X_FLI__LIMITS__ACT_AFTER_BLOCKS", left_for)
    }

    /// A transaction of the wallet that no keeper made.
    async fn use_the_key(&self) -> Result<()> {
        let nonce = self.world.mined().await?;
        let request = TransactionRequest::default()
            .with_chain_id(1)
            .with_nonce(nonce)
            .with_to(accounts::keeper_address(0))
            .with_gas_limit(21_000)
            .with_max_fee_per_gas(100 * BASE_FEE)
            .with_max_priority_fee_per_gas(BASE_FEE);
        let wallet = EthereumWallet::new(accounts::keeper(0));
        let raw = request.build(&wallet).await?.encoded_2718();
        let node = self.world.devnet.node();
        drop(node.provider().send_raw_transaction(&raw).await?);
        self.world.pass_blocks(1).await?;
        ensure!(self.world.mined().await? == nonce + 1, "it is not in a block");
        Ok(())
    }

    /// Whether the journal has every nonce since it began, and none that is not final.
    async fn all_final(&self) -> Result<bool> {
        let journal = slots(&self.store()).await?;
        let used = self.world.mined().await? - self.first_nonce;
        Ok(u64::try_from(journal.len())? == used && journal.iter().all(|slot| !slot.1.is_empty()))
    }

    /// One nonce, and a journal that holds all that was sent and how it ended.
    async fn assert_once(
        &self,
        story: Story,
        nonce: u64,
        sent_before: BTreeSet<String>,
    ) -> Result<()> {
        let used = self.world.mined().await?;
        ensure!(used == nonce + 1, "{} nonces used for one intent", used - nonce);
        let journal = slots(&self.store()).await?;
        let nonces: Vec<u64> = journal.iter().map(|slot| slot.0).collect();
        let expected: Vec<u64> = (self.first_nonce..used).collect();
        ensure!(nonces == expected, "nonces of the journal: {nonces:?}");
        let foreign = if story == Story::Foreign { nonce.checked_sub(1) } else { None };
        for (at, outcome) in &journal {
            let usual = if Some(*at) == foreign { "foreign" } else { "confirmed" };
            let earlier = *at < nonce && outcome == "foreign";
            ensure!(outcome == usual || earlier, "nonce {at} is {outcome}");
        }
        let attempts = attempts_at(&self.store(), nonce).await?;
        let sent = self.distinct_sent();
        let strangers: Vec<_> =
            sent.difference(&sent_before).filter(|raw| !attempts.contains(*raw)).collect();
        ensure!(strangers.is_empty(), "sent and not journalled at this nonce: {strangers:?}");
        Ok(())
    }
}

/// What the stage has done so far.
#[derive(Debug)]
struct Told {
    is_done: bool,
    /// Transactions that were sent before the story, and the nonce it begins at.
    sent_before: usize,
    nonce: u64,
    /// Wei per gas of the next blocks.
    base_fee: u128,
    /// The block that holds the transaction.
    included_at: Option<u64>,
}

impl Story {
    /// Whether the stage does something at some moment, without which the story is not over.
    fn is_told_by_the_stage(self) -> bool {
        matches!(self, Self::Replaced | Self::Reorged | Self::Undone)
    }
}

/// Nonce and outcome of every slot; empty while it has none.
async fn slots(store: &Path) -> Result<Vec<(u64, String)>> {
    let mut connection = open(store).await?;
    let sound: String = sqlx::query_scalar("PRAGMA quick_check").fetch_one(&mut connection).await?;
    ensure!(sound == "ok", "the store is damaged: {sound}");
    let rows = sqlx::query("SELECT nonce, COALESCE(outcome, '') FROM slots ORDER BY nonce")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    rows.iter().map(|row| Ok((u64::try_from(row.get::<i64, _>(0))?, row.get(1)))).collect()
}

/// The signed bytes that the journal has for a nonce.
async fn attempts_at(store: &Path, nonce: u64) -> Result<BTreeSet<String>> {
    let mut connection = open(store).await?;
    let rows = sqlx::query("SELECT raw FROM attempts WHERE nonce = $1")
        .bind(i64::try_from(nonce)?)
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn open(store: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(store).read_only(true);
    Ok(SqliteConnection::connect_with(&options).await?)
}

/// Both sides of every step that the sources name.
fn places_in_the_sources() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let is_journal = path.components().any(|part| part.as_os_str() == "submission")
                    && !path.components().any(|part| part.as_os_str() == "tests")
                    && !path.ends_with("tests.rs");
                let nameless = is_journal && text.contains("store.commit(");
                assert!(!nameless, "a step without a name: {}", path.display());
                for start in ["failpoint::before(\"", ".step(\""] {
                    let names = text.split(start).skip(1).filter_map(|rest| rest.split('"').next());
                    for name in names {
                        found.insert(format!("{name}.before"));
                        found.insert(format!("{name}.after"));
                    }
                }
            }
        }
    }
    found
}
