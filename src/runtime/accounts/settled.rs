//! What of a product's past is settled, kept in memory: the journal is read from there on.
//!
//! A product that sends often has a month of transactions behind it, and its books are brought up to
//! date at each of them. What is final and booked says the same each time, so it is read once. The
//! journal stays the source: whatever else than inclusions and their finality happens to the product
//! has all of it read anew, and so does a new month, a price where there was none, and every so many
//! blocks.

use ballast_chains::{Head, feeds::Price};

use crate::{
    store::{Cost, RecentCall},
    submission::LaneEvent,
};

/// Blocks after which all of it is read anew, whatever has happened.
const HOLDS_FOR: u64 = 256;

/// All included transactions of a product up to a block; each of them is final and booked.
#[derive(Debug)]
pub(super) struct Settled {
    /// The month that it is of, by its first second, and the head at which it was begun.
    month: u64,
    since: u64,
    /// The block up to which it goes.
    pub(super) until: u64,
    /// In the order of their blocks.
    pub(super) costs: Vec<Cost>,
    /// The newest last.
    pub(super) recent: Vec<RecentCall>,
}

impl Settled {
    /// Nothing yet.
    pub(super) fn begin(month: u64, head: &Head) -> Self {
        Self { month, since: head.number, until: 0, costs: Vec::new(), recent: Vec::new() }
    }

    /// Whether it can still be gone by.
    pub(super) fn holds(&self, month: u64, head: &Head, price: Option<Price>) -> bool {
        let age = head.number.checked_sub(self.since);
        let is_priced = price.is_none() || self.costs.iter().all(|cost| cost.price.is_some());
        self.month == month && age.is_some_and(|age| age < HOLDS_FOR) && is_priced
    }

    /// Whether what has happened leaves it as it is.
    pub(super) fn outlives(&self, event: &LaneEvent) -> bool {
        match event {
            // One that is found late belongs in the middle.
            LaneEvent::Included { block, .. } => *block > self.until,
            LaneEvent::Final { .. }
            | LaneEvent::Replaced { .. }
            | LaneEvent::NotReplaced { .. }
            | LaneEvent::GapNotFilled { .. }
            | LaneEvent::ReceiptMissing { .. }
            | LaneEvent::PostconditionHeld { .. }
            | LaneEvent::PostconditionMissed { .. } => true,
            LaneEvent::Reorged { .. }
            | LaneEvent::Adopted { .. }
            | LaneEvent::Undone { .. }
            | LaneEvent::FormerWallet { .. }
            | LaneEvent::Foreign { .. } => false,
        }
    }

    /// Takes over what has been settled since, of costs in the order of their blocks and of calls with
    /// the newest first: everything below the first block with something that is not.
    pub(super) fn extend(&mut self, costs: &[Cost], recent: &[RecentCall]) {
        let is_open = |cost: &&Cost| !cost.is_final || cost.at.is_none();
        let open = costs.iter().find(is_open).map_or(u64::MAX, |cost| cost.block);
        let Some(last) = costs.iter().rev().find(|cost| cost.block < open) else { return };
        self.until = self.until.max(last.block);
        let settled = |block: u64| block <= self.until;
        self.costs.extend(costs.iter().filter(|cost| settled(cost.block)).cloned());
        let calls = recent.iter().rev().filter(|call| settled(call.block));
        self.recent.extend(calls.cloned());
    }
}
