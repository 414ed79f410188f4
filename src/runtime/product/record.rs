//! A decision while it is being found.

use ballast_chains::Head;
use ballast_strategy_api::{Action, Observation};

use super::super::{findings::GuardNote, status::LastDecision};

/// What is said of one assessment in the end; an error until something else is said.
pub(super) struct Record {
    pub(super) head: Head,
    pub(super) observations: Vec<Observation>,
    pub(super) kind: &'static str,
    pub(super) action: Option<String>,
    pub(super) urgency: Option<&'static str>,
    pub(super) reason: String,
    pub(super) detail: String,
    /// All that the guard found.
    pub(super) guard: Vec<GuardNote>,
    /// What of it is told besides.
    pub(super) notes: Vec<String>,
}

impl Record {
    pub(super) fn new(head: Head, observations: Vec<Observation>) -> Self {
        Self {
            head,
            observations,
            kind: "error",
            action: None,
            urgency: None,
            reason: String::new(),
            detail: String::new(),
            guard: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn due(&mut self, action: &Action) {
        self.action = Some(action.name.to_owned());
        self.urgency = Some(action.urgency.as_str());
    }

    pub(super) fn say(&mut self, kind: &'static str, reason: &str, detail: &str) {
        self.kind = kind;
        reason.clone_into(&mut self.reason);
        detail.clone_into(&mut self.detail);
    }

    pub(super) fn into_decision(self) -> (LastDecision, Vec<GuardNote>) {
        let told = std::iter::once(self.detail).filter(|detail| !detail.is_empty());
        let detail = told.chain(self.notes).collect::<Vec<_>>().join("; ");
        let decision = LastDecision {
            kind: self.kind,
            action: self.action,
            urgency: self.urgency,
            reason: self.reason,
            detail,
            observations: self.observations,
            head: self.head,
        };
        (decision, self.guard)
    }
}
