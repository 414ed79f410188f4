//! Every wei that leaves a wallet or comes to it is in the books, whatever happens on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

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
use ballast_test_support::{
    Fault, FaultHandle, KeeperCommand, KeeperProcess, RAW_TRANSACTION, free_port,
};
use eyre::{OptionExt as _, Result, ensure};
use serde_json::Value;
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::harness::{DEADLINE, Setup, World, finish, json, key_name};

/// Products that count, each with a wallet and a contract of its own.
const COUNTERS: usize = 4;
/// How often each is to count.
const COUNTS: u64 = 56;
/// Transactions that must have left the wallets at the end.
const LEAST: u64 = 200;
/// The wallet that is only watched.
const LAUNCH: usize = 20;
/// Who pays.
const PAYER: usize = 21;
const BEAT: Duration = Duration::from_millis(200);
const MAX_BEATS: u64 = 600;
const FINALITY: u64 = 4;
const BASE_FEE: u128 = 1_000_000_000;
const TOKEN: &str = "a-token-that-is-long-enough";
/// Counts like the counter of the other tests, and reverts while the word at 2 is not zero.
const COUNTER_CODE: Bytes =
    bytes!("36602014601757600254602457600054600101600055005b6000355460005260206000f35b60006000fd");
/// Pays what it is sent to the address that is its calldata.
const PAYMASTER: Address = address!("0000000000000000000000000000000000009a9e");
const PAYMASTER_CODE: Bytes = bytes!("6000600060006000346000355af100");

/// What a transaction pays beside its gas: known by its hash, as a layer 1's price is to nobody here.
fn l1_fee(hash: B256) -> U256 {
    U256::from(10_000_000_000_u64) + U256::from(hash.0[31]) * U256::from(977)
}

/// What the wallets have paid beside gas up to each block; what the proxy takes from balances.
#[derive(Debug, Clone, Default)]
struct Layer1(Arc<Mutex<BTreeMap<B256, (u64, BTreeMap<Address, U256>)>>>);

impl Layer1 {
    /// Adds the blocks of the chain that are not known.
    async fn follow(&self, node: &Node, wallets: &BTreeSet<Address>) -> Result<()> {
        let mut unknown = Vec::new();
        let mut at = node.block_number().await?;
        let mut paid = loop {
            let block = node.provider().get_block_by_number(at.into()).full().await?;
            let block = block.ok_or_eyre("no such block")?;
            if let Some((_, paid)) = self.0.lock().unwrap().get(&block.header.hash) {
                break paid.clone();
            }
            unknown.push(block);
            match at.checked_sub(1) {
                Some(below) => at = below,
                None => break BTreeMap::new(),
            }
        };
        for block in unknown.into_iter().rev() {
            for sent in block.transactions.into_transactions() {
                let from = sent.inner.signer();
                if wallets.contains(&from) {
                    let fee = l1_fee(*sent.inner.tx_hash());
                    *paid.entry(from).or_default() += fee;
                }
            }
            let known = (block.header.number, paid.clone());
            self.0.lock().unwrap().insert(block.header.hash, known);
        }
        Ok(())
    }

    /// What a wallet had paid after a block that is named as JSON-RPC names one.
    fn paid(&self, wallet: Address, block: &Value) -> U256 {
        let known = self.0.lock().unwrap();
        let hash = block["blockHash"].as_str().or(block.as_str()).unwrap_or_default();
        let of = |(_, paid): &(u64, BTreeMap<Address, U256>)| paid.get(&wallet).copied();
        let at = hash.parse::<B256>().ok().and_then(|hash| known.get(&hash));
        // Blocks named otherwise are the newest: of no account to any book.
        at.or_else(|| known.values().max_by_key(|(number, _)| *number))
            .and_then(of)
            .unwrap_or_default()
    }

    fn inject(&self, world: &World, wallets: &BTreeSet<Address>) -> [FaultHandle; 2] {
        let mine = wallets.clone();
        let receipts = Fault::rewrite(move |_, mut receipt| {
            let from = receipt["from"].as_str().and_then(|from| from.parse::<Address>().ok());
            let hash = receipt["transactionHash"].as_str().and_then(|hash| hash.parse().ok());
            if let (Some(from), Some(hash)) = (from, hash)
                && mine.contains(&from)
            {
                receipt["l1Fee"] = format!("{:#x}", l1_fee(hash)).into();
                receipt["l1GasUsed"] = "0x640".into();
            }
            receipt
        });
        let receipts = world.proxy().inject(receipts.on("eth_getTransactionReceipt"));
        let (layer, mine) = (self.clone(), wallets.clone());
        let balances = Fault::rewrite(move |params, balance| {
            let wallet = params[0].as_str().and_then(|wallet| wallet.parse::<Address>().ok());
            let wei = balance.as_str().and_then(|wei| wei.parse::<U256>().ok());
            match (wallet, wei) {
                (Some(wallet), Some(wei)) if mine.contains(&wallet) => {
                    format!("{:#x}", wei - layer.paid(wallet, &params[1])).into()
                }
                _ => balance,
            }
        });
        let balances = world.proxy().inject(balances.on("eth_getBalance"));
        [receipts, balances]
    }
}

struct Scene {
    world: World,
    layer1: Layer1,
    wallets: BTreeSet<Address>,
    faults: [FaultHandle; 2],
}

fn counter(at: usize) -> Address {
    let mut bytes = [0xc0; 20];
    bytes[19] = at as u8;
    bytes.into()
}

fn name(at: usize) -> String {
    format!("counter-{at}")
}

impl Scene {
    async fn start() -> Result<Self> {
        let world = World::start(Setup { mining: Mining::Manual, ..Setup::default() }).await?;
        std::fs::remove_file(
            world.dir.path().join(format!("products/{}.toml", crate::harness::PRODUCT)),
        )?;
        let feed = world.devnet.deployment().feeds.eth_usd;
        let chain = format!(
            "chain_id = 1\nblock_time = \"200ms\"\nconfirmations = {FINALITY}\nrequest_timeout = \"2s\"\n\
             rpc = [{{ url = \"{}\", ws = \"{}\", archive = true }}]\n\
             contracts.native_usd_feed = \"{feed}\"\n",
            world.proxy.http_url(),
            world.proxy.ws_url()
        );
        world.dir.write("chains/local.toml", chain)?;
        let ballast = format!(
            "[store]\nurl = \"sqlite://{}\"\n[http]\nlisten = \"127.0.0.1:{}\"\ntoken = {{ env = \"TOKEN\" }}\n",
            world.store().display(),
            free_port()?
        );
        world.dir.write("ballast.toml", ballast)?;
        let node = world.devnet.node();
        for at in 0..COUNTERS {
            let category = ["automated", "composite"][at % 2];
            let product = format!(
                "strategy = \"counter\"\nchain = \"local\"\ncategory = \"{category}\"\n[wallet]\n\
                 key = {{ env = \"{}\" }}\n[params]\ncounter = \"{}\"\n",
                key_name(at),
                counter(at)
            );
            world.dir.write(format!("products/{}.toml", name(at)), product)?;
            node.set_code(counter(at), COUNTER_CODE).await?;
        }
        let launch = accounts::keeper_address(LAUNCH);
        let product = format!(
            "strategy = \"none\"\nchain = \"local\"\ncategory = \"launch\"\n[wallet]\naddress = \"{launch}\"\n"
        );
        world.dir.write("products/launch.toml", product)?;
        node.set_code(PAYMASTER, PAYMASTER_CODE).await?;
        let mut wallets: BTreeSet<Address> = (0..COUNTERS).map(accounts::keeper_address).collect();
        wallets.insert(launch);
        for wallet in wallets.iter().copied().chain([accounts::keeper_address(PAYER)]) {
            node.set_balance(wallet, parse_ether("1000")?).await?;
        }
        let layer1 = Layer1::default();
        let faults = layer1.inject(&world, &wallets);
        let scene = Self { world, layer1, wallets, faults };
        for _ in 0..FINALITY {
            scene.beat(BASE_FEE).await?;
        }
        Ok(scene)
    }

    fn node(&self) -> &Node {
        self.world.devnet.node()
    }

    fn command(&self, args: &[&str]) -> KeeperCommand {
        let program = env!("CARGO_BIN_EXE_keeper-with-counter");
        let mut command = self.world.command(program, args).env("TOKEN", TOKEN).env("USER", "ann");
        for at in 0..COUNTERS {
            command = command.env(key_name(at), accounts::keeper_key(at).to_string());
        }
        command
    }

    async fn keeper(&self) -> Result<KeeperProcess> {
        let keeper = self.command(&["--log", "info,ballast=debug", "run"]).start()?;
        keeper.wait_for_line("first head", DEADLINE).await?;
        Ok(keeper)
    }

    /// One more block, and what its transactions paid beside gas is known to the proxy.
    async fn beat(&self, base_fee: u128) -> Result<()> {
        self.node().set_next_base_fee(base_fee).await?;
        self.node().mine(1).await?;
        self.layer1.follow(self.node(), &self.wallets).await
    }

    async fn word(&self, at: usize, key: u64, value: u64) -> Result<()> {
        let set = (counter(at), U256::from(key), B256::from(U256::from(value)));
        self.node().rpc::<_, Option<bool>>("anvil_setStorageAt", set).await.map(drop)
    }

    /// Somebody signs with a key and hands it to the node, at the account's next nonce.
    async fn send(&self, by: usize, to: Address, wei: u128, data: Bytes) -> Result<()> {
        let signer = PrivateKeySigner::from_bytes(&accounts::keeper_key(by))?;
        let request = TransactionRequest::default()
            .with_chain_id(1)
            .with_nonce(self.node().nonce(signer.address()).await?)
            .with_to(to)
            .with_value(U256::from(wei))
            .with_input(data)
            .with_gas_limit(200_000)
            .with_max_fee_per_gas(400 * BASE_FEE)
            .with_max_priority_fee_per_gas(150 * BASE_FEE);
        let raw = request.build(&EthereumWallet::new(signer)).await?.encoded_2718();
        let raw = Bytes::from(raw);
        self.node().rpc::<_, B256>("eth_sendRawTransaction", (raw,)).await.map(drop)
    }

    /// What happens beside the counting, by the number of the beat.
    async fn disturb(&self, beat: u64) -> Result<u128> {
        let wallet = accounts::keeper_address;
        let payer_pays = |to: usize, wei| self.send(PAYER, wallet(to), wei, Bytes::new());
        match beat {
            // A transaction meets a contract that has changed since it was simulated.
            8 | 24 | 37 | 55 => self.word((beat % 4) as usize, 2, 1).await?,
            9 | 25 | 38 | 56 => self.word(((beat - 1) % 4) as usize, 2, 0).await?,
            15 => payer_pays(0, 5_000_000).await?,
            17 => {
                let data = Bytes::from(B256::left_padding_from(wallet(1).as_slice()).0.to_vec());
                self.send(PAYER, PAYMASTER, 7_000_000, data).await?;
            }
            18 => payer_pays(LAUNCH, 11_000_000).await?,
            // Somebody else uses a key; whatever ours was at that nonce goes by the board.
            23 | 57 => self.send(2, wallet(PAYER), 13, Bytes::new()).await?,
            21 | 22 | 34 | 50 => {
                self.send(LAUNCH, counter(0), 0, Bytes::from_static(b"count")).await?
            }
            35 => self.send(LAUNCH, wallet(PAYER), 17_000_000, Bytes::new()).await?,
            _ => {}
        }
        // Now and then nobody buys the next blocks at the price of before: replaced.
        Ok(if (56..59).contains(&(beat % 60)) { 30 * BASE_FEE } else { BASE_FEE })
    }

    async fn count(&self, at: usize) -> Result<u64> {
        let word: U256 =
            self.node().rpc("eth_getStorageAt", (counter(at), U256::ZERO, "latest")).await?;
        Ok(word.try_into()?)
    }

    async fn is_done(&self) -> Result<bool> {
        for at in 0..COUNTERS {
            if self.count(at).await? < COUNTS {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn sql(&self, sql: &'static str) -> Result<SqliteConnection> {
        let options = SqliteConnectOptions::new().filename(self.world.store());
        let mut store = SqliteConnection::connect_with(&options).await?;
        sqlx::query(sql).execute(&mut store).await?;
        Ok(store)
    }

    async fn ask(&self, sql: &'static str) -> Result<Vec<(String, i64)>> {
        let options = SqliteConnectOptions::new().filename(self.world.store()).read_only(true);
        let mut store = SqliteConnection::connect_with(&options).await?;
        let rows = sqlx::query(sql).fetch_all(&mut store).await?;
        store.close().await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn reconcile(&self) -> Result<(i32, Value)> {
        let (code, out, err) = finish(self.command(&["gas", "reconcile", "--json"])).await?;
        ensure!(!out.is_empty(), "{err:?}");
        Ok((code, json(&out)))
    }

    /// What a wallet's transactions in the blocks after one and up to another cost by the node's own
    /// receipts, and what they carried away.
    async fn spent(&self, wallet: Address, (from, to): (u64, u64)) -> Result<(u64, U256, U256)> {
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

fn wei(of: &Value) -> U256 {
    of.as_str().expect("an amount as text").parse().expect("an amount")
}

fn sum(of: &Value, kinds: &[&str]) -> U256 {
    kinds.iter().map(|kind| wei(&of[kind])).sum()
}

#[tokio::test]
async fn nothing_is_unexplained_after_two_hundred_transactions_of_every_kind() -> Result<()> {
    let scene = Scene::start().await?;
    let mut keeper = scene.keeper().await?;
    keeper.wait_for_line("the books begin", DEADLINE).await?;
    for at in 0..COUNTERS {
        scene.word(at, 1, COUNTS).await?;
    }
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut orders, mut swallowed) = (JoinSet::new(), None::<FaultHandle>);
    let (mut resume_at, mut done) = (u64::MAX, false);
    for beat in 1..MAX_BEATS {
        beats.tick().await;
        match beat {
            10 | 45 => {
                scene.node().reorg(2).await?;
                scene.layer1.follow(scene.node(), &scene.wallets).await?;
            }
            16 | 46 => {
                keeper.kill9().await?;
                keeper = scene.keeper().await?;
            }
            // For a while nothing arrives, and an operator gives up what waits. Paused, since the
            // strategy would take the nonce back at once.
            26 => {
                swallowed = Some(scene.world.proxy().inject(Fault::SwallowRaw.on(RAW_TRANSACTION)))
            }
            29 => {
                let (code, out, err) = finish(scene.command(&["pause", &name(3)])).await?;
                ensure!(code == 0, "{out:?} {err:?}");
                orders.spawn(finish(scene.command(&["tx", "cancel", &name(3), "--json"])));
            }
            _ => {}
        }
        let base_fee = scene.disturb(beat).await?;
        scene.beat(base_fee).await?;
        if let Some(cancelled) = orders.try_join_next() {
            let (code, out, err) = cancelled??;
            ensure!(code == 0, "{out:?} {err:?}");
            swallowed.take().ok_or_eyre("nothing was swallowed")?.remove();
            resume_at = beat + 8;
        }
        if beat == resume_at {
            let (code, out, err) = finish(scene.command(&["resume", &name(3)])).await?;
            ensure!(code == 0, "{out:?} {err:?}");
        }
        if beat > resume_at && beat > 60 && scene.is_done().await? {
            done = true;
            break;
        }
    }
    ensure!(done, "{}", keeper.failure("it never counted enough"));
    // The next day: everything is final, and the books of the day before are reconciled.
    scene.node().warp(86_400).await?;
    scene.layer1.follow(scene.node(), &scene.wallets).await?;
    let told = |keeper: &KeeperProcess| {
        let lines = keeper.lines();
        let whole = lines.iter().filter(|l| l.contains("reconciled: nothing is unexplained"));
        whole.count()
    };
    for _ in 0..MAX_BEATS {
        beats.tick().await;
        if told(&keeper) > COUNTERS {
            break;
        }
        scene.beat(BASE_FEE).await?;
    }
    ensure!(told(&keeper) > COUNTERS, "{}", keeper.failure("not reconciled"));

    let kinds = scene
        .ask("SELECT outcome, COUNT(*) FROM ledger_entries GROUP BY outcome ORDER BY outcome")
        .await?;
    let of: BTreeMap<String, i64> = kinds.iter().cloned().collect();
    for (outcome, least) in [("confirmed", 200), ("reverted", 1), ("cancelled", 1)] {
        ensure!(of.get(outcome).is_some_and(|count| *count >= least), "{outcome}: {of:?}");
    }
    let foreign = of.get("foreign").unwrap_or(&0) + of.get("superseded").unwrap_or(&0);
    ensure!(foreign >= 2, "nobody else used a key: {of:?}");
    let replaced =
        scene.ask("SELECT 'replaced', COUNT(*) FROM ledger_entries WHERE attempts > 1").await?;
    ensure!(replaced[0].1 >= 2, "nothing was replaced: {replaced:?}");
    let unpriced = scene
        .ask("SELECT 'unpriced', COUNT(*) FROM ledger_entries WHERE usd_micro IS NULL")
        .await?;
    ensure!(unpriced[0].1 == 0, "{unpriced:?}");

    let (code, told) = scene.reconcile().await?;
    ensure!(code == 0 && told["ok"] == true, "{told:#}");
    let wallets = told["wallets"].as_array().ok_or_eyre("no wallets")?;
    ensure!(wallets.len() == COUNTERS + 1, "{told:#}");
    let mut all = 0;
    for of in wallets {
        ensure!(of["unexplained_wei"] == "0" && of["unproven"] == serde_json::json!([]), "{of:#}");
        let blocks = ["opening", "closing"].map(|end| of[end]["block"].as_u64().unwrap());
        let wallet: Address = of["wallet"].as_str().unwrap().parse()?;
        let (count, cost, carried) = scene.spent(wallet, blocks.into()).await?;
        ensure!(of["entries"] == count, "{count}: {of:#}");
        let fees = sum(&of["outflows_wei"], &["execution", "l1", "operator", "blob"]);
        ensure!(fees == cost, "the receipts say {cost}: {of:#}");
        ensure!(wei(&of["outflows_wei"]["value"]) == carried, "{carried}: {of:#}");
        all += count;
    }
    ensure!(all >= LEAST, "{all} transactions only");
    for fault in &scene.faults {
        ensure!(fault.fired() > 0, "nothing was paid on layer 1");
    }
    let came = |at: usize, source: &str| {
        let product = if at == LAUNCH { "launch".to_owned() } else { name(at) };
        let of = wallets.iter().find(|of| of["product"] == product.as_str()).unwrap();
        wei(&of["inflows_wei"][source])
    };
    assert_eq!(came(0, "transfer"), U256::from(5_000_000));
    assert_eq!(came(1, "internal"), U256::from(7_000_000));
    assert_eq!(came(LAUNCH, "transfer"), U256::from(11_000_000));

    keeper.terminate()?;
    ensure!(keeper.wait_exit(DEADLINE).await?.success(), "a clean stop");
    damaged(&scene).await
}

/// What is done to the books is found, and located.
async fn damaged(scene: &Scene) -> Result<()> {
    let nonce = 7;
    for sql in [
        "UPDATE ledger_entries SET cost = '1' WHERE product = 'counter-1' AND nonce = 7",
        "DELETE FROM ledger_entries WHERE product = 'counter-1' AND nonce = 7",
        "INSERT INTO ledger_entries SELECT chain_id, wallet, 7, chain, hash, product, category,
            action, urgency, why, attempts, outcome, succeeded, gas_used, effective_gas_price,
            execution_fee, l1_fee, operator_fee, blob_fee, cost, value, native_usd, price_round,
            price_updated_at, usd_micro, unpriced, settled, income, tokens, slippage, facts,
            block_number, block_hash, block_timestamp, booked_at
         FROM ledger_entries WHERE product = 'counter-1' AND nonce = 8",
    ] {
        scene.sql(sql).await?.close().await?;
        let (code, told) = scene.reconcile().await?;
        let wallets = told["wallets"].as_array().ok_or_eyre("no wallets")?;
        let of = wallets.iter().find(|of| of["product"] == "counter-1").ok_or_eyre("not there")?;
        let problems = of["problems"].as_array().ok_or_eyre("no problems")?;
        let named = problems.iter().any(|problem| problem["nonce"] == nonce);
        ensure!(code == 3 && of["ok"] == false && named, "{sql}: {of:#}");
        ensure!(problems.iter().any(|problem| problem["block"].is_u64()), "{sql}: {of:#}");
    }
    Ok(())
}
