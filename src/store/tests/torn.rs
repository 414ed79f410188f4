//! A write that the machine's death cut short: at whatever byte, the last batch is there whole or
//! not at all, and everything before it is untouched.

use std::path::Path;

use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::*;

/// Of the log of the database: header of the file, header of a frame.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const PAGE: usize = 4_096;

/// Two rows that only make sense together.
fn batch(nonce: u64) -> Vec<Statement> {
    let slot = Statement::new(
        "INSERT INTO slots (chain_id, wallet, nonce, chain, product, state, created_at)
         VALUES (1, 'w', $1, 'c', 'p', 'signed', 0)",
    );
    let event = Statement::new(
        "INSERT INTO events (chain_id, wallet, nonce, number, kind, detail, at)
         VALUES (1, 'w', $1, 1, 'original', $2, 0)",
    );
    vec![slot.with(nonce), event.with(nonce).with("x".repeat(500))]
}

#[tokio::test]
async fn a_log_cut_at_any_byte_of_its_last_frame_loses_at_most_the_last_batch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.db");
    let store = Store::open(&file).await.unwrap();
    for nonce in 0..5 {
        store.commit(batch(nonce)).await.unwrap();
    }
    // As the disk holds it while the keeper runs.
    let database = std::fs::read(&file).unwrap();
    let log = std::fs::read(folder.path().join("keeper.db-wal")).unwrap();
    store.close().await;
    assert_eq!((log.len() - LOG_HEADER) % (FRAME_HEADER + PAGE), 0, "whole frames");
    let last_frame = log.len() - FRAME_HEADER - PAGE;
    // What is tested is the log's own checks, not the disk: memory is a hundred times faster.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.unwrap();
    let whole = nonces(&database, &log, folder.path()).await;
    assert_eq!(whole, [0, 1, 2, 3, 4], "whole, all is there");
    for cut in last_frame..log.len() {
        let found = nonces(&database, &log[..cut], folder.path()).await;
        assert_eq!(found, [0, 1, 2, 3], "cut at byte {cut} of {}", log.len());
    }
}

/// The nonces that both tables hold after a start from these files.
async fn nonces(database: &[u8], log: &[u8], folder: &Path) -> Vec<i64> {
    let file = folder.join("torn.db");
    let beside = |end: &str| folder.join(format!("torn.db{end}"));
    drop(std::fs::remove_file(beside("-shm")));
    std::fs::write(&file, database).unwrap();
    std::fs::write(beside("-wal"), log).unwrap();
    let mut connection = SqliteConnection::connect_with(&options_for_writing(&file)).await.unwrap();
    let sound: String =
        sqlx::query_scalar("PRAGMA quick_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(sound, "ok");
    let rows = sqlx::query(
        "SELECT s.nonce, e.number FROM slots s LEFT JOIN events e ON e.nonce = s.nonce ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let half = rows.iter().any(|row| row.get::<Option<i64>, _>(1).is_none());
    assert!(!half, "a slot without its event");
    rows.iter().map(|row| row.get(0)).collect()
}
