//! One product, played again and again from the same block: each play has its own chain, journal
//! and keeper, and all have the same beginning.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use alloy::{
    consensus::{Transaction as _, TxEnvelope, transaction::SignerRecoverable as _},
    eips::Decodable2718 as _,
    primitives::{Address, B256, Bytes, U256, address, bytes, utils::parse_ether},
    providers::Provider as _,
};
use ballast_devnet::{Action, Mining, Node, accounts};
use ballast_test_support::{KeeperCommand, KeeperProcess};
use eyre::{OptionExt as _, Result, ensure, eyre};
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::time::{MissedTickBehavior, interval};

use crate::harness::{DEADLINE, PRODUCT, Setup, World, key_name};

/// Time between two blocks: long enough for a turn of the keeper, which a test must not outrun.
const BEAT: Duration = Duration::from_millis(250);
/// Blocks after which one is final, unless a play has another number.
pub(crate) const FINALITY: u64 = 4;
/// Wei per gas of a block, unless the play has another. Left to itself, the base fee of empty blocks
/// ends at a few wei.
pub(crate) const BASE_FEE: u128 = 1_000_000_000;
/// Blocks within which a play must be over.
const MAX_BEATS: u64 = 160;
/// A second more than the product's interval.
const INTERVAL: u64 = 86_401;
/// A dollar in the feed's 8 decimals, and the price at which a ripcord is due.
const CRASH: u64 = 1_480 * 100_000_000;
/// A second more than the longest rest between two trades on the way back, in seconds.
const COOLDOWN: u64 = 601;
/// Where the counter is.
pub(crate) const COUNTER: Address = address!("00000000000000000000000000000000c0117e12");
/// How often the counter is to count, unless a play has another number.
pub(crate) const COUNTS: u64 = 3;
/// 32 bytes of calldata are answered with the storage at that key, anything else adds one to the
/// storage at 0:
/// ```text
/// CALLDATASIZE PUSH1 32 EQ PUSH1 read JUMPI
/// PUSH1 0 SLOAD PUSH1 1 ADD PUSH1 0 SSTORE STOP
/// read: JUMPDEST PUSH1 0 CALLDATALOAD SLOAD PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN
/// ```
const COUNTER_CODE: Bytes = bytes!("36602014601157600054600101600055005b6000355460005260206000f3");

/// What a keeper is watched doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A leveraged product's rebalance of the day.
    Rebalance,
    /// Its way back from liquidation.
    Ripcord,
    /// The contract without a guard, three times.
    Counter,
}

impl Subject {
    pub(crate) const ALL: [Self; 3] = [Self::Rebalance, Self::Ripcord, Self::Counter];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Rebalance => "interval rebalance",
            Self::Ripcord => "ripcord",
            Self::Counter => "counter",
        }
    }
}

/// A world in which one subject is played.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) subject: Subject,
    /// How often the counter is to count.
    pub(crate) counts: u64,
    /// Blocks after which one is final.
    pub(crate) finality: u64,
    snapshot: U256,
    plays: u32,
    first_block: u64,
    last_trade: u64,
}

/// What was done by the end of a play, by the node and by the journal.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// Nonces used on the chain.
    pub(crate) used: u64,
    /// Raw transactions that were sent, repeats included, and those of them that differ.
    pub(crate) sends: usize,
    pub(crate) attempts: usize,
    /// Blocks that passed.
    pub(crate) blocks: u64,
    /// Outcomes in the journal by nonce.
    pub(crate) outcomes: BTreeMap<u64, String>,
}

impl Stage {
    pub(crate) async fn start(subject: Subject) -> Result<Self> {
        let world = World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
        let chain = format!(
            "chain_id = 1\nblock_time = \"250ms\"\nconfirmations = {FINALITY}\nrequest_timeout = \"1s\"\n\
             rpc = [{{ url = \"{}\", ws = \"{}\" }}]\n",
            world.proxy.http_url(),
            world.proxy.ws_url()
        );
        world.dir.write("chains/local.toml", chain)?;
        let node = world.devnet.node();
        if subject == Subject::Counter {
            node.set_code(COUNTER, COUNTER_CODE).await?;
            let product = format!(
                "strategy = \"counter\"\nchain = \"local\"\n[wallet]\nkey = {{ env = \"{}\" }}\n\
                 [params]\ncounter = \"{COUNTER}\"\n",
                key_name(0)
            );
            world.dir.write(format!("products/{PRODUCT}.toml"), product)?;
        }
        node.mine(1).await?;
        let snapshot = node.snapshot().await?;
        Ok(Self {
            world,
            subject,
            counts: COUNTS,
            finality: FINALITY,
            snapshot,
            plays: 0,
            first_block: 0,
            last_trade: 0,
        })
    }

    pub(crate) fn node(&self) -> &Node {
        self.world.devnet.node()
    }

    /// Everything as it was at first, and nothing due.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        self.world.proxy.heal();
        self.world.proxy.cut_connections();
        self.world.proxy.clear();
        self.node().revert(self.snapshot).await?;
        self.snapshot = self.node().snapshot().await?;
        self.plays += 1;
        // The clock is behind that of the wall by the plays before; none takes as long as that.
        self.node().warp(3_600).await?;
        self.beat(BASE_FEE).await?;
        self.first_block = self.node().block_number().await?;
        self.last_trade =
            self.world.devnet.market().last_trade(self.world.devnet.product()).await?;
        ensure!(self.world.mined().await? == 0, "the chain did not go back");
        Ok(())
    }

    fn store(&self) -> PathBuf {
        self.world.dir.path().join(format!("play-{}.db", self.plays))
    }

    fn command(&self) -> KeeperCommand {
        let program = env!("CARGO_BIN_EXE_keeper-with-counter");
        self.world
            .command(program, &["--log", "info,ballast=debug", "run"])
            .env("BALLAST__STORE__URL", format!("sqlite://{}", self.store().display()))
            .env("BALLAST__CHAINS__LOCAL__CONFIRMATIONS", self.finality.to_string())
    }

    /// The keeper, without waiting for it.
    pub(crate) fn keeper(&self) -> Result<KeeperProcess> {
        self.command().start()
    }

    /// The keeper once it has looked and found nothing to do.
    pub(crate) async fn resting_keeper(&self) -> Result<KeeperProcess> {
        let keeper = self.keeper()?;
        let rests =
            if self.subject == Subject::Counter { "counted enough" } else { "inside bounds" };
        keeper.wait_for_line(rests, DEADLINE).await?;
        Ok(keeper)
    }

    /// Makes the subject's work due; in a new block.
    pub(crate) async fn make_due(&self) -> Result<()> {
        match self.subject {
            Subject::Rebalance => self.node().warp(INTERVAL).await,
            Subject::Ripcord => self.world.devnet.market().set_price(CRASH).await.map(drop),
            Subject::Counter => {
                self.set_counts(self.counts).await?;
                self.beat(BASE_FEE).await
            }
        }
    }

    /// Says how often the counter is to have counted; holds from the next block.
    async fn set_counts(&self, counts: u64) -> Result<()> {
        let word = B256::from(U256::from(counts));
        let set = (COUNTER, U256::ONE, word);
        self.node().rpc::<_, Option<bool>>("anvil_setStorageAt", set).await.map(drop)
    }

    async fn count(&self) -> Result<u64> {
        let word: U256 =
            self.node().rpc("eth_getStorageAt", (COUNTER, U256::ZERO, "latest")).await?;
        Ok(word.try_into()?)
    }

    /// One block more, at this base fee. On the way back from liquidation blocks are far apart, so that
    /// the product need not rest.
    pub(crate) async fn beat(&self, base_fee: u128) -> Result<()> {
        self.node().set_next_base_fee(base_fee).await?;
        match self.subject {
            Subject::Ripcord => self.node().warp(COOLDOWN).await,
            Subject::Rebalance | Subject::Counter => self.node().mine(1).await,
        }
    }

    /// Makes a block each beat, at the base fee that `step` says, until `step` says none.
    pub(crate) async fn play(
        &self,
        keeper: &KeeperProcess,
        mut step: impl AsyncFnMut() -> Result<Option<u128>>,
    ) -> Result<()> {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..MAX_BEATS {
            beats.tick().await;
            let Some(base_fee) = step().await? else { return Ok(()) };
            self.beat(base_fee).await?;
        }
        let seen = self.is_done().await;
        Err(keeper.failure(&format!("not over after {MAX_BEATS} blocks: {seen:?}")))
    }

    /// Whether everything that was due is done and final.
    pub(crate) async fn is_done(&self) -> Result<bool> {
        let used = self.world.mined().await?;
        let slots = self.outcomes().await?;
        let is_final = u64::try_from(slots.len())? == used && slots.values().all(|o| !o.is_empty());
        Ok(used > 0 && is_final && self.in_range().await.is_ok())
    }

    /// The product is where it should be.
    pub(crate) async fn in_range(&self) -> Result<()> {
        if self.subject == Subject::Counter {
            let count = self.count().await?;
            ensure!(count == self.counts, "counted {count}, due {}", self.counts);
            return Ok(());
        }
        let (market, product) = (self.world.devnet.market(), self.world.devnet.product());
        let due = market.should_rebalance(product).await?;
        ensure!(due.iter().all(|(_, action)| *action == Action::None), "{due:?}");
        let ratio = market.leverage_ratio(product).await?;
        let (least, most) = (parse_ether("1.7")?, parse_ether("2.3")?);
        ensure!((least..=most).contains(&ratio), "leverage {ratio}");
        let traded = market.last_trade(product).await?;
        ensure!(traded > self.last_trade, "it never traded");
        Ok(())
    }

    /// How many nonces the work of a play takes; `None` where that depends on the market.
    fn intents_expected(&self) -> Option<u64> {
        match self.subject {
            Subject::Rebalance => Some(1),
            Subject::Ripcord => None,
            Subject::Counter => Some(self.counts),
        }
    }

    /// Each intent was done once: one nonce for each, no other nonce seen at the node, no gap, no
    /// reverted receipt, nothing sent that is not journalled, and not more sends than blocks allow.
    pub(crate) async fn assert_once(&self) -> Result<Account> {
        self.in_range().await?;
        let account = self.account().await?;
        let Account { used, sends, blocks, .. } = account;
        let unusual: Vec<_> = account.outcomes.iter().filter(|(_, o)| *o != "confirmed").collect();
        ensure!(unusual.is_empty(), "not confirmed: {unusual:?}");
        let intents = self.intents().await?;
        ensure!(intents == used, "{intents} intents took {used} nonces");
        if let Some(expected) = self.intents_expected() {
            ensure!(used == expected, "{used} nonces used in place of {expected}");
        }
        // At each head what waits is sent once, and perhaps replaced.
        let bound = usize::try_from(2 * (blocks + 2))?;
        ensure!(sends <= bound, "{sends} sends in {blocks} blocks");
        Ok(account)
    }

    /// Compares what the node saw with what the journal holds.
    pub(crate) async fn account(&self) -> Result<Account> {
        let used = self.world.mined().await?;
        let outcomes = self.outcomes().await?;
        let expected: Vec<u64> = (0..used).collect();
        let journalled: Vec<u64> = outcomes.keys().copied().collect();
        ensure!(journalled == expected, "nonces of the journal: {journalled:?}, used: {used}");
        let sent = self.world.proxy.raw_transactions();
        let sends = sent.len();
        let distinct: BTreeSet<String> = sent.into_iter().collect();
        let known = self.raw_in_journal().await?;
        let (mut nonces, mut executed) = (BTreeSet::new(), BTreeSet::new());
        for raw in &distinct {
            ensure!(known.contains(raw), "sent and not journalled: {raw}");
            let transaction = decode(raw)?;
            ensure!(transaction.recover_signer()? == accounts::keeper_address(0), "a stranger's");
            nonces.insert(transaction.nonce());
            let receipt = self.node().provider().get_transaction_receipt(*transaction.tx_hash());
            if let Some(receipt) = receipt.await? {
                ensure!(receipt.status(), "{} reverted", receipt.transaction_hash);
                ensure!(executed.insert(transaction.nonce()), "two receipts at one nonce");
            }
        }
        let seen: Vec<u64> = nonces.into_iter().collect();
        ensure!(seen == expected, "nonces at the node: {seen:?}, used: {used}");
        ensure!(executed.len() == expected.len(), "receipts at {executed:?}, used: {used}");
        let blocks = self.node().block_number().await? - self.first_block;
        Ok(Account { used, sends, attempts: distinct.len(), blocks, outcomes })
    }

    /// How the journal says that each nonce ended; empty while it has not.
    pub(crate) async fn outcomes(&self) -> Result<BTreeMap<u64, String>> {
        let Ok(mut store) = self.open().await else { return Ok(BTreeMap::new()) };
        let rows = sqlx::query("SELECT nonce, COALESCE(outcome, '') FROM slots ORDER BY nonce");
        let rows = rows.fetch_all(&mut store).await?;
        store.close().await?;
        rows.iter().map(|row| Ok((u64::try_from(row.get::<i64, _>(0))?, row.get(1)))).collect()
    }

    /// Which attempt the journal says was mined at a nonce.
    pub(crate) async fn included_hash(&self, nonce: u64) -> Result<B256> {
        let mut store = self.open().await?;
        let sql = "SELECT included_hash FROM slots WHERE nonce = $1";
        let hash: String =
            sqlx::query_scalar(sql).bind(i64::try_from(nonce)?).fetch_one(&mut store).await?;
        store.close().await?;
        Ok(hash.parse()?)
    }

    /// How many different things the journal says were wanted.
    async fn intents(&self) -> Result<u64> {
        let mut store = self.open().await?;
        let sql = "SELECT COUNT(*) FROM (SELECT DISTINCT product, action, answers FROM intents)";
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut store).await?;
        store.close().await?;
        Ok(u64::try_from(count)?)
    }

    /// How many different things the journal says were done: those of the attempts that it has as
    /// included and confirmed.
    pub(crate) async fn executed(&self) -> Result<usize> {
        let mut store = self.open().await?;
        let sql = "SELECT COUNT(*) FROM (SELECT DISTINCT i.product, i.action, i.answers
            FROM slots s JOIN attempts a ON a.hash = s.included_hash
            JOIN intents i ON i.chain_id = a.chain_id AND i.wallet = a.wallet
                AND i.nonce = a.nonce AND i.number = a.intent
            WHERE s.outcome = 'confirmed' AND a.kind <> 'cancellation')";
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut store).await?;
        store.close().await?;
        Ok(usize::try_from(count)?)
    }

    async fn raw_in_journal(&self) -> Result<BTreeSet<String>> {
        let mut store = self.open().await?;
        let rows = sqlx::query("SELECT raw FROM attempts").fetch_all(&mut store).await?;
        store.close().await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn open(&self) -> Result<SqliteConnection> {
        let options = SqliteConnectOptions::new().filename(self.store()).read_only(true);
        Ok(SqliteConnection::connect_with(&options).await?)
    }
}

/// A signed transaction from its hex.
pub(crate) fn decode(raw: &str) -> Result<TxEnvelope> {
    let bytes: Bytes = raw.parse().map_err(|_| eyre!("not hex: {raw}"))?;
    TxEnvelope::decode_2718(&mut bytes.as_ref()).ok().ok_or_eyre("not a transaction")
}
