//! Whatever is done to the books, it is found where it was done.

use super::{
    super::{reconcile::Depth, *},
    sim::Act,
    world::{By, WALLETS, World, numbers, rich},
};
use crate::store::Statement;

/// What is done to the books, and which block or nonce must be named for it: of the row that is
/// meant, before it is touched.
const DAMAGE: &[(&str, &str, &str)] = &[
    (
        "a greater cost",
        "entries",
        "UPDATE ledger_entries SET cost = CAST(CAST(cost AS INTEGER) + 1 AS TEXT) WHERE nonce = $1",
    ),
    (
        "cost and fee together",
        "entries",
        "UPDATE ledger_entries SET cost = CAST(CAST(cost AS INTEGER) + 5 AS TEXT), l1_fee = CAST(CAST(l1_fee AS INTEGER) + 5 AS TEXT) WHERE nonce = $1",
    ),
    (
        "a fee moved to another kind",
        "entries",
        "UPDATE ledger_entries SET l1_fee = CAST(CAST(l1_fee AS INTEGER) + 5 AS TEXT), operator_fee = CAST(CAST(operator_fee AS INTEGER) - 5 AS TEXT) WHERE nonce = $1",
    ),
    ("value", "entries", "UPDATE ledger_entries SET value = '123456' WHERE nonce = $1"),
    ("dollars", "entries", "UPDATE ledger_entries SET usd_micro = '98765' WHERE nonce = $1"),
    ("no number", "entries", "UPDATE ledger_entries SET cost = 'x' WHERE nonce = $1"),
    (
        "another block",
        "entries",
        "UPDATE ledger_entries SET block_number = block_number + 1 WHERE nonce = $1",
    ),
    (
        "a block far away",
        "entries",
        "UPDATE ledger_entries SET block_number = 99999 WHERE nonce = $1",
    ),
    ("success", "entries", "UPDATE ledger_entries SET succeeded = 1 - succeeded WHERE nonce = $1"),
    ("gas", "entries", "UPDATE ledger_entries SET gas_used = gas_used + 1 WHERE nonce = $1"),
    (
        "another transaction",
        "entries",
        "UPDATE ledger_entries SET hash = (SELECT hash FROM ledger_entries ORDER BY nonce LIMIT 1) WHERE nonce = $1",
    ),
    ("missing", "entries", "DELETE FROM ledger_entries WHERE nonce = $1"),
    ("misplaced", "entries", "UPDATE ledger_entries SET nonce = nonce + 1000 WHERE nonce = $1"),
    ("less came in", "inflows", "UPDATE ledger_inflows SET wei = '1' WHERE block_number = $1"),
    ("nothing came in", "inflows", "DELETE FROM ledger_inflows WHERE block_number = $1"),
    (
        "it came in another block",
        "inflows",
        "UPDATE ledger_inflows SET block_number = block_number + 1 WHERE block_number = $1",
    ),
    (
        "it came twice",
        "inflows",
        "INSERT INTO ledger_inflows SELECT chain_id, wallet, block_number, 7, chain, product, wei, source, counterparty, hash, block_hash, block_timestamp, booked_at FROM ledger_inflows WHERE block_number = $1",
    ),
    (
        "a balance",
        "checkpoints",
        "UPDATE ledger_checkpoints SET balance = '7' WHERE block_number = $1",
    ),
    (
        "a checkpoint's nonce",
        "ends",
        "UPDATE ledger_checkpoints SET nonce = nonce + 1 WHERE block_number = $1",
    ),
];

#[tokio::test]
async fn damage_is_found_where_it_was_done() {
    let world = rich().await;
    let wallet = "wallet = '0x0101010101010101010101010101010101010101'";
    assert!(wallet.contains(&read::text_of(WALLETS[0])));
    world.sql("CREATE TABLE saved_entries AS SELECT * FROM ledger_entries").await;
    world.sql("CREATE TABLE saved_inflows AS SELECT * FROM ledger_inflows").await;
    world.sql("CREATE TABLE saved_checkpoints AS SELECT * FROM ledger_checkpoints").await;
    let entries = numbers(&world, "SELECT nonce FROM ledger_entries WHERE product = 'eth2x'").await;
    let inflows =
        numbers(&world, "SELECT block_number FROM ledger_inflows WHERE product = 'eth2x'").await;
    let held = numbers(
        &world,
        "SELECT block_number FROM ledger_checkpoints WHERE product = 'eth2x' ORDER BY 1",
    )
    .await;
    assert!(entries.len() > 20 && inflows.len() > 8 && held.len() > 3, "a poor history");
    for (what, table, sql) in DAMAGE {
        let rows = match *table {
            "entries" => entries.clone(),
            "inflows" => inflows.clone(),
            "checkpoints" => held.clone(),
            _ => vec![held[0], *held.last().unwrap()],
        };
        for row in rows {
            // The row that is swapped with itself is not damaged.
            if *what == "another transaction" && Some(&row) == entries.iter().min() {
                continue;
            }
            world.store.commit(vec![Statement::new(sql).with(row)]).await.unwrap();
            let found = world.reconcile(0, Depth::Blocks).await;
            let by_nonce = *table == "entries";
            let named = found.problems.iter().any(|problem| {
                let of = if by_nonce { problem.nonce } else { problem.block };
                of.is_some_and(|of| of == row || of == row + 1 || of == row + 1_000)
            });
            // An intermediate checkpoint is no part of the account unless something is off.
            assert!(!found.is_whole() && named, "{what} at {row}: {found:#?}");
            restore(&world).await;
        }
    }
    world.assert_whole().await;
}

async fn restore(world: &World) {
    for sql in [
        "DELETE FROM ledger_entries",
        "INSERT INTO ledger_entries SELECT * FROM saved_entries",
        "DELETE FROM ledger_inflows",
        "INSERT INTO ledger_inflows SELECT * FROM saved_inflows",
        "DELETE FROM ledger_checkpoints",
        "INSERT INTO ledger_checkpoints SELECT * FROM saved_checkpoints",
    ] {
        world.sql(sql).await;
    }
}

#[tokio::test]
async fn two_wrongs_do_not_make_a_right() {
    let world = rich().await;
    let entries = numbers(&world, "SELECT nonce FROM ledger_entries WHERE product = 'eth2x'").await;
    let shift = |sql, nonce| Statement::new(sql).with(nonce);
    let more = "UPDATE ledger_entries SET cost = CAST(CAST(cost AS INTEGER) + 9 AS TEXT), operator_fee = CAST(CAST(operator_fee AS INTEGER) + 9 AS TEXT) WHERE nonce = $1";
    let less = "UPDATE ledger_entries SET cost = CAST(CAST(cost AS INTEGER) - 9 AS TEXT), operator_fee = CAST(CAST(operator_fee AS INTEGER) - 9 AS TEXT) WHERE nonce = $1";
    let (first, last) = (entries[2], entries[entries.len() - 2]);
    world.store.commit(vec![shift(more, first), shift(less, last)]).await.unwrap();
    let found = world.reconcile(0, Depth::Rows).await;
    assert_eq!(found.unexplained, Some(alloy::primitives::I256::ZERO), "the sum closes");
    for nonce in [first, last] {
        assert!(found.problems.iter().any(|p| p.nonce == Some(nonce)), "{found:#?}");
    }
}

#[tokio::test]
async fn money_that_leaves_without_a_transaction_is_unexplained_at_its_block() {
    let mut world = World::start().await;
    world.block(&[(WALLETS[0], Act::Paid(500, true))], By::Keeper).await;
    world.settle().await;
    world.block(&[(WALLETS[0], Act::Lost(321))], By::Keeper).await;
    let block = world.sim.head().number;
    world.settle().await;
    let found = world.reconcile(0, Depth::Rows).await;
    assert_eq!(found.unexplained.unwrap().to_string(), "-321");
    let problem = found.problems.first().unwrap();
    assert_eq!(problem.block, Some(block), "{found:#?}");
    assert!(problem.what.contains("321 wei left without a transaction"), "{}", problem.what);
}
