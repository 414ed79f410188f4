mod full;
mod torn;

use std::time::Duration;

use alloy::primitives::{B256, I256};
use ballast_chains::Head;
use ballast_strategy_api::{Observation, Unit};
use futures::future::join_all;
use tokio::time::{Instant, interval};

use super::{
    open::{LOOKERS, connect, options_for_writing},
    *,
};
use crate::runtime::LastDecision;

fn decision(block: u64, reason: &str) -> LastDecision {
    LastDecision {
        kind: "wait",
        action: None,
        urgency: Some("routine"),
        reason: reason.into(),
        detail: "2.1 × is inside".into(),
        observations: vec![
            Observation::new("leverage_ratio", I256::try_from(2_100_000).unwrap(), Unit::Ratio)
                .of("UniswapV3"),
        ],
        head: Head {
            number: block,
            hash: B256::repeat_byte(1),
            parent: B256::ZERO,
            timestamp: 1_700_000_000,
            base_fee_per_gas: None,
            gas_limit: 0,
            gas_used: 0,
        },
    }
}

/// Waits for what nobody hands back.
async fn eventually<T, F: Future<Output = Option<T>>>(look: impl Fn() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut tick = interval(Duration::from_millis(5));
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came");
        tick.tick().await;
    }
}

#[tokio::test]
async fn a_store_that_fails_says_so_until_a_write_goes_through() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    let store = Store::open(&file).await.unwrap();
    store.ping().await.unwrap();
    store.commit(vec![Statement::new("INSERT INTO nowhere VALUES (1)")]).await.unwrap_err();
    let failed = store.ping().await.unwrap_err().to_string();
    assert!(failed.contains("last write failed") && failed.contains("nowhere"), "{failed}");
    store.note_decision(DecisionRow::new("one", "local", &decision(7, "inside"), true));
    eventually(async || store.ping().await.ok()).await;

    // The database goes on with a file that has no name any more.
    let aside = folder.path().join("aside.db");
    std::fs::rename(&file, &aside).unwrap();
    assert!(matches!(store.ping().await, Err(StoreError::Gone { .. })));
    std::fs::copy(&aside, &file).unwrap();
    assert!(matches!(store.ping().await, Err(StoreError::Gone { .. })), "another file");
    std::fs::rename(&aside, &file).unwrap();
    store.ping().await.unwrap();
    store.close().await;
    assert!(store.ping().await.is_err(), "closed");
    Store::in_memory().await.unwrap().ping().await.unwrap();
}

/// Steps that wait together share a transaction, which is synced if any of them must be.
#[tokio::test]
async fn a_group_is_synced_if_one_of_it_must_be() {
    let store = Store::in_memory().await.unwrap();
    let forget = || vec![Statement::new("DELETE FROM pauses")];
    let level = async || {
        let rows = store.rows(Statement::new("PRAGMA synchronous")).await.unwrap();
        sqlx::Row::get::<i64, _>(&rows[0], 0)
    };
    let in_order = store.write(forget(), Durable::InOrder);
    in_order.await.unwrap();
    assert_eq!(level().await, 1, "nobody needs it on the disk");
    let (first, now, last) = futures::join!(
        store.write(forget(), Durable::InOrder),
        store.write(forget(), Durable::Now),
        store.write(forget(), Durable::InOrder),
    );
    first.unwrap();
    now.unwrap();
    last.unwrap();
    assert_eq!(level().await, 2, "one of them does");
}

#[tokio::test]
async fn a_second_process_is_kept_out_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data/keeper.db");
    let store = Store::open(&file).await.unwrap();
    let refused = Store::open(&file).await.unwrap_err();
    let line = refused.to_string();
    assert!(matches!(refused, StoreError::InUse { .. }), "{line}");
    assert!(line.contains("keeper.db") && !line.contains('\n'), "{line}");
    assert!(Store::open_readonly(&file).await.unwrap().is_some(), "reading is allowed");
    store.close().await;
    Store::open(&file).await.unwrap().close().await;
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    assert!(Store::open_readonly(&file).await.unwrap().is_none());
    std::fs::write(&file, "this is not a database, it is a text of some length").unwrap();
    let error = Store::open(&file).await.unwrap_err();
    assert!(error.to_string().contains("keeper.db"), "{error}");
    let blocked = file.join("below/keeper.db");
    assert!(matches!(Store::open(&blocked).await, Err(StoreError::Open { .. })));
}

#[tokio::test]
async fn the_last_decision_replaces_and_notable_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    let store = Store::open(&file).await.unwrap();
    let note = |block, notable| {
        let row = DecisionRow::new("eth2x", "mainnet", &decision(block, "inside"), notable);
        store.note_decision(row);
    };
    note(1, true);
    note(2, false);
    note(3, true);
    note(4, false);
    store.record_decisions(vec![DecisionRow::new("btc2x", "mainnet", &decision(9, "x"), false)]);
    store.close().await;

    let store = Store::open_readonly(&file).await.unwrap().unwrap();
    let last = store.last_decision("eth2x").await.unwrap().unwrap();
    assert_eq!((last.block_number, last.kind.as_str()), (4, "wait"));
    assert_eq!(last.urgency.as_deref(), Some("routine"));
    let [seen] = last.inputs().try_into().unwrap();
    assert_eq!(
        (seen.name.as_str(), seen.of.as_str(), seen.value.as_str(), seen.unit.as_str()),
        ("leverage_ratio", "UniswapV3", "0.0000000000021", "ratio")
    );
    let notable = store.decisions("eth2x", 10).await.unwrap();
    assert_eq!(notable.iter().map(|row| row.block_number).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(store.decisions("eth2x", 1).await.unwrap().len(), 1);
    assert!(store.last_decision("none").await.unwrap().is_none());
    let json = serde_json::to_value(&last).unwrap();
    assert_eq!(json["inputs"][0]["name"], "leverage_ratio", "inputs are JSON, not text in JSON");
}

#[tokio::test]
async fn notable_decisions_are_bounded() {
    let store = Store::in_memory().await.unwrap();
    for block in 0..510 {
        store.note_decision(DecisionRow::new("p", "c", &decision(block, "x"), true));
    }
    let newest = eventually(async || {
        let rows = store.decisions("p", 1_000).await.unwrap();
        (rows.first()?.block_number == 509).then_some(rows)
    })
    .await;
    assert_eq!(newest.len(), 500);
    assert_eq!(newest[499].block_number, 10);
}

#[tokio::test]
async fn batches_that_wait_together_share_a_commit_and_not_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("keeper.db")).await.unwrap();
    let insert = |chain_id: u64| {
        vec![
            Statement::new(
                "INSERT INTO slots (chain_id, wallet, nonce, chain, product, state, created_at)
                 VALUES ($1, 'w', 0, 'c', 'p', 'signed', 0)",
            )
            .with(chain_id),
        ]
    };
    let mut broken = insert(900);
    broken.push(Statement::new("INSERT INTO slots (chain_id) VALUES (1)"));
    let mut batches: Vec<Vec<Statement>> = (0..50).map(insert).collect();
    batches.insert(20, broken);
    let results = join_all(batches.into_iter().map(|batch| store.commit(batch))).await;
    let failed: Vec<usize> =
        results.iter().enumerate().filter(|(_, r)| r.is_err()).map(|(index, _)| index).collect();
    assert_eq!(failed, [20]);
    let rows = store.rows(Statement::new("SELECT chain_id FROM slots")).await.unwrap();
    assert_eq!(rows.len(), 50, "nothing of the broken batch stays");
    store.close().await;
}

#[tokio::test]
async fn what_was_handed_in_before_closing_is_written_and_nothing_after() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    let store = Store::open(&file).await.unwrap();
    for block in 0..2_000 {
        store.note_decision(DecisionRow::new("p", "c", &decision(block, "x"), false));
    }
    store.close().await;
    let late = store.commit(vec![Statement::new("DELETE FROM slots")]).await;
    assert!(matches!(late, Err(StoreError::NotWritable("closed"))), "{late:?}");
    let store = Store::open_readonly(&file).await.unwrap().unwrap();
    let last = store.last_decision("p").await.unwrap().unwrap();
    assert_eq!(last.block_number, 1_999);
    let write = store.commit(vec![Statement::new("DELETE FROM slots")]).await;
    assert!(matches!(write, Err(StoreError::NotWritable("read-only"))), "{write:?}");
}

#[tokio::test]
async fn the_journal_is_durable_and_linked() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("keeper.db")).await.unwrap();
    let like_the_writer =
        connect(&store.inner.file, options_for_writing(&store.inner.file), 1).await.unwrap();
    // 2 is FULL: a commit is on the disk before it is answered.
    let full: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(&like_the_writer).await.unwrap();
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&like_the_writer).await.unwrap();
    assert_eq!((full, mode.as_str()), (2, "wal"));
    like_the_writer.close().await;
    let orphan = "INSERT INTO events (chain_id, wallet, nonce, number, kind, detail, at)
        VALUES (1, 'w', 0, 1, 'k', '', 0)";
    assert!(store.commit(vec![Statement::new(orphan)]).await.is_err(), "an event without a slot");
    store.close().await;
}

/// People may use up all that is theirs; what acts reads on.
#[tokio::test]
async fn whoever_looks_delays_nobody_who_acts() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("keeper.db")).await.unwrap();
    let mut busy = Vec::new();
    for _ in 0..LOOKERS {
        busy.push(store.inner.looking.acquire().await.unwrap());
    }
    let looking = store.for_looking();
    let mut looked = Box::pin(looking.open_pauses());
    assert!(futures::poll!(&mut looked).is_pending());
    let acted = tokio::time::timeout(Duration::from_secs(20), store.open_pauses()).await;
    assert!(acted.expect("what acts waits for people").unwrap().is_empty());
    assert!(futures::poll!(&mut looked).is_pending(), "theirs are used up");
    drop(busy);
    assert!(looked.await.unwrap().is_empty());
    store.close().await;
}
