//! Makes a product's decisions known: log, metrics, board, store, listeners.
//!
//! There is a decision at every block, and it seldom says another thing than the one before. The
//! board has every one of them. The store has each that says another thing, each that has something due, and of
//! the rest one a minute by block time, each product at a second of its own: so what a keeper that
//! was killed leaves behind explains the product as it was at most a minute before. What the board
//! has and the store has not is written when the product's task ends.

use std::mem;

use alloy::primitives::I256;
use ballast_strategy_api::{Observation, decision::fixed18};
use metrics::{Counter, Gauge};
use tracing::{debug, info};

use super::{
    events::{Event, What},
    findings::{self, GuardNote},
    status::LastDecision,
    supervisor::Shared,
};
use crate::store::{DecisionRow, SeriesRecorder};

/// Seconds of block time for which a decision that says nothing new is not written again.
const WRITE_EVERY: u64 = 60;
/// Metric handles kept of one product; a strategy that names ever new observations has the others
/// looked up each time.
const MAX_METERS: usize = 128;

/// Tells what one product decides.
#[derive(Debug)]
pub(crate) struct Recorder {
    product: String,
    chain: String,
    shared: Shared,
    series: SeriesRecorder,
    meters: Meters,
    /// The stretch of block time in which a decision was written last.
    written: Option<u64>,
    /// The board has a decision that the store has not.
    is_ahead: bool,
}

impl Recorder {
    pub(crate) fn new(product: &str, chain: &str, shared: Shared) -> Self {
        Self {
            product: product.to_owned(),
            chain: chain.to_owned(),
            shared,
            series: SeriesRecorder::new(product),
            meters: Meters::default(),
            written: None,
            is_ahead: false,
        }
    }

    /// Makes a decision known, with what the guard found beside it.
    pub(crate) fn publish(&mut self, decision: LastDecision, guard: Vec<GuardNote>) {
        self.note_series(&decision);
        self.meters.count(&self.product, &self.chain, &decision);
        if !guard.is_empty() {
            let before = self.shared.board.guard(&self.product);
            findings::tell(&self.product, &self.chain, &guard, &before);
        }
        let is_new = !self.shared.board.says_the_same(&self.product, &decision);
        if is_new {
            let (kind, reason, detail) = (decision.kind, &decision.reason, &decision.detail);
            let action = decision.action.as_deref().unwrap_or_default();
            let (product, head) = (&self.product, decision.head.number);
            info!(product, head, kind, action, reason, detail, "decision");
        } else {
            let (product, head, kind) = (&self.product, decision.head.number, decision.kind);
            debug!(product, head, kind, reason = decision.reason, "decision as before");
        }
        self.store(&decision, is_new);
        if self.shared.events.is_heard() {
            let what = What::Decided(Box::new(decision.clone()));
            let product = self.product.clone();
            self.shared.events.tell(Event { product, head: decision.head, what });
        }
        self.shared.board.decided(&self.product, decision, guard);
    }

    /// Has the decision written that the board has and the store has not.
    pub(crate) fn flush(&mut self) {
        if !mem::take(&mut self.is_ahead) {
            return;
        }
        if let Some(last) = self.shared.board.last(&self.product) {
            self.write(&last, false);
        }
    }

    /// Block time going back, after a reorganisation, is another stretch too.
    fn store(&mut self, decision: &LastDecision, is_new: bool) {
        let stretch = stretch(decision.head.timestamp, &self.product);
        let is_due = self.written.replace(stretch) != Some(stretch);
        self.is_ahead = !(is_new || is_due || decision.action.is_some());
        if !self.is_ahead {
            self.write(decision, is_new);
        }
    }

    fn write(&self, decision: &LastDecision, notable: bool) {
        let row = DecisionRow::new(&self.product, &self.chain, decision, notable);
        self.shared.store.note_decision(row);
    }

    /// Keeps what is charted: every block in memory, a point a minute and an hour in the store.
    fn note_series(&mut self, decision: &LastDecision) {
        let (product, at) = (self.product.as_str(), decision.head.timestamp);
        for seen in decision.observations.iter().filter(|seen| seen.series) {
            let key = (seen.name.to_owned(), seen.of.clone());
            self.shared.board.note_recent(product, key.clone(), at, seen.value);
            self.series.note(&self.shared.store, key, at, || fixed18(seen.value));
        }
    }
}

/// The number of a minute, which begins at another second for each product: a thousand products
/// that were started together do not write together ever after.
fn stretch(at: u64, product: &str) -> u64 {
    let spread: u64 = product.bytes().map(u64::from).sum();
    let shifted = at.saturating_add(spread.checked_rem(WRITE_EVERY).unwrap_or_default());
    shifted.checked_div(WRITE_EVERY).unwrap_or_default()
}

/// Handles of the metrics that each decision sets, so that none of them is looked up at every block.
#[derive(Debug, Default)]
struct Meters {
    /// By kind of decision: a fixed few.
    decisions: Vec<(&'static str, Counter)>,
    /// In the order in which they were first seen, which is nearly always the order of the next.
    observations: Vec<Meter>,
}

#[derive(Debug)]
struct Meter {
    name: &'static str,
    of: String,
    shown: Option<I256>,
    gauge: Gauge,
}

impl Meters {
    fn count(&mut self, product: &str, chain: &str, decision: &LastDecision) {
        let kind = decision.kind;
        match self.decisions.iter().find(|(known, _)| *known == kind) {
            Some((_, counter)) => counter.increment(1),
            None => {
                let (product, chain) = (product.to_owned(), chain.to_owned());
                let counter = metrics::counter!(
                    "ballast_decisions_total",
                    "product" => product, "chain" => chain, "kind" => kind
                );
                counter.increment(1);
                self.decisions.push((kind, counter));
            }
        }
        for (place, seen) in decision.observations.iter().enumerate() {
            match self.find(place, seen) {
                Some(meter) => meter.show(seen.value),
                None => {
                    let mut meter = Meter::new(product, seen);
                    meter.show(seen.value);
                    if self.observations.len() < MAX_METERS {
                        self.observations.push(meter);
                    }
                }
            }
        }
    }

    fn find(&mut self, place: usize, seen: &Observation) -> Option<&mut Meter> {
        let is_it = |meter: &Meter| meter.name == seen.name && meter.of == seen.of;
        let place = match self.observations.get(place) {
            Some(meter) if is_it(meter) => place,
            Some(_) | None => self.observations.iter().position(is_it)?,
        };
        self.observations.get_mut(place)
    }
}

impl Meter {
    fn new(product: &str, seen: &Observation) -> Self {
        let labels = [
            ("product", product.to_owned()),
            ("name", seen.name.to_owned()),
            ("of", seen.of.clone()),
        ];
        let gauge = metrics::gauge!("ballast_observation", &labels);
        Self { name: seen.name, of: seen.of.clone(), shown: None, gauge }
    }

    fn show(&mut self, value: I256) {
        if self.shown.replace(value) == Some(value) {
            return;
        }
        // The edge: from here on the value is a float for a chart.
        if let Ok(value) = fixed18(value).parse::<f64>() {
            self.gauge.set(value);
        }
    }
}

#[cfg(test)]
mod tests;
