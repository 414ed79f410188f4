//! What happens at which block, by a seed.

use std::{collections::BTreeMap, fmt};

use eyre::{Result, WrapErr as _, ensure};

use super::report::Report;
use crate::{chance::Chance, stage::FINALITY};

/// The slice that every test run plays.
const SLICE: Size = Size { blocks: 100, products: 6, seed: 5 };
/// One of each in so many blocks, and at least one.
const KILL: u64 = 60;
const NODE_RESTART: u64 = 400;
const REORG: u64 = 20;
const DEAR: u64 = 40;
/// Longest time without a keeper, and of a high base fee, in blocks.
const DEAD: u64 = 4;
const STAYS_DEAR: u64 = 5;

/// How long, with how many products, and which sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) blocks: u64,
    pub(super) products: u64,
    pub(super) seed: u64,
}

impl Size {
    /// As the environment says, else a slice.
    pub(super) fn chosen() -> Result<Self> {
        let number = |name: &str, default: u64| -> Result<u64> {
            #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
            let text = std::env::var(name).unwrap_or_default();
            if text.is_empty() { Ok(default) } else { text.parse().wrap_err(name.to_owned()) }
        };
        let blocks = number("SOAK_BLOCKS", SLICE.blocks)?;
        let products = number("SOAK_PRODUCTS", SLICE.products)?;
        let seed = number("SOAK_SEED", SLICE.seed)?;
        ensure!(blocks >= 40 && products >= 2, "at least 40 blocks and 2 products");
        Ok(Self { blocks, products, seed })
    }

    /// Products on the published contracts; the others are counters.
    pub(super) fn leveraged(&self) -> u64 {
        self.products / 2
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, products, seed } = self;
        write!(f, "SOAK_SEED={seed} SOAK_BLOCKS={blocks} SOAK_PRODUCTS={products}")
    }
}

/// What happens besides faults of endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// SIGKILL to the keeper.
    Kill,
    /// It is started again.
    Revive,
    /// The node is stopped in order and started again: its pool and the states of old blocks are gone.
    NodeRestart,
    /// So many blocks fall away, and what is in them.
    Reorg(u64),
    /// What is offered buys no block for so many blocks.
    Dear(u64),
}

/// All of it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) size: Size,
    events: BTreeMap<u64, Vec<Event>>,
}

impl Plan {
    pub(super) fn new(size: Size, chance: &mut Chance) -> Self {
        let mut plan = Self { size, events: BTreeMap::new() };
        let (blocks, half) = (size.blocks, size.blocks / 2);
        for _ in 0..(half / KILL).max(1) {
            let at = chance.between(10, half - DEAD);
            plan.add(at, Event::Kill);
            plan.add(at + chance.below(DEAD), Event::Revive);
        }
        for _ in 0..(blocks / NODE_RESTART).max(1) {
            plan.add(chance.between(10, blocks - 10), Event::NodeRestart);
        }
        for _ in 0..(blocks / REORG).max(1) {
            plan.add(chance.between(10, blocks - 1), Event::Reorg(chance.between(1, FINALITY)));
        }
        for _ in 0..(blocks / DEAR).max(1) {
            plan.add(chance.between(5, blocks - 10), Event::Dear(chance.between(1, STAYS_DEAR)));
        }
        plan
    }

    fn add(&mut self, block: u64, event: Event) {
        self.events.entry(block).or_default().push(event);
    }

    pub(super) fn at(&self, block: u64) -> Vec<Event> {
        self.events.get(&block).cloned().unwrap_or_default()
    }

    /// What did not happen proves nothing.
    pub(super) fn ensure_everything_happened(&self, report: &Report) -> Result<()> {
        let Report { kills, node_restarts, reorgs, dear, days, fired, .. } = report;
        let happened = [kills, node_restarts, reorgs, dear, days];
        ensure!(happened.iter().all(|count| **count > 0), "something never happened: {report:?}");
        ensure!(fired.values().any(|count| *count > 0), "no fault ever fired");
        Ok(())
    }
}
