//! Products that count, each with a wallet and a contract of its own, a wallet that is only watched,
//! and somebody who pays; a chain that makes a block when it is told to.

use std::{collections::BTreeSet, fmt::Write as _, path::Path, time::Duration};

use alloy::{
    consensus::Transaction as _,
    eips::{BlockNumberOrTag, Encodable2718 as _},
    network::{EthereumWallet, NetworkTransactionBuilder as _, TransactionBuilder as _},
    primitives::{Address, B256, Bytes, U256, address, bytes, utils::parse_ether},
    providers::Provider as _,
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use ballast_devnet::{Mining, Node, accounts};
use ballast_test_support::{FaultHandle, KeeperCommand, KeeperProcess, free_port};
use eyre::{OptionExt as _, Result, bail, ensure};
use serde_json::Value;
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::layer1::{Layer1, l1_fee};
use crate::harness::{DEADLINE, PRODUCT, Setup, World, finish, json, key_name};

/// Products that count.
pub(super) const COUNTERS: usize = 4;
/// The wallet that is only watched.
pub(super) const LAUNCH: usize = 20;
/// Who pays.
pub(super) const PAYER: usize = 21;
/// Blocks after which one is final.
pub(super) const FINALITY: u64 = 4;
/// What a block costs where nothing else is said.
pub(super) const BASE_FEE: u128 = 1_000_000_000;
/// Time between two blocks.
const BEAT: Duration = Duration::from_millis(200);
/// How often a condition is looked at between them.
const LOOK: Duration = Duration::from_millis(20);
/// Longest that a step of the story may take: reached by a failure only.
const STEP: Duration = Duration::from_secs(180);
const TOKEN: &str = "a-token-that-is-long-enough";
/// Counts like the counter of the other tests, and reverts while the word at 2 is not zero.
const COUNTER_CODE: Bytes =
    bytes!("36602014601757600254602457600054600101600055005b6000355460005260206000f35b60006000fd");
/// Pays what it is sent to the address that is its calldata.
pub(super) const PAYMASTER: Address = address!("0000000000000000000000000000000000009a9e");
const PAYMASTER_CODE: Bytes = bytes!("6000600060006000346000355af100");

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) faults: [FaultHandle; 2],
    layer1: Layer1,
    wallets: BTreeSet<Address>,
}

/// The contract of a product.
pub(super) fn counter(at: usize) -> Address {
    let mut bytes = [0xc0; 20];
    bytes[19] = u8::try_from(at).unwrap();
    bytes.into()
}

/// The name of a product.
pub(super) fn name(at: usize) -> String {
    format!("counter-{at}")
}

impl Scene {
    pub(super) async fn start() -> Result<Self> {
        let world = World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
        let node = world.devnet.node();
        let mut wallets: BTreeSet<Address> = (0..COUNTERS).map(accounts::keeper_address).collect();
        wallets.insert(accounts::keeper_address(LAUNCH));
        for wallet in wallets.iter().copied().chain([accounts::keeper_address(PAYER)]) {
            node.set_balance(wallet, parse_ether("1000")?).await?;
        }
        node.set_code(PAYMASTER, PAYMASTER_CODE).await?;
        for at in 0..COUNTERS {
            node.set_code(counter(at), COUNTER_CODE).await?;
        }
        let layer1 = Layer1::default();
        let faults = layer1.inject(&world, &wallets);
        let scene = Self { world, faults, layer1, wallets };
        scene.files(true)?;
        for _ in 0..FINALITY {
            scene.beat(BASE_FEE).await?;
        }
        Ok(scene)
    }

    /// The files of the deployment.
    fn files(&self, archive: bool) -> Result<()> {
        let dir = &self.world.dir;
        std::fs::remove_file(dir.path().join(format!("products/{PRODUCT}.toml")))?;
        let ballast = format!(
            "[store]\nurl = \"sqlite://{}\"\n[http]\nlisten = \"127.0.0.1:{}\"\ntoken = {{ env = \"TOKEN\" }}\n",
            self.world.store().display(),
            free_port()?
        );
        dir.write("ballast.toml", ballast)?;
        self.chain(archive)?;
        for at in 0..COUNTERS {
            let category = ["automated", "composite"][at % 2];
            let product = format!(
                "strategy = \"counter\"\nchain = \"local\"\ncategory = \"{category}\"\n[wallet]\n\
                 key = {{ env = \"{}\" }}\n[params]\ncounter = \"{}\"\n",
                key_name(at),
                counter(at)
            );
            dir.write(format!("products/{}.toml", name(at)), product)?;
        }
        let launch = accounts::keeper_address(LAUNCH);
        let product = format!(
            "strategy = \"none\"\nchain = \"local\"\ncategory = \"launch\"\n[wallet]\naddress = \"{launch}\"\n"
        );
        dir.write("products/launch.toml", product)?;
        Ok(())
    }

    /// The file of the chain, whose endpoint has all states or not. Nothing of the story is about
    /// caps: none is to bind, however long a slow machine lets a transaction wait.
    pub(super) fn chain(&self, archive: bool) -> Result<()> {
        let feed = self.world.devnet.deployment().feeds.eth_usd;
        let chain = format!(
            "chain_id = 1\nblock_time = \"200ms\"\nconfirmations = {FINALITY}\nrequest_timeout = \"10s\"\n\
             rpc = [{{ url = \"{}\", ws = \"{}\", archive = {archive} }}]\n\
             contracts.native_usd_feed = \"{feed}\"\n\
             [fees]\nmax_fee_per_gas = \"100000 gwei\"\nmin_priority_fee_per_gas = \"0.001 gwei\"\n\
             relative_cap = 1000\n",
            self.world.proxy.http_url(),
            self.world.proxy.ws_url()
        );
        self.world.dir.write("chains/local.toml", chain)?;
        Ok(())
    }

    pub(super) fn node(&self) -> &Node {
        self.world.devnet.node()
    }

    pub(super) fn command(&self, args: &[&str]) -> KeeperCommand {
        let program = env!("CARGO_BIN_EXE_keeper-with-counter");
        let mut command = self.world.command(program, args).env("TOKEN", TOKEN).env("USER", "ann");
        for at in 0..COUNTERS {
            command = command.env(key_name(at), accounts::keeper_key(at).to_string());
        }
        command
    }

    pub(super) async fn keeper(&self) -> Result<KeeperProcess> {
        let keeper = self.command(&["--log", "info,ballast=debug", "run"]).start()?;
        keeper.wait_for_line("first head", DEADLINE).await?;
        Ok(keeper)
    }

    /// One more block, and what its transactions paid beside gas is known to the proxy.
    pub(super) async fn beat(&self, base_fee: u128) -> Result<()> {
        self.node().set_next_base_fee(base_fee).await?;
        self.node().mine(1).await?;
        self.follow().await
    }

    pub(super) async fn beats(&self, blocks: u64) -> Result<()> {
        for _ in 0..blocks {
            self.beat(BASE_FEE).await?;
        }
        Ok(())
    }

    /// Hears of the chain's newest blocks.
    pub(super) async fn follow(&self) -> Result<()> {
        self.layer1.follow(self.node(), &self.wallets).await
    }

    /// Makes blocks at this price until a condition holds, which is looked at before each.
    pub(super) async fn until_at(
        &self,
        base_fee: u128,
        what: &str,
        mut holds: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        let begun = Instant::now();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while begun.elapsed() < STEP {
            let beat = Instant::now();
            while beat.elapsed() < BEAT {
                looks.tick().await;
                if holds().await? {
                    return Ok(());
                }
            }
            self.beat(base_fee).await?;
        }
        bail!("not within {STEP:?}: {what}; {}", self.standing().await?)
    }

    /// Where chain and journal have each product, for whoever reads a failure.
    async fn standing(&self) -> Result<String> {
        const SLOTS: &str = "SELECT product || ' ' || nonce || ' ' || state, COALESCE(included_block, -1) \
                             FROM slots WHERE outcome IS NULL ORDER BY product, nonce";
        const DECISIONS: &str = "SELECT product || ' ' || kind || ': ' || reason || ' (' || detail || ')', \
                                 block_number FROM last_decisions ORDER BY product";
        let mut told = format!("block {}", self.node().head().await?.number);
        for at in 0..COUNTERS {
            let wallet = accounts::keeper_address(at);
            let of = |block: &'static str| {
                self.node().rpc::<_, U256>("eth_getTransactionCount", (wallet, block))
            };
            let (latest, pending) = (of("latest").await?, of("pending").await?);
            let count = self.count(at).await?;
            write!(told, "; {}: count {count}, nonce {latest}, pending {pending}", name(at))?;
        }
        let pool: Value = self.node().rpc("txpool_inspect", ()).await?;
        write!(told, "; pool {pool}")?;
        for (what, block) in self.ask(SLOTS).await?.into_iter().chain(self.ask(DECISIONS).await?) {
            write!(told, "; {what} at {block}")?;
        }
        Ok(told)
    }

    pub(super) async fn until(
        &self,
        what: &str,
        holds: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        self.until_at(BASE_FEE, what, holds).await
    }

    /// Makes blocks while a command runs, which may wait for one; it has to succeed.
    pub(super) async fn order(&self, args: &[&str]) -> Result<()> {
        let (mut running, mut done) = (JoinSet::new(), None);
        running.spawn(finish(self.command(args)));
        let ends = async || {
            done = running.try_join_next();
            Ok(done.is_some())
        };
        self.until(args[0], ends).await?;
        let (code, out, err) = done.ok_or_eyre("it did not end")???;
        ensure!(code == 0, "{args:?}: {out:?} {err:?}");
        Ok(())
    }

    /// Whether the node has a transaction of a wallet that is in no block.
    pub(super) async fn is_pending(&self, at: usize) -> Result<bool> {
        let wallet = accounts::keeper_address(at);
        let of = |block: &'static str| {
            self.node().rpc::<_, U256>("eth_getTransactionCount", (wallet, block))
        };
        Ok(of("pending").await? > of("latest").await?)
    }

    /// Waits until one is.
    pub(super) async fn pending(&self, at: usize) -> Result<()> {
        self.until("a transaction at the node", async || self.is_pending(at).await).await
    }

    pub(super) async fn word(&self, at: usize, key: u64, value: u64) -> Result<()> {
        let set = (counter(at), U256::from(key), B256::from(U256::from(value)));
        self.node().rpc::<_, Option<bool>>("anvil_setStorageAt", set).await.map(drop)
    }

    pub(super) async fn count(&self, at: usize) -> Result<u64> {
        let word: U256 =
            self.node().rpc("eth_getStorageAt", (counter(at), U256::ZERO, "latest")).await?;
        Ok(word.try_into()?)
    }

    /// Somebody signs with a key and hands it to the node, at the account's next nonce: over
    /// whatever of ours is there, and at a tip that nobody has to follow.
    pub(super) async fn send(&self, by: usize, to: Address, wei: u128, data: Bytes) -> Result<()> {
        let signer = PrivateKeySigner::from_bytes(&accounts::keeper_key(by))?;
        let request = TransactionRequest::default()
            .with_chain_id(1)
            .with_nonce(self.node().nonce(signer.address()).await?)
            .with_to(to)
            .with_value(U256::from(wei))
            .with_input(data)
            .with_gas_limit(200_000)
            .with_max_fee_per_gas(1_000 * BASE_FEE)
            .with_max_priority_fee_per_gas(BASE_FEE);
        let raw = request.build(&EthereumWallet::new(signer)).await?.encoded_2718();
        let raw = Bytes::from(raw);
        self.node().rpc::<_, B256>("eth_sendRawTransaction", (raw,)).await.map(drop)
    }

    /// Executes a statement on the store.
    pub(super) async fn sql(&self, sql: &'static str) -> Result<()> {
        let options = SqliteConnectOptions::new().filename(self.world.store());
        let mut store = SqliteConnection::connect_with(&options).await?;
        let done = sqlx::query(sql).execute(&mut store).await?;
        ensure!(done.rows_affected() > 0, "it changes nothing: {sql}");
        Ok(store.close().await?)
    }

    /// Copies the store, with what is in the log beside it.
    pub(super) async fn copy_store(&self, to: &Path) -> Result<()> {
        let options = SqliteConnectOptions::new().filename(self.world.store());
        let mut store = SqliteConnection::connect_with(&options).await?;
        sqlx::query("VACUUM INTO ?").bind(to.to_string_lossy()).execute(&mut store).await?;
        Ok(store.close().await?)
    }

    /// Rows of a word and a number.
    pub(super) async fn ask(&self, sql: &'static str) -> Result<Vec<(String, i64)>> {
        let options = SqliteConnectOptions::new().filename(self.world.store()).read_only(true);
        let mut store = SqliteConnection::connect_with(&options).await?;
        let rows = sqlx::query(sql).fetch_all(&mut store).await?;
        store.close().await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// One number of the store.
    pub(super) async fn number(&self, sql: &'static str) -> Result<i64> {
        let rows = self.ask(sql).await?;
        rows.first().map(|(_, number)| *number).ok_or_eyre("no row")
    }

    pub(super) async fn reconcile(&self, more: &[&str]) -> Result<(i32, Value)> {
        let args: Vec<&str> = ["gas", "reconcile", "--json"].iter().chain(more).copied().collect();
        let (code, out, err) = finish(self.command(&args)).await?;
        ensure!(!out.is_empty(), "{err:?}");
        Ok((code, json(&out)))
    }

    /// What a wallet's transactions in the blocks after one and up to another cost by the node's own
    /// receipts, and what they carried away.
    pub(super) async fn spent(
        &self,
        wallet: Address,
        (from, to): (u64, u64),
    ) -> Result<(u64, U256, U256)> {
        let (mut count, mut cost, mut carried) = (0, U256::ZERO, U256::ZERO);
        let provider = self.node().provider();
        for number in from + 1..=to {
            let block = provider.get_block_by_number(BlockNumberOrTag::Number(number)).full();
            let block = block.await?.ok_or_eyre("no such block")?;
            for sent in block.transactions.into_transactions() {
                if sent.inner.signer() != wallet {
                    continue;
                }
                let hash = *sent.inner.tx_hash();
                let receipt = provider.get_transaction_receipt(hash).await?;
                let receipt = receipt.ok_or_eyre("no receipt")?;
                count += 1;
                cost += U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
                cost += l1_fee(hash);
                if receipt.status() && sent.to() != Some(wallet) {
                    carried += sent.value();
                }
            }
        }
        Ok((count, cost, carried))
    }
}
