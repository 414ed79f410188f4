//! Rows that make no sense, and what is completed later: one row never keeps others waiting.

use std::sync::Arc;

use alloy::primitives::U256;

use super::{
    super::external::External,
    sim::Act,
    world::{By, DAY, WALLETS, World, numbers},
};
use crate::{ledger::reconcile::Depth, store::Statement};

const SEND: Act =
    Act::Send { gas: 100, price: 3, l1: 5, value: 0, to_self: false, works: true, income: 0 };

/// A transaction that is booked, and lies after the newest checkpoint.
async fn booked() -> World {
    let mut world = World::start().await;
    world.settle().await;
    world.block(&[(WALLETS[0], SEND)], By::Keeper).await;
    while world.entries(0).await.is_empty() {
        world.block(&[], By::Keeper).await;
    }
    world
}

#[tokio::test]
async fn a_row_that_cannot_be_read_does_not_stop_the_books() {
    for spoil in [
        "UPDATE ledger_entries SET cost = 'x'",
        "UPDATE ledger_entries SET block_number = 99999",
        "UPDATE ledger_entries SET block_number = 'x'",
    ] {
        let mut world = booked().await;
        world.sql(spoil).await;
        world.settle().await;
        world.block(&[(WALLETS[0], Act::Internal(99))], By::Keeper).await;
        let block = world.sim.head().number;
        world.settle().await;
        assert!(*world.held(0).await.last().unwrap() >= block, "{spoil}: the books go on");
        assert_eq!(world.came(0).await, U256::from(99), "{spoil}");
        let found = world.reconcile(0, Depth::Rows).await;
        assert!(found.problems.iter().any(|problem| problem.nonce == Some(5)), "{found:#?}");
        world.quiet(DAY).await;
        assert!(world.told(0).is_some(), "{spoil}: the keeper tells by itself");
    }
}

#[tokio::test]
async fn an_entry_that_is_gone_is_booked_again_from_the_journal() {
    let mut world = booked().await;
    let before = world.entries(0).await;
    world.sql("DELETE FROM ledger_entries").await;
    world.settle().await;
    let after = world.entries(0).await;
    assert_eq!(after.len(), 1);
    assert_eq!((after[0].outcome, after[0].hash), (before[0].outcome, before[0].hash));
    world.assert_whole().await;
}

#[tokio::test]
async fn a_row_of_the_journal_that_makes_no_sense_keeps_no_other_from_being_booked() {
    let mut world = World::start().await;
    world.settle().await;
    let odd = "INSERT INTO slots (chain_id, wallet, nonce, chain, product, state, outcome,
            postcondition, created_at)
        VALUES (1, '0x0000000000000000000000000000000000000000', 1, 'test', 'old', 'final',
            'eaten', 'held', 0)";
    world.sql(odd).await;
    world.block(&[(WALLETS[0], SEND)], By::Keeper).await;
    world.settle().await;
    assert_eq!(world.entries(0).await.len(), 1);
    world.assert_whole().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_completed_keeps_nobody_from_the_reconciliation() {
    let mut world = World::start().await;
    world.sim.set_priced(false);
    world.block(&[(WALLETS[0], SEND)], By::Keeper).await;
    world.settle().await;
    world.sql("UPDATE ledger_entries SET cost = 'x'").await;
    world.quiet(DAY).await;
    let told = world.told(0).unwrap();
    assert!(told.contains("nonce 5"), "{told}");
}

#[tokio::test]
async fn what_was_not_ours_is_settled_as_what_it_was() {
    let mut world = World::with(Some(Arc::new(External))).await;
    world.block(&[(WALLETS[0], SEND)], By::Thief).await;
    world.settle().await;
    // As it is after a reorganisation: the strategy would be asked again.
    world.sql("UPDATE ledger_entries SET settled = 0").await;
    world.settle().await;
    let entries = world.entries(0).await;
    assert!(entries[0].is_foreign());
    assert_eq!(entries[0].settlement, Some(ballast_strategy_api::Settlement::default()));
}

#[tokio::test]
async fn rows_without_a_price_keep_no_other_from_being_settled() {
    let mut world = World::with(Some(Arc::new(External))).await;
    world.sim.set_priced(false);
    for _ in 0..40 {
        world.block(&[(WALLETS[0], SEND)], By::Thief).await;
    }
    world.settle().await;
    let first =
        Statement::new("UPDATE ledger_entries SET settled = 0 WHERE nonce = $1").with(5_u64);
    world.store.commit(vec![first]).await.unwrap();
    world.settle().await;
    let unsettled = "SELECT COUNT(*) FROM ledger_entries WHERE settled = 0";
    assert_eq!(numbers(&world, unsettled).await, [0]);
}

#[tokio::test]
async fn what_came_in_is_not_booked_anew_because_it_would_be_divided_otherwise_by_now() {
    let mut world = World::start().await;
    world.settle().await;
    let paid =
        Act::Send { gas: 1, price: 1, l1: 0, value: 0, to_self: false, works: true, income: 900 };
    let acts = [(WALLETS[0], paid), (WALLETS[0], Act::Internal(7)), (WALLETS[0], Act::Counted)];
    world.block(&acts, By::Keeper).await;
    world.settle().await;
    assert_eq!(world.came(0).await, U256::from(907));
    // The strategy says so only later; and a nonce that nobody used has the stretch looked at again.
    world.sql("UPDATE ledger_entries SET settled = 1, income = '900'").await;
    world.quiet(2 * DAY).await;
    assert!(world.told(0).is_some());
    assert_eq!(world.came(0).await, U256::from(907));
}
