//! One product's task: guard, submit, observe. It owns the product's nonce lane, so nothing that
//! happens here can delay another product.

mod acts_on;
mod asked;
mod record;

use std::sync::Arc;

use alloy::primitives::U256;
use ballast_chains::{ChainProfile, Head, fees::next_base_fee};
use ballast_strategy_api::{Action, Decision, DynStrategy, Strategy as _, Urgency};
use eyre::Result;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(crate) use self::asked::Asking;
use self::{asked::Dealing, record::Record};
use super::{
    accounts::{Accounts, Due},
    events::{Event, What},
    findings::{self, GuardNote},
    orders::{Ordered, PendingOrder},
    recorder::Recorder,
    seat::{Mailbox, Turn},
    status::{Balance, LastDecision},
    supervisor::Shared,
};
use crate::{
    alerts, clock,
    config::ProductConfig,
    guard::{self, Circumstances, Past, Upkeep, Verdict},
    ledger::external::External,
    submission::{Lane, LaneError, LaneEvent, Obeyed, Pursuit},
};

/// Everything a product's task owns or listens to.
pub(crate) struct ProductTask {
    pub(crate) config: Arc<ProductConfig>,
    pub(crate) profile: Arc<ChainProfile>,
    pub(crate) lane: Lane,
    pub(crate) mailbox: Mailbox,
    pub(crate) accounts: Accounts,
    pub(crate) shared: Shared,
    pub(crate) recorder: Recorder,
    /// Whether the board shows a transaction of this product.
    pub(crate) shows_current: bool,
    /// What operators order, and the one whose turn it is.
    pub(crate) orders: mpsc::Receiver<Ordered>,
    pub(crate) order: Option<PendingOrder>,
    /// Who waits for a new assessment.
    pub(crate) asking: Asking,
}

impl ProductTask {
    /// Runs until stopped. The work happens after the `select!`, so stopping is seen between
    /// turns and never drops a half-sent transaction; and each wake does both kinds of it, so that
    /// heads that come faster than they are followed never starve the turns.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<()> {
        let ended = self.work(stop).await;
        self.recorder.flush();
        ended
    }

    async fn work(&mut self, stop: CancellationToken) -> Result<()> {
        let mut followed = None;
        let mut pauses = self.shared.pauses.subscribe();
        let mut paused = self.shared.pauses.holds(&self.config.name);
        show_paused(&self.config.name, paused);
        let mut agreed = self.shared.pauses.agreed(&self.config.name);
        loop {
            // With nothing under way a head alone is no work: the assessment that follows it is,
            // and its wake does for both. A thousand idle products are not woken twice a block.
            let is_idle = self.lane.is_idle();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                changed = self.mailbox.heads.changed(), if !is_idle => changed?,
                changed = self.mailbox.turns.changed() => {
                    changed?;
                    self.mailbox.turns.mark_changed();
                }
                changed = pauses.changed() => {
                    changed?;
                    // A resume forgives what failed before.
                    self.accounts.changed();
                }
                Some(order) = self.orders.recv(), if self.order.is_none() && self.asking.has_room() => {
                    if self.take_order(order) {
                        // At the head that is there, if it can be.
                        followed = None;
                    }
                }
            }
            // Heads that come faster than they are followed must not starve an order either: it is
            // given when something is stuck.
            if self.order.is_none()
                && self.asking.has_room()
                && let Ok(order) = self.orders.try_recv()
                && self.take_order(order)
            {
                followed = None;
            }
            let holds = self.shared.pauses.holds(&self.config.name);
            if std::mem::replace(&mut paused, holds) != holds {
                show_paused(&self.config.name, holds);
                // An operator's word counts at once: the last assessment is judged again, and what
                // is under way is helped on or not.
                followed = None;
                self.asking.forget();
                self.mailbox.turns.mark_changed();
            }
            let agrees = self.shared.pauses.agreed(&self.config.name);
            if std::mem::replace(&mut agreed, agrees) != agreed {
                (followed, _) = (None, self.mailbox.turns.mark_changed());
            }
            let newest = (*self.mailbox.heads.borrow()).map(|head| head.hash);
            if newest != followed {
                followed = newest;
                self.observe().await;
            }
            if self.mailbox.turns.has_changed()? {
                self.take_pending_turn().await;
            }
            // What the turn itself found of it is dealt with.
            agreed = self.shared.pauses.agreed(&self.config.name);
        }
    }

    /// Follows what is under way at the newest head; gives what happened.
    pub(crate) async fn observe(&mut self) -> Vec<LaneEvent> {
        let Some(head) = *self.mailbox.heads.borrow_and_update() else { return Vec::new() };
        self.lane.agree(self.show_agreed());
        if self.lane.may_skip(&head) {
            self.keep_accounts(&head).await;
            return Vec::new();
        }
        let strategy = self.strategy();
        let nothing = Past::default();
        let past = self.accounts.past().unwrap_or(&nothing);
        let upkeep = guard::upkeep(&self.circumstances(&head, past), &self.config.limits);
        let observed = match self.order.take().filter(|ordered| !ordered.reply.is_closed()) {
            Some(ordered) => self.obey(ordered, &head, strategy.as_deref(), &upkeep).await,
            None => self.lane.observe(&head, strategy.as_deref(), &upkeep).await,
        };
        self.show_current();
        let events = match observed {
            Ok(events) => self.tell(&head, events),
            Err(error) => {
                let detail = crate::error_chain(&error);
                warn!(product = self.config.name, detail, "following transactions failed");
                self.accounts.changed();
                Vec::new()
            }
        };
        if !events.is_empty() {
            self.accounts.changed();
        }
        self.keep_accounts(&head).await;
        events
    }

    /// Observes, carries out an order on the way and answers it; one that this head is too early
    /// for waits for the next.
    async fn obey(
        &mut self,
        PendingOrder { order, reply }: PendingOrder,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        upkeep: &Upkeep,
    ) -> Result<Vec<LaneEvent>, LaneError> {
        let nothing = Past::default();
        let past = self.accounts.past().unwrap_or(&nothing);
        let circumstances = self.circumstances(head, past);
        let by_order = guard::upkeep_by_order(&circumstances, &self.config.limits);
        let parts = (order.clone(), &by_order);
        let (observed, obeyed) =
            match self.lane.observe_ordered(parts, head, strategy, upkeep).await {
                Ok((events, obeyed)) => (Ok(events), obeyed),
                Err(error) => {
                    let why = format!(
                        "{}; `tx show` tells whether anything was signed",
                        crate::error_chain(&error)
                    );
                    (Err(error), Obeyed::Refused { why })
                }
            };
        info!(product = self.config.name, kind = ?order.kind, why = order.why, ?obeyed, "an order");
        if obeyed == Obeyed::NotYet {
            self.order = Some(PendingOrder { order, reply });
        } else {
            // Whoever asked may have gone; the journal has what was done.
            drop(reply.send(obeyed));
        }
        observed
    }

    /// Brings the books up to date, and makes known what they say.
    async fn keep_accounts(&mut self, head: &Head) {
        if self.accounts.is_settled(head) {
            return;
        }
        let price = self.circumstances(head, &Past::default()).fresh_price();
        let refreshed = self.accounts.refresh(head, price).await;
        if !self.accounts.tells(head, refreshed) {
            return;
        }
        let spent = self.accounts.budget_use(head.timestamp, price, &self.config.limits);
        let product = &self.config.name;
        if self.profile.feeds.native_usd.is_some() {
            let gauge = |name, usd: &str| {
                // The edge: from here on the value is a float for a chart.
                if let Ok(value) = usd.parse::<f64>() {
                    metrics::gauge!(name, "product" => product.clone()).set(value);
                }
            };
            gauge("ballast_month_spent_usd", &spent.spent_usd);
            gauge("ballast_month_reserved_usd", &spent.reserved_usd);
            gauge("ballast_month_forecast_usd", &spent.forecast_usd);
            if let Some(percent) = spent.used_percent {
                gauge("ballast_month_budget_used_percent", &percent.to_string());
            }
        }
        self.shared.board.spent(product, spent);
    }

    /// Keeps an operator's order for when it can be carried out; whether that is at once.
    fn take_order(&mut self, order: Ordered) -> bool {
        match order {
            Ordered::Pending(order) => {
                self.order = Some(order);
                true
            }
            Ordered::Assess(asked) => {
                self.asking.wait(self.mailbox.order_turn(), asked);
                false
            }
        }
    }

    /// The balance as a gauge: whole coins, a float from here on.
    fn show_balance(&self, wei: U256) {
        if let Ok(coins) = ballast_chains::amount::ether(wei).parse::<f64>() {
            let labels =
                [("product", self.config.name.clone()), ("chain", self.profile.name.clone())];
            metrics::gauge!("ballast_wallet_balance", &labels).set(coins);
        }
    }

    /// Puts what is under way on the board.
    fn show_current(&mut self) {
        let is_clear = self.lane.unfinished() == 0;
        if !std::mem::replace(&mut self.shows_current, !is_clear) && is_clear {
            return;
        }
        let current = if is_clear {
            None
        } else {
            let mut slots = self.lane.snapshot().slots;
            match slots.iter().position(|slot| slot.included_in.is_none()) {
                Some(waiting) => Some(slots.swap_remove(waiting)),
                None => slots.pop(),
            }
        };
        self.shared.board.current(&self.config.name, current);
    }

    /// Acts on the newest assessment in the mailbox, if there is one.
    pub(crate) async fn take_pending_turn(&mut self) {
        let turn = self.mailbox.turns.borrow_and_update().clone();
        let Some(turn) = turn else { return };
        let (dealing, asked) = self.asking.take(&turn);
        if dealing == Dealing::Skip {
            return;
        }
        let rehearses = dealing == Dealing::Rehearse;
        let (decision, guard) = self.take_turn(&turn, rehearses).await;
        let told = (!asked.is_empty()).then(|| decision.clone());
        if !rehearses {
            self.recorder.publish(decision, guard);
        }
        if let Some(told) = told {
            asked::answer(&self.config.name, &self.shared.board, asked, &told);
        }
    }

    /// Decides on one assessment, and acts on it unless it is only rehearsed.
    async fn take_turn(&mut self, turn: &Turn, rehearses: bool) -> (LastDecision, Vec<GuardNote>) {
        if let Some(wei) = turn.balance {
            let balance = Balance { wei, block: turn.head.number };
            self.shared.board.balance(&self.config.name, balance);
            self.lane.told_balance(wei);
            self.show_balance(wei);
        }
        let mut record = Record::new(turn.head, Vec::new());
        match &turn.outcome {
            Ok(assessment) => {
                record.observations.clone_from(&assessment.observations);
                if !rehearses {
                    self.lane.reassessed(assessment, &turn.head);
                }
            }
            Err(_) => self.lane.unread(),
        }
        if !self.hear_what_it_acts_on(turn, &mut record).await {
            return record.into_decision();
        }
        match &turn.outcome {
            Ok(assessment) => match &assessment.decision {
                Decision::Wait { reason, .. } => {
                    if self.counts_blocks() && !rehearses {
                        self.accounts.nothing_due().await;
                    }
                    record.say("wait", reason, "");
                }
                Decision::Blocked { reason, detail } => record.say("blocked", reason, detail),
                Decision::Act(action) => {
                    self.act(action.clone(), turn.head, rehearses, &mut record).await;
                }
            },
            Err(failure) => record.say("error", failure.reason, &failure.detail),
        }
        self.show_current();
        record.into_decision()
    }

    async fn act(&mut self, action: Action, found_at: Head, rehearses: bool, record: &mut Record) {
        record.due(&action);
        // Found at an older head? It is simulated at the newest one. Found at a head that a
        // reorganisation has taken away? Then it answers a state that may not exist.
        let head = (*self.mailbox.heads.borrow()).unwrap_or(found_at);
        if head.number < found_at.number {
            return record.say("refused", "its block was reorganised away", "");
        }
        let Some(strategy) = self.strategy() else {
            return record.say("error", "strategy not connected", "");
        };
        // Judged late, or again: the branch that it was found on may be gone by now.
        if self.lane.is_in_chain((&found_at).into(), &head).await == Some(false) {
            return record.say("refused", "its block was reorganised away", "");
        }
        let due = self.first_due(&action, &found_at).await;
        let Some(past) = self.accounts.past() else {
            return record.say("error", "the journal cannot be read", "");
        };
        let circumstances = Circumstances {
            dry_run: self.config.dry_run || rehearses,
            first_due: due.map(|due| due.at),
            due_for_blocks: due.map_or(0, |due| found_at.number.saturating_sub(due.block)),
            ..self.circumstances(&head, past)
        };
        let judgement = guard::judge(action, &circumstances, &self.config.limits);
        record.guard = findings::of(&judgement);
        record.notes = findings::beside(&judgement);
        match judgement.verdict {
            Verdict::Refuse(finding) => {
                record.say(finding.row.decision(), finding.reason, &finding.detail);
            }
            Verdict::Rehearse(rehearsal) => {
                let planned = self.lane.plan(&rehearsal, &head, strategy.as_ref()).await;
                self.say_pursuit(planned, rehearsal.reason, record);
            }
            Verdict::Permit(permit) => {
                let pursued = self.lane.pursue(permit, &head, strategy.as_ref()).await;
                self.accounts.changed();
                self.say_pursuit(pursued, "", record);
            }
        }
    }

    /// Since when the action is due, where somebody wants to know.
    async fn first_due(&mut self, action: &Action, found_at: &Head) -> Option<Due> {
        let limits = &self.config.limits;
        let budget = limits.monthly_budget.or(limits.hard_budget).is_some();
        let waits = limits.routine_base_fee.is_some() || budget;
        if self.counts_blocks() || (waits && action.urgency == Urgency::Routine) {
            Some(self.accounts.first_due(action, found_at).await)
        } else {
            None
        }
    }

    /// Whether it matters for how many blocks something has been due.
    fn counts_blocks(&self) -> bool {
        self.config.limits.act_after_blocks > 0
    }

    fn circumstances<'a>(&'a self, head: &Head, past: &'a Past) -> Circumstances<'a> {
        Circumstances {
            chain: &self.profile,
            mode: self.config.mode,
            paused: self.config.paused,
            operator_paused: self.shared.pauses.holds(&self.config.name),
            dry_run: self.config.dry_run,
            can_sign: self.lane.can_sign(),
            head_age: clock::age_of(head.timestamp),
            now: head.timestamp,
            next_base_fee: next_base_fee(head),
            dispute: self.accounts.dispute(),
            feeds: self.mailbox.feeds.borrow().clone(),
            past,
            first_due: None,
            due_for_blocks: 0,
            store_short: self.shared.store.is_short(),
            waiting: self.lane.waiting_at(),
            agreed: self.shared.pauses.agreed(&self.config.name),
        }
    }

    fn say_pursuit(
        &self,
        result: Result<Pursuit, LaneError>,
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
        let spent = |event: &LaneEvent| matches!(event, LaneEvent::Included { .. });
        if events.iter().any(spent) {
            self.mailbox.want_balance();
        }
        for event in &events {
            info!(product = self.config.name, step = event.step(), "{event}");
            let (step, text) = (event.step(), event.to_string());
            // Of a wallet that no strategy acts with everything is sent by others.
            let expected = matches!(event, LaneEvent::Foreign { .. } | LaneEvent::Adopted { .. })
                && self.config.strategy == External::KIND;
            let incident = if expected { None } else { alerts::incidents::of(event) };
            self.emit(*head, What::Transaction { step, text, incident });
        }
        events
    }

    fn emit(&self, head: Head, what: What) {
        self.shared.events.tell(Event { product: self.config.name.clone(), head, what });
    }

    fn strategy(&self) -> Option<Arc<dyn DynStrategy>> {
        self.mailbox.strategy.borrow().clone()
    }
}

fn show_paused(product: &str, paused: bool) {
    let gauge = metrics::gauge!("ballast_product_paused", "product" => product.to_owned());
    gauge.set(f64::from(u8::from(paused)));
}
