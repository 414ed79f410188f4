//! What the chain takes beside gas × price, asked before anything is signed.
//!
//! Caps, budgets and the wallet's balance are held against it with the rest. Where nobody can tell it,
//! routine work waits, since no cap on it would hold; what is prompt or an emergency goes on without,
//! and that is told.

use ballast_chains::{
    Head,
    fees::extra::{ExtraError, ExtraQuote},
    profile::FeeModel,
};
use ballast_strategy_api::{Call, Urgency};

use super::{
    super::{envelope, slot::Attempt},
    Lane, LaneEvent, Pursuit,
};

impl Lane {
    /// The most that one of these calls costs beside gas × price.
    pub(super) async fn extra<'a>(
        &self,
        calls: impl Iterator<Item = &'a Call>,
        head: &Head,
    ) -> Result<ExtraQuote, ExtraError> {
        let model = self.profile.fee_model;
        let unsigned = envelope::longest(self.profile.chain_id, model, calls);
        self.node.extra(head.into(), model, unsigned).await
    }

    /// As [`extra`](Self::extra), for a further attempt of either kind. Where nobody can tell it, it
    /// counts as what the attempt before was expected to cost.
    pub(super) async fn extra_for(&self, previous: &Attempt, head: &Head) -> ExtraQuote {
        let transfer = self.self_transfer();
        let told = self.extra([&previous.call, &transfer].into_iter(), head).await;
        told.unwrap_or_else(|cause| {
            self.subject.extra_unknown(&cause);
            ExtraQuote::of_l1_fee(previous.extra)
        })
    }

    /// What was told, or what follows from nothing being told.
    pub(super) fn extra_or_hold(
        &self,
        told: Result<ExtraQuote, ExtraError>,
        urgency: Urgency,
    ) -> Result<ExtraQuote, Pursuit> {
        told.or_else(|cause| {
            self.subject.extra_unknown(&cause);
            match urgency {
                Urgency::Routine => Err(Pursuit::Held {
                    reason: "L1 data fee unknown",
                    detail: crate::error_chain(&cause),
                }),
                Urgency::Prompt | Urgency::Emergency => Ok(ExtraQuote::NONE),
            }
        })
    }

    /// Counts what inclusions have cost beside gas × price, and says where a receipt is silent.
    pub(super) fn tell_extra(&self, events: &[LaneEvent]) {
        for event in events {
            if let LaneEvent::Included { nonce, extra, .. } = event {
                self.subject.extra_paid(extra);
                if self.profile.fee_model == FeeModel::OpStack && extra.l1_fee.is_none() {
                    self.subject.extra_untold(*nonce);
                }
            }
        }
    }
}
