//! One product's task: guard, submit, observe. It owns the product's nonce lane, so nothing that
//! happens here can delay another product.
//!
//! Reading order: here, what wakes it and how it follows what is under way; then [`turn`], what it does
//! with an assessment.

mod acts_on;
mod asked;
mod record;
mod shown;
mod turn;

use std::sync::Arc;

use ballast_chains::{ChainProfile, Head, fees::next_base_fee};
use ballast_strategy_api::{DynStrategy, Strategy as _};
use eyre::Result;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(crate) use self::asked::Asking;
use self::{record::Record, shown::show_paused};
use super::{
    accounts::Accounts,
    events::{Event, What},
    orders::{Ordered, PendingOrder},
    recorder::Recorder,
    seat::Mailbox,
    supervisor::Shared,
};
use crate::{
    alerts, clock,
    config::ProductConfig,
    guard::{self, Circumstances, Past, Upkeep},
    ledger::external::External,
    submission::{Lane, LaneError, LaneEvent, Obeyed},
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
                late = self.lane.late() => {
                    self.lane.note_late(late).await;
                    self.show_current();
                }
                changed = self.mailbox.heads.changed(), if !is_idle => changed?,
                changed = self.mailbox.turns.changed() => {
                    changed?;
                    self.mailbox.turns.mark_changed();
                }
                changed = pauses.changed() => {
                    changed?;
                    pauses.mark_changed();
                }
                Some(order) = self.orders.recv(), if self.order.is_none() && self.asking.has_room() => {
                    if self.take_order(order) {
                        // At the head that is there, if it can be.
                        followed = None;
                    }
                }
            }
            // Heads that come faster than they are followed must starve neither a resume, which forgives
            // what failed before …
            if pauses.has_changed()? {
                pauses.mark_unchanged();
                self.accounts.changed();
            }
            // … nor an order, which is given when something is stuck.
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
            // After the turn, which goes by what was found and does not wait for the disk.
            self.accounts.book_found().await;
            // What the turn itself found of it is dealt with.
            agreed = self.shared.pauses.agreed(&self.config.name);
        }
    }

    /// Follows what is under way at the newest head; gives what happened.
    pub(crate) async fn observe(&mut self) -> Vec<LaneEvent> {
        let Some(head) = *self.mailbox.heads.borrow_and_update() else { return Vec::new() };
        self.lane.agree(self.show_agreed());
        // An order is answered at once, also where there is nothing to give it to.
        if self.order.is_none() && self.lane.may_skip(&head) {
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
            Ok(events) => {
                self.accounts.happened(&events);
                self.tell(&head, events)
            }
            Err(error) => {
                let detail = crate::error_chain(&error);
                warn!(product = self.config.name, detail, "following transactions failed");
                self.accounts.changed();
                Vec::new()
            }
        };
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
