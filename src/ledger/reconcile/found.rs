//! What came of a reconciliation.

use alloy::primitives::{I256, U256};
use serde::Serialize;

use crate::ledger::entry::{BlockRef, Holder};

/// Problems that are told of one wallet; the others are counted.
pub const MAX_PROBLEMS: usize = 50;

/// What went out, by kind, wei.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outflows {
    /// Gas at its price.
    pub execution: U256,
    /// For data on layer 1.
    pub l1: U256,
    /// To the operator of the layer 2.
    pub operator: U256,
    /// For blobs.
    pub blob: U256,
    /// Carried to other accounts.
    pub value: U256,
}

/// What came in, by source, wei.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Inflows {
    /// Paid directly by other accounts.
    pub transfer: U256,
    /// Paid for the wallet's own transactions.
    pub income: U256,
    /// Paid by contracts, or by the chain.
    pub internal: U256,
}

/// Something that is wrong with the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// In which block.
    pub block: Option<u64>,
    /// At which nonce.
    pub nonce: Option<u64>,
    /// What is wrong, with figures.
    pub what: String,
}

/// What came of it for one wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// Whose it is.
    pub holder: Holder,
    /// The opening block.
    pub from: BlockRef,
    /// The closing block.
    pub to: BlockRef,
    /// Balance after the opening block, wei.
    pub opening: U256,
    /// Balance after the closing block, wei.
    pub closing: U256,
    /// How many entries.
    pub entries: u64,
    /// What they took.
    pub out: Outflows,
    /// What came in.
    pub came: Inflows,
    /// Closing balance less what the books make of the opening one, wei; `None` where figures do
    /// not fit.
    pub unexplained: Option<I256>,
    /// What is wrong, at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// What is wrong beyond those.
    pub more_problems: u64,
    /// What could not be proven, and why.
    pub unproven: Vec<String>,
    /// Entries that could not be held against their receipts.
    pub unchecked: u64,
}

impl Reconciliation {
    /// Whether the books explain all.
    pub fn is_whole(&self) -> bool {
        self.unexplained == Some(I256::ZERO) && self.problems.is_empty()
    }

    /// What is wrong in a line; `None` if nothing is.
    pub fn problem(&self) -> Option<String> {
        if self.is_whole() {
            return None;
        }
        let unexplained = match self.unexplained {
            Some(wei) => format!("{wei} wei"),
            None => "an amount that does not fit".to_owned(),
        };
        let first = self.problems.first();
        let first = first.map(|problem| format!("; {}", problem.what)).unwrap_or_default();
        let (from, to) = (self.from.number, self.to.number);
        Some(format!("{unexplained} unexplained between blocks {from} and {to}{first}"))
    }
}
