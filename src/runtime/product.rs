//! One product's task: guard, submit, observe. It owns the product's nonce lane, so nothing that
//! happens here can delay another product.

use std::sync::Arc;

use ballast_chains::{ChainProfile, Head};
use ballast_strategy_api::{
    Action, Assessment, Decision, DynStrategy, Observation, decision::fixed18,
};
use eyre::Result;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    events::{Event, Events, What},
    seat::{Mailbox, Turn},
    status::{Board, LastDecision},
};
use crate::{
    alerts, clock,
    config::ProductConfig,
    guard::{self, Circumstances, Verdict},
    store::{DecisionRow, Store},
    submission::{Lane, LaneEvent, Pursuit},
};

/// Everything a product's task owns or listens to.
pub(crate) struct ProductTask {
    pub(crate) config: Arc<ProductConfig>,
    pub(crate) profile: Arc<ChainProfile>,
    pub(crate) lane: Lane,
    pub(crate) mailbox: Mailbox,
    pub(crate) store: Store,
    pub(crate) board: Board,
    pub(crate) events: Events,
}

impl ProductTask {
    /// Runs until stopped. The work happens after the `select!`, so stopping is seen between
    /// turns and never drops a half-sent transaction; and each wake does both kinds of it, so that
    /// heads that come faster than they are followed never starve the turns.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<()> {
        let mut followed = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                changed = self.mailbox.heads.changed() => changed?,
                changed = self.mailbox.turns.changed() => {
                    changed?;
                    self.mailbox.turns.mark_changed();
                }
            }
            let newest = (*self.mailbox.heads.borrow()).map(|head| head.hash);
            if newest != followed {
                followed = newest;
                self.observe().await;
            }
            if self.mailbox.turns.has_changed()? {
                self.take_pending_turn().await;
            }
        }
    }

    /// Follows what is under way at the newest head; gives what happened.
    pub(crate) async fn observe(&mut self) -> Vec<LaneEvent> {
        let Some(head) = *self.mailbox.heads.borrow_and_update() else { return Vec::new() };
        let strategy = self.strategy();
        let upkeep = guard::upkeep(&self.circumstances(&head), &self.profile, &self.config.limits);
        match self.lane.observe(&head, strategy.as_deref(), &upkeep).await {
            Ok(events) => self.tell(&head, events),
            Err(error) => {
                let detail = crate::error_chain(&error);
                warn!(product = self.config.name, detail, "following transactions failed");
                Vec::new()
            }
        }
    }

    /// Acts on the newest assessment in the mailbox, if there is one.
    pub(crate) async fn take_pending_turn(&mut self) {
        let turn = self.mailbox.turns.borrow_and_update().clone();
        if let Some(turn) = turn {
            self.take_turn(&turn).await;
        }
    }

    /// Acts on one assessment, once.
    async fn take_turn(&mut self, turn: &Turn) {
        let (assessment, failure) = match &turn.outcome {
            Ok(assessment) => (Some(assessment), None),
            Err(failure) => (None, Some(failure)),
        };
        let observations = assessment.map(|a| a.observations.clone()).unwrap_or_default();
        let mut record = Record::new(turn.head, observations);
        match (assessment, failure) {
            (Some(Assessment { decision, .. }), _) => match decision {
                Decision::Wait { reason, .. } => record.say("wait", reason, ""),
                Decision::Blocked { reason, detail } => record.say("blocked", reason, detail),
                Decision::Act(action) => self.act(action.clone(), turn.head, &mut record).await,
            },
            (None, Some(failure)) => record.say("error", failure.reason, &failure.detail),
            (None, None) => return,
        }
        self.publish(record);
    }

    async fn act(&mut self, action: Action, found_at: Head, record: &mut Record) {
        record.due(&action);
        // Found at an older head? It is simulated at the newest one. Found at a head that a
        // reorganisation has taken away? Then it answers a state that may not exist.
        let head = (*self.mailbox.heads.borrow()).unwrap_or(found_at);
        if head.number < found_at.number {
            return record.say("refused", "its block was reorganised away", "");
        }
        let circumstances = self.circumstances(&head);
        let Some(strategy) = self.strategy() else {
            return record.say("error", "strategy not connected", "");
        };
        match guard::judge(action, &circumstances, &self.profile, &self.config.limits) {
            Verdict::Refuse { reason, detail } => record.say("refused", reason, &detail),
            Verdict::Rehearse(rehearsal) => {
                let planned = self.lane.plan(&rehearsal, &head, strategy.as_ref()).await;
                self.say_pursuit(planned, rehearsal.reason, record);
            }
            Verdict::Permit(permit) => {
                let pursued = self.lane.pursue(permit, &head, strategy.as_ref()).await;
                self.say_pursuit(pursued, "", record);
            }
        }
    }

    fn circumstances(&self, head: &Head) -> Circumstances {
        Circumstances {
            mode: self.config.mode,
            paused: self.config.paused,
            dry_run: self.config.dry_run,
            can_sign: self.lane.can_sign(),
            head_age: clock::age_of(head.timestamp),
        }
    }

    fn say_pursuit(
        &self,
        result: Result<Pursuit, crate::submission::LaneError>,
        rehearsed: &str,
        record: &mut Record,
    ) {
        match result {
            Ok(pursuit) => {
                let reason =
                    if rehearsed.is_empty() { pursuit.reason() } else { rehearsed.to_owned() };
                record.say(pursuit.kind(), &reason, &pursuit.to_string());
                if let Pursuit::Sent { .. } = pursuit {
                    let text = pursuit.to_string();
                    let what = What::Transaction { step: "sent", text, incident: None };
                    self.emit(record.head, what);
                }
            }
            Err(error) => record.say("error", error.reason(), &crate::error_chain(&error)),
        }
    }

    fn tell(&self, head: &Head, events: Vec<LaneEvent>) -> Vec<LaneEvent> {
        for event in &events {
            info!(product = self.config.name, step = event.step(), "{event}");
            let (step, text) = (event.step(), event.to_string());
            let incident = alerts::incidents::of(event);
            self.emit(*head, What::Transaction { step, text, incident });
        }
        events
    }

    /// Makes a decision known: log on change, metrics, board, store, listeners.
    fn publish(&self, record: Record) {
        let product = &self.config.name;
        let decision = record.into_decision();
        let before = self.board.product(product).and_then(|status| status.last);
        let changed = before.is_none_or(|b| {
            (b.kind, &b.action, &b.reason) != (decision.kind, &decision.action, &decision.reason)
        });
        if changed {
            let (kind, reason, detail) = (decision.kind, &decision.reason, &decision.detail);
            let action = decision.action.as_deref().unwrap_or_default();
            info!(product, head = decision.head.number, kind, action, reason, detail, "decision");
        }
        count(product, &self.profile.name, &decision);
        self.store.note_decision(DecisionRow::new(product, &self.profile.name, &decision, changed));
        self.board.decided(product, decision.clone());
        self.emit(decision.head, What::Decided(Box::new(decision)));
    }

    fn emit(&self, head: Head, what: What) {
        self.events.tell(Event { product: self.config.name.clone(), head, what });
    }

    fn strategy(&self) -> Option<Arc<dyn DynStrategy>> {
        self.mailbox.strategy.borrow().clone()
    }
}

/// A decision while it is being found.
struct Record {
    head: Head,
    observations: Vec<Observation>,
    kind: &'static str,
    action: Option<String>,
    urgency: Option<&'static str>,
    reason: String,
    detail: String,
}

impl Record {
    fn new(head: Head, observations: Vec<Observation>) -> Self {
        Self {
            head,
            observations,
            kind: "error",
            action: None,
            urgency: None,
            reason: String::new(),
            detail: String::new(),
        }
    }

    fn due(&mut self, action: &Action) {
        self.action = Some(action.name.to_owned());
        self.urgency = Some(action.urgency.as_str());
    }

    fn say(&mut self, kind: &'static str, reason: &str, detail: &str) {
        self.kind = kind;
        reason.clone_into(&mut self.reason);
        detail.clone_into(&mut self.detail);
    }

    fn into_decision(self) -> LastDecision {
        LastDecision {
            kind: self.kind,
            action: self.action,
            urgency: self.urgency,
            reason: self.reason,
            detail: self.detail,
            observations: self.observations,
            head: self.head,
        }
    }
}

fn count(product: &str, chain: &str, decision: &LastDecision) {
    let (product, chain) = (product.to_owned(), chain.to_owned());
    metrics::counter!(
        "ballast_decisions_total",
        "product" => product.clone(), "chain" => chain, "kind" => decision.kind
    )
    .increment(1);
    for seen in &decision.observations {
        // The edge: from here on the value is a float for a chart.
        if let Ok(value) = fixed18(seen.value).parse::<f64>() {
            let labels =
                [("product", product.clone()), ("name", seen.name.into()), ("of", seen.of.clone())];
            metrics::gauge!("ballast_observation", &labels).set(value);
        }
    }
}
