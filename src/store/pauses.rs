//! Pauses by operators: who stopped a product, when and why, and who let it go on.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{Durable, Store, StoreError, agreements, spending, statement::Statement};

/// Pauses kept per product, the open one included; the oldest fall out.
const MAX_KEPT: u64 = 100;

/// A pause that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Who paused, as they named themselves.
    pub who: String,
    /// When, seconds since 1970 by the wall clock.
    pub since: u64,
    /// Why; empty if they did not say.
    pub reason: String,
}

impl Store {
    /// All pauses that hold, by product.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open_pauses(&self) -> Result<Vec<(String, Pause)>, StoreError> {
        let rows = self.rows(Statement::new(SELECT_OPEN)).await?;
        rows.iter().map(read).collect()
    }

    /// Writes new pauses; they are on the disk when this returns. A product that is paused already
    /// stays so: the first word counts.
    ///
    /// # Errors
    /// When the store takes no writes.
    pub async fn open_pause(&self, products: &[&str], pause: &Pause) -> Result<(), StoreError> {
        let statements = products.iter().flat_map(|product| {
            let insert = Statement::new(INSERT)
                .with(*product)
                .with(pause.since)
                .with(pause.who.as_str())
                .with(pause.reason.as_str());
            [insert, Statement::new(TRIM).with(*product).with(MAX_KEPT)]
        });
        self.step("open_pause", statements.collect(), Durable::Now).await
    }

    /// Ends the pauses of products and forgives what failed before, since a person has looked;
    /// durable when this returns. One that is not paused stays so; if it acts on something new, this
    /// agrees to that.
    ///
    /// # Errors
    /// When the store takes no writes.
    pub async fn close_pause(
        &self,
        products: &[&str],
        who: &str,
        at: u64,
    ) -> Result<(), StoreError> {
        let statements = products.iter().flat_map(|product| {
            // Before the pause ends: what one holds is not agreed to by ending it.
            let agree = agreements::agree(product, who, at);
            let close = Statement::new(CLOSE).with(*product).with(at).with(who);
            [agree, close, spending::forgive(product)]
        });
        self.step("close_pause", statements.collect(), Durable::Now).await
    }
}

fn read(row: &SqliteRow) -> Result<(String, Pause), StoreError> {
    let decode = || -> Result<(String, Pause), sqlx::Error> {
        let since: i64 = row.try_get("paused_at")?;
        let pause = Pause {
            who: row.try_get("paused_by")?,
            since: u64::try_from(since).unwrap_or(0),
            reason: row.try_get("reason")?,
        };
        Ok((row.try_get("product")?, pause))
    };
    decode().map_err(|error| StoreError::Corrupt { what: "a pause", detail: error.to_string() })
}

const SELECT_OPEN: &str = "SELECT * FROM pauses WHERE resumed_at IS NULL ORDER BY product";

const INSERT: &str = "
INSERT INTO pauses (product, number, paused_at, paused_by, reason)
SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 FROM pauses WHERE product = $1
HAVING NOT EXISTS (SELECT 1 FROM pauses WHERE product = $1 AND resumed_at IS NULL)";

const TRIM: &str = "
DELETE FROM pauses WHERE product = $1 AND number <=
    (SELECT COALESCE(MAX(number), 0) FROM pauses WHERE product = $1) - $2";

const CLOSE: &str = "
UPDATE pauses SET resumed_at = $2, resumed_by = $3 WHERE product = $1 AND resumed_at IS NULL";

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(who: &str, since: u64) -> Pause {
        Pause { who: who.into(), since, reason: "gas".into() }
    }

    #[tokio::test]
    async fn the_first_word_counts_until_somebody_resumes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keeper.db");
        let store = Store::open(&file).await.unwrap();
        assert!(store.open_pauses().await.unwrap().is_empty());
        store.open_pause(&["a", "b"], &pause("ann", 1)).await.unwrap();
        store.open_pause(&["a"], &pause("bob", 2)).await.unwrap();
        store.close_pause(&["b", "never-paused"], "bob", 3).await.unwrap();
        store.close().await;

        let store = Store::open(&file).await.unwrap();
        assert_eq!(store.open_pauses().await.unwrap(), [("a".into(), pause("ann", 1))]);
        store.close_pause(&["a"], "bob", 4).await.unwrap();
        store.open_pause(&["a"], &pause("bob", 5)).await.unwrap();
        assert_eq!(store.open_pauses().await.unwrap(), [("a".into(), pause("bob", 5))]);
        store.close().await;
    }

    #[tokio::test]
    async fn the_history_of_a_product_is_bounded() {
        let store = Store::in_memory().await.unwrap();
        for at in 0..MAX_KEPT + 20 {
            store.open_pause(&["a"], &pause("ann", at)).await.unwrap();
            store.close_pause(&["a"], "ann", at).await.unwrap();
        }
        let rows = store.rows(Statement::new("SELECT number FROM pauses")).await.unwrap();
        assert_eq!(u64::try_from(rows.len()).unwrap(), MAX_KEPT);
        let first: i64 = rows[0].try_get("number").unwrap();
        assert_eq!(first, 21);
    }
}
