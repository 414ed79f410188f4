//! Whether a person agreed to what the product acts on, heard with each assessment.

use ballast_strategy_api::{ActsOn, Decision, decision::MOVED};

use super::{
    super::{pauses::Leads, seat::Turn},
    ProductTask, Record,
};
use crate::guard::{self, Agreed};

impl ProductTask {
    /// Hears what an assessment is of. False if the product must not go by it, which is recorded; an
    /// action goes on to the guard all the same, which has a row for it.
    pub(super) async fn hear_what_it_acts_on(&mut self, turn: &Turn, record: &mut Record) -> bool {
        let (Some(acts_on), Ok(assessment)) = (&turn.acts_on, &turn.outcome) else { return true };
        let asked = format!("{} on chain id {}", acts_on.asked, self.profile.chain_id);
        let acts_on = ActsOn { asked, found: acts_on.found.clone() };
        let leads = match &assessment.decision {
            Decision::Blocked { reason, detail } if *reason == MOVED => {
                Leads::Astray(&acts_on, detail)
            }
            Decision::Wait { .. } | Decision::Act(_) | Decision::Blocked { .. } => {
                Leads::To(&acts_on)
            }
        };
        let heard = self.shared.pauses.hear(&self.config.name, leads).await;
        let agreed = self.show_agreed();
        self.lane.agree(agreed.clone());
        match (heard, agreed, &assessment.decision) {
            (Err(error), ..) => {
                record.say("error", "the store takes no writes", &crate::error_chain(&error));
                false
            }
            (Ok(()), Agreed::Moved(_), Decision::Act(_))
            | (Ok(()), Agreed::Any | Agreed::On(_), _) => true,
            (Ok(()), Agreed::Moved(detail), Decision::Wait { .. } | Decision::Blocked { .. }) => {
                record.say("refused", guard::MOVED, &detail);
                false
            }
        }
    }

    /// What the product may act on, and the board's word of it.
    pub(super) fn show_agreed(&self) -> Agreed {
        let agreed = self.shared.pauses.agreed(&self.config.name);
        let moved = match &agreed {
            Agreed::Moved(detail) => Some(detail.to_string()),
            Agreed::Any | Agreed::On(_) => None,
        };
        self.shared.board.moved(&self.config.name, moved);
        agreed
    }
}
