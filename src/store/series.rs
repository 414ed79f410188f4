//! Histories of observations for charts: one value a minute for a week, one an hour for a year.
//!
//! A bucket keeps the first value that was seen in it. Times are block times, so a chart shows what the chain saw, and
//! each product prunes its own rows by its own chain's clock. Rows of a product that is configured
//! no more stay, in case it comes back; they are at most 18,840 for each of its series.

use std::collections::BTreeMap;

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{Store, StoreError, statement::Statement};

/// Series kept per product; a strategy that charts more has the others left out.
pub const MAX_SERIES: usize = 16;
/// Seconds of a bucket of [`Resolution::Minute`].
const MINUTE: u64 = 60;
/// Seconds of a bucket of [`Resolution::Hour`].
const HOUR: u64 = 3_600;
/// How long minutes are kept, seconds: 7 days.
const KEEP_MINUTES: u64 = 604_800;
/// How long hours are kept, seconds: 365 days.
const KEEP_HOURS: u64 = 31_536_000;

/// How far apart the points of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// One a minute, kept for 7 days.
    Minute,
    /// One an hour, kept for a year.
    Hour,
}

impl Resolution {
    const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    /// Seconds of one bucket.
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
        }
    }

    const fn keep(self) -> u64 {
        match self {
            Self::Minute => KEEP_MINUTES,
            Self::Hour => KEEP_HOURS,
        }
    }

    /// The finest that reaches back that many seconds.
    pub const fn for_span(seconds: u64) -> Self {
        if seconds <= KEEP_MINUTES { Self::Minute } else { Self::Hour }
    }
}

/// Which series of a product: an observation's name, and which of several alike.
pub type SeriesKey = (String, String);

/// Decides what of a product's observations is written, so that most blocks write nothing.
#[derive(Debug)]
pub struct SeriesRecorder {
    product: String,
    written: BTreeMap<(SeriesKey, Resolution), u64>,
}

impl SeriesRecorder {
    /// The recorder of one product, which has written nothing yet.
    pub fn new(product: &str) -> Self {
        Self { product: product.to_owned(), written: BTreeMap::new() }
    }

    /// Notes a value of the block with this time, in its own time as decisions are: nobody waits.
    /// The first value of a bucket is written; the others of it would only cost the disk.
    pub fn note(&mut self, store: &Store, key: SeriesKey, at: u64, value: impl Fn() -> String) {
        let mut statements = Vec::new();
        for resolution in Resolution::ALL {
            let bucket = at.saturating_sub(at.checked_rem(resolution.seconds()).unwrap_or(0));
            let place = (key.clone(), resolution);
            if self.written.get(&place) == Some(&bucket) || self.is_full(&place) {
                continue;
            }
            self.written.insert(place, bucket);
            let statement = |sql| {
                Statement::new(sql)
                    .with(self.product.as_str())
                    .with(key.0.as_str())
                    .with(key.1.as_str())
                    .with(resolution.seconds())
            };
            statements.push(statement(INSERT).with(bucket).with(at).with(value()));
            // Pruning once an hour keeps the bound near enough.
            if resolution == Resolution::Hour {
                for old in Resolution::ALL {
                    let prune = Statement::new(PRUNE)
                        .with(self.product.as_str())
                        .with(key.0.as_str())
                        .with(key.1.as_str())
                        .with(old.seconds());
                    statements.push(prune.with(at.saturating_sub(old.keep())));
                }
            }
        }
        store.post(statements);
    }

    fn is_full(&self, place: &(SeriesKey, Resolution)) -> bool {
        let room = MAX_SERIES.saturating_mul(Resolution::ALL.len());
        !self.written.contains_key(place) && self.written.len() >= room
    }
}

impl Store {
    /// The points of all series of a product from a block time on, each the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn series(
        &self,
        product: &str,
        resolution: Resolution,
        since: u64,
    ) -> Result<BTreeMap<SeriesKey, Vec<(u64, String)>>, StoreError> {
        let query = Statement::new(SELECT).with(product).with(resolution.seconds()).with(since);
        let mut series: BTreeMap<SeriesKey, Vec<(u64, String)>> = BTreeMap::new();
        for row in self.rows(query).await? {
            let (key, point) = read(&row).map_err(|error| StoreError::Corrupt {
                what: "a series",
                detail: error.to_string(),
            })?;
            series.entry(key).or_default().push(point);
        }
        Ok(series)
    }
}

fn read(row: &SqliteRow) -> Result<(SeriesKey, (u64, String)), sqlx::Error> {
    let at: i64 = row.try_get("at")?;
    let key = (row.try_get("name")?, row.try_get("which")?);
    Ok((key, (u64::try_from(at).unwrap_or(0), row.try_get("value")?)))
}

const INSERT: &str = "
INSERT INTO series (product, name, which, resolution, bucket, at, value)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (product, name, which, resolution, bucket)
    DO NOTHING";

const PRUNE: &str = "
DELETE FROM series
WHERE product = $1 AND name = $2 AND which = $3 AND resolution = $4 AND bucket < $5";

const SELECT: &str = "
SELECT name, which, at, value FROM series
WHERE product = $1 AND resolution = $2 AND bucket >= $3 ORDER BY name, which, bucket";

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SeriesKey {
        ("leverage_ratio".into(), String::new())
    }

    async fn counts(store: &Store) -> [usize; 2] {
        let mut counts = [0; 2];
        for (count, resolution) in counts.iter_mut().zip(Resolution::ALL) {
            let series = store.series("p", resolution, 0).await.unwrap();
            *count = series.get(&key()).map_or(0, Vec::len);
        }
        counts
    }

    #[tokio::test]
    async fn a_week_of_minutes_and_a_year_of_hours_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keeper.db");
        let store = Store::open(&file).await.unwrap();
        let mut recorder = SeriesRecorder::new("p");
        let start = 1_700_000_000;
        // Two days, a value each half minute: every second one finds its minute written.
        for step in 0..5_760 {
            recorder.note(&store, key(), start + step * 30, || "2.1".into());
        }
        store.close().await;
        let store = Store::open(&file).await.unwrap();
        let [minutes, hours] = counts(&store).await;
        assert!((2_880..=2_881).contains(&minutes), "{minutes} minutes of two days");
        assert!((48..=49).contains(&hours), "{hours} hours of two days");
        // Eight days later the minutes have gone, and the hours have not.
        recorder.note(&store, key(), start + 10 * 86_400, || "2.2".into());
        store.close().await;
        let store = Store::open(&file).await.unwrap();
        let [minutes, hours_then] = counts(&store).await;
        assert_eq!((minutes, hours_then), (1, hours + 1));
        recorder.note(&store, key(), start + 400 * 86_400, || "2.3".into());
        store.close().await;
        let store = Store::open_readonly(&file).await.unwrap().unwrap();
        assert_eq!(counts(&store).await, [1, 1]);
        let series = store.series("p", Resolution::Hour, start).await.unwrap();
        assert_eq!(series[&key()], [(start + 400 * 86_400, "2.3".to_owned())]);
    }

    #[tokio::test]
    async fn a_strategy_that_charts_too_much_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keeper.db");
        let store = Store::open(&file).await.unwrap();
        let mut recorder = SeriesRecorder::new("p");
        for number in 0..MAX_SERIES + 5 {
            let key = (format!("s{number:02}"), String::new());
            recorder.note(&store, key, 1_000_000, || "1".into());
        }
        store.close().await;
        let store = Store::open_readonly(&file).await.unwrap().unwrap();
        let series = store.series("p", Resolution::Minute, 0).await.unwrap();
        assert_eq!(series.len(), MAX_SERIES);
    }
}
