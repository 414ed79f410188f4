//! What happened, as one stream of plain values: the terminal of the demo, `once` and, later, the
//! page listen to it. Losing an event costs a listener a line, never the keeper a decision.

use ballast_chains::Head;
use serde::Serialize;
use tokio::sync::broadcast;

use super::status::LastDecision;
use crate::alerts::Incident;

/// Events kept for a listener that falls behind; older ones are skipped.
const EVENTS_BUFFERED: usize = 1_024;

/// One thing that happened to a product.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The product's name.
    pub product: String,
    /// The head at which it happened.
    pub head: Head,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// An assessment went through the guard and, if allowed, to submission.
    Decided(Box<LastDecision>),
    /// A transaction moved on: `sent`, `included`, `final`, …
    Transaction {
        /// Stable word for the step.
        step: &'static str,
        /// The step in words for people.
        text: String,
        /// Whether people should be told, and how soon.
        #[serde(skip_serializing_if = "Option::is_none")]
        incident: Option<Incident>,
    },
}

/// The sending end, cheap to clone.
#[derive(Debug, Clone)]
pub struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(EVENTS_BUFFERED))
    }
}

impl Events {
    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }

    /// Whether anybody listens: what is made for listeners only need not be made otherwise.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Tells whoever listens.
    pub(crate) fn tell(&self, event: Event) {
        // Nobody listening is the normal case.
        drop(self.0.send(event));
    }
}
