//! From a row of the ledger to what it says. The order of the columns is that of the statements in
//! [`read`](super).

use std::str::FromStr;

use alloy::primitives::U256;
use ballast_chains::feeds::Price;
use ballast_strategy_api::{Settlement, Urgency};
use sqlx::{Decode, Row as _, Sqlite, Type, sqlite::SqliteRow};

use crate::{
    config::Category,
    ledger::entry::{BlockRef, Checkpoint, Entry, Fees, Holder, Inflow, PricedAt, Source},
    money::Usd,
    store::StoreError,
    submission::lifecycle::Outcome,
};

/// Reads a row's columns one after another, which is quicker than by their names.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    what: &'static str,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) fn of(row: &'r SqliteRow, what: &'static str) -> Self {
        Self { row, what, next: 0 }
    }

    fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(&mut self) -> Result<T, StoreError> {
        let at = self.next;
        self.next = at.saturating_add(1);
        self.row.try_get(at).map_err(|error| self.corrupt(error.to_string()))
    }

    fn number(&mut self) -> Result<u64, StoreError> {
        let number: i64 = self.get()?;
        u64::try_from(number).map_err(|_| self.corrupt(format!("column {} is {number}", self.next)))
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        self.get()
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T, StoreError> {
        let text: &str = self.get()?;
        self.parse(text)
    }

    fn parsed_if<T: FromStr<Err: std::fmt::Display>>(&mut self) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.get()?;
        text.map(|text| self.parse(text)).transpose()
    }

    fn word<T>(&mut self, of: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let text: &str = self.get()?;
        of(text).ok_or_else(|| self.corrupt(format!("column {} is {text:?}", self.next)))
    }

    fn json<T: serde::de::DeserializeOwned + Default>(&mut self) -> Result<T, StoreError> {
        let text: Option<&str> = self.get()?;
        let Some(text) = text else { return Ok(T::default()) };
        serde_json::from_str(text)
            .map_err(|error| self.corrupt(format!("column {}: {error}", self.next)))
    }

    fn parse<T: FromStr<Err: std::fmt::Display>>(&self, text: &str) -> Result<T, StoreError> {
        text.parse()
            .map_err(|error| self.corrupt(format!("column {} is {text:?}: {error}", self.next)))
    }

    pub(super) fn holder(&mut self) -> Result<Holder, StoreError> {
        Ok(Holder {
            chain_id: self.number()?,
            chain: self.text()?,
            wallet: self.parsed()?,
            product: self.text()?,
        })
    }

    fn block(&mut self) -> Result<BlockRef, StoreError> {
        Ok(BlockRef { number: self.number()?, hash: self.parsed()?, timestamp: self.number()? })
    }

    fn price(&mut self) -> Result<Result<PricedAt, String>, StoreError> {
        let price: Option<U256> = self.parsed_if()?;
        let round: Option<U256> = self.parsed_if()?;
        let updated_at: Option<i64> = self.get()?;
        let unpriced: Option<String> = self.get()?;
        let updated_at = updated_at.and_then(|at| u64::try_from(at).ok());
        match (price.and_then(Price::from_fixed18), round, updated_at) {
            (Some(price), Some(round), Some(updated_at)) => {
                Ok(Ok(PricedAt { price, round, updated_at }))
            }
            (None, None, None) => Ok(Err(unpriced.unwrap_or_default())),
            (price, round, _) => {
                Err(self.corrupt(format!("the price {price:?} of round {round:?} is incomplete")))
            }
        }
    }

    fn settlement(&mut self) -> Result<Option<Settlement>, StoreError> {
        let settled = self.number()?;
        let settlement = Settlement {
            income: self.parsed_if()?.unwrap_or_default(),
            tokens: self.json()?,
            slippage: self.parsed_if()?,
            facts: self.json()?,
        };
        Ok((settled == 1).then_some(settlement))
    }

    fn corrupt(&self, detail: String) -> StoreError {
        StoreError::Corrupt { what: self.what, detail }
    }
}

pub(super) fn entry(row: &SqliteRow) -> Result<Entry, StoreError> {
    let columns = &mut Columns::of(row, "an entry of the ledger");
    Ok(Entry {
        holder: columns.holder()?,
        nonce: columns.number()?,
        hash: columns.parsed()?,
        category: columns.word(Category::from_word)?,
        action: columns.text()?,
        urgency: urgency(columns)?,
        why: columns.text()?,
        attempts: columns.number()?,
        outcome: columns.word(Outcome::from_label)?,
        succeeded: columns.number()? == 1,
        gas_used: columns.number()?,
        effective_gas_price: columns.parsed()?,
        fees: Fees {
            execution: columns.parsed()?,
            l1: columns.parsed()?,
            operator: columns.parsed()?,
            blob: columns.parsed()?,
        },
        cost: columns.parsed()?,
        value: columns.parsed()?,
        price: columns.price()?,
        usd: columns.parsed_if()?.map(Usd::from_micros),
        settlement: columns.settlement()?,
        block: columns.block()?,
        booked_at: columns.number()?,
    })
}

fn urgency(columns: &mut Columns<'_>) -> Result<Option<Urgency>, StoreError> {
    let word: Option<&str> = columns.get()?;
    let known = [Urgency::Routine, Urgency::Prompt, Urgency::Emergency];
    word.map(|word| {
        let found = known.into_iter().find(|urgency| urgency.as_str() == word);
        found.ok_or_else(|| columns.corrupt(format!("urgency is {word:?}")))
    })
    .transpose()
}

pub(super) fn inflow(row: &SqliteRow) -> Result<Inflow, StoreError> {
    let columns = &mut Columns::of(row, "an inflow of the ledger");
    Ok(Inflow {
        holder: columns.holder()?,
        block: columns.block()?,
        number: columns.number()?,
        wei: columns.parsed()?,
        source: columns.word(Source::from_label)?,
        counterparty: columns.parsed_if()?,
        hash: columns.parsed_if()?,
        booked_at: columns.number()?,
    })
}

pub(super) fn checkpoint(row: &SqliteRow) -> Result<Checkpoint, StoreError> {
    let columns = &mut Columns::of(row, "a checkpoint of the ledger");
    Ok(Checkpoint {
        holder: columns.holder()?,
        block: columns.block()?,
        balance: columns.parsed()?,
        nonce: columns.number()?,
    })
}
