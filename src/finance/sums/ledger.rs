//! Sums that SQLite adds up, without a row leaving it.

use alloy::primitives::{U256, uint};
use ballast_chains::feeds::Price;
use sqlx::sqlite::SqliteRow;

use super::{Ending, Group, Sums};
use crate::{
    config::Category,
    finance::month::{DAY, Month},
    ledger::Period,
    money::Usd,
    store::{Cells, Statement, Store, StoreError},
    submission::lifecycle::Outcome,
};

const CELLS: Cells = Cells::of("sums of the ledger");

/// Migration: everything that a report adds up, in the order in which it is grouped, so that a month
/// is read from the index alone and nothing is sorted.
pub(crate) const INDEX: &str = "
CREATE INDEX ledger_entries_by_group ON ledger_entries (product, chain_id, category, action,
    outcome, block_timestamp, gas_used, cost, usd_micro, income);
";

/// What the upper limb counts, and the middle one, wei.
const HIGH: U256 = uint!(1_000_000_000_000_000_000_U256);
const MIDDLE: U256 = uint!(1_000_000_000_U256);

/// A group of the ledger as it stands there, where one [`Ending`] may be several outcomes.
#[derive(Debug, Clone)]
struct Key {
    product: String,
    chain_id: u64,
    category: String,
    action: String,
    outcome: String,
}

impl Key {
    /// Before all of them.
    fn first() -> Self {
        let empty = String::new;
        Self { product: empty(), chain_id: 0, category: empty(), action: empty(), outcome: empty() }
    }

    fn on(&self, sql: &'static str) -> Statement {
        Statement::new(sql)
            .with(self.product.as_str())
            .with(self.chain_id)
            .with(self.category.as_str())
            .with(self.action.as_str())
            .with(self.outcome.as_str())
    }

    fn group(&self) -> Result<Group, StoreError> {
        let category = Category::from_word(&self.category);
        let outcome = Outcome::from_label(&self.outcome);
        let corrupt = || CELLS.corrupt(format!("{} of {}", self.outcome, self.category));
        Ok(Group {
            product: self.product.clone(),
            chain_id: self.chain_id,
            category: category.ok_or_else(corrupt)?,
            action: self.action.clone(),
            ending: Ending::of(outcome.ok_or_else(corrupt)?),
        })
    }
}

/// The ledger's groups, found once, and their sums over any stretch of time.
#[derive(Debug)]
pub struct Groups {
    store: Store,
    keys: Vec<Key>,
}

impl Groups {
    /// Finds those of a product, or all: one step in the index for each.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(store: &Store, product: Option<&str>) -> Result<Self, StoreError> {
        let (mut keys, mut last) = (Vec::new(), Key::first());
        while let Some(row) = store.rows(last.on(NEXT_GROUP)).await?.first() {
            last = Key {
                product: CELLS.get(row, "product")?,
                chain_id: CELLS.unsigned(row, "chain_id")?,
                category: CELLS.get(row, "category")?,
                action: CELLS.get(row, "action")?,
                outcome: CELLS.get(row, "outcome")?,
            };
            if product.is_none_or(|product| product == last.product) {
                keys.push(last.clone());
            }
        }
        Ok(Self { store: store.clone(), keys })
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What each of them has in this month; those that have nothing are left out.
    ///
    /// # Errors
    /// When the store cannot be read, or holds what this version does not write.
    pub async fn of_month(&self, month: Month) -> Result<Vec<(Group, Sums)>, StoreError> {
        let period = Period { from: month.start(), until: month.end() };
        let mut found = Vec::new();
        for key in &self.keys {
            let sums = self.sums(key, period).await?;
            if sums.count > 0 {
                found.push((key.group()?, sums));
            }
        }
        Ok(found)
    }

    async fn sums(&self, key: &Key, period: Period) -> Result<Sums, StoreError> {
        let within = |sql| key.on(sql).with(period.from).with(period.until);
        let rows = self.store.rows(within(SUMS)).await?;
        let Some(row) = rows.first() else { return Ok(Sums::default()) };
        let mut sums = Sums {
            count: CELLS.unsigned(row, "count")?,
            gas: u128::from(CELLS.unsigned(row, "gas")?),
            wei: amount(row)?,
            usd: Usd::from_micros(u128::from(CELLS.unsigned(row, "usd")?)),
            unpriced: CELLS.unsigned(row, "unpriced")?,
            ..Sums::default()
        };
        if CELLS.unsigned(row, "absurd")? > 0 {
            return Err(CELLS.corrupt("a cost beyond a billion dollars or 10³⁶ wei".to_owned()));
        }
        if sums.unpriced > 0 {
            let rows = self.store.rows(within(UNPRICED)).await?;
            sums.unpriced_wei = rows.first().map_or(Ok(U256::ZERO), amount)?;
        }
        if CELLS.unsigned(row, "paid")? > 0 {
            for row in self.store.rows(within(INCOMES)).await? {
                let (income, price): (String, Option<String>) =
                    (CELLS.get(&row, "income")?, CELLS.get(&row, "native_usd")?);
                let income = number(&income)?;
                let price = price.map(|price| number(&price)).transpose()?;
                let price = price.and_then(Price::from_fixed18);
                let worth = price.map_or(Usd::ZERO, |price| Usd::worth(income, price));
                sums.income_wei = sums.income_wei.saturating_add(income);
                sums.income_usd = sums.income_usd.plus(worth);
            }
        }
        Ok(sums)
    }
}

/// What a product's transactions on a chain cost on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCost {
    /// Days since 1970, UTC by the blocks' time.
    pub day: u64,
    /// Gas used.
    pub gas: u64,
    /// What was paid for being included, wei.
    pub wei: U256,
}

/// What a product cost on a chain on each day since a moment, the oldest first; days without a
/// transaction are left out.
///
/// # Errors
/// When the store cannot be read.
pub async fn days(
    store: &Store,
    (product, chain_id): (&str, u64),
    since: u64,
) -> Result<Vec<DayCost>, StoreError> {
    let query = Statement::new(DAYS).with(product).with(chain_id).with(since).with(DAY);
    let rows = store.rows(query).await?;
    let day = |row: &SqliteRow| {
        Ok(DayCost {
            day: CELLS.unsigned(row, "day")?,
            gas: CELLS.unsigned(row, "gas")?,
            wei: amount(row)?,
        })
    };
    rows.iter().map(day).collect()
}

/// Limbs of the sum of a column of decimal text: `$column`'s digits above the eighteenth, and those
/// below in two halves.
macro_rules! limbs {
    () => {
        "CAST(COALESCE(SUM(CASE WHEN length(cost) > 18
            THEN CAST(substr(cost, 1, length(cost) - 18) AS BIGINT) ELSE 0 END), 0) AS BIGINT)
            AS high,
        CAST(COALESCE(SUM((CASE WHEN length(cost) > 18
            THEN CAST(substr(cost, length(cost) - 17) AS BIGINT)
            ELSE CAST(cost AS BIGINT) END) / 1000000000), 0) AS BIGINT) AS middle,
        CAST(COALESCE(SUM((CASE WHEN length(cost) > 18
            THEN CAST(substr(cost, length(cost) - 17) AS BIGINT)
            ELSE CAST(cost AS BIGINT) END) % 1000000000), 0) AS BIGINT) AS low"
    };
}

macro_rules! of_group {
    () => {
        " FROM ledger_entries WHERE product = $1 AND chain_id = $2 AND category = $3
            AND action = $4 AND outcome = $5 AND block_timestamp >= $6 AND block_timestamp < $7"
    };
}

const NEXT_GROUP: &str = "
SELECT product, chain_id, category, action, outcome FROM ledger_entries
WHERE (product, chain_id, category, action, outcome) > ($1, $2, $3, $4, $5)
ORDER BY product, chain_id, category, action, outcome LIMIT 1";

const SUMS: &str = concat!(
    "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(gas_used), 0) AS BIGINT) AS gas, ",
    limbs!(),
    ", CAST(COALESCE(SUM(CASE WHEN length(usd_micro) <= 15 THEN CAST(usd_micro AS BIGINT)
        ELSE 0 END), 0) AS BIGINT) AS usd,
    COUNT(CASE WHEN usd_micro IS NULL THEN 1 END) AS unpriced,
    COUNT(CASE WHEN length(usd_micro) > 15 OR length(cost) > 36 THEN 1 END) AS absurd,
    COUNT(CASE WHEN income <> '0' THEN 1 END) AS paid",
    of_group!()
);

const UNPRICED: &str = concat!("SELECT ", limbs!(), of_group!(), " AND usd_micro IS NULL");

const INCOMES: &str = concat!("SELECT income, native_usd", of_group!(), " AND income <> '0'");

const DAYS: &str = concat!(
    "SELECT block_timestamp / $4 AS day, CAST(COALESCE(SUM(gas_used), 0) AS BIGINT) AS gas, ",
    limbs!(),
    " FROM ledger_entries WHERE product = $1 AND chain_id = $2 AND block_timestamp >= $3
    GROUP BY block_timestamp / $4 ORDER BY day"
);

/// A sum from its limbs.
fn amount(row: &SqliteRow) -> Result<U256, StoreError> {
    let limb = |column| CELLS.unsigned(row, column).map(U256::from);
    let (high, middle) = (limb("high")?.checked_mul(HIGH), limb("middle")?.checked_mul(MIDDLE));
    let low = limb("low")?;
    let sum =
        high.zip(middle).and_then(|(high, middle)| high.checked_add(middle)?.checked_add(low));
    sum.ok_or_else(|| CELLS.corrupt("an amount beyond 256 bits".to_owned()))
}

fn number(text: &str) -> Result<U256, StoreError> {
    text.parse().map_err(|_| CELLS.corrupt(format!("an amount that is {text:?}")))
}
