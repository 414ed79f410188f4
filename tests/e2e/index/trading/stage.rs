//! The world, the keeper, and the blocks.

use std::{collections::BTreeSet, fmt::Write as _};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    primitives::{Address, Bytes, U256},
    providers::Provider as _,
    sol_types::SolCall as _,
};
use ballast_devnet::{
    IndexMarket, IndexOptions, IndexTrade, Mining, Node, accounts,
    contracts::index::{
        IIndexExtension::startRebalanceWithUnitsCall,
        IIndexModule::{tradeCall, tradeRemainingWETHCall},
    },
};
use ballast_test_support::{Fault, FaultHandle, KeeperProcess, RAW_TRANSACTION, wait_until};
use eyre::{OptionExt as _, Result, bail, ensure};
use serde_json::Value;

use crate::{
    harness::{DEADLINE, Setup, World, finish, json, key_name},
    stage::{decode, follow},
};

/// Name of the index's file.
pub(super) const NAME: &str = "idx";
/// A second more than the longest cool-off.
pub(super) const REST: u64 = 901;
/// Blocks before the keeper starts, so that the pools' averages reach back, and seconds between them.
const HISTORY: (u64, u64) = (70, 12);
/// Blocks within which a rebalance must be over: three times what the longest here takes.
const MAX_STEPS: usize = 120;
/// A machine that is busy with all of these worlds must not be taken for a chain that is slow.
const PATIENT: &str = "assess_timeout = \"60s\"\nrequest_timeout = \"20s\"\n";
/// What the keeper says once nothing is left to do.
const FINISHED: &str = "reason=\"finished\"";
/// Components whose price the keeper learns from the pools' own averages: those on every kind of pool.
const WITHOUT_FEED: [&str; 4] = ["UNI", "SUSHI", "YFI", "AAVE"];
/// The dollar price of ether, which does not move.
pub(super) const ETHER: u64 = 2_000;

/// What the components begin with and go to, hundredths of a percent: four that shrink, three that
/// grow, one that goes, one that comes, and one that stays.
pub(super) const FIRST: [(&str, u64); 9] = [
    ("UNI", 1_400),
    ("WBTC", 2_400),
    ("USDC", 1_000),
    ("LEND", 0),
    ("SUSHI", 1_500),
    ("YFI", 500),
    ("AAVE", 900),
    ("XAUT", 1_500),
    ("SNX", 800),
];

/// How much of what a trade brings or takes its limit may leave to others, in hundredths: the widest
/// tolerance here is 2.
const LEFT_TO_OTHERS: u64 = 3;

/// Lines of a product's file that most have no need of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lines {
    /// Before its tables.
    pub(super) limits: &'static str,
    /// Among its `[params]`.
    pub(super) params: &'static str,
}

/// An index that a keeper trades.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) market: IndexMarket,
    pub(super) keeper: Option<KeeperProcess>,
    /// Blocks from here on hold the rebalance.
    pub(super) first_block: u64,
    /// Components whose pools nobody brings back to their prices.
    pub(super) apart: Vec<&'static str>,
}

impl Stage {
    pub(super) async fn start(options: IndexOptions) -> Result<Self> {
        Self::start_with(options, Lines::default()).await
    }

    pub(super) async fn start_with(options: IndexOptions, lines: Lines) -> Result<Self> {
        let index = Some(options);
        let mining = Mining::Manual;
        let chain = PATIENT.to_owned();
        let setup = Setup { mining, index, chain, ..Setup::default() };
        let world = World::start(setup).await?;
        let market = world.devnet.index_market()?;
        let stage = Self { world, market, keeper: None, first_block: 0, apart: Vec::new() };
        stage.write_files(lines)?;
        let (blocks, apart) = (U256::from(HISTORY.0), U256::from(HISTORY.1));
        stage.node().rpc::<_, Option<bool>>("anvil_mine", (blocks, apart)).await?;
        Ok(stage)
    }

    pub(super) fn node(&self) -> &Node {
        self.world.devnet.node()
    }

    pub(super) fn wallet(&self) -> Address {
        accounts::keeper_address(self.market.index().keeper)
    }

    pub(super) fn weth(&self) -> Address {
        self.world.devnet.deployment().tokens.weth
    }

    pub(super) fn symbol(&self, token: Address) -> &str {
        let components = &self.market.index().components;
        let found = components.iter().find(|component| component.token == token);
        found.map_or("WETH", |component| &component.symbol)
    }

    fn write_files(&self, Lines { limits, params }: Lines) -> Result<()> {
        let deployment = self.world.devnet.deployment();
        let setup = Setup {
            chain: format!(
                "{PATIENT}contracts.native_usd_feed = \"{}\"\n",
                deployment.feeds.eth_usd
            ),
            ..Setup::default()
        };
        self.world.write_chain(&setup)?;
        let index = self.market.index();
        let mut product = format!(
            "strategy = \"index\"\nchain = \"local\"\n{limits}[wallet]\nkey = {{ env = \"{}\" }}\n\
             [params]\nset_token = \"{}\"\nmodule = \"{}\"\nv3_quoter = \"{}\"\n{params}\
             [params.feeds]\n",
            key_name(index.keeper),
            index.set_token,
            index.module,
            deployment.uniswap.v3_quoter,
        );
        let fed = |symbol: &str| !WITHOUT_FEED.contains(&symbol);
        for component in index.components.iter().filter(|component| fed(&component.symbol)) {
            writeln!(product, "\"{}\" = \"{} USD\"", component.token, component.feed)?;
        }
        self.world.dir.write(format!("products/{NAME}.toml"), product)?;
        Ok(())
    }

    /// Plans these weights, hundredths of a percent, at the feeds' prices.
    pub(super) async fn plan(&self, weights: &[(&str, u64)], haircut: &str) -> Result<Value> {
        let index = self.market.index();
        let mut text = "symbol,address,weight\n".to_owned();
        for (symbol, weight) in weights {
            let token = self.market.component(symbol).map_or(self.weth(), |c| c.token);
            writeln!(text, "{symbol},{token},{}.{:02}%", weight / 100, weight % 100)?;
        }
        self.world.dir.write("weights.csv", text)?;
        let mut text = format!("address,price\n{},{ETHER}\n", self.weth());
        for component in &index.components {
            let usd = self.market.price(component).await?;
            let (whole, part) = (usd / 100_000_000, usd % 100_000_000);
            writeln!(text, "{},{whole}.{part:08}", component.token)?;
        }
        self.world.dir.write("prices.csv", text)?;
        let path = |name: &str| self.world.dir.path().join(name).display().to_string();
        let (set_token, module) = (index.set_token.to_string(), index.module.to_string());
        let (weights, prices, batch) =
            (path("weights.csv"), path("prices.csv"), path("batch.json"));
        let quoter = self.world.devnet.deployment().uniswap.v3_quoter.to_string();
        let mut args = vec!["index", "plan", "--chain", "local", "--set-token", &set_token];
        args.extend(["--module", &module, "--weights", &weights, "--prices", &prices, "--json"]);
        args.extend(["--haircut", haircut, "--batch", &batch]);
        args.extend(["--v3-quoter", &quoter]);
        let (code, out, err) = finish(self.world.ballast(&args)).await?;
        ensure!(code == 0, "{code}: {out:?} {err:?}");
        Ok(json(&out))
    }

    /// The operator executes the batch of the plan that was made last.
    pub(super) async fn begin(&mut self) -> Result<()> {
        let batch = std::fs::read_to_string(self.world.dir.path().join("batch.json"))?;
        let batch: Value = serde_json::from_str(&batch)?;
        let data = batch["transactions"][0]["data"].as_str().ok_or_eyre("a batch without data")?;
        let data: Bytes = data.parse()?;
        self.market.operate(startRebalanceWithUnitsCall::abi_decode(&data)?).await?;
        self.first_block = self.node().block_number().await?;
        Ok(())
    }

    /// Starts the keeper, or starts it again.
    pub(super) async fn run(&mut self) -> Result<()> {
        self.keeper = Some(self.world.keeper().await?);
        Ok(())
    }

    pub(super) fn keeper(&self) -> Result<&KeeperProcess> {
        self.keeper.as_ref().ok_or_eyre("the keeper was not started")
    }

    /// Makes blocks until the keeper says that the rebalance is finished. Each time that it has nothing
    /// to send, `meanwhile` does what else happens, and is told how often it was asked before.
    pub(super) async fn play(
        &mut self,
        mut meanwhile: impl AsyncFnMut(&mut Self, usize) -> Result<()>,
    ) -> Result<()> {
        let mut rests = 0;
        for _ in 0..MAX_STEPS {
            let head = self.node().block_number().await?;
            follow(self.keeper()?, 0, head, DEADLINE).await?;
            if self.is_waiting().await? {
                self.market.arbitrage_but(&self.apart).await?;
                continue;
            }
            let said = self.said(head)?;
            if said.contains(FINISHED) {
                return Ok(());
            }
            meanwhile(self, rests).await?;
            rests += 1;
            self.node().warp(REST).await?;
        }
        Err(self.keeper()?.failure(&format!("not over after {MAX_STEPS} blocks")))
    }

    /// What the keeper decides about the newest block: one at which not everything rests for a known
    /// time yet.
    pub(super) async fn heard(&self) -> Result<String> {
        let head = self.node().block_number().await?;
        follow(self.keeper()?, 0, head, DEADLINE).await?;
        self.said(head)
    }

    /// One block more, so many seconds later, and what the keeper decides about it.
    pub(super) async fn block(&self, seconds: u64) -> Result<String> {
        self.node().warp(seconds).await?;
        self.heard().await
    }

    /// A block for each thing that the keeper sends, until it sends nothing; what it said then.
    pub(super) async fn drain(&self) -> Result<String> {
        for _ in 0..MAX_STEPS {
            let said = self.heard().await?;
            if !self.is_waiting().await? {
                return Ok(said);
            }
            self.market.arbitrage_but(&self.apart).await?;
        }
        Err(self.keeper()?.failure("it goes on and on"))
    }

    /// From here on no node gets what the keeper sends, until the proxy is healed.
    pub(super) fn lose_what_is_sent(&self) -> FaultHandle {
        self.world.proxy().inject(Fault::SwallowRaw.on(RAW_TRANSACTION))
    }

    /// A trade that comes due after a rest, is signed, and has not reached a node.
    pub(super) async fn sign_only(&self) -> Result<(TxEnvelope, tradeCall)> {
        let lost = self.lose_what_is_sent();
        self.node().warp(REST).await?;
        wait_until("a transaction", DEADLINE, async || lost.fired() > 0).await?;
        self.heard().await?;
        let sent = self.world.proxy.raw_transactions();
        let sent = decode(sent.last().ok_or_eyre("nothing was sent")?)?;
        ensure!(!self.is_waiting().await?, "a node has it");
        let call = tradeCall::abi_decode(sent.input())?;
        Ok((sent, call))
    }

    /// Whether a transaction of the keeper's waits for a block.
    pub(super) async fn is_waiting(&self) -> Result<bool> {
        let (node, wallet) = (self.node(), self.wallet());
        Ok(node.pending_nonce(wallet).await? > node.nonce(wallet).await?)
    }

    /// What the keeper decided at a block.
    fn said(&self, head: u64) -> Result<String> {
        let lines = self.keeper()?.lines();
        let decided = format!("head={head} kind=");
        let line = lines.iter().rfind(|line| line.contains(&decided));
        line.cloned().ok_or_eyre("the keeper said nothing")
    }

    /// What was traded since the rebalance began.
    pub(super) async fn trades(&self) -> Result<Vec<IndexTrade>> {
        let to = self.node().block_number().await?;
        self.market.trades(self.first_block, to).await
    }

    /// The trades of a component since the rebalance began.
    pub(super) async fn trades_of(&self, symbol: &str) -> Result<Vec<IndexTrade>> {
        let token = self.market.component(symbol)?.token;
        let mut trades = self.trades().await?;
        trades.retain(|trade| trade.sold == token || trade.bought == token);
        Ok(trades)
    }

    /// Everything that the keeper sent is in a block, once for each nonce, and did what it was for: no
    /// revert, no cancellation, and no trade of what was met or at a limit far from its price.
    pub(super) async fn assert_clean(&self) -> Result<()> {
        self.assert_clean_but(0).await
    }

    /// The same, with so many nonces given up at the most.
    pub(super) async fn assert_clean_but(&self, most_given_up: usize) -> Result<()> {
        let (node, module, wallet) = (self.node(), self.market.index().module, self.wallet());
        let (mut nonces, mut mined) = (BTreeSet::new(), BTreeSet::new());
        let (trades, mut given_up) = (self.trades().await?, 0);
        for raw in self.world.sent() {
            let transaction = decode(&raw)?;
            nonces.insert(transaction.nonce());
            let hash = *transaction.tx_hash();
            let Some(receipt) = node.provider().get_transaction_receipt(hash).await? else {
                continue;
            };
            ensure!(receipt.status(), "{hash} reverted");
            mined.insert(transaction.nonce());
            if transaction.to() == Some(wallet) {
                given_up += 1;
                continue;
            }
            if let Some(trade) = trades.iter().find(|trade| trade.hash == hash) {
                self.assert_limit(transaction.input(), trade)?;
            }
            // A trade has an event of the module, and so has a raise.
            let told = receipt.logs().iter().any(|log| log.address() == module);
            ensure!(transaction.to() == Some(module) && told, "{hash} did nothing");
        }
        let used = node.nonce(wallet).await?;
        ensure!(nonces.iter().copied().eq(0..used), "{used} used, {nonces:?} sent for");
        ensure!(nonces == mined, "{nonces:?} sent for, {mined:?} in blocks");
        ensure!(given_up <= most_given_up, "{given_up} given up");
        for trade in trades.iter().filter(|trade| trade.executor == wallet) {
            let component = if trade.sold == self.weth() { trade.bought } else { trade.sold };
            let before = (trade.block - 1).into();
            let holding = self.market.holding_at(component, before).await?;
            if holding.is_met() {
                bail!("{} was met before block {}", self.symbol(component), trade.block);
            }
        }
        Ok(())
    }

    /// What a trade asked for at the least, or would have paid at the most, is near what came of it.
    fn assert_limit(&self, input: &[u8], trade: &IndexTrade) -> Result<()> {
        let hundred = U256::from(100);
        let share = |of: U256, hundredths: u64| of * U256::from(hundredths) / hundred;
        let received = trade.amount_bought + trade.protocol_fee;
        let least = share(received, 100 - LEFT_TO_OTHERS);
        let most = share(trade.amount_sold, 100 + LEFT_TO_OTHERS);
        let (limit, is_near) = match tradeRemainingWETHCall::abi_decode(input) {
            Ok(call) => (call.minComponentReceived, call.minComponentReceived >= least),
            Err(_) => {
                let limit = tradeCall::abi_decode(input)?.ethQuantityLimit;
                let is_sell = trade.bought == self.weth();
                (limit, if is_sell { limit >= least } else { limit <= most })
            }
        };
        ensure!(is_near, "a limit of {limit} for {trade:?}");
        Ok(())
    }
}
