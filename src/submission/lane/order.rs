//! What an operator orders for the transaction that waits: more money for it, or to give it up. Both
//! go the way of every other attempt, under the same caps; only the reasons to wait are passed over.

use ballast_chains::Head;
use ballast_strategy_api::DynStrategy;

use super::{
    super::slot::AttemptKind, Lane, LaneError, LaneEvent, evidence::Evidence, give_up::GiveUp,
    replace::Raising, send::Word,
};
use crate::guard::{Leave, Upkeep};

/// What is to be done with the transaction that waits for inclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub kind: OrderKind,
    /// By whom and why, for the journal.
    pub why: String,
}

/// See [`Order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKind {
    /// Replace it now by the same at a higher price, within its caps.
    Bump,
    /// Give it up by a self-transfer at its nonce, within its caps.
    Cancel,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obeyed {
    /// A further attempt is journalled and was sent.
    Done {
        /// Its nonce.
        nonce: u64,
        /// Its hash.
        hash: String,
        /// In words.
        what: String,
    },
    /// It was not carried out and will not be.
    Refused {
        /// Why.
        why: String,
    },
    /// The newest attempt was signed at this very head: the next one decides.
    NotYet,
}

impl Lane {
    /// As [`observe`](Self::observe), and carries out an order on the way. `by_order` is the guard's
    /// word on what an operator's order may do, which does not depend on what stops the product.
    ///
    /// # Errors
    /// See [`observe`](Self::observe). Whether the order was carried out is told by the journal then.
    pub async fn observe_ordered(
        &mut self,
        (order, by_order): (Order, &Upkeep),
        head: &Head,
        strategy: Option<&dyn DynStrategy>,
        upkeep: &Upkeep,
    ) -> Result<(Vec<LaneEvent>, Obeyed), LaneError> {
        self.order = Some((order, *by_order));
        self.obeyed = None;
        let observed = self.observe(head, strategy, upkeep).await;
        // Nothing of the order may outlive the answer to it.
        let untouched = self.order.take().is_some();
        let obeyed = self.obeyed.take();
        let events = observed?;
        let nothing = "no transaction of the product is under way".to_owned();
        let obeyed = match obeyed {
            Some(obeyed) => obeyed,
            None if untouched => Obeyed::Refused { why: nothing },
            None => Obeyed::NotYet,
        };
        Ok((events, obeyed))
    }

    /// Carries out the order that is there, if any, for the lowest nonce that waits.
    pub(super) async fn obey(
        &mut self,
        evidence: &Evidence,
        head: &Head,
        events: &mut Vec<LaneEvent>,
    ) -> Result<(), LaneError> {
        let Some((order, upkeep)) = self.order.take() else { return Ok(()) };
        let nonce = self.waiting(evidence).first().copied();
        let obeyed = match nonce {
            None => refused("no transaction of the product waits for inclusion"),
            Some(nonce) => self.obey_at(nonce, &order, head, &upkeep, events).await?,
        };
        self.obeyed = Some(obeyed);
        Ok(())
    }

    async fn obey_at(
        &mut self,
        nonce: u64,
        order: &Order,
        head: &Head,
        upkeep: &Upkeep,
        events: &mut Vec<LaneEvent>,
    ) -> Result<Obeyed, LaneError> {
        match upkeep.leave {
            Leave::Sign => {}
            Leave::Resend => {
                return Ok(refused("the newest block is too old to price anything by"));
            }
            Leave::Watch => return Ok(refused("dry run, or a wallet without a signer")),
        }
        let Some(slot) = self.book.slots.get(&nonce).map(|watched| watched.slot.clone()) else {
            return Ok(refused("no transaction of the product waits for inclusion"));
        };
        if head.number <= slot.newest().signed_at_block {
            return Ok(Obeyed::NotYet);
        }
        let is_given_up = slot.newest().kind == AttemptKind::Cancellation;
        if order.kind == OrderKind::Cancel && is_given_up {
            return Ok(refused("it is being given up already; `tx bump` offers more for that"));
        }
        let Some(view) = self.view(&slot, head).await else {
            return Ok(refused("no endpoint gave a price or the wallet's balance"));
        };
        let drafted = match order.kind {
            OrderKind::Cancel => {
                self.draft_cancellation(&slot, GiveUp::Ordered, &view, head, upkeep).await
            }
            OrderKind::Bump => self.draft_raise(&slot, &view, head, upkeep, Raising::Ordered).await,
        };
        let (draft, why) = match drafted {
            Ok(Some(drafted)) => drafted,
            Ok(None) => return Ok(refused("its call would fail by now: more money buys nothing")),
            Err(hold) => {
                return Ok(Obeyed::Refused { why: format!("{}: {}", hold.reason, hold.detail) });
            }
        };
        let drafted = (draft, format!("{why} ({})", order.why));
        let hash = self.send_further(drafted, head, Word::Operator, events).await?;
        let what = events.last().map(ToString::to_string).unwrap_or_default();
        Ok(Obeyed::Done { nonce, hash: hash.to_string(), what })
    }
}

fn refused(why: &str) -> Obeyed {
    Obeyed::Refused { why: why.to_owned() }
}
