//! What is done to the books is found, and located: through the command, with the keeper stopped.

use std::path::PathBuf;

use eyre::{OptionExt as _, Result, ensure};
use serde_json::Value;

use super::scene::Scene;

/// What is done, and where it has to be found.
struct Damage {
    sql: &'static str,
    /// The block, as the store has it before.
    block: &'static str,
    /// The nonce, where the row is one of a transaction.
    nonce: Option<u64>,
    /// Whether the sum breaks as well.
    is_money: bool,
}

/// The block of the transaction that is tampered with.
const ENTRY: &str = "SELECT 'block', block_number FROM ledger_entries \
                     WHERE product = 'counter-1' AND nonce = 7";
/// That of what came in.
const INFLOW: &str = "SELECT 'block', block_number FROM ledger_inflows WHERE product = 'counter-1'";
/// The newest checkpoint.
const CHECKPOINT: &str =
    "SELECT 'block', MAX(block_number) FROM ledger_checkpoints WHERE product = 'counter-1'";

const fn entry(sql: &'static str, nonce: u64, is_money: bool) -> Damage {
    Damage { sql, block: ENTRY, nonce: Some(nonce), is_money }
}

const fn inflow(sql: &'static str) -> Damage {
    Damage { sql, block: INFLOW, nonce: None, is_money: true }
}

const DAMAGE: &[Damage] = &[
    // Corrupted.
    entry(
        "UPDATE ledger_entries SET cost = cost || '0' WHERE product = 'counter-1' AND nonce = 7",
        7,
        true,
    ),
    entry(
        "UPDATE ledger_entries SET gas_used = gas_used + 1 WHERE product = 'counter-1' AND nonce = 7",
        7,
        false,
    ),
    entry(
        "UPDATE ledger_entries SET usd_micro = '1' WHERE product = 'counter-1' AND nonce = 7",
        7,
        false,
    ),
    entry(
        "UPDATE ledger_entries SET succeeded = 1 - succeeded WHERE product = 'counter-1' AND nonce = 7",
        7,
        false,
    ),
    // Missing.
    entry("DELETE FROM ledger_entries WHERE product = 'counter-1' AND nonce = 7", 7, true),
    // Doubled: the same transaction once more, at a nonce that nobody used.
    entry(
        "INSERT INTO ledger_entries SELECT chain_id, wallet, 9007, chain, hash, product, category,
            action, urgency, why, attempts, outcome, succeeded, gas_used, effective_gas_price,
            execution_fee, l1_fee, operator_fee, blob_fee, cost, value, native_usd, price_round,
            price_updated_at, usd_micro, unpriced, settled, income, tokens, slippage, facts,
            block_number, block_hash, block_timestamp, booked_at
         FROM ledger_entries WHERE product = 'counter-1' AND nonce = 7",
        9007,
        true,
    ),
    // The same of what came in.
    inflow("UPDATE ledger_inflows SET wei = wei || '0' WHERE product = 'counter-1'"),
    inflow("DELETE FROM ledger_inflows WHERE product = 'counter-1'"),
    inflow(
        "INSERT INTO ledger_inflows SELECT chain_id, wallet, block_number, number + 1, chain,
            product, wei, source, counterparty, hash, block_hash, block_timestamp, booked_at
         FROM ledger_inflows WHERE product = 'counter-1'",
    ),
    Damage {
        sql: "UPDATE ledger_checkpoints SET balance = balance || '0' WHERE product = 'counter-1'
              AND block_number = (SELECT MAX(block_number) FROM ledger_checkpoints
                                  WHERE product = 'counter-1')",
        block: CHECKPOINT,
        nonce: None,
        // The chain's own word on the balance counts, and closes.
        is_money: false,
    },
];

/// The store, kept as it was.
struct Whole(PathBuf);

impl Whole {
    async fn keep(scene: &Scene) -> Result<Self> {
        let kept = scene.world.dir.path().join("whole.db");
        scene.copy_store(&kept).await?;
        Ok(Self(kept))
    }

    fn restore(&self, scene: &Scene) -> Result<()> {
        for beside in ["db-wal", "db-shm"] {
            let path = scene.world.store().with_extension(beside);
            if path.exists() {
                std::fs::remove_file(path)?;
            }
        }
        std::fs::copy(&self.0, scene.world.store())?;
        Ok(())
    }
}

pub(super) async fn is_found_and_located(scene: &Scene) -> Result<()> {
    let whole = Whole::keep(scene).await?;
    for damage in DAMAGE {
        let block = scene.number(damage.block).await?;
        scene.sql(damage.sql).await?;
        let (code, told) = scene.reconcile(&["--product", "counter-1"]).await?;
        found(damage, block, code, &told)?;
        whole.restore(scene)?;
    }
    let (code, told) = scene.reconcile(&["--product", "counter-1"]).await?;
    ensure!(code == 0 && told["ok"] == true, "not as it was: {told:#}");
    Ok(())
}

fn found(damage: &Damage, block: i64, code: i32, told: &Value) -> Result<()> {
    let of = &told["wallets"][0];
    let sql = damage.sql;
    ensure!(code == 3 && told["ok"] == false && of["ok"] == false, "{sql}: {of:#}");
    let problems = of["problems"].as_array().ok_or_eyre("no problems")?;
    let located = problems.iter().filter(|problem| problem["block"] == block).count();
    ensure!(located > 0, "not located in block {block}: {sql}: {of:#}");
    let elsewhere = problems.iter().filter(|p| p["block"].is_u64() && p["block"] != block).count();
    ensure!(elsewhere == 0, "it is in block {block} alone: {sql}: {of:#}");
    if let Some(nonce) = damage.nonce {
        ensure!(problems.iter().any(|problem| problem["nonce"] == nonce), "{sql}: {of:#}");
    }
    ensure!((of["unexplained_wei"] != "0") == damage.is_money, "{sql}: {of:#}");
    Ok(())
}
