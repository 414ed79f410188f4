//! Following what is under way, at every head.

use std::sync::Arc;

use ballast_chains::Head;
use ballast_strategy_api::DynStrategy;

use crate::guard::{Leave, Upkeep};

use super::{Lane, LaneError, LaneEvent, book::Book, evidence::Evidence};

/// Blocks between two looks at the nonce of a wallet that has nothing under way and whose balance
/// does not change.
const IDLE_LOOK_EVERY: u64 = 100;

impl Lane {
    /// Looks at every slot that is not final, at this head: what was included, reorganised away or
    /// finished, whether inclusion had its effect, and what waits is sent again, replaced or given
    /// up.
    ///
    /// With the strategy the income of an inclusion is told as well. `upkeep` is the guard's word
    /// on how far to go with what waits.
    ///
    /// # Errors
    /// When nodes or journal do not answer; the next head is the retry, and what was found before
    /// the failure is told then.
    pub async fn observe(
        &mut self,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        upkeep: &Upkeep,
    ) -> Result<Vec<LaneEvent>, LaneError> {
        let mut events = std::mem::take(&mut self.outbox);
        let observed = self.observe_into(head, strategy, upkeep, &mut events).await;
        // Remarks of the lane itself, such as a foreign nonce, come with the rest.
        events.append(&mut self.outbox);
        match observed {
            Ok(()) => Ok(events),
            Err(error) => {
                self.outbox = events;
                Err(error)
            }
        }
    }

    async fn observe_into(
        &mut self,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        self.book.reload().await?;
        self.note_all_late().await;
        // Trouble with a former wallet is no reason not to follow the present one.
        let formers = self.follow_formers(head, strategy, events).await;
        self.observe_own(head, strategy, upkeep, events).await?;
        formers
    }

    async fn observe_own(
        &mut self,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let stretch = self.stretch(head);
        // Opening the lane has just read the nonce, so the first head needs no look.
        let since = *self.looked.get_or_insert(stretch);
        let is_seen = since == stretch && !self.moved && !self.foreign.is_waiting();
        if self.book.slots.is_empty() && is_seen {
            return Ok(());
        }
        let (finality, settle) = (self.profile.finality, self.foreign.is_waiting());
        let mut evidence = self.book.evidence(head, finality, settle).await?;
        (self.looked, self.moved) = (Some(stretch), false);
        self.known.nonce = Some((head.hash, evidence.nonce));
        self.notice_foreign(evidence.nonce, Some(head));
        if !self.book.slots.contains_key(&evidence.nonce)
            && self.reopen_undone(evidence.nonce, head).await?
        {
            evidence = self.book.evidence(head, finality, settle).await?;
        }
        let seen = events.len();
        let followed = self.book.follow(&evidence, head, strategy, events).await;
        self.tell_extra(events.get(seen..).unwrap_or_default());
        let is_reorg = |event: &LaneEvent| matches!(event, LaneEvent::Reorged { .. });
        if events.iter().skip(seen).any(is_reorg) {
            self.need.forget();
            self.book.nothing_outdated();
        }
        followed?;
        if self.book.journal.is_writable() {
            let helped = self.obey_and_help_on(&evidence, head, upkeep, events).await;
            // Books wait for what waits for a block; and trouble with one is none with the other.
            let booked = self.book_foreign(&evidence, head, events).await;
            helped.and(booked)?;
        }
        Ok(())
    }

    async fn obey_and_help_on(
        &mut self,
        evidence: &Evidence,
        head: &Head,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        self.obey(evidence, head, events).await?;
        self.help_on(evidence, head, upkeep, events).await
    }

    /// Whatever may be done for what waits.
    async fn help_on(
        &mut self,
        evidence: &Evidence,
        head: &Head,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let free = self.waiting(evidence);
        if upkeep.leave < Leave::Resend {
            let ordered = self.ordered(&free, upkeep);
            for nonce in free.iter().filter(|nonce| !ordered.contains(nonce)) {
                self.recall(*nonce, head);
            }
            self.note_repeats(&ordered).await?;
            self.resend_ordered(&ordered, head, upkeep).await;
            return Ok(());
        }
        for watched in self.book.slots.values_mut() {
            watched.insists = false;
        }
        let counts = self.need.idle_since.is_some() || self.book.any_outdated();
        if !free.is_empty() && (counts || upkeep.delever_only) {
            self.forget_other_branch(head).await;
        }
        self.note_repeats(&free).await?;
        // The lowest only: the others' calls cannot be judged before it is included.
        let lowest = free.first().and_then(|nonce| self.book.slots.get(nonce));
        let leave = lowest.map_or(upkeep.leave, |watched| {
            let (urgency, _) = self.wanted_next(&watched.slot.newest().intent, upkeep);
            upkeep.leave_for(urgency)
        });
        let tended = match (leave, free.first()) {
            (Leave::Sign, Some(nonce)) => self.tend(*nonce, head, upkeep, events).await,
            (Leave::Sign | Leave::Watch | Leave::Resend, _) => Ok(()),
        };
        // Whatever kept the replacement from being made: what is journalled goes out again.
        self.resend(&free, head, upkeep).await;
        tended?;
        if leave == Leave::Sign {
            self.fill_gap(&free, evidence.nonce, head, upkeep, events).await?;
        }
        Ok(())
    }

    /// Nonces that wait for inclusion and that the chain has not used, ascending.
    pub(super) fn waiting(&self, evidence: &Evidence) -> Vec<u64> {
        let free = self
            .book
            .slots()
            .filter(|slot| slot.state.is_awaiting_inclusion() && evidence.is_free(slot))
            .map(|slot| slot.nonce);
        free.collect()
    }

    /// Whether nothing is under way, nor waits to be told or read: heads may then pass unobserved
    /// until the next assessment.
    pub fn is_idle(&self) -> bool {
        let is_settled = self.book.slots.is_empty() && !self.book.reload;
        let is_quiet = self.outbox.is_empty() && !self.foreign.is_waiting() && !self.moved;
        is_settled && is_quiet && self.formers.is_empty()
    }

    /// Whether observing this head would do nothing.
    pub fn may_skip(&self, head: &Head) -> bool {
        self.is_idle() && self.looked == Some(self.stretch(head))
    }

    /// The number of a stretch of blocks. An idle wallet's nonce is looked at once in each: rarely,
    /// not all wallets at the same head, and however many heads it misses.
    fn stretch(&self, head: &Head) -> u64 {
        let spread = u64::from(self.wallet.address().0.last().copied().unwrap_or_default());
        let shifted = head.number.saturating_add(spread);
        shifted.checked_div(IDLE_LOOK_EVERY).unwrap_or_default()
    }

    /// The books of wallets that the product had before, as far as something in them is not final.
    pub(super) async fn find_formers(&mut self) -> Result<(), LaneError> {
        let wallets = self.book.journal.former_wallets().await.map_err(LaneError::Journal)?;
        for wallet in wallets {
            let journal = self.book.journal.of_wallet(wallet);
            let asked = (Arc::clone(&self.node), self.book.together.clone());
            let mut book = Book::new(wallet, asked, journal, self.subject.clone());
            book.reload().await?;
            let nonces: Vec<u64> = book.slots.keys().copied().collect();
            self.subject.former_wallet(&wallet.to_string(), &nonces);
            self.outbox.push(LaneEvent::FormerWallet { wallet, nonces });
            self.formers.push(book);
        }
        Ok(())
    }

    /// Follows them; nothing is signed or sent for them, and one whose slots are final is done.
    async fn follow_formers(
        &mut self,
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let mut all = Ok(());
        for former in &mut self.formers {
            let followed = async {
                former.reload().await?;
                let evidence = former.evidence(head, self.profile.finality, false).await?;
                former.follow(&evidence, head, strategy, events).await
            };
            all = all.and(followed.await);
        }
        // One that could not be read is not known to be done.
        self.formers.retain(|former| former.reload || !former.slots.is_empty());
        all
    }
}
