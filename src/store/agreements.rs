//! What people agreed that products act on, where their files leave that to the chain.
//!
//! A file may name a token and leave it to the chain which contract trades for it. What that led to at
//! first is noted here. While it leads elsewhere the product has *moved*: nothing is sent for it until
//! a person agrees, by resuming it, or until it leads back.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{Store, StoreError, statement::Statement};

/// Migration: what products act on, and which intent was for what; unknown for older intents.
pub(super) const TABLES: &str = "
CREATE TABLE agreements (
    product TEXT PRIMARY KEY,
    asked TEXT NOT NULL,
    accepted TEXT NOT NULL,
    agreed_at BIGINT NOT NULL,
    agreed_by TEXT NOT NULL,
    moved_at BIGINT,
    found TEXT,
    detail TEXT
);
ALTER TABLE intents ADD COLUMN acts_on TEXT;
";

/// What a product acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// What its file asks for: another file is another agreement.
    pub asked: String,
    /// What that led to when it was agreed.
    pub accepted: String,
    /// Set while it leads elsewhere.
    pub moved: Option<Moved>,
}

/// Where it leads by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Since when, seconds since 1970 by the wall clock.
    pub since: u64,
    /// What a person may agree to; `None` while it leads to nothing that the product can act on.
    pub found: Option<String>,
    /// In words.
    pub detail: String,
}

impl Store {
    /// All agreements, by product.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn agreements(&self) -> Result<Vec<(String, Agreement)>, StoreError> {
        let rows = self.rows(Statement::new(SELECT)).await?;
        rows.iter().map(read).collect()
    }

    /// Writes a product's agreement in place of the one before; on the disk when this returns.
    ///
    /// # Errors
    /// When the store takes no writes.
    pub(crate) async fn set_agreement(
        &self,
        product: &str,
        agreement: &Agreement,
        (who, at): (&str, u64),
    ) -> Result<(), StoreError> {
        let moved = agreement.moved.as_ref();
        let statement = Statement::new(UPSERT)
            .with(product)
            .with(agreement.asked.as_str())
            .with(agreement.accepted.as_str())
            .with(at)
            .with(who)
            .with(moved.map(|moved| moved.since))
            .with(moved.and_then(|moved| moved.found.clone()))
            .with(moved.map(|moved| moved.detail.clone()));
        self.commit(vec![statement]).await
    }
}

/// A person agrees to what was found: only where no pause holds, which was made for another reason.
pub(super) fn agree(product: &str, who: &str, at: u64) -> Statement {
    Statement::new(AGREE).with(product).with(who).with(at)
}

fn read(row: &SqliteRow) -> Result<(String, Agreement), StoreError> {
    let decode = || -> Result<(String, Agreement), sqlx::Error> {
        let since: Option<i64> = row.try_get("moved_at")?;
        let moved = match since {
            Some(since) => Some(Moved {
                since: u64::try_from(since).unwrap_or(0),
                found: row.try_get("found")?,
                detail: row.try_get::<Option<String>, _>("detail")?.unwrap_or_default(),
            }),
            None => None,
        };
        let (asked, accepted) = (row.try_get("asked")?, row.try_get("accepted")?);
        Ok((row.try_get("product")?, Agreement { asked, accepted, moved }))
    };
    let what = "what a product acts on";
    decode().map_err(|error| StoreError::Corrupt { what, detail: error.to_string() })
}

const SELECT: &str = "SELECT * FROM agreements ORDER BY product";

/// The agreement itself is dated anew only when it changes.
const UPSERT: &str = "
INSERT INTO agreements (product, asked, accepted, agreed_at, agreed_by, moved_at, found, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (product) DO UPDATE SET
    agreed_at = CASE WHEN agreements.asked = excluded.asked
        AND agreements.accepted = excluded.accepted THEN agreements.agreed_at
        ELSE excluded.agreed_at END,
    agreed_by = CASE WHEN agreements.asked = excluded.asked
        AND agreements.accepted = excluded.accepted THEN agreements.agreed_by
        ELSE excluded.agreed_by END,
    asked = excluded.asked, accepted = excluded.accepted, moved_at = excluded.moved_at,
    found = excluded.found, detail = excluded.detail";

const AGREE: &str = "
UPDATE agreements SET accepted = found, agreed_by = $2, agreed_at = $3, moved_at = NULL,
    found = NULL, detail = NULL
WHERE product = $1 AND moved_at IS NOT NULL AND found IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM pauses WHERE product = $1 AND resumed_at IS NULL)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Pause;

    fn moved(found: Option<&str>) -> Agreement {
        let found = found.map(str::to_owned);
        let moved = Moved { since: 5, found, detail: "led to a".into() };
        Agreement { asked: "x".into(), accepted: "a".into(), moved: Some(moved) }
    }

    #[tokio::test]
    async fn a_resume_agrees_to_what_was_found_and_not_past_a_pause_of_another_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keeper.db");
        let store = Store::open(&file).await.unwrap();
        store.set_agreement("one", &moved(Some("b")), ("ballast", 1)).await.unwrap();
        let pause = Pause { who: "ann".into(), since: 1, reason: "gas".into() };
        store.open_pause(&["one"], &pause).await.unwrap();
        store.close_pause(&["one"], "ann", 2).await.unwrap();
        store.close().await;
        let store = Store::open(&file).await.unwrap();
        assert_eq!(store.agreements().await.unwrap(), [("one".into(), moved(Some("b")))]);
        store.close_pause(&["one"], "ann", 3).await.unwrap();
        let agreed = Agreement { asked: "x".into(), accepted: "b".into(), moved: None };
        assert_eq!(store.agreements().await.unwrap(), [("one".into(), agreed)]);
        store.close().await;
    }

    #[tokio::test]
    async fn nobody_can_agree_to_nothing() {
        let store = Store::in_memory().await.unwrap();
        store.set_agreement("one", &moved(None), ("ballast", 1)).await.unwrap();
        store.close_pause(&["one"], "ann", 3).await.unwrap();
        assert_eq!(store.agreements().await.unwrap(), [("one".into(), moved(None))]);
    }
}
