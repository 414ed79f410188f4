//! Endpoints that lack what was there, that take back what was final, and that come back: the books
//! go on, and what they do not know is told until they do.

use alloy::primitives::{Address, B256, U256};

use super::{
    super::{reconcile::Depth, *},
    sim::Act,
    world::{By, DAY, FINALITY, PRODUCTS, WALLETS, World, numbers},
};

fn send(gas: u64) -> Act {
    Act::Send { gas, price: 3, l1: 5, value: 0, to_self: false, works: true, income: 0 }
}

/// Something happens while nobody looks, and the next look is when nodes have its states no more.
async fn overlooked(world: &mut World, acts: &[(Address, Act)], by: By) {
    world.sim.keep_states(100);
    world.mine(acts, by).await;
    for _ in 0..400 {
        world.mine(&[], By::Keeper).await;
    }
    world.look().await;
}

#[tokio::test]
async fn a_reorganisation_below_finality_takes_the_books_with_it() {
    let mut world = World::start().await;
    world.block(&[(WALLETS[0], send(1_000)), (WALLETS[1], send(10))], By::Keeper).await;
    world.settle().await;
    world.block(&[(WALLETS[0], Act::Internal(99)), (WALLETS[1], send(11))], By::Keeper).await;
    world.block(&[(WALLETS[0], send(2_000))], By::Somebody).await;
    world.settle().await;
    world.assert_whole().await;
    // The blocks of both fall away; the same transaction of ours is mined anew, dearer.
    world.sim.reorg(40);
    world.block(&[(WALLETS[0], send(2_500)), (WALLETS[0], Act::Paid(7, true))], By::Somebody).await;
    world.quiet(3 * (30 + FINALITY)).await;
    world.assert_whole().await;
    world.assert_sums().await;
}

#[tokio::test]
async fn without_old_states_it_says_what_it_cannot_prove_and_an_archive_mends_it() {
    let mut world = World::start().await;
    world.settle().await;
    overlooked(&mut world, &[(WALLETS[0], Act::Internal(4_321))], By::Keeper).await;
    world.settle().await;
    let found = world.reconcile(0, Depth::Blocks).await;
    assert_eq!(found.unexplained.unwrap().to_string(), "4321", "a gap is not closed by itself");
    assert!(found.unproven.iter().any(|what| what.contains("archive = true")), "{found:#?}");
    let found = found.problem().unwrap();
    assert!(found.contains("4321 wei unexplained between blocks"), "{found}");
    world.sim.keep_all_states();
    world.quiet(DAY + 30).await;
    world.assert_whole().await;
}

#[tokio::test]
async fn what_is_unexplained_is_told_until_it_is_explained() {
    let mut world = World::start().await;
    world.settle().await;
    overlooked(&mut world, &[(WALLETS[0], Act::Internal(4_321))], By::Keeper).await;
    world.quiet(DAY + 30).await;
    let first = world.told(0).unwrap();
    assert!(first.contains("4321 wei unexplained"), "{first}");
    // The days after it are in order, and it is told all the same.
    for _ in 0..4 {
        world.quiet(DAY).await;
        let still = world.told(0).unwrap();
        assert!(still.contains("4321 wei unexplained"), "{still}");
    }
    assert_eq!(world.told(1), None, "the other wallet's books are whole");
    // Another process knows it at once.
    world.restart();
    world.block(&[], By::Keeper).await;
    let still = world.told(0).unwrap();
    assert!(still.contains("4321 wei unexplained"), "{still}");
    world.sim.keep_all_states();
    world.quiet(DAY + 30).await;
    assert_eq!(world.told(0), None);
    world.assert_whole().await;
    world.restart();
    world.quiet(30).await;
    assert_eq!(world.told(0), None, "what is explained stays so");
}

#[tokio::test]
async fn a_start_with_an_archive_fills_the_gap_without_waiting_for_the_next_day() {
    let mut world = World::start().await;
    world.settle().await;
    overlooked(&mut world, &[(WALLETS[0], Act::Internal(4_321))], By::Keeper).await;
    world.quiet(DAY + 30).await;
    assert!(world.told(0).is_some());
    assert_eq!(world.came(0).await, U256::ZERO);
    world.sim.keep_all_states();
    world.restart();
    world.block(&[], By::Keeper).await;
    assert_eq!((world.came(0).await, world.told(0)), (U256::from(4_321), None));
}

#[tokio::test]
async fn a_gap_with_many_inflows_is_filled_once_the_states_are_to_be_had() {
    let mut world = World::start().await;
    world.settle().await;
    world.sim.keep_states(100);
    for round in 0..400 {
        let came = (WALLETS[0], Act::Internal(1_000 + round));
        world
            .mine(if round % 5 == 0 { std::slice::from_ref(&came) } else { &[] }, By::Keeper)
            .await;
    }
    world.mine(&[], By::Keeper).await;
    for _ in 0..100 {
        world.mine(&[], By::Keeper).await;
    }
    world.look().await;
    world.quiet(DAY).await;
    assert_eq!(world.came(0).await, U256::ZERO, "nobody can tell");
    world.sim.keep_all_states();
    world.quiet(DAY + 30).await;
    let came: u64 = (0..400).step_by(5).map(|round| 1_000 + round).sum();
    assert_eq!(world.came(0).await, U256::from(came));
    world.assert_whole().await;
}

#[tokio::test]
async fn a_nonce_that_was_used_while_nobody_looked_does_not_stop_the_books() {
    let mut world = World::start().await;
    world.settle().await;
    overlooked(&mut world, &[(WALLETS[1], send(1_000))], By::Somebody).await;
    world.settle().await;
    world.block(&[(WALLETS[1], Act::Internal(99))], By::Keeper).await;
    world.settle().await;
    assert_eq!(world.came(1).await, U256::from(99), "the books go on");
    let found = world.reconcile(1, Depth::Rows).await;
    assert!(found.problem().unwrap().contains("nonce 5 is used and not booked"), "{found:#?}");
    world.sim.keep_all_states();
    world.quiet(DAY + 30).await;
    world.assert_whole().await;
    world.assert_sums().await;
}

#[tokio::test]
async fn a_nonce_that_the_chain_counted_by_itself_is_told_and_stops_nothing() {
    let mut world = World::start().await;
    world.settle().await;
    world.block(&[(WALLETS[1], Act::Counted)], By::Keeper).await;
    world.block(&[(WALLETS[1], Act::Internal(99))], By::Keeper).await;
    world.settle().await;
    assert_eq!(world.came(1).await, U256::from(99), "the books go on");
    world.block(&[(WALLETS[1], send(10))], By::Somebody).await;
    world.quiet(DAY).await;
    assert_eq!(world.entries(1).await.len(), 1);
    let told = world.told(1).unwrap();
    assert!(told.contains("0 wei unexplained") && told.contains("nonce 5 is used"), "{told}");
}

#[tokio::test]
async fn a_block_that_a_node_does_not_have_is_no_reorganisation() {
    let mut world = World::start().await;
    world.settle().await;
    // Both wallets have a checkpoint of the same block.
    let come = [(WALLETS[0], Act::Internal(7)), (WALLETS[1], Act::Internal(8))];
    world.block(&come, By::Keeper).await;
    world.settle().await;
    let newest = *world.held(0).await.last().unwrap();
    assert_eq!(world.held(1).await.last(), Some(&newest));
    let booked = "SELECT booked_at FROM ledger_inflows ORDER BY wallet";
    let before = numbers(&world, booked).await;
    assert_eq!(before.len(), 2);
    world.sim.hide_block(Some(newest));
    world.restart();
    world.settle().await;
    assert_eq!(numbers(&world, booked).await, before, "taken back and booked anew");
}

/// Checkpoints of a branch that is not canonical, at so many blocks from `first` on.
async fn fallen_away(world: &World, first: u64, count: u64) {
    let ledger = world.store.ledger();
    let holder = ledger.holders().await.unwrap().into_iter();
    let holder = holder.clone().find(|holder| holder.wallet == WALLETS[0]).unwrap();
    for number in first..first + count {
        let block = BlockRef { number, hash: B256::repeat_byte(0xff), timestamp: number };
        let at = Checkpoint { holder: holder.clone(), block, balance: U256::ZERO, nonce: 5 };
        ledger.hold(&at, None).await.unwrap();
    }
}

#[tokio::test]
async fn however_many_checkpoints_fell_away_the_one_that_stands_is_found() {
    let mut world = World::start().await;
    world.block(&[(WALLETS[0], Act::Paid(500, true))], By::Keeper).await;
    world.settle().await;
    let held = world.held(0).await;
    for _ in 0..100 {
        world.mine(&[], By::Keeper).await;
    }
    fallen_away(&world, held.last().unwrap() + 1, 80).await;
    world.restart();
    world.look().await;
    world.settle().await;
    assert!(world.held(0).await.starts_with(&held), "the books begin where they did");
    assert_eq!(world.came(0).await, U256::from(500));
    world.assert_whole().await;
}

#[tokio::test]
async fn where_no_checkpoint_is_of_this_chain_nothing_is_deleted() {
    let mut world = World::start().await;
    world.block(&[(WALLETS[0], Act::Paid(500, true)), (WALLETS[0], send(9))], By::Keeper).await;
    world.settle().await;
    let (held, entries) = (world.held(0).await, world.entries(0).await);
    world.sql("CREATE TABLE held AS SELECT * FROM ledger_checkpoints").await;
    let other = "UPDATE ledger_checkpoints SET block_hash = \
        '0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff' \
        WHERE product = 'eth2x'";
    world.sql(other).await;
    world.restart();
    world.block(&[(WALLETS[1], Act::Internal(77))], By::Keeper).await;
    world.settle().await;
    assert_eq!((world.held(0).await, world.entries(0).await), (held, entries));
    assert_eq!(world.came(0).await, U256::from(500));
    assert_eq!(world.came(1).await, U256::from(77), "the other wallet's books go on");
    world.sql("DELETE FROM ledger_checkpoints").await;
    world.sql("INSERT INTO ledger_checkpoints SELECT * FROM held").await;
    world.restart();
    world.settle().await;
    world.assert_whole().await;
}

#[tokio::test]
async fn trouble_with_one_wallet_keeps_no_other_from_its_reconciliation() {
    let mut world = World::start().await;
    world.settle().await;
    world.sim.be_silent_on(Some(WALLETS[1]));
    world.block(&[(WALLETS[1], Act::Internal(77))], By::Keeper).await;
    world.quiet(DAY + 30).await;
    let status = world.board.product(PRODUCTS[0]).unwrap();
    assert_eq!(status.reconciled.unwrap().problem, None, "reconciled");
    assert_eq!(world.came(1).await, U256::ZERO);
    world.sim.be_silent_on(None);
    world.block(&[], By::Keeper).await;
    assert_eq!(world.came(1).await, U256::from(77), "at the next block, not at the next look");
    world.assert_whole().await;
}

#[tokio::test]
async fn a_receipt_that_is_missing_makes_no_inflow() {
    let mut world = World::start().await;
    world.settle().await;
    let acts = [(WALLETS[0], send(100)), (WALLETS[0], Act::Internal(10_000))];
    world.block(&acts, By::Keeper).await;
    // Until it is booked, and before the next look at the balance.
    while world.entries(0).await.is_empty() {
        world.block(&[], By::Keeper).await;
    }
    assert_eq!(world.came(0).await, U256::ZERO);
    world.sim.hide_receipts(true);
    world.settle().await;
    assert_eq!(world.came(0).await, U256::ZERO, "nobody can tell how much it was");
    world.sim.hide_receipts(false);
    world.settle().await;
    assert_eq!(world.came(0).await, U256::from(10_000));
    world.assert_whole().await;
}
