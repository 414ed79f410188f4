//! What was done, counted at the chain and in the journal, each by itself: raw JSON of every block
//! on one side, SQL on the other, and none of the keeper's own code.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use alloy::{
    consensus::{Transaction as _, transaction::SignerRecoverable as _},
    primitives::{Address, U256},
};
use ballast_devnet::Action;
use eyre::{OptionExt as _, Report, Result, ensure, eyre};
use serde_json::Value;
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::world::World;
use crate::stage::decode;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// Nonces of all wallets that blocks used.
    pub(super) used: u64,
    /// Calls of the products that blocks hold and that succeeded.
    pub(super) executed: u64,
    /// Different intents that the journal has as executed.
    pub(super) intents: u64,
    pub(super) cancelled: u64,
    /// Different signed transactions that the endpoints saw, and all of them.
    pub(super) attempts: usize,
    pub(super) sends: usize,
}

/// A transaction of one of the wallets, in a block.
#[derive(Debug)]
struct Mined {
    hash: String,
    to: Address,
    succeeded: bool,
    is_call: bool,
}

/// A nonce in the journal.
#[derive(Debug)]
struct Journalled {
    outcome: String,
    included: String,
    /// Product, action and answers of the attempt that was included; none for a cancellation.
    intent: Option<(String, String, String)>,
}

type ByNonce<T> = BTreeMap<(Address, u64), T>;

/// Whether everything that is due is done, and final in the journal.
pub(super) async fn is_settled(world: &World) -> Result<bool> {
    Ok(unsettled_parts(world).await?.is_empty())
}

/// An error that says what is not settled.
pub(super) async fn unsettled(world: &World) -> Result<Report> {
    Ok(eyre!("not settled: {}", unsettled_parts(world).await?.join(", ")))
}

async fn unsettled_parts(world: &World) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    for counter in &world.counters {
        let count = world.count(counter).await?;
        if count != counter.due {
            parts.push(format!("{} counted {count} of {}", counter.address, counter.due));
        }
    }
    for product in world.leveraged() {
        let due = world.market().should_rebalance(product).await?;
        if due.iter().any(|(_, action)| *action != Action::None) {
            parts.push(format!("{} is due", product.strategy));
        }
    }
    let journal = journal(&world.store()).await?;
    for (wallet, _) in world.wallets() {
        let used = world.node().nonce(wallet).await?;
        let slots = journal.iter().filter(|((of, _), _)| *of == wallet);
        let (mut known, mut open) = (0, Vec::new());
        for ((_, nonce), slot) in slots {
            known += 1;
            if slot.outcome.is_empty() {
                open.push(*nonce);
            }
        }
        if known != used || !open.is_empty() {
            parts.push(format!("{wallet}: {used} nonces used, {known} known, open {open:?}"));
        }
    }
    Ok(parts)
}

/// Compares the two.
pub(super) async fn audit(world: &World) -> Result<Count> {
    let mined = on_the_chain(world).await?;
    let journal = journal(&world.store()).await?;
    let wallets = world.wallets();
    let mut count = Count { used: mined.len() as u64, ..Count::default() };

    // Every nonce is used once, without a gap, by what the journal says.
    let at_chain: BTreeSet<_> = mined.keys().copied().collect();
    let journalled: BTreeSet<_> = journal.keys().copied().collect();
    ensure!(at_chain == journalled, "{:?}", at_chain.symmetric_difference(&journalled));
    for (wallet, _) in &wallets {
        let nonces: Vec<u64> =
            at_chain.iter().filter(|(of, _)| of == wallet).map(|(_, nonce)| *nonce).collect();
        let used = world.node().nonce(*wallet).await?;
        ensure!(nonces == (0..used).collect::<Vec<_>>(), "{wallet}: a gap in {nonces:?}");
    }
    for (at, transaction) in &mined {
        let slot = journal.get(at).ok_or_eyre("compared above")?;
        ensure!(slot.included == transaction.hash, "{at:?}: {slot:?}, {transaction:?}");
        ensure!(transaction.succeeded, "{at:?} reverted: {slot:?}");
        let outcome = if transaction.is_call { "confirmed" } else { "cancelled" };
        ensure!(slot.outcome == outcome, "{at:?}: {slot:?}, {transaction:?}");
        ensure!(slot.intent.is_some() == transaction.is_call, "{at:?}: {slot:?}");
    }

    // Each call executed an intent, and no intent was executed twice.
    count.executed = mined.values().filter(|mined| mined.is_call).count() as u64;
    count.cancelled = count.used - count.executed;
    let intents: BTreeSet<_> = journal.values().filter_map(|slot| slot.intent.as_ref()).collect();
    count.intents = intents.len() as u64;
    ensure!(count.executed == count.intents, "executions and intents: {count:?}");

    // The contracts count for themselves.
    for (wallet, to) in &wallets {
        let calls = mined.iter().filter(|((of, _), mined)| of == wallet && mined.is_call);
        let calls: Vec<_> = calls.collect();
        ensure!(calls.iter().all(|(_, mined)| mined.to == *to), "{wallet} called another");
        if let Some(counter) = world.counters.iter().find(|counter| counter.address == *to) {
            let counted = world.count(counter).await?;
            ensure!(counted == calls.len() as u64 && counted == counter.due, "{to}: {counted}");
        }
    }
    sent(world, &at_chain, &mut count).await?;
    Ok(count)
}

/// Nothing was sent that is not journalled, and at no nonce that was not used.
async fn sent(world: &World, used: &BTreeSet<(Address, u64)>, count: &mut Count) -> Result<()> {
    let raw: Vec<String> =
        world.proxies().iter().flat_map(|proxy| proxy.raw_transactions()).collect();
    count.sends = raw.len();
    let distinct: BTreeSet<String> = raw.into_iter().collect();
    count.attempts = distinct.len();
    let mut store = open(&world.store()).await?;
    let known = sqlx::query_scalar::<_, String>("SELECT raw FROM attempts");
    let known: BTreeSet<String> = known.fetch_all(&mut store).await?.into_iter().collect();
    store.close().await?;
    let strangers: Vec<_> = distinct.difference(&known).collect();
    ensure!(strangers.is_empty(), "sent and not journalled: {strangers:?}");
    let mut nonces = BTreeSet::new();
    for raw in &distinct {
        let transaction = decode(raw)?;
        nonces.insert((transaction.recover_signer()?, transaction.nonce()));
    }
    ensure!(nonces == *used, "nonces sent and used: {:?}", nonces.symmetric_difference(used));
    Ok(())
}

/// Every transaction of the wallets in the chain's blocks.
async fn on_the_chain(world: &World) -> Result<ByNonce<Mined>> {
    let wallets: BTreeSet<Address> = world.wallets().into_iter().map(|(of, _)| of).collect();
    let node = world.node();
    let mut found = BTreeMap::new();
    for number in world.first_block..=node.block_number().await? {
        let number = U256::from(number);
        let block: Value = node.rpc("eth_getBlockByNumber", (number, true)).await?;
        for transaction in block["transactions"].as_array().ok_or_eyre("a block without a body")? {
            let from: Address = parse(transaction, "from")?;
            if !wallets.contains(&from) {
                continue;
            }
            let hash = text(transaction, "hash")?;
            let receipt: Value = node.rpc("eth_getTransactionReceipt", (&hash,)).await?;
            let mined = Mined {
                succeeded: text(&receipt, "status")? == "0x1",
                to: parse(transaction, "to")?,
                is_call: text(transaction, "input")? != "0x",
                hash,
            };
            let nonce: U256 = parse(transaction, "nonce")?;
            let twice = found.insert((from, nonce.try_into()?), mined);
            ensure!(twice.is_none(), "two transactions at one nonce: {twice:?}, {transaction}");
        }
    }
    Ok(found)
}

fn text(of: &Value, field: &str) -> Result<String> {
    of[field].as_str().map(str::to_owned).ok_or_else(|| eyre!("no {field} in {of}"))
}

fn parse<T: std::str::FromStr>(of: &Value, field: &str) -> Result<T> {
    text(of, field)?.parse().map_err(|_| eyre!("{field} of {of}"))
}

async fn open(store: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(store).read_only(true);
    Ok(SqliteConnection::connect_with(&options).await?)
}

/// Every nonce of every wallet in the journal.
async fn journal(store: &Path) -> Result<ByNonce<Journalled>> {
    let mut store = open(store).await?;
    let sql = "SELECT s.wallet, s.nonce, COALESCE(s.outcome, ''), COALESCE(s.included_hash, ''),
            CASE WHEN a.kind = 'cancellation' THEN NULL ELSE i.product END, i.action, i.answers
        FROM slots s
        LEFT JOIN attempts a ON a.hash = s.included_hash
        LEFT JOIN intents i ON i.chain_id = a.chain_id AND i.wallet = a.wallet
            AND i.nonce = a.nonce AND i.number = a.intent";
    let rows = sqlx::query(sql).fetch_all(&mut store).await?;
    store.close().await?;
    let read = |row: &sqlx::sqlite::SqliteRow| -> Result<_> {
        let wallet: Address = row.get::<String, _>(0).parse()?;
        let nonce = u64::try_from(row.get::<i64, _>(1))?;
        let product: Option<String> = row.get(4);
        let intent = product.map(|product| (product, row.get(5), row.get(6)));
        Ok(((wallet, nonce), Journalled { outcome: row.get(2), included: row.get(3), intent }))
    };
    rows.iter().map(read).collect()
}
