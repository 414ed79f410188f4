//! From rows of the ledger to figures, in two ways that have to agree.
//!
//! [`Sums::of`] folds entries one by one: for what was read from a chain, and for tests. The other
//! way, [`Groups`], has SQLite add up a month without a row leaving it: a million rows take it less
//! than a second and no memory. Amounts of the ledger are decimal text, so it adds them in limbs that cannot
//! overflow: what is above 10¹⁸, and the two halves of what is below.

mod ledger;

use alloy::primitives::U256;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

pub(crate) use self::ledger::INDEX;
pub use self::ledger::{DayCost, Groups, days};
use crate::{config::Category, ledger::Entry, money::Usd, submission::lifecycle::Outcome};

/// What rows are added up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The product's name when it was booked.
    pub product: String,
    /// Its chain's id.
    pub chain_id: u64,
    /// Its cost centre when it was booked.
    pub category: Category,
    /// What was done: an action of the strategy, or the ledger's word for what no strategy did.
    pub action: String,
    /// How it ended.
    pub ending: Ending,
}

/// How a transaction ended, for who pays for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// It did what it was for.
    Confirmed,
    /// It was included and failed.
    Failed,
    /// It was given up by a self-transfer.
    Cancelled,
    /// Somebody else sent it with the wallet's key.
    Foreign,
}

impl Ending {
    /// All of them, what was wanted first.
    pub const ALL: [Self; 4] = [Self::Confirmed, Self::Failed, Self::Cancelled, Self::Foreign];

    /// What the ledger's outcome is.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Confirmed => Self::Confirmed,
            Outcome::Reverted => Self::Failed,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Foreign | Outcome::Superseded => Self::Foreign,
        }
    }

    /// The fixed word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Foreign => "foreign",
        }
    }
}

impl Group {
    /// The group of an entry.
    pub fn of(entry: &Entry) -> Self {
        Self {
            product: entry.holder.product.clone(),
            chain_id: entry.holder.chain_id,
            category: entry.category,
            action: entry.action.clone(),
            ending: Ending::of(entry.outcome),
        }
    }
}

/// Figures of some transactions. Sums saturate: what does not fit is beyond any chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Transactions.
    pub count: u64,
    /// Gas they used.
    pub gas: u128,
    /// All that they paid for being included, wei.
    pub wei: U256,
    /// The same in US dollars, each transaction rounded up to a millionth; without what has no
    /// price.
    pub usd: Usd,
    /// Of those transactions, the ones without a price …
    pub unpriced: u64,
    /// … and what they paid, wei.
    pub unpriced_wei: U256,
    /// Native currency that they were paid, wei.
    pub income_wei: U256,
    /// The same in US dollars, each rounded down; without what has no price.
    pub income_usd: Usd,
}

impl Sums {
    /// Of one entry.
    pub fn of(entry: &Entry) -> Self {
        let income = entry.settlement.as_ref().map(|settlement| settlement.income);
        let income = income.unwrap_or_default();
        let price = entry.price.as_ref().ok().map(|priced| priced.price);
        let (unpriced, unpriced_wei) =
            if entry.usd.is_some() { (0, U256::ZERO) } else { (1, entry.cost) };
        Self {
            count: 1,
            gas: u128::from(entry.gas_used),
            wei: entry.cost,
            usd: entry.usd.unwrap_or_default(),
            unpriced,
            unpriced_wei,
            income_wei: income,
            income_usd: price.map_or(Usd::ZERO, |price| Usd::worth(income, price)),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            count: self.count.saturating_add(more.count),
            gas: self.gas.saturating_add(more.gas),
            wei: self.wei.saturating_add(more.wei),
            usd: self.usd.plus(more.usd),
            unpriced: self.unpriced.saturating_add(more.unpriced),
            unpriced_wei: self.unpriced_wei.saturating_add(more.unpriced_wei),
            income_wei: self.income_wei.saturating_add(more.income_wei),
            income_usd: self.income_usd.plus(more.income_usd),
        }
    }
}

impl Serialize for Sums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Sums", 8)?;
        out.serialize_field("count", &self.count)?;
        out.serialize_field("gas", &self.gas.to_string())?;
        out.serialize_field("wei", &self.wei.to_string())?;
        out.serialize_field("usd", &self.usd.to_string())?;
        out.serialize_field("unpriced", &self.unpriced)?;
        out.serialize_field("unpriced_wei", &self.unpriced_wei.to_string())?;
        out.serialize_field("income_wei", &self.income_wei.to_string())?;
        out.serialize_field("income_usd", &self.income_usd.to_string())?;
        out.end()
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests;
