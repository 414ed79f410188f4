//! A full disk: the reserve is given up for the journal, and taken again when there is room.
//!
//! On a file system of its own where this process may mount one (a few megabytes of tmpfs); where
//! not, the database is kept from growing instead, which shows the refusal and the recovery but
//! not the reserve. What was done is printed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use ballast_test_support::SmallDisk;

use super::*;

/// Bytes of the reserve in these tests.
const SMALL: usize = 1024 * 1024;
/// Time between tries to have it again.
const SOON: Duration = Duration::from_millis(20);

/// A journal batch of about five pages.
fn batch(nonce: u64) -> Vec<Statement> {
    vec![
        Statement::new(
            "INSERT INTO slots (chain_id, wallet, nonce, chain, product, state, created_at)
             VALUES (1, 'w', $1, $2, 'p', 'signed', 0)",
        )
        .with(nonce)
        .with("x".repeat(20_000)),
    ]
}

async fn slots(store: &Store) -> u64 {
    let rows = store.rows(Statement::new("SELECT nonce FROM slots")).await.unwrap();
    u64::try_from(rows.len()).unwrap()
}

#[tokio::test]
async fn a_full_disk_costs_the_reserve_and_no_journalled_transaction() {
    match SmallDisk::mount(6).unwrap() {
        Some(disk) => {
            say("disk full: on a tmpfs of 6 MiB");
            on_a_small_disk(&disk).await;
        }
        None => {
            say("disk full: by max_page_count, since nothing may be mounted here");
            by_page_count().await;
        }
    }
}

/// Past the capture of test output.
fn say(what: &str) {
    writeln!(std::io::stderr(), "{what}").unwrap();
}

async fn on_a_small_disk(disk: &SmallDisk) {
    let file = disk.path("keeper.db");
    let store = Store::open_with(&file, (SMALL, SOON)).await.unwrap();
    let reserve = disk.path("keeper.db.reserve");
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), u64::try_from(SMALL).unwrap());
    assert!(!store.is_short());

    disk.fill().unwrap();
    let mut nonce = 0;
    while !store.is_short() {
        store.commit(batch(nonce)).await.unwrap();
        nonce += 1;
    }
    // There is still room for what cannot wait.
    for _ in 0..10 {
        store.commit(batch(nonce)).await.unwrap();
        nonce += 1;
    }
    assert_eq!(slots(&store).await, nonce);

    // Even the reserve ends. What is refused is not there, what was taken is.
    let refused = loop {
        disk.fill().unwrap();
        match store.commit(batch(nonce)).await {
            Ok(()) => nonce += 1,
            Err(error) => break error,
        }
    };
    assert!(crate::error_chain(&refused).contains("full"), "{refused:?}");
    assert_eq!(slots(&store).await, nonce);

    disk.relieve().unwrap();
    eventually(async || (!store.is_short()).then_some(())).await;
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), u64::try_from(SMALL).unwrap());
    store.commit(batch(nonce)).await.unwrap();
    store.close().await;
    let store = Store::open_readonly(&file).await.unwrap().unwrap();
    assert_eq!(slots(&store).await, nonce + 1);
}

async fn by_page_count() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_with(&folder.path().join("keeper.db"), (SMALL, SOON)).await.unwrap();
    let pages = |count: u64| {
        vec![Statement::new("PRAGMA max_page_count = 200"), Statement::new("SELECT $1").with(count)]
    };
    store.commit(pages(200)).await.unwrap();
    let mut nonce = 0;
    let refused = loop {
        match store.commit(batch(nonce)).await {
            Ok(()) => nonce += 1,
            Err(error) => break error,
        }
    };
    assert!(crate::error_chain(&refused).contains("full"), "{refused:?}");
    assert_eq!(slots(&store).await, nonce);
    store.commit(vec![Statement::new("PRAGMA max_page_count = 100000")]).await.unwrap();
    store.commit(batch(nonce)).await.unwrap();
    assert_eq!(slots(&store).await, nonce + 1);
}

#[tokio::test]
async fn a_disk_without_room_for_the_reserve_is_short_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    // Nothing can be made where a folder stands.
    std::fs::create_dir(reserve_of(&file)).unwrap();
    let store = Store::open_with(&file, (SMALL, SOON)).await.unwrap();
    assert!(store.is_short());
    store.commit(batch(0)).await.unwrap();
    std::fs::remove_dir(reserve_of(&file)).unwrap();
    eventually(async || (!store.is_short()).then_some(())).await;
}

#[tokio::test]
async fn what_is_left_of_a_full_disk_is_not_spent_on_decisions() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    std::fs::create_dir(reserve_of(&file)).unwrap();
    let store = Store::open_with(&file, (SMALL, Duration::from_hours(1))).await.unwrap();
    store.note_decision(DecisionRow::new("p", "c", &decision(1, "x"), true));
    store.commit(batch(0)).await.unwrap();
    store.close().await;
    let store = Store::open_readonly(&file).await.unwrap().unwrap();
    assert_eq!(slots(&store).await, 1);
    assert!(store.decisions("p", 9).await.unwrap().is_empty());
}

fn reserve_of(file: &Path) -> PathBuf {
    file.with_extension("db.reserve")
}
